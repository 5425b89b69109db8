/* A model: graph, weights, configuration, record; and the one file that holds it (docs/model-file.md). */
#ifndef UN_MODEL_FILE_H
#define UN_MODEL_FILE_H

#include "base/file.h"
#include "base/shared.h"
#include "model/build.h"

enum { UN_MODEL_FORMAT = 1, UN_MODEL_PAIRS_MAX = 8, UN_MODEL_PAIRS_LEAST = 3 };

/* A synthetic input and what the network made of it, for `unet selftest`. */
typedef struct un_model_pair {
    un_shape in, out;
    float *input, *output; /* [n][d][h][w][c]; output: probabilities */
} un_model_pair;

typedef struct un_model {
    un_mem *mem;
    un_graph *graph;   /* inference form */
    float *weights;    /* graph->block_count; of a loaded model they may lie in `map` and must not be written */
    un_map map;        /* the file; empty: weights are memory */
    un_shared *shared; /* packed weights, and who owns the model: itself and its sessions */
    int settled;       /* 1: the weights will not change, so that sessions share what they make of them */
    un_config config;  /* resolved; names of files are not stored */
    char *record;      /* training record: a JSON object as text; NULL: none */
    int n_pairs;
    un_model_pair pair[UN_MODEL_PAIRS_MAX];
} un_model;

/* Builds the network of the configuration with initial weights from its train.seed. */
UN_NODISCARD unet_status un_model_create(un_model **out, un_mem *mem, const un_config *c, unet_error *err);
/* The same for a graph that was built otherwise; it belongs to the model, on failure it is gone. */
UN_NODISCARD unet_status un_model_from_graph(
    un_model **out, un_mem *mem, const un_config *c, un_graph *g, unet_error *err);
/* A network that puts out the map of each attention gate of m, at the extents of the picture, in channels from the
 * finest level on (level[k] of the k-th), with weights of its own. Without a gate: UNET_E_ARG. */
UN_NODISCARD unet_status un_model_gates(
    un_model **out, un_mem *mem, const un_model *m, int level[UN_CFG_LEVELS_MAX], unet_error *err);
/* One owner less; the last one frees it. NULL is fine. */
void un_model_destroy(un_model *m);

/* Sessions own a settled model too: it lasts as long as they do. Returns what to destroy then; NULL: the model is not
 * settled and must outlive them. */
un_model *un_model_keep(const un_model *m);

/* Everything in the file is checked before it is used; a failure says what is wrong and where. Float32 weights in the
 * order of the graph stay in the mapped file, which must not be written in place meanwhile (un_model_save replaces it).
 */
UN_NODISCARD unet_status un_model_load(un_model **out, un_mem *mem, const char *path, unet_error *err);
UN_NODISCARD unet_status un_model_load_memory(
    un_model **out, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err);

/* Writes atomically. The same model gives the same bytes. */
UN_NODISCARD unet_status un_model_save(const un_model *m, const char *path, unet_error *err);

UN_NODISCARD unet_status un_model_set_record(un_model *m, const char *json, unet_error *err);

/* Replaces the pairs by UN_MODEL_PAIRS_LEAST synthetic inputs with room for their outputs (zeroed): the caller runs the
 * network on each and fills the output in. */
UN_NODISCARD unet_status un_model_make_pairs(un_model *m, unet_error *err);

#endif
