/* Who trains, who chooses, who is scored. The rule stands in dataset.h and docs/data.md. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/rng.h"

enum { SPLIT_STREAM = 0, SELECT_STREAM = 1 };
static const double TEST_SHARE = 0.15; /* data.test_share: auto */

typedef struct member {
    const char *group; /* the item's own name when it is alone */
    int item;
} member;

/* Items that take part in a draw, and the groups they form. */
typedef struct draw {
    un_dataset *d;
    member *m; /* sorted by group, then item */
    int n;
    struct run {
        int from, size, taken;
    } * run;        /* groups, shuffled */
    int runs, left; /* groups in all; that nobody took */
} draw;

static int usable(const un_item *it)
{
    return it->mask && !it->left_out && it->part_of < 0;
}

double un_dataset_test_share(const un_dataset *d, const un_cfg_data *cfg)
{
    int labelled = 0;

    if (!un_is_auto(cfg->test_share))
        return cfg->test_share;
    for (int i = 0; i < d->base_count; i++)
        labelled += usable(&d->items[i]);
    return !d->given_split && labelled >= UN_TEST_MIN_PICTURES ? TEST_SHARE : 0;
}

static int by_group(const void *a, const void *b)
{
    const member *x = a, *y = b;
    const int c = strcmp(x->group, y->group);

    return c ? c : x->item - y->item;
}

static void free_draw(draw *w)
{
    un_free(w->m);
    un_free(w->run);
}

/* Groups of all usable items of one role in random order. A group's place in the draw depends on names and
 * seed alone. */
static unet_status prepare(draw *w, un_dataset *d, un_role from, int64_t seed, uint32_t stream, unet_error *err)
{
    un_rng r;

    *w = (draw){.d = d};
    w->m = un_alloc_array(d->mem, (size_t)d->base_count, sizeof *w->m);
    w->run = un_alloc_array(d->mem, (size_t)d->base_count, sizeof *w->run);
    if (!w->m || !w->run) {
        free_draw(w);
        return un_fail_nomem(err, (size_t)d->base_count * sizeof *w->m);
    }
    for (int i = 0; i < d->base_count; i++)
        if (d->items[i].role == from && usable(&d->items[i]))
            w->m[w->n++] = (member){d->items[i].group ? d->items[i].group : d->items[i].name, i};
    qsort(w->m, (size_t)w->n, sizeof *w->m, by_group);
    for (int i = 0; i < w->n; i++) {
        if (!i || strcmp(w->m[i].group, w->m[i - 1].group))
            w->run[w->runs++] = (struct run){i, 0, 0};
        w->run[w->runs - 1].size++;
    }
    w->left = w->runs;
    un_rng_init(&r, (uint64_t)seed, UN_RNG_SPLIT, stream, 0, 0);
    for (int i = w->runs - 1; i > 0; i--) {
        const int k = (int)un_rng_below(&r, i + 1);
        const struct run t = w->run[i];

        w->run[i] = w->run[k];
        w->run[k] = t;
    }
    return UNET_OK;
}

static int give(draw *w, struct run *r, un_role role)
{
    for (int i = 0; i < r->size; i++)
        w->d->items[w->m[r->from + i].item].role = role;
    r->taken = 1;
    w->left--;
    return r->size;
}

/* Gives about share of all items the role: whole groups in their order, those that fit; at least one when share > 0,
 * the smallest where none fits; never the last group. */
static void take(draw *w, double share, un_role role)
{
    const double want = share * w->n;
    double got = 0;
    int least = -1;

    for (int i = 0; i < w->runs && w->left > 1 && share > 0; i++) {
        if (w->run[i].taken)
            continue;
        if (least < 0 || w->run[i].size < w->run[least].size)
            least = i;
        if (got + w->run[i].size / 2.0 <= want)
            got += give(w, &w->run[i], role);
    }
    if (got == 0 && least >= 0)
        give(w, &w->run[least], role);
}

/* Few pictures: each gives a part to every role, along its longest axis. */
static unet_status cut_pictures(un_dataset *d, const un_cfg_data *cfg, unet_error *err)
{
    const struct {
        un_role role;
        double share;
    } parts[] = {{UN_ROLE_VAL, cfg->val_share}, {UN_ROLE_TEST, un_dataset_test_share(d, cfg)}};

    for (int i = 0; i < d->base_count; i++) {
        double at = 1.0 - parts[0].share - parts[1].share;

        if (d->items[i].role != UN_ROLE_TRAIN)
            continue;
        d->items[i].part_hi = at;
        for (int k = 0; k < 2; k++) {
            un_item *it;

            if (parts[k].share <= 0)
                continue;
            it = un_dataset_add(d);
            if (!it)
                return un_fail_nomem(err, sizeof *it);
            *it = d->items[i];
            it->role = parts[k].role;
            it->part_of = i;
            it->part_lo = at;
            at += parts[k].share;
            it->part_hi = k == 1 || parts[1].share <= 0 ? 1.0 : at;
        }
    }
    return UNET_OK;
}

static void reset(un_dataset *d)
{
    static const un_role of_split[UN_SPLIT_COUNT] = {UN_ROLE_NONE, UN_ROLE_TRAIN, UN_ROLE_VAL, UN_ROLE_TEST};

    d->count = d->base_count;
    for (int i = 0; i < d->count; i++) {
        un_item *it = &d->items[i];

        it->part_hi = 1.0;
        it->role = usable(it) ? of_split[it->split] : UN_ROLE_NONE;
        if (usable(it) && !d->given_split && it->split == UN_SPLIT_NONE)
            it->role = UN_ROLE_TRAIN;
    }
}

unet_status un_dataset_assign(un_dataset *d, const un_config *cfg, unet_error *err)
{
    const double test_share = un_dataset_test_share(d, &cfg->data);
    draw w;
    unet_status st;
    int tested;

    reset(d);
    tested = un_dataset_count_role(d, UN_ROLE_TEST) > 0;
    if (!un_dataset_count_role(d, UN_ROLE_VAL) && !(d->given_split && tested)) {
        if (un_dataset_count_role(d, UN_ROLE_TRAIN) < UN_SPLIT_MIN_PICTURES)
            return cut_pictures(d, &cfg->data, err);
        st = prepare(&w, d, UN_ROLE_TRAIN, cfg->data.split_seed, SPLIT_STREAM, err);
        if (st)
            return st;
        take(&w, cfg->data.val_share, UN_ROLE_VAL);
        take(&w, tested ? 0 : test_share, UN_ROLE_TEST);
        if (w.runs < 2 && cfg->data.val_share + test_share > 0)
            st = un_fail_file(err, UNET_E_DATA, d->root,
                "all pictures belong to one group, so none can be kept for validation; change data.group_by "
                "or give a split");
        free_draw(&w);
        if (st)
            return st;
    }
    if (un_dataset_count_role(d, UN_ROLE_TRAIN) < UN_SELECT_MIN_PICTURES || cfg->train.select_share <= 0)
        return UNET_OK;
    st = prepare(&w, d, UN_ROLE_TRAIN, cfg->data.split_seed, SELECT_STREAM, err);
    if (st)
        return st;
    take(&w, cfg->train.select_share, UN_ROLE_SELECT);
    free_draw(&w);
    return UNET_OK;
}
