/* What one run of a node does, from its plan and the kernels that were chosen. */
#include "backend/cpu/program.h"

static double view_bytes(const un_view *v, int real_bytes)
{
    return (double)un_view_pixels(v) * v->c * real_bytes;
}

static double value_bytes(const un_plan *plan, int value)
{
    const un_value *v;

    if (value == UN_NONE)
        return 0;
    v = &plan->graph->value[value];
    if (v->store == UN_STORE_PARAM || v->store == UN_STORE_GRAD)
        return (double)plan->graph->param[v->param].count * plan->real_bytes;
    return (double)un_shape_pixels(plan->shape[value]) * plan->shape[value].c * un_type_bytes(plan, v->type);
}

/* Inputs that are read and outputs that are written; where a norm or activation is fused, its parameters and output. */
static double operand_bytes(const un_plan *plan, int i)
{
    const un_node *n = &plan->graph->node[i];
    const int next = plan->fused[i];
    const unsigned like = un_op_describe(n->op)->rules->like_mask;
    double sum = 0;

    for (int k = 0; k < n->n_in; k++)
        sum += like >> k & 1 ? 0 : value_bytes(plan, n->in[k]);
    if (next != UN_NONE) {
        n = &plan->graph->node[next];
        for (int k = 1; k < n->n_in; k++)
            sum += value_bytes(plan, n->in[k]);
        return sum + value_bytes(plan, n->out[0]);
    }
    for (int k = 0; k < n->n_out; k++)
        sum += value_bytes(plan, n->out[k]);
    return sum;
}

static double step_scratch(const un_cpu_step *s)
{
    const un_kernel *k = s->kernel;
    double bytes = k->shared_bytes ? 2 * (double)k->shared_bytes(&s->args) : 0;

    if (s->packed || s->pack >= 0)
        bytes += (s->packed ? 2 : 1) * (double)k->packed_bytes(&s->args);
    return bytes;
}

/* Phases that have tasks. */
static int phases_of(const un_cpu_step *s)
{
    int n = 0;

    for (int phase = 0; phase < s->kernel->phases; phase++)
        n += s->kernel->tasks(&s->args, phase) > 0;
    return n;
}

void un_cpu_work(un_work *out, const un_program *p, int node)
{
    const un_plan *plan = p->spec.plan;
    const un_node *n = &plan->graph->node[node];
    double (*macs)(const un_graph *, const un_node *, const un_shape *) = un_op_describe(n->op)->rules->macs;
    int operands = 0;

    *out = (un_work){0};
    for (int i = 0; i < p->n_steps; i++) {
        const un_cpu_step *s = &p->step[i];

        if (s->node != node || s->idle)
            continue;
        if (!out->kernel)
            out->kernel = s->kernel->name;
        out->regions += phases_of(s) + (s->packed != NULL);
        out->bytes += step_scratch(s);
        if (s->kernel->family == UN_K_COPY) /* of what a concatenation joins, only what lies elsewhere is copied */
            out->bytes += view_bytes(&s->args.copy.x, plan->real_bytes) + view_bytes(&s->args.copy.y, plan->real_bytes);
        else
            operands = 1;
    }
    if (out->kernel && macs)
        out->macs = macs(plan->graph, n, plan->shape);
    if (operands)
        out->bytes += operand_bytes(plan, node);
}
