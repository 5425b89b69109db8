/* How the programs report failure, and the exit code of each status. */
#ifndef UN_APP_ERRORS_H
#define UN_APP_ERRORS_H

#include <stdio.h>

#include "unet/status.h"

/* Fills *err (NULL is fine; where may be NULL) and returns st. */
unet_status un_app_fail(unet_error *err, unet_status st, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* As listed in unet/status.h. */
int un_exit_code(unet_status st);

/* "unet train: run.yaml:3:7: message", or with json one object on one line. */
void un_error_print(FILE *to, const char *command, const unet_error *err, int json);

/* A JSON string with quotes. */
void un_json_print(FILE *to, const char *s);

#endif
