#include "io/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "io/weights_parts.h"

enum { NAME_MOST = 400 };
static const int64_t count_most = (int64_t)1 << 33; /* elements of one array */

/* Names reach terminals and pages. */
static int name_is_fine(const char *name)
{
    size_t n = 0;

    for (; name[n]; n++)
        if ((unsigned char)name[n] < ' ' || name[n] == 127 || n == NAME_MOST)
            return 0;
    return n > 0;
}

un_weight *un_weights_add(un_weights *w, const char *name, unet_error *err)
{
    un_weight *t;

    if (!name_is_fine(name)) {
        (void)un_fail_file(err, UNET_E_FORMAT, w->name,
            "a name of an array is empty, longer than %d bytes or not printable", NAME_MOST);
        return NULL;
    }
    if (w->count == UN_ST_TENSORS_MAX) {
        (void)un_fail_file(err, UNET_E_LIMIT, w->name, "more than %d arrays", UN_ST_TENSORS_MAX);
        return NULL;
    }
    if (w->count == w->cap) {
        const size_t cap = w->cap ? 2 * w->cap : 64;
        un_weight *more = un_realloc(w->mem, w->item, cap * sizeof *more);

        if (!more) {
            (void)un_fail_nomem(err, cap * sizeof *more);
            return NULL;
        }
        w->item = more;
        w->cap = cap;
    }
    t = &w->item[w->count];
    *t = (un_weight){.name = un_arena_strdup(w->arena, name)};
    if (!t->name) {
        (void)un_fail_nomem(err, strlen(name));
        return NULL;
    }
    w->count++;
    return t;
}

int un_weight_count(un_weight *t)
{
    t->count = 1;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(t->count, t->dims[i], &t->count) || t->count > count_most)
            return 0;
    return 1;
}

void un_weight_strides(un_weight *t, int fortran)
{
    int64_t step = t->count > 0; /* without elements the product of the others may overflow */

    for (int k = 0; k < t->rank; k++) {
        const int i = fortran ? k : t->rank - 1 - k;

        t->strides[i] = step;
        step *= step ? t->dims[i] : 0;
    }
}

static unet_status read_safetensors(un_weights *w, const unsigned char *data, size_t size, unet_error *err)
{
    unet_status st = un_safetensors_view(&w->st, w->mem, data, size, w->name, err);

    w->format = "safetensors";
    for (size_t i = 0; !st && i < un_safetensors_count(w->st); i++) {
        const un_st_tensor *from = un_safetensors_at(w->st, i);
        un_weight *t = un_weights_add(w, from->name, err);

        if (!t)
            return err ? err->status : UNET_E_FORMAT;
        t->dtype = from->dtype;
        t->rank = from->rank;
        t->count = from->count;
        t->data = from->data;
        memcpy(t->dims, from->dims, sizeof t->dims);
        un_weight_strides(t, 0);
    }
    return st;
}

/* A zip archive of PyTorch has one folder with data.pkl in it. */
static unet_status read_zip(un_weights *w, const unsigned char *data, size_t size, unet_error *err)
{
    static const char pickle[] = "data.pkl";
    unet_status st = un_zip_open(&w->zip, w->mem, data, size, w->name, err);
    int arrays = 0;

    if (st)
        return st;
    for (size_t i = 0; i < un_zip_count(w->zip); i++) {
        const char *name = un_zip_name(w->zip, i);
        const size_t n = strlen(name), k = sizeof pickle - 1;

        if (n >= k && n < 256 && !strcmp(name + n - k, pickle) && (n == k || name[n - k - 1] == '/')) {
            char *prefix = un_arena_strdup(w->arena, name);

            if (!prefix)
                return un_fail_nomem(err, n);
            prefix[n - k] = 0;
            return un_weights_read_torch_zip(w, prefix, err);
        }
        arrays += n > 4 && !strcmp(name + n - 4, ".npy");
    }
    if (arrays)
        return un_weights_read_npz(w, err);
    return un_fail_file(
        err, UNET_E_UNSUPPORTED, w->name, "a zip archive with neither data.pkl (PyTorch) nor arrays of NumPy in it");
}

static unet_status read_any(un_weights *w, const unsigned char *data, size_t size, unet_error *err)
{
    if (un_zip_is(data, size))
        return read_zip(w, data, size, err);
    if (un_torch_is_legacy(data, size))
        return un_weights_read_torch_legacy(w, data, size, err);
    if (size >= 2 && data[0] == 0x80 && data[1] <= 5)
        return un_fail_file(err, UNET_E_UNSUPPORTED, w->name,
            "a pickle, but none of torch.save; save the state dict: torch.save(model.state_dict(), FILE)");
    return read_safetensors(w, data, size, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const un_weight *const *)a)->name, (*(const un_weight *const *)b)->name);
}

static unet_status sort(un_weights *w, unet_error *err)
{
    w->by_name = un_alloc_array(w->mem, w->count + 1, sizeof *w->by_name);
    if (!w->by_name)
        return un_fail_nomem(err, w->count * sizeof *w->by_name);
    for (size_t i = 0; i < w->count; i++)
        w->by_name[i] = &w->item[i];
    qsort(w->by_name, w->count, sizeof *w->by_name, by_name);
    for (size_t i = 1; i < w->count; i++)
        if (!strcmp(w->by_name[i - 1]->name, w->by_name[i]->name))
            return un_fail_file(
                err, UNET_E_FORMAT, w->name, "the array '%.100s' stands twice in the file", w->by_name[i]->name);
    if (!w->count)
        return un_fail_file(err, UNET_E_FORMAT, w->name, "the file holds no array");
    return UNET_OK;
}

unet_status un_weights_view(
    un_weights **out, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err)
{
    un_weights *w = un_alloc_zero(mem, sizeof *w);
    unet_status st;

    *out = NULL;
    if (!w)
        return un_fail_nomem(err, sizeof *w);
    w->mem = mem;
    w->arena = un_arena_create(mem);
    w->name = w->arena ? un_arena_strdup(w->arena, name) : NULL;
    w->root = "";
    st = w->name ? read_any(w, data, size, err) : un_fail_nomem(err, sizeof *w);
    if (!st)
        st = sort(w, err);
    if (st)
        un_weights_close(w);
    else
        *out = w;
    return st;
}

unet_status un_weights_open(un_weights **out, un_mem *mem, const char *path, unet_error *err)
{
    un_map map;
    unet_status st = un_map_open(&map, path, err);

    *out = NULL;
    if (st)
        return st;
    st = un_weights_view(out, mem, map.data, map.size, path, err);
    if (st)
        un_map_close(&map);
    else
        (*out)->map = map;
    return st;
}

void un_weights_close(un_weights *w)
{
    if (!w)
        return;
    un_safetensors_close(w->st);
    un_zip_close(w->zip);
    un_free(w->item);
    un_free(w->by_name);
    un_arena_destroy(w->arena);
    if (w->map.data)
        un_map_close(&w->map);
    un_free(w);
}

const char *un_weights_format(const un_weights *w)
{
    return w->format;
}

const char *un_weights_root(const un_weights *w)
{
    return w->root;
}

size_t un_weights_others(const un_weights *w)
{
    return w->others;
}

size_t un_weights_count(const un_weights *w)
{
    return w->count;
}

const un_weight *un_weights_at(const un_weights *w, size_t i)
{
    return i < w->count ? &w->item[i] : NULL;
}

const un_weight *un_weights_find(const un_weights *w, const char *name)
{
    const un_weight key = {.name = name}, *want = &key;
    const un_weight **hit = bsearch(&want, w->by_name, w->count, sizeof *w->by_name, by_name);

    return hit ? *hit : NULL;
}

/* ---- numbers ---- */

#define INTEGER(type)                                                                                                  \
    {                                                                                                                  \
        type v;                                                                                                        \
        memcpy(&v, p, sizeof v);                                                                                       \
        return (float)v;                                                                                               \
    }

static float element(const unsigned char *p, un_st_dtype dtype)
{
    uint32_t bits;
    uint16_t half;
    float f;

    switch (dtype) {
    case UN_ST_F32:
        INTEGER(float)
    case UN_ST_F64:
        INTEGER(double)
    case UN_ST_F16:
        memcpy(&half, p, 2);
        return un_half_to_float(half);
    case UN_ST_BF16:
        memcpy(&half, p, 2);
        bits = (uint32_t)half << 16;
        memcpy(&f, &bits, 4);
        return f;
    case UN_ST_I64:
        INTEGER(int64_t)
    case UN_ST_U64:
        INTEGER(uint64_t)
    case UN_ST_I32:
        INTEGER(int32_t)
    case UN_ST_U32:
        INTEGER(uint32_t)
    case UN_ST_I16:
        INTEGER(int16_t)
    case UN_ST_U16:
        INTEGER(uint16_t)
    case UN_ST_I8:
        return (float)(signed char)*p;
    case UN_ST_BOOL:
        return *p ? 1 : 0;
    default:
        return *p;
    }
}

void un_weight_to_f32(const un_weight *t, float *dst)
{
    const size_t each = un_st_dtype_size(t->dtype);
    int64_t index[UN_ST_RANK] = {0}, at = 0;

    for (int64_t i = 0; i < t->count; i++) {
        dst[i] = element(t->data + (size_t)at * each, t->dtype);
        for (int k = t->rank - 1; k >= 0; k--) {
            at += t->strides[k];
            if (++index[k] < t->dims[k])
                break;
            at -= t->strides[k] * t->dims[k];
            index[k] = 0;
        }
    }
}
