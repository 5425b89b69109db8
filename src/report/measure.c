#include "report/measure.h"

#include <math.h>
#include <string.h>

#include "base/kth.h"
#include "base/size.h"
#include "metrics/objects.h"

unet_status un_measure_create(un_table **out, un_mem *mem, unet_error *err)
{
    static const char *const head[] = {"image", "class", "pixels", "share", "area_um2", "volume_mm3", "objects",
        "at_border", "object_min_px", "object_median_px", "object_mean_px", "object_max_px"};

    return un_table_create(out, mem, head, UN_COUNT(head), 2, err);
}

static unet_status add_sizes(un_table *t, un_mem *mem, const un_objects *o, unet_error *err)
{
    double *size = un_alloc_array(mem, (size_t)o->count, sizeof *size);
    int64_t sum = 0, border = 0, n = o->count;

    if (!size)
        return un_fail_nomem(err, (size_t)n * sizeof *size);
    for (int64_t i = 0; i < n; i++) {
        size[i] = (double)o->of[i].pixels;
        sum += o->of[i].pixels;
        border += o->of[i].touches_border;
    }
    un_table_integer(t, n);
    un_table_integer(t, border);
    un_table_real(t, n ? un_kth(size, n, 0) : NAN, 0);
    un_table_real(t, n ? un_quantile(size, n, 0.5) : NAN, 1);
    un_table_real(t, n ? (double)sum / (double)n : NAN, 1);
    un_table_real(t, n ? un_kth(size, n, n - 1) : NAN, 0);
    un_free(size);
    return UNET_OK;
}

/* Pixels of class k are 1 in `one`. */
static int64_t pick_class(const int32_t *map, int64_t n, int k, int bits, uint8_t *one)
{
    int64_t count = 0;

    for (int64_t i = 0; i < n; i++) {
        one[i] = bits ? map[i] >> k & 1 : map[i] == k;
        count += one[i];
    }
    return count;
}

/* The numbers of a class that stand behind those of the classes before, in channel k of several. */
static void number_objects(un_image *to, const un_objects *o, int k, int32_t before)
{
    const size_t n = un_image_count(to) / (size_t)to->c;
    int32_t *v = (int32_t *)to->data + (to->c > 1 ? k : 0);

    for (size_t i = 0; i < n; i++)
        if (o->label[i])
            v[i * (size_t)to->c] = o->label[i] + (to->c > 1 ? 0 : before);
}

/* Two bytes each where that is enough. */
static void narrow(un_image *im, int32_t largest)
{
    const size_t n = un_image_count(im);
    const int32_t *from = im->data;
    uint16_t *to = im->data;

    if (largest > UINT16_MAX)
        return;
    for (size_t i = 0; i < n; i++) { /* a number is read before its place is written over */
        const uint16_t v = (uint16_t)from[i];

        memcpy(to + i, &v, sizeof v);
    }
    im->type = UN_DTYPE_U16;
}

/* *last: the largest number so far. */
static unet_status add_objects(un_table *t, un_image *objects, int32_t *last, un_mem *mem, const uint8_t *one, int k,
    un_shape size, const un_measure_options *opt, unet_error *err)
{
    un_objects_options how = {.class_index = 1, .split = opt->split};
    un_objects o;
    unet_status st;

    if (opt->has_spacing)
        memcpy(how.spacing, opt->spacing_mm, sizeof how.spacing);
    st = un_objects_find(&o, mem, one, size, &how, err);
    if (st)
        return st;
    if (objects) {
        number_objects(objects, &o, k, *last);
        *last = objects->c > 1 ? UN_MAX(*last, o.count) : *last + o.count;
    }
    if (t)
        st = add_sizes(t, mem, &o, err);
    un_objects_free(&o);
    return st;
}

static void add_class(
    un_table *t, const char *image, int k, int64_t count, un_shape size, const un_measure_options *opt)
{
    const double pixels = (double)count, *mm = opt->spacing_mm;

    un_table_text(t, image);
    un_table_text(t, opt->class_name[k]);
    un_table_integer(t, count);
    un_table_real(t, pixels / ((double)size.d * size.h * size.w), 4);
    un_table_real(t, opt->has_spacing && size.d == 1 ? pixels * mm[1] * mm[2] * 1e6 : NAN, 2);
    un_table_real(t, opt->has_spacing && size.d > 1 ? pixels * mm[0] * mm[1] * mm[2] : NAN, 2);
    for (int i = 0; i < 6 && k == opt->background; i++)
        un_table_real(t, NAN, 0);
}

unet_status un_measure_add(un_table *t, un_image *objects, un_mem *mem, const char *image, const int32_t *map,
    un_shape size, const un_measure_options *opt, unet_error *err)
{
    const int64_t all = (int64_t)size.d * size.h * size.w;
    uint8_t *one = un_alloc(mem, (size_t)all);
    int32_t last = 0;
    unet_status st = one ? UNET_OK : un_fail_nomem(err, (size_t)all);

    if (objects)
        *objects = (un_image){0};
    if (!st && objects)
        st = un_image_create(objects, mem, UN_DTYPE_I32, size.d, size.h, size.w, opt->bits ? opt->classes : 1, err);
    for (int k = 0; !st && k < opt->classes; k++) {
        const int64_t count = pick_class(map, all, k, opt->bits, one);

        if (t)
            add_class(t, image, k, count, size, opt);
        if (k != opt->background)
            st = add_objects(t, objects, &last, mem, one, k, size, opt, err);
    }
    un_free(one);
    if (!st && objects)
        narrow(objects, last);
    else if (st && objects)
        un_image_free(objects);
    return st;
}
