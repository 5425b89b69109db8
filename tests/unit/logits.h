/* What a network says of the pictures of a batch. */
#ifndef LOGITS_H
#define LOGITS_H

#include "data/sample.h"
#include "run/session.h"
#include "test.h"

/* By one thread at this level; un_free. */
static inline float *logits_of(const un_model *m, const un_batch *b, un_cpu_level level, int64_t *count)
{
    const un_session_options o = {.level = level};
    un_session *s;
    float *v;
    unet_error err;

    CHECK_OK(un_session_create(&s, NULL, m, (un_shape){b->n, b->d, b->h, b->w, b->c}, &o, &err), &err);
    *count = un_shape_count(un_session_output(s));
    v = un_alloc_array(NULL, (size_t)*count, sizeof *v);
    CHECK_OK(un_session_run(s, b->image, v, NULL, &err), &err);
    un_session_destroy(s);
    return v;
}

#endif
