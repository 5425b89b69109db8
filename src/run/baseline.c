#include "run/baseline.h"

#include "base/size.h"

enum { MASKS_MAX = 256, CHUNK = 4096 };

struct un_baseline {
    un_mem *mem;
    un_prior *prior; /* NULL: Otsu */
    int rarer;
};

/* ---- prior ---- */

static unet_status add_mask(un_baseline *b, const un_preprocess *p, const un_item *item, unet_error *err)
{
    const un_image_read_options how = un_preprocess_read_options(p, item->page, 1);
    un_image mask;
    int32_t *target = NULL;
    unet_status st = un_image_read(&mask, b->mem, item->mask, &how, err);

    if (!st) {
        target = un_alloc_array(b->mem, un_image_count(&mask) / (size_t)mask.c, sizeof *target);
        st = target ? un_label_map_apply(un_preprocess_labels(p), &mask, target, NULL, err)
                    : un_fail_nomem(err, un_image_count(&mask));
    }
    if (!st)
        un_prior_add(b->prior, target, (un_shape){1, mask.d, mask.h, mask.w, 1});
    un_free(target);
    un_image_free(&mask);
    return st;
}

static int trains(const un_item *it)
{
    return it->role == UN_ROLE_TRAIN || it->role == UN_ROLE_SELECT;
}

/* Pictures that are cut into parts would show the prior what it is scored on. */
static unet_status add_masks(un_baseline *b, const un_dataset *d, const un_preprocess *p, unet_error *err)
{
    int n = 0, seen = 0;
    unet_status st = UNET_OK;

    for (int i = 0; i < d->base_count; i++)
        n += trains(&d->items[i]);
    for (int i = 0; i < d->base_count && !st; i++) {
        if (!trains(&d->items[i]))
            continue;
        if (n <= MASKS_MAX || (int64_t)(seen + 1) * MASKS_MAX / n > (int64_t)seen * MASKS_MAX / n)
            st = add_mask(b, p, &d->items[i], err);
        seen++;
    }
    return st;
}

unet_status un_baseline_create(un_baseline **out, un_mem *mem, const un_config *cfg, const un_dataset *d,
    const un_preprocess *p, int rarer, unet_error *err)
{
    const un_shape grid = cfg->model.dims == 2 ? (un_shape){1, 1, 128, 128, 1} : (un_shape){1, 24, 48, 48, 1};
    const int prior = cfg->model.classes > 2;
    un_baseline *b;
    unet_status st = UNET_OK;

    *out = NULL;
    if (cfg->model.head == UN_CFG_HEAD_MULTILABEL ||
        (prior && (!un_dataset_count_role(d, UN_ROLE_TRAIN) || d->count > d->base_count)))
        return UNET_OK;
    b = un_alloc_zero(mem, sizeof *b);
    if (!b)
        return un_fail_nomem(err, sizeof *b);
    b->mem = mem;
    b->rarer = rarer;
    if (prior)
        st = un_prior_create(&b->prior, mem, cfg->model.classes, grid, err);
    if (!st && prior)
        st = add_masks(b, d, p, err);
    if (st) {
        un_baseline_destroy(b);
        return st;
    }
    *out = b;
    return UNET_OK;
}

void un_baseline_destroy(un_baseline *b)
{
    if (!b)
        return;
    un_prior_destroy(b->prior);
    un_free(b);
}

const char *un_baseline_name(const un_baseline *b)
{
    return b->prior ? "most frequent class at each place" : "Otsu's threshold";
}

/* ---- Otsu ---- */

static int channels_of(const un_image *im)
{
    return im->c - (im->alpha && im->c > 1);
}

/* A chunk of pixels at a time, so that no picture of all channels is made. */
static unet_status grey_of(float *grey, const un_image *images, int count, size_t n, un_mem *mem, unet_error *err)
{
    size_t c = 0;
    float *chunk;

    for (int i = 0; i < count; i++)
        c += (size_t)channels_of(&images[i]);
    chunk = un_alloc_array(mem, CHUNK * c, sizeof *chunk);
    if (!chunk)
        return un_fail_nomem(err, CHUNK * c * sizeof *chunk);
    for (size_t from = 0; from < n; from += CHUNK) {
        const size_t pixels = UN_MIN(n - from, (size_t)CHUNK);
        size_t at = 0;

        for (int i = 0; i < count; i++)
            for (int k = 0; k < channels_of(&images[i]); k++, at++)
                for (size_t x = 0; x < pixels; x++)
                    chunk[x * c + at] = (float)un_image_at(&images[i], (from + x) * (size_t)images[i].c + (size_t)k);
        un_grey(grey + from, chunk, (int64_t)pixels, (int)c);
    }
    un_free(chunk);
    return UNET_OK;
}

static unet_status otsu(const un_baseline *b, const un_image *images, int count, int32_t *classes, unet_error *err)
{
    const size_t n = un_image_count(&images[0]) / (size_t)images[0].c;
    float *grey = un_alloc_array(b->mem, n, sizeof *grey);
    uint8_t *mask = un_alloc_array(b->mem, n, 1);
    unet_status st = grey && mask ? grey_of(grey, images, count, n, b->mem, err) : un_fail_nomem(err, n * sizeof *grey);

    if (!st) {
        const un_otsu o = un_otsu_find(grey, (int64_t)n);

        un_otsu_apply(&o, grey, (int64_t)n, mask);
        for (size_t i = 0; i < n; i++)
            classes[i] = mask[i] ? b->rarer : 1 - b->rarer;
    }
    un_free(grey);
    un_free(mask);
    return st;
}

unet_status un_baseline_run(const un_baseline *b, const un_image *images, int count, int32_t *classes, unet_error *err)
{
    if (!b->prior)
        return otsu(b, images, count, classes, err);
    un_prior_apply(b->prior, classes, (un_shape){1, images[0].d, images[0].h, images[0].w, 1});
    return UNET_OK;
}
