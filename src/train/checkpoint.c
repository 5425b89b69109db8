#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/text.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/graph_json.h"

enum { TEXT_MAX = 16 << 20, NAME_MAX_BYTES = 320 };

static const char *const block_name[UN_BLOCK_COUNT] = {"param", "m", "v", "ema", "best", "x", "slow"};

/* ---- writing ---- */

static void state_to_json(un_text *t, const un_progress_state *s)
{
    un_text_printf(t,
        "{\"format\":%d,\"step\":%lld,\"steps\":%lld,\"selections\":%lld,\"stale\":%lld,\"selected_step\":%lld,"
        "\"best_step\":%lld",
        UN_CHECKPOINT_FORMAT, (long long)s->step, (long long)s->steps, (long long)s->selections, (long long)s->stale,
        (long long)s->selected_step, (long long)s->best_step);
    un_text_add(t, ",\"best_score\":");
    un_text_number(t, s->best_score);
    un_text_add(t, ",\"best_dice\":");
    un_text_number(t, s->best_dice);
    un_text_add(t, ",\"best_iou\":");
    un_text_number(t, s->best_iou);
    un_text_add(t, ",\"seconds\":");
    un_text_number(t, s->seconds);
    if (s->plateau.factor > 0) {
        un_text_add(t, ",\"plateau\":{\"factor\":");
        un_text_number(t, s->plateau.factor);
        un_text_add(t, ",\"best\":");
        un_text_number(t, s->plateau.best);
        un_text_printf(t, ",\"known\":%lld,\"stale\":%lld,\"cooling\":%lld}", (long long)s->plateau.known,
            (long long)s->plateau.stale, (long long)s->plateau.cooling);
    }
    un_text_add(t, ",\"data\":");
    un_text_json_string(t, s->data);
    un_text_add(t, "}");
}

/* One tensor a parameter and block; names live in an arena until the file is written. */
static unet_status list_tensors(un_st_tensor *t, size_t *count, un_arena *names, const un_graph *g,
    const float *const blocks[UN_BLOCK_COUNT], unet_error *err)
{
    char name[NAME_MAX_BYTES];

    *count = 0;
    for (int b = 0; b < UN_BLOCK_COUNT; b++)
        for (int i = 0; blocks[b] && i < g->n_params; i++) {
            const un_param *p = &g->param[i];
            un_st_tensor *at = &t[(*count)++];

            snprintf(name, sizeof name, "%s/%s", block_name[b], p->name);
            *at = (un_st_tensor){.name = un_arena_strdup(names, name),
                .dtype = UN_ST_F32,
                .rank = p->rank,
                .data = blocks[b] + p->offset};
            if (!at->name)
                return un_fail_nomem(err, sizeof name);
            for (int k = 0; k < p->rank; k++)
                at->dims[k] = p->dims[k];
        }
    return UNET_OK;
}

unet_status un_checkpoint_save(const char *path, un_mem *mem, const un_graph *g, const char *config,
    const un_progress_state *state, const float *const blocks[UN_BLOCK_COUNT], unet_error *err)
{
    un_st_tensor *t = un_alloc_array(mem, (size_t)g->n_params * UN_BLOCK_COUNT, sizeof *t);
    un_arena *names = un_arena_create(mem);
    un_text graph, numbers;
    size_t count = 0;
    unet_status st = UNET_OK;

    un_text_init(&graph, mem, TEXT_MAX);
    un_text_init(&numbers, mem, TEXT_MAX);
    if (!t || !names)
        st = un_fail_nomem(err, (size_t)g->n_params * sizeof *t);
    if (!st)
        st = list_tensors(t, &count, names, g, blocks, err);
    if (!st)
        st = un_graph_to_json(g, &graph, err);
    if (!st) {
        state_to_json(&numbers, state);
        if (numbers.failed)
            st = un_fail_nomem(err, 1024);
    }
    if (!st) {
        const un_st_meta meta[] = {{"unet.checkpoint", numbers.s}, {"unet.graph", graph.s}, {"unet.config", config}};

        st = un_safetensors_write(mem, path, t, count, meta, UN_COUNT(meta), err);
    }
    un_text_free(&graph);
    un_text_free(&numbers);
    un_arena_destroy(names);
    un_free(t);
    return st;
}

/* ---- reading ---- */

static int count_of(const un_json *j, const char *key, int64_t *out)
{
    return un_json_int(un_json_get(j, key), out) && *out >= 0 && *out <= INT64_C(1000000000);
}

/* Left out by runs of other schedules. */
static int read_plateau(un_plateau *p, const un_json *j)
{
    if (!j)
        return 1;
    return un_json_number(un_json_get(j, "factor"), &p->factor) && p->factor > 0 && p->factor <= 1 &&
           un_json_number(un_json_get(j, "best"), &p->best) && count_of(j, "known", &p->known) &&
           count_of(j, "stale", &p->stale) && count_of(j, "cooling", &p->cooling);
}

static unet_status read_state(un_progress_state *s, const char *text, const char *path, unet_error *err)
{
    un_json *j = NULL;
    const char *data;
    int64_t format;
    unet_status st = un_json_parse(&j, NULL, text, strlen(text), path, err);

    if (st)
        return st;
    data = un_json_string(un_json_get(j, "data"));
    if (!un_json_int(un_json_get(j, "format"), &format) || format < 1)
        st = un_fail_file(err, UNET_E_FORMAT, path, "the checkpoint has no format number");
    else if (format > UN_CHECKPOINT_FORMAT)
        st = un_fail_file(err, UNET_E_VERSION, path,
            "written by a newer unet: checkpoint format %lld, this one reads up to %d", (long long)format,
            UN_CHECKPOINT_FORMAT);
    else if (!count_of(j, "step", &s->step) || !count_of(j, "steps", &s->steps) ||
             !count_of(j, "selections", &s->selections) || !count_of(j, "stale", &s->stale) ||
             !count_of(j, "selected_step", &s->selected_step) || !count_of(j, "best_step", &s->best_step) ||
             !un_json_number(un_json_get(j, "best_score"), &s->best_score) ||
             !un_json_number(un_json_get(j, "best_dice"), &s->best_dice) ||
             !un_json_number(un_json_get(j, "best_iou"), &s->best_iou) ||
             !un_json_number(un_json_get(j, "seconds"), &s->seconds) || !(s->seconds >= 0) || !data ||
             !read_plateau(&s->plateau, un_json_get(j, "plateau")) || strlen(data) >= sizeof s->data ||
             s->step > s->steps || s->best_step > s->step)
        st = un_fail_file(
            err, UNET_E_FORMAT, path, "the numbers of the checkpoint are incomplete or contradict each other");
    else
        memcpy(s->data, data, strlen(data) + 1);
    un_json_free(j);
    return st;
}

static const un_st_tensor *tensor_of(const un_checkpoint *c, un_block block, const un_param *p)
{
    char name[NAME_MAX_BYTES];

    snprintf(name, sizeof name, "%s/%s", block_name[block], p->name);
    return un_safetensors_find(c->file, name);
}

/* A block is there with all parameters, of the right shape and type, or not at all. */
static unet_status check_block(un_checkpoint *c, un_block block, const char *path, unet_error *err)
{
    int found = 0;

    for (int i = 0; i < c->graph->n_params; i++) {
        const un_param *p = &c->graph->param[i];
        const un_st_tensor *t = tensor_of(c, block, p);
        int same = !t || (t->rank == p->rank && t->dtype == UN_ST_F32);

        for (int k = 0; t && same && k < p->rank; k++)
            same = t->dims[k] == p->dims[k];
        if (!same)
            return un_fail_file(
                err, UNET_E_FORMAT, path, "tensor '%.200s' has another shape or type than the network", t->name);
        found += t != NULL;
    }
    c->has[block] = found > 0;
    if (found && found != c->graph->n_params)
        return un_fail_file(err, UNET_E_FORMAT, path, "block '%s' has %d of %d parameters", block_name[block], found,
            c->graph->n_params);
    return UNET_OK;
}

/* Of the open file; on failure all is closed. */
static unet_status check(un_checkpoint *c, un_mem *mem, const char *path, unet_error *err)
{
    const char *numbers, *graph;
    unet_status st = UNET_OK;

    numbers = un_safetensors_meta(c->file, "unet.checkpoint");
    graph = un_safetensors_meta(c->file, "unet.graph");
    c->config = un_safetensors_meta(c->file, "unet.config");
    if (!numbers)
        st = un_fail_file(err, UNET_E_UNSUPPORTED, path, "a safetensors file, but no checkpoint of unet");
    else if (!graph || !c->config)
        st = un_fail_file(err, UNET_E_FORMAT, path, "the metadata lack 'unet.graph' or 'unet.config'");
    if (!st)
        st = read_state(&c->state, numbers, path, err);
    if (!st)
        st = un_graph_from_json(&c->graph, mem, graph, strlen(graph), path, err);
    for (int b = 0; b < UN_BLOCK_COUNT && !st; b++)
        st = check_block(c, (un_block)b, path, err);
    if (!st && (!c->has[UN_BLOCK_PARAM] || c->has[UN_BLOCK_BEST] != (c->state.best_step > 0)))
        st = un_fail_file(err, UNET_E_FORMAT, path, "the checkpoint lacks weights");
    if (st)
        un_checkpoint_close(c);
    return st;
}

unet_status un_checkpoint_open(un_checkpoint *c, un_mem *mem, const char *path, unet_error *err)
{
    unet_status st;

    memset(c, 0, sizeof *c);
    st = un_safetensors_open(&c->file, mem, path, err);
    return st ? st : check(c, mem, path, err);
}

unet_status un_checkpoint_view(
    un_checkpoint *c, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err)
{
    unet_status st;

    memset(c, 0, sizeof *c);
    st = un_safetensors_view(&c->file, mem, data, size, name, err);
    return st ? st : check(c, mem, name, err);
}

void un_checkpoint_close(un_checkpoint *c)
{
    un_graph_destroy(c->graph);
    un_safetensors_close(c->file);
    memset(c, 0, sizeof *c);
}

unet_status un_checkpoint_read(const un_checkpoint *c, un_block block, float *dst, unet_error *err)
{
    const un_graph *g = c->graph;

    if (!c->has[block])
        return un_fail(err, UNET_E_FORMAT, "the checkpoint has no block '%s'", block_name[block]);
    memset(dst, 0, (size_t)g->block_count * sizeof *dst);
    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];
        unet_status st = un_st_to_f32(tensor_of(c, block, p), dst + p->offset, err);

        if (st)
            return st;
        for (int64_t k = 0; k < p->count; k++)
            if (!isfinite(dst[p->offset + k]))
                return un_fail(
                    err, UNET_E_FORMAT, "the checkpoint holds a number that is not finite in '%.200s'", p->name);
    }
    return UNET_OK;
}
