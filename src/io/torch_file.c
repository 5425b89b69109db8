/* Checkpoints of PyTorch: pickles whose tensors lie beside them, in entries of a zip archive (torch 1.6 and later), or
 * behind the last pickle (before). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "io/pickle.h"
#include "io/weights_parts.h"

enum { NAME = 512, DEPTH_MOST = 8, VISITS_MOST = 1 << 20, LEGACY_PROTOCOL = 1001 };

/* Where the elements of a storage lie. */
typedef struct block {
    const char *key;
    const unsigned char *data;
    size_t bytes;
    un_st_dtype dtype;
} block;

typedef struct reader {
    un_weights *w;
    const char *prefix; /* zip: what stands before "data/KEY" */
    block *blocks;      /* legacy: sorted by key */
    size_t n_blocks;
    size_t visits;
    unet_error *err;
} reader;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const block *)a)->key, ((const block *)b)->key);
}

static unet_status find_block(reader *r, const un_pickle_storage *s, block *out)
{
    char name[NAME];
    size_t i;

    *out = (block){.key = s->key};
    if (!r->w->zip) {
        const block *b = r->n_blocks ? bsearch(out, r->blocks, r->n_blocks, sizeof *b, by_key) : NULL;

        if (!b)
            return un_fail_file(
                r->err, UNET_E_FORMAT, r->w->name, "the storage '%.60s' is named, but not in the file", s->key);
        *out = *b;
        return UNET_OK;
    }
    snprintf(name, sizeof name, "%sdata/%s", r->prefix, s->key);
    i = un_zip_find(r->w->zip, name);
    if (i == un_zip_count(r->w->zip))
        return un_fail_file(r->err, UNET_E_FORMAT, r->w->name, "the archive lacks '%.200s'", name);
    return un_zip_data(r->w->zip, i, &out->data, &out->bytes, NULL, r->err);
}

static unet_status add_tensor(reader *r, const char *name, const un_pickle_tensor *t)
{
    const un_pickle_storage *s = t->storage;
    const size_t each = un_st_dtype_size(s->dtype);
    un_weight *w;
    block b;
    unet_status st = find_block(r, s, &b);

    if (st)
        return st;
    if ((uint64_t)s->count > b.bytes / each || (uint64_t)s->first > b.bytes / each - (uint64_t)s->count)
        return un_fail_file(r->err, UNET_E_FORMAT, r->w->name,
            "'%.100s' wants %lld elements of the storage '%.60s', which has %zu bytes", name, (long long)s->count,
            s->key, b.bytes);
    w = un_weights_add(r->w, name, r->err);
    if (!w)
        return r->err ? r->err->status : UNET_E_FORMAT;
    w->dtype = s->dtype;
    w->rank = t->rank;
    memcpy(w->dims, t->dims, sizeof w->dims);
    memcpy(w->strides, t->strides, sizeof w->strides);
    w->data = b.data + (size_t)(s->first + t->offset) * each;
    return un_weight_count(w) ? UNET_OK
                              : un_fail_file(r->err, UNET_E_LIMIT, r->w->name,
                                    "'%.100s' has more elements than any array of weights", name);
}

/* Tensors of a dict and of dicts inside it; names are joined by dots. */
static unet_status collect(reader *r, const un_pickle_value *dict, const char *prefix, int depth)
{
    unet_status st = UNET_OK;

    for (size_t i = 0; i + 1 < dict->u.list.n && !st; i += 2) {
        const un_pickle_value *key = dict->u.list.item[i], *v = dict->u.list.item[i + 1];
        char name[NAME];

        if (++r->visits > VISITS_MOST)
            return un_fail_file(r->err, UNET_E_LIMIT, r->w->name, "more than %d entries", VISITS_MOST);
        if (key->kind != UN_PICKLE_TEXT || (v->kind != UN_PICKLE_TENSOR && v->kind != UN_PICKLE_DICT)) {
            r->w->others++;
            continue;
        }
        if ((size_t)snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", key->u.text.s) >= sizeof name)
            return un_fail_file(r->err, UNET_E_LIMIT, r->w->name, "a name of more than %d bytes", NAME - 1);
        if (v->kind == UN_PICKLE_TENSOR)
            st = add_tensor(r, name, v->u.tensor);
        else if (depth < DEPTH_MOST)
            st = collect(r, v, name, depth + 1);
        else
            st = un_fail_file(r->err, UNET_E_LIMIT, r->w->name, "dicts more than %d deep", DEPTH_MOST);
    }
    return st;
}

static int holds_tensors(const un_pickle_value *dict)
{
    for (size_t i = 1; i < dict->u.list.n; i += 2)
        if (dict->u.list.item[i]->kind == UN_PICKLE_TENSOR)
            return 1;
    return 0;
}

/* What training scripts call the state dict inside a checkpoint; the first that is there counts. */
static const un_pickle_value *unwrap(un_weights *w, const un_pickle_value *v)
{
    static const char *const names[] = {
        "state_dict", "model_state_dict", "model_state", "model", "network_weights", "network", "net", "weights"};
    char path[NAME] = "";

    for (int depth = 0; depth < 4 && !holds_tensors(v); depth++) {
        const un_pickle_value *in = NULL;

        for (size_t i = 0; i < UN_COUNT(names) && !in; i++) {
            in = un_pickle_get(v, names[i]);
            if (in && in->kind != UN_PICKLE_DICT)
                in = NULL;
            if (in)
                snprintf(path + strlen(path), sizeof path - strlen(path), "%s%s", *path ? "." : "", names[i]);
        }
        if (!in)
            break;
        w->others += v->u.list.n / 2 - 1;
        v = in;
    }
    w->root = un_arena_strdup(w->arena, path);
    return v;
}

static unet_status read_dict(reader *r, const un_pickle_value *v)
{
    if (v->kind != UN_PICKLE_DICT)
        return un_fail_file(r->err, UNET_E_UNSUPPORTED, r->w->name,
            "the file holds no dict of tensors; save one: torch.save(model.state_dict(), FILE)");
    v = unwrap(r->w, v);
    return r->w->root ? collect(r, v, "", 0) : un_fail_nomem(r->err, NAME);
}

/* ---- zip ---- */

static unet_status check_order(un_weights *w, const char *prefix, unet_error *err)
{
    const unsigned char *data;
    char name[NAME];
    size_t size, i;
    unet_status st;

    snprintf(name, sizeof name, "%sbyteorder", prefix);
    i = un_zip_find(w->zip, name);
    if (i == un_zip_count(w->zip))
        return UNET_OK;
    st = un_zip_data(w->zip, i, &data, &size, NULL, err);
    if (!st && (size != 6 || memcmp(data, "little", 6)))
        st = un_fail_file(err, UNET_E_UNSUPPORTED, w->name, "numbers in another order of bytes than this machine's");
    return st;
}

unet_status un_weights_read_torch_zip(un_weights *w, const char *prefix, unet_error *err)
{
    reader r = {.w = w, .prefix = prefix, .err = err};
    un_pickle_source src = {.name = w->name};
    un_pickle_value *v;
    char name[NAME];
    unet_status st;

    w->format = "PyTorch (zip)";
    st = check_order(w, prefix, err);
    if (st)
        return st;
    snprintf(name, sizeof name, "%sdata.pkl", prefix);
    st = un_zip_data(w->zip, un_zip_find(w->zip, name), &src.data, &src.size, &src.base, err);
    if (!st)
        st = un_pickle_read(&v, w->arena, &src, err);
    return st ? st : read_dict(&r, v);
}

/* ---- legacy: pickles of a magic number, a protocol, facts of the system, the object, a list of keys; then for each
 * key 8 bytes of length and the elements ---- */

static const unsigned char magic[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

int un_torch_is_legacy(const unsigned char *data, size_t size)
{
    return size >= sizeof magic - 1 && !memcmp(data, magic, sizeof magic - 1);
}

static unet_status check_system(const reader *r, const un_pickle_value *protocol, const un_pickle_value *system)
{
    const un_pickle_value *little = un_pickle_get(system, "little_endian");

    if (protocol->kind != UN_PICKLE_INT || protocol->u.i != LEGACY_PROTOCOL)
        return un_fail_file(
            r->err, UNET_E_UNSUPPORTED, r->w->name, "a version of PyTorch's old form that is not known");
    if (!little || little->kind != UN_PICKLE_BOOL || !little->u.i)
        return un_fail_file(
            r->err, UNET_E_UNSUPPORTED, r->w->name, "numbers in another order of bytes than this machine's");
    return UNET_OK;
}

/* The blocks that persistent ids named, sorted; each key with one type. */
static unet_status name_blocks(reader *r, const un_pickle_value *storages)
{
    const size_t n = storages->u.list.n;
    size_t kept = 0;

    r->blocks = un_arena_alloc(r->w->arena, (n + 1) * sizeof *r->blocks);
    if (!r->blocks)
        return un_fail_nomem(r->err, n * sizeof *r->blocks);
    for (size_t i = 0; i < n; i++) {
        const un_pickle_storage *s = storages->u.list.item[i]->u.storage;

        r->blocks[i] = (block){.key = s->key, .dtype = s->dtype};
    }
    qsort(r->blocks, n, sizeof *r->blocks, by_key);
    for (size_t i = 0; i < n; i++) {
        if (kept && !strcmp(r->blocks[kept - 1].key, r->blocks[i].key)) {
            if (r->blocks[kept - 1].dtype != r->blocks[i].dtype)
                return un_fail_file(
                    r->err, UNET_E_FORMAT, r->w->name, "the storage '%.60s' is named with two types", r->blocks[i].key);
            continue;
        }
        r->blocks[kept++] = r->blocks[i];
    }
    r->n_blocks = kept;
    return UNET_OK;
}

static unet_status place_blocks(reader *r, const un_pickle_value *keys, const un_pickle_source *src)
{
    size_t at = src->at;

    if (keys->kind != UN_PICKLE_LIST)
        return un_fail_offset(r->err, UNET_E_FORMAT, src->name, (int64_t)at, "the keys of the storages are no list");
    for (size_t i = 0; i < keys->u.list.n; i++) {
        const un_pickle_value *key = keys->u.list.item[i];
        uint64_t n = 0;
        block want, *b = NULL;

        if (key->kind == UN_PICKLE_TEXT && r->n_blocks) {
            want.key = key->u.text.s;
            b = bsearch(&want, r->blocks, r->n_blocks, sizeof *b, by_key);
        }
        if (!b || b->data)
            return un_fail_offset(r->err, UNET_E_FORMAT, src->name, (int64_t)at,
                "key %zu of the storages is none that a tensor names, or stands twice", i);
        for (int k = 7; k >= 0 && src->size - at >= 8; k--)
            n = n << 8 | src->data[at + (size_t)k];
        if (src->size - at < 8 || n > (src->size - at - 8) / un_st_dtype_size(b->dtype))
            return un_fail_offset(r->err, UNET_E_FORMAT, src->name, (int64_t)at,
                "the storage '%.60s' ends behind the end of the file", b->key);
        b->data = src->data + at + 8;
        b->bytes = (size_t)n * un_st_dtype_size(b->dtype);
        at += 8 + b->bytes;
    }
    for (size_t i = r->n_blocks; i > 0; i--)
        if (!r->blocks[i - 1].data)
            return un_fail_offset(r->err, UNET_E_FORMAT, src->name, (int64_t)at,
                "the storage '%.60s' is named, but not in the file", r->blocks[i - 1].key);
    return UNET_OK;
}

unet_status un_weights_read_torch_legacy(un_weights *w, const unsigned char *data, size_t size, unet_error *err)
{
    reader r = {.w = w, .err = err};
    un_pickle_source src = {.data = data, .at = sizeof magic - 1, .size = size, .name = w->name};
    const un_pickle_value *storages;
    un_pickle_value *protocol, *system, *object, *keys;
    unet_status st;

    w->format = "PyTorch (before 1.6)";
    st = un_pickle_read(&protocol, w->arena, &src, err);
    if (!st)
        st = un_pickle_read(&system, w->arena, &src, err);
    if (!st)
        st = check_system(&r, protocol, system);
    if (!st)
        st = un_pickle_read(&object, w->arena, &src, err);
    storages = src.storages;
    if (!st)
        st = un_pickle_read(&keys, w->arena, &src, err);
    if (!st)
        st = name_blocks(&r, storages);
    if (!st)
        st = place_blocks(&r, keys, &src);
    return st ? st : read_dict(&r, object);
}
