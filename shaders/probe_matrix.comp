/* No kernel: the least text that needs of compiler, validator and driver what the modules of the matrix tier need. */
shared MATRIX_TYPE4 s_probe;

void main()
{
    MATRIX_SUM sum = coopMatMulAdd(MATRIX_LEFT(MATRIX_TYPE(1.0)), MATRIX_RIGHT(MATRIX_TYPE(2.0)), MATRIX_SUM(0.0));
    s_probe = MATRIX_TYPE4(MATRIX_TYPE(sum[0]));
    if (subgroupAny(SHUFFLE_XOR(subgroupMax(sum[0]), 1u) > 1.0e4))
        barrier();
}
