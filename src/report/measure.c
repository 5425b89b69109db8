#include "report/measure.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "metrics/objects.h"
#include "metrics/overlap.h"

unet_status un_measure_create(un_table **out, un_mem *mem, unet_error *err)
{
    static const char *const head[] = {"image", "class", "pixels", "share", "area_um2", "volume_mm3", "objects",
        "at_border", "object_min_px", "object_median_px", "object_mean_px", "object_max_px"};

    return un_table_create(out, mem, head, UN_COUNT(head), 2, err);
}

/* Puts the k-th smallest of a[0..n-1] at its place (Hoare, "Algorithm 65: find", 1961); the middle one is the pivot. */
static int64_t kth(int64_t *a, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;

    while (lo < hi) {
        int64_t pivot = a[lo + (hi - lo) / 2], i = lo, j = hi;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                int64_t swap = a[i];

                a[i++] = a[j];
                a[j--] = swap;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            break;
    }
    return a[k];
}

static unet_status add_sizes(un_table *t, un_mem *mem, const un_objects *o, unet_error *err)
{
    int64_t *size = un_alloc_array(mem, (size_t)o->count, sizeof *size), sum = 0, border = 0, n = o->count;

    if (!size)
        return un_fail_nomem(err, (size_t)n * sizeof *size);
    for (int64_t i = 0; i < n; i++) {
        size[i] = o->of[i].pixels;
        sum += size[i];
        border += o->of[i].touches_border;
    }
    un_table_integer(t, n);
    un_table_integer(t, border);
    un_table_real(t, n ? (double)kth(size, n, 0) : NAN, 0);
    un_table_real(t, n ? ((double)kth(size, n, (n - 1) / 2) + (double)kth(size, n, n / 2)) / 2 : NAN, 1);
    un_table_real(t, n ? (double)sum / (double)n : NAN, 1);
    un_table_real(t, n ? (double)kth(size, n, n - 1) : NAN, 0);
    un_free(size);
    return UNET_OK;
}

static unet_status add_objects(un_table *t, un_mem *mem, const uint8_t *map, un_shape size, int class_index,
    const un_measure_options *opt, unet_error *err)
{
    un_objects_options how = {.class_index = class_index, .split = opt->split};
    un_objects o;
    unet_status st;

    if (class_index == opt->background) {
        for (int i = 0; i < 6; i++)
            un_table_real(t, NAN, 0);
        return UNET_OK;
    }
    if (opt->has_spacing)
        memcpy(how.spacing, opt->spacing_mm, sizeof how.spacing);
    st = un_objects_find(&o, mem, map, size, &how, err);
    if (st)
        return st;
    st = add_sizes(t, mem, &o, err);
    un_objects_free(&o);
    return st;
}

unet_status un_measure_add(un_table *t, un_mem *mem, const char *image, const uint8_t *map, un_shape size,
    const un_measure_options *opt, unet_error *err)
{
    int64_t count[UN_METRIC_CLASSES_MAX] = {0}, all = (int64_t)size.d * size.h * size.w;
    const double *mm = opt->spacing_mm;
    unet_status st = UNET_OK;

    for (int64_t i = 0; i < all; i++)
        count[map[i]]++;
    for (int k = 0; !st && k < opt->classes; k++) {
        double pixels = (double)count[k];

        un_table_text(t, image);
        un_table_text(t, opt->class_name[k]);
        un_table_integer(t, count[k]);
        un_table_real(t, pixels / (double)all, 4);
        un_table_real(t, opt->has_spacing && size.d == 1 ? pixels * mm[1] * mm[2] * 1e6 : NAN, 2);
        un_table_real(t, opt->has_spacing && size.d > 1 ? pixels * mm[0] * mm[1] * mm[2] : NAN, 2);
        st = add_objects(t, mem, map, size, k, opt, err);
    }
    return st;
}
