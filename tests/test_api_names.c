/* Names of any value, and what tensors say of themselves. */
#include "test_api.h"

START_TEST(names_of_garbage)
{
    const unsigned values[] = {11, 12, 33, 1000, 0x7fffffff, 0xffffffffu};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ck_assert_ptr_nonnull(fovea_status_name((fovea_status)values[i]));
        ck_assert_ptr_nonnull(fovea_tier_name((fovea_tier)values[i]));
        ck_assert_ptr_nonnull(fovea_dtype_name((fovea_dtype)values[i]));
        ck_assert_uint_eq(fovea_dtype_size((fovea_dtype)values[i]), 0);
    }
}
END_TEST

START_TEST(names_of_values)
{
    ck_assert_str_eq(fovea_status_name(FOVEA_OK), "FOVEA_OK");
    ck_assert_str_eq(fovea_status_name(FOVEA_INVALID), "FOVEA_INVALID");
    ck_assert_str_eq(fovea_status_name(FOVEA_INTERNAL), "FOVEA_INTERNAL");
    ck_assert_str_eq(fovea_status_name(FOVEA_OUT_OF_DEVICE_MEMORY), "FOVEA_OUT_OF_DEVICE_MEMORY");
    ck_assert_str_eq(fovea_tier_name(FOVEA_TIER_SUBGROUP), "subgroup");
    ck_assert_str_eq(fovea_tier_name(FOVEA_TIER_PORTABLE), "portable");
    ck_assert_str_eq(fovea_tier_name(FOVEA_TIER_MATRIX), "matrix");
    ck_assert_str_eq(fovea_dtype_name(FOVEA_BF16), "bf16");
    ck_assert_str_eq(fovea_dtype_name(FOVEA_F16), "f16");
    ck_assert_str_eq(fovea_dtype_name(FOVEA_F32), "f32");
    ck_assert_uint_eq(fovea_dtype_size(FOVEA_F32), 4);
    ck_assert_uint_eq(fovea_dtype_size(FOVEA_F16), 2);
    ck_assert_uint_eq(fovea_dtype_size(FOVEA_BF16), 2);
}
END_TEST

START_TEST(all_names_differ)
{
    for (int a = FOVEA_OK; a <= FOVEA_INTERNAL; a++)
        for (int b = a + 1; b <= FOVEA_INTERNAL; b++)
            ck_assert_str_ne(fovea_status_name((fovea_status)a), fovea_status_name((fovea_status)b));
}
END_TEST

START_TEST(tensor_bytes)
{
    fovea_tensor t = fovea_tensor_bhsd(FOVEA_F16, 2, 3, 5, 7);
    ck_assert_uint_eq(fovea_tensor_bytes(&t), 2u * 3 * 5 * 7 * 2);
    t = fovea_tensor_bshd(FOVEA_F32, 2, 3, 5, 7);
    ck_assert_uint_eq(fovea_tensor_bytes(&t), 2u * 3 * 5 * 7 * 4);
    ck_assert_uint_eq(t.extents[1], 3);
    ck_assert_uint_eq(t.extents[2], 5);
    ck_assert_uint_eq(t.strides[1], 7);
    ck_assert_uint_eq(t.strides[2], 21);
    t = (fovea_tensor){.dtype = FOVEA_F32, .rank = 2, .extents = {3, 4}, .strides = {10, 1}};
    ck_assert_uint_eq(fovea_tensor_bytes(&t), (2 * 10 + 4) * 4); /* the last row ends with its last element */
    t.strides[0] = 0;
    ck_assert_uint_eq(fovea_tensor_bytes(&t), 4 * 4);
    t.extents[1] = 0;
    ck_assert_uint_eq(fovea_tensor_bytes(&t), 0);
    t = (fovea_tensor){0};
    ck_assert_uint_eq(fovea_tensor_bytes(&t), 0);
}
END_TEST

START_TEST(tensor_bytes_overflow)
{
    const uint64_t big = (uint64_t)1 << 40;
    fovea_tensor t = fovea_tensor_bhsd(FOVEA_F32, 1, 1, big, big);
    ck_assert_uint_eq(fovea_tensor_bytes(&t), UINT64_MAX);
    t = fovea_tensor_bhsd(FOVEA_F32, 1, 1, 1, UINT64_MAX);
    ck_assert_uint_eq(fovea_tensor_bytes(&t), UINT64_MAX);
    t = fovea_tensor_bhsd(FOVEA_F32, 1, 1, 1, UINT64_MAX / 4 + 1); /* the element count fits, the bytes do not */
    ck_assert_uint_eq(fovea_tensor_bytes(&t), UINT64_MAX);
    t = (fovea_tensor){.dtype = FOVEA_F16, .rank = 2, .extents = {3, 4}, .strides = {UINT64_MAX / 2, 1}};
    ck_assert_uint_eq(fovea_tensor_bytes(&t), UINT64_MAX);
    t = (fovea_tensor){
        .dtype = FOVEA_F16, .rank = 3, .extents = {2, 2, 4}, .strides = {UINT64_MAX / 4, UINT64_MAX / 4 * 3, 1}};
    ck_assert_uint_eq(fovea_tensor_bytes(&t), UINT64_MAX);
}
END_TEST

void add_name_tests(Suite *suite)
{
    TCase *c = tcase_create("names");
    tcase_add_test(c, names_of_garbage);
    tcase_add_test(c, names_of_values);
    tcase_add_test(c, all_names_differ);
    tcase_add_test(c, tensor_bytes);
    tcase_add_test(c, tensor_bytes_overflow);
    suite_add_tcase(suite, c);
}
