#include "model/file.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/graph_json.h"

enum { TEXT_MAX = 16 << 20 };

static void free_pairs(un_model *m)
{
    for (int i = 0; i < m->n_pairs; i++) {
        un_free(m->pair[i].input);
        un_free(m->pair[i].output);
    }
    m->n_pairs = 0;
}

un_model *un_model_keep(const un_model *m)
{
    if (!m->settled)
        return NULL;
    un_shared_join(m->shared);
    return (un_model *)(uintptr_t)m;
}

void un_model_destroy(un_model *m)
{
    if (!m || (m->shared && !un_shared_leave(m->shared)))
        return;
    un_shared_destroy(m->shared);
    free_pairs(m);
    un_graph_destroy(m->graph);
    if (m->map.data)
        un_map_close(&m->map);
    else
        un_free(m->weights);
    un_free(m->record);
    un_free(m);
}

static unet_status alloc_weights(un_model *m, unet_error *err)
{
    m->weights = un_alloc_array(m->mem, (size_t)UN_MAX(m->graph->block_count, 1), sizeof *m->weights);
    return m->weights ? UNET_OK : un_fail_nomem(err, (size_t)m->graph->block_count * sizeof *m->weights);
}

unet_status un_model_create(un_model **out, un_mem *mem, const un_config *c, unet_error *err)
{
    un_graph *g;
    unet_status st = un_config_check(c, err);

    *out = NULL;
    if (!st)
        st = un_model_build(&g, mem, &c->model, err);
    return st ? st : un_model_from_graph(out, mem, c, g, err);
}

unet_status un_model_from_graph(un_model **out, un_mem *mem, const un_config *c, un_graph *g, unet_error *err)
{
    un_model *m = un_alloc_zero(mem, sizeof *m);
    unet_status st = un_graph_check(g, err);

    *out = NULL;
    if (!m) {
        un_graph_destroy(g);
        return un_fail_nomem(err, sizeof *m);
    }
    m->mem = mem;
    m->config = *c;
    m->graph = g;
    m->shared = un_shared_create(mem);
    if (!st && !m->shared)
        st = un_fail_nomem(err, sizeof *m);
    if (!st)
        st = alloc_weights(m, err);
    if (!st)
        st = un_model_init(m->graph, &c->model, (uint64_t)c->train.seed, m->weights, mem, err);
    if (st) {
        un_model_destroy(m);
        return st;
    }
    *out = m;
    return UNET_OK;
}

unet_status un_model_set_record(un_model *m, const char *json, unet_error *err)
{
    un_json *j;
    unet_status st = un_json_parse(&j, m->mem, json, strlen(json), "training record", err);
    const int fits = !st && un_json_is_object(j);
    char *copy;

    if (st)
        return st;
    un_json_free(j);
    if (!fits)
        return un_fail(err, UNET_E_FORMAT, "the training record is no JSON object");
    copy = un_strdup(m->mem, json);
    if (!copy)
        return un_fail_nomem(err, strlen(json));
    un_free(m->record);
    m->record = copy;
    return UNET_OK;
}

/* ---- pairs ---- */

static unet_status infer_output(const un_graph *g, un_shape in, un_shape *out, unet_error *err)
{
    un_shape *s = un_alloc_array(g->mem, (size_t)g->n_values, sizeof *s);
    unet_status st;

    if (!s)
        return un_fail_nomem(err, (size_t)g->n_values * sizeof *s);
    s[g->input[0]] = in;
    st = un_graph_infer(g, s, err);
    *out = s[g->output[g->n_outputs > 1 ? 1 : 0]];
    un_free(s);
    return st;
}

/* The smallest extents on the grid that the network takes; valid padding needs room for its border. */
static unet_status smallest_input(const un_model *m, un_shape *in, un_shape *out, unet_error *err)
{
    int grid[3];
    unet_status st = UNET_E_DATA;

    un_model_grid(&m->config.model, grid);
    for (int i = 1; i <= 64 && st; i++) {
        *in = (un_shape){1, grid[0] * (grid[0] > 1 ? i : 1), grid[1] * i, grid[2] * i, m->config.model.in_channels};
        if (m->config.model.dims == 3 && grid[0] == 1)
            in->d = 4 * i;
        st = infer_output(m->graph, *in, out, err);
    }
    return st;
}

unet_status un_model_make_pairs(un_model *m, unet_error *err)
{
    un_shape in, out;
    unet_status st;

    free_pairs(m);
    st = smallest_input(m, &in, &out, err);
    if (st)
        return st;
    for (int i = 0; i < UN_MODEL_PAIRS_LEAST; i++) {
        un_model_pair *p = &m->pair[i];
        un_rng r;

        *p = (un_model_pair){.in = in, .out = out};
        p->input = un_alloc_array(m->mem, (size_t)un_shape_count(in), sizeof *p->input);
        p->output = un_alloc_array(m->mem, (size_t)un_shape_count(out), sizeof *p->output);
        m->n_pairs = i + 1;
        if (!p->input || !p->output) {
            free_pairs(m);
            return un_fail_nomem(err, (size_t)un_shape_count(in) * sizeof *p->input);
        }
        un_rng_init(&r, 0, UN_RNG_SELFTEST, (uint32_t)i, 0, 0);
        for (int64_t k = 0; k < un_shape_count(in); k++)
            p->input[k] = (float)un_rng_normal(&r);
    }
    return UNET_OK;
}

/* ---- saving ---- */

static un_st_tensor pair_tensor(char *name, size_t size, int i, const char *what, un_shape s, const float *data)
{
    snprintf(name, size, "selftest.%d.%s", i, what);
    return (un_st_tensor){.name = name, .dtype = UN_ST_F32, .rank = 5, .dims = {s.n, s.d, s.h, s.w, s.c}, .data = data};
}

unet_status un_model_save(const un_model *m, const char *path, unet_error *err)
{
    static const un_config_style style = {.no_paths = 1};
    const un_graph *g = m->graph;
    char names[2 * UN_MODEL_PAIRS_MAX][32], version[16];
    un_st_tensor *t = un_alloc_array(m->mem, (size_t)g->n_params + 2 * UN_MODEL_PAIRS_MAX, sizeof *t);
    un_text graph, config;
    size_t n = 0, n_meta = 3;
    unet_status st;

    if (!t)
        return un_fail_nomem(err, (size_t)g->n_params * sizeof *t);
    un_text_init(&graph, m->mem, TEXT_MAX);
    un_text_init(&config, m->mem, TEXT_MAX);
    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];

        t[n] = (un_st_tensor){.name = p->name, .dtype = UN_ST_F32, .rank = p->rank, .data = m->weights + p->offset};
        for (int k = 0; k < p->rank; k++)
            t[n].dims[k] = p->dims[k];
        n++;
    }
    for (int i = 0; i < m->n_pairs; i++) {
        t[n++] = pair_tensor(names[2 * i], sizeof names[0], i, "input", m->pair[i].in, m->pair[i].input);
        t[n++] = pair_tensor(names[2 * i + 1], sizeof names[0], i, "output", m->pair[i].out, m->pair[i].output);
    }
    snprintf(version, sizeof version, "%d", UN_MODEL_FORMAT);
    st = un_graph_to_json(g, &graph, err);
    if (!st)
        st = un_config_write(&m->config, &config, &style, err);
    if (!st) {
        const un_st_meta meta[4] = {
            {"unet.format", version}, {"unet.graph", graph.s}, {"unet.config", config.s}, {"unet.record", m->record}};

        n_meta += m->record != NULL;
        st = un_safetensors_write(m->mem, path, t, n, meta, n_meta, err);
    }
    un_text_free(&graph);
    un_text_free(&config);
    un_free(t);
    return st;
}

/* ---- loading ---- */

static unet_status check_format(const un_safetensors *s, const char *name, unet_error *err)
{
    const char *text = un_safetensors_meta(s, "unet.format");
    int64_t version;

    if (!text)
        return un_fail_file(
            err, UNET_E_UNSUPPORTED, name, "a safetensors file, but no model of unet: its metadata lack 'unet.format'");
    if (!un_parse_int64(text, &version) || version < 1)
        return un_fail_file(err, UNET_E_FORMAT, name, "the format version '%.20s' is no number", text);
    if (version > UN_MODEL_FORMAT)
        return un_fail_file(err, UNET_E_VERSION, name, "written by a newer unet: format %lld, this one reads up to %d",
            (long long)version, UN_MODEL_FORMAT);
    if (!un_safetensors_meta(s, "unet.graph") || !un_safetensors_meta(s, "unet.config"))
        return un_fail_file(err, UNET_E_FORMAT, name, "the metadata lack 'unet.graph' or 'unet.config'");
    return UNET_OK;
}

/* Whether the tensors lie in the file as the parameters do in their block, of which `first` is then the first element.
 */
static int lies_as_block(const un_model *m, const un_safetensors *s, const char **first)
{
    const un_graph *g = m->graph;

    *first = g->n_params ? un_safetensors_find(s, g->param[0].name)->data : NULL;
    for (int i = 0; i < g->n_params; i++) {
        const un_st_tensor *t = un_safetensors_find(s, g->param[i].name);

        if (t->dtype != UN_ST_F32 || (const char *)t->data != *first + g->param[i].offset * (int64_t)sizeof(float))
            return 0;
    }
    return *first && (uintptr_t)*first % sizeof(float) == 0;
}

/* Each parameter has a tensor of its dims; checked for all of them before the block is allocated. Where they can stay
 * in the mapped file they do. */
static unet_status load_weights(un_model *m, un_safetensors *s, const char *name, unet_error *err)
{
    const un_graph *g = m->graph;
    const char *first;
    unet_status st;

    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];
        const un_st_tensor *t = un_safetensors_find(s, p->name);
        int same = t && t->rank == p->rank;

        for (int k = 0; same && k < p->rank; k++)
            same = t->dims[k] == p->dims[k];
        if (!same)
            return un_fail_file(err, UNET_E_FORMAT, name, "parameter '%.100s' of the graph %s", p->name,
                t ? "has a tensor of another shape" : "has no tensor");
    }
    if (lies_as_block(m, s, &first)) {
        m->map = un_safetensors_take(s);
        if (m->map.data) {
            m->weights = (float *)(uintptr_t)first;
            return UNET_OK;
        }
    }
    st = alloc_weights(m, err);
    for (int i = 0; i < g->n_params && !st; i++)
        st = un_st_to_f32(un_safetensors_find(s, g->param[i].name), m->weights + g->param[i].offset, err);
    return st;
}

static unet_status load_plane(
    un_model *m, const un_st_tensor *t, un_shape *shape, float **out, const char *name, unet_error *err)
{
    for (int k = 0; k < 5; k++)
        if (t->rank != 5 || t->dims[k] < 1 || t->dims[k] > INT32_MAX)
            return un_fail_file(err, UNET_E_FORMAT, name, "'%s' has a wrong shape", t->name);
    *shape = (un_shape){(int)t->dims[0], (int)t->dims[1], (int)t->dims[2], (int)t->dims[3], (int)t->dims[4]};
    *out = un_alloc_array(m->mem, (size_t)t->count, sizeof **out);
    return *out ? un_st_to_f32(t, *out, err) : un_fail_nomem(err, (size_t)t->count * sizeof **out);
}

/* The pairs also prove that the shapes of the graph fit each other. */
static unet_status load_pairs(un_model *m, const un_safetensors *s, const char *name, unet_error *err)
{
    char in[32], out[32];
    unet_status st = UNET_OK;

    for (int i = 0; i < UN_MODEL_PAIRS_MAX && !st; i++) {
        un_model_pair *p = &m->pair[i];
        const un_st_tensor *a, *b;
        un_shape want;

        snprintf(in, sizeof in, "selftest.%d.input", i);
        snprintf(out, sizeof out, "selftest.%d.output", i);
        a = un_safetensors_find(s, in);
        b = un_safetensors_find(s, out);
        if (!a && !b)
            break;
        if (!a || !b)
            return un_fail_file(err, UNET_E_FORMAT, name, "the self-test pair %d is not whole", i);
        m->n_pairs = i + 1;
        st = load_plane(m, a, &p->in, &p->input, name, err);
        if (!st)
            st = load_plane(m, b, &p->out, &p->output, name, err);
        if (!st)
            st = infer_output(m->graph, p->in, &want, err);
        if (!st && !un_shape_equal(want, p->out))
            st = un_fail_file(err, UNET_E_FORMAT, name, "'%s' does not have the shape that the graph gives", out);
    }
    return st;
}

/* What the configuration says of the interface must be what the graph has. */
static unet_status check_interface(const un_model *m, const char *name, unet_error *err)
{
    const un_cfg_model *c = &m->config.model;

    if (un_is_auto(c->dims) || un_is_auto(c->in_channels) || un_is_auto(c->classes) || un_is_auto(c->depth) ||
        un_is_auto(c->base_filters) || c->head == UN_CFG_HEAD_AUTO)
        return un_fail_file(err, UNET_E_FORMAT, name, "the configuration in the model leaves the network open");
    if (m->graph->n_inputs != 1 || m->graph->value[m->graph->input[0]].channels != c->in_channels)
        return un_fail_file(
            err, UNET_E_FORMAT, name, "the graph does not take the %d channels of the configuration", c->in_channels);
    return UNET_OK;
}

/* What is wrong in a part of the file, said of the file: st and *err are of the part alone. */
static unet_status wrong_part(unet_status st, const char *name, const char *part, unet_error *err)
{
    const unet_error was = err ? *err : (unet_error){.offset = -1};
    const char *where = was.where[0] && strcmp(was.where, name) && strcmp(was.where, part) ? was.where : "";
    const char *colon = *where ? ", " : "";

    if (st == UNET_E_NOMEM)
        return st;
    if (was.line > 0)
        return un_fail_file(err, UNET_E_FORMAT, name, "%s, line %d: %s", part, was.line, was.message);
    if (was.offset >= 0)
        return un_fail_file(err, UNET_E_FORMAT, name, "%s, byte %lld: %s", part, (long long)was.offset, was.message);
    return un_fail_file(err, UNET_E_FORMAT, name, "%s%s%s: %s", part, colon, where, was.message);
}

static unet_status load_config(un_model *m, const char *text, const char *name, unet_error *err)
{
    unet_status st = un_config_parse(&m->config, m->mem, text, strlen(text), name, err);

    if (!st)
        st = un_config_check(&m->config, err);
    return st ? wrong_part(st, name, "the configuration in it", err) : UNET_OK;
}

static unet_status load(un_model *m, un_safetensors *s, const char *name, unet_error *err)
{
    const char *graph, *config, *record;
    unet_status st = check_format(s, name, err);

    if (st)
        return st;
    graph = un_safetensors_meta(s, "unet.graph");
    config = un_safetensors_meta(s, "unet.config");
    record = un_safetensors_meta(s, "unet.record");
    st = un_config_init(&m->config, m->mem, err);
    if (!st)
        st = load_config(m, config, name, err);
    if (!st)
        st = un_graph_from_json(&m->graph, m->mem, graph, strlen(graph), name, err);
    if (!st)
        st = check_interface(m, name, err);
    if (!st)
        st = load_weights(m, s, name, err);
    if (!st)
        st = load_pairs(m, s, name, err);
    if (!st && record) {
        st = un_model_set_record(m, record, err);
        if (st)
            st = wrong_part(st, name, "training record", err);
    }
    return st;
}

static unet_status load_container(un_model **out, un_mem *mem, un_safetensors *s, const char *name, unet_error *err)
{
    un_model *m = un_alloc_zero(mem, sizeof *m);
    unet_status st;

    if (!m)
        return un_fail_nomem(err, sizeof *m);
    m->mem = mem;
    m->settled = 1;
    m->shared = un_shared_create(mem);
    st = m->shared ? load(m, s, name, err) : un_fail_nomem(err, sizeof *m);
    if (st) {
        un_error_where(err, name);
        un_model_destroy(m);
    } else {
        *out = m;
    }
    return st;
}

unet_status un_model_load(un_model **out, un_mem *mem, const char *path, unet_error *err)
{
    un_safetensors *s;
    unet_status st;

    *out = NULL;
    st = un_safetensors_open(&s, mem, path, err);
    if (!st)
        st = load_container(out, mem, s, path, err);
    un_safetensors_close(s);
    return st;
}

unet_status un_model_load_memory(
    un_model **out, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err)
{
    un_safetensors *s;
    unet_status st;

    *out = NULL;
    st = un_safetensors_view(&s, mem, data, size, name, err);
    if (!st)
        st = load_container(out, mem, s, name, err);
    un_safetensors_close(s);
    return st;
}
