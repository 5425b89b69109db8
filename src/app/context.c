#include "app/context.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/errors.h"
#include "app/signals.h"

static void log_line(void *common, unet_log_level level, const char *text)
{
    const un_common *c = common;

    if (!c->json && isatty(STDERR_FILENO)) /* over a live line of progress, which comes again */
        fputs("\r\033[K", stderr);
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
    o.exact = a->common.exact;
    o.memory_cap = (size_t)memory_cap;
    o.log = log_line;
    o.log_ctx = (void *)(uintptr_t)&a->common;
    o.cancel = un_signals_cancelled;
    return unet_context_create(out, &o, err);
}

unet_status un_app_config(unet_config **out, unet_context *c, const char *file, const un_args *a, unet_error *err)
{
    unet_status st = unet_config_create(out, c, err);

    if (!st && file)
        st = unet_config_load(*out, file, err);
    for (int i = 0; i < a->n_keys && !st; i++)
        st = unet_config_set(*out, a->key[i], err);
    if (st) {
        unet_config_destroy(*out);
        *out = NULL;
    }
    return st;
}

unet_status un_app_configured(const un_args *a, const char *file,
    unet_status (*work)(const un_args *a, unet_context *c, unet_config *cfg, unet_error *err), unet_error *err)
{
    unet_context *c;
    unet_config *cfg = NULL;
    unet_status st = un_app_context(&c, a, 0, err);

    if (!st)
        st = un_app_config(&cfg, c, file, a, err);
    if (!st)
        st = work(a, c, cfg, err);
    unet_config_destroy(cfg);
    unet_context_destroy(c);
    return st;
}

void un_app_print(char *text)
{
    const size_t n = text ? strlen(text) : 0;

    if (n) {
        fputs(text, stdout);
        if (text[n - 1] != '\n')
            fputc('\n', stdout);
    }
    unet_string_free(text);
}
