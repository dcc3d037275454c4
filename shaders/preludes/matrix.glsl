/* Matrix units, for the kernels of the matrix tier: plain GLSL behind vulkan.glsl. MATRIX_M, MATRIX_N and MATRIX_K are the
 * shape of a product, MATRIX_TYPE its operands' type (float16_t or bfloat16_t). */
#ifdef MATRIX_IS_BF16
#define MATRIX_VEC4 bf16vec4
#else
#define MATRIX_VEC4 f16vec4
#endif
