#include "api/views.h"

#include <string.h>

#include "base/size.h"
#include "report/view.h"

enum { VIEW_PX = 480 };
static const size_t room_bytes = (size_t)96 << 20;

unet_status un_views_create(un_views *v, un_mem *mem, int count, int nothing, unet_error *err)
{
    *v = (un_views){.mem = mem, .count = count, .nothing = nothing, .room = room_bytes};
    v->of = un_alloc_array(mem, (size_t)UN_MAX(count, 1), sizeof *v->of);
    return v->of ? UNET_OK : un_fail_nomem(err, (size_t)count * sizeof *v->of);
}

static void clear(un_view_maps *m)
{
    un_image_free(&m->rgb);
    un_free(m->truth);
    un_free(m->prediction);
    memset(m, 0, sizeof *m);
}

void un_views_destroy(un_views *v)
{
    for (int i = 0; v->of && i < v->count; i++)
        clear(&v->of[i]);
    un_free(v->of);
    memset(v, 0, sizeof *v);
}

static int fullest_slice(const un_views *v, const un_image *im, const int32_t *truth, const int32_t *prediction)
{
    const size_t n = (size_t)im->h * (size_t)im->w;
    int64_t most = -1;
    int best = 0;

    for (int z = 0; z < im->d; z++) {
        int64_t count = 0;

        for (size_t i = (size_t)z * n; i < (size_t)(z + 1) * n; i++)
            count += (truth[i] >= 0 && truth[i] != v->nothing) || prediction[i] != v->nothing;
        if (count > most) {
            most = count;
            best = z;
        }
    }
    return best;
}

unet_status un_views_add(un_views *v, int index, const un_image *image, const int32_t *truth, const int32_t *prediction,
    int force, unet_error *err)
{
    un_view_maps *m = &v->of[index];
    const int h = image->h, w = image->w;
    un_image rgb;
    size_t bytes, slice;
    int vh, vw, z;
    unet_status st;

    un_view_size(&vh, &vw, h, w, 1, VIEW_PX);
    bytes = (size_t)vh * (size_t)vw * (3 + 2 * sizeof *truth);
    if (m->rgb.data || (!force && bytes > v->room))
        return UNET_OK;
    z = image->d > 1 ? fullest_slice(v, image, truth, prediction) : 0;
    slice = (size_t)z * (size_t)h * (size_t)w;
    st = un_view_rgb(&rgb, v->mem, image, z, err);
    if (!st)
        st = un_scale_rgb(&m->rgb, v->mem, &rgb, vh, vw, err);
    if (!st)
        st = un_scale_map(&m->truth, v->mem, truth + slice, h, w, vh, vw, err);
    if (!st)
        st = un_scale_map(&m->prediction, v->mem, prediction + slice, h, w, vh, vw, err);
    un_image_free(&rgb);
    if (st)
        clear(m);
    else
        v->room -= UN_MIN(bytes, v->room);
    return st;
}
