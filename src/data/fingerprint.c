#include "data/fingerprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

typedef struct maker {
    un_fingerprint *f;
    const un_dataset *d;
    const un_scan *s;
    un_scope scope;
    float *x; /* scratch, one number for each picture */
    unet_error *err;
} maker;

static int usable(const maker *m, int i)
{
    const un_item *it = &m->d->items[i];

    return !m->s->item[i].status && !it->left_out &&
           (m->scope == UN_SCOPE_ALL || it->role == UN_ROLE_TRAIN || it->role == UN_ROLE_SELECT);
}

static unet_status median(const maker *m, int n, double *out)
{
    static const double half = 50;

    return un_quantiles(out, m->s->mem, m->x, (size_t)n, &half, 1, m->err);
}

/* ---- pictures
 * ---------------------------------------------------------------------------------------------------- */

/* Along a turned axis. */
static int extent(const un_scan_item *it, int axis)
{
    const int stored = it->axis[axis];

    return stored == 0 ? it->d : stored == 1 ? it->h : it->w;
}

static unet_status sizes(const maker *m)
{
    un_fingerprint *f = m->f;
    unet_status st = UNET_OK;

    for (int a = 0; a < 3 && !st; a++) {
        int n = 0;
        double mid;

        for (int i = 0; i < m->s->count; i++) {
            const int e = extent(&m->s->item[i], a);

            if (!usable(m, i))
                continue;
            f->size_min[a] = n ? UN_MIN(f->size_min[a], e) : e;
            f->size_max[a] = UN_MAX(f->size_max[a], e);
            m->x[n++] = (float)e;
        }
        st = median(m, n, &mid);
        f->size_median[a] = (int)mid;
    }
    return st;
}

static unet_status spacings(const maker *m)
{
    un_fingerprint *f = m->f;
    unet_status st = UNET_OK;

    for (int a = 0; a < 3 && !st; a++) {
        int n = 0;

        for (int i = 0; i < m->s->count; i++) {
            const double v = m->s->item[i].spacing[m->s->item[i].axis[a]];

            if (!usable(m, i) || !m->s->item[i].has_spacing)
                continue;
            f->spacing_min[a] = n ? UN_MIN(f->spacing_min[a], v) : v;
            f->spacing_max[a] = UN_MAX(f->spacing_max[a], v);
            m->x[n++] = (float)v;
        }
        f->with_spacing = n;
        st = median(m, n, &f->spacing_median[a]);
    }
    return st;
}

/* Whether most of a picture is brighter than the middle of its range (1st to 99th percentile). */
static int has_bright_ground(const un_scan_item *it)
{
    double above = 0;

    for (int k = 0; k < it->c; k++) {
        const double *q = it->channel[k].q;

        above += q[4] - (q[1] + q[7]) / 2;
    }
    return above > 0;
}

/* Kinds that occur, in their order. */
static void count_kinds(un_fingerprint *f)
{
    for (int k = 0; k < UN_FINGERPRINT_KINDS; k++) {
        const int n = f->kind[k];

        f->kind[k] = 0;
        if (n)
            f->kind[f->kinds++] = n;
    }
}

static void count_pictures(const maker *m)
{
    un_fingerprint *f = m->f;
    int first = 1;

    f->pictures = m->d->base_count;
    f->cut = m->d->count > m->d->base_count;
    for (int i = 0; i < m->d->count; i++)
        f->role[m->d->items[i].role]++;
    for (int i = 0; i < m->s->count; i++) {
        const un_scan_item *it = &m->s->item[i];
        const int kind = UN_MIN(m->d->items[i].kind, UN_FINGERPRINT_KINDS - 1);

        f->unlabelled += !m->d->items[i].mask;
        f->left_out += m->d->items[i].left_out;
        if (!usable(m, i))
            continue;
        f->usable++;
        f->volumes += it->d > 1;
        f->types[it->type]++;
        f->channels = UN_MAX(f->channels, it->c);
        f->kind[kind]++;
        f->bright += has_bright_ground(it);
        f->dark += !has_bright_ground(it);
        for (int k = 0; k < it->c; k++) {
            f->lowest = first ? it->channel[k].m.min : UN_MIN(f->lowest, it->channel[k].m.min);
            f->highest = first ? it->channel[k].m.max : UN_MAX(f->highest, it->channel[k].m.max);
            first = 0;
        }
        if (m->d->items[i].role == UN_ROLE_TRAIN)
            f->train_pixels += (double)it->d * it->h * it->w * (m->d->items[i].part_hi - m->d->items[i].part_lo);
    }
    count_kinds(f);
}

/* Channel k of a picture as the network sees it: a grey picture among coloured ones has the same in all three. NULL: it
 * has no such channel. */
static const un_scan_channel *channel_seen(const un_fingerprint *f, const un_scan_item *it, int k)
{
    return k < it->c ? &it->channel[k] : it->c == 1 && f->channels == 3 ? &it->channel[0] : NULL;
}

/* Mean and deviation over all pixels of the training pictures (of all usable ones when there are none yet).
 */
static unet_status intensities(const maker *m)
{
    un_fingerprint *f = m->f;
    const int roles = m->f->role[UN_ROLE_TRAIN] > 0;
    unet_status st = UNET_OK;

    for (int k = 0; k < UN_MIN(f->channels, UN_FINGERPRINT_CHANNELS) && !st; k++) {
        double pixels = 0, sum = 0, square = 0;

        for (int i = 0; i < m->s->count; i++) {
            const un_scan_item *it = &m->s->item[i];
            const un_scan_channel *ch = usable(m, i) ? channel_seen(f, it, k) : NULL;
            const double n = (double)it->d * it->h * it->w;

            if (!ch || (roles && m->d->items[i].role != UN_ROLE_TRAIN))
                continue;
            pixels += n;
            sum += n * ch->m.mean;
            square += n * (ch->m.std * ch->m.std + ch->m.mean * ch->m.mean);
        }
        f->mean[k] = pixels > 0 ? sum / pixels : 0;
        f->std[k] = pixels > 0 ? un_sqrt(UN_MAX(square / pixels - f->mean[k] * f->mean[k], 0)) : 0;
        for (int q = 0; q < UN_SCAN_QUANTILES && !st; q++) {
            int n = 0;

            for (int i = 0; i < m->s->count; i++) {
                const un_scan_channel *ch = usable(m, i) ? channel_seen(f, &m->s->item[i], k) : NULL;

                if (ch)
                    m->x[n++] = (float)ch->q[q];
            }
            st = median(m, n, &f->q[k][q]);
        }
    }
    return st;
}

/* ---- masks
 * ------------------------------------------------------------------------------------------------------- */

/* Where the classes of one mask lie: weighted sums over its values. */
typedef struct place {
    double pixels, at[3];
} place;

static void class_places(const un_scan_item *it, const un_label_map *map, place *p, double *ignored)
{
    for (int k = 0; k < it->values; k++) {
        const un_mask_value *v = &it->value[k];
        const int class = !un_label_map_by_colour(map) ? un_label_map_value(map, v->value)
                          : it->by_colour              ? un_label_map_colour(map, (int)v->value)
                                                       : un_label_map_colour(map, (int)v->value * 0x010101);

        if (class < 0) {
            *ignored += (double)v->pixels;
            continue;
        }
        p[class].pixels += (double)v->pixels;
        for (int a = 0; a < 3; a++)
            p[class].at[a] += (double)v->pixels * v->centre[a];
    }
}

enum { PLACES_MIN = 8 }; /* masks from which a place can be called usual */

/* Sums over masks, for each class, of where it lies. */
typedef struct usual {
    int n;
    double sum[3], square[3];
} usual;

static void class_shares(const maker *m, const un_label_map *map, usual *u, place *p)
{
    un_fingerprint *f = m->f;
    double all = 0, ignored = 0;

    for (int i = 0; i < m->s->count; i++) {
        if (!usable(m, i) || !m->s->item[i].mask_d)
            continue;
        memset(p, 0, (size_t)f->classes * sizeof *p);
        class_places(&m->s->item[i], map, p, &ignored);
        for (int c = 0; c < f->classes; c++) {
            if (p[c].pixels <= 0)
                continue;
            f->masks_with[c]++;
            f->share[c] += p[c].pixels;
            all += p[c].pixels;
            u[c].n++;
            for (int a = 0; a < 3; a++) {
                const double at = p[c].at[a] / p[c].pixels;

                u[c].sum[a] += at;
                u[c].square[a] += at * at;
            }
        }
    }
    for (int c = 0; c < f->classes; c++)
        f->share[c] = all > 0 ? f->share[c] / all : 0;
    f->ignored = all + ignored > 0 ? ignored / (all + ignored) : 0;
}

/* Classes that may overlap: each has a share of its own of all pixels. */
static void plane_shares(const maker *m)
{
    un_fingerprint *f = m->f;
    double all = 0;

    for (int i = 0; i < m->s->count; i++) {
        const un_scan_item *it = &m->s->item[i];

        if (!usable(m, i) || it->planes != f->classes)
            continue;
        all += (double)it->mask_h * it->mask_w * (it->mask_c > 1 ? it->mask_d : 1);
        for (int k = 0; k < f->classes; k++) {
            f->share[k] += (double)it->plane_pixels[k];
            f->masks_with[k] += it->plane_pixels[k] > 0;
        }
    }
    for (int k = 0; k < f->classes; k++)
        f->share[k] = all > 0 ? f->share[k] / all : 0;
}

/* The factor of one picture from its classes. */
static double draw_of(const un_config *cfg, const un_fingerprint *f, int masks, const place *p)
{
    const un_cfg_ints *list = &cfg->data.foreground;
    double most = 1;
    int foreground = 0;

    for (int c = 0; c < f->classes; c++) {
        if (p[c].pixels <= 0)
            continue;
        most = UN_MAX(most, un_sqrt(cfg->data.repeat_below * masks / UN_MAX(f->masks_with[c], 1)));
        foreground |= list->n < 1 && c > 0;
        for (int k = 0; k < list->n; k++)
            foreground |= list->v[k] == c;
    }
    return foreground ? most : most * cfg->data.draw_empty;
}

static void set_draws(un_dataset *d, const maker *m, const un_config *cfg, const un_label_map *map, place *p)
{
    double ignored = 0;
    int masks = 0;

    for (int i = 0; i < m->s->count; i++)
        masks += usable(m, i) && m->s->item[i].mask_d;
    for (int i = 0; i < m->s->count; i++) {
        if (m->s->item[i].status || d->items[i].left_out || !m->s->item[i].mask_d)
            continue;
        memset(p, 0, (size_t)m->f->classes * sizeof *p);
        class_places(&m->s->item[i], map, p, &ignored);
        d->items[i].draw = draw_of(cfg, m->f, masks, p);
    }
    for (int i = 0; i < d->count; i++) /* further parts of a cut picture */
        if (d->items[i].part_of >= 0)
            d->items[i].draw = d->items[d->items[i].part_of].draw;
}

unet_status un_fingerprint_balance(
    un_dataset *d, const un_scan *s, const un_config *cfg, const un_fingerprint *f, unet_error *err)
{
    un_fingerprint known = *f;
    const maker m = {.f = &known, .d = d, .s = s, .scope = UN_SCOPE_TRAINING, .err = err};
    un_label_map *map;
    place *p;
    unet_status st;

    for (int i = 0; i < d->count; i++)
        d->items[i].draw = 1;
    if (f->classes < 1 || (cfg->data.repeat_below <= 0 && cfg->data.draw_empty >= 1))
        return UNET_OK;
    st = un_label_map_create(&map, s->mem, cfg, err);
    if (st)
        return st;
    p = un_alloc_array(s->mem, (size_t)f->classes, sizeof *p);
    if (!p)
        st = un_fail_nomem(err, (size_t)f->classes * sizeof *p);
    else if (!un_label_map_is_multilabel(map))
        set_draws(d, &m, cfg, map, p);
    un_free(p);
    un_label_map_destroy(map);
    return st;
}

/* A class lies off the middle, by a tenth of the picture at least, and does so in most masks. */
static void find_one_way(const maker *m, const usual *u)
{
    for (int c = 0; c < m->f->classes; c++)
        for (int a = 0; a < 3 && u[c].n >= PLACES_MIN; a++) {
            const double mean = u[c].sum[a] / u[c].n, off = mean < 0.5 ? 0.5 - mean : mean - 0.5;
            const double spread = un_sqrt(UN_MAX(u[c].square[a] / u[c].n - mean * mean, 0));

            m->f->one_way[a] |= off > 0.1 && off > 1.5 * spread;
        }
}

static unet_status classes(const maker *m, const un_config *cfg)
{
    un_label_map *map;
    usual *u;
    place *p;
    unet_status st;

    m->f->classes = UN_MIN(cfg->data.classes.n, UN_CFG_MAX_class);
    if (m->f->classes < 1 || cfg->data.mask_kind == UN_CFG_MASK_AUTO) {
        m->f->classes = 0;
        return UNET_OK;
    }
    st = un_label_map_create(&map, m->s->mem, cfg, m->err);
    if (st)
        return st;
    u = un_alloc_array(m->s->mem, (size_t)m->f->classes, sizeof *u);
    p = un_alloc_array(m->s->mem, (size_t)m->f->classes, sizeof *p);
    if (!u || !p)
        st = un_fail_nomem(m->err, (size_t)m->f->classes * sizeof *u);
    else if (!un_label_map_is_multilabel(map)) {
        class_shares(m, map, u, p);
        find_one_way(m, u);
    } else
        plane_shares(m);
    un_free(u);
    un_free(p);
    un_label_map_destroy(map);
    return st;
}

/* Sizes of objects: of values where these are objects, else of connected places. */
static unet_status objects(const maker *m, const un_config *cfg)
{
    const int ids = cfg->data.mask_kind == UN_CFG_MASK_INSTANCE;
    un_fingerprint *f = m->f;
    double volume;
    int n = 0;
    unet_status st = UNET_OK;

    for (int k = -1; k < 3 && !st; k++) {
        n = 0;
        for (int i = 0; i < m->s->count; i++) {
            const un_scan_item *it = &m->s->item[i];

            if (usable(m, i) && it->objects > 0)
                m->x[n++] = (float)(k < 0 ? it->objects : ids ? it->value_pixels[k] : it->object_pixels[k]);
        }
        st = median(m, n, k < 0 ? &f->objects : &f->object_pixels[k]);
    }
    volume = f->object_pixels[1];
    if (volume > 0)
        f->object_px =
            2 * f->volumes > f->usable ? un_exp(un_log(volume * 1.909859317) / 3) : un_sqrt(volume * 1.273239545);
    return st;
}

unet_status un_fingerprint_make(
    un_fingerprint *out, const un_dataset *d, const un_scan *s, const un_config *cfg, un_scope scope, unet_error *err)
{
    maker m = {.f = out, .d = d, .s = s, .scope = scope, .err = err};
    unet_status st;

    memset(out, 0, sizeof *out);
    m.x = un_alloc_array(s->mem, (size_t)s->count, sizeof *m.x);
    if (!m.x)
        return un_fail_nomem(err, (size_t)s->count * sizeof *m.x);
    count_pictures(&m);
    st = sizes(&m);
    if (!st)
        st = spacings(&m);
    if (!st)
        st = intensities(&m);
    if (!st)
        st = classes(&m, cfg);
    if (!st)
        st = objects(&m, cfg);
    un_free(m.x);
    return st;
}

/* ---- for people
 * -------------------------------------------------------------------------------------------------- */

static void add_triple(un_text *t, const int v[3], int dims)
{
    for (int a = 3 - dims; a < 3; a++)
        un_text_printf(t, "%s%d", a > 3 - dims ? "x" : "", v[a]);
}

static void text_of_pictures(un_text *t, const un_fingerprint *f)
{
    const int dims = f->volumes ? 3 : 2;

    un_text_printf(t, "pictures     %d", f->pictures);
    un_text_printf(t, " (%d unlabelled, %d left out)\n", f->unlabelled, f->left_out);
    un_text_add(t, "split       ");
    for (int r = UN_ROLE_TRAIN; r < UN_ROLE_COUNT; r++)
        un_text_printf(t, " %s %d%s", un_role_name((un_role)r), f->role[r], r + 1 < UN_ROLE_COUNT ? "," : "");
    un_text_add(t, f->cut ? "  (few pictures: each is cut in parts)\n" : "\n");
    un_text_add(t, "size         ");
    add_triple(t, f->size_median, dims);
    if (memcmp(f->size_min, f->size_max, sizeof f->size_min)) {
        un_text_add(t, " (median; ");
        add_triple(t, f->size_min, dims);
        un_text_add(t, " to ");
        add_triple(t, f->size_max, dims);
        un_text_add(t, ")");
    }
    un_text_add(t, dims == 3 ? "  d x h x w\n" : "  h x w\n");
    un_text_add(t, "type        ");
    for (int k = 0; k < UN_DTYPE_COUNT; k++)
        if (f->types[k])
            un_text_printf(t, " %s (%d)", un_dtype_name((un_dtype)k), f->types[k]);
    un_text_printf(t, ", %d channel%s\n", f->channels, f->channels == 1 ? "" : "s");
    for (int k = 0; k < UN_MIN(f->channels, 8); k++)
        un_text_printf(t, "channel %-4d mean %.4g, deviation %.4g, 1 %% %.4g, median %.4g, 99 %% %.4g\n", k, f->mean[k],
            f->std[k], f->q[k][1], f->q[k][4], f->q[k][7]);
    if (f->with_spacing && dims == 3)
        un_text_printf(t, "spacing      %.4g, %.4g, %.4g (median; d, h, w)\n", f->spacing_median[0],
            f->spacing_median[1], f->spacing_median[2]);
    if (f->kinds > 1) {
        un_text_printf(t, "kinds        %d groups by brightness and colour:", f->kinds);
        for (int k = 0; k < f->kinds; k++)
            un_text_printf(t, " %d", f->kind[k]);
        un_text_add(t, " pictures\n");
    }
}

void un_fingerprint_text(un_text *t, const un_fingerprint *f)
{
    text_of_pictures(t, f);
    if (f->ignored > 0)
        un_text_printf(t, "ignored      %.3g %% of the pixels\n", 100 * f->ignored);
    if (f->object_pixels[1] > 0)
        un_text_printf(t, "objects      %.4g in a mask, %.4g pixels each (10 %% below %.4g, 90 %% below %.4g)\n",
            f->objects, f->object_pixels[1], f->object_pixels[0], f->object_pixels[2]);
    if (f->one_way[0] || f->one_way[1] || f->one_way[2])
        un_text_printf(t, "placed       classes have their place along%s%s%s\n", f->one_way[0] ? " d" : "",
            f->one_way[1] ? " h" : "", f->one_way[2] ? " w" : "");
}

/* How many issues of this kind there are. */
static int count_issues(const un_dataset *d, int kind)
{
    int n = 0;

    for (int i = 0; i < d->issue_count; i++)
        n += (int)d->issues[i].kind == kind;
    return n;
}

void un_issues_text(un_text *t, const un_dataset *d, int most)
{
    if (!d->issue_count)
        un_text_add(t, "nothing odd was found\n");
    for (int severity = UN_STOP; severity >= UN_NOTE; severity--)
        for (int kind = 0; kind < UN_ISSUE_KINDS; kind++) {
            const int n = count_issues(d, kind);
            int told = 0;

            if (!n || (int)un_issue_severity((un_issue_kind)kind) != severity)
                continue;
            un_text_printf(t, "%s: %s (%d): %s\n", un_severity_name((un_severity)severity),
                un_issue_name((un_issue_kind)kind), n, un_issue_advice((un_issue_kind)kind));
            for (int i = 0; i < d->issue_count && told < most; i++)
                if ((int)d->issues[i].kind == kind) {
                    un_text_printf(t, "    %s: %s\n", d->issues[i].file, d->issues[i].text);
                    told++;
                }
            if (n > told)
                un_text_printf(t, "    and %d more\n", n - told);
        }
}

/* ---- for machines
 * ------------------------------------------------------------------------------------------------ */

static void json_numbers(un_text *t, const char *key, const double *v, int n)
{
    un_text_printf(t, ",\"%s\":[", key);
    for (int i = 0; i < n; i++) {
        un_text_add(t, i ? "," : "");
        un_text_number(t, v[i]);
    }
    un_text_add(t, "]");
}

static void json_ints(un_text *t, const char *key, const int *v, int n)
{
    un_text_printf(t, ",\"%s\":[", key);
    for (int i = 0; i < n; i++)
        un_text_printf(t, "%s%d", i ? "," : "", v[i]);
    un_text_add(t, "]");
}

static void json_pictures(un_text *t, const un_fingerprint *f, const un_dataset *d)
{
    const int channels = UN_MIN(f->channels, UN_FINGERPRINT_CHANNELS);

    un_text_printf(t, "{\"layout\":\"%s\",\"pictures\":%d,\"unlabelled\":%d,\"left_out\":%d,\"roles\":{",
        un_config_word("data", "layout", (int)d->layout), f->pictures, f->unlabelled, f->left_out);
    for (int r = 0; r < UN_ROLE_COUNT; r++)
        un_text_printf(t, "%s\"%s\":%d", r ? "," : "", un_role_name((un_role)r), f->role[r]);
    un_text_printf(t, "},\"volumes\":%d", f->volumes);
    json_ints(t, "size_min", f->size_min, 3);
    json_ints(t, "size_median", f->size_median, 3);
    json_ints(t, "size_max", f->size_max, 3);
    un_text_add(t, ",\"types\":{");
    for (int k = 0, n = 0; k < UN_DTYPE_COUNT; k++)
        if (f->types[k])
            un_text_printf(t, "%s\"%s\":%d", n++ ? "," : "", un_dtype_name((un_dtype)k), f->types[k]);
    un_text_printf(t, "},\"channels\":%d", f->channels);
    json_numbers(t, "mean", f->mean, channels);
    json_numbers(t, "std", f->std, channels);
    json_numbers(t, "percent", un_scan_percent, UN_SCAN_QUANTILES);
    un_text_add(t, ",\"percentiles\":[");
    for (int k = 0; k < channels; k++) {
        un_text_add(t, k ? ",[" : "[");
        for (int i = 0; i < UN_SCAN_QUANTILES; i++) {
            un_text_add(t, i ? "," : "");
            un_text_number(t, f->q[k][i]);
        }
        un_text_add(t, "]");
    }
    un_text_add(t, "]");
    if (f->with_spacing) {
        json_numbers(t, "spacing_min", f->spacing_min, 3);
        json_numbers(t, "spacing_median", f->spacing_median, 3);
        json_numbers(t, "spacing_max", f->spacing_max, 3);
    }
    json_ints(t, "kinds", f->kind, f->kinds);
}

static void json_issues(un_text *t, const un_dataset *d)
{
    un_text_add(t, ",\"issues\":[");
    for (int i = 0; i < d->issue_count; i++) {
        const un_issue *s = &d->issues[i];

        un_text_printf(t, "%s{\"kind\":\"%s\",\"severity\":\"%s\",\"file\":", i ? "," : "", un_issue_name(s->kind),
            un_severity_name(un_issue_severity(s->kind)));
        un_text_json_string(t, s->file);
        un_text_add(t, ",\"text\":");
        un_text_json_string(t, s->text);
        un_text_add(t, ",\"advice\":");
        un_text_json_string(t, un_issue_advice(s->kind));
        un_text_add(t, "}");
    }
    un_text_add(t, "]");
}

/* What the masks were found to mean, as in the configuration. */
static void json_proposal(un_text *t, const un_config *cfg)
{
    const un_cfg_data *c = &cfg->data;

    un_text_printf(t, ",\"colour\":\"%s\",\"mask_kind\":\"%s\"", un_config_word("data", "colour", (int)c->colour),
        un_config_word("data", "mask_kind", (int)c->mask_kind));
    json_numbers(t, "ignore", c->ignore.v, UN_MAX(c->ignore.n, 0));
    json_ints(t, "foreground", c->foreground.v, UN_MAX(c->foreground.n, 0));
    un_text_add(t, ",\"mapping\":[");
    for (int i = 0; i < c->mapping.n; i++) {
        const un_cfg_map *m = &c->mapping.v[i];

        un_text_add(t, i ? ",{" : "{");
        if (m->color != UN_AUTO_COLOUR) {
            un_text_printf(t, "\"color\":\"#%06x\"", (unsigned)m->color);
        } else {
            un_text_add(t, "\"value\":");
            un_text_number(t, m->value);
            if (!un_is_auto(m->to)) {
                un_text_add(t, ",\"to\":");
                un_text_number(t, m->to);
            }
        }
        un_text_printf(t, ",\"class\":%d}", m->class);
    }
    un_text_add(t, "]");
}

void un_fingerprint_json(un_text *t, const un_fingerprint *f, const un_dataset *d, const un_config *cfg)
{
    json_pictures(t, f, d);
    un_text_add(t, ",\"classes\":[");
    for (int c = 0; c < f->classes; c++) {
        un_text_add(t, c ? ",{\"name\":" : "{\"name\":");
        un_text_json_string(t, cfg->data.classes.v[c].name);
        un_text_add(t, ",\"share\":");
        un_text_number(t, f->share[c]);
        un_text_printf(t, ",\"masks\":%d}", f->masks_with[c]);
    }
    un_text_add(t, "]");
    json_proposal(t, cfg);
    un_text_add(t, ",\"ignored\":");
    un_text_number(t, f->ignored);
    un_text_add(t, ",\"objects\":");
    un_text_number(t, f->objects);
    json_numbers(t, "object_pixels", f->object_pixels, 3);
    json_ints(t, "one_way", f->one_way, 3);
    json_issues(t, d);
    un_text_add(t, "}\n");
}
