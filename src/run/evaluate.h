/* Scores of a model on labelled pictures. Used by training to choose the checkpoint and by `unet eval`. */
#ifndef UN_RUN_EVALUATE_H
#define UN_RUN_EVALUATE_H

#include "data/sample.h"
#include "metrics/overlap.h"
#include "run/predict.h"

/* What happened with one picture. */
typedef struct un_eval_item {
    int index; /* of the source */
    un_scores *scores;
} un_eval_item;

typedef struct un_evaluation {
    un_mem *mem;
    int classes, background, multilabel;
    un_eval_item *item;
    int count;
    un_confusion *pooled;         /* softmax and binary heads */
    un_multilabel *pooled_labels; /* multilabel */
    un_scores *scores;            /* of the pooled counts */
    un_image_means *means;
    un_score_rules rules;
} un_evaluation;

typedef struct un_eval_options {
    int background; /* class left out of the foreground means; -1: none */
    /* Called after each picture with its classes (bit masks for multilabel heads), before they are freed. NULL: never.
     */
    unet_status (*seen)(
        void *ctx, int index, const un_picture *p, const int32_t *classes, const un_scores *s, unet_error *err);
    void *ctx;
} un_eval_options;

/* The class that foreground means leave out and overlays do not paint; -1: none. data.foreground says it. */
int un_eval_background(const un_config *cfg);
/* What is left out of losses and scores alike (data.ignore), as a sentence without its full stop. */
void un_eval_ignore_rule(char *buf, size_t size, const un_config *cfg);

/* The parts, for callers that make truth and classes themselves. cfg: data.foreground and eval.empty are followed; it
 * must outlive the evaluation. count: pictures there will be. */
UN_NODISCARD unet_status un_evaluation_create(
    un_evaluation **out, un_mem *mem, const un_config *cfg, int count, int background, unet_error *err);

/* Scores picture `index` of n pixels and adds it to the pooled counts and means. truth: class indices, of a multilabel
 * picture a bit for each class; -1: ignored. classes: as un_predictor_classes gives them. */
UN_NODISCARD unet_status un_evaluation_add(
    un_evaluation *e, int index, const int32_t *truth, const int32_t *classes, int64_t n, unet_error *err);
/* Scores the pooled counts, once all pictures were added. */
UN_NODISCARD unet_status un_evaluation_finish(un_evaluation *e, unet_error *err);
void un_evaluation_destroy(un_evaluation *e); /* NULL is fine */

/* Pictures in the order of the source; a picture that cannot be loaded ends the evaluation with its error. */
UN_NODISCARD unet_status un_evaluate(un_evaluation **out, un_mem *mem, un_predictor *p, const un_model *model,
    const un_picture_source *source, const un_eval_options *opt, unet_error *err);

#endif
