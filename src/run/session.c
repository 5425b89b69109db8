/* Sessions. */
#include "run/session.h"

#include "base/block.h"
#include "graph/planner.h"
#include "graph/repeat.h"

struct un_session {
    un_model *model; /* kept; NULL: it must outlive the session */
    const un_backend *backend;
    un_graph *graph; /* what of the model runs */
    un_plan *plan;
    un_program *program;
};

unet_status un_precision_resolve(
    int *bf16, un_cfg_precision precision, un_cpu_level level, const char *key, unet_error *err)
{
    *bf16 = precision == UN_CFG_PRECISION_BF16;
    if (!*bf16 || un_cpu_has_bf16(level))
        return UNET_OK;
    return un_fail_file(err, UNET_E_CONFIG, key, "bf16 needs %s; use float32",
        level == UN_CPU_AVX512 ? "a processor with the instructions AVX-512 BF16, which this one lacks"
                               : "the kernels avx512 and a processor with AVX-512 BF16");
}

static void spec_of(un_program_spec *spec, const un_plan *plan, const un_model *model, const un_session_options *opt)
{
    static const un_session_options defaults;

    opt = opt ? opt : &defaults;
    *spec = (un_program_spec){.plan = plan,
        .blocks = {.param = model->weights},
        .pool = opt->pool,
        .level = opt->level,
        .exact = opt->exact,
        .bf16 = opt->bf16,
        .byte_ns = opt->byte_ns,
        .keep_packed = 1,
        .shared = model->settled ? model->shared : NULL,
        .mapped = model->map.data != NULL,
        .profile = opt->profile,
        .part = "network"};
}

/* Settles whether forms that keep transformed weights may run: where weights do not change, and the modelled time
 * becomes enough less to be worth their room. *needs: of what then runs. */
static unet_status settle_room(un_program_spec *spec, un_needs *needs, const un_model *model, unet_error *err)
{
    static const double WORTH = 0.98;
    un_needs roomy;
    unet_status st = un_backend_cpu()->needs(needs, spec, err);

    spec->roomy = model->settled;
    if (st || !spec->roomy)
        return st;
    st = un_backend_cpu()->needs(&roomy, spec, err);
    spec->roomy = !st && roomy.ns < WORTH * needs->ns;
    if (spec->roomy)
        *needs = roomy;
    return st;
}

unet_status un_session_bytes(
    size_t *bytes, un_mem *mem, const un_model *model, un_shape input, const un_session_options *opt, unet_error *err)
{
    un_session_size size;
    unet_status st = un_session_measure(&size, mem, model, input, opt, err);

    *bytes = size.bytes;
    return st;
}

/* The graph that runs for such an input, its first level once or twice, and its plan. *graph is NULL where there is
 * nothing to make twice. */
static unet_status make_plan(
    un_graph **graph, un_plan **plan, un_mem *mem, const un_model *model, un_shape input, int again, unet_error *err)
{
    const un_plan_options options = {.low = again};
    un_graph *once;
    unet_status st = un_model_inference(&once, mem, model->graph, &model->config, err);

    *graph = st || again ? NULL : once;
    *plan = NULL;
    if (!st && again) {
        st = un_graph_repeat(graph, mem, once, err);
        un_graph_destroy(once);
    }
    return st || !*graph ? st : un_plan_create(plan, mem, *graph, &input, &options, err);
}

/* What graph and plan take, their names at NAME bytes. */
static size_t small_bytes(const un_graph *g)
{
    enum { NAME = 32 };
    const size_t value = sizeof(un_value) + sizeof(un_shape) + sizeof(un_place) + sizeof(un_rows) + sizeof(int) + NAME;
    const size_t node = sizeof(un_node) + sizeof(un_chain) + sizeof(int) + NAME;

    return (size_t)g->n_values * value + (size_t)g->n_nodes * node + (size_t)g->n_params * sizeof(un_param);
}

static unet_status measure(un_session_size *out, un_mem *mem, const un_model *model, un_shape input, int again,
    const un_session_options *opt, unet_error *err)
{
    un_program_spec spec;
    un_needs needs = {0};
    un_graph *g;
    un_plan *plan;
    unet_status st = make_plan(&g, &plan, mem, model, input, again, err);

    *out = (un_session_size){0};
    if (!st && g) {
        spec_of(&spec, plan, model, opt);
        st = settle_room(&spec, &needs, model, err);
        out->bytes = needs.activation_bytes + needs.packed_bytes + needs.scratch_bytes + needs.weight_bytes +
                     needs.program_bytes + small_bytes(g);
        out->ns = needs.ns;
    }
    un_plan_destroy(plan);
    un_graph_destroy(g);
    return st;
}

/* Whether the first level is made twice: where memory has a price, when that costs less than its skip connection. */
static unet_status choose(un_session_size *size, int *again, un_mem *mem, const un_model *model, un_shape input,
    const un_session_options *opt, unet_error *err)
{
    const double price = opt ? opt->byte_ns : 0;
    un_session_size twice;
    unet_status st = measure(size, mem, model, input, 0, opt, err);

    *again = 0;
    if (st || price <= 0)
        return st;
    st = measure(&twice, mem, model, input, 1, opt, err);
    if (!st && twice.bytes && twice.ns + price * (double)twice.bytes < size->ns + price * (double)size->bytes) {
        *again = 1;
        *size = twice;
    }
    return st;
}

unet_status un_session_measure(un_session_size *out, un_mem *mem, const un_model *model, un_shape input,
    const un_session_options *opt, unet_error *err)
{
    int again;

    return choose(out, &again, mem, model, input, opt, err);
}

static unet_status choose_to_run(
    int *again, un_mem *mem, const un_model *model, un_shape input, const un_session_options *opt, unet_error *err)
{
    un_session_size size;

    *again = 0;
    return opt && opt->byte_ns > 0 ? choose(&size, again, mem, model, input, opt, err) : UNET_OK;
}

unet_status un_session_room(
    size_t *bytes, un_mem *mem, const un_model *model, un_shape input, const un_session_options *opt, unet_error *err)
{
    un_block_sum small;
    un_program_spec spec;
    un_needs n = {0};
    un_graph *g = NULL;
    un_plan *plan = NULL;
    un_mem *sum = un_mem_summing(&small, mem);
    int again = 0;
    unet_status st = sum ? choose_to_run(&again, mem, model, input, opt, err) : un_fail_nomem(err, sizeof small);

    *bytes = 0;
    if (!st)
        st = make_plan(&g, &plan, sum, model, input, again, err);
    if (!st) {
        spec_of(&spec, plan, model, opt);
        st = settle_room(&spec, &n, model, err);
        /* the program's parts: itself with its three lists, activations, weights of its own, scratch */
        *bytes = small.bytes + un_block_room(sizeof(un_session)) + un_block_room(n.program_bytes) +
                 5 * un_block_room(64) + un_block_room(n.activation_bytes) + un_block_room(n.packed_bytes) +
                 un_block_room(n.scratch_bytes);
    }
    un_plan_destroy(plan);
    un_graph_destroy(g);
    un_mem_destroy(sum);
    return st;
}

unet_status un_session_create(un_session **out, un_mem *mem, const un_model *model, un_shape input,
    const un_session_options *opt, unet_error *err)
{
    un_session *s = un_alloc_zero(mem, sizeof *s);
    un_program_spec spec;
    un_needs needs;
    int again;
    unet_status st;

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->backend = un_backend_cpu();
    s->model = un_model_keep(model);
    st = choose_to_run(&again, mem, model, input, opt, err);
    if (!st)
        st = make_plan(&s->graph, &s->plan, mem, model, input, again, err);
    if (!st) {
        spec_of(&spec, s->plan, model, opt);
        st = settle_room(&spec, &needs, model, err);
    }
    if (!st)
        st = s->backend->compile(&s->program, mem, &spec, err);
    if (st) {
        un_session_destroy(s);
        return st;
    }
    *out = s;
    return UNET_OK;
}

void un_session_destroy(un_session *s)
{
    if (!s)
        return;
    s->backend->destroy(s->program);
    un_plan_destroy(s->plan);
    un_graph_destroy(s->graph);
    un_model_destroy(s->model);
    un_free(s);
}

void un_session_trim(const un_model *model)
{
    if (!model->shared)
        return;
    un_shared_lock(model->shared);
    un_shared_trim(model->shared);
    un_shared_unlock(model->shared);
}

void un_session_refresh(un_session *s)
{
    s->backend->refresh(s->program);
}

un_shape un_session_input(const un_session *s)
{
    return s->plan->shape[s->graph->input[0]];
}

un_shape un_session_output(const un_session *s)
{
    return s->plan->shape[s->graph->output[0]];
}

const un_plan *un_session_plan(const un_session *s)
{
    return s->plan;
}

float *un_session_image(un_session *s)
{
    return s->backend->at(s->program, s->graph->input[0]);
}

unet_status un_session_compute(un_session *s, unet_error *err)
{
    return s->backend->run(s->program, NULL, err);
}

const float *un_session_logits(const un_session *s)
{
    return s->backend->at(s->program, s->graph->output[0]);
}

const float *un_session_probabilities(const un_session *s)
{
    return s->backend->at(s->program, s->graph->output[1]);
}

unet_status un_session_run(un_session *s, const float *image, float *logits, float *probabilities, unet_error *err)
{
    const un_graph *g = s->graph;
    unet_status st;

    s->backend->upload(s->program, g->input[0], image);
    st = un_session_compute(s, err);
    if (st)
        return st;
    if (logits)
        s->backend->download(s->program, g->output[0], logits);
    if (probabilities)
        s->backend->download(s->program, g->output[1], probabilities);
    return UNET_OK;
}
