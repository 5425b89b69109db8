/* Rules that fill what a configuration leaves `auto`, from the fingerprint of the data, memory, time and
 * cores.
 *
 * Two promises, tested: more memory never gives a smaller patch, and more time never gives fewer filters.
 * They hold because each choice looks at few things: depth, target patch, batch, norm   the data alone
 *   filters                            the data and the time; less only when a quarter of the target patch
 * does not fit patch                              the target, made smaller until it fits the memory steps
 * what is left of the time docs/planning.md says the rules for users. What the user has set is never changed.
 */
#ifndef UN_DATA_PLAN_H
#define UN_DATA_PLAN_H

#include "config/config.h"
#include "data/fingerprint.h"

typedef struct un_plan_limits {
    double seconds;     /* for the training, used when neither time, steps nor epochs are set; 0: half an hour */
    uint64_t mem_bytes; /* of the whole process, that may be taken when train.mem is auto; 0: as much as needed */
    int threads;        /* used when train.threads is auto                                                     */
} un_plan_limits;

/* Seconds. */
typedef struct un_plan_times {
    double step, selection; /* of one step; of scoring the selection pictures once */
    double once;            /* beside both: decoding pictures that are then kept */
} un_plan_times;

/* What the caller knows of the engine. cfg has model, train.patch, batch, ghost_batch, recompute and threads
 * settled. */
typedef struct un_plan_costs {
    void *ctx;
    /* Quick: asked for every candidate. Bytes of the process, the pictures that are drawn in train.steps included (all
     * when these are open; at most train.cache). */
    unet_status (*estimate)(
        void *ctx, const un_config *cfg, double *step_seconds, uint64_t *peak_bytes, unet_error *err);
    /* Exact: asked once, for what was chosen. NULL: the estimate serves, and nothing else costs time. */
    unet_status (*measure)(void *ctx, const un_config *cfg, un_plan_times *out, unet_error *err);
} un_plan_costs;

typedef struct un_plan_result {
    double step_seconds, seconds; /* of one step, of all steps with selection and checkpoints */
    uint64_t peak_bytes;          /* of the process, decoded pictures included                */
} un_plan_result;

/* cfg: after un_scan_propose. `why` (NULL is fine): one line "section.key: sentence" for each decision.
 * UNET_E_LIMIT: not even the smallest plan fits the memory; the message names what it needs. */
UN_NODISCARD unet_status un_plan_make(un_config *cfg, const un_fingerprint *f, const un_plan_limits *limits,
    const un_plan_costs *costs, un_plan_result *out, un_text *why, unet_error *err);

/* Only what follows from the data alone: normalisation, spacing, depth, strides, batch, norm, loss, augmentation, and
 * the patch that would suit the pictures if memory were no matter. */
UN_NODISCARD unet_status un_plan_data(un_config *cfg, const un_fingerprint *f, un_text *why, unet_error *err);

/* The sentence for a key in the lines of `why`, copied to buf; 0: none. For comments of un_config_write. */
int un_plan_reason(const char *why, const char *section, const char *key, char *buf, size_t size);

#endif
