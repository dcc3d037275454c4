/* What texts of the matrix tier have besides vulkan.glsl: matrices of the subgroup in the module's shape, MATRIX_LEFT
 * (M x K) times MATRIX_RIGHT (K x N) added to MATRIX_SUM (M x N). Operands are of MATRIX_TYPE, sums of float. */
#define MATRIX_LEFT coopmat<MATRIX_TYPE, gl_ScopeSubgroup, MATRIX_M, MATRIX_K, gl_MatrixUseA>
#define MATRIX_RIGHT coopmat<MATRIX_TYPE, gl_ScopeSubgroup, MATRIX_K, MATRIX_N, gl_MatrixUseB>
#define MATRIX_SUM coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>
