/* The model file: saved, loaded, refused. */
#define _GNU_SOURCE
#include "test.h"

#include "base/file.h"
#include "base/rng.h"
#include "base/size.h"
#include "io/safetensors.h"
#include "model/file.h"
#include "model/graph_json.h"

static un_config cfg;
static unet_error err;

static const char *const configs[] = {
    "model: {dims: 2, in_channels: 3, classes: 2, depth: 2, base_filters: 6, norm: batch, head: softmax, dropout: 0.2}",
    "model: {dims: 3, in_channels: 1, classes: 3, depth: 2, base_filters: 4, norm: group, head: multilabel,"
    " upsample: bilinear, activation: elu, strides: [[1, 2, 2], 2], kernel: [[1, 3, 3], 3, 3]}",
    "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 4, norm: none, head: sigmoid, padding: "
    "valid}",
    "model: {dims: 2, in_channels: 2, classes: 4, depth: 2, base_filters: 4, norm: instance, head: softmax,"
    " downsample: conv, upsample: nearest, skips: [true, false], activation: leaky_relu}",
};

static un_model *make(const char *text)
{
    un_model *m;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_parse(&cfg, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_config_set(&cfg, NULL, "data.images=patient-42", &err), &err);
    CHECK_OK(un_model_create(&m, NULL, &cfg, &err), &err);
    CHECK_OK(un_model_make_pairs(m, &err), &err);
    for (int i = 0; i < m->n_pairs; i++)
        m->pair[i].output[0] = 0.25f + (float)i;
    CHECK_OK(un_model_set_record(m, "{\"seed\": 1, \"dice\": 0.9}", &err), &err);
    return m;
}

static void same_graph(const un_graph *a, const un_graph *b)
{
    un_text x, y;

    un_text_init(&x, NULL, 1 << 24);
    un_text_init(&y, NULL, 1 << 24);
    CHECK_OK(un_graph_to_json(a, &x, &err), &err);
    CHECK_OK(un_graph_to_json(b, &y, &err), &err);
    CHECK_STR(x.s, y.s);
    CHECK_INT(a->n_nodes, b->n_nodes);
    CHECK_INT(a->n_values, b->n_values);
    CHECK_INT(a->block_count, b->block_count);
    for (int i = 0; i < a->n_nodes; i++) {
        CHECK_STR(a->node[i].name, b->node[i].name);
        CHECK_INT(a->node[i].op, b->node[i].op);
        CHECK(!memcmp(&a->node[i].attr, &b->node[i].attr, sizeof a->node[i].attr));
    }
    for (int i = 0; i < a->n_params; i++)
        CHECK_INT(a->param[i].offset, b->param[i].offset);
    un_text_free(&x);
    un_text_free(&y);
}

TEST(round_trip)
{
    const char *dir = un_test_tmp();
    char path[400], again[400];

    snprintf(path, sizeof path, "%s/m.safetensors", dir);
    snprintf(again, sizeof again, "%s/n.safetensors", dir);
    for (size_t i = 0; i < UN_COUNT(configs); i++) {
        un_model *m = make(configs[i]), *n;
        unsigned char *a, *b;
        size_t na, nb;

        m->graph->param[1].group = 7;
        CHECK_OK(un_model_save(m, path, &err), &err);
        CHECK_OK(un_model_load(&n, NULL, path, &err), &err);
        CHECK_INT(n->graph->param[1].group, 7);
        same_graph(m->graph, n->graph);
        CHECK(!memcmp(m->weights, n->weights, (size_t)m->graph->block_count * sizeof *m->weights));
        CHECK_INT(n->n_pairs, UN_MODEL_PAIRS_LEAST);
        CHECK(un_shape_equal(m->pair[2].out, n->pair[2].out));
        CHECK_NEAR(n->pair[2].output[0], 2.25, 0);
        CHECK_NEAR(n->pair[1].input[3], m->pair[1].input[3], 0);
        CHECK_STR(n->record, m->record);
        CHECK_INT(n->config.model.norm, m->config.model.norm);
        CHECK_STR(n->config.data.images, "images"); /* names of files stay out */
        CHECK_OK(un_model_save(n, again, &err), &err);
        CHECK_OK(un_file_read(&a, &na, NULL, path, 1 << 26, &err), &err);
        CHECK_OK(un_file_read(&b, &nb, NULL, again, 1 << 26, &err), &err);
        CHECK(na == nb && !memcmp(a, b, na));
        CHECK(!memmem(a, na, "patient-42", 10));
        un_free(a);
        un_free(b);
        un_model_destroy(m);
        un_model_destroy(n);
    }
}

/* A copy of the file with one text replaced by another of the same length. */
static void refused(
    const unsigned char *file, size_t size, const char *from, const char *to, unet_status want, const char *part)
{
    unsigned char *copy = un_alloc(NULL, size), *at;
    un_model *m;
    unet_status st;

    CHECK_INT(strlen(from), strlen(to));
    memcpy(copy, file, size);
    at = memmem(copy, size, from, strlen(from));
    if (!at)
        un_test_fail(__FILE__, __LINE__, "no '%s' in the file", from);
    memcpy(at, to, strlen(to));
    st = un_model_load_memory(&m, NULL, copy, size, "m", &err);
    if (st != want || m || !strstr(err.message, part) || strcmp(err.where, "m"))
        un_test_fail(__FILE__, __LINE__, "'%s': status %s, where '%s', message '%s'", to, unet_status_name(st),
            err.where, err.message);
    un_free(copy);
}

TEST(refusals)
{
    un_model *m = make(configs[0]), *n;
    char path[400];
    unsigned char *a;
    size_t size;

    snprintf(path, sizeof path, "%s/m.safetensors", un_test_tmp());
    CHECK_OK(un_model_save(m, path, &err), &err);
    CHECK_OK(un_file_read(&a, &size, NULL, path, 1 << 26, &err), &err);
    refused(a, size, "\"unet.format\":\"1\"", "\"unet.format\":\"2\"", UNET_E_VERSION, "newer unet");
    refused(a, size, "\"unet.format\":\"1\"", "\"unet.farmat\":\"1\"", UNET_E_UNSUPPORTED, "no model of unet");
    refused(a, size, "\"unet.graph\"", "\"unet.gruph\"", UNET_E_FORMAT, "lack 'unet.graph'");
    refused(a, size, "{\\\"version\\\":1,", "{\\\"version\\\":2,", UNET_E_VERSION, "version 2");
    refused(a, size, "\\\"op\\\":\\\"max_pool\\\"", "\\\"op\\\":\\\"max_pull\\\"", UNET_E_VERSION, "max_pull");
    refused(a, size, "\\\"op\\\":\\\"conv\\\",\\\"version\\\":1", "\\\"op\\\":\\\"conv\\\",\\\"version\\\":9",
        UNET_E_VERSION, "version 9 of 'conv'");
    refused(a, size, "\\\"op\\\":\\\"conv\\\",\\\"version\\\":1", "\\\"op\\\":\\\"conv\\\",\\\"version\\\":2",
        UNET_E_VERSION, "version 2 of 'conv'");
    refused(a, size, "\\\"in\\\":[0,1]", "\\\"in\\\":[9,1]", UNET_E_FORMAT, "a parameter for an activation");
    refused(a, size, "\\\"groups\\\":1", "\\\"groups\\\":0", UNET_E_FORMAT, "groups");
    refused(a, size, "\\\"dilation\\\"", "\\\"dilatiom\\\"", UNET_E_FORMAT, "unknown attribute");
    refused(a, size, "\\\"trainable\\\":true", "\\\"trainable\\\":1234", UNET_E_FORMAT, "trainable");
    refused(a, size, "\\\"role\\\":\\\"weight\\\"", "\\\"role\\\":\\\"weighs\\\"", UNET_E_FORMAT, "role");
    refused(a, size, "\\\"dims\\\":[6,3,3,3]", "\\\"dims\\\":[6,9,1,3]", UNET_E_FORMAT, "another shape");
    refused(a, size, "in_channels: 3", "in_channels: 4", UNET_E_FORMAT, "channels");
    refused(a, size, "  depth: 2", "  depht: 2", UNET_E_FORMAT, "the configuration in it, line ");
    refused(a, size, "  depth: 2", "  depht: 2", UNET_E_FORMAT, "did you mean 'depth'");
    refused(a, size, "  kernel: 3", "  kernel: 2", UNET_E_FORMAT, "the configuration in it, model.kernel: 2 is even");
    refused(a, size, "{\\\"seed\\\": 1", "{\\\"seed\\\"; 1", UNET_E_FORMAT, "training record, byte 7: ");
    refused(a, size, "\"selftest.0.output\"", "\"selftest.9.output\"", UNET_E_FORMAT, "not whole");
    CHECK_STATUS(un_model_load(&n, NULL, un_test_source("tests/golden/python.safetensors"), &err), UNET_E_UNSUPPORTED);
    CHECK_STATUS(un_model_load(&n, NULL, "/nonexistent.safetensors", &err), UNET_E_NOT_FOUND);
    CHECK_STATUS(un_model_set_record(m, "[1]", &err), UNET_E_FORMAT);
    CHECK_STR(m->record, "{\"seed\": 1, \"dice\": 0.9}");
    un_free(a);
    un_model_destroy(m);
}

/* Random damage to the header never crashes; what still loads is a whole model. */
TEST(damage)
{
    un_model *m = make(configs[3]), *n;
    char path[400];
    unsigned char *a;
    size_t size, header;
    un_rng r;
    int loaded = 0;

    snprintf(path, sizeof path, "%s/m.safetensors", un_test_tmp());
    CHECK_OK(un_model_save(m, path, &err), &err);
    CHECK_OK(un_file_read(&a, &size, NULL, path, 1 << 26, &err), &err);
    header = 8 + (size_t)(a[0] | a[1] << 8 | a[2] << 16);
    un_rng_init(&r, 7, UN_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 1500; i++) {
        size_t at = (size_t)un_rng_below(&r, (int64_t)header);
        unsigned char old = a[at];

        a[at] = (unsigned char)("0123456789[]{},:\"x-\0"[un_rng_below(&r, 20)]);
        if (!un_model_load_memory(&n, NULL, a, size, "m", &err)) {
            CHECK_OK(un_graph_check(n->graph, &err), &err);
            un_model_destroy(n);
            loaded++;
        }
        a[at] = old;
    }
    un_test_note("%d of 1500 still load", loaded);
    CHECK(loaded < 1000);
    un_free(a);
    un_model_destroy(m);
}

static void graph_refused(const char *json, const char *at_node, const char *inputs, int digits, const char *instead)
{
    char *copy = un_strdup(NULL, json), *at = strstr(copy, at_node);
    un_graph *g;

    CHECK(at && (at = strstr(at, inputs)) != NULL);
    memset(at + strlen(inputs), ' ', (size_t)digits);
    memcpy(at + strlen(inputs), instead, strlen(instead));
    CHECK_STATUS(un_graph_from_json(&g, NULL, copy, strlen(copy), "m", &err), UNET_E_FORMAT);
    CHECK(strstr(err.message, "takes a parameter for an activation, or the other way round"));
    un_free(copy);
}

/* A node that takes a picture for its weights, and one that takes weights for its picture. */
TEST(parameters_are_no_activations)
{
    un_model *m = make(configs[2]);
    un_text t;

    un_text_init(&t, NULL, 1 << 20);
    CHECK_OK(un_graph_to_json(m->graph, &t, &err), &err);
    graph_refused(t.s, "\"op\":\"conv\"", "\"in\":[0,", 1, "0");
    graph_refused(t.s, "\"op\":\"conv\"", "\"in\":[", 1, "1");
    un_text_free(&t);
    un_model_destroy(m);
}

/* Every allocation may fail; nothing leaks. */
TEST(no_memory)
{
    un_model *m = make(configs[2]), *n;
    un_mem *mem = un_mem_create(NULL);
    unet_status st = UNET_E_NOMEM;
    char path[400];

    snprintf(path, sizeof path, "%s/m.safetensors", un_test_tmp());
    CHECK_OK(un_model_save(m, path, &err), &err);
    for (int64_t k = 1; st; k++) {
        un_mem_fail_at(mem, k);
        st = un_model_load(&n, mem, path, &err);
        CHECK(st == UNET_OK || st == UNET_E_NOMEM);
        if (!st)
            un_model_destroy(n);
        CHECK_INT(un_mem_live(mem), 0);
    }
    un_mem_destroy(mem);
    un_model_destroy(m);
}
