/* Pictures to masks. */
#include "run/segment.h"

#include <string.h>

#include "base/float_mode.h"
#include "base/size.h"
#include "data/restore.h"
#include "metrics/overlap.h"

void un_segmentation_free(un_segmentation *s)
{
    if (!s)
        return;
    un_image_free(&s->mask);
    un_scratch_close(&s->scratch);
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

/* ---- the way back to the file's grid ---- */

/* The planes that un_restore makes, as the sink wants them. */
typedef struct way_back {
    un_restore *restore;
    const un_grid *grid;
    int64_t seen;       /* pixels of a plane on the network's grid */
    int axis, channels; /* of the planes */
    un_predict_sink sink;
    void *ctx;
} way_back;

static unet_status give_back(void *ctx, int at, const float *p, unet_error *err)
{
    const way_back *w = ctx;

    return w->axis == 0 ? w->sink(w->ctx, at, at + 1, 0, w->grid->turned[1], p, err)
                        : w->sink(w->ctx, 0, 1, at, at + 1, p, err);
}

static unet_status take_planes(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err)
{
    const way_back *w = ctx;
    const int n = w->axis == 0 ? z1 - z0 : y1 - y0;
    unet_status st = UNET_OK;

    for (int i = 0; i < n && !st; i++)
        st = un_restore_add(w->restore, p + i * w->seen * w->channels, err);
    return st;
}

/* Planes of a volume, rows of a picture. */
static int plane_axis(const un_model *m)
{
    return m->config.model.dims == 2;
}

/* The network saw the picture in other extents. */
static unet_status resampled(un_mem *mem, un_predictor *p, const un_model *m, const un_picture *pic,
    const un_grid *grid, un_predict_sink sink, void *ctx, unet_error *err)
{
    way_back w = {
        .grid = grid, .axis = plane_axis(m), .channels = un_model_channels(&m->config.model), .sink = sink, .ctx = ctx};
    unet_status st = un_restore_create(&w.restore, mem, grid, w.axis, w.channels, give_back, &w, err);

    w.seen = w.axis == 0 ? (int64_t)pic->h * pic->w : pic->w;
    if (!st)
        st = un_predictor_run(p, pic->image, pic->d, pic->h, pic->w, take_planes, &w, err);
    un_restore_destroy(w.restore);
    return st;
}

static unet_status check_channels(const un_model *m, int c, unet_error *err)
{
    return c == m->config.model.in_channels
               ? UNET_OK
               : un_fail(err, UNET_E_DATA, "the picture has %d channels; the model takes %d", c,
                     m->config.model.in_channels);
}

/* The network sees the file's own pixels, perhaps turned. */
static unet_status row_by_row(un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_raster *in, const un_grid *grid, un_predict_sink sink, void *ctx, unet_error *err)
{
    un_seen *seen;
    unet_status st = un_seen_create(&seen, pre, in, mem, grid, err);

    if (!st)
        st = check_channels(m, un_seen_channels(seen), err);
    if (!st)
        st = un_predictor_run_rows(p, un_seen_read, seen, grid->size[0], grid->size[1], grid->size[2], sink, ctx, err);
    un_seen_destroy(seen);
    return st;
}

/* The network sees other pixels than the file's. */
static unet_status as_a_whole(un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_raster *in, un_grid *grid, un_predict_sink sink, void *ctx, unet_error *err)
{
    un_picture pic = {0};
    unet_status st = un_preprocess_pixels(pre, in, mem, &pic, grid, err);

    if (!st)
        st = check_channels(m, pic.c, err);
    if (!st)
        st = resampled(mem, p, m, &pic, grid, sink, ctx, err);
    un_picture_free(&pic);
    return st;
}

unet_status un_segment_stream(un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_raster *in, un_grid *grid, un_predict_sink sink, void *ctx, unet_error *err)
{
    const un_float_mode before = un_float_mode_enter();
    unet_status st;

    un_preprocess_grid(pre, &in->images[0], grid);
    st = un_grid_is_resampled(grid) ? as_a_whole(mem, p, m, pre, in, grid, sink, ctx, err)
                                    : row_by_row(mem, p, m, pre, in, grid, sink, ctx, err);
    un_float_mode_set(before);
    return st;
}

size_t un_segment_room(const un_model *m, const un_preprocess *pre, const un_grid *grid)
{
    size_t kept, first, then;

    if (!un_grid_is_resampled(grid))
        return un_seen_room(pre);
    first = un_preprocess_room(pre, grid, &kept);
    then = kept + un_restore_room(grid, plane_axis(m), un_model_channels(&m->config.model));
    return UN_MAX(first, then);
}

/* ---- masks ---- */

/* Gathers a whole picture in the file's order. */
typedef struct keeper {
    const un_config *config;
    const un_grid *grid;
    un_image *mask; /* data NULL: not wanted */
    float *p;       /* these two: NULL */
    int32_t *classes;
    int channels;
} keeper;

static void put_in_mask(const keeper *k, ptrdiff_t at, int32_t class)
{
    const int c = k->mask->c;

    if (k->mask->type == UN_DTYPE_U16)
        ((uint16_t *)k->mask->data)[at] = (uint16_t)un_class_value(k->config, class);
    else if (k->config->model.head != UN_CFG_HEAD_MULTILABEL)
        ((uint8_t *)k->mask->data)[at] = (uint8_t)un_class_value(k->config, class);
    for (int i = 0; i < c && k->config->model.head == UN_CFG_HEAD_MULTILABEL; i++)
        ((uint8_t *)k->mask->data)[at * c + i] = class >> i & 1 ? 255 : 0;
}

enum { PIECE = 256 }; /* classes that are on the stack at a time */

/* n pixels, `step` pixels of the file from each to the next. */
static void keep_run(const keeper *k, ptrdiff_t at, ptrdiff_t step, int n, const float *p)
{
    int32_t class[PIECE];

    un_classes_of(k->config, p, n, class);
    for (int i = 0; i < n; i++, at += step) {
        if (k->p)
            memcpy(k->p + at * k->channels, p + (ptrdiff_t)i * k->channels, (size_t)k->channels * sizeof *p);
        if (k->classes)
            k->classes[at] = class[i];
        if (k->mask->data)
            put_in_mask(k, at, class[i]);
    }
}

static unet_status keep(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err)
{
    const keeper *k = ctx;
    const int w = k->grid->turned[2];
    ptrdiff_t step[3];
    const ptrdiff_t first = (ptrdiff_t)un_grid_place(k->grid, step);

    (void)err;
    for (int z = z0; z < z1; z++)
        for (int y = y0; y < y1; y++, p += (ptrdiff_t)w * k->channels)
            for (int x = 0; x < w; x += PIECE)
                keep_run(k, first + z * step[0] + y * step[1] + x * step[2], step[2], UN_MIN(w - x, PIECE),
                    p + (ptrdiff_t)x * k->channels);
    return UNET_OK;
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

/* All 0. */
static unet_status make_mask(
    un_segmentation *s, un_mem *mem, const un_config *cfg, const un_image *like, unet_error *err)
{
    int c = cfg->model.head == UN_CFG_HEAD_MULTILABEL ? cfg->model.classes : 1, most = 0;
    unet_status st;

    for (int k = 0; k < cfg->model.classes; k++)
        most = UN_MAX(most, un_class_value(cfg, k));
    st = un_image_create(
        &s->mask, mem, c == 1 && most > 255 ? UN_DTYPE_U16 : UN_DTYPE_U8, like->d, like->h, like->w, c, err);
    if (st)
        return st;
    copy_place(&s->mask, like);
    if (c > 1 || most > 255)
        return UNET_OK;
    s->mask.palette = un_alloc_zero(mem, 3 * 256);
    s->mask.palette_size = 256;
    if (!s->mask.palette)
        return un_fail_nomem(err, 3 * 256);
    fill_palette(s->mask.palette, cfg, 256);
    return UNET_OK;
}

/* The probabilities as a picture whose values lie on the disk. */
static unet_status make_room(
    un_segmentation *s, un_mem *mem, const char *folder, const un_image *like, int channels, unet_error *err)
{
    size_t n = (size_t)like->d * (size_t)like->h * (size_t)like->w;
    unet_status st;

    if (!un_size_mul(n, (size_t)channels * sizeof(float), &n))
        return un_fail(err, UNET_E_LIMIT, "probabilities of %d classes are too many", channels);
    st = un_scratch_open(&s->scratch, mem, folder, n, err);
    if (st)
        return st;
    s->probabilities = (un_image){
        .type = UN_DTYPE_F32, .d = like->d, .h = like->h, .w = like->w, .c = channels, .data = s->scratch.data};
    copy_place(&s->probabilities, like);
    return UNET_OK;
}

unet_status un_segment(un_segmentation *out, un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_raster *in, const un_wanted *wanted, unet_error *err)
{
    const un_image *image = &in->images[0];
    const size_t n = (size_t)image->d * (size_t)image->h * (size_t)image->w;
    un_grid grid;
    keeper k = {
        .config = &m->config, .grid = &grid, .mask = &out->mask, .channels = un_model_channels(&m->config.model)};
    unet_status st = UNET_OK;

    memset(out, 0, sizeof *out);
    if (m->config.model.head == UN_CFG_HEAD_MULTILABEL && m->config.model.classes > UN_METRIC_LABELS_MAX)
        return un_fail(err, UNET_E_UNSUPPORTED, "%d classes that may overlap; at most %d can be told apart",
            m->config.model.classes, UN_METRIC_LABELS_MAX);
    if (wanted->classes) {
        k.classes = out->classes = un_alloc_array(mem, n, sizeof *out->classes);
        st = k.classes ? UNET_OK : un_fail_nomem(err, n * sizeof *out->classes);
    }
    if (!st && wanted->mask)
        st = make_mask(out, mem, &m->config, image, err);
    if (!st && wanted->probabilities)
        st = make_room(out, mem, wanted->probabilities, image, k.channels, err);
    k.p = out->probabilities.data;
    if (!st)
        st = un_segment_stream(mem, p, m, pre, in, &grid, keep, &k, err);
    if (st)
        un_segmentation_free(out);
    return st;
}
