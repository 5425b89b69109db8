#include "metrics/objects.h"

#include <math.h>

#include "base/size.h"

/* Scratch for one line of n samples. */
typedef struct line {
    double *value;  /* [n] in and out                                    */
    double *result; /* [n]                                               */
    double *from;   /* [n + 1] where parabola i of the envelope begins   */
    int *vertex;    /* [n] its sample                                    */
} line;

/* result[q] = min over p of value[p] + (step (q - p))^2; infinite samples have no parabola. */
static void envelope(line *l, int n, double step)
{
    int last = -1, k = 0;

    for (int q = 0; q < n; q++) {
        double start = -INFINITY;

        if (isinf(l->value[q]))
            continue;
        while (last >= 0) {
            int p = l->vertex[last];
            double pq = step * p, qq = step * q;

            start = (l->value[q] + qq * qq - l->value[p] - pq * pq) / (2 * (qq - pq));
            if (start > l->from[last])
                break;
            last--;
            start = -INFINITY;
        }
        l->vertex[++last] = q;
        l->from[last] = start;
    }
    for (int q = 0; q < n; q++) {
        double d;

        if (last < 0) {
            l->result[q] = INFINITY;
            continue;
        }
        while (k < last && l->from[k + 1] < step * q)
            k++;
        d = step * (q - l->vertex[k]);
        l->result[q] = l->value[l->vertex[k]] + d * d;
    }
}

/* All lines along one axis: `count` samples `stride` apart. */
static void along_axis(float *img, line *l, un_shape size, int axis, double step)
{
    const int extent[3] = {size.d, size.h, size.w};
    const int64_t strides[3] = {(int64_t)size.h * size.w, size.w, 1};
    int n = extent[axis], a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;

    for (int i = 0; i < extent[a]; i++)
        for (int j = 0; j < extent[b]; j++) {
            float *p = img + i * strides[a] + j * strides[b];

            for (int q = 0; q < n; q++)
                l->value[q] = (double)p[q * strides[axis]];
            envelope(l, n, step);
            for (int q = 0; q < n; q++)
                p[q * strides[axis]] = (float)l->result[q];
        }
}

unet_status un_distance_squared(
    float *out, un_mem *mem, const uint8_t *mask, un_shape size, const double spacing[3], unet_error *err)
{
    size_t n = (size_t)UN_MAX(UN_MAX(size.d, size.h), size.w);
    double *block = un_alloc_array(mem, 4 * n + 1, sizeof *block);
    line l;

    if (!block)
        return un_fail_nomem(err, (4 * n + 1) * sizeof *block);
    l = (line){.value = block, .result = block + n, .from = block + 2 * n, .vertex = (int *)(block + 3 * n + 1)};
    for (int64_t i = 0; i < (int64_t)size.d * size.h * size.w; i++)
        out[i] = mask[i] ? INFINITY : 0;
    for (int axis = 2; axis >= 0; axis--)
        along_axis(out, &l, size, axis, spacing[axis]);
    un_free(block);
    return UNET_OK;
}
