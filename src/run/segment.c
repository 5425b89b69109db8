/* Pictures to masks. */
#include "run/segment.h"

#include <string.h>

#include "base/block.h"
#include "base/size.h"

void un_segmentation_free(un_segmentation *s)
{
    if (!s)
        return;
    un_image_free(&s->mask);
    un_image_free(&s->probabilities);
    un_free(s->classes);
    memset(s, 0, sizeof *s);
}

int un_class_value(const un_config *cfg, int k)
{
    const un_cfg_class_list *l = &cfg->data.classes;

    return k < l->n && !un_is_auto(l->v[k].value) ? l->v[k].value : k;
}

void un_class_colours(un_palette *p, const un_config *cfg)
{
    const un_cfg_class_list *l = &cfg->data.classes;
    const int first = cfg->model.head == UN_CFG_HEAD_MULTILABEL;

    un_palette_default(p);
    for (int k = 0; k < l->n && k + first < UN_PALETTE_SIZE; k++)
        if (l->v[k].color != UN_AUTO_COLOUR)
            p->of[k + first] = (un_rgb){(unsigned char)(l->v[k].color >> 16), (unsigned char)(l->v[k].color >> 8 & 255),
                (unsigned char)(l->v[k].color & 255)};
}

/* Gathers a whole picture; either result may be NULL. */
typedef struct keeper {
    const un_config *config;
    float *p;
    int32_t *classes;
    int h, w, channels;
} keeper;

static unet_status keep(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err)
{
    const keeper *k = ctx;
    const int64_t first = ((int64_t)z0 * k->h + y0) * k->w, n = (int64_t)(z1 - z0) * (y1 - y0) * k->w;

    (void)err;
    if (k->p)
        memcpy(k->p + first * k->channels, p, (size_t)n * (size_t)k->channels * sizeof *p);
    if (k->classes)
        un_classes_of(k->config, p, n, k->classes + first);
    return UNET_OK;
}

/* Probabilities on the network's grid -> those on the file's. */
static unet_status restore(
    float *to, const float *from, const un_grid *grid, int channels, int64_t pixels, un_mem *mem, unet_error *err)
{
    float *plane = un_alloc_array(mem, (size_t)pixels, sizeof *plane);
    unet_status st = plane ? UNET_OK : un_fail_nomem(err, (size_t)pixels * sizeof *plane);

    for (int k = 0; k < channels && !st; k++) {
        st = un_grid_restore(grid, plane, from + k, channels, mem, err);
        for (int64_t i = 0; i < pixels && !st; i++)
            to[i * channels + k] = plane[i];
    }
    un_free(plane);
    return st;
}

/* The network saw another grid: its probabilities of the whole picture are brought back. */
static unet_status by_probabilities(un_mem *mem, un_predictor *p, const un_model *m, const un_picture *pic,
    const un_grid *grid, un_predict_sink sink, void *ctx, unet_error *err)
{
    const int c = un_model_channels(&m->config.model), *to = grid->file;
    const int64_t seen = (int64_t)pic->d * pic->h * pic->w, stored = (int64_t)to[0] * to[1] * to[2];
    keeper k = {
        .p = un_alloc_array(mem, (size_t)seen * (size_t)c, sizeof(float)), .h = pic->h, .w = pic->w, .channels = c};
    float *back = un_alloc_array(mem, (size_t)stored * (size_t)c, sizeof *back);
    unet_status st = k.p && back ? UNET_OK : un_fail_nomem(err, (size_t)(seen + stored) * (size_t)c * sizeof *back);

    if (!st)
        st = un_predictor_run(p, pic->image, pic->d, pic->h, pic->w, keep, &k, err);
    if (!st)
        st = restore(back, k.p, grid, c, stored, mem, err);
    if (!st)
        st = sink(ctx, 0, to[0], 0, to[1], back, err);
    un_free(back);
    un_free(k.p);
    return st;
}

unet_status un_segment_stream(un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_raster *in, un_predict_sink sink, void *ctx, unet_error *err)
{
    un_picture pic = {0};
    un_grid grid;
    unet_status st = un_preprocess_pixels(pre, in, mem, &pic, &grid, err);

    if (!st && pic.c != m->config.model.in_channels)
        st = un_fail(
            err, UNET_E_DATA, "the picture has %d channels; the model takes %d", pic.c, m->config.model.in_channels);
    if (!st)
        st = un_grid_is_same(&grid) ? un_predictor_run(p, pic.image, pic.d, pic.h, pic.w, sink, ctx, err)
                                    : by_probabilities(mem, p, m, &pic, &grid, sink, ctx, err);
    un_picture_free(&pic);
    return st;
}

size_t un_segment_room(const un_model *m, const un_preprocess *pre, int h, int w, un_grid *grid)
{
    const size_t c = (size_t)un_model_channels(&m->config.model), stored = (size_t)h * (size_t)w;
    size_t room = un_preprocess_room(pre, h, w, grid), later;

    if (un_grid_is_same(grid))
        return room;
    later = un_block_room((size_t)grid->size[1] * (size_t)grid->size[2] * c * sizeof(float)) +
            un_block_room(stored * c * sizeof(float)) + un_block_room(stored * sizeof(float)) +
            un_grid_restore_room(grid);
    return room + later; /* the picture stays while its probabilities are brought back */
}

static void fill_palette(unsigned char *palette, const un_config *cfg, int entries)
{
    un_palette p;

    un_class_colours(&p, cfg);
    for (int k = 0; k < cfg->model.classes; k++) {
        const int v = un_class_value(cfg, k);

        if (v < entries)
            memcpy(palette + 3 * v, &p.of[k & 255], 3);
    }
}

static void copy_place(un_image *to, const un_image *from)
{
    memcpy(to->spacing, from->spacing, sizeof to->spacing);
    memcpy(to->affine, from->affine, sizeof to->affine);
    to->has_spacing = from->has_spacing;
    to->has_affine = from->has_affine;
}

static unet_status make_mask(
    un_segmentation *s, un_mem *mem, const un_config *cfg, const un_image *like, unet_error *err)
{
    int c = cfg->model.head == UN_CFG_HEAD_MULTILABEL ? cfg->model.classes : 1, most = 0;
    int64_t n = (int64_t)like->d * like->h * like->w;
    unet_status st;

    for (int k = 0; k < cfg->model.classes; k++)
        most = UN_MAX(most, un_class_value(cfg, k));
    st = un_image_create(
        &s->mask, mem, c == 1 && most > 255 ? UN_DTYPE_U16 : UN_DTYPE_U8, like->d, like->h, like->w, c, err);
    if (st)
        return st;
    copy_place(&s->mask, like);
    for (int64_t i = 0; i < n && c > 1; i++)
        for (int k = 0; k < c; k++)
            ((uint8_t *)s->mask.data)[i * c + k] = s->classes[i] >> k & 1 ? 255 : 0;
    for (int64_t i = 0; i < n && c == 1; i++) {
        int v = un_class_value(cfg, s->classes[i]);

        if (most > 255)
            ((uint16_t *)s->mask.data)[i] = (uint16_t)v;
        else
            ((uint8_t *)s->mask.data)[i] = (uint8_t)v;
    }
    if (c > 1 || most > 255)
        return UNET_OK;
    s->mask.palette = un_alloc_zero(mem, 3 * 256);
    s->mask.palette_size = 256;
    if (!s->mask.palette)
        return un_fail_nomem(err, 3 * 256);
    fill_palette(s->mask.palette, cfg, 256);
    return UNET_OK;
}

unet_status un_segment(un_segmentation *out, un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_image *images, int count, int probabilities, unet_error *err)
{
    const un_image *image = &images[0];
    const int c = un_model_channels(&m->config.model);
    const size_t n = (size_t)image->d * (size_t)image->h * (size_t)image->w;
    keeper k = {.config = &m->config, .h = image->h, .w = image->w, .channels = c};
    unet_status st = UNET_OK;

    memset(out, 0, sizeof *out);
    k.classes = out->classes = un_alloc_array(mem, n, sizeof *out->classes);
    if (!out->classes)
        st = un_fail_nomem(err, n * sizeof *out->classes);
    if (!st && probabilities) {
        st = un_image_create(&out->probabilities, mem, UN_DTYPE_F32, image->d, image->h, image->w, c, err);
        copy_place(&out->probabilities, image);
        k.p = out->probabilities.data;
    }
    if (!st)
        st = un_segment_stream(mem, p, m, pre, &(un_raster){images, count, NULL}, keep, &k, err);
    if (!st)
        st = make_mask(out, mem, &m->config, image, err);
    if (st)
        un_segmentation_free(out);
    return st;
}
