#include "model/graph_json.h"

#include <string.h>

#include "base/size.h"
#include "io/json.h"

static const int64_t COUNT_MAX = INT64_C(1) << 36; /* elements of a parameter */
enum { PARAMS_MAX = 8192, NODES_MAX = 16384, PORTS_MAX = 16, NAME_MAX_BYTES = 200 };

static const char *const roles[] = {
    [UN_PARAM_WEIGHT] = "weight",
    [UN_PARAM_BIAS] = "bias",
    [UN_PARAM_NORM_SCALE] = "norm_scale",
    [UN_PARAM_NORM_SHIFT] = "norm_shift",
    [UN_PARAM_RUNNING_MEAN] = "running_mean",
    [UN_PARAM_RUNNING_VAR] = "running_var",
};
_Static_assert(sizeof roles / sizeof *roles == UN_PARAM_COUNT, "a name each");

/* Losses, gradients and updates come after the last forward operator in ops.def. */
static int is_forward(int op)
{
    return op >= 0 && op <= UN_OP_SOFTMAX;
}

/* ---- writing ---- */

static void write_field(un_text *t, const un_node *n, const un_field *f)
{
    const char *at = (const char *)&n->attr + f->offset;
    double d;
    int v[3] = {0};

    un_text_printf(t, "\"%s\":", f->name);
    if (f->type == UN_FIELD_DOUBLE) {
        memcpy(&d, at, sizeof d);
        un_text_number(t, d);
        return;
    }
    memcpy(v, at, (f->type == UN_FIELD_INT3 ? 3 : 1) * sizeof *v);
    if (f->type == UN_FIELD_INT3)
        un_text_printf(t, "[%d,%d,%d]", v[0], v[1], v[2]);
    else if (f->type == UN_FIELD_BOOL)
        un_text_add(t, v[0] ? "true" : "false");
    else if (f->type == UN_FIELD_ENUM)
        un_text_printf(t, "\"%s\"", f->names[v[0]]);
    else
        un_text_printf(t, "%d", v[0]);
}

static void write_node(un_text *t, const un_node *n, const int *number)
{
    const un_op_info *info = un_op_describe(n->op);

    un_text_printf(t, "{\"op\":\"%s\",\"version\":%d,\"name\":", info->name, info->version);
    un_text_json_string(t, n->name);
    un_text_add(t, ",\"in\":[");
    for (int i = 0; i < n->n_in; i++)
        un_text_printf(t, "%s%d", i ? "," : "", number[n->in[i]]);
    un_text_add(t, "],\"attr\":{");
    for (int i = 0; i < info->rules->n_fields; i++) {
        un_text_add(t, i ? "," : "");
        write_field(t, n, &info->rules->fields[i]);
    }
    un_text_add(t, "}}");
}

static void write_param(un_text *t, const un_param *p)
{
    un_text_add(t, "{\"name\":");
    un_text_json_string(t, p->name);
    un_text_printf(t, ",\"role\":\"%s\",\"group\":%d,\"trainable\":%s,\"dims\":[", roles[p->role], p->group,
        p->trainable ? "true" : "false");
    for (int i = 0; i < p->rank; i++)
        un_text_printf(t, "%s%d", i ? "," : "", p->dims[i]);
    un_text_add(t, "]}");
}

/* The numbers of all values in the file. */
static int *number_values(const un_graph *g)
{
    int *number = un_alloc_array(g->mem, (size_t)g->n_values + 1, sizeof *number), next = 0;

    if (!number)
        return NULL;
    for (int i = 0; i < g->n_inputs; i++)
        number[g->input[i]] = next++;
    for (int i = 0; i < g->n_params; i++)
        number[g->param[i].value] = next++;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_out; k++)
            number[g->node[i].out[k]] = next++;
    return number;
}

unet_status un_graph_to_json(const un_graph *g, un_text *t, unet_error *err)
{
    int *number;

    for (int i = 0; i < g->n_nodes; i++)
        if (!is_forward(g->node[i].op))
            return un_fail(err, UNET_E_INTERNAL, "node '%s' is no part of a forward graph", g->node[i].name);
    number = number_values(g);
    if (!number)
        return un_fail_nomem(err, (size_t)g->n_values * sizeof *number);
    un_text_printf(t, "{\"version\":%d,\"inputs\":[", UN_GRAPH_JSON_VERSION);
    for (int i = 0; i < g->n_inputs; i++) {
        un_text_add(t, i ? ",{\"name\":" : "{\"name\":");
        un_text_json_string(t, g->value[g->input[i]].name);
        un_text_printf(t, ",\"channels\":%d}", g->value[g->input[i]].channels);
    }
    un_text_add(t, "],\n\"params\":[");
    for (int i = 0; i < g->n_params; i++) {
        un_text_add(t, i ? ",\n" : "\n");
        write_param(t, &g->param[i]);
    }
    un_text_add(t, "],\n\"nodes\":[");
    for (int i = 0; i < g->n_nodes; i++) {
        un_text_add(t, i ? ",\n" : "\n");
        write_node(t, &g->node[i], number);
    }
    un_text_add(t, "],\n\"outputs\":[");
    for (int i = 0; i < g->n_outputs; i++)
        un_text_printf(t, "%s%d", i ? "," : "", number[g->output[i]]);
    un_text_add(t, "]}");
    un_free(number);
    return un_text_status(t, "the text of the graph becomes too large", err);
}

/* ---- reading ---- */

typedef struct source {
    const char *name; /* of the file */
    unet_error *err;
} source;

static unet_status bad(const source *s, const char *what, size_t index)
{
    return un_fail_file(s->err, UNET_E_FORMAT, s->name, "graph: %s (entry %zu)", what, index);
}

static const char *name_of(const un_json *j)
{
    const char *name = un_json_string(un_json_get(j, "name"));

    return name && name[0] && strlen(name) <= NAME_MAX_BYTES ? name : NULL;
}

/* A whole number of the range; 0 when it is none. */
static int small_int(const un_json *j, int64_t lo, int64_t hi, int *out)
{
    int64_t v;

    if (!un_json_int(j, &v) || v < lo || v > hi)
        return 0;
    *out = (int)v;
    return 1;
}

static int read_field(const un_field *f, const un_json *j, char *at)
{
    double d = f->fallback;
    int v[3] = {(int)f->fallback, (int)f->fallback, (int)f->fallback};
    const char *word = un_json_string(j);

    if (f->type == UN_FIELD_DOUBLE) {
        if (j && !un_json_number(j, &d))
            return 0;
        memcpy(at, &d, sizeof d);
        return 1;
    }
    if (f->type == UN_FIELD_INT3) {
        for (size_t i = 0; i < 3 && j; i++)
            if (un_json_count(j) != 3 || !small_int(un_json_at(j, i), INT32_MIN, INT32_MAX, &v[i]))
                return 0;
        memcpy(at, v, sizeof v);
        return 1;
    }
    if (j && f->type == UN_FIELD_BOOL && !un_json_bool(j, v))
        return 0;
    if (j && f->type == UN_FIELD_INT && !small_int(j, INT32_MIN, INT32_MAX, v))
        return 0;
    if (j && f->type == UN_FIELD_ENUM) {
        for (v[0] = 0; f->names[v[0]] && word && strcmp(f->names[v[0]], word); v[0]++)
            ;
        if (!word || !f->names[v[0]])
            return 0;
    }
    memcpy(at, v, sizeof *v);
    return 1;
}

static unet_status read_attr(const source *s, const un_op_info *info, const un_json *j, size_t index, un_attr *a)
{
    const un_json *value;
    const char *key;
    void *iter = NULL;

    memset(a, 0, sizeof *a);
    while (un_json_next(j, &iter, &key, &value)) {
        int known = 0;

        for (int i = 0; i < info->rules->n_fields; i++)
            known |= !strcmp(key, info->rules->fields[i].name);
        if (!known)
            return un_fail_file(s->err, UNET_E_FORMAT, s->name,
                "graph: node %zu (%s) has the unknown attribute '%.60s'", index, info->name, key);
    }
    for (int i = 0; i < info->rules->n_fields; i++) {
        const un_field *f = &info->rules->fields[i];

        if (!read_field(f, un_json_get(j, f->name), (char *)a + f->offset))
            return un_fail_file(s->err, UNET_E_FORMAT, s->name,
                "graph: node %zu (%s): the attribute '%s' has a wrong type", index, info->name, f->name);
    }
    return UNET_OK;
}

/* Convolutions and norms take parameters after their first input; all others take activations only. */
static int takes_param(un_op op, size_t input)
{
    return input > 0 && (op == UN_OP_CONV || op == UN_OP_CONV_TRANSPOSE || op == UN_OP_NORM);
}

static unet_status read_node(const source *s, un_graph *g, const un_json *j, size_t index)
{
    const char *word = un_json_string(un_json_get(j, "op")), *name = name_of(j);
    const un_json *list = un_json_get(j, "in");
    int op = word ? un_op_by_name(word) : UN_NONE, in[UN_MAX_INPUTS], version;
    const un_op_info *info;
    un_attr attr;
    unet_status st;

    if (!word || !name)
        return bad(s, "a node without operator or name", index);
    if (!is_forward(op))
        return un_fail_file(s->err, UNET_E_VERSION, s->name,
            "graph: the operator '%.60s' of node '%.60s' is unknown to this unet; a newer one may know it", word, name);
    info = un_op_describe((un_op)op);
    if (!small_int(un_json_get(j, "version"), 1, 1000000, &version))
        return bad(s, "a node without version", index);
    if (version > info->version)
        return un_fail_file(s->err, UNET_E_VERSION, s->name,
            "graph: node '%.60s' needs version %d of '%s'; this unet has %d", name, version, info->name, info->version);
    if (!un_json_is_array(list) || un_json_count(list) < (size_t)info->least_inputs ||
        un_json_count(list) > (size_t)info->most_inputs)
        return bad(s, "a node with a wrong number of inputs", index);
    for (size_t i = 0; i < un_json_count(list); i++)
        if (!small_int(un_json_at(list, i), 0, g->n_values - 1, &in[i]))
            return bad(s, "a node that uses a value before it is made", index);
    for (size_t i = 0; i < un_json_count(list); i++)
        if ((g->value[in[i]].store == UN_STORE_PARAM) != takes_param((un_op)op, i))
            return bad(s, "a node that takes a parameter for an activation, or the other way round", index);
    st = read_attr(s, info, un_json_get(j, "attr"), index, &attr);
    if (!st)
        un_graph_node(g, (un_op)op, name, in, (int)un_json_count(list), &attr);
    return g->failed ? un_fail_nomem(s->err, sizeof *g->node) : st;
}

static unet_status read_param(const source *s, un_graph *g, const un_json *j, size_t index)
{
    const char *name = name_of(j), *word = un_json_string(un_json_get(j, "role"));
    const un_json *list = un_json_get(j, "dims");
    int role = 0, dims[UN_MAX_RANK], trainable, group;
    const size_t rank = un_json_count(list);
    int64_t count = 1;

    while (role < UN_PARAM_COUNT && word && strcmp(roles[role], word))
        role++;
    if (!name || !word || role == UN_PARAM_COUNT || !un_json_is_array(list) || rank < 1 || rank > UN_MAX_RANK)
        return bad(s, "a parameter without name, role or dims", index);
    for (size_t i = 0; i < rank; i++)
        if (!small_int(un_json_at(list, i), 1, INT32_MAX, &dims[i]) || __builtin_mul_overflow(count, dims[i], &count) ||
            count > COUNT_MAX)
            return bad(s, "a parameter with impossible dims", index);
    if (!un_json_bool(un_json_get(j, "trainable"), &trainable) || !small_int(un_json_get(j, "group"), 0, 1000, &group))
        return bad(s, "a parameter without trainable or group", index);
    un_graph_param(g, name, (un_param_role)role, trainable, (int)rank, dims);
    if (g->failed)
        return un_fail_nomem(s->err, sizeof *g->param);
    g->param[g->n_params - 1].group = group;
    return UNET_OK;
}

static unet_status read_graph(const source *s, un_graph *g, const un_json *j)
{
    const un_json *inputs = un_json_get(j, "inputs"), *params = un_json_get(j, "params"),
                  *nodes = un_json_get(j, "nodes"), *outputs = un_json_get(j, "outputs");
    unet_status st = UNET_OK;
    int v;

    if (!small_int(un_json_get(j, "version"), 1, 1000000, &v))
        return bad(s, "no version", 0);
    if (v > UN_GRAPH_JSON_VERSION)
        return un_fail_file(
            s->err, UNET_E_VERSION, s->name, "graph: version %d; this unet reads up to %d", v, UN_GRAPH_JSON_VERSION);
    if (un_json_count(inputs) < 1 || un_json_count(inputs) > PORTS_MAX || un_json_count(outputs) < 1 ||
        un_json_count(outputs) > PORTS_MAX || un_json_count(params) > PARAMS_MAX || un_json_count(nodes) > NODES_MAX ||
        un_json_is_object(nodes) || un_json_is_object(params))
        return bad(s, "no inputs, parameters, nodes or outputs, or too many of them", 0);
    for (size_t i = 0; i < un_json_count(inputs); i++) {
        const un_json *e = un_json_at(inputs, i);

        if (!name_of(e) || !small_int(un_json_get(e, "channels"), 0, 65536, &v))
            return bad(s, "an input without name or channels", i);
        un_graph_input(g, name_of(e), UN_TYPE_REAL, v);
        if (g->failed)
            return un_fail_nomem(s->err, sizeof *g->value);
    }
    for (size_t i = 0; i < un_json_count(params) && !st; i++)
        st = read_param(s, g, un_json_at(params, i), i);
    for (size_t i = 0; i < un_json_count(nodes) && !st; i++)
        st = read_node(s, g, un_json_at(nodes, i), i);
    for (size_t i = 0; i < un_json_count(outputs) && !st; i++) {
        if (!small_int(un_json_at(outputs, i), 0, g->n_values - 1, &v) || g->value[v].store != UN_STORE_ACT)
            return bad(s, "an output that is no value", i);
        un_graph_output(g, v);
    }
    return st ? st : un_graph_check(g, s->err);
}

unet_status un_graph_from_json(
    un_graph **out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err)
{
    const source s = {name, err};
    un_graph *g = NULL;
    un_json *j;
    unet_status st;

    *out = NULL;
    st = un_json_parse(&j, mem, text, size, name, err);
    if (st)
        return st;
    st = un_graph_create(&g, mem, err);
    if (!st)
        st = read_graph(&s, g, j);
    un_json_free(j);
    if (st) {
        un_graph_destroy(g);
        un_error_where(err, name);
        return st;
    }
    *out = g;
    return UNET_OK;
}
