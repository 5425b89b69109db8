/* Items of a data set from their files, and the data set as a source of pictures with a cache that keeps what came
 * first. */
#include <pthread.h>
#include <string.h>

#include "base/math.h"
#include "data/preprocess.h"

/* ---- items ------------------------------------------------------------------------------------------------------- */

/* Keeps rows lo..hi of an axis; elements of `bytes` bytes for each pixel. In place: what is kept moves to the front. */
static void keep(void *data, const int size[3], int axis, int lo, int hi, size_t bytes)
{
    size_t outer = 1, inner = bytes;
    unsigned char *b = data;

    if (!data)
        return;
    for (int a = 0; a < axis; a++)
        outer *= (size_t)size[a];
    for (int a = axis + 1; a < 3; a++)
        inner *= (size_t)size[a];
    for (size_t o = 0; o < outer; o++)
        memmove(b + o * (size_t)(hi - lo) * inner, b + (o * (size_t)size[axis] + (size_t)lo) * inner,
            (size_t)(hi - lo) * inner);
}

static int is_whole(const un_item *item)
{
    return item->part_lo <= 0 && item->part_hi >= 1;
}

/* The first of equal ones, w before h before d. */
static int longest_axis(const int size[3])
{
    int axis = 2;

    for (int a = 1; a >= 0; a--)
        if (size[a] > size[axis])
            axis = a;
    return axis;
}

/* The pixels of an axis that the item is; 0: none. */
static int part_of_axis(const un_item *item, int extent, int *lo, int *hi)
{
    *lo = (int)un_round(item->part_lo * extent);
    *hi = (int)un_round(item->part_hi * extent);
    return *hi > *lo;
}

int un_item_is_nothing(const un_item *item, const un_scan_item *scanned)
{
    const int size[3] = {scanned->d, scanned->h, scanned->w};
    int lo, hi;

    return !is_whole(item) && !part_of_axis(item, size[longest_axis(size)], &lo, &hi);
}

void un_preprocess_extents(const un_preprocess *p, const un_item *item, const un_scan_item *scanned, int size[3])
{
    const int stored[3] = {scanned->d, scanned->h, scanned->w};
    un_image turned = {.d = stored[scanned->axis[0]],
        .h = stored[scanned->axis[1]],
        .w = stored[scanned->axis[2]],
        .has_spacing = scanned->has_spacing};
    un_grid g;
    int axis, lo, hi;

    for (int a = 0; a < 3; a++)
        turned.spacing[a] = scanned->spacing[scanned->axis[a]];
    un_preprocess_grid(p, &turned, &g);
    memcpy(size, g.size, sizeof g.size);
    axis = longest_axis(size);
    if (!is_whole(item) && part_of_axis(item, size[axis], &lo, &hi))
        size[axis] = hi - lo;
}

static unet_status too_small(unet_error *err)
{
    return un_fail(err, UNET_E_DATA, "the picture is too small to be cut into parts; give a split, or more pictures");
}

static unet_status cut_part(const un_item *item, un_picture *p, unet_error *err)
{
    int size[3] = {p->d, p->h, p->w}, lo, hi;
    const int axis = longest_axis(size);

    if (is_whole(item))
        return UNET_OK;
    if (!part_of_axis(item, size[axis], &lo, &hi))
        return too_small(err);
    keep(p->image, size, axis, lo, hi, (size_t)p->c * sizeof *p->image);
    keep(p->target, size, axis, lo, hi, sizeof *p->target);
    keep(p->soft, size, axis, lo, hi, (size_t)p->classes * sizeof *p->soft);
    keep(p->weight, size, axis, lo, hi, sizeof *p->weight);
    size[axis] = hi - lo;
    p->d = size[0];
    p->h = size[1];
    p->w = size[2];
    return UNET_OK;
}

unet_status un_item_files_read(
    un_item_files *out, const un_preprocess *p, const un_item *item, int masks, un_mem *mem, unet_error *err)
{
    const un_image_read_options of_image = un_preprocess_read_options(p, item->page, 0);
    const un_image_read_options of_mask = un_preprocess_read_options(p, item->page, 1);
    unet_status st = UNET_OK;

    *out = (un_item_files){.image = un_alloc_array(mem, (size_t)item->image_count, sizeof *out->image)};
    if (!out->image)
        return un_fail_nomem(err, sizeof *out->image);
    for (; out->count < item->image_count && !st; out->count++)
        st = un_image_read(&out->image[out->count], mem, item->images[out->count], &of_image, err);
    if (!st && masks && item->mask)
        st = un_image_read(&out->mask, mem, item->mask, &of_mask, err);
    if (st) {
        un_item_files_free(out);
        un_error_where(err, item->name);
    }
    return st;
}

void un_item_files_free(un_item_files *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->count; i++)
        un_image_free(&f->image[i]);
    un_free(f->image);
    un_image_free(&f->mask);
    memset(f, 0, sizeof *f);
}

/* Keeps lo..hi of an axis of the file. */
static void keep_of_image(un_image *im, int axis, int lo, int hi)
{
    const int size[3] = {im->d, im->h, im->w};
    int *extent[3] = {&im->d, &im->h, &im->w};

    keep(im->data, size, axis, lo, hi, (size_t)im->c * un_dtype_size(im->type));
    *extent[axis] = hi - lo;
}

unet_status un_item_files_cut(un_item_files *f, const un_preprocess *p, const un_item *item, unet_error *err)
{
    un_grid g;
    int axis, lo, hi;

    if (is_whole(item))
        return UNET_OK;
    un_preprocess_grid(p, &f->image[0], &g);
    axis = longest_axis(g.size);
    if (!part_of_axis(item, g.turned[axis], &lo, &hi))
        return too_small(err);
    if (g.flip[axis]) {
        const int end = g.turned[axis] - lo;

        lo = g.turned[axis] - hi;
        hi = end;
    }
    for (int i = 0; i < f->count; i++)
        keep_of_image(&f->image[i], g.axis[axis], lo, hi);
    if (f->mask.data)
        keep_of_image(&f->mask, g.axis[axis], lo, hi);
    return UNET_OK;
}

unet_status un_preprocess_item(
    const un_preprocess *p, const un_item *item, un_mem *mem, un_picture *out, un_grid *grid, unet_error *err)
{
    un_item_files f;
    unet_status st = un_item_files_read(&f, p, item, un_preprocess_labels(p) != NULL, mem, err);

    memset(out, 0, sizeof *out);
    if (!st && f.mask.data)
        st = un_preprocess_pair(p, f.image, f.count, &f.mask, mem, out, grid, NULL, err);
    else if (!st)
        st = un_preprocess_image(p, f.image, f.count, mem, out, grid, err);
    if (!st)
        st = cut_part(item, out, err);
    if (st) {
        un_picture_free(out);
        un_error_where(err, item->name);
    }
    un_item_files_free(&f);
    return st;
}

/* ---- the source -------------------------------------------------------------------------------------------------- */

struct un_data_source {
    un_picture_source view;
    const un_dataset *d;
    const un_preprocess *p;
    un_mem *mem;
    int *item;        /* [count] of the data set */
    double *share;    /* [count] */
    un_picture *held; /* [count] image NULL: not in the cache */
    size_t room;      /* bytes left */
    pthread_mutex_t lock;
};

static size_t picture_bytes(const un_picture *p)
{
    return un_alloc_size(p->image) + (p->target ? un_alloc_size(p->target) : 0) +
           (p->soft ? un_alloc_size(p->soft) : 0) + (p->weight ? un_alloc_size(p->weight) : 0);
}

static void *copy_block(un_mem *mem, const void *p, int *no_memory)
{
    void *q;

    if (!p)
        return NULL;
    q = un_alloc(mem, un_alloc_size(p));
    if (q)
        memcpy(q, p, un_alloc_size(p));
    else
        *no_memory = 1;
    return q;
}

static unet_status copy_picture(un_picture *out, const un_picture *p, un_mem *mem, unet_error *err)
{
    int no_memory = 0;

    *out = *p;
    out->image = copy_block(mem, p->image, &no_memory);
    out->target = copy_block(mem, p->target, &no_memory);
    out->soft = copy_block(mem, p->soft, &no_memory);
    out->weight = copy_block(mem, p->weight, &no_memory);
    if (!no_memory)
        return UNET_OK;
    un_picture_free(out);
    return un_fail_nomem(err, picture_bytes(p));
}

/* Keeps a copy when there is room; a copy that fails for want of memory is no error, the picture is just not kept. */
static void keep_copy(un_data_source *s, int index, const un_picture *p)
{
    const size_t bytes = picture_bytes(p);
    un_picture copy;

    pthread_mutex_lock(&s->lock);
    if (!s->held[index].image && bytes <= s->room && !copy_picture(&copy, p, s->mem, NULL)) {
        s->held[index] = copy;
        s->room -= bytes;
    }
    pthread_mutex_unlock(&s->lock);
}

static unet_status load(void *ctx, int index, un_mem *mem, un_picture *out, unet_error *err)
{
    un_data_source *s = ctx;
    un_picture held;
    unet_status st;

    pthread_mutex_lock(&s->lock);
    held = s->held[index]; /* what is held is never changed or freed before the source is */
    pthread_mutex_unlock(&s->lock);
    if (held.image)
        return copy_picture(out, &held, mem, err);
    st = un_preprocess_item(s->p, &s->d->items[s->item[index]], mem, out, NULL, err);
    if (!st)
        keep_copy(s, index, out);
    return st;
}

static double share(void *ctx, int index)
{
    return ((const un_data_source *)ctx)->share[index];
}

enum { KINDS_MAX = 64 };
static const double most_share = 4.0;

/* Rare kinds of pictures are drawn more often: by the root of how rare they are, at most four times as often. Between
 * "each picture alike" and "each kind alike": the first forgets rare kinds, the second learns their few by heart. */
static void set_shares(un_data_source *s)
{
    int n[KINDS_MAX] = {0}, most = 0;

    for (int i = 0; i < s->view.count; i++) {
        const int k = s->d->items[s->item[i]].kind % KINDS_MAX;

        n[k]++;
        most = n[k] > most ? n[k] : most;
    }
    for (int i = 0; i < s->view.count; i++) {
        const double r = un_sqrt((double)most / n[s->d->items[s->item[i]].kind % KINDS_MAX]);

        s->share[i] = (r > most_share ? most_share : r) * s->d->items[s->item[i]].draw;
    }
}

unet_status un_data_source_create(un_data_source **out, un_mem *mem, const un_dataset *d, const un_preprocess *p,
    un_role role, size_t cache_bytes, unet_error *err)
{
    const size_t n = (size_t)un_dataset_count_role(d, role);
    un_data_source *s = un_alloc_zero(mem, sizeof *s);

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->d = d;
    s->p = p;
    s->mem = mem;
    s->room = cache_bytes;
    s->item = un_alloc_array(mem, n, sizeof *s->item);
    s->share = un_alloc_array(mem, n, sizeof *s->share);
    s->held = un_alloc_array(mem, n, sizeof *s->held);
    if (!s->item || !s->share || !s->held || pthread_mutex_init(&s->lock, NULL)) {
        un_free(s->item);
        un_free(s->share);
        un_free(s->held);
        un_free(s);
        return un_fail_nomem(err, n * sizeof *s->held);
    }
    s->view = (un_picture_source){.ctx = s, .load = load, .share = share};
    for (int i = 0; i < d->count; i++)
        if (d->items[i].role == role)
            s->item[s->view.count++] = i;
    set_shares(s);
    *out = s;
    return UNET_OK;
}

void un_data_source_destroy(un_data_source *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->view.count; i++)
        un_picture_free(&s->held[i]);
    pthread_mutex_destroy(&s->lock);
    un_free(s->item);
    un_free(s->share);
    un_free(s->held);
    un_free(s);
}

const un_picture_source *un_data_source_view(const un_data_source *s)
{
    return &s->view;
}

const un_item *un_data_source_item(const un_data_source *s, int index)
{
    return &s->d->items[s->item[index]];
}
