/* NIfTI-1 and NIfTI-2 in one file, plain or gzip, either order of bytes: own parser after nifti1.h and nifti2.h of the
 * NIfTI Data Format Working Group. Stored axes stay as they are (the affine tells what they mean): i is the width, j
 * the height, k the depth; the axes behind (time, vector) become channels. */
#include <math.h>
#include <string.h>

#include <zlib.h>

#include "base/math.h"
#include "base/size.h"
#include "io/codec.h"
#include "io/nifti.h"

enum { GZIP_RATIO = 1040, TAIL_MAX = 1 << 26 }; /* Deflate makes at most 1032 bytes of one */

static const struct {
    int code, bytes, parts; /* parts: channels within an element */
    un_dtype type;
} types[] = {{2, 1, 1, UN_DTYPE_U8}, {4, 2, 1, UN_DTYPE_I16}, {8, 4, 1, UN_DTYPE_I32}, {16, 4, 1, UN_DTYPE_F32},
    {64, 8, 1, UN_DTYPE_F64}, {128, 3, 3, UN_DTYPE_U8}, {256, 1, 1, UN_DTYPE_I8}, {512, 2, 1, UN_DTYPE_U16},
    {768, 4, 1, UN_DTYPE_U32}, {1024, 8, 1, UN_DTYPE_F64}, {1280, 8, 1, UN_DTYPE_F64}, {2304, 4, 4, UN_DTYPE_U8}};

enum { CODE_I64 = 1024, CODE_U64 = 1280 };

typedef struct header {
    int version, swap, code, parts;
    un_dtype type; /* of the image before scaling */
    size_t element_bytes, volumes, data_bytes;
    int w, h, d;
    int64_t offset;
    double slope, inter, unit_mm, pixdim[4], quatern[3], shift[3], srow[3][4];
    int qform, sform;
} header;

/* The bytes of a file, unpacked on the way when they are gzip. */
typedef struct stream {
    const un_source *s;
    int packed, ended;
    size_t at;
    z_stream z;
} stream;

static unet_status broken(const un_source *s, const char *what, unet_error *err)
{
    return un_fail_file(err, UNET_E_FORMAT, s->name, "broken NIfTI: %s", what);
}

static unet_status stream_open(stream *t, const un_source *s, unet_error *err)
{
    *t = (stream){.s = s, .packed = s->size >= 2 && s->data[0] == 0x1f && s->data[1] == 0x8b};
    t->z.next_in = (Bytef *)s->data;
    if (t->packed && inflateInit2(&t->z, 16 + MAX_WBITS) != Z_OK)
        return un_fail_nomem(err, 1);
    return UNET_OK;
}

static void stream_close(stream *t)
{
    if (t->packed)
        inflateEnd(&t->z);
}

/* gzip files may be a row of members. */
static int next_member(stream *t)
{
    const size_t left = t->s->size - (size_t)(t->z.next_in - t->s->data);

    t->ended = left < 2 || t->z.next_in[0] != 0x1f || t->z.next_in[1] != 0x8b || inflateReset(&t->z) != Z_OK;
    return !t->ended;
}

/* Up to n bytes; *got is less only at the end of the file. zlib counts in 32 bits. */
static unet_status stream_some(stream *t, void *to, size_t n, size_t *got, unet_error *err)
{
    unsigned char *p = to;

    *got = 0;
    if (!t->packed) {
        *got = UN_MIN(n, t->s->size - t->at);
        memcpy(to, t->s->data + t->at, *got);
        t->at += *got;
        return UNET_OK;
    }
    while (*got < n && !t->ended) {
        const size_t left = t->s->size - (size_t)(t->z.next_in - t->s->data);
        int r;

        t->z.avail_in = (uInt)UN_MIN(left, (size_t)1 << 30);
        t->z.avail_out = (uInt)UN_MIN(n - *got, (size_t)1 << 30);
        t->z.next_out = p + *got;
        r = inflate(&t->z, Z_NO_FLUSH);
        *got = (size_t)(t->z.next_out - p);
        if (r == Z_STREAM_END)
            next_member(t);
        else if (r == Z_MEM_ERROR)
            return un_fail_nomem(err, 1);
        else if (r != Z_OK)
            return un_fail_offset(err, UNET_E_FORMAT, t->s->name, t->z.next_in - t->s->data, "broken gzip: %s",
                r == Z_BUF_ERROR ? "the file ends too early"
                : t->z.msg       ? t->z.msg
                                 : "its check sums differ");
    }
    return UNET_OK;
}

static unet_status stream_all(stream *t, void *to, size_t n, unet_error *err)
{
    size_t got;
    unet_status st = stream_some(t, to, n, &got, err);

    if (!st && got < n)
        st = broken(t->s, "the file ends before the last voxel", err);
    return st;
}

static unet_status stream_skip(stream *t, int64_t n, unet_error *err)
{
    unsigned char rest[4096];
    unet_status st = UNET_OK;

    for (; n > 0 && !st; n -= (int64_t)sizeof rest)
        st = stream_all(t, rest, (size_t)UN_MIN(n, (int64_t)sizeof rest), err);
    return st;
}

/* Reads to the end of a gzip file, so that its check sum is looked at. */
static unet_status stream_finish(stream *t, unet_error *err)
{
    unsigned char rest[4096];
    size_t got = sizeof rest, all = 0;
    unet_status st = UNET_OK;

    while (t->packed && !t->ended && !st && all < TAIL_MAX) {
        st = stream_some(t, rest, sizeof rest, &got, err);
        all += got;
    }
    return st;
}

size_t un_gzip_head(void *to, size_t n, const un_source *s)
{
    stream t;
    size_t got = 0;

    if (stream_open(&t, s, NULL))
        return 0;
    if (t.packed && stream_some(&t, to, n, &got, NULL))
        got = 0;
    stream_close(&t);
    return got;
}

/* ---- header ---- */

static int64_t integer(const header *h, const unsigned char *p, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[h->swap ? i : bytes - 1 - i];
    return bytes == 2 ? (int16_t)v : bytes == 4 ? (int32_t)v : (int64_t)v;
}

static double real(const header *h, const unsigned char *p, int bytes)
{
    const uint64_t bits = (uint64_t)integer(h, p, bytes);
    const uint32_t low = (uint32_t)bits;
    double d;
    float f;

    if (bytes == 4) {
        memcpy(&f, &low, 4);
        return (double)f;
    }
    memcpy(&d, &bits, 8);
    return d;
}

/* Where the fields stand in the two versions (nifti1.h, nifti2.h); sizes of whole and of real numbers. */
typedef struct layout {
    int dim, dim_bytes, code, pixdim, offset, slope, real_bytes, quatern, srow, forms, form_bytes, units;
} layout;

static const layout layouts[3] = {[1] = {40, 2, 70, 76, 108, 112, 4, 256, 280, 252, 2, 123},
    [2] = {16, 8, 12, 104, 168, 176, 8, 352, 400, 344, 4, 500}};

/* 1 or 2 for a NIfTI header; 0: none; sets the order of bytes. */
static int version_of(header *h, const unsigned char *p, size_t n)
{
    for (h->swap = 0; h->swap < 2; h->swap++) {
        if (n >= UN_NIFTI1_HEADER && integer(h, p, 4) == UN_NIFTI1_HEADER &&
            (!memcmp(p + 344, "n+1", 4) || !memcmp(p + 344, "ni1", 4)))
            return 1;
        if (n >= 8 && integer(h, p, 4) == UN_NIFTI2_HEADER && (!memcmp(p + 4, "n+2", 4) || !memcmp(p + 4, "ni2", 4)))
            return 2;
    }
    h->swap = 0;
    return 0;
}

static unet_status read_extents(header *h, const unsigned char *p, const layout *l, const un_source *s, unet_error *err)
{
    const int64_t rank = integer(h, p + l->dim, l->dim_bytes);
    int64_t dim[8] = {0, 1, 1, 1, 1, 1, 1, 1};

    if (rank < 1 || rank > 7)
        return broken(s, "the number of axes is not 1 to 7", err);
    h->volumes = 1;
    for (int i = 1; i <= (int)rank; i++) {
        dim[i] = integer(h, p + l->dim + i * l->dim_bytes, l->dim_bytes);
        if (dim[i] < 1)
            return broken(s, "an axis of no voxels", err);
        if (dim[i] > INT32_MAX || (i > 3 && !un_size_mul(h->volumes, (size_t)dim[i], &h->volumes)) ||
            h->volumes > INT32_MAX / 4)
            return un_fail_file(err, UNET_E_LIMIT, s->name, "axis %d has %lld voxels", i, (long long)dim[i]);
    }
    h->w = (int)dim[1];
    h->h = (int)dim[2];
    h->d = (int)dim[3];
    return UNET_OK;
}

static unet_status read_type(header *h, const unsigned char *p, const layout *l, const un_source *s, unet_error *err)
{
    const int code = (int)integer(h, p + l->code, 2), bits = (int)integer(h, p + l->code + 2, 2);

    for (size_t i = 0; i < UN_COUNT(types); i++)
        if (types[i].code == code) {
            h->code = code;
            h->parts = types[i].parts;
            h->type = types[i].type;
            h->element_bytes = (size_t)types[i].bytes;
            return bits == 8 * types[i].bytes ? UNET_OK : broken(s, "bits a voxel that do not go with its type", err);
        }
    return un_fail_file(err, code == 1 || code == 32 || code > 1280 ? UNET_E_UNSUPPORTED : UNET_E_FORMAT, s->name,
        "NIfTI with voxels of type %d (%s) is not supported", code,
        code == 1                                    ? "binary"
        : code == 32 || code == 1792 || code == 2048 ? "complex"
                                                     : "unknown or long double");
}

static void read_place(header *h, const unsigned char *p, const layout *l)
{
    static const double units[8] = {1, 1000, 1, 0.001, 1, 1, 1, 1}; /* unknown, m, mm, um */
    const int r = l->real_bytes;

    h->unit_mm = units[integer(h, p + l->units, l->dim_bytes == 2 ? 1 : 4) & 7];
    h->qform = integer(h, p + l->forms, l->form_bytes) > 0;
    h->sform = integer(h, p + l->forms + l->form_bytes, l->form_bytes) > 0;
    for (int i = 0; i < 4; i++)
        h->pixdim[i] = real(h, p + l->pixdim + i * r, r);
    for (int i = 0; i < 3; i++) {
        h->quatern[i] = real(h, p + l->quatern + i * r, r);
        h->shift[i] = real(h, p + l->quatern + (3 + i) * r, r);
        for (int k = 0; k < 4; k++)
            h->srow[i][k] = real(h, p + l->srow + (4 * i + k) * r, r);
    }
    h->slope = real(h, p + l->slope, r);
    h->inter = real(h, p + l->slope + r, r);
    if (!isfinite(h->slope) || h->slope == 0 || !isfinite(h->inter)) {
        h->slope = 1;
        h->inter = 0;
    }
}

static unet_status check_place(header *h, int pair, const un_source *s, unet_error *err)
{
    const int least = (h->version == 1 ? UN_NIFTI1_HEADER : UN_NIFTI2_HEADER);
    size_t n = h->element_bytes;

    if (pair)
        return un_fail_file(err, UNET_E_UNSUPPORTED, s->name,
            "NIfTI in two files (.hdr and .img) is not supported; convert it to one .nii file");
    if (h->offset < least)
        return broken(s, "the voxels begin within the header", err);
    if (h->parts > 1 && (h->volumes > 1 || h->slope != 1 || h->inter != 0))
        return un_fail_file(err, UNET_E_UNSUPPORTED, s->name, "NIfTI with a row of RGB volumes is not supported");
    if (!un_size_mul(n, (size_t)h->w, &n) || !un_size_mul(n, (size_t)h->h, &n) || !un_size_mul(n, (size_t)h->d, &n) ||
        !un_size_mul(n, h->volumes, &n))
        return un_fail_file(err, UNET_E_LIMIT, s->name, "the volume is larger than the memory of any machine");
    h->data_bytes = n;
    return UNET_OK;
}

/* The stream stands behind the header afterwards. */
static unet_status read_header(header *h, stream *t, unet_error *err)
{
    unsigned char p[UN_NIFTI2_HEADER];
    const layout *l;
    size_t got;
    int pair;
    unet_status st = stream_some(t, p, UN_NIFTI1_HEADER, &got, err);

    memset(h, 0, sizeof *h);
    if (st)
        return st;
    h->version = version_of(h, p, got);
    if (h->version == 0 && got >= UN_NIFTI1_HEADER && (un_le32(p) == UN_NIFTI1_HEADER || p[2] << 8 | p[3]) &&
        (un_le32(p) == UN_NIFTI1_HEADER || (p[0] == 0 && p[1] == 0 && p[2] == 1 && p[3] == 0x5c)))
        return un_fail_file(err, UNET_E_UNSUPPORTED, t->s->name, "Analyze 7.5 is not supported; convert it to NIfTI");
    if (h->version == 0)
        return t->packed ? un_fail_file(err, UNET_E_UNSUPPORTED, t->s->name,
                               "the gzip file holds no NIfTI (no other packed format is supported)")
                         : broken(t->s, "the file ends in the header", err);
    if (h->version == 2)
        st = stream_all(t, p + UN_NIFTI1_HEADER, UN_NIFTI2_HEADER - UN_NIFTI1_HEADER, err);
    else if (got < UN_NIFTI1_HEADER)
        st = broken(t->s, "the file ends in the header", err);
    if (st)
        return st;
    l = &layouts[h->version];
    pair = h->version == 1 ? p[345] == 'i' : p[5] == 'i';
    if (h->version == 1) {
        const double at = real(h, p + l->offset, 4);

        h->offset = at >= 0 && at < 0x7fffffff ? (int64_t)at : 0;
    } else
        h->offset = integer(h, p + l->offset, 8);
    read_place(h, p, l);
    st = read_extents(h, p, l, t->s, err);
    if (!st)
        st = read_type(h, p, l, t->s, err);
    return st ? st : check_place(h, pair, t->s, err);
}

/* ---- place in the world ---- */

/* Method 2 of nifti1.h: rotation by a quaternion (a, b, c, d) with a >= 0, voxel sizes, handedness in pixdim[0]. */
static void affine_of_quaternion(const header *h, double m[3][4])
{
    const double tiny = 1e-7; /* the format's own limit: a half turn, given its stored precision */
    const double b = h->quatern[0], c = h->quatern[1], d = h->quatern[2], rest = 1 - (b * b + c * c + d * d);
    const double a = rest > tiny ? un_sqrt(rest) : 0, norm = rest > tiny ? 1 : 1 / un_sqrt(b * b + c * c + d * d);
    const double q[4] = {a * norm, b * norm, c * norm, d * norm}, hand = h->pixdim[0] < 0 ? -1 : 1;
    const double r[3][3] = {{q[0] * q[0] + q[1] * q[1] - q[2] * q[2] - q[3] * q[3], 2 * (q[1] * q[2] - q[0] * q[3]),
                                2 * (q[1] * q[3] + q[0] * q[2])},
        {2 * (q[1] * q[2] + q[0] * q[3]), q[0] * q[0] + q[2] * q[2] - q[1] * q[1] - q[3] * q[3],
            2 * (q[2] * q[3] - q[0] * q[1])},
        {2 * (q[1] * q[3] - q[0] * q[2]), 2 * (q[2] * q[3] + q[0] * q[1]),
            q[0] * q[0] + q[3] * q[3] - q[1] * q[1] - q[2] * q[2]}};

    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++)
            m[i][k] = r[i][k] * h->pixdim[k + 1] * (k == 2 ? hand : 1);
        m[i][3] = h->shift[i];
    }
}

/* sform before qform, as the format's own library does; spacing from pixdim, or from the affine where that says none.
 */
static void set_place(const header *h, un_image *im)
{
    int finite = 1;

    im->has_affine = h->sform || h->qform;
    if (h->sform)
        memcpy(im->affine, h->srow, sizeof im->affine);
    else if (h->qform)
        affine_of_quaternion(h, im->affine);
    for (int i = 0; i < 12; i++) {
        im->affine[i / 4][i % 4] *= h->unit_mm;
        finite = finite && isfinite(im->affine[i / 4][i % 4]);
    }
    if (!finite)
        im->has_affine = 0;
    im->has_spacing = 1;
    for (int k = 0; k < 3; k++) {
        const double x = im->affine[0][k], y = im->affine[1][k], z = im->affine[2][k];
        double step = fabs(h->pixdim[k + 1]) * h->unit_mm;

        if (!(step > 0 && isfinite(step)))
            step = im->has_affine ? un_sqrt(x * x + y * y + z * z) : 0;
        if (!(step > 0 && isfinite(step))) {
            step = 1;
            im->has_spacing = 0;
        }
        im->spacing[2 - k] = step;
    }
    if (!im->has_affine)
        memset(im->affine, 0, sizeof im->affine);
}

/* ---- voxels ---- */

/* One stored number, in the machine's order of bytes, scaled; whole numbers of 64 bits must be exact in double. */
static int value_of(const header *h, const unsigned char *p, double *out)
{
    double v = 0;

    switch (h->code) {
#define CASE(code, ctype)                                                                                              \
    case code: {                                                                                                       \
        ctype x;                                                                                                       \
        memcpy(&x, p, sizeof x);                                                                                       \
        v = (double)x;                                                                                                 \
        break;                                                                                                         \
    }
        CASE(2, uint8_t)
        CASE(4, int16_t)
        CASE(8, int32_t)
        CASE(16, float)
        CASE(64, double)
        CASE(256, int8_t)
        CASE(512, uint16_t)
        CASE(768, uint32_t)
        CASE(CODE_I64, int64_t)
        CASE(CODE_U64, uint64_t)
#undef CASE
    default:
        break;
    }
    *out = v * h->slope + h->inter;
    return (h->code != CODE_I64 && h->code != CODE_U64) || fabs(v) <= 9007199254740992.0;
}

static int is_scaled(const header *h)
{
    return h->slope != 1 || h->inter != 0;
}

/* Scaled numbers are real: single precision for stored numbers of up to 16 bits and single ones, else double. */
static un_dtype image_type(const header *h)
{
    if (!is_scaled(h))
        return h->type;
    return h->element_bytes <= 2 || h->type == UN_DTYPE_F32 ? UN_DTYPE_F32 : UN_DTYPE_F64;
}

/* A row of w voxels of one volume into the channel `k` of the picture. */
static unet_status place_row(
    const header *h, unsigned char *row, un_image *im, size_t to, const un_source *s, unet_error *err)
{
    const size_t size = un_dtype_size(im->type), step = h->parts > 1 ? 1 : (size_t)im->c;
    const int plain = !is_scaled(h) && h->code != CODE_I64 && h->code != CODE_U64;

    if (h->parts > 1) {
        memcpy((char *)im->data + to, row, (size_t)h->w * (size_t)h->parts);
        return UNET_OK;
    }
    if (h->swap)
        un_swap_bytes(row, (size_t)h->w, h->element_bytes);
    if (plain && step == 1) {
        memcpy((char *)im->data + to * size, row, (size_t)h->w * size);
        return UNET_OK;
    }
    for (int x = 0; x < h->w; x++, to += step) {
        double v;

        if (plain) {
            memcpy((char *)im->data + to * size, row + (size_t)x * size, size);
            continue;
        }
        if (!value_of(h, row + (size_t)x * h->element_bytes, &v))
            return un_fail_file(err, UNET_E_UNSUPPORTED, s->name, "a voxel needs more than 53 bits");
        if (im->type == UN_DTYPE_F32)
            ((float *)im->data)[to] = (float)v;
        else
            ((double *)im->data)[to] = v;
    }
    return UNET_OK;
}

static unet_status read_voxels(const header *h, stream *t, un_image *im, unet_error *err)
{
    const size_t row_bytes = (size_t)h->w * h->element_bytes, rows = (size_t)h->h * (size_t)h->d;
    const size_t pixel = (size_t)im->c;
    unsigned char *row = un_alloc(t->s->mem, row_bytes);
    unet_status st = row ? UNET_OK : un_fail_nomem(err, row_bytes);

    for (size_t v = 0; v < h->volumes && !st; v++)
        for (size_t y = 0; y < rows && !st; y++) {
            st = stream_all(t, row, row_bytes, err);
            if (!st)
                st = place_row(h, row, im, y * (size_t)h->w * pixel + v, t->s, err);
        }
    un_free(row);
    return st;
}

/* The file cannot hold what its header promises: said before memory is asked for. */
static unet_status check_length(const header *h, const stream *t, unet_error *err)
{
    const size_t size = t->s->size;

    if (t->packed ? h->data_bytes / GZIP_RATIO > size
                  : (uint64_t)h->offset > size || h->data_bytes > size - (size_t)h->offset)
        return broken(t->s, "the file ends before the last voxel", err);
    return UNET_OK;
}

static int is(const unsigned char *d, size_t size)
{
    header h = {0};

    return (size >= 2 && d[0] == 0x1f && d[1] == 0x8b) || version_of(&h, d, size) ||
           (size >= UN_NIFTI1_HEADER && (un_le32(d) == UN_NIFTI1_HEADER || !memcmp(d, "\0\0\x01\x5c", 4)));
}

static unet_status read_nifti(un_image *out, const un_source *s, unet_error *err)
{
    header h;
    stream t;
    unet_status st = stream_open(&t, s, err);

    if (st)
        return st;
    st = read_header(&h, &t, err);
    if (!st)
        st = check_length(&h, &t, err);
    if (!st) {
        const int extents[4] = {h.d, h.h, h.w, (int)h.volumes * h.parts};

        st = un_codec_create(out, s, image_type(&h), extents, err);
    }
    if (!st)
        st = stream_skip(&t, h.offset - (h.version == 1 ? UN_NIFTI1_HEADER : UN_NIFTI2_HEADER), err);
    if (!st)
        st = read_voxels(&h, &t, out, err);
    if (!st)
        st = stream_finish(&t, err);
    if (!st) {
        set_place(&h, out);
        out->alpha = h.parts == 4;
    }
    stream_close(&t);
    return st;
}

static unet_status info(un_image_info *out, const un_source *s, unet_error *err)
{
    header h;
    stream t;
    unet_status st = stream_open(&t, s, err);

    if (st)
        return st;
    st = read_header(&h, &t, err);
    if (!st)
        *out = (un_image_info){.format = "nifti",
            .type = image_type(&h),
            .d = h.d,
            .h = h.h,
            .w = h.w,
            .c = (int)h.volumes * h.parts,
            .pages = 1,
            .alpha = h.parts == 4,
            .orientation = 1};
    stream_close(&t);
    return st;
}

const un_codec un_codec_nifti = {is, read_nifti, info};
