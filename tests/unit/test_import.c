/* Weights of other programs in networks of ours: schemes of names, first layers, refusals, and real files against their
 * definitions in PyTorch (tests/golden/real.safetensors, made by tools/torch_real.py). */
#include "test.h"

#include <stdlib.h>

#include "base/size.h"
#include "config/encoders.h"
#include "golden_fill.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/import.h"
#include "run/session.h"
#include "unet/unet.h"

enum { H = 64, W = 96, EVERY = 8 };

static unet_error err;
static un_config cfg;

static un_model *model_of(const char *keys)
{
    char yaml[400];
    un_model *m;

    snprintf(yaml, sizeof yaml, "model: {dims: 2, %sclasses: 2, head: softmax, norm: batch, base_filters: 4, %s}",
        strstr(keys, "in_channels") ? "" : "in_channels: 3, ", keys);
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_parse(&cfg, NULL, yaml, strlen(yaml), "case", &err), &err);
    CHECK_OK(un_model_create(&m, NULL, &cfg, &err), &err);
    return m;
}

static const char *temporary(const char *name)
{
    static char path[300];

    snprintf(path, sizeof path, "%s/%s", un_test_tmp(), name);
    return path;
}

/* The encoder's weights under other names: `prefix` and what names says, NULL: the name behind "encoder.". */
static void write_encoder(const char *path, const un_model *m, const char *prefix, const un_json *names)
{
    const un_graph *g = m->graph;
    un_st_tensor *t = un_alloc_array(NULL, (size_t)g->n_params, sizeof *t);
    char(*name)[160] = un_alloc_array(NULL, (size_t)g->n_params, sizeof *name);
    size_t n = 0;

    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];

        if (strncmp(p->name, "encoder.", 8))
            continue;
        snprintf(
            name[n], sizeof name[n], "%s%s", prefix, names ? un_json_string(un_json_get(names, p->name)) : p->name + 8);
        t[n] = (un_st_tensor){.name = name[n], .dtype = UN_ST_F32, .rank = p->rank, .data = m->weights + p->offset};
        for (int k = 0; k < p->rank; k++)
            t[n].dims[k] = p->dims[k];
        n++;
    }
    CHECK_OK(un_safetensors_write(NULL, path, t, n, NULL, 0, &err), &err);
    un_free(t);
    un_free(name);
}

static void check_same(const un_model *a, const un_model *b)
{
    for (int i = 0; i < a->graph->n_params; i++) {
        const un_param *p = &a->graph->param[i], *q = &b->graph->param[i];

        CHECK_STR(p->name, q->name);
        if (!strncmp(p->name, "encoder.", 8) &&
            memcmp(a->weights + p->offset, b->weights + q->offset, (size_t)p->count * sizeof(float)))
            un_test_fail(__FILE__, __LINE__, "%s differs", p->name);
    }
}

/* Written under other names, read back into a network of other weights. */
static void check_scheme(const char *encoder, const char *prefix, const un_json *names, const char *scheme)
{
    char keys[80], path[300];
    un_model *m, *n;
    un_cfg_encoder e;
    un_weights *w;
    un_import im;

    snprintf(keys, sizeof keys, "encoder: %s, depth: %d", encoder, strcmp(encoder, "vgg11") ? 5 : 4);
    m = model_of(keys);
    golden_weights(m);
    n = model_of(keys);
    snprintf(path, sizeof path, "%s", temporary("scheme.safetensors"));
    write_encoder(path, m, prefix, names);
    CHECK_OK(un_weights_open(&w, NULL, path, &err), &err);
    CHECK_OK(un_import_recognise(&e, NULL, w, &err), &err);
    CHECK_STR(un_encoder_info_of(e)->name, encoder);
    CHECK_OK(un_import_fits(NULL, &n->config.model, w, path, &err), &err);
    CHECK_OK(un_import_weights(&im, n, w, NULL, path, &err), &err);
    CHECK(!strncmp(im.names, scheme, strlen(scheme)));
    CHECK_OK(un_import_check(&im, n, path, &err), &err);
    CHECK_INT(im.count[UN_IMPORT_SAME], un_weights_count(w));
    check_same(m, n);
    un_import_free(&im);
    un_weights_close(w);
    un_model_destroy(m);
    un_model_destroy(n);
}

static un_json *smp_names(un_safetensors **golden)
{
    un_json *names;
    const char *text;

    CHECK_OK(un_safetensors_open(golden, NULL, un_test_source("tests/golden/encoders.safetensors"), &err), &err);
    text = un_safetensors_meta(*golden, "smp");
    CHECK(text != NULL);
    CHECK_OK(un_json_parse(&names, NULL, text, strlen(text), "smp", &err), &err);
    return names;
}

TEST(schemes)
{
    un_safetensors *golden;
    un_json *names = smp_names(&golden);

    check_scheme("mobilenet_v2", "", NULL, "torchvision");
    check_scheme("mobilenet_v2", "module.", NULL, "torchvision");
    check_scheme("mobilenet_v2", "encoder.", NULL, "this network's");
    check_scheme("efficientnet_b0", "model.backbone.", NULL, "torchvision");
    check_scheme("efficientnet_b0_tf", "", names, "segmentation_models_pytorch");
    un_json_free(names);
    un_safetensors_close(golden);
}

/* One form of EfficientNet is not the other, although the shapes agree. */
TEST(other_padding)
{
    un_safetensors *golden;
    un_json *names = smp_names(&golden);
    un_model *m = model_of("encoder: efficientnet_b0, depth: 2");
    un_weights *w;
    un_import im;
    char path[300];

    snprintf(path, sizeof path, "%s", temporary("tf.safetensors"));
    write_encoder(path, m, "", names);
    CHECK_OK(un_weights_open(&w, NULL, path, &err), &err);
    CHECK_OK(un_import_weights(&im, m, w, NULL, path, &err), &err);
    CHECK_STATUS(un_import_check(&im, m, path, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "efficientnet_b0_tf"));
    CHECK_STATUS(un_import_fits(NULL, &m->config.model, w, path, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "efficientnet_b0_tf"));
    m->config.model.depth = 3; /* the file has two levels */
    CHECK_STATUS(un_import_fits(NULL, &m->config.model, w, path, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "parameters of efficientnet_b0 are not in the file"));
    un_import_free(&im);
    un_weights_close(w);
    un_model_destroy(m);
    un_json_free(names);
    un_safetensors_close(golden);
}

/* A picture whose channels are all alike gives the same values whatever their number. */
TEST(first_layer)
{
    static const char *const keys[] = {"encoder: resnet20, depth: 2, in_channels: 1",
        "encoder: resnet20, depth: 2, in_channels: 2", "encoder: resnet20, depth: 2, in_channels: 4",
        "encoder: resnet20, depth: 2, in_channels: 6"};
    un_model *m = model_of("encoder: resnet20, depth: 2");
    const un_param *p = &m->graph->param[un_graph_find_param(m->graph, "encoder.conv1.weight")];
    const int64_t taps = 9;
    char path[300];
    un_weights *w;

    snprintf(path, sizeof path, "%s", temporary("first.safetensors"));
    write_encoder(path, m, "", NULL);
    CHECK_OK(un_weights_open(&w, NULL, path, &err), &err);
    for (size_t i = 0; i < UN_COUNT(keys); i++) {
        un_model *n = model_of(keys[i]);
        const un_param *q = &n->graph->param[un_graph_find_param(n->graph, "encoder.conv1.weight")];
        un_import im;

        CHECK_OK(un_import_weights(&im, n, w, NULL, path, &err), &err);
        CHECK_INT(im.count[UN_IMPORT_ADAPTED], 1);
        for (int o = 0; o < 16; o++)
            for (int64_t k = 0; k < taps; k++) {
                const float *a = m->weights + p->offset + o * 3 * taps + k,
                            *b = n->weights + q->offset + (int64_t)o * q->dims[1] * taps + k;
                double want = 0, got = 0;

                for (int c = 0; c < 3; c++)
                    want += (double)a[c * taps];
                for (int c = 0; c < q->dims[1]; c++)
                    got += (double)b[c * taps];
                if (q->dims[1] > 1)
                    CHECK_NEAR(b[taps], a[taps] * 3.0 / q->dims[1], 1e-6);
                if (q->dims[1] == 1 || q->dims[1] == 6)
                    CHECK_NEAR(got, want, 1e-6);
            }
        un_import_free(&im);
        un_model_destroy(n);
    }
    un_weights_close(w);
    un_model_destroy(m);
}

/* `unet import` says what becomes of the first layer and of the pictures, and writes both into the model. */
TEST(other_channels)
{
    static const struct {
        int channels;
        const char *layer, *pictures, *json;
    } rows[] = {
        {1, "its channels added up", "pictures: less the mean [114.495], by the deviation [57.63]: ImageNet's",
            "\"mean\":[114.495],\"std\":[57.63]"},
        {2, "16x2x3x3: in the file conv1.weight 16x3x3x3, its channels repeated, scaled to the same sum",
            "less the mean [123.675, 116.28], by", "\"mean\":[123.675, 116.28],"},
        {3, "", "less the mean [123.675, 116.28, 103.53], by the deviation [58.395, 57.12, 57.375]: ImageNet's", ""},
        {4, "its channels repeated", "[123.675, 116.28, 103.53, 123.675]", ", 123.675]"},
    };
    un_model *m = model_of("encoder: resnet20, depth: 2");
    unet_import_options o = UNET_IMPORT_OPTIONS_INIT;
    char weights[300], out[300], key[40], *text, *json;
    unet_context *c;
    unet_config *given;

    snprintf(weights, sizeof weights, "%s", temporary("w.safetensors"));
    snprintf(out, sizeof out, "%s", temporary("out.safetensors"));
    write_encoder(weights, m, "", NULL);
    un_model_destroy(m);
    CHECK_OK(unet_context_create(&c, NULL, &err), &err);
    o.weights = weights;
    o.model = out;
    for (size_t i = 0; i < UN_COUNT(rows); i++) {
        snprintf(key, sizeof key, "model.in_channels=%d", rows[i].channels);
        CHECK_OK(unet_config_create(&given, c, &err), &err);
        CHECK_OK(unet_config_set(given, key, &err), &err);
        o.config = given;
        CHECK_OK(unet_import(c, &o, &text, &json, &err), &err);
        if (!strstr(text, rows[i].layer) || !strstr(text, rows[i].pictures) || !strstr(json, rows[i].json))
            un_test_fail(__FILE__, __LINE__, "%d channels: %s%s", rows[i].channels, text, json);
        CHECK_OK(un_model_load(&m, NULL, out, &err), &err);
        CHECK_INT(m->config.model.in_channels, rows[i].channels);
        CHECK_INT(m->config.data.mean.n, rows[i].channels);
        un_model_destroy(m);
        unet_config_destroy(given);
        unet_string_free(text);
        unet_string_free(json);
    }
    unet_context_destroy(c);
}

TEST(refusals)
{
    un_model *m = model_of("encoder: resnet20, depth: 2"), *n = model_of("encoder: vgg11, depth: 1");
    char path[300];
    un_weights *w;
    un_import im;

    snprintf(path, sizeof path, "%s", temporary("bad.safetensors"));
    write_encoder(path, m, "x.", NULL);
    CHECK_OK(un_weights_open(&w, NULL, path, &err), &err);
    CHECK_STATUS(un_import_weights(&im, n, w, NULL, path, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "none of its"));
    un_weights_close(w);
    m->weights[m->graph->param[3].offset] = NAN;
    write_encoder(path, m, "x.", NULL);
    CHECK_OK(un_weights_open(&w, NULL, path, &err), &err);
    CHECK_STATUS(un_import_weights(&im, m, w, NULL, path, &err), UNET_E_NUMERIC);
    CHECK(strstr(err.message, "not finite"));
    un_weights_close(w);
    un_model_destroy(m);
    un_model_destroy(n);
}

static void compare_real(const char *name, const un_model *m, const float *image)
{
    const un_session_options o = {.level = un_test_level()};
    un_safetensors *golden;
    const un_st_tensor *t;
    const float *want;
    double most = 0, off = 0;
    char key[80];
    int channels;
    un_session *s;
    float *v;

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/real.safetensors"), &err), &err);
    snprintf(key, sizeof key, "%s/logits", name);
    t = un_safetensors_find(golden, key);
    CHECK(t != NULL);
    CHECK_OK(un_session_create(&s, NULL, m, (un_shape){1, 1, H, W, 3}, &o, &err), &err);
    channels = un_session_output(s).c;
    v = un_alloc(NULL, (size_t)H * W * channels * sizeof *v);
    CHECK_OK(un_session_run(s, image, v, NULL, &err), &err);
    un_session_destroy(s);
    want = t->data;
    for (int y = 0; y < H; y += EVERY)
        for (int x = 0; x < W; x += EVERY)
            for (int k = 0; k < channels; k++, want++) {
                most = fmax(most, fabs((double)*want));
                off = fmax(off, fabs((double)v[(y * W + x) * channels + k] - (double)*want));
            }
    un_test_note("%s: off by %.1e", name, off / most);
    CHECK(off < 2e-5 * most);
    un_free(v);
    un_safetensors_close(golden);
}

TEST(real_resnet20)
{
    const char *path = un_test_shared("data/weights/resnet20_cifar10/resnet20-12fca82f.th");
    un_model *m = model_of("encoder: resnet20, depth: 2");
    float *image = golden_floats("image", (int64_t)H * W * 3, 0);
    un_weights *w;
    un_import im;

    golden_weights(m);
    CHECK_OK(un_weights_open(&w, NULL, path, &err), &err);
    CHECK_OK(un_import_weights(&im, m, w, NULL, path, &err), &err);
    CHECK_OK(un_import_check(&im, m, path, &err), &err);
    CHECK_STR(im.prefix, "module.");
    CHECK_INT(im.count[UN_IMPORT_MADE], 2);
    compare_real("resnet20", m, image);
    un_free(image);
    un_import_free(&im);
    un_weights_close(w);
    un_model_destroy(m);
}

TEST(real_lwnet)
{
    const char *path = un_test_shared("data/weights/lwnet_wnet_drive/model_checkpoint.pth");
    float *image = golden_floats("image", (int64_t)H * W * 3, 1);
    un_weights *w;
    un_model *m;
    un_import im;

    for (int i = 0; i < H * W * 3; i++)
        image[i] /= 2;
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_weights_open(&w, NULL, path, &err), &err);
    CHECK_OK(un_import_lwnet(&m, NULL, &cfg, w, &err), &err);
    CHECK(m != NULL);
    CHECK_OK(un_import_weights(&im, m, w, NULL, path, &err), &err);
    CHECK_INT(im.count[UN_IMPORT_SAME], m->graph->n_params);
    compare_real("lwnet", m, image);
    un_free(image);
    un_import_free(&im);
    un_weights_close(w);
    un_model_destroy(m);
}

/* A model of ours with other classes: what is not used of it is told with the reason. */
TEST(model_of_other_classes)
{
    un_model *m = model_of("encoder: resnet20, depth: 2");
    unet_import_options o = UNET_IMPORT_OPTIONS_INIT;
    unet_config *given;
    unet_context *c;
    char path[300], *text;

    snprintf(path, sizeof path, "%s", temporary("ours.safetensors"));
    golden_weights(m);
    CHECK_OK(un_model_save(m, path, &err), &err);
    un_model_destroy(m);
    CHECK_OK(unet_context_create(&c, NULL, &err), &err);
    CHECK_OK(unet_config_create(&given, c, &err), &err);
    CHECK_OK(unet_config_set(given, "model.classes=9", &err), &err);
    CHECK_OK(unet_config_set(given, "model.base_filters=4", &err), &err);
    CHECK_OK(unet_config_set(given, "model.depth=2", &err), &err);
    o.weights = path;
    o.config = given;
    CHECK_OK(unet_import(c, &o, &text, NULL, &err), &err);
    if (!strstr(text, "\n2 of ") || !strstr(text, "  head.bias 2: the parameter of that name has another shape here") ||
        strstr(text, "no parameter of this network"))
        un_test_fail(__FILE__, __LINE__, "%s", text);
    unet_string_free(text);
    unet_config_destroy(given);
    unet_context_destroy(c);
}

/* The public function: a file that is looked at, made into a model, and refused. */
TEST(public_function)
{
    un_model *m = model_of("encoder: resnet20, depth: 2");
    unet_import_options o = UNET_IMPORT_OPTIONS_INIT;
    unet_context *c;
    unet_model *made;
    unet_model_info info;
    char weights[300], out[300], *text, *json;
    double largest;
    int pairs;

    snprintf(weights, sizeof weights, "%s", temporary("w.safetensors"));
    snprintf(out, sizeof out, "%s", temporary("out.safetensors"));
    write_encoder(weights, m, "module.", NULL);
    un_model_destroy(m);
    CHECK_OK(unet_context_create(&c, NULL, &err), &err);
    o.weights = weights;
    CHECK_OK(unet_import(c, &o, &text, &json, &err), &err);
    CHECK(strstr(text, "encoder: resnet20") && strstr(text, "torchvision, behind 'module.'"));
    CHECK(strstr(json, "\"network\":\"resnet20\"") && strstr(json, "\"unused\":["));
    unet_string_free(text);
    unet_string_free(json);
    o.model = out;
    o.all = 1;
    CHECK_OK(unet_import(c, &o, &text, NULL, &err), &err);
    CHECK(strstr(text, "encoder.conv1.weight 16x3x3x3 from module.conv1.weight") && strstr(text, "written: "));
    unet_string_free(text);
    CHECK_OK(unet_model_load(&made, c, out, &err), &err);
    unet_model_get_info(made, &info);
    CHECK_INT(info.in_channels, 3);
    CHECK_OK(unet_model_selftest(made, &largest, &pairs, &err), &err);
    CHECK(largest < 1e-4);
    unet_model_destroy(made);
    o.weights = un_test_source("tests/golden/weights/zip.pth");
    CHECK_STATUS(unet_import(c, &o, NULL, NULL, &err), UNET_E_UNSUPPORTED);
    o.model = NULL;
    CHECK_OK(unet_import(c, &o, &text, NULL, &err), &err);
    CHECK(strstr(text, "network: none") && strstr(text, "conv1.weight F32 2x3x4"));
    unet_string_free(text);
    unet_context_destroy(c);
}
