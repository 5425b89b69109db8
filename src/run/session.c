/* Sessions. */
#include "run/session.h"

#include "base/block.h"
#include "graph/planner.h"

struct un_session {
    un_model *model; /* kept; NULL: it must outlive the session */
    const un_backend *backend;
    un_graph *graph; /* what of the model runs */
    un_plan *plan;
    un_program *program;
};

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

unet_status un_session_bytes(
    size_t *bytes, un_mem *mem, const un_model *model, un_shape input, const un_session_options *opt, unet_error *err)
{
    un_session_size size;
    unet_status st = un_session_measure(&size, mem, model, input, opt, err);

    *bytes = size.bytes;
    return st;
}

unet_status un_session_measure(un_session_size *out, un_mem *mem, const un_model *model, un_shape input,
    const un_session_options *opt, unet_error *err)
{
    un_program_spec spec;
    un_needs needs = {0};
    un_graph *g;
    un_plan *plan = NULL;
    unet_status st = un_model_inference(&g, mem, model->graph, &model->config, err);

    *out = (un_session_size){0};
    if (st)
        return st;
    st = un_plan_create(&plan, mem, g, &input, NULL, err);
    if (!st) {
        spec_of(&spec, plan, model, opt);
        st = un_backend_cpu()->needs(&needs, &spec, err);
    }
    out->bytes = needs.activation_bytes + needs.packed_bytes + needs.scratch_bytes + needs.weight_bytes;
    out->ns = needs.ns;
    un_plan_destroy(plan);
    un_graph_destroy(g);
    return st;
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
    unet_status st;

    *bytes = 0;
    if (!sum)
        return un_fail_nomem(err, sizeof small);
    st = un_model_inference(&g, sum, model->graph, &model->config, err);
    if (!st)
        st = un_plan_create(&plan, sum, g, &input, NULL, err);
    if (!st) {
        spec_of(&spec, plan, model, opt);
        st = un_backend_cpu()->needs(&n, &spec, err);
        /* the program's parts: itself with its three lists, activations, weights of its own, scratch in two pieces */
        *bytes = small.bytes + un_block_room(sizeof(un_session)) + un_block_room(n.program_bytes) +
                 6 * un_block_room(64) + un_block_room(n.activation_bytes) + un_block_room(n.packed_bytes) +
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
    unet_status st;

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->backend = un_backend_cpu();
    s->model = un_model_keep(model);
    st = un_model_inference(&s->graph, mem, model->graph, &model->config, err);
    if (!st)
        st = un_plan_create(&s->plan, mem, s->graph, &input, NULL, err);
    if (!st) {
        spec_of(&spec, s->plan, model, opt);
        st = s->backend->compile(&s->program, mem, &spec, err);
    }
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

unet_status un_session_run(un_session *s, const float *image, float *logits, float *probabilities, unet_error *err)
{
    const un_graph *g = s->graph;
    unet_status st;

    s->backend->upload(s->program, g->input[0], image);
    st = s->backend->run(s->program, NULL, err);
    if (st)
        return st;
    if (logits)
        s->backend->download(s->program, g->output[0], logits);
    if (probabilities)
        s->backend->download(s->program, g->output[1], probabilities);
    return UNET_OK;
}
