/* What a plan costs on this machine: memory from the engine's own plan, time by running parts of a step. Fills
 * un_plan_costs. */
#ifndef UN_TRAIN_METER_H
#define UN_TRAIN_METER_H

#include "data/dataset.h"
#include "data/plan.h"
#include "run/session.h"

typedef struct un_meter_spec {
    const un_dataset *data; /* roles assigned; must outlive the meter */
    const int *largest;     /* [3] d, h, w of the largest picture */
    const un_backend *backend;
    un_session_options session;
} un_meter_spec;

typedef struct un_meter un_meter;

UN_NODISCARD unet_status un_meter_create(un_meter **out, un_mem *mem, const un_meter_spec *spec, unet_error *err);
void un_meter_destroy(un_meter *m); /* NULL is fine */

/* Valid as long as the meter.
 * estimate: memory is exact but for pictures that are being decoded; time follows the multiply-adds, at the rate of one
 * small network that is run once. measure: one ghost batch, one update, one batch of samples and one selection picture
 * of the plan itself are run; nothing of it holds more memory than the training will. */
un_plan_costs un_meter_costs(un_meter *m);

/* Memory of the predictions that a training makes to choose its weights: a quarter of train.mem (1 GiB when that is
 * auto), more where not even one window fits into that. *allowed: for un_predict_options.max_bytes; *used: what a
 * prediction of a picture of these extents (d, h, w) holds, picture, mask and classes included. The model needs no
 * weights. */
UN_NODISCARD unet_status un_meter_prediction(size_t *allowed, size_t *used, un_mem *mem, const un_model *model,
    const un_session_options *session, const int extents[3], unet_error *err);

#endif
