/* Pictures to masks. */
#include "run/segment.h"

#include <string.h>

#include "base/size.h"
#include "report/palette.h"

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

int un_class_colour(const un_config *cfg, int k)
{
    const un_cfg_class_list *l = &cfg->data.classes;
    un_palette p;

    if (k < l->n && l->v[k].color != UN_AUTO_COLOUR)
        return l->v[k].color;
    un_palette_default(&p);
    k %= UN_PALETTE_SIZE;
    return p.of[k].r << 16 | p.of[k].g << 8 | p.of[k].b;
}

typedef struct keeper {
    float *p;
    int h, w, channels;
} keeper;

static unet_status keep(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err)
{
    const keeper *k = ctx;

    (void)err;
    memcpy(k->p + ((int64_t)z0 * k->h + y0) * k->w * k->channels, p,
        (size_t)(z1 - z0) * (size_t)(y1 - y0) * (size_t)k->w * (size_t)k->channels * sizeof *p);
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

/* Through the probabilities of the whole picture: another grid, or the caller wants them. */
static unet_status by_probabilities(un_segmentation *s, un_mem *mem, un_predictor *p, const un_model *m,
    const un_picture *pic, const un_grid *grid, unet_error *err)
{
    int c = un_model_channels(&m->config.model);
    int64_t seen = (int64_t)pic->d * pic->h * pic->w, stored = (int64_t)grid->file[0] * grid->file[1] * grid->file[2];
    keeper k = {un_alloc_array(mem, (size_t)seen * (size_t)c, sizeof(float)), pic->h, pic->w, c};
    unet_status st =
        k.p ? un_image_create(&s->probabilities, mem, UN_DTYPE_F32, grid->file[0], grid->file[1], grid->file[2], c, err)
            : un_fail_nomem(err, (size_t)seen * (size_t)c * sizeof(float));

    if (!st)
        st = un_predictor_run(p, pic->image, pic->d, pic->h, pic->w, keep, &k, err);
    if (!st && un_grid_is_same(grid))
        memcpy(s->probabilities.data, k.p, (size_t)seen * (size_t)c * sizeof(float));
    else if (!st)
        st = restore(s->probabilities.data, k.p, grid, c, stored, mem, err);
    if (!st)
        un_classes_of(&m->config, s->probabilities.data, stored, s->classes);
    un_free(k.p);
    return st;
}

static void fill_palette(unsigned char *palette, const un_config *cfg, int entries)
{
    for (int k = 0; k < cfg->model.classes; k++) {
        int v = un_class_value(cfg, k), colour = un_class_colour(cfg, k);

        if (v >= entries)
            continue;
        palette[3 * v] = (unsigned char)(colour >> 16);
        palette[3 * v + 1] = (unsigned char)(colour >> 8);
        palette[3 * v + 2] = (unsigned char)colour;
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
    const un_image *image, int probabilities, unet_error *err)
{
    un_picture pic = {0};
    un_grid grid;
    size_t n = (size_t)image->d * (size_t)image->h * (size_t)image->w;
    unet_status st = un_preprocess_image(pre, image, 1, mem, &pic, &grid, err);

    memset(out, 0, sizeof *out);
    if (!st && pic.c != m->config.model.in_channels)
        st = un_fail(
            err, UNET_E_DATA, "the picture has %d channels; the model takes %d", pic.c, m->config.model.in_channels);
    if (!st) {
        out->classes = un_alloc_array(mem, n, sizeof *out->classes);
        if (!out->classes)
            st = un_fail_nomem(err, n * sizeof *out->classes);
    }
    if (!st)
        st = probabilities || !un_grid_is_same(&grid)
                 ? by_probabilities(out, mem, p, m, &pic, &grid, err)
                 : un_predictor_classes(p, pic.image, pic.d, pic.h, pic.w, out->classes, err);
    if (!st)
        st = make_mask(out, mem, &m->config, image, err);
    if (!st && probabilities)
        copy_place(&out->probabilities, image);
    else
        un_image_free(&out->probabilities);
    un_picture_free(&pic);
    if (st)
        un_segmentation_free(out);
    return st;
}
