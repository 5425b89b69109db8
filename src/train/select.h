/* Scoring a network on the pictures kept for selection: what chooses the checkpoint. */
#ifndef UN_TRAIN_SELECT_H
#define UN_TRAIN_SELECT_H

#include "run/evaluate.h"
#include "train/runlog.h"

typedef struct un_selector_spec {
    const un_picture_source *source; /* the pictures kept for selection; must outlive the selector */
    un_predict_options predict;
    /* Called after each picture, for previews; NULL: never (un_eval_options). */
    unet_status (*seen)(
        void *ctx, int index, const un_picture *p, const int32_t *classes, const un_scores *s, unet_error *err);
    void *ctx;
} un_selector_spec;

typedef struct un_selector un_selector; /* model: the same one at each call, its weights may have changed */
UN_NODISCARD unet_status un_selector_create(
    un_selector **out, un_mem *mem, const un_selector_spec *spec, unet_error *err);
void un_selector_destroy(un_selector *s); /* NULL is fine */

/* Dice of a class: mean over the pictures in which it occurs; IoU: over all pixels of all pictures. Their means over
 * the foreground classes (data.foreground; auto: all but class 0, every class of a multilabel head) are dice_mean and
 * iou_mean. The score is the one that train.select names, or minus the loss: the weighted terms of the configuration,
 * taken of each picture as a whole and averaged, without label smoothing, alpha at its end. */
UN_NODISCARD unet_status un_selector_score(un_selector *s, const un_model *model, un_score *out, unet_error *err);
/* Predicts the pictures for `seen` alone. */
UN_NODISCARD unet_status un_selector_show(un_selector *s, const un_model *model, unet_error *err);

/* Whether the mean that selects takes class k: data.foreground, or all but the background. */
int un_selects_by_class(const un_config *c, int k);
/* Which pictures and classes the scores are of, and what counts nowhere: a few sentences. Failure sticks in the text.
 */
void un_selector_note(un_text *t, const un_config *c);

#endif
