#include "metrics/objects.h"

#include <math.h>

#include "base/envelope.h"
#include "base/size.h"

/* All lines along one axis: `count` samples `stride` apart. */
static void along_axis(float *img, un_envelope *l, un_shape size, int axis, double step)
{
    const int extent[3] = {size.d, size.h, size.w};
    const int64_t strides[3] = {(int64_t)size.h * size.w, size.w, 1};
    int n = extent[axis], a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;

    for (int i = 0; i < extent[a]; i++)
        for (int j = 0; j < extent[b]; j++) {
            float *p = img + i * strides[a] + j * strides[b];

            for (int q = 0; q < n; q++)
                l->value[q] = (double)p[q * strides[axis]];
            un_envelope_run(l, n, step);
            for (int q = 0; q < n; q++)
                p[q * strides[axis]] = (float)l->result[q];
        }
}

unet_status un_distance_squared(
    float *out, un_mem *mem, const uint8_t *mask, un_shape size, const double spacing[3], unet_error *err)
{
    const int n = UN_MAX(UN_MAX(size.d, size.h), size.w);
    void *room = un_alloc(mem, un_envelope_bytes(n));
    un_envelope l;

    if (!room)
        return un_fail_nomem(err, un_envelope_bytes(n));
    l = un_envelope_of(n, room);
    for (int64_t i = 0; i < (int64_t)size.d * size.h * size.w; i++)
        out[i] = mask[i] ? INFINITY : 0;
    for (int axis = 2; axis >= 0; axis--)
        along_axis(out, &l, size, axis, spacing[axis]);
    un_free(room);
    return UNET_OK;
}
