#include "run/contact.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "data/mix.h"
#include "data/values.h"
#include "io/image.h"
#include "report/view.h"

enum { PLAIN_CELLS = 2, SAMPLES_MOST = 16, ROWS_MOST = 64, CAPTION = 96 };

int un_contact_background(const un_config *cfg)
{
    for (int i = 0; i < cfg->data.foreground.n; i++)
        if (cfg->data.foreground.v[i] == 0)
            return -1;
    return 0;
}

/* ---- one picture to look at ---- */

unet_status un_contact_range_of(un_contact_range *out, un_mem *mem, const un_picture *p, unet_error *err)
{
    static const double percent[2] = {0.5, 99.5};
    const size_t n = (size_t)p->d * (size_t)p->h * (size_t)p->w, c = (size_t)p->c;
    float *x = un_alloc_array(mem, n, sizeof *x);
    unet_status st = x ? UNET_OK : un_fail_nomem(err, n * sizeof *x);

    *out = (un_contact_range){.channels = p->c >= 3 ? 3 : 1};
    for (int k = 0; k < out->channels && !st; k++) {
        double q[2];

        for (size_t i = 0; i < n; i++)
            x[i] = p->image[i * c + (size_t)k];
        st = un_quantiles(q, mem, x, n, percent, 2, err);
        out->lo[k] = q[0];
        out->hi[k] = q[1] > q[0] ? q[1] : q[0] + 1;
    }
    un_free(x);
    return st;
}

/* Whether pixel i is of a class that is painted. */
static int is_marked(const un_picture *p, size_t i, int background)
{
    if (p->target)
        return p->target[i] >= 0 && p->target[i] != background;
    for (int k = 0; k < p->classes; k++)
        if (p->soft[i * (size_t)p->classes + (size_t)k] >= 0.5f)
            return 1;
    return 0;
}

int un_contact_slice(const un_picture *p, int background)
{
    const size_t plane = (size_t)p->h * (size_t)p->w;
    int best = p->d / 2;
    size_t most = 0;

    if (!p->target && !p->soft)
        return best;
    for (int z = 0; z < p->d; z++) {
        size_t n = 0;

        for (size_t i = 0; i < plane; i++)
            n += is_marked(p, (size_t)z * plane + i, background < 0 ? 0 : background) > 0;
        if (n > most) {
            most = n;
            best = z;
        }
    }
    return best;
}

static unsigned char to_byte(double v)
{
    return (unsigned char)(v <= 0 ? 0 : v >= 255 ? 255 : (int)(v + 0.5));
}

static void to_rgb(unsigned char *rgb, const un_picture *p, int z, const un_contact_range *r)
{
    const size_t plane = (size_t)p->h * (size_t)p->w, c = (size_t)p->c;
    const float *from = p->image + (size_t)z * plane * c;

    for (size_t i = 0; i < plane; i++)
        for (int k = 0; k < 3; k++) {
            const int from_channel = r->channels == 3 ? k : 0;
            const double lo = r->lo[from_channel], hi = r->hi[from_channel];

            rgb[3 * i + (size_t)k] = to_byte(255 * ((double)from[i * c + (size_t)from_channel] - lo) / (hi - lo));
        }
}

/* Class of each pixel of a slice, or its classes as bits. *out: un_free'd by the caller. */
static unet_status slice_map(int32_t **out, un_mem *mem, const un_picture *p, int z, unet_error *err)
{
    const size_t plane = (size_t)p->h * (size_t)p->w, from = (size_t)z * plane;

    *out = un_alloc_array(mem, plane, sizeof **out);
    if (!*out)
        return un_fail_nomem(err, plane * sizeof **out);
    for (size_t i = 0; i < plane; i++) {
        if (p->target) {
            (*out)[i] = p->target[from + i];
            continue;
        }
        for (int k = 0; k < UN_MIN(p->classes, 31); k++)
            (*out)[i] |= p->soft[(from + i) * (size_t)p->classes + (size_t)k] >= 0.5f ? 1 << k : 0;
    }
    return UNET_OK;
}

static unet_status paint_slice(
    un_image *rgb, un_mem *mem, const un_picture *p, int z, const un_paint *paint, unet_error *err)
{
    un_paint how = *paint;
    int32_t *map, *shown = NULL;
    unet_status st = slice_map(&map, mem, p, z, err);

    how.bits = p->soft != NULL;
    if (!st)
        st = un_scale_map(&shown, mem, map, p->h, p->w, rgb->h, rgb->w, err);
    if (!st)
        un_paint_classes(rgb, shown, &how);
    un_free(shown);
    un_free(map);
    return st;
}

unet_status un_contact_view(un_image *rgb, un_mem *mem, const un_picture *p, int z, const un_contact_range *range,
    const un_paint *paint, int cell_px, unet_error *err)
{
    un_image full;
    int h, w;
    unet_status st = un_image_create(&full, mem, UN_DTYPE_U8, 1, p->h, p->w, 3, err);

    *rgb = (un_image){0};
    if (st)
        return st;
    to_rgb(full.data, p, z, range);
    un_view_size(&h, &w, p->h, p->w, cell_px, cell_px);
    st = un_scale_rgb(rgb, mem, &full, h, w, err);
    un_image_free(&full);
    if (!st && paint && (p->target || p->soft))
        st = paint_slice(rgb, mem, p, z, paint, err);
    if (st)
        un_image_free(rgb);
    return st;
}

/* ---- cells of a sheet, made row by row in parallel ---- */

typedef struct cell {
    un_image rgb;
    char caption[CAPTION];
} cell;

typedef struct sheet {
    un_mem *mem;
    const un_dataset *d;
    const un_contact_options *opt;
    const un_preprocess *prepare;
    un_paint paint;
    int rows, columns;
    const int *item;       /* [rows] contact sheet: picture of each row */
    const un_ready *ready; /* operations: the one picture */
    int start[3];          /* and the patch of it */
    cell *cells;
    unet_status *st; /* [rows] */
    unet_error *errs;
} sheet;

/* An augmented patch as a picture. */
static unet_status make_patch(un_picture *out, un_mem *mem, const un_augment *a, const un_ready *r, const int size[3],
    const int start[3], const un_draw *draw, unet_error *err)
{
    const un_picture *p = &r->picture;
    const size_t n = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    un_augment_scratch *scratch;
    unet_status st = un_augment_scratch_create(&scratch, mem, a, err);

    *out = (un_picture){.d = size[0], .h = size[1], .w = size[2], .c = p->c, .classes = p->classes};
    if (st)
        return st;
    out->image = un_alloc_array(mem, n, (size_t)p->c * sizeof *out->image);
    out->target = p->target ? un_alloc_array(mem, n, sizeof *out->target) : NULL;
    out->soft = p->soft ? un_alloc_array(mem, n, (size_t)p->classes * sizeof *out->soft) : NULL;
    if (!out->image || (p->target && !out->target) || (p->soft && !out->soft)) {
        st = un_fail_nomem(err, n * sizeof *out->image);
    } else {
        const un_patch to = {
            .image = out->image, .target = out->target, .soft = out->soft, .weight = NULL, .classes = p->classes};
        const un_partners itself = un_partners_of(r);

        st = un_augment_run(a, scratch, r, start, draw, &to, err);
        if (!st)
            st = un_mix_run(a, scratch, draw, &itself, &to, err);
    }
    un_augment_scratch_destroy(scratch);
    if (st)
        un_picture_free(out);
    return st;
}

static unet_status show_patch(sheet *s, cell *to, const un_augment *a, const un_ready *r, const int start[3],
    const un_draw *draw, const un_contact_range *range, unet_error *err)
{
    un_picture patch;
    unet_status st = make_patch(&patch, s->mem, a, r, s->opt->cfg->train.patch, start, draw, err);

    if (st)
        return st;
    st = un_contact_view(&to->rgb, s->mem, &patch, un_contact_slice(&patch, s->paint.background), range, &s->paint,
        s->opt->cell_px, err);
    un_picture_free(&patch);
    return st;
}

static unet_status load(sheet *s, int item, un_ready *out, unet_error *err)
{
    const un_cfg_ints *front = &s->opt->cfg->data.foreground;
    un_picture p;
    unet_status st = un_preprocess_item(s->prepare, &s->d->items[item], s->mem, &p, NULL, err);

    return st ? st : un_ready_make(out, s->mem, &p, front->n >= 0 ? front->v : NULL, UN_MAX(front->n, 0), err);
}

/* The first file as it is; of a volume the prepared slice, since the file may lie turned. */
static unet_status show_plain(
    sheet *s, cell *to, int item, const un_picture *p, int z, const un_contact_range *range, unet_error *err)
{
    const un_item *it = &s->d->items[item];
    const un_image_read_options opt = un_preprocess_read_options(s->prepare, it->page, 0);
    un_image im = {0};
    unet_status st;

    if (p->d > 1)
        return un_contact_view(&to->rgb, s->mem, p, z, range, NULL, s->opt->cell_px, err);
    st = un_image_read(&im, s->mem, it->images[0], &opt, err);
    if (!st)
        st = un_view_rgb(&to->rgb, s->mem, &im, 0, err);
    un_image_free(&im);
    return st;
}

static unet_status show_samples(
    sheet *s, cell *to, const un_ready *r, int row, const un_contact_range *range, unet_error *err)
{
    const un_config *cfg = s->opt->cfg;
    un_augment *a;
    unet_status st = un_augment_create(&a, s->mem, &cfg->augment, cfg->train.patch, r->picture.c, err);

    for (int k = 0; k < s->opt->samples && !st; k++) {
        const un_draw draw = {(uint64_t)cfg->train.seed, k + 1, row};
        un_rng rng;
        int start[3];

        un_rng_init(&rng, draw.seed, UN_RNG_SAMPLE, (uint32_t)draw.step, (uint32_t)row, 0);
        un_sampler_crop(r, cfg->train.patch, un_augment_config(a)->foreground, &rng, start);
        st = show_patch(s, &to[k], a, r, start, &draw, range, err);
        snprintf(to[k].caption, CAPTION, "sample %d", k + 1);
    }
    un_augment_destroy(a);
    return st;
}

static unet_status contact_row(sheet *s, int row, unet_error *err)
{
    cell *to = s->cells + (size_t)row * (size_t)s->columns;
    const un_picture *p;
    un_contact_range range;
    un_ready r = {0};
    int z;
    unet_status st = load(s, s->item[row], &r, err);

    if (st)
        return st;
    p = &r.picture;
    z = un_contact_slice(p, s->paint.background);
    st = un_contact_range_of(&range, s->mem, p, err);
    if (!st)
        st = show_plain(s, &to[0], s->item[row], p, z, &range, err);
    if (!st)
        st = un_contact_view(&to[1].rgb, s->mem, p, z, &range, &s->paint, s->opt->cell_px, err);
    if (!st)
        st = show_samples(s, to + PLAIN_CELLS, &r, row, &range, err);
    snprintf(to[0].caption, CAPTION, "%s", s->d->items[s->item[row]].name);
    if (p->d > 1)
        snprintf(to[1].caption, CAPTION, "%dx%dx%d, slice %d", p->d, p->h, p->w, z + 1);
    else
        snprintf(to[1].caption, CAPTION, "%dx%d, prepared", p->h, p->w);
    un_ready_free(&r);
    return st;
}

/* ---- operations of augmentation ---- */

/* Settings with one operation at work; op UN_AUGMENT_COUNT: all of the policy. *off: the policy has it switched off. */
static void only(const un_cfg_augment *in, int op, un_cfg_augment *out, int *off)
{
    un_cfg_augment strong = *in;

    un_augment_settle(in, out);
    *off = 0;
    if (op == UN_AUGMENT_COUNT)
        return;
    strong.policy = UN_CFG_POLICY_STRONG;
    *off = !(*un_augment_chance(out, (un_augment_op)op) > 0);
    if (*off)
        un_augment_settle(&strong, out);
    for (int k = 0; k < UN_AUGMENT_COUNT; k++)
        *un_augment_chance(out, (un_augment_op)k) = 0;
    out->rand_ops = 0;
    *un_augment_chance(out, (un_augment_op)op) = op == UN_AUGMENT_FLIP ? 0.5 : 1;
}

static unet_status operation_row(sheet *s, int row, unet_error *err)
{
    cell *to = s->cells + (size_t)row * (size_t)s->columns;
    const int all = row == UN_AUGMENT_COUNT;
    const int useless = !all && !un_augment_fits((un_augment_op)row, s->ready->picture.c);
    un_cfg_augment cfg;
    un_contact_range range;
    un_augment *a = NULL, *none = NULL;
    int off;
    unet_status st = un_contact_range_of(&range, s->mem, &s->ready->picture, err);

    only(&s->opt->cfg->augment, row, &cfg, &off);
    if (!st)
        st = un_augment_create(&a, s->mem, &cfg, s->opt->cfg->train.patch, s->ready->picture.c, err);
    cfg = (un_cfg_augment){.policy = UN_CFG_POLICY_NONE, .outside = cfg.outside};
    if (!st)
        st = un_augment_create(&none, s->mem, &cfg, s->opt->cfg->train.patch, s->ready->picture.c, err);
    for (int k = 0; k < s->columns && !st; k++) {
        const un_draw draw = {(uint64_t)s->opt->cfg->train.seed, k + 1, 0};

        st = show_patch(s, &to[k], k ? a : none, s->ready, s->start, &draw, &range, err);
    }
    if (all)
        snprintf(to[0].caption, CAPTION, "all of policy %s",
            un_config_word("augment", "policy", (int)s->opt->cfg->augment.policy));
    else
        snprintf(to[0].caption, CAPTION, "%s%s%s", un_augment_row_of((un_augment_op)row)->name,
            off ? " (switched off)" : "",
            useless ? un_augment_row_of((un_augment_op)row)->where == UN_AUGMENT_IN_COLOUR ? ", needs 3 channels"
                                                                                           : ", needs 2 channels"
                    : "");
    un_augment_destroy(a);
    un_augment_destroy(none);
    return st;
}

/* ---- putting together ---- */

static void row_task(void *arg, int64_t task, int worker)
{
    sheet *s = arg;
    const int row = (int)task;

    (void)worker;
    if (s->opt->cancel && s->opt->cancel(s->opt->ctx))
        s->st[row] = un_fail(&s->errs[row], UNET_E_CANCELLED, "stopped while drawing the sheet");
    else
        s->st[row] = s->ready ? operation_row(s, row, &s->errs[row]) : contact_row(s, row, &s->errs[row]);
}

static unet_status join(un_image *out, sheet *s, unet_error *err)
{
    const size_t n = (size_t)s->rows * (size_t)s->columns;
    un_sheet_cell *list = un_alloc_array(s->mem, n, sizeof *list);
    unet_status st = list ? UNET_OK : un_fail_nomem(err, n * sizeof *list);

    for (int r = 0; r < s->rows && !st; r++)
        if (s->st[r]) {
            st = s->st[r];
            if (err)
                *err = s->errs[r];
        }
    for (size_t i = 0; i < n && !st; i++)
        list[i] = (un_sheet_cell){&s->cells[i].rgb, s->cells[i].caption};
    if (!st)
        st = un_sheet_make(out, s->mem, list, (int)n, s->columns, s->opt->cell_px, err);
    un_free(list);
    return st;
}

static unet_status add_class_legend(un_image *out, sheet *s, unet_error *err)
{
    const un_cfg_class_list *l = &s->opt->cfg->data.classes;
    const int bits = s->opt->cfg->data.mask_kind == UN_CFG_MASK_MULTILABEL, first = s->paint.background == 0 && !bits;
    un_legend_entry entry[UN_CFG_MAX_class + 1];
    un_palette p;
    int n = 0;

    if (!s->opt->masks)
        return UNET_OK;
    un_palette_default(&p);
    for (int k = first; k < l->n; k++)
        entry[n++] = (un_legend_entry){p.of[(k + bits) & 255], l->v[k].name};
    entry[n++] = (un_legend_entry){un_colour_ignored, "left out"};
    return un_add_legend(out, s->mem, entry, n, err);
}

static unet_status draw_sheet(un_image *out, sheet *s, unet_error *err)
{
    const size_t n = (size_t)s->rows * (size_t)s->columns;
    unet_status st = UNET_OK;

    s->paint = (un_paint){.background = un_contact_background(s->opt->cfg), .alpha = 0.35};
    s->cells = un_alloc_array(s->mem, n, sizeof *s->cells);
    s->st = un_alloc_array(s->mem, (size_t)s->rows, sizeof *s->st);
    s->errs = un_alloc_array(s->mem, (size_t)s->rows, sizeof *s->errs);
    if (!s->cells || !s->st || !s->errs)
        st = un_fail_nomem(err, n * sizeof *s->cells);
    if (!st) {
        un_pool_run(s->opt->pool, row_task, s, s->rows);
        st = join(out, s, err);
    }
    if (!st)
        st = add_class_legend(out, s, err);
    for (size_t i = 0; s->cells && i < n; i++)
        un_image_free(&s->cells[i].rgb);
    un_free(s->cells);
    un_free(s->st);
    un_free(s->errs);
    if (st)
        un_image_free(out);
    return st;
}

static int can_show(const un_dataset *d, int i, int masks)
{
    return !d->items[i].left_out && (d->items[i].mask || !masks);
}

/* One of each kind, then evenly through what is left, in the order of the data set. item: room for `most`. */
static int choose(int *item, int most, const un_dataset *d, int masks)
{
    int n = 0, usable = 0, rest, taken = 0;

    for (int i = 0; i < d->base_count; i++) {
        int seen = 0;

        usable += can_show(d, i, masks);
        for (int k = 0; k < n; k++)
            seen |= d->items[item[k]].kind == d->items[i].kind;
        if (can_show(d, i, masks) && !seen && n < (most + 1) / 2)
            item[n++] = i;
    }
    rest = UN_MIN(most, usable) - n;
    for (int i = 0, at = 0, kinds = n; i < d->base_count && taken < rest; i++) {
        int seen = !can_show(d, i, masks);

        for (int k = 0; k < kinds; k++)
            seen |= item[k] == i;
        if (seen)
            continue;
        if ((int64_t)at * rest >= (int64_t)taken * (usable - kinds)) {
            item[n++] = i;
            taken++;
        }
        at++;
    }
    for (int i = 1; i < n; i++) /* few: insertion sort */
        for (int k = i; k > 0 && item[k] < item[k - 1]; k--) {
            const int t = item[k];

            item[k] = item[k - 1];
            item[k - 1] = t;
        }
    return n;
}

static unet_status nothing_to_show(const un_dataset *d, unet_error *err)
{
    return un_fail_file(err, UNET_E_DATA, d->root, "there is no picture that could be shown");
}

unet_status un_contact_sheet(
    un_image *out, un_mem *mem, const un_dataset *d, const un_contact_options *opt, unet_error *err)
{
    int item[ROWS_MOST];
    un_preprocess *prepare;
    sheet s = {.mem = mem, .d = d, .opt = opt, .item = item};
    unet_status st;

    *out = (un_image){0};
    s.columns = PLAIN_CELLS + UN_MIN(opt->samples, SAMPLES_MOST);
    s.rows = choose(item, UN_MIN(opt->pictures, ROWS_MOST), d, opt->masks);
    if (!s.rows)
        return nothing_to_show(d, err);
    st = un_preprocess_create(&prepare, mem, opt->cfg, opt->masks, err);
    if (st)
        return st;
    s.prepare = prepare;
    st = draw_sheet(out, &s, err);
    un_preprocess_destroy(prepare);
    return st;
}

unet_status un_contact_operations(
    un_image *out, un_mem *mem, const un_dataset *d, int item, const un_contact_options *opt, unet_error *err)
{
    un_ready ready = {0};
    un_preprocess *prepare;
    un_rng rng;
    sheet s = {.mem = mem, .d = d, .opt = opt, .rows = UN_AUGMENT_COUNT + 1};
    unet_status st;

    *out = (un_image){0};
    s.columns = 1 + UN_MIN(opt->samples, SAMPLES_MOST);
    if (item < 0)
        return nothing_to_show(d, err);
    st = un_preprocess_create(&prepare, mem, opt->cfg, opt->masks && d->items[item].mask, err);
    if (st)
        return st;
    s.prepare = prepare;
    st = load(&s, item, &ready, err);
    if (!st) {
        s.ready = &ready;
        un_rng_init(&rng, (uint64_t)opt->cfg->train.seed, UN_RNG_SAMPLE, 1, 0, 0);
        un_sampler_crop(&ready, opt->cfg->train.patch, 1, &rng, s.start);
        st = draw_sheet(out, &s, err);
    }
    un_ready_free(&ready);
    un_preprocess_destroy(prepare);
    return st;
}

int un_contact_best(const un_dataset *d, const un_scan *s)
{
    int best = -1, best_values = -1;
    double best_front = -1;

    for (int i = 0; i < d->base_count; i++) {
        const un_scan_item *it = &s->item[i];
        double front = 0;

        if (d->items[i].left_out || it->status)
            continue;
        for (int k = 1; k < it->values; k++)
            front += (double)it->value[k].pixels / ((double)it->mask_d * it->mask_h * it->mask_w);
        front = front < 0.5 ? front : 1 - front;
        if (it->values > best_values || (it->values == best_values && front > best_front)) {
            best = i;
            best_values = it->values;
            best_front = front;
        }
    }
    return best;
}
