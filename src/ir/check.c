/* The gate for graphs, whoever made them, and shape inference. */
#include "ir/graph.h"

#include <string.h>

#include "base/size.h"

static unet_status bad(const un_node *n, unet_error *err, const char *what, long long got)
{
    return un_fail(
        err, UNET_E_FORMAT, "graph: node '%s' (%s): %s (%lld)", n->name, un_op_describe(n->op)->name, what, got);
}

static unet_status check_field(const un_node *n, const un_field *f, unet_error *err)
{
    const char *at = (const char *)&n->attr + f->offset;
    double v[3] = {0};
    int count = 1;

    if (f->type == UN_FIELD_DOUBLE) {
        memcpy(v, at, sizeof *v);
    } else {
        int i[3];

        count = f->type == UN_FIELD_INT3 ? 3 : 1;
        memcpy(i, at, (size_t)count * sizeof *i);
        for (int j = 0; j < count; j++)
            v[j] = i[j];
    }
    if (f->type == UN_FIELD_ENUM) {
        int names = 0;

        while (f->names[names])
            names++;
        if (v[0] < 0 || v[0] >= names)
            return bad(n, err, f->name, (long long)v[0]);
        return UNET_OK;
    }
    for (int j = 0; j < count; j++)
        if (!(v[j] >= f->low && v[j] <= f->high))
            return un_fail(err, UNET_E_FORMAT, "graph: node '%s': %s = %g is outside %g..%g", n->name, f->name, v[j],
                f->low, f->high);
    return UNET_OK;
}

/* Losses may leave out the pixel weight and still have class weights. */
static int may_be_absent(const un_node *n, int input)
{
    return n->op == UN_OP_LOSS && input >= 2;
}

static unet_status check_node(const un_graph *g, int id, unet_error *err)
{
    const un_node *n = &g->node[id];
    const un_op_info *info;
    unet_status st = UNET_OK;

    if ((unsigned)n->op >= UN_OP_COUNT)
        return un_fail(err, UNET_E_FORMAT, "graph: node %d has the unknown operator %d", id, (int)n->op);
    info = un_op_describe(n->op);
    if (n->n_in < info->least_inputs || n->n_in > info->most_inputs)
        return bad(n, err, "wrong number of inputs", n->n_in);
    if (n->n_out != info->outputs)
        return bad(n, err, "wrong number of outputs", n->n_out);
    for (int i = 0; i < n->n_in; i++) {
        int v = n->in[i];

        if (v == UN_NONE && may_be_absent(n, i))
            continue;
        if (v < 0 || v >= g->n_values)
            return bad(n, err, "an input is no value", v);
        if (g->value[v].store != UN_STORE_PARAM && g->value[v].producer >= id)
            return bad(n, err, "an input is used before it is made", v);
    }
    for (int i = 0; i < n->n_out; i++) {
        int v = n->out[i];

        if (v == UN_NONE && i < 2 + (n->op == UN_OP_NORM_GRAD))
            continue;
        if (v < 0 || v >= g->n_values)
            return bad(n, err, "an output is no value", v);
        if (g->value[v].producer != id)
            return bad(n, err, "an output is assigned twice", v);
    }
    if (n->op == UN_OP_SLICE && (n->origin < 0 || n->origin >= g->n_nodes || g->node[n->origin].op != UN_OP_CONCAT ||
                                    n->attr.slice.index >= g->node[n->origin].n_in))
        return bad(n, err, "a slice without its concat", n->origin);
    for (int i = 0; i < info->rules->n_fields && !st; i++)
        st = check_field(n, &info->rules->fields[i], err);
    return st;
}

static unet_status check_params(const un_graph *g, unet_error *err)
{
    int64_t end = 0;

    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];
        int64_t count = 1;

        if (p->rank < 1 || p->rank > UN_MAX_RANK || p->value < 0 || p->value >= g->n_values ||
            g->value[p->value].param != i || (unsigned)p->role >= UN_PARAM_COUNT)
            return un_fail(err, UNET_E_FORMAT, "graph: parameter '%s' is malformed", p->name);
        for (int j = 0; j < p->rank; j++)
            if (p->dims[j] < 1 || __builtin_mul_overflow(count, (int64_t)p->dims[j], &count))
                return un_fail(err, UNET_E_FORMAT, "graph: parameter '%s' has impossible dims", p->name);
        if (count != p->count || p->offset < end || p->offset > g->block_count - count)
            return un_fail(err, UNET_E_FORMAT, "graph: parameter '%s' does not lie in its block", p->name);
        end = p->offset + count;
        for (int j = 0; j < i; j++)
            if (!strcmp(g->param[j].name, p->name))
                return un_fail(err, UNET_E_FORMAT, "graph: two parameters are named '%s'", p->name);
    }
    return UNET_OK;
}

static unet_status check_ids(const un_graph *g, const int *list, int n, const char *what, unet_error *err)
{
    for (int i = 0; i < n; i++)
        if (list[i] < 0 || list[i] >= g->n_values)
            return un_fail(err, UNET_E_FORMAT, "graph: %s %d is no value", what, i);
    return UNET_OK;
}

unet_status un_graph_check(const un_graph *g, unet_error *err)
{
    unet_status st;

    if (g->failed)
        return un_fail(
            err, UNET_E_NOMEM, "out of memory while the graph was built, or a node was given wrong operands");
    for (int i = 0; i < g->n_values; i++) {
        const un_value *v = &g->value[i];

        if ((v->store == UN_STORE_PARAM || v->store == UN_STORE_GRAD) && (v->param < 0 || v->param >= g->n_params))
            return un_fail(err, UNET_E_FORMAT, "graph: value %d belongs to no parameter", i);
        if (v->producer >= g->n_nodes)
            return un_fail(err, UNET_E_FORMAT, "graph: value %d has no such producer", i);
    }
    st = check_params(g, err);
    if (!st)
        st = check_ids(g, g->input, g->n_inputs, "input", err);
    if (!st)
        st = check_ids(g, g->output, g->n_outputs, "output", err);
    for (int i = 0; i < g->n_nodes && !st; i++)
        st = check_node(g, i, err);
    return st;
}

unet_status un_graph_infer(const un_graph *g, un_shape *shapes, unet_error *err)
{
    unet_status st = UNET_OK;

    for (int i = 0; i < g->n_inputs; i++) {
        un_shape s = shapes[g->input[i]];
        int want = g->value[g->input[i]].channels;

        if (s.n < 1 || s.d < 1 || s.h < 1 || s.w < 1 || s.c < 1)
            return un_fail(err, UNET_E_ARG, "input '%s' has no extents", g->value[g->input[i]].name);
        if (want && s.c != want)
            return un_fail(err, UNET_E_DATA, "input '%s' has %d channels; the network takes %d",
                g->value[g->input[i]].name, s.c, want);
    }
    for (int i = 0; i < g->n_nodes && !st; i++) {
        const un_node *n = &g->node[i];

        st = un_op_describe(n->op)->rules->infer(g, n, shapes, err);
    }
    return st;
}
