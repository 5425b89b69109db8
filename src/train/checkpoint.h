/* The whole state of a training run in one safetensors file: what it takes to go on bit for bit.
 *
 * Random numbers need no state of their own: each is a function of seed, step and sample. Tensors are named
 * `<block>/<parameter>` (param/enc0.conv0.weight), metadata unet.checkpoint holds the numbers as JSON,
 * unet.graph and unet.config the network. docs/training.md describes the file. */
#ifndef UN_TRAIN_CHECKPOINT_H
#define UN_TRAIN_CHECKPOINT_H

#include "base/error.h"
#include "ir/graph.h"

enum { UN_CHECKPOINT_FORMAT = 1, UN_CHECKSUM_MAX = 80 };

/* Blocks of floats in the layout of the graph's parameters. */
typedef enum un_block {
    UN_BLOCK_PARAM,
    UN_BLOCK_M,    /* first moments of the optimiser, or its momentum */
    UN_BLOCK_V,    /* second moments                                   */
    UN_BLOCK_EMA,  /* average of the weights, of either kind           */
    UN_BLOCK_BEST, /* weights of the best selection so far             */
    UN_BLOCK_X,    /* third state of the optimiser                     */
    UN_BLOCK_SLOW, /* slow weights of lookahead                        */
    UN_BLOCK_COUNT
} un_block;

/* Schedule plateau: how far the rate has fallen, and what decides when it falls again. */
typedef struct un_plateau {
    double factor, best;           /* factor 0: another schedule */
    int64_t known, stale, cooling; /* known: there is a best; selections since then; that are not counted yet */
} un_plateau;

typedef struct un_progress_state {
    int64_t step, steps;                    /* done; of the whole run as planned now        */
    int64_t selections, stale;              /* made; since the best one                      */
    int64_t selected_step;                  /* of the last selection                         */
    int64_t best_step;                      /* 0: none yet                                   */
    double best_score, best_dice, best_iou; /* un_score of that selection */
    un_plateau plateau;
    double seconds;             /* spent on the run so far, for reports          */
    char data[UN_CHECKSUM_MAX]; /* checksum of the training data; empty: none   */
} un_progress_state;

/* Writes atomically and synced. blocks: NULL entries are left out. config: YAML text. */
UN_NODISCARD unet_status un_checkpoint_save(const char *path, un_mem *mem, const un_graph *g, const char *config,
    const un_progress_state *state, const float *const blocks[UN_BLOCK_COUNT], unet_error *err);

/* A checkpoint opened for reading: everything in it was checked, the tensors are mapped. */
typedef struct un_checkpoint {
    struct un_safetensors *file;
    un_graph *graph;    /* the network, inference form */
    const char *config; /* YAML text, borrowed from the file */
    un_progress_state state;
    int has[UN_BLOCK_COUNT];
} un_checkpoint;
UN_NODISCARD unet_status un_checkpoint_open(un_checkpoint *c, un_mem *mem, const char *path, unet_error *err);
/* The same of bytes in memory, which must outlive it. */
UN_NODISCARD unet_status un_checkpoint_view(
    un_checkpoint *c, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err);
void un_checkpoint_close(un_checkpoint *c); /* a zeroed struct is fine */

/* Copies a block out; dst: graph->block_count floats, gaps are zeroed. A number that is not finite is
 * refused. */
UN_NODISCARD unet_status un_checkpoint_read(const un_checkpoint *c, un_block block, float *dst, unet_error *err);

#endif
