/* The context of a command: threads, CPU level and memory from its options, Ctrl-C, warnings on standard error. */
#ifndef UN_APP_CONTEXT_H
#define UN_APP_CONTEXT_H

#include "app/options.h"
#include "unet/context.h"

/* memory_cap: bytes, 0: none. `a` must outlive the context. */
UNET_NODISCARD unet_status un_app_context(unet_context **out, const un_args *a, uint64_t memory_cap, unet_error *err);

#endif
