/* Guarded memory and tensors of kcheck. */
#include "kcheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

enum { MAX_BLOCKS = 256, MAX_TENSORS = 128 };

typedef struct block {
    void *map;
    size_t bytes;
} block;

typedef struct tensor {
    un_view v;
    int type;
    unsigned char *copy; /* gaps as they were: the whole extent */
    size_t extent;
} tensor;

static block blocks[MAX_BLOCKS];
static tensor tensors[MAX_TENSORS];
static int block_count, tensor_count;

static size_t size_of(int type)
{
    return type == UN_KERNEL_F64 ? sizeof(double) : sizeof(float);
}

void kc_release_all(void)
{
    for (int i = 0; i < block_count; i++)
        munmap(blocks[i].map, blocks[i].bytes);
    for (int i = 0; i < tensor_count; i++)
        free(tensors[i].copy);
    block_count = tensor_count = 0;
}

static void *fail(const char *text)
{
    fprintf(stderr, "kcheck: %s\n", text);
    exit(2);
}

void *kc_memory(kc *c, size_t bytes, size_t align)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + align - 1) / align * align;
    size_t pages = (body + page - 1) / page * page, all = pages + 2 * page;
    char *map = mmap(0, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED || block_count == MAX_BLOCKS || mprotect(map, page, PROT_NONE) ||
        mprotect(map + page + pages, page, PROT_NONE))
        return fail("no guarded memory");
    blocks[block_count].map = map;
    blocks[block_count++].bytes = all;
    if (align < 64 && kc_int(c, 0, 3) == 0)
        return map + page;
    return map + page + pages - body;
}

double kc_get(const un_view *v, int type, int n, int d, int h, int w, int ch)
{
    ptrdiff_t at = n * v->sn + d * v->sd + h * v->sh + w * v->sw + ch;

    return type == UN_KERNEL_F64 ? ((const double *)v->p)[at] : (double)((const float *)v->p)[at];
}

void kc_set(const un_view *v, int type, int n, int d, int h, int w, int ch, double value)
{
    ptrdiff_t at = n * v->sn + d * v->sd + h * v->sh + w * v->sw + ch;

    if (type == UN_KERNEL_F64)
        ((double *)v->p)[at] = value;
    else
        ((float *)v->p)[at] = (float)value;
}

void kc_each(const un_view *v, void (*fn)(void *ctx, const int at[5]), void *ctx)
{
    int at[5];

    for (at[0] = 0; at[0] < v->n; at[0]++)
        for (at[1] = 0; at[1] < v->d; at[1]++)
            for (at[2] = 0; at[2] < v->h; at[2]++)
                for (at[3] = 0; at[3] < v->w; at[3]++)
                    for (at[4] = 0; at[4] < v->c; at[4]++)
                        fn(ctx, at);
}

typedef struct filling {
    kc *c;
    const un_view *v;
    int type;
    kc_fill fill;
} filling;

static void fill_one(void *ctx, const int at[5])
{
    filling *f = ctx;
    double value = 0;

    if (f->fill == KC_POISON)
        value = NAN;
    else if (f->fill == KC_INTEGER)
        value = kc_int(f->c, -7, 7);
    else if (f->fill == KC_NORMAL)
        value = un_rng_normal(&f->c->rng);
    kc_set(f->v, f->type, at[0], at[1], at[2], at[3], at[4], value);
}

static un_view build(kc *c, un_view v, int type, size_t extent, kc_fill fill)
{
    size_t size = size_of(type);
    filling f = {c, &v, type, fill};

    if (tensor_count == MAX_TENSORS)
        fail("too many tensors in one case");
    v.p = kc_memory(c, extent * size, size);
    for (size_t i = 0; i < extent; i++)
        if (type == UN_KERNEL_F64)
            ((double *)v.p)[i] = NAN;
        else
            ((float *)v.p)[i] = NAN;
    kc_each(&v, fill_one, &f);
    tensors[tensor_count] = (tensor){v, type, malloc(extent * size + 1), extent};
    if (!tensors[tensor_count].copy)
        fail("out of memory");
    tensor_count++;
    return v;
}

static size_t extent_of(const un_view *v)
{
    return (size_t)((v->n - 1) * v->sn + (v->d - 1) * v->sd + (v->h - 1) * v->sh + (v->w - 1) * v->sw + v->c);
}

un_view kc_tensor(kc *c, int type, int n, int d, int h, int w, int ch, kc_fill fill)
{
    un_view v = {0, n, d, h, w, ch, 0, 0, 0, 0};

    v.sw = ch + (kc_int(c, 0, 1) ? kc_int(c, 1, 9) : 0);
    v.sh = w * v.sw + (kc_int(c, 0, 2) ? 0 : kc_int(c, 1, 20));
    v.sd = h * v.sh + (kc_int(c, 0, 2) ? 0 : kc_int(c, 1, 20));
    v.sn = d * v.sd + (kc_int(c, 0, 2) ? 0 : kc_int(c, 1, 20));
    return build(c, v, type, extent_of(&v), fill);
}

un_view kc_dense(kc *c, int type, int n, int d, int h, int w, int ch, kc_fill fill)
{
    un_view v = {0, n, d, h, w, ch, 0, 0, 0, ch};

    v.sh = w * v.sw;
    v.sd = h * v.sh;
    v.sn = d * v.sd;
    return build(c, v, type, extent_of(&v), fill);
}

un_view kc_flat(void *p, int64_t count)
{
    un_view v = {p, 1, 1, 1, 1, (int)count, (ptrdiff_t)count, (ptrdiff_t)count, (ptrdiff_t)count, (ptrdiff_t)count};

    return v;
}

void *kc_array(kc *c, int type, int64_t count, kc_fill fill)
{
    un_view v = kc_flat(0, count);

    return build(c, v, type, (size_t)count, fill).p;
}

typedef struct conversion {
    const un_view *from, *to;
    int from_type, to_type, absolute;
} conversion;

static void convert_one(void *ctx, const int at[5])
{
    conversion *k = ctx;
    double v = kc_get(k->from, k->from_type, at[0], at[1], at[2], at[3], at[4]);

    kc_set(k->to, k->to_type, at[0], at[1], at[2], at[3], at[4], k->absolute ? fabs(v) : v);
}

un_view kc_convert(kc *c, const un_view *v, int from, int to, int absolute)
{
    un_view out = kc_dense(c, to, v->n, v->d, v->h, v->w, v->c, KC_ZERO);
    conversion k = {v, &out, from, to, absolute};

    kc_each(v, convert_one, &k);
    return out;
}

/* Gaps keep their bytes: before a run the whole extent is copied; after it the view's elements are taken from
 * the tensor, so that only a change in a gap makes the two differ. */
void kc_guard_begin(void)
{
    for (int i = 0; i < tensor_count; i++)
        memcpy(tensors[i].copy, tensors[i].v.p, tensors[i].extent * size_of(tensors[i].type));
}

static void copy_one(void *ctx, const int at[5])
{
    tensor *t = ctx;
    size_t size = size_of(t->type);
    ptrdiff_t off = at[0] * t->v.sn + at[1] * t->v.sd + at[2] * t->v.sh + at[3] * t->v.sw + at[4];

    memcpy(t->copy + (size_t)off * size, (const char *)t->v.p + (size_t)off * size, size);
}

int kc_guard_intact(void)
{
    for (int i = 0; i < tensor_count; i++) {
        tensor *t = &tensors[i];

        kc_each(&t->v, copy_one, t);
        if (memcmp(t->copy, t->v.p, t->extent * size_of(t->type)))
            return 0;
    }
    return 1;
}
