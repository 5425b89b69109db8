/* The input/output pairs of a model file. */
#ifndef UN_RUN_SELFTEST_H
#define UN_RUN_SELFTEST_H

#include "run/session.h"

/* Makes the pairs of a model anew: synthetic inputs and what the network gives for them (reference arithmetic: exact).
 */
UN_NODISCARD unet_status un_selftest_fill(un_model *m, un_mem *mem, const un_session_options *opt, unet_error *err);

/* Runs all pairs; *largest is the largest difference of a probability. A model without pairs, or a result that is not
 * finite: an error. */
UN_NODISCARD unet_status un_selftest(
    double *largest, un_mem *mem, const un_model *m, const un_session_options *opt, unet_error *err);

#endif
