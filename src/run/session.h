/* A network ready to run at one input size: plan, program, memory. One thread at a time; many sessions may share a
 * model. */
#ifndef UN_RUN_SESSION_H
#define UN_RUN_SESSION_H

#include "backend/backend.h"
#include "model/file.h"

typedef struct un_session_options {
    un_pool *pool; /* NULL: the caller's thread */
    un_cpu_level level;
    int exact;      /* 1: no Winograd forms */
    int bf16;       /* 1: products of 16-bit numbers where a kernel has them; only where un_cpu_has_bf16(level) */
    double byte_ns; /* what a byte of packed weights may cost in time; 0: the fastest kernels, whatever they take */
    un_profile *profile; /* gets the time of each layer; NULL: not measured. Must outlive the session */
} un_session_options;

/* What `key` (predict.precision, train.precision) asks of the kernels: *bf16. UNET_E_CONFIG where processor or level
 * have no such kernels: whoever asked is told so, not served otherwise. */
UN_NODISCARD unet_status un_precision_resolve(
    int *bf16, un_cfg_precision precision, un_cpu_level level, const char *key, unet_error *err);

typedef struct un_session un_session;

/* What a session for this input will hold beside the model, and the modelled time of a run on one core. */
typedef struct un_session_size {
    size_t bytes;
    double ns;
} un_session_size;
UN_NODISCARD unet_status un_session_measure(un_session_size *out, un_mem *mem, const un_model *model, un_shape input,
    const un_session_options *opt, unet_error *err);

/* The bytes a session for this input will hold beside the model, with the packed weights that it shares with others. */
UN_NODISCARD unet_status un_session_bytes(
    size_t *bytes, un_mem *mem, const un_model *model, un_shape input, const un_session_options *opt, unet_error *err);

/* What un_session_create takes of a block (base/block.h); packed weights of a settled model are the model's. */
UN_NODISCARD unet_status un_session_room(
    size_t *bytes, un_mem *mem, const un_model *model, un_shape input, const un_session_options *opt, unet_error *err);

/* A settled model lasts as long as its sessions. Of another, which must outlive them, the weights may change;
 * un_session_refresh then tells the session. */
UN_NODISCARD unet_status un_session_create(un_session **out, un_mem *mem, const un_model *model, un_shape input,
    const un_session_options *opt, unet_error *err);
void un_session_destroy(un_session *s); /* NULL is fine */
void un_session_refresh(un_session *s);
void un_session_trim(const un_model *model); /* frees packed weights that no session of the model uses */

un_shape un_session_input(const un_session *s);
un_shape un_session_output(const un_session *s);
const un_plan *un_session_plan(const un_session *s);

/* The input's place in the session: to be written before each run, which uses that memory for other values too. Then
 * the results, there until the next input is written. All are dense, of the input's and the output's shape. */
float *un_session_image(un_session *s);
UN_NODISCARD unet_status un_session_compute(un_session *s, unet_error *err);
const float *un_session_logits(const un_session *s);
const float *un_session_probabilities(const un_session *s);

/* The same with copies. image: dense, of the input's shape. Either result may be NULL; each is dense, of the output's
 * shape. No allocation.
 */
UN_NODISCARD unet_status un_session_run(
    un_session *s, const float *image, float *logits, float *probabilities, unet_error *err);

#endif
