/* npz: a zip archive of arrays, each behind a header that is a line of Python: {'descr': '<f4', 'fortran_order': False,
 * 'shape': (8, 3, 1, 1), } (NumPy's NEP 1). */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "io/weights_parts.h"

enum { NAME = 512, HEADER_MAX = 65536 };

typedef struct header {
    const char *at, *end; /* what is left to read */
    un_weight *t;
    int fortran, seen; /* bits of the keys seen */
} header;

static void blanks(header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n'))
        h->at++;
}

static int sign(header *h, char c)
{
    blanks(h);
    if (h->at == h->end || *h->at != c)
        return 0;
    h->at++;
    return 1;
}

static int word(header *h, char *out, size_t size)
{
    const char quote = h->at < h->end ? *h->at : 0;
    size_t n = 0;

    if (quote != '\'' && quote != '"')
        return 0;
    for (h->at++; h->at < h->end && *h->at != quote; h->at++) {
        if (n + 1 == size)
            return 0;
        out[n++] = *h->at;
    }
    out[n] = 0;
    return h->at++ < h->end;
}

static int type(header *h)
{
    static const struct {
        const char *descr;
        un_st_dtype dtype;
    } rows[] = {{"<f4", UN_ST_F32}, {"<f8", UN_ST_F64}, {"<f2", UN_ST_F16}, {"<i8", UN_ST_I64}, {"<i4", UN_ST_I32},
        {"<i2", UN_ST_I16}, {"|i1", UN_ST_I8}, {"|u1", UN_ST_U8}, {"|b1", UN_ST_BOOL}, {"<u2", UN_ST_U16},
        {"<u4", UN_ST_U32}, {"<u8", UN_ST_U64}};
    char text[16];

    if (!word(h, text, sizeof text))
        return 0;
    for (size_t i = 0; i < UN_COUNT(rows); i++)
        if (!strcmp(text, rows[i].descr)) {
            h->t->dtype = rows[i].dtype;
            return 1;
        }
    return 0;
}

static int truth(header *h)
{
    static const char *const words[] = {"False", "True"};

    for (int i = 0; i < 2; i++)
        if ((size_t)(h->end - h->at) >= strlen(words[i]) && !memcmp(h->at, words[i], strlen(words[i]))) {
            h->fortran = i;
            h->at += strlen(words[i]);
            return 1;
        }
    return 0;
}

static int shape(header *h)
{
    if (!sign(h, '('))
        return 0;
    h->t->rank = 0;
    while (!sign(h, ')')) {
        int64_t v = 0;
        int digits = 0;

        for (; h->at < h->end && *h->at >= '0' && *h->at <= '9' && digits < 18; h->at++, digits++)
            v = 10 * v + (*h->at - '0');
        if (!digits || h->t->rank == UN_ST_RANK)
            return 0;
        h->t->dims[h->t->rank++] = v;
        if (!sign(h, ',') && (h->at == h->end || *h->at != ')'))
            return 0;
    }
    return 1;
}

static int read_header(header *h)
{
    static const struct {
        const char *key;
        int (*read)(header *h);
    } rows[] = {{"descr", type}, {"fortran_order", truth}, {"shape", shape}};
    char key[24];

    if (!sign(h, '{'))
        return 0;
    while (!sign(h, '}')) {
        size_t i = 0;

        if (!word(h, key, sizeof key) || !sign(h, ':'))
            return 0;
        blanks(h);
        while (i < UN_COUNT(rows) && strcmp(rows[i].key, key))
            i++;
        if (i == UN_COUNT(rows) || h->seen & 1 << i || !rows[i].read(h))
            return 0;
        h->seen |= 1 << i;
        if (!sign(h, ',') && (h->at == h->end || *h->at != '}'))
            return 0;
    }
    return h->seen == 7;
}

static unet_status read_array(
    un_weights *w, un_weight *t, const unsigned char *p, size_t size, int64_t offset, unet_error *err)
{
    header h = {.t = t};
    size_t length, at = 10;

    if (size < 10 || memcmp(p, "\x93NUMPY", 6) || p[6] < 1 || p[6] > 3 || (p[6] > 1 && size < 12))
        return un_fail_offset(err, UNET_E_FORMAT, w->name, offset, "'%.100s' is no array of NumPy", t->name);
    length = p[8] | (size_t)p[9] << 8;
    if (p[6] > 1) {
        length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
        at = 12;
    }
    if (length > UN_MIN(size - at, (size_t)HEADER_MAX))
        return un_fail_offset(err, UNET_E_FORMAT, w->name, offset, "the header of '%.100s' does not end", t->name);
    h.at = (const char *)p + at;
    h.end = h.at + length;
    if (!read_header(&h))
        return un_fail_offset(err, UNET_E_UNSUPPORTED, w->name, offset + (h.at - (const char *)p),
            "the header of '%.100s' describes no array of plain little-endian numbers", t->name);
    if (!un_weight_count(t) || (uint64_t)t->count > (size - at - length) / un_st_dtype_size(t->dtype))
        return un_fail_offset(
            err, UNET_E_FORMAT, w->name, offset, "'%.100s' has fewer bytes than its shape says", t->name);
    un_weight_strides(t, h.fortran);
    t->data = p + at + length;
    return UNET_OK;
}

unet_status un_weights_read_npz(un_weights *w, unet_error *err)
{
    w->format = "npz";
    for (size_t i = 0; i < un_zip_count(w->zip); i++) {
        const char *entry = un_zip_name(w->zip, i);
        const size_t n = strlen(entry);
        const unsigned char *data;
        char name[NAME];
        int64_t offset;
        size_t size;
        un_weight *t;
        unet_status st;

        if (n < 5 || n >= NAME || strcmp(entry + n - 4, ".npy")) {
            w->others++;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)n - 4, entry);
        t = un_weights_add(w, name, err);
        if (!t)
            return err ? err->status : UNET_E_FORMAT;
        st = un_zip_data(w->zip, i, &data, &size, &offset, err);
        if (!st)
            st = read_array(w, t, data, size, offset, err);
        if (st)
            return st;
    }
    return UNET_OK;
}
