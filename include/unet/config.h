/* The configuration of a run. All keys: docs/config.md, or unet_config_help. C99 and C++11 clean. */
#ifndef UNET_CONFIG_H
#define UNET_CONFIG_H

#include "unet/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct unet_config unet_config;

/* All defaults. The context must outlive it. */
UNET_API UNET_NODISCARD unet_status unet_config_create(unet_config **out, unet_context *c, unet_error *err);
UNET_API void unet_config_destroy(unet_config *cfg); /* NULL is fine */

/* YAML over the values so far; unknown keys and wrong values are refused with line and column. */
UNET_API UNET_NODISCARD unet_status unet_config_load(unet_config *cfg, const char *path, unet_error *err);
/* One "section.key=value" or "preset=name"; the section may be left out where the key alone is unique. */
UNET_API UNET_NODISCARD unet_status unet_config_set(unet_config *cfg, const char *assignment, unet_error *err);
/* A named set of values over the values so far, as "attention" or "unetpp"; unet_config_help(.., "presets", ..) lists
 * them. */
UNET_API UNET_NODISCARD unet_status unet_config_preset(unet_config *cfg, const char *name, unet_error *err);
typedef struct unet_preset {
    const char *name, *help, *values; /* values: YAML */
} unet_preset;
UNET_API int unet_preset_get(size_t i, unet_preset *out); /* 0: there are no more */
/* YAML text; comments 1: with the help of each key. changed 1: only what differs from the defaults. */
UNET_API UNET_NODISCARD unet_status unet_config_write(
    char **out, const unet_config *cfg, int comments, int changed, unet_error *err);
/* Help: topic NULL lists the sections; "train" a section; "train.batch" a key. */
UNET_API UNET_NODISCARD unet_status unet_config_help(char **out, unet_context *c, const char *topic, unet_error *err);

#ifdef __cplusplus
}
#endif
#endif
