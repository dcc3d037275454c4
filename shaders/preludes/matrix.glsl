/* What texts of the matrix tier have besides vulkan.glsl: matrices of the subgroup, MATRIX_LEFT (M x K) times MATRIX_RIGHT
 * (K x N) added to MATRIX_SUM (M x N). Operands are of MATRIX_TYPE, sums of float. MATRIX_M, MATRIX_N and MATRIX_K are the
 * module's, or constants of the kernel. */
#define MATRIX_LEFT coopmat<MATRIX_TYPE, gl_ScopeSubgroup, MATRIX_M, MATRIX_K, gl_MatrixUseA>
#define MATRIX_RIGHT coopmat<MATRIX_TYPE, gl_ScopeSubgroup, MATRIX_K, MATRIX_N, gl_MatrixUseB>
#define MATRIX_SUM coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>
