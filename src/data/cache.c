/* Results of a scan in a JSON file. What it says is only used when the picture files are still the same;
 * numbers are checked, since anybody may have written the file. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/math.h"
#include "base/size.h"
#include "data/scan.h"
#include "io/json.h"

enum { FORMAT = 4, MAX_BYTES = 1 << 29 };

struct un_scan_cache {
    un_json *json;
    const un_json *items;
};

/* ---- fields that are plain numbers
 * ------------------------------------------------------------------------------- */

typedef enum kind { INT, I64, NUM } kind;
#define ROW(kind, name)                                                                                                \
    {                                                                                                                  \
        kind, #name, offsetof(un_scan_item, name)                                                                      \
    }
static const struct {
    kind kind;
    const char *name;
    size_t at;
} fields[] = {ROW(INT, d), ROW(INT, h), ROW(INT, w), ROW(INT, c), ROW(INT, alpha), ROW(INT, bits), ROW(INT, type),
    ROW(INT, orientation), ROW(INT, has_spacing), ROW(INT, grey), ROW(INT, axis[0]), ROW(INT, axis[1]),
    ROW(INT, axis[2]), ROW(NUM, spacing[0]), ROW(NUM, spacing[1]), ROW(NUM, spacing[2]), ROW(NUM, saturation),
    ROW(I64, not_finite), ROW(I64, hash), ROW(I64, image_sum), ROW(I64, mask_sum), ROW(INT, mask_d), ROW(INT, mask_h),
    ROW(INT, mask_w), ROW(INT, mask_c), ROW(INT, mask_type), ROW(INT, mask_orientation), ROW(INT, palette),
    ROW(INT, affine_differs), ROW(INT, by_colour), ROW(INT, fractional), ROW(INT, values), ROW(INT, planes),
    ROW(NUM, fill), ROW(NUM, span), ROW(INT, objects), ROW(NUM, object_pixels[0]), ROW(NUM, object_pixels[1]),
    ROW(NUM, object_pixels[2]), ROW(NUM, value_pixels[0]), ROW(NUM, value_pixels[1]), ROW(NUM, value_pixels[2])};

static int read_field(un_scan_item *it, size_t i, const un_json *item)
{
    const un_json *v = un_json_get(item, fields[i].name);
    char *p = (char *)it + fields[i].at;
    int64_t n;

    if (fields[i].kind == NUM)
        return un_json_number(v, (double *)(void *)p);
    if (!un_json_int(v, &n))
        return 0;
    if (fields[i].kind == I64)
        *(int64_t *)(void *)p = n;
    else if (n < 0 || n > INT32_MAX)
        return 0;
    else
        *(int *)(void *)p = (int)n;
    return 1;
}

static void write_field(un_text *t, const un_scan_item *it, size_t i)
{
    const char *p = (const char *)it + fields[i].at;

    un_text_printf(t, ",\"%s\":", fields[i].name);
    if (fields[i].kind == NUM)
        un_text_number(t, *(const double *)(const void *)p);
    else if (fields[i].kind == I64)
        un_text_printf(t, "%lld", (long long)*(const int64_t *)(const void *)p);
    else
        un_text_printf(t, "%d", *(const int *)(const void *)p);
}

/* ---- are the files the same?
 * ------------------------------------------------------------------------------------- */

/* "size:seconds.nanoseconds;" of every file of an item. With `sizes_only` without the times. */
static int signature(un_text *t, const un_item *item, int sizes_only)
{
    for (int i = 0; i <= item->image_count; i++) {
        const char *path = i < item->image_count ? item->images[i] : item->mask;
        struct stat s;

        if (!path)
            continue;
        if (stat(path, &s))
            return 0;
        un_text_printf(t, "%lld", (long long)s.st_size);
        if (!sizes_only)
            un_text_printf(t, ":%lld.%09ld", (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
        un_text_add(t, ";");
    }
    un_text_printf(t, "p%d", item->page);
    return !t->failed;
}

static int same_text(const un_json *entry, const char *key, const un_item *item, int sizes_only, un_mem *mem)
{
    const char *stored = un_json_string(un_json_get(entry, key));
    un_text t;
    int same;

    un_text_init(&t, mem, 1 << 20);
    same = stored && signature(&t, item, sizes_only) && !strcmp(stored, t.s);
    un_text_free(&t);
    return same;
}

static int still_same(const un_json *entry, const un_item *item, un_mem *mem)
{
    int64_t image, mask, image_now, mask_now;

    if (same_text(entry, "files", item, 0, mem))
        return 1;
    return same_text(entry, "sizes", item, 1, mem) && un_json_int(un_json_get(entry, "image_sum"), &image) &&
           un_json_int(un_json_get(entry, "mask_sum"), &mask) && !un_scan_sums(&image_now, &mask_now, item, NULL) &&
           image == image_now && mask == mask_now;
}

/* ---- reading
 * ----------------------------------------------------------------------------------------------------- */

/* What decides how a file is decoded; results of other settings are of no use. */
static void settings(un_text *t, const un_config *cfg)
{
    un_text_printf(t, "format %d, exif %d, pages %d", FORMAT, cfg->data.exif, (int)cfg->data.pages);
}

unet_status un_scan_cache_parse(
    un_scan_cache **out, un_mem *mem, const char *text, size_t size, const un_config *cfg, unet_error *err)
{
    un_scan_cache *c = un_alloc_zero(mem, sizeof *c);
    un_text made_with;
    const char *stored;

    *out = c;
    if (!c)
        return un_fail_nomem(err, sizeof *c);
    if (un_json_parse(&c->json, mem, text, size, "scan", NULL))
        return UNET_OK;
    un_text_init(&made_with, mem, 256);
    settings(&made_with, cfg);
    stored = un_json_string(un_json_get(c->json, "made_with"));
    if (stored && made_with.s && !strcmp(stored, made_with.s))
        c->items = un_json_get(c->json, "items");
    un_text_free(&made_with);
    return UNET_OK;
}

unet_status un_scan_cache_open(
    un_scan_cache **out, un_mem *mem, const char *path, const un_config *cfg, unet_error *err)
{
    unsigned char *text = NULL;
    size_t size = 0;
    unet_status st;

    if (un_file_read(&text, &size, mem, path, MAX_BYTES, NULL))
        size = 0;
    st = un_scan_cache_parse(out, mem, size ? (const char *)text : "", size, cfg, err);
    un_free(text);
    return st;
}

void un_scan_cache_destroy(un_scan_cache *c)
{
    if (!c)
        return;
    un_json_free(c->json);
    un_free(c);
}

static int read_channels(un_scan_item *it, const un_json *list, un_mem *mem)
{
    enum { EACH = 4 + UN_SCAN_QUANTILES };

    if (it->c < 1 || un_json_count(list) != (size_t)it->c * EACH)
        return 0;
    it->channel = un_alloc_array(mem, (size_t)it->c, sizeof *it->channel);
    for (int k = 0; k < it->c && it->channel; k++) {
        un_scan_channel *ch = &it->channel[k];
        double *const to[4] = {&ch->m.min, &ch->m.max, &ch->m.mean, &ch->m.std};

        for (int i = 0; i < EACH; i++)
            if (!un_json_number(un_json_at(list, (size_t)(k * EACH + i)), i < 4 ? to[i] : &ch->q[i - 4]))
                return 0;
    }
    return it->channel != NULL;
}

static int read_values(un_scan_item *it, const un_json *list, un_mem *mem)
{
    enum { EACH = 5 };

    if (it->values > UN_SCAN_VALUES_MAX || un_json_count(list) != EACH * (size_t)it->values)
        return 0;
    it->value = un_alloc_array(mem, (size_t)it->values, sizeof *it->value);
    for (int i = 0; i < it->values && it->value; i++) {
        const size_t at = EACH * (size_t)i;
        un_mask_value *v = &it->value[i];

        if (!un_json_number(un_json_at(list, at), &v->value) || !un_json_int(un_json_at(list, at + 1), &v->pixels) ||
            v->pixels < 0)
            return 0;
        for (size_t a = 0; a < 3; a++)
            if (!un_json_number(un_json_at(list, at + 2 + a), &v->centre[a]))
                return 0;
    }
    return it->value != NULL;
}

static int read_planes(un_scan_item *it, const un_json *list, un_mem *mem)
{
    if (it->planes > UN_CFG_MAX_class || un_json_count(list) != (size_t)it->planes)
        return 0;
    it->plane_pixels = un_alloc_array(mem, (size_t)it->planes, sizeof *it->plane_pixels);
    for (int k = 0; k < it->planes && it->plane_pixels; k++)
        if (!un_json_int(un_json_at(list, (size_t)k), &it->plane_pixels[k]) || it->plane_pixels[k] < 0)
            return 0;
    return it->plane_pixels != NULL;
}

int un_scan_cache_get(const un_scan_cache *c, const un_item *item, un_mem *mem, un_scan_item *out)
{
    const un_json *entry = un_json_get(c->items, item->name);
    int ok;

    memset(out, 0, sizeof *out);
    if (!entry || !still_same(entry, item, mem))
        return 0;
    ok = un_json_count(entry) > 0;
    for (size_t i = 0; i < UN_COUNT(fields) && ok; i++)
        ok = read_field(out, i, entry);
    ok = ok && out->d > 0 && out->h > 0 && out->w > 0 && out->type < UN_DTYPE_COUNT && out->axis[0] < 3 &&
         out->axis[1] < 3 && out->axis[2] < 3 && out->mask_type < UN_DTYPE_COUNT &&
         (item->mask != NULL) == (out->mask_d > 0) && read_channels(out, un_json_get(entry, "channels"), mem) &&
         read_values(out, un_json_get(entry, "mask_values"), mem) &&
         read_planes(out, un_json_get(entry, "mask_planes"), mem);
    if (!ok)
        un_scan_item_free(out);
    return ok;
}

/* ---- writing
 * ----------------------------------------------------------------------------------------------------- */

static void write_item(un_text *t, const un_item *item, const un_scan_item *it, int first)
{
    const size_t from = t->n;

    un_text_add(t, first ? "\n" : ",\n");
    un_text_json_string(t, item->name);
    un_text_add(t, ":{\"files\":\"");
    if (!signature(t, item, 0)) {
        t->n = from;
        return;
    }
    un_text_add(t, "\",\"sizes\":\"");
    signature(t, item, 1);
    un_text_add(t, "\"");
    for (size_t i = 0; i < UN_COUNT(fields); i++)
        write_field(t, it, i);
    un_text_add(t, ",\"channels\":[");
    for (int k = 0; k < it->c; k++) {
        const un_scan_channel *ch = &it->channel[k];
        const double m[4] = {ch->m.min, ch->m.max, ch->m.mean, ch->m.std};

        for (int i = 0; i < 4 + UN_SCAN_QUANTILES; i++) {
            un_text_add(t, k || i ? "," : "");
            un_text_number(t, i < 4 ? m[i] : ch->q[i - 4]);
        }
    }
    un_text_add(t, "],\"mask_values\":[");
    for (int i = 0; i < it->values; i++) {
        un_text_add(t, i ? "," : "");
        un_text_number(t, it->value[i].value);
        un_text_printf(t, ",%lld", (long long)it->value[i].pixels);
        for (int a = 0; a < 3; a++) {
            un_text_add(t, ",");
            un_text_number(t, it->value[i].centre[a]);
        }
    }
    un_text_add(t, "],\"mask_planes\":[");
    for (int k = 0; k < it->planes; k++)
        un_text_printf(t, "%s%lld", k ? "," : "", (long long)it->plane_pixels[k]);
    un_text_add(t, "]}");
}

unet_status un_scan_cache_write(
    const char *path, un_mem *mem, const un_dataset *d, const un_scan *s, const un_config *cfg, unet_error *err)
{
    un_text t;
    unet_status st;
    int written = 0;

    un_text_init(&t, mem, MAX_BYTES);
    un_text_add(&t, "{\"made_with\":\"");
    settings(&t, cfg);
    un_text_add(&t, "\",\"items\":{");
    for (int i = 0; i < s->count; i++) {
        const size_t before = t.n;

        if (s->item[i].status) /* a file that is broken today is looked at again tomorrow */
            continue;
        write_item(&t, &d->items[i], &s->item[i], !written);
        written += t.n > before;
    }
    un_text_add(&t, "\n}}\n");
    st = t.failed ? un_fail_nomem(err, t.n) : un_file_write(mem, path, t.s, t.n, err);
    un_text_free(&t);
    return st;
}
