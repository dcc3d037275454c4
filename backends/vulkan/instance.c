/* A Vulkan instance of one opened device, with the validation layer where the caller asks for it. */
#include "internal.h"

#include <fovea/version.h>

#include <string.h>

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

enum { EXTENSIONS_MAX = 4 };

/* All that vkCreateInstance reads; lives until it returns. */
typedef struct instance_request {
    VkApplicationInfo application;
    VkInstanceCreateInfo info;
    VkValidationFeaturesEXT features;
    VkDebugUtilsMessengerCreateInfoEXT messenger;
    const char *extensions[EXTENSIONS_MAX];
    const char *layer;
} instance_request;

static const VkValidationFeatureEnableEXT validation_features[] = {
    VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
    /* from here on: validation == 2 */
    VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT,
    VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_RESERVE_BINDING_SLOT_EXT,
};

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void)types;
    const bool error = (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) != 0;
    fv_log(user, error ? FOVEA_LOG_ERROR : FOVEA_LOG_WARNING, "validation: %s",
           data->pMessage ? data->pMessage : "(no text)");
    return VK_FALSE;
}

static bool extension_listed(const VkExtensionProperties *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(list[i].extensionName, name) == 0)
            return true;
    return false;
}

/* Looks for an instance extension of the loader and its drivers (layer NULL) or of a layer. */
static VkResult find_extension(const fv_vk_instance *instance, const char *layer, const char *name, bool *found)
{
    const fv_vk_global_functions *vk = &instance->loader.vk;
    uint32_t count = 0;
    VkExtensionProperties *list = NULL;
    *found = false;
    VkResult result = vk->EnumerateInstanceExtensionProperties(layer, &count, NULL);
    if (result == VK_ERROR_LAYER_NOT_PRESENT)
        return VK_SUCCESS;
    if (result == VK_SUCCESS && count != 0) {
        list = fv_alloc(instance->host, count, sizeof *list);
        if (!list)
            return VK_ERROR_OUT_OF_HOST_MEMORY;
        result = vk->EnumerateInstanceExtensionProperties(layer, &count, list);
    }
    if (result == VK_INCOMPLETE)
        result = VK_SUCCESS;
    if (result == VK_SUCCESS)
        *found = extension_listed(list, count, name);
    fv_free(instance->host, list);
    return result;
}

static fovea_status check_version(fv_vk_instance *instance, fv_vk_reason *reason)
{
    uint32_t version = VK_API_VERSION_1_0;
    const VkResult result = instance->loader.vk.EnumerateInstanceVersion(&version);
    if (result != VK_SUCCESS)
        return fv_vk_reason_set(reason, fv_vk_result_status(result), "vkEnumerateInstanceVersion: %s",
                                fv_vk_result_name(result));
    if (version < VK_API_VERSION_1_1)
        return fv_vk_reason_set(reason, FOVEA_NO_DEVICE, "the Vulkan loader is older than 1.1");
    instance->api_version = version < VK_API_VERSION_1_3 ? version : VK_API_VERSION_1_3;
    return FOVEA_OK;
}

static void add_extension(instance_request *request, const char *name)
{
    request->extensions[request->info.enabledExtensionCount++] = name;
}

/* Drivers that lack parts of Vulkan, such as MoltenVK, are listed only to those who ask for them. */
static fovea_status ask_portability(fv_vk_instance *instance, instance_request *request, fv_vk_reason *reason)
{
    bool found;
    const VkResult result = find_extension(instance, NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME, &found);
    if (result != VK_SUCCESS)
        return fv_vk_reason_set(reason, fv_vk_result_status(result), "vkEnumerateInstanceExtensionProperties: %s",
                                fv_vk_result_name(result));
    if (found) {
        add_extension(request, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
        request->info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    return FOVEA_OK;
}

static fovea_status ask_validation(fv_vk_instance *instance, uint32_t validation, instance_request *request,
                                   fv_vk_reason *reason)
{
    bool found;
    const VkResult result =
        find_extension(instance, VALIDATION_LAYER, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME, &found);
    if (result != VK_SUCCESS)
        return fv_vk_reason_set(reason, fv_vk_result_status(result), "vkEnumerateInstanceExtensionProperties: %s",
                                fv_vk_result_name(result));
    if (!found)
        return fv_vk_reason_set(reason, FOVEA_UNSUPPORTED,
                                "validation = %u: the layer " VALIDATION_LAYER
                                " with VK_EXT_validation_features is not installed",
                                validation);
    const uint32_t all = sizeof validation_features / sizeof validation_features[0];
    request->layer = VALIDATION_LAYER;
    request->info.enabledLayerCount = 1;
    request->info.ppEnabledLayerNames = &request->layer;
    add_extension(request, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME);
    add_extension(request, VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
    request->messenger = (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity =
            VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        /* Not GENERAL: those are the loader's words about other drivers of the machine. */
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = instance->host,
    };
    request->features = (VkValidationFeaturesEXT){
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &request->messenger,
        .enabledValidationFeatureCount = validation >= 2 ? all : 1,
        .pEnabledValidationFeatures = validation_features,
    };
    request->info.pNext = &request->features;
    return FOVEA_OK;
}

static const char *load_functions(fv_vk_instance *instance)
{
#define LOAD(name) instance->vk.name = (PFN_vk##name)instance->loader.get(instance->handle, "vk" #name);
#define LOAD_REQUIRED(name) \
    LOAD(name)              \
    if (!instance->vk.name) \
        return "vk" #name;
    FV_VK_INSTANCE_OPTIONAL(LOAD)
    FV_VK_INSTANCE_FUNCTIONS(LOAD_REQUIRED)
#undef LOAD_REQUIRED
#undef LOAD
    return NULL;
}

static fovea_status create(fv_vk_instance *instance, instance_request *request, fv_vk_reason *reason)
{
    const VkResult result = instance->loader.vk.CreateInstance(&request->info, NULL, &instance->handle);
    if (result != VK_SUCCESS) {
        instance->handle = VK_NULL_HANDLE;
        return fv_vk_reason_set(reason, fv_vk_result_status(result), "vkCreateInstance: %s", fv_vk_result_name(result));
    }
    const char *missing = load_functions(instance);
    if (missing) {
        /* Without vkDestroyInstance the instance cannot be given back. */
        if (!instance->vk.DestroyInstance)
            instance->handle = VK_NULL_HANDLE;
        return fv_vk_reason_set(reason, FOVEA_NO_DEVICE, "the Vulkan instance lacks %s", missing);
    }
    return FOVEA_OK;
}

static fovea_status create_messenger(fv_vk_instance *instance, const instance_request *request, fv_vk_reason *reason)
{
    if (!instance->vk.CreateDebugUtilsMessengerEXT || !instance->vk.DestroyDebugUtilsMessengerEXT)
        return fv_vk_reason_set(reason, FOVEA_UNSUPPORTED, "validation: the layer lacks VK_EXT_debug_utils");
    const VkResult result =
        instance->vk.CreateDebugUtilsMessengerEXT(instance->handle, &request->messenger, NULL, &instance->messenger);
    if (result != VK_SUCCESS) {
        instance->messenger = VK_NULL_HANDLE;
        return fv_vk_reason_set(reason, fv_vk_result_status(result), "vkCreateDebugUtilsMessengerEXT: %s",
                                fv_vk_result_name(result));
    }
    return FOVEA_OK;
}

fovea_status fv_vk_instance_open(fv_vk_instance *instance, fv_host *host, uint32_t validation, fv_vk_reason *reason)
{
    instance->host = host;
    fovea_status status;
    instance_request request = {
        .application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pEngineName = "Fovea"},
        .info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO},
    };
    request.info.pApplicationInfo = &request.application;
    request.info.ppEnabledExtensionNames = request.extensions;

    fv_try(fv_vk_loader_open(&instance->loader, reason));
    fv_try(check_version(instance, reason));
    request.application.apiVersion = instance->api_version;
    fv_try(ask_portability(instance, &request, reason));
    if (validation != 0)
        fv_try(ask_validation(instance, validation, &request, reason));
    fv_try(create(instance, &request, reason));
    if (validation != 0)
        fv_try(create_messenger(instance, &request, reason));
    return FOVEA_OK;
fail:
    fv_vk_instance_close(instance);
    return status;
}

void fv_vk_instance_close(fv_vk_instance *instance)
{
    if (instance->messenger)
        instance->vk.DestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
    instance->messenger = VK_NULL_HANDLE;
    if (instance->handle)
        instance->vk.DestroyInstance(instance->handle, NULL);
    instance->handle = VK_NULL_HANDLE;
    fv_vk_loader_close(&instance->loader);
}
