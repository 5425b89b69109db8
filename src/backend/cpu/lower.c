/* One function a kind of operator: graph node -> kernel calls. */
#include <string.h>

#include "backend/cpu/program.h"
#include "base/size.h"

static const un_node *node_at(const un_lowering *l, int i)
{
    return &l->plan->graph->node[i];
}

static void set_conv(un_conv_args *a, const un_conv_attr *at)
{
    for (int i = 0; i < 3; i++) {
        a->k[i] = at->k[i];
        a->stride[i] = at->stride[i];
        a->pad[i] = at->pad[i];
        a->dilation[i] = at->dilation[i];
    }
    a->groups = at->groups;
    a->act = at->act;
    a->slope = (float)at->slope;
}

/* Scale and shift of an inference batch norm. conv: the convolution that they are folded into; w: with a copy of its
 * weight into which the scale is folded. */
static void add_fold(un_lowering *l, const un_node *norm, const un_node *conv, void **w, void **scale, void **shift)
{
    const un_graph *g = l->plan->graph;
    int c = l->plan->shape[norm->out[0]].c, real = l->plan->real_bytes;
    int64_t count = conv ? g->param[g->value[conv->in[1]].param].count : 0;
    size_t vector = un_round_up((size_t)c * (size_t)real, 64);
    un_cpu_fold *f;

    *scale = un_lower_room(l, vector);
    *shift = un_lower_room(l, vector);
    if (w)
        *w = un_lower_room(l, un_round_up((size_t)count * (size_t)real, 64));
    f = un_lower_fold(l);
    if (!f)
        return;
    *f = (un_cpu_fold){.gamma = un_lower_param(l, norm->in[1]),
        .beta = un_lower_param(l, norm->in[2]),
        .mean = un_lower_param(l, norm->in[3]),
        .var = un_lower_param(l, norm->in[4]),
        .bias = conv && conv->n_in > 2 ? un_lower_param(l, conv->in[2]) : NULL,
        .scale = *scale,
        .shift = *shift,
        .w = w ? un_lower_param(l, conv->in[1]) : NULL,
        .w_folded = w ? *w : NULL,
        .c = c,
        .per = count / UN_MAX(c, 1),
        .eps = norm->attr.norm.eps};
}

/* The norm behind a convolution becomes its bias and a factor of its weights. */
static void fold_into(un_lowering *l, const un_node *norm, const un_node *conv, un_conv_args *a)
{
    const un_kernel *k = un_lower_select(l, UN_K_CONV, a);
    const int packs = k && k->packed_bytes && k->packed_bytes(a);
    void *copy, *scale, *shift;

    add_fold(l, norm, conv, packs ? NULL : &copy, &scale, &shift);
    if (packs)
        a->scale = scale;
    else
        a->w = copy;
    a->bias = shift;
}

/* The two parts of a value that is not made. */
static void parts_of(const un_lowering *l, int maker, int part[2])
{
    const un_node *n = node_at(l, maker);

    if (n->op == UN_OP_CONCAT) {
        memcpy(part, n->in, 2 * sizeof *part);
        return;
    }
    for (int i = maker + 1; i < l->plan->graph->n_nodes; i++) {
        const un_node *r = node_at(l, i);

        if (r->op == UN_OP_SLICE && r->in[0] == n->out[0])
            part[r->attr.slice.index] = r->out[0];
    }
}

/* What a convolution reads, or its data gradient writes: of what is not made, the parts. */
static void set_views(const un_lowering *l, int v, un_view *x, un_view *x2)
{
    const int maker = l->plan->graph->value[v].producer;
    const int whole = maker == UN_NONE || !l->plan->apart[maker];
    int part[2] = {v, UN_NONE};

    if (!whole)
        parts_of(l, maker, part);
    *x = un_lower_view(l, part[0]);
    *x2 = whole ? (un_view){0} : un_lower_view(l, part[1]);
    x->c += x2->c;
}

static void lower_conv(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_conv_args a = {.y = un_lower_view(l, n->out[0])};
    int next = l->plan->fused[i];

    set_views(l, n->in[0], &a.x, &a.x2);
    set_conv(&a, &n->attr.conv);
    a.w = un_lower_param(l, n->in[1]);
    a.bias = n->n_in > 2 ? un_lower_param(l, n->in[2]) : NULL;
    if (next != UN_NONE) {
        const un_node *r = node_at(l, next);

        a.y = un_lower_view(l, r->out[0]);
        if (r->op == UN_OP_NORM) {
            a.act = r->attr.norm.act;
            a.slope = (float)r->attr.norm.slope;
            fold_into(l, r, n, &a);
        } else {
            a.act = r->attr.act.act;
            a.slope = (float)r->attr.act.slope;
        }
    }
    un_lower_emit(l, i, UN_K_CONV, &a, sizeof a);
}

/* The data gradient of a convolution; and a transposed convolution, which is the same map with a bias. */
static void lower_dgrad(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_conv_args a = {.y = un_lower_view(l, n->in[0])};

    set_views(l, n->out[0], &a.x, &a.x2);
    set_conv(&a, &n->attr.conv);
    a.w = un_lower_param(l, n->in[1]);
    a.bias = n->op == UN_OP_CONV_TRANSPOSE && n->n_in > 2 ? un_lower_param(l, n->in[2]) : NULL;
    un_lower_emit(l, i, UN_K_CONV_DGRAD, &a, sizeof a);
}

static void lower_transpose_dgrad(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_conv_args a = {.x = un_lower_view(l, n->in[0]), .y = un_lower_view(l, n->out[0])};

    set_conv(&a, &n->attr.conv);
    a.w = un_lower_param(l, n->in[1]);
    un_lower_emit(l, i, UN_K_CONV, &a, sizeof a);
}

static void set_wgrad(un_wgrad_args *a, const un_conv_attr *at)
{
    for (int i = 0; i < 3; i++) {
        a->k[i] = at->k[i];
        a->stride[i] = at->stride[i];
        a->pad[i] = at->pad[i];
        a->dilation[i] = at->dilation[i];
    }
    a->groups = at->groups;
}

/* The gradients of a shared weight by its further users, added to that of the first. */
static void add_users(un_lowering *l, int i, un_wgrad_args a)
{
    const un_node *n = node_at(l, i);
    const un_graph *g = l->plan->graph;
    const int64_t count = g->param[g->value[n->out[0]].param].count;
    un_axpby_args add = {.y = a.dw, .a = 1, .b = 1, .count = count};

    a.dw = un_lower_room(l, (size_t)count * (size_t)l->plan->real_bytes);
    a.db = NULL;
    add.x = a.dw;
    for (int j = 2; j < n->n_in; j += 2) {
        set_views(l, n->in[j], &a.x, &a.x2);
        a.dy = un_lower_view(l, n->in[j + 1]);
        un_lower_emit(l, i, UN_K_CONV_WGRAD, &a, sizeof a);
        un_lower_emit(l, i, UN_K_AXPBY, &add, sizeof add);
    }
}

static void lower_wgrad(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_wgrad_args a = {.dy = un_lower_view(l, n->in[1])};

    set_views(l, n->in[0], &a.x, &a.x2);
    set_wgrad(&a, &n->attr.conv);
    a.dw = un_lower_param(l, n->out[0]);
    a.db = un_lower_param(l, n->out[1]);
    un_lower_emit(l, i, UN_K_CONV_WGRAD, &a, sizeof a);
    if (n->n_in > 2)
        add_users(l, i, a);
}

/* The convolution that is transposed maps the large side to the small one: its input gradient is what arrives here as
 * dy. */
static void lower_transpose_wgrad(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_wgrad_args a = {.x = un_lower_view(l, n->in[1]), .dy = un_lower_view(l, n->in[0])};

    set_wgrad(&a, &n->attr.conv);
    a.dw = un_lower_param(l, n->out[0]);
    if (a.dw)
        un_lower_emit(l, i, UN_K_CONV_WGRAD, &a, sizeof a);
    a.dw = NULL;
    a.db = un_lower_param(l, n->out[1]);
    a.dy = a.x;
    if (a.db)
        un_lower_emit(l, i, UN_K_CONV_WGRAD, &a, sizeof a);
}

static void lower_affine(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_affine_args a = {.x = un_lower_view(l, n->in[0]),
        .y = un_lower_view(l, n->out[0]),
        .act = n->attr.norm.act,
        .slope = (float)n->attr.norm.slope};
    void *scale, *shift;

    add_fold(l, n, NULL, NULL, &scale, &shift);
    a.scale = scale;
    a.shift = shift;
    un_lower_emit(l, i, UN_K_AFFINE, &a, sizeof a);
}

static void lower_norm(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const un_norm_attr *at = &n->attr.norm;
    un_norm_args a = {.x = un_lower_view(l, n->in[0]),
        .y = un_lower_view(l, n->out[0]),
        .momentum = at->momentum,
        .eps = at->eps,
        .mode = at->mode,
        .groups = at->groups,
        .act = at->act,
        .slope = (float)at->slope};

    if (at->use_running) {
        lower_affine(l, i);
        return;
    }
    a.gamma = n->n_in > 1 ? un_lower_param(l, n->in[1]) : NULL;
    a.beta = n->n_in > 2 ? un_lower_param(l, n->in[2]) : NULL;
    a.mean = un_lower_view(l, n->out[1]).p;
    a.rstd = un_lower_view(l, n->out[2]).p;
    if (at->update_running && n->n_in == 5) {
        a.running_mean = un_lower_param(l, n->in[3]);
        a.running_var = un_lower_param(l, n->in[4]);
    }
    un_lower_emit(l, i, UN_K_NORM, &a, sizeof a);
}

/* The inputs of NORM_APPLY: statistics in front of the parameters. */
static void lower_norm_apply(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const un_norm_attr *at = &n->attr.norm;
    un_norm_args a = {.x = un_lower_view(l, n->in[0]),
        .y = un_lower_view(l, n->out[0]),
        .mean = un_lower_view(l, n->in[1]).p,
        .rstd = un_lower_view(l, n->in[2]).p,
        .gamma = n->n_in > 3 ? un_lower_param(l, n->in[3]) : NULL,
        .beta = n->n_in > 4 ? un_lower_param(l, n->in[4]) : NULL,
        .mode = at->mode,
        .groups = at->groups,
        .act = at->act,
        .given = 1,
        .slope = (float)at->slope};

    un_lower_emit(l, i, UN_K_NORM, &a, sizeof a);
}

static void lower_norm_grad(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const un_norm_attr *at = &n->attr.norm;
    un_norm_grad_args a = {.x = un_lower_view(l, n->in[0]),
        .dy = un_lower_view(l, n->in[3]),
        .dx = un_lower_view(l, n->out[0]),
        .mode = at->mode,
        .groups = at->groups,
        .act = at->act,
        .slope = (float)at->slope};

    a.mean = un_lower_view(l, n->in[1]).p;
    a.rstd = un_lower_view(l, n->in[2]).p;
    a.gamma = n->n_in > 4 ? un_lower_param(l, n->in[4]) : NULL;
    a.beta = n->n_in > 5 ? un_lower_param(l, n->in[5]) : NULL;
    a.dgamma = un_lower_param(l, n->out[1]);
    a.dbeta = un_lower_param(l, n->out[2]);
    un_lower_emit(l, i, UN_K_NORM_GRAD, &a, sizeof a);
}

static void lower_act(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_act_args a = {.x = un_lower_view(l, n->in[0]),
        .y = un_lower_view(l, n->out[0]),
        .act = n->attr.act.act,
        .slope = (float)n->attr.act.slope};

    if (n->op == UN_OP_ACT_GRAD)
        a.dy = un_lower_view(l, n->in[1]);
    un_lower_emit(l, i, n->op == UN_OP_ACT ? UN_K_ACT : UN_K_ACT_GRAD, &a, sizeof a);
}

static void lower_pool(un_lowering *l, int i)
{
    static const un_kernel_family family[] = {[UN_OP_MAX_POOL] = UN_K_MAXPOOL,
        [UN_OP_AVG_POOL] = UN_K_AVGPOOL,
        [UN_OP_MAX_POOL_GRAD] = UN_K_MAXPOOL_GRAD,
        [UN_OP_AVG_POOL_GRAD] = UN_K_AVGPOOL_GRAD};
    const un_node *n = node_at(l, i);
    un_pool_args a = {0};

    memcpy(a.k, n->attr.pool.k, sizeof a.k);
    memcpy(a.stride, n->attr.pool.stride, sizeof a.stride);
    memcpy(a.pad, n->attr.pool.pad, sizeof a.pad);
    if (n->op == UN_OP_MAX_POOL || n->op == UN_OP_AVG_POOL) {
        a.x = un_lower_view(l, n->in[0]);
        a.y = un_lower_view(l, n->out[0]);
    } else {
        a.dx = un_lower_view(l, n->out[0]);
        a.x = n->op == UN_OP_MAX_POOL_GRAD ? un_lower_view(l, n->in[0]) : a.dx;
        a.dy = a.y = un_lower_view(l, n->in[1]);
        if (n->n_in > 2)
            a.add = un_lower_view(l, n->in[2]);
    }
    un_lower_emit(l, i, family[n->op], &a, sizeof a);
}

static void lower_upsample(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    int grad = n->op == UN_OP_UPSAMPLE_GRAD;
    un_upsample_args a = {.x = un_lower_view(l, grad ? n->out[0] : n->in[0]),
        .y = un_lower_view(l, grad ? n->in[1] : n->out[0]),
        .linear = n->attr.upsample.linear,
        .align_corners = n->attr.upsample.align_corners};

    un_lower_emit(l, i, grad ? UN_K_UPSAMPLE_GRAD : UN_K_UPSAMPLE, &a, sizeof a);
}

static void copy_view(un_lowering *l, int i, un_view x, un_view y)
{
    un_copy_args a = {.x = x, .y = y};

    un_lower_emit(l, i, UN_K_COPY, &a, sizeof a);
}

/* Copies those inputs that the planner could not make in place. */
static void lower_concat(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const un_place *place = l->plan->place;
    int first = 0;

    for (int j = 0; j < n->n_in; j++) {
        un_view x = un_lower_view(l, n->in[j]), y = un_lower_view(l, n->out[0]);

        y.p = (char *)y.p + (size_t)first * (size_t)l->plan->real_bytes;
        y.c = x.c;
        if (place[n->in[j]].root != place[n->out[0]].root || x.p != y.p)
            copy_view(l, i, x, y);
        first += x.c;
    }
}

static un_view shifted(un_view v, int64_t elements, int real_bytes)
{
    v.p = (char *)v.p + elements * real_bytes;
    return v;
}

/* Slices and crops that are no views (their input lives elsewhere). */
static void lower_slice(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_view x = un_lower_view(l, n->in[0]), y = un_lower_view(l, n->out[0]);

    x = shifted(x, un_slice_first(l->plan->graph, n, l->plan->shape), l->plan->real_bytes);
    x.c = y.c;
    copy_view(l, i, x, y);
}

static int64_t centre(un_view large, un_view small)
{
    return (large.d - small.d) / 2 * (int64_t)large.sd + (large.h - small.h) / 2 * (int64_t)large.sh +
           (large.w - small.w) / 2 * (int64_t)large.sw;
}

static un_view centre_of(un_view large, un_view small, int real_bytes)
{
    large = shifted(large, centre(large, small), real_bytes);
    large.d = small.d;
    large.h = small.h;
    large.w = small.w;
    return large;
}

static void lower_crop(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_view y = un_lower_view(l, n->out[0]);

    copy_view(l, i, centre_of(un_lower_view(l, n->in[0]), y, l->plan->real_bytes), y);
}

static void lower_crop_grad(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_view dy = un_lower_view(l, n->in[1]), dx = un_lower_view(l, n->out[0]);
    un_copy_args fill = {.y = dx};

    un_lower_emit(l, i, UN_K_FILL, &fill, sizeof fill);
    copy_view(l, i, dy, centre_of(dx, dy, l->plan->real_bytes));
}

static void lower_add(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_add_args a = {un_lower_view(l, n->in[0]), un_lower_view(l, n->in[1]), un_lower_view(l, n->out[0])};

    un_lower_emit(l, i, UN_K_ADD, &a, sizeof a);
}

static double pixels_of(un_view v, int mean)
{
    return mean ? (double)v.d * v.h * v.w : 1;
}

static void lower_mul(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_mul_args a = {.y = un_lower_view(l, n->out[0]), .scale = 1};

    if (n->op == UN_OP_MUL) {
        a.x = un_lower_view(l, n->in[0]);
        a.g = un_lower_view(l, n->in[1]);
    } else {
        a.g = un_lower_view(l, n->in[0]);
        a.scale = 1 / pixels_of(a.y, n->attr.spread.mean);
    }
    un_lower_emit(l, i, UN_K_MUL, &a, sizeof a);
}

static void lower_mul_sum(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_mul_sum_args a = {.x = un_lower_view(l, n->in[0]), .g = un_lower_view(l, n->out[0]), .scale = 1};

    if (n->op == UN_OP_MUL_GRAD)
        a.b = un_lower_view(l, n->in[1]);
    else
        a.scale = 1 / pixels_of(a.x, n->attr.spread.mean);
    un_lower_emit(l, i, UN_K_MUL_SUM, &a, sizeof a);
}

/* Every pixel of a block is a picture of its own with larger strides, and a slice of the channels. */
static void lower_blocks(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const int deep = n->op == UN_OP_SPACE_TO_DEPTH, *b = n->attr.blocks.size;
    const un_view x = un_lower_view(l, n->in[0]), y = un_lower_view(l, n->out[0]);
    un_view wide = deep ? x : y, many = deep ? y : x;

    many.c = wide.c;
    wide.d = many.d;
    wide.h = many.h;
    wide.w = many.w;
    for (int t = 0; t < b[0] * b[1] * b[2]; t++) {
        const int d = t / (b[1] * b[2]), h = t / b[2] % b[1], w = t % b[2];
        un_view from = shifted(wide, d * wide.sd + h * wide.sh + w * wide.sw, l->plan->real_bytes);
        un_view to = shifted(many, (int64_t)t * many.c, l->plan->real_bytes);

        from.sd *= b[0];
        from.sh *= b[1];
        from.sw *= b[2];
        copy_view(l, i, deep ? from : to, deep ? to : from);
    }
}

static void lower_dropout(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_dropout_args a = {.x = un_lower_view(l, n->in[0]),
        .y = un_lower_view(l, n->out[0]),
        .p = n->attr.dropout.p,
        .spatial = n->attr.dropout.spatial,
        .sample = n->attr.dropout.sample,
        .block = n->attr.dropout.block,
        .seed = l->p->spec.seed,
        .step = l->p->counter,
        .node = (uint32_t)n->attr.dropout.stream};

    if (l->plan->training)
        un_lower_emit(l, i, a.block > 1 ? UN_K_DROP_BLOCK : UN_K_DROPOUT, &a, sizeof a);
    else
        copy_view(l, i, a.x, a.y);
}

static void lower_softmax(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    un_softmax_args a = {
        .x = un_lower_view(l, n->in[0]), .y = un_lower_view(l, n->out[0]), .sigmoid = n->attr.softmax.sigmoid};

    un_lower_emit(l, i, UN_K_SOFTMAX, &a, sizeof a);
}

static void *plane(const un_lowering *l, const un_node *n, int input)
{
    return input < n->n_in && n->in[input] != UN_NONE ? un_lower_view(l, n->in[input]).p : NULL;
}

static void lower_loss(un_lowering *l, int i)
{
#define FAMILY(ID, family, name) [UN_LOSS_##ID] = UN_K_##family,
    static const un_kernel_family family[] = {UN_LOSS_KINDS(FAMILY)};
#undef FAMILY
    const un_node *n = node_at(l, i);
    const un_loss_attr *at = &n->attr.loss;
    un_loss_args a = {.logits = un_lower_view(l, n->in[0]),
        .dlogits = un_lower_view(l, n->out[1]),
        .value = un_lower_view(l, n->out[0]).p,
        .weight = at->weight,
        .kind = (un_loss_kind)at->kind,
        .form = (un_loss_form)at->form,
        .factor = (un_loss_factor)at->factor,
        .smoothing = at->smoothing,
        .smooth = at->smooth,
        .batch = at->batch,
        .background = at->background,
        .squared = at->squared,
        .alpha = at->alpha,
        .beta = at->beta,
        .gamma = at->gamma,
        .delta = at->delta,
        .q = at->q,
        .pos_weight = at->pos_weight,
        .share = at->share,
        .threshold = at->threshold,
        .radius = at->radius,
        .spacing = {at->spacing[0], at->spacing[1], at->spacing[2]}};

    if (l->plan->graph->value[n->in[1]].type == UN_TYPE_F32)
        a.soft = plane(l, n, 1);
    else
        a.target = plane(l, n, 1);
    a.pixel_weight = plane(l, n, 2);
    a.class_weight = plane(l, n, 3);
    a.alpha_now = plane(l, n, 4);
    un_lower_emit(l, i, family[at->kind], &a, sizeof a);
}

static void lower_clip(un_lowering *l, int i)
{
    un_sumsq_args a = {
        .x = l->measuring ? NULL : l->p->spec.blocks.grad, .count = l->plan->graph->block_count, .sum = &l->p->sumsq};
    un_cpu_step *s;

    un_lower_emit(l, i, UN_K_SUMSQ, &a, sizeof a);
    s = un_lower_last(l);
    if (s) {
        s->kind = UN_STEP_CLIP;
        s->max_norm = node_at(l, i)->attr.clip.max_norm;
        s->first = 1;
        for (int k = 0; k < i; k++)
            s->first &= node_at(l, k)->op != UN_OP_CLIP;
    }
}

static int64_t count_of(const un_lowering *l, const un_node *n)
{
    const un_graph *g = l->plan->graph;

    return g->param[g->value[n->in[0]].param].count;
}

/* Where the node's parameter lies in a block of the same layout. */
static char *at_block(const un_lowering *l, const un_node *n, void *block)
{
    const un_graph *g = l->plan->graph;

    return block ? (char *)block + g->param[g->value[n->in[0]].param].offset * l->plan->real_bytes : NULL;
}

static void lower_update(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const un_optim_attr *at = &n->attr.optim;
    const un_blocks *b = &l->p->spec.blocks;
    const un_optim_args a = {.kind = at->kind,
        .w = un_lower_param(l, n->in[0]),
        .m = at_block(l, n, b->m),
        .v = at_block(l, n, b->v),
        .x = at_block(l, n, b->x),
        .g = un_lower_param(l, n->in[1]),
        .count = count_of(l, n),
        .hyper = &l->p->hyper,
        .lr_mult = at->lr_mult,
        .weight_decay = at->weight_decay,
        .l1 = at->l1,
        .beta1 = at->beta1,
        .beta2 = at->beta2,
        .eps = at->eps,
        .momentum = at->momentum,
        .nesterov = at->nesterov,
        .centred = at->centred,
        .decoupled = at->decoupled,
        .adapt = at->adapt};

    un_lower_emit(l, i, at->kind == UN_OPTIM_LAMB ? UN_K_LAMB : UN_K_OPTIM, &a, sizeof a);
}

static void lower_average(un_lowering *l, int i)
{
    const un_average_args a = {.w = l->p->spec.blocks.param,
        .avg = l->p->spec.blocks.average,
        .count = l->plan->graph->block_count,
        .hyper = &l->p->hyper};

    un_lower_emit(l, i, UN_K_AVERAGE, &a, sizeof a);
}

static void lower_lookahead(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const un_average_args a = {.w = un_lower_param(l, n->in[0]),
        .avg = at_block(l, n, l->p->spec.blocks.slow),
        .count = count_of(l, n),
        .hyper = &l->p->hyper,
        .every = n->attr.lookahead.every,
        .alpha = n->attr.lookahead.alpha};

    un_lower_emit(l, i, UN_K_LOOKAHEAD, &a, sizeof a);
}

static void lower_perturb(un_lowering *l, int i)
{
    const un_perturb_args a = {.w = l->p->spec.blocks.param,
        .g = l->p->spec.blocks.grad,
        .count = l->plan->graph->block_count,
        .hyper = &l->p->hyper,
        .rho = node_at(l, i)->attr.perturb.rho};

    un_lower_emit(l, i, UN_K_PERTURB, &a, sizeof a);
}

static void lower_clamp(un_lowering *l, int i)
{
    const un_clamp_args a = {.g = l->p->spec.blocks.grad,
        .count = l->plan->graph->block_count,
        .hyper = &l->p->hyper,
        .limit = node_at(l, i)->attr.limit.limit};

    un_lower_emit(l, i, UN_K_CLAMP, &a, sizeof a);
}

static void lower_agc(un_lowering *l, int i)
{
    const un_node *n = node_at(l, i);
    const un_param *p = &l->plan->graph->param[l->plan->graph->value[n->in[0]].param];
    un_agc_args a = {.w = un_lower_param(l, n->in[0]),
        .g = un_lower_param(l, n->in[1]),
        .outer = 1,
        .units = 1,
        .hyper = &l->p->hyper,
        .limit = n->attr.limit.limit,
        .eps = n->attr.limit.eps};

    for (int k = 0; k < n->attr.limit.axis; k++)
        a.outer *= p->dims[k];
    if (n->attr.limit.axis != UN_NONE)
        a.units = p->dims[n->attr.limit.axis];
    a.inner = p->count / (a.outer * a.units);
    un_lower_emit(l, i, UN_K_AGC, &a, sizeof a);
}

static void (*const lower_op[UN_OP_COUNT])(un_lowering *, int) = {
    [UN_OP_CONV] = lower_conv,
    [UN_OP_CONV_TRANSPOSE] = lower_dgrad,
    [UN_OP_NORM] = lower_norm,
    [UN_OP_ACT] = lower_act,
    [UN_OP_MAX_POOL] = lower_pool,
    [UN_OP_AVG_POOL] = lower_pool,
    [UN_OP_UPSAMPLE] = lower_upsample,
    [UN_OP_CONCAT] = lower_concat,
    [UN_OP_ADD] = lower_add,
    [UN_OP_CROP] = lower_crop,
    [UN_OP_MUL] = lower_mul,
    [UN_OP_MUL_GRAD] = lower_mul_sum,
    [UN_OP_GLOBAL_POOL] = lower_mul_sum,
    [UN_OP_EXPAND] = lower_mul,
    [UN_OP_SPACE_TO_DEPTH] = lower_blocks,
    [UN_OP_DEPTH_TO_SPACE] = lower_blocks,
    [UN_OP_DROPOUT] = lower_dropout,
    [UN_OP_SOFTMAX] = lower_softmax,
    [UN_OP_LOSS] = lower_loss,
    [UN_OP_CONV_DGRAD] = lower_dgrad,
    [UN_OP_CONV_TRANSPOSE_DGRAD] = lower_transpose_dgrad,
    [UN_OP_CONV_WGRAD] = lower_wgrad,
    [UN_OP_CONV_TRANSPOSE_WGRAD] = lower_transpose_wgrad,
    [UN_OP_NORM_GRAD] = lower_norm_grad,
    [UN_OP_NORM_APPLY] = lower_norm_apply,
    [UN_OP_ACT_GRAD] = lower_act,
    [UN_OP_MAX_POOL_GRAD] = lower_pool,
    [UN_OP_AVG_POOL_GRAD] = lower_pool,
    [UN_OP_UPSAMPLE_GRAD] = lower_upsample,
    [UN_OP_SLICE] = lower_slice,
    [UN_OP_CROP_GRAD] = lower_crop_grad,
    [UN_OP_CLIP] = lower_clip,
    [UN_OP_CLAMP] = lower_clamp,
    [UN_OP_AGC] = lower_agc,
    [UN_OP_UPDATE] = lower_update,
    [UN_OP_PERTURB] = lower_perturb,
    [UN_OP_LOOKAHEAD] = lower_lookahead,
    [UN_OP_AVERAGE] = lower_average,
};

void un_lower_node(un_lowering *l, int node)
{
    if (!l->plan->moved[node])
        lower_op[node_at(l, node)->op](l, node);
}
