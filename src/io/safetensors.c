#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "base/text.h"
#include "io/json.h"

struct un_safetensors {
    un_mem *mem;
    un_map map;
    un_json *header;
    un_st_tensor *tensor;
    const un_st_tensor **by_name; /* sorted, for lookup */
    size_t count;
};

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [UN_ST_BOOL] = {"BOOL", 1},
    [UN_ST_U8] = {"U8", 1},
    [UN_ST_I8] = {"I8", 1},
    [UN_ST_U16] = {"U16", 2},
    [UN_ST_I16] = {"I16", 2},
    [UN_ST_F16] = {"F16", 2},
    [UN_ST_BF16] = {"BF16", 2},
    [UN_ST_U32] = {"U32", 4},
    [UN_ST_I32] = {"I32", 4},
    [UN_ST_F32] = {"F32", 4},
    [UN_ST_U64] = {"U64", 8},
    [UN_ST_I64] = {"I64", 8},
    [UN_ST_F64] = {"F64", 8},
};
_Static_assert(sizeof dtypes / sizeof *dtypes == UN_ST_DTYPE_COUNT, "a row each");

size_t un_st_dtype_size(un_st_dtype t)
{
    return dtypes[t].size;
}

const char *un_st_dtype_name(un_st_dtype t)
{
    return dtypes[t].name;
}

/* Where messages point to: the file and the first byte of the tensors. */
typedef struct place {
    const char *name;
    size_t data_at, data_size;
    unet_error *err;
} place;

static unet_status bad(const place *p, const char *tensor, const char *what)
{
    return un_fail_offset(p->err, UNET_E_FORMAT, p->name, 8, "tensor '%.100s': %s", tensor, what);
}

static unet_status read_dtype(const place *p, un_st_tensor *t, const un_json *j)
{
    const char *word = un_json_string(un_json_get(j, "dtype"));

    if (!word)
        return bad(p, t->name, "dtype is missing or no text");
    for (int i = 0; i < UN_ST_DTYPE_COUNT; i++)
        if (!strcmp(word, dtypes[i].name)) {
            t->dtype = (un_st_dtype)i;
            return UNET_OK;
        }
    return un_fail_offset(
        p->err, UNET_E_UNSUPPORTED, p->name, 8, "tensor '%.100s': the dtype '%.20s' is not supported", t->name, word);
}

static unet_status read_shape(const place *p, un_st_tensor *t, const un_json *j)
{
    const un_json *shape = un_json_get(j, "shape");

    if (!un_json_is_array(shape))
        return bad(p, t->name, "shape is missing or no list");
    if (un_json_count(shape) > UN_ST_RANK)
        return bad(p, t->name, "more than 8 dimensions");
    t->rank = (int)un_json_count(shape);
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        if (!un_json_int(un_json_at(shape, (size_t)i), &t->dims[i]) || t->dims[i] < 0)
            return bad(p, t->name, "a dimension is no whole number from 0");
        if (__builtin_mul_overflow(t->count, t->dims[i], &t->count))
            return bad(p, t->name, "the product of the dimensions overflows");
    }
    return UNET_OK;
}

static unet_status read_range(const place *p, un_st_tensor *t, const un_json *j, const unsigned char *file)
{
    const un_json *offsets = un_json_get(j, "data_offsets");
    int64_t begin, end, bytes;

    if (un_json_count(offsets) != 2 || !un_json_int(un_json_at(offsets, 0), &begin) ||
        !un_json_int(un_json_at(offsets, 1), &end))
        return bad(p, t->name, "data_offsets are missing or not two whole numbers");
    if (begin < 0 || end < begin)
        return bad(p, t->name, "data_offsets end before they begin");
    if ((uint64_t)end > p->data_size)
        return un_fail_offset(p->err, UNET_E_FORMAT, p->name, (int64_t)p->data_at + (int64_t)p->data_size,
            "tensor '%.100s' ends at byte %lld of the data, which have only %zu: the file is truncated or its header "
            "lies",
            t->name, (long long)end, p->data_size);
    if (__builtin_mul_overflow(t->count, (int64_t)dtypes[t->dtype].size, &bytes) || bytes != end - begin)
        return un_fail_offset(p->err, UNET_E_FORMAT, p->name, (int64_t)p->data_at + begin,
            "tensor '%.100s': %lld elements of %s do not fill its %lld bytes", t->name, (long long)t->count,
            dtypes[t->dtype].name, (long long)(end - begin));
    t->size = (size_t)(end - begin);
    t->data = file + p->data_at + begin;
    return UNET_OK;
}

static unet_status read_tensor(
    const place *p, un_st_tensor *t, const char *name, const un_json *j, const unsigned char *file)
{
    unet_status st;

    t->name = name;
    if (!un_json_is_object(j))
        return bad(p, name, "its entry is no object");
    if (un_json_count(j) != 3)
        return bad(p, name, "its entry must hold dtype, shape and data_offsets, and nothing else");
    st = read_dtype(p, t, j);
    if (!st)
        st = read_shape(p, t, j);
    return st ? st : read_range(p, t, j, file);
}

static int by_data(const void *a, const void *b)
{
    const un_st_tensor *x = a, *y = b;
    uintptr_t p = (uintptr_t)x->data, q = (uintptr_t)y->data;

    if (p != q)
        return p < q ? -1 : 1;
    if (x->size != y->size) /* empty tensors first */
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    const un_st_tensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Sorted tensors must follow each other without overlap or gap and fill the data. */
static unet_status check_cover(const place *p, const un_safetensors *s, const unsigned char *data)
{
    const unsigned char *at = data;

    for (size_t i = 0; i < s->count; i++) {
        const un_st_tensor *t = &s->tensor[i];
        const unsigned char *begin = t->data;

        if (begin != at)
            return un_fail_offset(p->err, UNET_E_FORMAT, p->name, (int64_t)p->data_at + (begin - data),
                "tensor '%.100s' %s", t->name, begin < at ? "overlaps the one before it" : "leaves a gap before it");
        at = begin + t->size;
    }
    if ((size_t)(at - data) != p->data_size)
        return un_fail_offset(p->err, UNET_E_FORMAT, p->name, (int64_t)p->data_at + (at - data),
            "%zu bytes after the last tensor belong to none", p->data_size - (size_t)(at - data));
    return UNET_OK;
}

static unet_status check_meta(const place *p, const un_json *meta)
{
    const un_json *value;
    const char *key;
    void *iter = NULL;

    if (!un_json_is_object(meta))
        return un_fail_offset(p->err, UNET_E_FORMAT, p->name, 8, "__metadata__ is no object");
    while (un_json_next(meta, &iter, &key, &value))
        if (!un_json_string(value))
            return un_fail_offset(p->err, UNET_E_FORMAT, p->name, 8, "__metadata__ '%.100s' is no text", key);
    return UNET_OK;
}

static unet_status read_entries(un_safetensors *s, const place *p, const unsigned char *file)
{
    size_t n = un_json_count(s->header);
    const un_json *value;
    const char *key;
    void *iter = NULL;
    unet_status st = UNET_OK;

    if (n > UN_ST_TENSORS_MAX)
        return un_fail_offset(
            p->err, UNET_E_LIMIT, p->name, 8, "%zu tensors; at most %d are read", n, UN_ST_TENSORS_MAX);
    s->tensor = un_alloc_array(s->mem, n + 1, sizeof *s->tensor);
    s->by_name = un_alloc_array(s->mem, n + 1, sizeof *s->by_name);
    if (!s->tensor || !s->by_name)
        return un_fail_nomem(p->err, n * sizeof *s->tensor);
    while (!st && un_json_next(s->header, &iter, &key, &value)) {
        if (!strcmp(key, "__metadata__"))
            st = check_meta(p, value);
        else
            st = read_tensor(p, &s->tensor[s->count++], key, value, file);
    }
    if (st)
        return st;
    qsort(s->tensor, s->count, sizeof *s->tensor, by_data);
    for (size_t i = 0; i < s->count; i++)
        s->by_name[i] = &s->tensor[i];
    qsort(s->by_name, s->count, sizeof *s->by_name, by_name);
    return check_cover(p, s, file + p->data_at);
}

/* Values cost memory, some forty times their text: more than any model has are not read. Texts are counted with them,
 * as they hold JSON here. */
static unet_status check_values(const unsigned char *header, size_t size, const char *name, unet_error *err)
{
    size_t values = 0;

    for (size_t i = 0; i < size; i++)
        values += header[i] == ',' || header[i] == '[' || header[i] == '{';
    return values <= UN_ST_VALUES_MAX
               ? UNET_OK
               : un_fail_offset(err, UNET_E_LIMIT, name, 8, "the header lists about %zu values; at most %d are read",
                     values, UN_ST_VALUES_MAX);
}

static unet_status parse(un_safetensors *s, const unsigned char *data, size_t size, const char *name, unet_error *err)
{
    place p = {.name = name, .err = err};
    uint64_t length = 0;
    unet_status st;

    if (size < 8)
        return un_fail_offset(err, UNET_E_FORMAT, name, (int64_t)size, "%zu bytes are no safetensors file", size);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | data[i];
    if (length > UN_ST_HEADER_MAX)
        return un_fail_offset(err, UNET_E_FORMAT, name, 0, "no safetensors file: a header of %llu bytes (at most %d)",
            (unsigned long long)length, UN_ST_HEADER_MAX);
    if (length > size - 8)
        return un_fail_offset(err, UNET_E_FORMAT, name, (int64_t)size,
            "the header should have %llu bytes, but the file ends after %zu of them: truncated, or no safetensors file",
            (unsigned long long)length, size - 8);
    if (length < 2 || data[8] != '{')
        return un_fail_offset(err, UNET_E_FORMAT, name, 8, "no safetensors file: the header does not begin with '{'");
    st = check_values(data + 8, (size_t)length, name, err);
    if (st)
        return st;
    st = un_json_parse(&s->header, s->mem, (const char *)data + 8, (size_t)length, name, err);
    if (st) {
        if (err && err->offset >= 0)
            err->offset += 8;
        return st;
    }
    p.data_at = 8 + (size_t)length;
    p.data_size = size - p.data_at;
    return read_entries(s, &p, data);
}

unet_status un_safetensors_view(
    un_safetensors **out, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err)
{
    un_safetensors *s = un_alloc_zero(mem, sizeof *s);
    unet_status st;

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->mem = mem;
    st = parse(s, data, size, name, err);
    if (st) {
        un_safetensors_close(s);
        return st;
    }
    *out = s;
    return UNET_OK;
}

unet_status un_safetensors_open(un_safetensors **out, un_mem *mem, const char *path, unet_error *err)
{
    un_map map;
    unet_status st;

    *out = NULL;
    st = un_map_open(&map, path, err);
    if (st)
        return st;
    st = un_safetensors_view(out, mem, map.data, map.size, path, err);
    if (st)
        un_map_close(&map);
    else
        (*out)->map = map;
    return st;
}

void un_safetensors_close(un_safetensors *s)
{
    if (!s)
        return;
    un_json_free(s->header);
    un_free(s->tensor);
    un_free(s->by_name);
    if (s->map.data)
        un_map_close(&s->map);
    un_free(s);
}

un_map un_safetensors_take(un_safetensors *s)
{
    const un_map map = s->map;

    s->map = (un_map){0};
    return map;
}

size_t un_safetensors_count(const un_safetensors *s)
{
    return s->count;
}

const un_st_tensor *un_safetensors_at(const un_safetensors *s, size_t i)
{
    return i < s->count ? &s->tensor[i] : NULL;
}

const un_st_tensor *un_safetensors_find(const un_safetensors *s, const char *name)
{
    const un_st_tensor key = {.name = name}, *want = &key;
    const un_st_tensor **hit = s->count ? bsearch(&want, s->by_name, s->count, sizeof *s->by_name, by_name) : NULL;

    return hit ? *hit : NULL;
}

const char *un_safetensors_meta(const un_safetensors *s, const char *key)
{
    return un_json_string(un_json_get(un_json_get(s->header, "__metadata__"), key));
}

float un_half_to_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
    uint32_t bits;
    float f;

    if (e == 0) {
        f = (float)m / 16777216.0f; /* subnormal: m * 2^-24 */
        memcpy(&bits, &f, sizeof bits);
        bits |= sign;
    } else {
        bits = sign | (e == 31 ? 255u : e + 112) << 23 | m << 13;
    }
    memcpy(&f, &bits, sizeof f);
    return f;
}

unet_status un_st_to_f32(const un_st_tensor *t, float *dst, unet_error *err)
{
    const unsigned char *src = t->data;

    if (t->dtype == UN_ST_F32) {
        memcpy(dst, src, t->size);
        return UNET_OK;
    }
    for (int64_t i = 0; i < t->count; i++) {
        uint16_t half;
        uint32_t bits;
        double wide;

        if (t->dtype == UN_ST_F64) {
            memcpy(&wide, src + 8 * i, 8);
            dst[i] = (float)wide;
        } else if (t->dtype == UN_ST_F16 || t->dtype == UN_ST_BF16) {
            memcpy(&half, src + 2 * i, 2);
            bits = (uint32_t)half << 16;
            if (t->dtype == UN_ST_BF16)
                memcpy(&dst[i], &bits, 4);
            else
                dst[i] = un_half_to_float(half);
        } else {
            return un_fail(err, UNET_E_UNSUPPORTED, "tensor '%.100s' holds %s, not floating-point numbers", t->name,
                dtypes[t->dtype].name);
        }
    }
    return UNET_OK;
}

static unet_status make_header(
    un_text *h, const un_st_tensor *tensors, size_t count, const un_st_meta *meta, size_t meta_count, unet_error *err)
{
    size_t at = 0;

    un_text_add(h, "{");
    for (size_t i = 0; i < meta_count; i++) {
        un_text_add(h, i ? "," : "\"__metadata__\":{");
        un_text_json_string(h, meta[i].key);
        un_text_add(h, ":");
        un_text_json_string(h, meta[i].value);
    }
    un_text_add(h, meta_count ? "}" : "");
    for (size_t i = 0; i < count; i++) {
        const un_st_tensor *t = &tensors[i];
        size_t bytes = dtypes[t->dtype].size, end;

        un_text_add(h, i || meta_count ? "," : "");
        un_text_json_string(h, t->name);
        un_text_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", dtypes[t->dtype].name);
        for (int k = 0; k < t->rank; k++) {
            un_text_printf(h, "%s%lld", k ? "," : "", (long long)t->dims[k]);
            if (!un_size_mul(bytes, (size_t)t->dims[k], &bytes))
                return un_fail(err, UNET_E_ARG, "tensor '%.100s' is too large", t->name);
        }
        if (!un_size_add(at, bytes, &end))
            return un_fail(err, UNET_E_ARG, "tensor '%.100s' is too large", t->name);
        un_text_printf(h, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    un_text_add(h, "}");
    while ((8 + h->n) % 64 && !h->failed)
        un_text_add(h, " ");
    return un_text_status(h, "the header of the file becomes too large", err);
}

unet_status un_safetensors_write(un_mem *mem, const char *path, const un_st_tensor *tensors, size_t count,
    const un_st_meta *meta, size_t meta_count, unet_error *err)
{
    unsigned char length[8];
    un_writer *w = NULL;
    un_text h;
    unet_status st;

    un_text_init(&h, mem, UN_ST_HEADER_MAX);
    st = make_header(&h, tensors, count, meta, meta_count, err);
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)h.n >> (8 * i));
    if (!st)
        st = un_writer_open(&w, mem, path, err);
    if (!st)
        st = un_writer_write(w, length, sizeof length, err);
    if (!st)
        st = un_writer_write(w, h.s, h.n, err);
    for (size_t i = 0; i < count && !st; i++) {
        size_t bytes = dtypes[tensors[i].dtype].size;

        for (int k = 0; k < tensors[i].rank; k++)
            bytes *= (size_t)tensors[i].dims[k];
        st = un_writer_write(w, tensors[i].data, bytes, err);
    }
    if (st)
        un_writer_destroy(w);
    else
        st = un_writer_commit(w, err);
    un_text_free(&h);
    return st;
}
