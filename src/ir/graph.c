/* Building, cloning and looking up. Invariant: ids never change once given. */
#include "ir/graph.h"

#include <string.h>

#include "base/size.h"

unet_status un_graph_create(un_graph **out, un_mem *mem, unet_error *err)
{
    un_graph *g = un_alloc_zero(mem, sizeof *g);

    *out = NULL;
    if (!g)
        return un_fail_nomem(err, sizeof *g);
    g->mem = mem;
    g->arena = un_arena_create(mem);
    if (!g->arena) {
        un_free(g);
        return un_fail_nomem(err, 64);
    }
    *out = g;
    return UNET_OK;
}

void un_graph_destroy(un_graph *g)
{
    if (!g)
        return;
    un_arena_destroy(g->arena);
    un_free(g->value);
    un_free(g->node);
    un_free(g->param);
    un_free(g->input);
    un_free(g->output);
    un_free(g);
}

/* Makes room for one more element; 0 and the mark `failed` when there is no memory. */
static int room(un_graph *g, void **array, int *cap, int n, size_t each)
{
    int more = *cap ? *cap * 2 : 32;
    void *p;

    if (n < *cap)
        return 1;
    p = un_realloc(g->mem, *array, (size_t)more * each);
    if (!p) {
        g->failed = 1;
        return 0;
    }
    *array = p;
    *cap = more;
    return 1;
}

static int add_value(un_graph *g, const char *name, un_store store, un_type type, int channels)
{
    char *copy = un_arena_strdup(g->arena, name);

    if (!copy || !room(g, (void **)&g->value, &g->cap_values, g->n_values, sizeof *g->value)) {
        g->failed = 1;
        return 0;
    }
    g->value[g->n_values] = (un_value){
        .name = copy, .store = store, .type = type, .producer = UN_NONE, .param = UN_NONE, .channels = channels};
    return g->n_values++;
}

static void add_id(un_graph *g, int **list, int *n, int *cap, int id)
{
    if (room(g, (void **)list, cap, *n, sizeof **list))
        (*list)[(*n)++] = id;
}

int un_graph_input(un_graph *g, const char *name, un_type type, int channels)
{
    int v = add_value(g, name, UN_STORE_ACT, type, channels);

    add_id(g, &g->input, &g->n_inputs, &g->cap_inputs, v);
    return v;
}

int un_graph_const(un_graph *g, const char *name, un_type type, int channels)
{
    int v = add_value(g, name, UN_STORE_CONST, type, channels);

    add_id(g, &g->input, &g->n_inputs, &g->cap_inputs, v);
    return v;
}

int un_graph_param(un_graph *g, const char *name, un_param_role role, int trainable, int rank, const int *dims)
{
    int v = add_value(g, name, UN_STORE_PARAM, UN_TYPE_REAL, 0);
    un_param *p;

    if (g->failed || rank < 1 || rank > UN_MAX_RANK ||
        !room(g, (void **)&g->param, &g->cap_params, g->n_params, sizeof *p)) {
        g->failed = 1;
        return 0;
    }
    p = &g->param[g->n_params];
    *p = (un_param){
        .name = g->value[v].name, .role = role, .trainable = trainable, .rank = rank, .count = 1, .value = v};
    for (int i = 0; i < rank; i++) {
        p->dims[i] = dims[i];
        if (dims[i] < 1 || __builtin_mul_overflow(p->count, (int64_t)dims[i], &p->count) ||
            p->count > INT64_C(1) << 40) {
            g->failed = 1;
            return 0;
        }
    }
    p->offset = g->block_count;
    g->block_count += (int64_t)un_round_up((size_t)p->count, 16);
    g->value[v].param = g->n_params++;
    return v;
}

int un_graph_grad(un_graph *g, int param)
{
    int v;

    for (int i = 0; i < g->n_values; i++)
        if (g->value[i].store == UN_STORE_GRAD && g->value[i].param == param)
            return i;
    v = add_value(g, g->param[param].name, UN_STORE_GRAD, UN_TYPE_REAL, 0);
    if (!g->failed)
        g->value[v].param = param;
    return v;
}

int un_graph_node_to(
    un_graph *g, un_op op, const char *name, const int *in, int n_in, const int *out, const un_attr *attr)
{
    const un_op_info *info = un_op_describe(op);
    char *copy = un_arena_strdup(g->arena, name);
    int id = g->n_nodes;
    un_node n = {.op = op, .name = copy, .n_in = n_in, .n_out = info->outputs, .origin = UN_NONE};

    if (!copy || n_in < info->least_inputs || n_in > info->most_inputs ||
        !room(g, (void **)&g->node, &g->cap_nodes, g->n_nodes, sizeof n)) {
        g->failed = 1;
        return 0;
    }
    if (attr)
        n.attr = *attr;
    if (n_in)
        memcpy(n.in, in, (size_t)n_in * sizeof *in);
    for (int i = 0; i < info->outputs; i++) {
        n.out[i] = out ? out[i] : UN_NEW;
        if (n.out[i] == UN_NEW)
            n.out[i] = add_value(g, copy, UN_STORE_ACT, UN_TYPE_REAL, 0);
        if (g->failed)
            return 0;
        if (n.out[i] != UN_NONE)
            g->value[n.out[i]].producer = id;
    }
    g->node[g->n_nodes++] = n;
    return id;
}

int un_graph_node(un_graph *g, un_op op, const char *name, const int *in, int n_in, const un_attr *attr)
{
    return un_graph_node_to(g, op, name, in, n_in, NULL, attr);
}

int un_graph_op(un_graph *g, un_op op, const char *name, const int *in, int n_in, const un_attr *attr)
{
    int id = un_graph_node(g, op, name, in, n_in, attr);

    return g->failed ? 0 : g->node[id].out[0];
}

void un_graph_output(un_graph *g, int value)
{
    add_id(g, &g->output, &g->n_outputs, &g->cap_outputs, value);
}

int un_graph_find_param(const un_graph *g, const char *name)
{
    for (int i = 0; i < g->n_params; i++)
        if (!strcmp(g->param[i].name, name))
            return i;
    return UN_NONE;
}

int un_graph_find_value(const un_graph *g, const char *name)
{
    for (int i = 0; i < g->n_values; i++)
        if (!strcmp(g->value[i].name, name))
            return i;
    return UN_NONE;
}

static void *copy_array(un_graph *g, const void *src, int n, int *cap, size_t each)
{
    void *p;

    *cap = n ? n : 1;
    p = un_alloc(g->mem, (size_t)*cap * each);
    if (!p)
        g->failed = 1;
    else if (n)
        memcpy(p, src, (size_t)n * each);
    return p;
}

unet_status un_graph_clone(un_graph **out, un_mem *mem, const un_graph *src, unet_error *err)
{
    un_graph *g;
    unet_status st = un_graph_create(&g, mem, err);

    *out = NULL;
    if (st)
        return st;
    g->value = copy_array(g, src->value, g->n_values = src->n_values, &g->cap_values, sizeof *g->value);
    g->node = copy_array(g, src->node, g->n_nodes = src->n_nodes, &g->cap_nodes, sizeof *g->node);
    g->param = copy_array(g, src->param, g->n_params = src->n_params, &g->cap_params, sizeof *g->param);
    g->input = copy_array(g, src->input, g->n_inputs = src->n_inputs, &g->cap_inputs, sizeof *g->input);
    g->output = copy_array(g, src->output, g->n_outputs = src->n_outputs, &g->cap_outputs, sizeof *g->output);
    g->block_count = src->block_count;
    for (int i = 0; i < g->n_values && !g->failed; i++)
        if (!(g->value[i].name = un_arena_strdup(g->arena, g->value[i].name)))
            g->failed = 1;
    for (int i = 0; i < g->n_nodes && !g->failed; i++)
        if (!(g->node[i].name = un_arena_strdup(g->arena, g->node[i].name)))
            g->failed = 1;
    for (int i = 0; i < g->n_params && !g->failed; i++)
        g->param[i].name = g->value[g->param[i].value].name;
    if (g->failed) {
        un_graph_destroy(g);
        return un_fail_nomem(err, (size_t)src->n_values * sizeof *g->value);
    }
    *out = g;
    return UNET_OK;
}
