/* What the Vulkan backend makes of a driver's matrix unit, with a driver of this file's own: rows of every kind, failures,
 * features that are missing, and what is enabled. Needs no device. */
#include "../../backends/vulkan/internal.h"

#include "runner.h"

#include <string.h>

enum { ROWS_MOST = 16 };
#define F16  VK_COMPONENT_TYPE_FLOAT16_KHR
#define F32  VK_COMPONENT_TYPE_FLOAT32_KHR
#define BF16 VK_COMPONENT_TYPE_BFLOAT16_KHR

/* What the driver answers. */
static struct {
    VkCooperativeMatrixPropertiesKHR rows[ROWS_MOST];
    uint32_t count, written; /* told at first; there when asked for the rows */
    VkResult counted, listed;
    uint32_t calls;
} driver;

static VKAPI_ATTR VkResult VKAPI_CALL get_properties(VkPhysicalDevice device, uint32_t *count,
                                                     VkCooperativeMatrixPropertiesKHR *rows)
{
    (void)device;
    driver.calls++;
    if (!rows) {
        *count = driver.count;
        return driver.counted;
    }
    ck_assert_uint_ge(*count, driver.written);
    *count = driver.written;
    for (uint32_t i = 0; i < driver.written; i++) {
        ck_assert_int_eq(rows[i].sType, VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR);
        rows[i] = driver.rows[i];
    }
    return driver.listed;
}

static void add_row(uint32_t m, uint32_t n, uint32_t k, VkComponentTypeKHR operand, VkComponentTypeKHR sum)
{
    driver.rows[driver.count] = (VkCooperativeMatrixPropertiesKHR){.MSize = m,
                                                                   .NSize = n,
                                                                   .KSize = k,
                                                                   .AType = operand,
                                                                   .BType = operand,
                                                                   .CType = sum,
                                                                   .ResultType = sum,
                                                                   .scope = VK_SCOPE_SUBGROUP_KHR};
    driver.written = ++driver.count;
}

/* A device that has it all, as the queries before this one leave it. */
static fv_vk_physical able_device(void)
{
    fv_vk_physical physical = {.api_version = VK_API_VERSION_1_1};
    strcpy(physical.properties.deviceName, "a device of the test");
    for (int i = 0; i < FV_VK_EXTENSION_COUNT; i++)
        physical.listed[i] = true;
    physical.subgroup.supportedStages = VK_SHADER_STAGE_COMPUTE_BIT;
    physical.subgroup.supportedOperations =
        VK_SUBGROUP_FEATURE_SHUFFLE_BIT | VK_SUBGROUP_FEATURE_VOTE_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    physical.size_control.subgroupSizeControl = physical.size_control.computeFullSubgroups = VK_TRUE;
    physical.sizes.requiredSubgroupSizeStages = VK_SHADER_STAGE_COMPUTE_BIT;
    physical.matrix_stages.cooperativeMatrixSupportedStages = VK_SHADER_STAGE_COMPUTE_BIT;
    physical.matrix = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR){
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, NULL, VK_TRUE, VK_TRUE};
    physical.float16 = (VkPhysicalDeviceShaderFloat16Int8Features){
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, NULL, VK_TRUE, VK_TRUE};
    physical.bfloat16 = (VkPhysicalDeviceShaderBfloat16FeaturesKHR){
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR, NULL, VK_TRUE, VK_TRUE, VK_TRUE};
    physical.memory_model = (VkPhysicalDeviceVulkanMemoryModelFeatures){
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, NULL, VK_TRUE, VK_TRUE, VK_TRUE};
    return physical;
}

static fv_host host;
static uint32_t warnings;

static void on_message(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    (void)text;
    warnings += level == FOVEA_LOG_WARNING;
}

static fovea_status query(fv_vk_physical *physical)
{
    const fv_vk_instance instance = {.host = &host,
                                     .vk = {.GetPhysicalDeviceCooperativeMatrixPropertiesKHR = get_properties}};
    fv_vk_reason reason = {""};
    const fovea_status status = fv_vk_matrices_query(&instance, physical, &reason);
    ck_assert_int_eq(status == FOVEA_OK, reason.text[0] == '\0');
    return status;
}

static void begin(void)
{
    static const fovea_log log = {.message = on_message, .level = FOVEA_LOG_WARNING};
    static const fovea_allocator allocator = {0};
    memset(&driver, 0, sizeof driver);
    warnings = 0;
    fv_host_init(&host, &allocator, &log);
}

static void end(void)
{
    fv_host_release(&host);
}

static bool enabled(const fv_vk_physical *physical, const char *name)
{
    const char *names[FV_VK_EXTENSION_COUNT];
    const uint32_t count = fv_vk_physical_extensions(physical, names);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Nothing of it is chained into device creation, nor named. */
static void check_off(const fv_vk_physical *physical)
{
    ck_assert(!physical->matrices_used);
    ck_assert(physical->matrix.sType == 0 && physical->float16.sType == 0 && physical->bfloat16.sType == 0 &&
              physical->memory_model.sType == 0);
    ck_assert(!enabled(physical, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME));
    ck_assert(!enabled(physical, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME));
    ck_assert(!enabled(physical, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME));
    ck_assert(!enabled(physical, VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME));
}

START_TEST(keeps_what_kernels_multiply)
{
    fv_vk_physical physical = able_device();
    add_row(8, 8, 32, VK_COMPONENT_TYPE_MAX_ENUM_KHR, F32); /* integers, say */
    add_row(16, 16, 16, F16, F16);                          /* sums of 16 bits */
    add_row(16, 16, 16, F16, F32);
    add_row(16, 16, 16, F16, F32); /* twice */
    add_row(16, 8, 16, BF16, F32);
    add_row(16, 16, 8, F32, F32);
    add_row(16, 16, 64, F16, F32);
    driver.rows[6].scope = (VkScopeKHR)2; /* of the workgroup */
    add_row(32, 16, 16, F16, F32);
    driver.rows[7].saturatingAccumulation = VK_TRUE;
    add_row(64, 16, 16, F16, F32);
    driver.rows[8].BType = BF16;
    add_row(0, 16, 16, F16, F32);
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    ck_assert_uint_eq(physical.matrix_count, 2);
    const fovea_matrix_shape wanted[] = {{16, 16, 16, FOVEA_F16}, {16, 8, 16, FOVEA_BF16}};
    ck_assert_int_eq(memcmp(physical.matrices, wanted, sizeof wanted), 0);
    ck_assert(physical.matrices_fit && physical.matrices_used);
    ck_assert(enabled(&physical, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME));
    ck_assert(enabled(&physical, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME));
    ck_assert(enabled(&physical, VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME));
    ck_assert(!physical.matrix.cooperativeMatrixRobustBufferAccess && !physical.float16.shaderInt8 &&
              !physical.bfloat16.shaderBFloat16DotProduct);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(keeps_eight_shapes)
{
    fv_vk_physical physical = able_device();
    for (uint32_t i = 0; i < 12; i++)
        add_row(8 * (i + 1), 8, 16, F16, F32);
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    ck_assert_uint_eq(physical.matrix_count, FOVEA_MATRICES_MAX);
    ck_assert_uint_eq(physical.matrices[7].m, 64);
}
END_TEST

/* Fewer rows than were counted, or more of them there now: those that came count. */
START_TEST(incomplete_lists_count)
{
    fv_vk_physical physical = able_device();
    add_row(16, 16, 16, F16, F32);
    add_row(16, 8, 16, F16, F32);
    driver.written = 1;
    driver.listed = _i ? VK_INCOMPLETE : VK_SUCCESS;
    driver.counted = _i ? VK_INCOMPLETE : VK_SUCCESS;
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    ck_assert_uint_eq(physical.matrix_count, 1);
    ck_assert(physical.matrices_used);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(a_failure_is_no_matrix_unit)
{
    static const VkResult results[] = {VK_ERROR_INITIALIZATION_FAILED, VK_ERROR_OUT_OF_DEVICE_MEMORY,
                                       VK_ERROR_OUT_OF_HOST_MEMORY};
    const VkResult result = results[_i / 2];
    fv_vk_physical physical = able_device();
    add_row(16, 16, 16, F16, F32);
    *(_i % 2 ? &driver.listed : &driver.counted) = result;
    const fovea_status status = query(&physical);
    const fovea_status wanted[] = {FOVEA_OK, FOVEA_OUT_OF_DEVICE_MEMORY, FOVEA_OUT_OF_HOST_MEMORY};
    ck_assert_int_eq(status, wanted[_i / 2]);
    ck_assert_uint_eq(physical.matrix_count, 0);
    if (status == FOVEA_OK) {
        check_off(&physical);
        ck_assert_uint_eq(warnings, 1);
    }
}
END_TEST

/* A driver with the extension and without the function, or without the feature, is not asked. */
START_TEST(not_asked_without_need)
{
    fv_vk_physical physical = able_device();
    const fv_vk_instance nothing = {.host = &host};
    fv_vk_reason reason = {""};
    add_row(16, 16, 16, F16, F32);
    ck_assert_int_eq(fv_vk_matrices_query(&nothing, &physical, &reason), FOVEA_OK);
    check_off(&physical);
    physical = able_device();
    physical.matrix.cooperativeMatrix = VK_FALSE;
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    check_off(&physical);
    physical = able_device();
    physical.matrix_stages.cooperativeMatrixSupportedStages = VK_SHADER_STAGE_FRAGMENT_BIT;
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    check_off(&physical);
    ck_assert_uint_eq(driver.calls, 0);
    physical = able_device();
    driver.count = 0;
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    check_off(&physical);
    ck_assert_uint_eq(driver.calls, 1);
}
END_TEST

/* Its shapes are told all the same, but nothing is enabled. */
START_TEST(what_kernels_need_besides)
{
    fv_vk_physical physical = able_device();
    add_row(16, 16, 16, F16, F32);
    VkBool32 *const flags[] = {&physical.size_control.subgroupSizeControl, &physical.size_control.computeFullSubgroups,
                               &physical.memory_model.vulkanMemoryModel,
                               &physical.memory_model.vulkanMemoryModelDeviceScope};
    VkFlags *const masks[] = {&physical.sizes.requiredSubgroupSizeStages, &physical.subgroup.supportedStages,
                              &physical.subgroup.supportedOperations};
    if (_i < 4)
        *flags[_i] = VK_FALSE;
    else
        *masks[_i - 4] = _i == 6 ? VK_SUBGROUP_FEATURE_SHUFFLE_BIT | VK_SUBGROUP_FEATURE_VOTE_BIT : 0;
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    ck_assert_uint_eq(physical.matrix_count, 1);
    ck_assert(!physical.matrices_fit);
    check_off(&physical);
}
END_TEST

/* An operand type without its arithmetic is none; the other one is used alone, and it alone is enabled. */
START_TEST(operand_types_apart)
{
    fv_vk_physical physical = able_device();
    add_row(16, 16, 16, F16, F32);
    add_row(16, 16, 16, BF16, F32);
    switch (_i) {
    case 0: physical.float16.shaderFloat16 = VK_FALSE; break; /* kernels of either type need it */
    case 1: physical.bfloat16.shaderBFloat16Type = VK_FALSE; break;
    default: physical.bfloat16.shaderBFloat16CooperativeMatrix = VK_FALSE; break;
    }
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    ck_assert_uint_eq(physical.matrix_count, _i == 0 ? 0 : 1);
    if (_i > 0)
        ck_assert_int_eq((int)physical.matrices[0].operand, FOVEA_F16);
    ck_assert_int_eq(enabled(&physical, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME), _i != 0);
    ck_assert(!enabled(&physical, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME));
}
END_TEST

/* max_tier below matrix: the device offers what it offers, and nothing is enabled. */
START_TEST(a_lower_tier_enables_nothing)
{
    fv_vk_physical physical = able_device();
    fv_caps caps;
    add_row(16, 16, 16, F16, F32);
    physical.matrix_nv.cooperativeMatrixReductions = VK_TRUE;
    physical.matrix_ext.cooperativeMatrixGetCoordinate = VK_TRUE;
    physical.matrix_qcom.cooperativeMatrixConversion = VK_TRUE;
    ck_assert_int_eq(query(&physical), FOVEA_OK);
    fv_vk_matrices_choose(&physical, false);
    check_off(&physical);
    fv_vk_caps_fill(&physical, 0, &caps);
    ck_assert_int_eq((int)caps.info.tier, FOVEA_TIER_MATRIX);
    ck_assert_uint_eq(caps.info.matrix_count, 1);
    ck_assert_uint_eq(caps.matrix_count, 0);
    ck_assert_uint_eq(caps.info.matrix_features,
                      FOVEA_MATRIX_NV_REDUCTIONS | FOVEA_MATRIX_EXT_COORDINATES | FOVEA_MATRIX_QCOM_CONVERSION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matrices");
    TCase *c = tcase_create("matrices");
    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, keeps_what_kernels_multiply);
    tcase_add_test(c, keeps_eight_shapes);
    tcase_add_loop_test(c, incomplete_lists_count, 0, 2);
    tcase_add_loop_test(c, a_failure_is_no_matrix_unit, 0, 6);
    tcase_add_test(c, not_asked_without_need);
    tcase_add_loop_test(c, what_kernels_need_besides, 0, 7);
    tcase_add_loop_test(c, operand_types_apart, 0, 3);
    tcase_add_test(c, a_lower_tier_enables_nothing);
    suite_add_tcase(suite, c);
    return !run_suite(suite);
}
