/* Filling and checking the pairs of a model file. */
#include "run/selftest.h"

#include <math.h>
#include <string.h>

static unet_status run_pair(
    const un_model *m, un_mem *mem, const un_session_options *opt, const un_model_pair *p, float *out, unet_error *err)
{
    un_session *s;
    unet_status st = un_session_create(&s, mem, m, p->in, opt, err);

    if (st)
        return st;
    if (!un_shape_equal(un_session_output(s), p->out))
        st = un_fail(err, UNET_E_FORMAT, "the model's test output has another shape than the network gives");
    if (!st)
        st = un_session_run(s, p->input, NULL, out, err);
    un_session_destroy(s);
    return st;
}

unet_status un_selftest_fill(un_model *m, un_mem *mem, const un_session_options *opt, unet_error *err)
{
    un_session_options o = *opt;
    unet_status st = un_model_make_pairs(m, err);

    o.exact = 1;
    for (int i = 0; i < m->n_pairs && !st; i++)
        st = run_pair(m, mem, &o, &m->pair[i], m->pair[i].output, err);
    return st;
}

unet_status un_selftest(double *largest, un_mem *mem, const un_model *m, const un_session_options *opt, unet_error *err)
{
    unet_status st = UNET_OK;

    *largest = 0;
    if (!m->n_pairs)
        return un_fail(err, UNET_E_DATA, "the model holds no test pairs");
    for (int i = 0; i < m->n_pairs && !st; i++) {
        const un_model_pair *p = &m->pair[i];
        int64_t n = un_shape_count(p->out);
        float *out = un_alloc_array(mem, (size_t)n, sizeof *out);

        if (!out)
            return un_fail_nomem(err, (size_t)n * sizeof *out);
        st = run_pair(m, mem, opt, p, out, err);
        for (int64_t k = 0; k < n && !st; k++) {
            double d = fabs((double)out[k] - (double)p->output[k]);

            if (!(d <= 1e30))
                st = un_fail(err, UNET_E_NUMERIC, "test pair %d gives a value that is not finite", i);
            else if (d > *largest)
                *largest = d;
        }
        un_free(out);
    }
    return st;
}
