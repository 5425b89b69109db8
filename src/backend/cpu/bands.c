/* Chains of nodes that run band by band (ir/plan.h): each node is lowered once, as if all rows of all values were
 * there, and its steps are then repeated for each band with views of the rows that it reads and makes there. */
#include <string.h>

#include "backend/cpu/program.h"
#include "base/size.h"

/* The steps of one band of the chain that is being lowered. */
typedef struct cutter {
    const un_lowering *l;
    const un_rows *made; /* what the node makes */
    int band, keep;
} cutter;

/* Rows of the value of the chain that lies at p; NULL: all of them are there. */
static const un_rows *rows_at(const un_lowering *l, const void *p)
{
    const un_plan *plan = l->plan;
    const int64_t at = (const char *)p - un_lower_base(l);

    for (int v = 0; v < plan->graph->n_values; v++) {
        const int maker = plan->graph->value[v].producer;
        const un_place *pl = &plan->place[v];

        if (plan->rows[v].room && pl->root == v && maker >= l->chain->first && maker <= l->chain->last &&
            at >= pl->offset && at < pl->offset + plan->shape[v].n * pl->sn * plan->real_bytes)
            return &plan->rows[v];
    }
    return NULL;
}

/* Rows lo..hi-1, where the first row there is that of `band`. */
static void cut_view(const cutter *c, un_view *v, int lo, int hi, int band)
{
    const un_rows *r = rows_at(c->l, v->p);

    v->p = (char *)v->p + (lo - (r ? r->from[band] : 0)) * v->sh * c->l->plan->real_bytes;
    v->h = hi - lo;
}

static int made_by(const un_plan *plan, int node)
{
    return plan->graph->node[plan->fused[node] == UN_NONE ? node : plan->fused[node]].out[0];
}

/* The views of a node that makes a pixel from the pixel at the same place. */
static void cut_same(const cutter *c, un_view *const *v, int count)
{
    const int lo = c->keep ? c->made->from[c->band] : c->made->end[c->band];
    const int hi = c->keep ? c->made->top[c->band] : c->made->end[c->band + 1];

    for (int i = 0; i < count; i++)
        cut_view(c, v[i], lo, hi, c->keep && i == 0 ? c->band - 1 : c->band);
}

/* x, of which output row o reads `k` rows from o * stride - pad on, the last one (k - 1) * dilation behind it; what is
 * left of the padding. */
static int cut_window(const cutter *c, un_view *x, un_view *y, int stride, int pad, int reach)
{
    const int a = c->made->end[c->band], b = c->made->end[c->band + 1];
    const int from = a * stride - pad, lo = UN_MAX(from, 0), hi = UN_MIN((b - 1) * stride - pad + reach, x->h);

    cut_view(c, x, lo, UN_MAX(hi, lo), c->band);
    cut_view(c, y, a, b, c->band);
    return lo - from;
}

static void cut_conv(const cutter *c, un_conv_args *a)
{
    un_view y = a->y;

    a->whole_h = a->y.h;
    if (a->x2.c)
        (void)cut_window(c, &a->x2, &y, a->stride[1], a->pad[1], (a->k[1] - 1) * a->dilation[1] + 1);
    a->pad[1] = cut_window(c, &a->x, &a->y, a->stride[1], a->pad[1], (a->k[1] - 1) * a->dilation[1] + 1);
}

/* A transposed convolution reads y and makes blocks of x. */
static void cut_spread(const cutter *c, un_conv_args *a)
{
    const int lo = c->made->end[c->band], hi = c->made->end[c->band + 1];

    cut_view(c, &a->y, lo / a->k[1], hi / a->k[1], c->band);
    cut_view(c, &a->x, lo, hi, c->band);
}

/* 0: the node makes nothing in this band. */
static int cut(const cutter *c, un_kernel_family family, un_args *a)
{
    if (c->keep ? c->band == 0 || c->made->from[c->band] == c->made->from[c->band - 1] ||
                      c->made->from[c->band] == c->made->top[c->band]
                : c->made->end[c->band] == c->made->end[c->band + 1])
        return 0;
    switch (family) {
    case UN_K_CONV:
        cut_conv(c, &a->conv);
        break;
    case UN_K_CONV_DGRAD:
        cut_spread(c, &a->conv);
        break;
    case UN_K_MAXPOOL:
    case UN_K_AVGPOOL:
        (void)cut_window(c, &a->pool.x, &a->pool.y, a->pool.stride[1], 0, a->pool.k[1]);
        break;
    case UN_K_ADD:
        cut_same(c, (un_view *[]){&a->add.a, &a->add.b, &a->add.y}, 3);
        break;
    case UN_K_ACT:
        cut_same(c, (un_view *[]){&a->act.x, &a->act.y}, 2);
        break;
    case UN_K_AFFINE:
        cut_same(c, (un_view *[]){&a->affine.x, &a->affine.y}, 2);
        break;
    case UN_K_SOFTMAX:
        cut_same(c, (un_view *[]){&a->softmax.x, &a->softmax.y}, 2);
        break;
    default:
        UN_ASSERT(family == UN_K_COPY);
        cut_same(c, (un_view *[]){&a->copy.x, &a->copy.y}, 2);
    }
    return 1;
}

static cutter cutter_of(const un_lowering *l, int node, int keep, int band)
{
    return (cutter){l, &l->plan->rows[made_by(l->plan, node)], band, keep};
}

size_t un_lower_scratch(un_lowering *l, int node, const un_kernel *k, const void *args, size_t size)
{
    const int bands = l->chain ? l->chain->bands : 1;
    size_t shared = 0;

    for (int band = 0; band < bands; band++) {
        const cutter c = l->chain ? cutter_of(l, node, l->keep, band) : (cutter){0};
        un_args a;

        memcpy(&a, args, size);
        if (l->chain && !cut(&c, k->family, &a))
            continue;
        if (k->worker_bytes)
            l->worker_bytes = UN_MAX(l->worker_bytes, un_round_up(k->worker_bytes(&a), 64));
        if (k->shared_bytes)
            shared = UN_MAX(shared, un_round_up(k->shared_bytes(&a), 64));
    }
    return shared;
}

/* The rows of each inner value that later bands read too go to the front of its room. */
static void lower_moves(un_lowering *l)
{
    const un_plan *plan = l->plan;

    l->keep = 1;
    for (int i = l->chain->first; i <= l->chain->last; i++) {
        const int v = made_by(plan, i), fused_away = plan->moved[i] && plan->graph->node[i].op != UN_OP_CONCAT;
        un_copy_args a;

        if (!plan->rows[v].room || plan->place[v].root != v || fused_away)
            continue;
        a.x = a.y = un_lower_view(l, v);
        un_lower_emit(l, i, UN_K_COPY, &a, sizeof a);
    }
    l->keep = 0;
}

void un_lower_chain(un_lowering *l, const un_chain *chain)
{
    un_cpu_step *first = l->measuring ? NULL : &l->p->step[l->n_steps];
    const int from = l->n_steps;
    int each;

    l->chain = chain;
    lower_moves(l);
    for (int i = chain->first; i <= chain->last; i++)
        un_lower_node(l, i);
    each = l->n_steps - from;
    l->n_steps = from + each * chain->bands;
    for (int band = chain->bands - 1; band >= 0 && first; band--)
        for (int i = 0; i < each; i++) {
            const cutter c = cutter_of(l, first[i].node, first[i].keep, band);
            un_cpu_step *s = &first[band * each + i];

            *s = first[i];
            s->idle = !cut(&c, s->kernel->family, &s->args);
        }
    l->chain = NULL;
}
