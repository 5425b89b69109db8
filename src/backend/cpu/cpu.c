/* Compiling, running and measuring programs on the CPU. */
#include <string.h>

#include "backend/cpu/program.h"
#include "base/float_mode.h"
#include "base/math.h"
#include "base/size.h"

/* ---- what lowering uses ---- */

/* Addresses while measuring: not NULL, since kernels ask whether an optional operand is there; never read. */
static char *fake(void)
{
    return (char *)(uintptr_t)4096;
}

char *un_lower_base(const un_lowering *l)
{
    return l->measuring ? fake() : l->p->act;
}

un_view un_lower_view(const un_lowering *l, int value)
{
    const un_place *pl = &l->plan->place[value];
    un_shape s = l->plan->shape[value];

    return (un_view){.p = un_lower_base(l) + pl->offset,
        .n = s.n,
        .d = s.d,
        .h = s.h,
        .w = s.w,
        .c = s.c,
        .sn = (ptrdiff_t)pl->sn,
        .sd = (ptrdiff_t)pl->sd,
        .sh = (ptrdiff_t)pl->sh,
        .sw = (ptrdiff_t)pl->sw};
}

static void *cpu_gradients(const un_program *p)
{
    return p->spec.plan->gradients ? p->act : p->spec.blocks.grad;
}

void *un_lower_param(const un_lowering *l, int value)
{
    const un_value *v;
    char *base;

    if (value == UN_NONE)
        return NULL;
    v = &l->plan->graph->value[value];
    base = v->store == UN_STORE_PARAM ? l->p->spec.blocks.param : cpu_gradients(l->p);
    if (l->measuring)
        base = fake();
    return base + l->plan->graph->param[v->param].offset * l->plan->real_bytes;
}

void *un_lower_room(un_lowering *l, size_t bytes)
{
    size_t at = l->packed_bytes;

    l->packed_bytes += un_round_up(bytes, 64);
    return l->measuring ? fake() : l->p->packed + at;
}

un_cpu_step *un_lower_last(un_lowering *l)
{
    return l->measuring ? NULL : &l->p->step[l->n_steps - 1];
}

un_cpu_fold *un_lower_fold(un_lowering *l)
{
    l->n_folds++;
    return l->measuring ? NULL : &l->p->fold[l->n_folds - 1];
}

const un_kernel *un_lower_select(const un_lowering *l, un_kernel_family family, const void *args)
{
    const un_program_spec *s = &l->p->spec;
    const un_kernel_wish wish = {.type = l->plan->real_bytes == 8 ? UN_KERNEL_F64 : UN_KERNEL_F32,
        .level = (int)s->level,
        .exact = s->exact,
        .bf16 = s->bf16,
        .roomy = s->keep_packed && s->roomy,
        .byte_ns = s->keep_packed ? s->byte_ns : 0};

    return un_kernel_select(family, &wish, args);
}

/* Packed weights that are kept: the number of their place. */
static int keep_pack(un_lowering *l, const un_kernel *k, const un_conv_args *args, size_t bytes)
{
    void *own = l->p->spec.shared ? NULL : un_lower_room(l, bytes);
    un_cpu_pack *pack;

    l->weight_bytes += l->p->spec.shared ? bytes : 0;
    l->n_packs++;
    if (l->measuring)
        return -1;
    pack = &l->p->pack[l->n_packs - 1];
    *pack = (un_cpu_pack){.kernel = k, .args = *args, .bytes = bytes, .data = own};
    if (args->scale)
        pack->fold = &l->p->fold[l->n_folds - 1];
    return l->n_packs - 1;
}

/* Room that is in use while the node, or the chain that it is of, runs: the first gap of the activations from `at` on,
 * or behind them. */
static int64_t find_room(const un_lowering *l, int node, int64_t at, size_t bytes)
{
    const un_plan *p = l->plan;
    const int first = l->chain ? l->chain->first : node, last = l->chain ? l->chain->last : node;

    for (int i = 0; i < p->n_owners && bytes; i++) {
        const un_place *pl = &p->place[p->owner[i]];

        if (pl->offset >= at + (int64_t)bytes)
            break;
        if (pl->first <= last && first <= pl->last)
            at = UN_MAX(at, pl->offset + (int64_t)pl->bytes);
    }
    return at;
}

static void *take_room(un_lowering *l, int64_t at, size_t bytes)
{
    if (!bytes)
        return NULL;
    l->act_bytes = UN_MAX(l->act_bytes, (size_t)at + bytes);
    return un_lower_base(l) + at;
}

void un_lower_emit(un_lowering *l, int node, un_kernel_family family, const void *args, size_t size)
{
    const un_kernel *k = un_lower_select(l, family, args);
    size_t packed, each_run, shared;
    int64_t packed_at, shared_at;
    void *where_packed, *where_shared;
    un_cpu_step *s;
    int pack = -1;

    if (!k) {
        l->no_kernel = 1;
        return;
    }
    l->ns += k->cost ? k->cost(args) : 0;
    packed = k->packed_bytes ? un_round_up(k->packed_bytes(args), 64) : 0;
    shared = un_round_up(un_lower_scratch(l, node, k, args, size), 64);
    each_run = l->p->spec.keep_packed ? 0 : packed;
    packed_at = find_room(l, node, 0, each_run);
    shared_at = find_room(l, node, 0, shared);
    if (shared_at < packed_at + (int64_t)each_run && packed_at < shared_at + (int64_t)shared)
        shared_at = find_room(l, node, packed_at + (int64_t)each_run, shared);
    l->n_steps++;
    where_packed = take_room(l, packed_at, each_run);
    where_shared = take_room(l, shared_at, shared);
    if (packed > each_run)
        pack = keep_pack(l, k, args, packed);
    if (l->measuring)
        return;
    s = &l->p->step[l->n_steps - 1];
    s->kernel = k;
    s->node = node;
    s->shared = where_shared;
    s->pack = pack;
    s->keep = l->keep;
    memcpy(&s->args, args, size);
    if (each_run)
        s->args.conv.packed = s->packed = where_packed;
}

static unet_status lower_all(un_lowering *l, unet_error *err)
{
    l->act_bytes = l->plan->act_bytes;
    for (int i = 0, chain = 0; i < l->plan->graph->n_nodes; i++)
        if (chain < l->plan->n_chains && l->plan->chain[chain].first == i) {
            un_lower_chain(l, &l->plan->chain[chain]);
            i = l->plan->chain[chain++].last;
        } else
            un_lower_node(l, i);
    if (l->no_kernel)
        return un_fail(err, UNET_E_INTERNAL, "an operator of the plan has no kernel in this build");
    return UNET_OK;
}

/* ---- folding ---- */

static double real_at(const void *p, int64_t i, int real_bytes)
{
    return real_bytes == 8 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void real_set(void *p, int64_t i, double v, int real_bytes)
{
    if (real_bytes == 8)
        ((double *)p)[i] = v;
    else
        ((float *)p)[i] = (float)v;
}

/* y = gamma (w x + bias - mean) rstd + beta as one convolution: w gamma rstd, beta + (bias - mean) gamma rstd. */
void un_fold_apply(const un_cpu_fold *f, int real_bytes)
{
    for (int c = 0; c < f->c; c++) {
        double scale = real_at(f->gamma, c, real_bytes) / un_sqrt(real_at(f->var, c, real_bytes) + f->eps);
        double bias = f->bias ? real_at(f->bias, c, real_bytes) : 0.0;

        real_set(f->scale, c, scale, real_bytes);
        real_set(f->shift, c, real_at(f->beta, c, real_bytes) + (bias - real_at(f->mean, c, real_bytes)) * scale,
            real_bytes);
        for (int64_t i = 0; f->w && i < f->per; i++)
            real_set(f->w_folded, c * f->per + i, real_at(f->w, c * f->per + i, real_bytes) * scale, real_bytes);
    }
}

static void fold_all(un_program *p)
{
    for (int i = 0; i < p->n_folds; i++)
        un_fold_apply(&p->fold[i], p->spec.plan->real_bytes);
}

/* ---- the table's entries ---- */

static unet_status measure(un_lowering *l, un_program *p, unet_error *err)
{
    *l = (un_lowering){.p = p, .plan = p->spec.plan, .measuring = 1};
    return lower_all(l, err);
}

static unet_status cpu_needs(un_needs *out, const un_program_spec *s, unet_error *err)
{
    un_program p = {.spec = *s};
    un_lowering l;
    unet_status st = measure(&l, &p, err);

    *out = (un_needs){l.act_bytes, l.packed_bytes, l.worker_bytes * (size_t)un_pool_threads(s->pool),
        sizeof p + (size_t)l.n_steps * sizeof *p.step + (size_t)l.n_folds * sizeof *p.fold +
            (size_t)l.n_packs * sizeof *p.pack,
        l.weight_bytes, l.ns};
    return st;
}

static void cpu_destroy(un_program *p)
{
    if (!p)
        return;
    un_packs_drop(p);
    un_free(p->pack);
    un_free(p->step);
    un_free(p->fold);
    un_free(p->act);
    un_free(p->packed);
    un_free(p->scratch);
    un_free(p->cost);
    un_free(p);
}

static unet_status allocate(un_program *p, const un_lowering *l, unet_error *err)
{
    size_t threads = (size_t)un_pool_threads(p->spec.pool);

    p->n_steps = l->n_steps;
    p->n_folds = l->n_folds;
    p->n_packs = l->n_packs;
    p->act_bytes = l->act_bytes;
    p->packed_bytes = l->packed_bytes;
    p->worker_bytes = l->worker_bytes;
    p->step = un_alloc_array(p->mem, (size_t)UN_MAX(l->n_steps, 1), sizeof *p->step);
    p->fold = un_alloc_array(p->mem, (size_t)UN_MAX(l->n_folds, 1), sizeof *p->fold);
    p->pack = un_alloc_array(p->mem, (size_t)UN_MAX(l->n_packs, 1), sizeof *p->pack);
    p->act = un_alloc_zero(p->mem, p->act_bytes);
    p->packed = un_alloc_zero(p->mem, p->packed_bytes);
    p->scratch = un_alloc_zero(p->mem, p->worker_bytes * threads);
    if (p->spec.profile)
        p->cost = un_alloc_array(p->mem, (size_t)UN_MAX(p->spec.plan->graph->n_nodes, 1), sizeof *p->cost);
    if (!p->step || !p->fold || !p->pack || !p->act || !p->packed || !p->scratch || (p->spec.profile && !p->cost))
        return un_fail_nomem(err, p->act_bytes + p->packed_bytes + p->worker_bytes * threads);
    return UNET_OK;
}

/* A row of the profile for each node that runs. */
static void make_rows(un_program *p)
{
    for (int i = 0; i < p->spec.plan->graph->n_nodes && p->cost; i++) {
        un_work w;

        un_cpu_work(&w, p, i);
        p->cost[i] = (un_cpu_cost){-1, 2 * w.macs, w.bytes};
        if (w.kernel)
            p->cost[i].row =
                un_profile_row_of(p->spec.profile, p->spec.part, p->spec.plan->graph->node[i].name, w.kernel);
    }
}

static unet_status cpu_compile(un_program **out, un_mem *mem, const un_program_spec *s, unet_error *err)
{
    un_program *p = un_alloc_zero(mem, sizeof *p);
    un_lowering l, real = {0};
    unet_status st;

    *out = NULL;
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    p->mem = mem;
    p->spec = *s;
    p->stale = 1;
    st = measure(&l, p, err);
    if (!st)
        st = allocate(p, &l, err);
    if (!st) {
        real = (un_lowering){.p = p, .plan = s->plan};
        st = lower_all(&real, err);
    }
    UN_ASSERT(st || (real.n_steps == l.n_steps && real.packed_bytes == l.packed_bytes));
    if (!st && s->shared) {
        fold_all(p);
        p->stale = 0;
        st = un_packs_share(p, err);
    }
    for (int i = 0; i < p->n_steps && !st; i++)
        if (p->step[i].pack >= 0)
            p->step[i].args.conv.packed = p->pack[p->step[i].pack].data;
    if (st) {
        cpu_destroy(p);
        return st;
    }
    make_rows(p);
    *out = p;
    return UNET_OK;
}

/* Copies between dense host memory and a value's place. */
static void transfer(const un_program *p, int value, char *host, int up)
{
    const un_place *pl = &p->spec.plan->place[value];
    un_shape s = p->spec.plan->shape[value];
    size_t each = (size_t)un_type_bytes(p->spec.plan, p->spec.plan->graph->value[value].type);
    size_t pixel = (size_t)s.c * each;

    for (int n = 0; n < s.n; n++)
        for (int d = 0; d < s.d; d++)
            for (int h = 0; h < s.h; h++) {
                char *row = p->act + pl->offset + (n * pl->sn + d * pl->sd + h * pl->sh) * (int64_t)each;
                int run = pl->sw == s.c ? 1 : s.w;
                size_t bytes = pl->sw == s.c ? pixel * (size_t)s.w : pixel;

                for (int w = 0; w < run; w++) {
                    char *at = row + (size_t)w * (size_t)pl->sw * each;

                    memcpy(up ? at : host, up ? host : at, bytes);
                    host += bytes;
                }
            }
}

static void cpu_upload(un_program *p, int value, const void *host)
{
    transfer(p, value, (char *)(uintptr_t)host, 1);
}

static void cpu_download(const un_program *p, int value, void *host)
{
    transfer(p, value, host, 0);
}

static void *cpu_at(const un_program *p, int value)
{
    return p->act + p->spec.plan->place[value].offset;
}

static void cpu_refresh(un_program *p)
{
    p->stale = 1;
}

typedef struct phase_call {
    const un_cpu_step *s;
    const un_program *p;
    int phase;
} phase_call;

static void run_task(void *arg, int64_t task, int worker)
{
    const phase_call *c = arg;

    c->s->kernel->run(&c->s->args, c->phase, task, c->p->scratch + (size_t)worker * c->p->worker_bytes, c->s->shared);
}

static void pack_task(void *arg, int64_t task, int worker)
{
    const phase_call *c = arg;

    (void)worker;
    c->s->kernel->pack(&c->s->args, c->s->packed, task);
}

static void run_kernel(const un_program *p, const un_cpu_step *s)
{
    phase_call c = {s, p, 0};
    const un_kernel *k = s->kernel;

    if (s->packed)
        un_pool_run(p->spec.pool, pack_task, &c, k->pack_tasks(&s->args));
    for (c.phase = 0; c.phase < k->phases; c.phase++)
        un_pool_run(p->spec.pool, run_task, &c, k->tasks(&s->args, c.phase));
}

/* Scales by min(1, max_norm / norm), as torch.nn.utils.clip_grad_norm_ does. */
static unet_status clip(un_program *p, const un_cpu_step *s, un_step *step, unet_error *err)
{
    double norm = un_sqrt(p->sumsq) * p->hyper.grad_scale;

    p->hyper.grad_norm = norm;
    if (step && s->first)
        step->grad_norm = norm;
    if (!(norm <= 1e300))
        return un_fail(err, UNET_E_NUMERIC, "the gradient is not finite");
    if (s->max_norm > 0)
        p->hyper.grad_scale *= UN_MIN(1.0, s->max_norm / (norm + 1e-6));
    return UNET_OK;
}

static unet_status cpu_run(un_program *p, un_step *step, unet_error *err)
{
    const un_float_mode before = un_float_mode_enter();
    unet_status st = UNET_OK;

    if (step) {
        p->hyper = (un_hyper){.lr = step->lr,
            .grad_scale = step->grad_scale,
            .step = step->step,
            .average_keep = step->average_keep,
            .mu = step->mu,
            .mu_next = step->mu_next,
            .mu_product = step->mu_product};
        p->counter[0] = (uint32_t)step->step;
        p->counter[1] = step->first_sample;
    }
    if (p->stale || !p->spec.keep_packed)
        fold_all(p);
    if (p->stale)
        un_packs_make(p);
    for (int i = 0; i < p->n_steps && !st; i++) {
        const un_cpu_step *s = &p->step[i];
        const double began = un_profile_now(p->spec.profile);

        if (s->idle)
            continue;
        run_kernel(p, s);
        if (s->kind == UN_STEP_CLIP)
            st = clip(p, s, step, err);
        if (p->cost)
            un_profile_add(p->spec.profile, p->cost[s->node].row, began);
    }
    for (int i = 0; i < p->spec.plan->graph->n_nodes && p->cost; i++)
        un_profile_count(p->spec.profile, p->cost[i].row, p->cost[i].flops, p->cost[i].bytes);
    p->stale = 0;
    un_float_mode_set(before);
    return st;
}

typedef struct add_call {
    const un_kernel *k;
    un_axpby_args args;
} add_call;

static void add_task(void *arg, int64_t task, int worker)
{
    const add_call *c = arg;

    (void)worker;
    c->k->run(&c->args, 0, task, NULL, NULL);
}

static void cpu_add(un_pool *pool, un_cpu_level level, int real_bytes, void *y, const void *x, int64_t count)
{
    const un_kernel_wish wish = {.type = real_bytes == 8 ? UN_KERNEL_F64 : UN_KERNEL_F32, .level = (int)level};
    add_call c = {NULL, {.x = x, .y = y, .a = 1, .b = 1, .count = count}};

    c.k = un_kernel_select(UN_K_AXPBY, &wish, &c.args);
    un_pool_run(pool, add_task, &c, c.k->tasks(&c.args, 0));
}

const un_backend *un_backend_cpu(void)
{
    static const un_backend table = {"cpu", cpu_needs, cpu_compile, cpu_destroy, cpu_upload, cpu_download, cpu_at,
        cpu_gradients, cpu_refresh, cpu_run, cpu_add, un_cpu_work};

    return &table;
}
