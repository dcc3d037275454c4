/* Slots in flight, and lists that are executed on the spot. */
#include "internal.h"

fovea_status fv_vk_record(fv_device *base, const fv_command *commands, uint32_t count)
{
    fv_vk_device *device = (fv_vk_device *)base;
    fv_vk_list *open = &device->slots[device->open];
    fovea_status status;
    fv_try(fv_vk_device_check(device));
    status = fv_vk_list_poll(device, open); /* in flight still only where the wait in submit timed out */
    if (status == FOVEA_TIMEOUT)
        fv_fail(base->host, status, "all %u command lists are still in flight; wait before recording",
                device->slot_count);
    if (status != FOVEA_OK)
        goto fail;
    return fv_vk_list_record(device, open, commands, count);
fail:
    return status;
}

fovea_status fv_vk_cut(fv_device *base)
{
    fv_vk_device *device = (fv_vk_device *)base;
    return fv_vk_list_cut(device, &device->slots[device->open]);
}

fovea_status fv_vk_submit(fv_device *base)
{
    fv_vk_device *device = (fv_vk_device *)base;
    fv_vk_list *open = &device->slots[device->open];
    fovea_status status;
    fv_try(fv_vk_device_check(device));
    if (open->state != FV_VK_LIST_OPEN)
        return FOVEA_OK;
    fv_try(fv_vk_list_send(device, open));
    device->open = (device->open + 1) % device->slot_count;
    /* The next slot is the oldest: wait for it here, so that recording never does. */
    return fv_vk_list_wait(device, &device->slots[device->open], 1);
fail:
    return status;
}

fovea_status fv_vk_wait(fv_device *base)
{
    fv_vk_device *device = (fv_vk_device *)base;
    fovea_status status;
    fv_try(fv_vk_device_check(device));
    fv_try(fv_vk_list_wait(device, device->slots, device->slot_count));
    return fv_vk_late_reap(device, true);
fail:
    return status;
}

/* ---- execute -------------------------------------------------------------------------------- */

static void list_destroy(fv_vk_device *device, fv_vk_list *list)
{
    fv_vk_list_release(device, list);
    fv_free(device->base.host, list);
}

/* A list that still runs keeps its command buffer: it is put aside and released when it is done. */
static void list_put_aside(fv_vk_device *device, fv_vk_list *list)
{
    pthread_mutex_lock(&device->late_lock);
    list->next = device->late;
    device->late = list;
    pthread_mutex_unlock(&device->late_lock);
}

/* With late_lock held. A list that is waited for in vain is the last one: the queue runs them in turn. */
static fovea_status reap(fv_vk_device *device, bool wait)
{
    fovea_status first = FOVEA_OK;
    for (fv_vk_list **link = &device->late; *link;) {
        fv_vk_list *list = *link;
        const bool waits = wait && first == FOVEA_OK;
        const fovea_status status = waits ? fv_vk_list_wait(device, list, 1) : fv_vk_list_poll(device, list);
        if (first == FOVEA_OK)
            first = status;
        if (status != FOVEA_OK && !atomic_load(&device->lost)) {
            link = &list->next;
            continue;
        }
        *link = list->next;
        list_destroy(device, list);
    }
    while (!device->late && device->doomed) {
        fv_vk_doomed *doomed = device->doomed;
        device->doomed = doomed->next;
        doomed->release(device, doomed->object);
    }
    return first;
}

fovea_status fv_vk_late_reap(fv_vk_device *device, bool wait)
{
    if (wait)
        pthread_mutex_lock(&device->late_lock);
    else if (pthread_mutex_trylock(&device->late_lock) != 0)
        return FOVEA_OK;
    const fovea_status first = reap(device, wait);
    pthread_mutex_unlock(&device->late_lock);
    return first;
}

void fv_vk_late_release(fv_vk_device *device, fv_vk_doomed *doomed)
{
    pthread_mutex_lock(&device->late_lock);
    doomed->next = device->doomed;
    device->doomed = doomed;
    reap(device, false);
    pthread_mutex_unlock(&device->late_lock);
}

void fv_vk_late_abandon(fv_vk_device *device)
{
    fv_host *host = device->base.host;
    while (device->late) {
        fv_vk_list *list = device->late;
        device->late = list->next;
        fv_free(host, list);
    }
    while (device->doomed) {
        fv_vk_doomed *doomed = device->doomed;
        device->doomed = doomed->next;
        fv_free(host, doomed->object);
    }
}

fovea_status fv_vk_execute(fv_device *base, const fv_command *commands, uint32_t count)
{
    fv_vk_device *device = (fv_vk_device *)base;
    fv_vk_list *list = NULL;
    fovea_status status;
    fv_try(fv_vk_device_check(device));
    fv_vk_late_reap(device, false);
    list = fv_alloc(base->host, 1, sizeof *list);
    fv_require(base->host, list, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a command list");
    fv_try(fv_vk_list_create(device, list));
    fv_try(fv_vk_list_record(device, list, commands, count));
    fv_try(fv_vk_list_send(device, list));
    status = fv_vk_list_wait(device, list, 1);
fail:
    if (list && list->state == FV_VK_LIST_IN_FLIGHT && !atomic_load(&device->lost))
        list_put_aside(device, list);
    else if (list)
        list_destroy(device, list);
    return status;
}
