#include "app/errors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "unet/text.h"

unet_status un_app_fail(unet_error *err, unet_status st, const char *where, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return st;
    *err = (unet_error){.status = st, .offset = -1};
    if (where)
        snprintf(err->where, sizeof err->where, "%s", where);
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    return st;
}

int un_exit_code(unet_status st)
{
    static const unsigned char code[] = {
        [UNET_OK] = 0,
        [UNET_E_ARG] = 2,
        [UNET_E_CONFIG] = 2,
        [UNET_E_NOT_FOUND] = 3,
        [UNET_E_IO] = 4,
        [UNET_E_FORMAT] = 5,
        [UNET_E_UNSUPPORTED] = 6,
        [UNET_E_VERSION] = 6,
        [UNET_E_DATA] = 7,
        [UNET_E_LIMIT] = 8,
        [UNET_E_NOMEM] = 8,
        [UNET_E_NUMERIC] = 9,
        [UNET_E_PARTIAL] = 10,
        [UNET_E_CANCELLED] = 130,
        [UNET_E_INTERNAL] = 70,
    };
    _Static_assert(sizeof code == UNET_STATUS_COUNT, "a code each");

    return (unsigned)st < UNET_STATUS_COUNT ? code[st] : code[UNET_E_INTERNAL];
}

void un_json_print(FILE *to, const char *s)
{
    const size_t n = unet_json_quote(NULL, 0, s);
    char *quoted = n ? malloc(n + 1) : NULL;

    if (!quoted) {
        fputs("null", to);
        return;
    }
    unet_json_quote(quoted, n + 1, s);
    fputs(quoted, to);
    free(quoted);
}

static void print_json(FILE *to, const char *command, const unet_error *err)
{
    fputs("{\"event\":\"error\",\"command\":", to);
    un_json_print(to, command);
    fprintf(
        to, ",\"status\":\"%s\",\"exit\":%d,\"message\":", unet_status_name(err->status), un_exit_code(err->status));
    un_json_print(to, err->message);
    if (err->where[0]) {
        fputs(",\"where\":", to);
        un_json_print(to, err->where);
    }
    if (err->line)
        fprintf(to, ",\"line\":%d,\"column\":%d", err->line, err->column);
    if (err->offset >= 0)
        fprintf(to, ",\"offset\":%lld", (long long)err->offset);
    fputs("}\n", to);
}

/* Whether the message begins with the place and nothing more is known of it. */
static int is_told(const unet_error *err)
{
    const size_t n = strlen(err->where);

    return !err->line && err->offset < 0 && !strncmp(err->message, err->where, n) && err->message[n] == ':';
}

void un_error_print(FILE *to, const char *command, const unet_error *err, int json)
{
    if (json) {
        print_json(to, command, err);
        return;
    }
    fprintf(to, "unet%s%s: ", *command ? " " : "", command);
    if (err->where[0] && !is_told(err)) {
        fputs(err->where, to);
        if (err->line)
            fprintf(to, ":%d", err->line);
        if (err->line && err->column)
            fprintf(to, ":%d", err->column);
        if (err->offset >= 0)
            fprintf(to, ", byte %lld", (long long)err->offset);
        fputs(": ", to);
    }
    fprintf(to, "%s\n", err->message[0] ? err->message : unet_status_name(err->status));
}
