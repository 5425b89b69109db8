/* Architectures: each against its definition in PyTorch (tests/golden/variants.safetensors, made by
 * tools/torch_variants.py), through a model file and back, in tiles, and refusals of what cannot be combined. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/size.h"
#include "golden_step.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "kernels/args.h"
#include "logits.h"
#include "train/schedule.h"
#include "words.h"

static unet_error err;
static un_safetensors *golden;

/* ---- reading the file ---- */

static un_config *config_of(const char *text, const char *name)
{
    un_config *c = un_alloc(NULL, sizeof *c);

    CHECK_OK(un_config_init(c, NULL, &err), &err);
    CHECK_OK(un_config_parse(c, NULL, text, strlen(text), name, &err), &err);
    return c;
}

static un_model *open_case(const char *name, int *ignore, int *pixel_weight)
{
    char key[100];
    const char *text;
    un_config *c;
    un_json *extra;
    un_model *m;

    snprintf(key, sizeof key, "extra.%s", name);
    text = un_safetensors_meta(golden, key);
    CHECK(text != NULL);
    CHECK_OK(un_json_parse(&extra, NULL, text, strlen(text), "golden", &err), &err);
    CHECK(un_json_bool(un_json_get(extra, "ignore"), ignore));
    CHECK(un_json_bool(un_json_get(extra, "pixel_weight"), pixel_weight));
    un_json_free(extra);
    snprintf(key, sizeof key, "case.%s", name);
    text = un_safetensors_meta(golden, key);
    CHECK(text != NULL);
    c = config_of(text, name);
    CHECK_OK(un_train_settle(c, 0, &err), &err);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    un_free(c);
    golden_weights(m);
    return m;
}

/* ---- comparisons ---- */

static void compare_logits(const char *name, const char *what, const un_model *m, const un_batch *b)
{
    const un_st_tensor *t = golden_tensor(golden, name, what);
    float *want = golden_values(t), *got;
    double most = 0, off = 0;
    int64_t count;

    got = logits_of(m, b, un_cpu_best(), &count);
    CHECK_INT(count, t->count);
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)want[i]));
        off = fmax(off, fabs((double)got[i] - (double)want[i]));
    }
    un_test_note("%s: %s off by %.1e", name, what, off / most);
    CHECK(off < 2e-5 * most);
    un_free(want);
    un_free(got);
}

static void compare(const char *name)
{
    int ignore, pixel_weight;
    un_model *m;
    un_batch b;

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/variants.safetensors"), &err), &err);
    m = open_case(name, &ignore, &pixel_weight);
    b = golden_batch(&m->config, ignore, pixel_weight);
    compare_logits(name, "logits", m, &b);
    if (m->config.model.decoder == UN_CFG_DECODER_NESTED && m->config.model.supervision.n) {
        m->config.predict.columns = m->config.model.depth - 1;
        compare_logits(name, "column", m, &b);
        m->config.predict.columns = UN_AUTO_INT;
    }
    golden_step(golden, name, m, &b);
    golden_free(&b);
    un_model_destroy(m);
    un_safetensors_close(golden);
}

static char *text_of(const char *path, size_t *size)
{
    unsigned char *data;

    CHECK_OK(un_file_read(&data, size, NULL, un_test_source(path), 1 << 24, &err), &err);
    return (char *)data;
}

static int holds(const char *from, const char *to, const char *text)
{
    const size_t n = strlen(text);

    for (; from + n <= to; from++)
        if (!memcmp(from, text, n))
            return 1;
    return 0;
}

/* Whether a case has the word in the section `model`, which holds no braces, of a network of so many dimensions. */
static int has_case(const char *data, size_t size, const char *text, int dims)
{
    static const char model[] = "\\\"model\\\": {";
    char number[24];

    snprintf(number, sizeof number, "\\\"dims\\\": %d", dims);
    for (const char *p = data, *end = data + size; p + sizeof model < end; p++)
        if (!memcmp(p, model, sizeof model - 1)) {
            const char *to = memchr(p, '}', (size_t)(end - p));

            if (to && holds(p, to, number) && holds(p, to, text))
                return 1;
        }
    return 0;
}

#define CASE(name)                                                                                                     \
    TEST(name)                                                                                                         \
    {                                                                                                                  \
        compare(#name);                                                                                                \
    }

CASE(residual)
CASE(residual_strided)
CASE(residual_valid)
CASE(residual_volume)
CASE(valid_volume)
CASE(dense)
CASE(dense_volume)
CASE(dense_strided)
CASE(recurrent)
CASE(recurrent_bias)
CASE(recurrent_volume)
CASE(separable)
CASE(separable_strided)
CASE(separable_volume)
CASE(inverted)
CASE(inverted_strided)
CASE(inverted_volume)
CASE(se)
CASE(scse)
CASE(scse_volume)
CASE(attention)
CASE(attention_strides)
CASE(attention_valid)
CASE(attention_valid_linear)
CASE(attention_volume)
CASE(aspp)
CASE(aspp_volume)
CASE(dilated)
CASE(supervised)
CASE(supervised_some)
CASE(supervised_multilabel)
CASE(supervised_volume)
CASE(nested)
CASE(nested_supervised)
CASE(nested_stem)
CASE(nested_volume)
CASE(full)
CASE(full_volume)
CASE(patchify)
CASE(patchify_volume)
CASE(blocks)
CASE(blocks_volume)
CASE(together)

/* Each word that shapes the network stands in the configuration of a case that PyTorch computed, here or in
 * test_torch.c, in 2-D and in 3-D: a row without one is a row without proof. The first word of each is in most of them.
 */
TEST(each_word_has_a_case)
{
    static const char *const keys[] = {"model.block", "model.recalibrate", "model.gate", "model.decoder",
        "model.bottom", "model.stem", "model.norm", "model.activation", "model.downsample", "model.upsample",
        "model.padding", "model.head"};
    static const char *const files[] = {"tests/golden/variants.safetensors", "tests/golden/torch.safetensors"};
    char *data[UN_COUNT(files)];
    size_t size[UN_COUNT(files)];
    const char *word;
    int n = 0;

    for (size_t f = 0; f < UN_COUNT(files); f++)
        data[f] = text_of(files[f], &size[f]);
    for (size_t k = 0; k < UN_COUNT(keys); k++)
        for (int i = 1; (word = word_of(keys[k], i)); i++)
            for (int dims = 2; dims <= 3; dims++, n++) {
                char text[80];
                int found = 0;

                snprintf(text, sizeof text, "\\\"%s\\\": \\\"%s\\\"", strchr(keys[k], '.') + 1, word);
                for (size_t f = 0; f < UN_COUNT(files); f++)
                    found |= has_case(data[f], size[f], text, dims);
                if (!found)
                    un_test_fail(__FILE__, __LINE__, "%s: %s has no case in %d-D in tools/torch_variants.py", keys[k],
                        word, dims);
            }
    for (size_t f = 0; f < UN_COUNT(files); f++)
        un_free(data[f]);
    un_test_note("%d words and dimensions", n);
}

/* ---- as a user meets them ---- */

static const char *const kinds[] = {
    "block: residual, recalibrate: scse",
    "block: dense, bottom: aspp",
    "block: recurrent, gate: attention",
    "block: separable, stem: space_to_depth, stem_size: 2",
    "block: inverted, stem: patchify, stem_size: 2",
    "decoder: nested, supervision: [1]",
    "decoder: full, supervision: [0.5, 0.25], bottom: dilated",
};

static un_model *small_model(const char *kind, int dims)
{
    char text[400];
    un_config *c;
    un_model *m;

    snprintf(text, sizeof text,
        "model: {dims: %d, in_channels: 2, classes: 3, depth: 2, base_filters: 8, head: softmax, norm: batch, %s}",
        dims, kind);
    c = config_of(text, "test");
    CHECK_OK(un_config_check(c, &err), &err);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    un_free(c);
    return m;
}

/* The file keeps every operator, attribute and weight: the same logits, bit for bit. */
TEST(saved_and_loaded)
{
    for (size_t i = 0; i < UN_COUNT(kinds); i++)
        for (int dims = 2; dims <= 3; dims++) {
            un_model *m = small_model(kinds[i], dims), *back;
            un_batch b = {.n = 1, .d = dims == 3 ? 8 : 1, .h = 16, .w = 24, .c = 2};
            float *one, *two;
            int64_t n, count;
            char path[400];

            b.image = golden_floats("image", (int64_t)b.d * b.h * b.w * b.c, 0);
            snprintf(path, sizeof path, "%s/m.safetensors", un_test_tmp());
            CHECK_OK(un_model_save(m, path, &err), &err);
            CHECK_OK(un_model_load(&back, NULL, path, &err), &err);
            one = logits_of(m, &b, un_cpu_best(), &n);
            two = logits_of(back, &b, un_cpu_best(), &count);
            CHECK_INT(n, count);
            CHECK(!memcmp(one, two, (size_t)n * sizeof *one));
            un_free(one);
            un_free(two);
            un_free(b.image);
            un_model_destroy(m);
            un_model_destroy(back);
        }
}

/* Outputs that only training reads cost nothing at inference, and fewer columns cost less. */
TEST(inference_leaves_out)
{
    un_model *m = small_model("decoder: nested, supervision: [1]", 2);
    un_graph *whole, *cut;
    un_cost all, some;

    CHECK_OK(un_model_inference(&whole, NULL, m->graph, &m->config, &err), &err);
    CHECK_INT(whole->n_outputs, 2);
    CHECK(whole->n_nodes < m->graph->n_nodes);
    m->config.predict.columns = 1;
    CHECK_OK(un_model_inference(&cut, NULL, m->graph, &m->config, &err), &err);
    CHECK_OK(un_model_cost(whole, (un_shape){1, 1, 32, 32, 2}, &all, &err), &err);
    CHECK_OK(un_model_cost(cut, (un_shape){1, 1, 32, 32, 2}, &some, &err), &err);
    CHECK(some.macs < 0.6 * all.macs);
    CHECK(
        un_graph_find_value(cut, "enc2.conv0") >= 0 && cut->value[un_graph_find_value(cut, "enc2.conv0")].producer < 0);
    un_graph_destroy(whole);
    un_graph_destroy(cut);
    m->config.predict.columns = 3;
    CHECK_STATUS(un_model_inference(&cut, NULL, m->graph, &m->config, &err), UNET_E_CONFIG);
    un_model_destroy(m);
    m = small_model("decoder: nested", 2);
    m->config.predict.columns = 1;
    CHECK_STATUS(un_model_inference(&cut, NULL, m->graph, &m->config, &err), UNET_E_CONFIG);
    CHECK_STR(err.where, "predict.columns");
    un_model_destroy(m);
}

TEST(refusals)
{
    static const struct {
        const char *text, *where;
    } row[] = {
        {"padding: valid, decoder: nested", "model.decoder"},
        {"padding: valid, block: dense", "model.block"},
        {"padding: valid, block: inverted", "model.block"},
        {"padding: valid, bottom: aspp", "model.bottom"},
        {"padding: valid, stem: patchify", "model.stem"},
        {"padding: valid, supervision: [1]", "model.supervision"},
        {"decoder: nested, gate: attention", "model.gate"},
        {"decoder: full, skips: [true, false]", "model.skips"},
        {"decoder: full, depth: 7", "model.decoder"},
        {"block: dense, convs_per_level: 8", "model.convs_per_level"},
        {"bottom: aspp, dilations: [2, 3, 4, 5, 6, 7, 8]", "model.dilations"},
    };

    for (size_t i = 0; i < UN_COUNT(row); i++) {
        char text[300];
        un_config *c;

        snprintf(text, sizeof text,
            "model: {dims: 2, in_channels: 1, classes: 2, base_filters: 8, head: softmax, norm: batch%s, %s}",
            strstr(row[i].text, "depth") ? "" : ", depth: 2", row[i].text);
        c = config_of(text, "test");
        CHECK_STATUS(un_config_check(c, &err), UNET_E_CONFIG);
        CHECK_STR(err.where, row[i].where);
        un_free(c);
    }
}

/* Norms and factors taken over all pixels see the whole patch; the reach of all others is finite and covers what a
 * pixel of the output can see. */
TEST(reach)
{
    static const int grid[] = {1, 4, 4};
    un_reach r, plain;
    un_model *m = small_model("block: plain", 2);

    CHECK_OK(un_model_reach(m->graph, grid, &plain, &err), &err);
    CHECK(!plain.whole_patch);
    un_model_destroy(m);
    for (size_t i = 0; i < UN_COUNT(kinds); i++) {
        const int pooled = strstr(kinds[i], "scse") || strstr(kinds[i], "aspp");
        int g[3];

        m = small_model(kinds[i], 2);
        un_model_grid(&m->config.model, g);
        CHECK_INT(g[1], strstr(kinds[i], "stem") ? 8 : 4);
        CHECK_OK(un_model_reach(m->graph, g, &r, &err), &err);
        CHECK_INT(r.whole_patch, pooled);
        CHECK(r.before[1] >= plain.before[1] && r.after[2] >= plain.after[2] && r.before[0] == 0);
        un_model_destroy(m);
    }
}

/* Gates whose maps are the same everywhere: each stands in its channel, at the extents of the picture. */
static void check_gates(const char *kind, int dims, int count)
{
    const un_session_options o = {.level = un_test_level()};
    un_model *m = small_model(kind, dims), *gates;
    int level[UN_CFG_LEVELS_MAX];
    un_shape z;
    un_session *s;
    float *image, *map;

    for (int i = 0; i < m->graph->n_params; i++) {
        const un_param *p = &m->graph->param[i];

        if (strstr(p->name, ".psi."))
            for (int64_t k = 0; k < p->count; k++)
                m->weights[p->offset + k] = strstr(p->name, "bias") ? (float)(p->name[4] - '0' + 1) : 0;
    }
    CHECK_OK(un_model_gates(&gates, NULL, m, level, &err), &err);
    un_model_destroy(m);
    CHECK_OK(un_session_create(&s, NULL, gates, (un_shape){1, dims == 3 ? 8 : 1, 16, 24, 2}, &o, &err), &err);
    z = un_session_output(s);
    CHECK(z.d == (dims == 3 ? 8 : 1) && z.h == 16 && z.w == 24 && z.c == count);
    image = golden_floats("image", un_shape_pixels(z) * 2, 0);
    map = un_alloc_array(NULL, (size_t)un_shape_count(z), sizeof *map);
    CHECK_OK(un_session_run(s, image, NULL, map, &err), &err);
    for (int64_t i = 0; i < un_shape_count(z); i++)
        CHECK_NEAR(map[i], 1 / (1 + exp(-(level[i % count] + 1))), 1e-6);
    un_session_destroy(s);
    un_model_destroy(gates);
    un_free(image);
    un_free(map);
}

TEST(gates_as_output)
{
    un_model *m = small_model("block: plain", 2), *gates;
    int level[UN_CFG_LEVELS_MAX];

    check_gates("gate: attention", 2, 2);
    check_gates("gate: attention", 3, 2);
    check_gates("gate: attention, skips: [false, true]", 2, 1);
    check_gates("gate: attention, stem: patchify, stem_size: 2", 2, 2);
    check_gates("gate: attention, supervision: [1]", 2, 2);
    CHECK_STATUS(un_model_gates(&gates, NULL, m, level, &err), UNET_E_ARG);
    un_model_destroy(m);
    m = small_model("gate: attention, padding: valid", 2);
    CHECK_STATUS(un_model_gates(&gates, NULL, m, level, &err), UNET_E_UNSUPPORTED);
    un_model_destroy(m);
}

TEST(described)
{
    for (size_t i = 0; i < UN_COUNT(kinds); i++) {
        un_model *m = small_model(kinds[i], 2);
        const char *colon = strchr(kinds[i], ':');
        char word[40];
        un_text t;

        snprintf(word, sizeof word, "%.*s", (int)strcspn(colon + 2, ","), colon + 2);
        un_text_init(&t, NULL, 1 << 20);
        CHECK_OK(un_model_describe(&t, m->graph, &m->config.model, (un_shape){1, 1, 64, 64, 2}, &err), &err);
        CHECK(!t.failed && strstr(t.s, word) && strstr(t.s, "bottom"));
        CHECK(!strstr(t.s, "side1"));
        un_text_free(&t);
        un_text_init(&t, NULL, 1 << 20);
        un_model_drawing(&t, &m->config.model, (un_shape){1, 1, 64, 64, 2});
        CHECK(!t.failed && strstr(t.s, "</svg>") && strstr(t.s, word));
        CHECK_INT(strstr(t.s, "attention gate") != NULL, m->config.model.gate != UN_CFG_GATE_NONE);
        un_text_free(&t);
        un_model_destroy(m);
    }
}
