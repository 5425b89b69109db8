/* The context of a command: threads, CPU level and memory from its options, Ctrl-C, warnings on standard error. */
#ifndef UN_APP_CONTEXT_H
#define UN_APP_CONTEXT_H

#include "app/options.h"
#include "unet/config.h"

/* memory_cap: bytes, 0: none. `a` must outlive the context. */
UNET_NODISCARD unet_status un_app_context(unet_context **out, const un_args *a, uint64_t memory_cap, unet_error *err);

/* The defaults, then the file (NULL: none), then key=value words and options in their order. */
UNET_NODISCARD unet_status un_app_config(
    unet_config **out, unet_context *c, const char *file, const un_args *a, unet_error *err);

/* Context and configuration of a command, for the time of `work`. file: as for un_app_config. */
UNET_NODISCARD unet_status un_app_configured(const un_args *a, const char *file,
    unet_status (*work)(const un_args *a, unet_context *c, unet_config *cfg, unet_error *err), unet_error *err);

/* Prints a text that the library handed out and frees it; NULL is fine. */
void un_app_print(char *text);

#endif
