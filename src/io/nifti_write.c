/* NIfTI-1 written, plain or gzip by the name. The affine goes into the sform, and into the qform too when it is a
 * rotation with voxel sizes; without one, only the voxel sizes are stated. Channels become the fourth axis. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#include "base/file.h"
#include "base/math.h"
#include "io/image.h"
#include "io/nifti.h"

enum { OFFSET = 352, PIECE = 1 << 16, SIDE_MAX = 32767, SCANNER = 1, UNITS_MM = 2 };

typedef struct out_stream {
    un_writer *w;
    int pack;
    z_stream z;
    unsigned char piece[PIECE];
} out_stream;

static unet_status put(out_stream *o, const void *data, size_t n, int last, unet_error *err)
{
    unet_status st = UNET_OK;

    if (!o->pack)
        return un_writer_write(o->w, data, n, err);
    o->z.next_in = (Bytef *)data;
    o->z.avail_in = (uInt)n; /* rows and headers: below 4 GiB */
    do {
        o->z.next_out = o->piece;
        o->z.avail_out = PIECE;
        if (deflate(&o->z, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
            return un_fail(err, UNET_E_INTERNAL, "gzip: its state is broken");
        st = un_writer_write(o->w, o->piece, PIECE - o->z.avail_out, err);
    } while (!st && o->z.avail_out == 0);
    return st;
}

static void put16(unsigned char *p, int v)
{
    const int16_t x = (int16_t)v;

    memcpy(p, &x, sizeof x);
}

static void put_real(unsigned char *p, double v)
{
    const float x = (float)v;

    memcpy(p, &x, sizeof x);
}

/* The quaternion of a rotation r; 0 when the columns of the affine are not at right angles. nifti1.h, method 2. */
static int quaternion_of(const double m[3][4], double q[3], double *hand)
{
    double r[3][3], det, a, b, c, d;

    for (int k = 0; k < 3; k++) {
        const double n = un_sqrt(m[0][k] * m[0][k] + m[1][k] * m[1][k] + m[2][k] * m[2][k]);

        if (!(n > 0))
            return 0;
        for (int i = 0; i < 3; i++)
            r[i][k] = m[i][k] / n;
    }
    for (int k = 0; k < 3; k++) {
        const int j = (k + 1) % 3;

        if (fabs(r[0][k] * r[0][j] + r[1][k] * r[1][j] + r[2][k] * r[2][j]) > 1e-5)
            return 0;
    }
    det = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) - r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
          r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    *hand = det < 0 ? -1 : 1;
    for (int i = 0; i < 3; i++)
        r[i][2] *= *hand;
    a = 1 + r[0][0] + r[1][1] + r[2][2];
    b = 1 + r[0][0] - r[1][1] - r[2][2];
    c = 1 - r[0][0] + r[1][1] - r[2][2];
    d = 1 - r[0][0] - r[1][1] + r[2][2];
    if (a > 0.5) { /* the largest of the four is the divisor */
        a = 0.5 * un_sqrt(a);
        q[0] = 0.25 * (r[2][1] - r[1][2]) / a;
        q[1] = 0.25 * (r[0][2] - r[2][0]) / a;
        q[2] = 0.25 * (r[1][0] - r[0][1]) / a;
        return 1;
    }
    if (b >= c && b >= d) {
        b = 0.5 * un_sqrt(b);
        q[0] = b;
        q[1] = 0.25 * (r[0][1] + r[1][0]) / b;
        q[2] = 0.25 * (r[0][2] + r[2][0]) / b;
        a = 0.25 * (r[2][1] - r[1][2]) / b;
    } else if (c >= d) {
        c = 0.5 * un_sqrt(c);
        q[0] = 0.25 * (r[0][1] + r[1][0]) / c;
        q[1] = c;
        q[2] = 0.25 * (r[1][2] + r[2][1]) / c;
        a = 0.25 * (r[0][2] - r[2][0]) / c;
    } else {
        d = 0.5 * un_sqrt(d);
        q[0] = 0.25 * (r[0][2] + r[2][0]) / d;
        q[1] = 0.25 * (r[1][2] + r[2][1]) / d;
        q[2] = d;
        a = 0.25 * (r[1][0] - r[0][1]) / d;
    }
    for (int i = 0; i < 3 && a < 0; i++)
        q[i] = -q[i];
    return 1;
}

static void make_header(unsigned char p[OFFSET], const un_image *im)
{
    static const int codes[UN_DTYPE_COUNT] = {[UN_DTYPE_U8] = 2,
        [UN_DTYPE_I8] = 256,
        [UN_DTYPE_U16] = 512,
        [UN_DTYPE_I16] = 4,
        [UN_DTYPE_U32] = 768,
        [UN_DTYPE_I32] = 8,
        [UN_DTYPE_F32] = 16,
        [UN_DTYPE_F64] = 64};
    const int dim[5] = {im->c > 1 ? 4 : 3, im->w, im->h, im->d, im->c};
    const int32_t header = UN_NIFTI1_HEADER;
    double q[3], hand = 1;

    memset(p, 0, OFFSET);
    memcpy(p, &header, sizeof header);
    for (int i = 0; i < 8; i++)
        put16(p + 40 + 2 * i, i < 5 ? dim[i] : 1);
    put16(p + 70, codes[im->type]);
    put16(p + 72, (int)(8 * un_dtype_size(im->type)));
    for (int i = 1; i < 8; i++)
        put_real(p + 76 + 4 * i, i < 4 ? im->spacing[3 - i] : 1);
    put_real(p + 108, OFFSET);
    put_real(p + 112, 1);
    p[123] = im->has_spacing ? UNITS_MM : 0;
    if (im->has_affine && quaternion_of(im->affine, q, &hand)) {
        put16(p + 252, SCANNER);
        for (int i = 0; i < 3; i++) {
            put_real(p + 256 + 4 * i, q[i]);
            put_real(p + 268 + 4 * i, im->affine[i][3]);
        }
    }
    put_real(p + 76, hand);
    if (im->has_affine) {
        put16(p + 254, SCANNER);
        for (int i = 0; i < 12; i++)
            put_real(p + 280 + 4 * i, im->affine[i / 4][i % 4]);
    }
    memcpy(p + 344, "n+1", 4);
}

/* One volume a channel, row by row. */
static unet_status put_voxels(out_stream *o, un_mem *mem, const un_image *im, unet_error *err)
{
    const size_t size = un_dtype_size(im->type), rows = (size_t)im->d * (size_t)im->h, c = (size_t)im->c;
    char *row = un_alloc(mem, (size_t)im->w * size);
    unet_status st = row ? UNET_OK : un_fail_nomem(err, (size_t)im->w * size);

    for (size_t k = 0; k < c && !st; k++)
        for (size_t y = 0; y < rows && !st; y++) {
            const char *from = (const char *)im->data + (y * (size_t)im->w * c + k) * size;

            for (size_t x = 0; x < (size_t)im->w; x++)
                memcpy(row + x * size, from + x * c * size, size);
            st = put(o, row, (size_t)im->w * size, 0, err);
        }
    un_free(row);
    return st;
}

unet_status un_image_write_nifti(un_mem *mem, const char *path, const un_image *im, unet_error *err)
{
    const size_t n = strlen(path);
    unsigned char header[OFFSET];
    out_stream *o;
    unet_status st;

    if (im->w > SIDE_MAX || im->h > SIDE_MAX || im->d > SIDE_MAX || im->c > SIDE_MAX)
        return un_fail_file(err, UNET_E_ARG, path, "NIfTI-1 holds at most %d voxels a side", SIDE_MAX);
    o = un_alloc_zero(mem, sizeof *o);
    if (!o)
        return un_fail_nomem(err, sizeof *o);
    st = un_writer_open(&o->w, mem, path, err);
    o->pack = !st && n > 3 && !strcasecmp(path + n - 3, ".gz");
    if (o->pack &&
        deflateInit2(&o->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        o->pack = 0;
        st = un_fail_nomem(err, 1);
    }
    make_header(header, im);
    if (!st)
        st = put(o, header, sizeof header, 0, err);
    if (!st)
        st = put_voxels(o, mem, im, err);
    if (!st)
        st = put(o, "", 0, 1, err);
    if (o->pack)
        deflateEnd(&o->z);
    if (!st)
        st = un_writer_commit(o->w, err);
    else
        un_writer_destroy(o->w);
    un_free(o);
    un_error_where(st ? err : NULL, path);
    return st;
}
