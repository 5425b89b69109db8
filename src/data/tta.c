#include "data/tta.h"

#include <stddef.h>

un_cfg_flip_axes un_tta_flip_axes(const un_cfg_augment *c)
{
    if (c->flip_axes != UN_CFG_FLIP_AUTO)
        return c->flip_axes;
    switch (c->policy) {
#define UN_POLICY_UPRIGHT(ID) case UN_CFG_POLICY_##ID:
#include "data/augment.def"
        return UN_CFG_FLIP_W;
    default:
        return UN_CFG_FLIP_AUTO;
    }
}

int un_tta_views(un_cfg_tta tta, un_cfg_flip_axes flip_axes, int dims, un_view out[UN_TTA_MAX])
{
    const int all = tta == UN_CFG_TTA_ALL, any = tta != UN_CFG_TTA_NONE;
    const int axes[3] = {any && dims == 3 && (flip_axes == UN_CFG_FLIP_AUTO || flip_axes == UN_CFG_FLIP_DHW),
        any && (all || flip_axes != UN_CFG_FLIP_W), any};
    int n = 0;

    for (int swap = 0; swap <= all; swap++)
        for (int d = 0; d <= axes[0]; d++)
            for (int h = 0; h <= axes[1]; h++)
                for (int w = 0; w <= axes[2]; w++)
                    out[n++] = (un_view){{d, h, w}, swap};
    return n;
}

/* Copies each pixel between its place in the picture and its place in the view. */
static void copy(const un_view *v, const float *src, const int size[3], int c, float *dst, int back)
{
    const ptrdiff_t h = size[1], w = size[2], step_y = v->swap ? 1 : w, step_x = v->swap ? h : 1;
    ptrdiff_t i = 0;

    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++, i++) {
                const ptrdiff_t fz = v->flip[0] ? size[0] - 1 - z : z, fy = v->flip[1] ? h - 1 - y : y,
                                fx = v->flip[2] ? w - 1 - x : x, k = fz * h * w + fy * step_y + fx * step_x;
                const float *from = src + (back ? k : i) * c;
                float *to = dst + (back ? i : k) * c;

                for (int j = 0; j < c; j++)
                    to[j] = from[j];
            }
}

void un_tta_apply(const un_view *v, const float *src, const int size[3], int c, float *dst)
{
    copy(v, src, size, c, dst, 0);
}

void un_tta_undo(const un_view *v, const float *src, const int size[3], int c, float *dst)
{
    copy(v, src, size, c, dst, 1);
}
