#include "app/context.h"

#include <stdio.h>

#include "app/errors.h"
#include "app/signals.h"

static void log_line(void *common, unet_log_level level, const char *text)
{
    const un_common *c = common;

    if (c->json) {
        fprintf(stderr, "{\"event\":\"%s\",\"message\":", level == UNET_LOG_WARN ? "warning" : "note");
        un_json_print(stderr, text);
        fputs("}\n", stderr);
    } else if (level == UNET_LOG_WARN)
        fprintf(stderr, "unet: warning: %s\n", text);
    else if (!c->quiet)
        fprintf(stderr, "%s\n", text);
}

unet_status un_app_context(unet_context **out, const un_args *a, uint64_t memory_cap, unet_error *err)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;

    *out = NULL;
    if (memory_cap > SIZE_MAX)
        return un_app_fail(err, UNET_E_ARG, NULL, "--mem: more than this machine can address");
    o.threads = (int)a->common.threads;
    o.cpu = a->common.cpu;
    o.memory_cap = (size_t)memory_cap;
    o.log = log_line;
    o.log_ctx = (void *)(uintptr_t)&a->common;
    o.cancel = un_signals_cancelled;
    return unet_context_create(out, &o, err);
}
