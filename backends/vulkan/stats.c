/* What a driver tells of a compiled kernel: registers, spills, occupancy, scratch. */
#include "internal.h"

#include <stddef.h>
#include <string.h>

enum { STATISTICS_MAX = 64 };

/* The drivers' own names. Where a driver has several of a field's names, the first row wins. */
typedef struct statistic_row {
    const char *name;
    size_t field;
} statistic_row;

#define FIELD(member) offsetof(fv_kernel_stats, member)

static const statistic_row statistic_rows[] = {
    {"VGPRs", FIELD(registers)},              /* RADV */
    {"Register Count", FIELD(registers)},     /* NVIDIA */
    {"Max live registers", FIELD(registers)}, /* ANV */
    {"Registers", FIELD(registers)},
    {"Spilled VGPRs", FIELD(spills)},
    {"Spill Count", FIELD(spills)},
    {"Spills", FIELD(spills)},
    {"Subgroups per SIMD", FIELD(subgroups_per_simd)},
    {"Scratch size", FIELD(scratch)},
    {"Scratch Memory Size", FIELD(scratch)},
    {"Local Memory Size", FIELD(scratch)},
};

#undef FIELD

static uint32_t value_of(const VkPipelineExecutableStatisticKHR *statistic)
{
    uint64_t value = UINT32_MAX;
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: value = statistic->value.b32; break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
        value = statistic->value.i64 < 0 ? 0 : (uint64_t)statistic->value.i64;
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: value = statistic->value.u64; break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR:
        value = statistic->value.f64 > 0.0 && statistic->value.f64 < 4e9 ? (uint64_t)statistic->value.f64 : 0;
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_MAX_ENUM_KHR: break;
    }
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static void pick(const VkPipelineExecutableStatisticKHR *list, uint32_t count, fv_kernel_stats *stats)
{
    for (size_t row = 0; row < sizeof statistic_rows / sizeof statistic_rows[0]; row++) {
        uint32_t *field = (uint32_t *)(void *)((unsigned char *)stats + statistic_rows[row].field);
        for (uint32_t i = 0; i < count && *field == UINT32_MAX; i++)
            if (strcmp(list[i].name, statistic_rows[row].name) == 0)
                *field = value_of(&list[i]);
    }
}

/* A compute pipeline has one executable; the first tells. */
static void query(fv_vk_device *device, VkPipeline pipeline, VkPipelineExecutableStatisticKHR *list,
                  fv_kernel_stats *stats)
{
    const VkPipelineInfoKHR pipeline_info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline};
    uint32_t executables = 0;
    if (device->vk.GetPipelineExecutablePropertiesKHR(device->handle, &pipeline_info, &executables, NULL) !=
            VK_SUCCESS ||
        executables == 0)
        return;
    const VkPipelineExecutableInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
        .pipeline = pipeline,
    };
    uint32_t count = STATISTICS_MAX;
    for (uint32_t i = 0; i < count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    if (device->vk.GetPipelineExecutableStatisticsKHR(device->handle, &info, &count, list) >= 0)
        pick(list, count, stats);
}

void fv_vk_kernel_stats(fv_kernel *base, fv_kernel_stats *out_stats)
{
    const fv_vk_kernel *kernel = (const fv_vk_kernel *)base;
    fv_vk_device *device = (fv_vk_device *)base->device;
    *out_stats = (fv_kernel_stats){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    if (!device->base.caps.pipeline_statistics || atomic_load(&device->lost))
        return;
    VkPipelineExecutableStatisticKHR *list = fv_alloc(base->device->host, STATISTICS_MAX, sizeof *list);
    if (list)
        query(device, kernel->pipeline, list, out_stats);
    fv_free(base->device->host, list);
}
