/* The further metrics of an evaluation (eval.metrics) and the intervals of all. */
#ifndef UN_API_EVAL_METRICS_H
#define UN_API_EVAL_METRICS_H

#include "api/context.h"
#include "metrics/summary.h"
#include "metrics/temperature.h"
#include "run/evaluate.h"
#include "run/segment.h"
#include "tensor/image.h"

typedef struct un_eval_metrics {
    unet_context *c;
    const un_config *cfg;
    un_summary *summary;
    un_curves *curves, *own;      /* of all pictures and of the one at hand; NULL: not asked for */
    un_temperature **temperature; /* [temperatures] one, or of independent channels one each; NULL: nothing is fitted */
    int temperatures;
    int mm, decided; /* the unit, once it is known */
} un_eval_metrics;

/* e: the evaluation beside it, made but empty. fit 1: for un_eval_metrics_calibrate. */
UN_NODISCARD unet_status un_eval_metrics_open(
    un_eval_metrics *m, unet_context *c, const un_config *cfg, const un_evaluation *e, int fit, unet_error *err);
/* A folder for probabilities while a picture is worked on; NULL: they are not needed. m, out_dir: NULL is fine. */
const char *un_eval_metrics_scratch(const un_eval_metrics *m, const char *out_dir);
/* Whether objects are counted, by the numbers that the masks give them. */
int un_eval_metrics_by_number(const un_eval_metrics *m);
/* Picture `index` as the evaluation has scored it; image: its file, for extents and spacing; object: the numbers of the
 * true objects, NULL unless they are counted by them. */
UN_NODISCARD unet_status un_eval_metrics_add(un_eval_metrics *m, int index, const un_image *image, const int32_t *truth,
    const int32_t *object, const un_segmentation *seg, const un_scores *scores, unet_error *err);
UN_NODISCARD unet_status un_eval_metrics_finish(un_eval_metrics *m, unet_error *err);
/* Copies the model of file `from` to `to`, with threshold and temperature fitted on what was added; split: its name. */
UN_NODISCARD unet_status un_eval_metrics_calibrate(
    const un_eval_metrics *m, const char *from, const char *to, const char *split, un_text *told, unet_error *err);
const char *un_eval_metrics_unit(const un_eval_metrics *m);
void un_eval_metrics_close(un_eval_metrics *m); /* an empty one is fine */

#endif
