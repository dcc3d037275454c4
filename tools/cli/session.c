/* Opening a device, and saying why a call of the library failed. */
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* A wait on a software driver may be long; who waits at a terminal can interrupt. */
#define SESSION_TIMEOUT_MS 3600000u

static void keep_message(void *user, fovea_log_level level, const char *text)
{
    session *s = user;
    if (level == FOVEA_LOG_ERROR)
        snprintf(s->error, sizeof s->error, "%s", text);
    else if (level == FOVEA_LOG_WARNING)
        cli_fail(CLI_DONE, "warning: %s", text);
}

fovea_device_params session_params(session *s, const char *device)
{
    return (fovea_device_params){
        .device = device,
        .log = {.user = s, .message = keep_message, .level = FOVEA_LOG_WARNING},
        .timeout_ms = SESSION_TIMEOUT_MS,
    };
}

int session_open(session *s, const char *device, bool cached)
{
    fovea_device_params params = session_params(s, device);
    s->cached = cached;
    if (cached) {
        store_init(&s->cache);
        params.cache = store_callbacks(&s->cache);
    }
    const fovea_status status = fovea_device_open(&params, &s->device);
    return status == FOVEA_OK ? CLI_DONE : session_fail(s, status, device ? device : "cpu");
}

int session_fail(const session *s, fovea_status status, const char *what)
{
    char reason[sizeof s->error] = "";
    if (s->device)
        fovea_last_error(s->device, reason, sizeof reason);
    const char *text = reason[0] ? reason : s->error;
    const char *name = fovea_status_name(status);
    const size_t length = strlen(what);
    if (!text[0])
        return cli_fail(cli_status_code(status), "%s: %s", what, name);
    if (strncmp(text, what, length) == 0 && text[length] == ':') /* the library has said it */
        return cli_fail(cli_status_code(status), "%s (%s)", text, name);
    return cli_fail(cli_status_code(status), "%s: %s (%s)", what, text, name);
}

void session_close(session *s)
{
    fovea_device_destroy(s->device);
    s->device = NULL;
    if (s->cached)
        store_release(&s->cache);
    s->cached = false;
}

int cli_bad_option(int refused, char *const *argv, const char *command)
{
    const char *option = argv[optind - 1];
    if (refused == ':')
        return cli_fail(CLI_USAGE, "option %s needs a value; see fovea %s --help", option, command);
    return cli_fail(CLI_USAGE, "unknown or misused option %s; see fovea %s --help", option, command);
}
