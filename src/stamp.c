/* Time stamps of the caller. */
#include "device.h"

fovea_status fovea_device_stamp(fovea_device *device, uint32_t index)
{
    if (!device)
        return FOVEA_INVALID;
    fovea_status status = FOVEA_OK;
    const fv_command command = {.kind = FV_COMMAND_STAMP, .stamp = index};
    fv_require(&device->host, index < FOVEA_STAMPS, FOVEA_INVALID, "time stamp %u; there are %u", index, FOVEA_STAMPS);
    fv_require(&device->host, device->driver->caps.stamps, FOVEA_UNSUPPORTED, "this device's queue keeps no time");
    fv_try(device->backend->record(device->driver, &command, 1));
    device->stamped |= UINT64_C(1) << index;
fail:
    return status;
}

fovea_status fovea_device_get_stamps(fovea_device *device, uint32_t first, uint32_t count, double *out_seconds)
{
    if (!device)
        return FOVEA_INVALID;
    fovea_status status = FOVEA_OK;
    fv_host *host = &device->host;
    fv_require(host, out_seconds || count == 0, FOVEA_INVALID, "fovea_device_get_stamps: out_seconds is NULL");
    fv_require(host, device->driver->caps.stamps, FOVEA_UNSUPPORTED, "this device's queue keeps no time");
    fv_require(host, first <= FOVEA_STAMPS && count <= FOVEA_STAMPS - first, FOVEA_INVALID,
               "%u time stamps from %u; there are %u", count, first, FOVEA_STAMPS);
    fv_require(host, !device->backend->lost(device->driver), FOVEA_DEVICE_LOST, "time stamps: device lost");
    for (uint32_t i = first; i < first + count; i++)
        fv_require(host, device->stamped >> i & 1, FOVEA_INVALID, "time stamp %u was never recorded", i);
    fv_try(fovea_device_wait(device));
    if (count > 0)
        fv_try(device->backend->read_stamps(device->driver, first, count, out_seconds));
fail:
    return status;
}
