/* unet_predict from the outside: formats and places of outputs, bad files, options, what is refused. */
#include <stdlib.h>

#include "base/file.h"
#include "io/image.h"
#include "level_model.h"
#include "unet/unet.h"

static unet_error err;

/* A path below the folder of this run; a few at a time. */
static const char *at(const char *name)
{
    static char path[16][1024], folder[512];
    static int next;

    if (!folder[0])
        snprintf(folder, sizeof folder, "%s", un_test_tmp());
    next = (next + 1) % 16;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static void save_model(const char *name, const char *options, const char *data)
{
    un_model *m = level_model(options, data);

    CHECK_OK(un_model_save(m, at(name), &err), &err);
    un_model_destroy(m);
}

static void two_classes(void)
{
    save_model("two.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 2, head: softmax",
        "classes: [ground, {name: bright, color: \"#ff8000\"}], mapping: [{value: 0, class: 0}, {value: 255, class: "
        "1}]");
}

/* A grey ramp with a hole. */
static un_image ramp(int h, int w)
{
    un_image im;

    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, h, w, 1, &err), &err);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            ((uint8_t *)im.data)[y * w + x] = (uint8_t)(x * 255 / (w - 1) * (y != h / 2));
    return im;
}

static void save_ramp(const char *name, int h, int w)
{
    un_image im = ramp(h, w);

    CHECK_OK(un_image_write_png(NULL, at(name), &im, &err), &err);
    un_image_free(&im);
}

static unet_status predict(unet_predict_options *o, int *done, int *failed, char **text, char **json)
{
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *c;
    unet_status st;

    co.threads = 2;
    CHECK_OK(unet_context_create(&c, &co, &err), &err);
    st = unet_predict(c, o, done, failed, text, json, &err);
    unet_context_destroy(c);
    return st;
}

TEST(a_folder)
{
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    un_image mask, overlay, prob;
    const un_image_read_options keep = {.keep_palette = 1};
    const char *inputs[] = {at("in")};
    unsigned char *csv;
    size_t size;
    char *text, *json;
    int done, failed;

    CHECK_OK(un_make_dirs(at("in/sub"), &err), &err);
    two_classes();
    save_ramp("in/a.png", 40, 60);
    save_ramp("in/sub/b.c.png", 33, 51);
    o.model = at("two.safetensors");
    o.inputs = inputs;
    o.input_count = 1;
    o.out_dir = at("out");
    o.overlay = o.probabilities = o.measure = 1;
    CHECK_OK(predict(&o, &done, &failed, &text, &json), &err);
    CHECK(done == 2 && failed == 0);
    CHECK(strstr(text, "2 of 2 files predicted") && strstr(json, "{\"done\":2,\"failed\":0,"));
    unet_string_free(text);
    unet_string_free(json);
    CHECK_OK(un_image_read(&mask, NULL, at("out/a.png"), &keep, &err), &err);
    CHECK(mask.h == 40 && mask.w == 60 && mask.c == 1 && mask.palette);
    CHECK(mask.palette[3] == 0xff && mask.palette[4] == 0x80 && mask.palette[5] == 0);
    for (int i = 0; i < 40 * 60; i++)
        CHECK_INT(((uint8_t *)mask.data)[i], i / 60 != 20 && i % 60 * 255 / 59 > 127);
    CHECK_OK(un_image_read(&prob, NULL, at("out/a_prob.tif"), NULL, &err), &err);
    CHECK(prob.type == UN_DTYPE_F32 && prob.c == 2 && prob.h == 40);
    for (int i = 0; i < 40 * 60; i++)
        CHECK_INT(un_image_at(&prob, 2 * (size_t)i + 1) > 0.5, ((uint8_t *)mask.data)[i]);
    CHECK_OK(un_image_read(&overlay, NULL, at("out/a_overlay.png"), NULL, &err), &err);
    CHECK(overlay.c == 3 && overlay.w == 480 && overlay.h > 320); /* enlarged, legend below */
    CHECK(un_path_exists(at("out/sub/b.c.png")) && un_path_exists(at("out/sub/b.c_overlay.png")));
    CHECK_OK(un_file_read(&csv, &size, NULL, at("out/measures.csv"), 1 << 20, &err), &err);
    CHECK(strstr((char *)csv, "\na,bright,") && strstr((char *)csv, "\nsub/b.c,ground,"));
    un_free(csv);
    un_image_free(&mask);
    un_image_free(&prob);
    un_image_free(&overlay);
}

TEST(goes_on_after_a_bad_file)
{
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    const char *inputs[] = {at("mixed"), at("lone/bad.png")};
    char *text, *json;
    int done, failed;

    two_classes();
    CHECK_OK(un_make_dirs(at("mixed"), &err), &err);
    CHECK_OK(un_make_dirs(at("lone"), &err), &err);
    save_ramp("mixed/a.png", 20, 20);
    save_ramp("mixed/c.png", 20, 20);
    CHECK_OK(un_file_write(NULL, at("mixed/b.png"), "\x89PNG\r\n\x1a\nbroken", 14, &err), &err);
    CHECK_OK(un_file_write(NULL, at("lone/bad.png"), "", 0, &err), &err);
    o.model = at("two.safetensors");
    o.inputs = inputs;
    o.input_count = 1;
    o.out_dir = at("mixed_out");
    CHECK_STATUS(predict(&o, &done, &failed, &text, &json), UNET_E_PARTIAL);
    CHECK(done == 2 && failed == 1);
    CHECK(strstr(err.message, "1 of 3 files could not be predicted"));
    CHECK(strstr(text, "failed:\n") && strstr(text, "mixed/b.png: ") && strstr(json, "\"status\":\"format\""));
    unet_string_free(text);
    unet_string_free(json);
    CHECK(un_path_exists(at("mixed_out/c.png")) && !un_path_exists(at("mixed_out/b.png")));
    o.inputs = inputs + 1; /* a lone file: its own status */
    CHECK_STATUS(predict(&o, &done, &failed, &text, NULL), UNET_E_FORMAT);
    CHECK(strstr(err.message, "the file is empty") && strstr(err.where, "bad.png"));
    unet_string_free(text);
}

TEST(inputs_are_never_replaced)
{
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    const char *inputs[] = {at("own")};

    two_classes();
    CHECK_OK(un_make_dirs(at("own"), &err), &err);
    save_ramp("own/a.png", 20, 20);
    o.model = at("two.safetensors");
    o.inputs = inputs;
    o.input_count = 1;
    o.out_dir = at("own/../own");
    CHECK_STATUS(predict(&o, NULL, NULL, NULL, NULL), UNET_E_ARG);
    CHECK(strstr(err.message, "would replace") && strstr(err.where, "a.png"));
}

TEST(only_some_keys_can_be_set)
{
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    const char *inputs[] = {at("keys")}, *set[] = {"model.depth=2"};

    two_classes();
    CHECK_OK(un_make_dirs(at("keys"), &err), &err);
    save_ramp("keys/a.png", 20, 20);
    o.model = at("two.safetensors");
    o.inputs = inputs;
    o.input_count = 1;
    o.out_dir = at("keys_out");
    o.set = set;
    o.set_count = 1;
    CHECK_STATUS(predict(&o, NULL, NULL, NULL, NULL), UNET_E_CONFIG);
    CHECK(strstr(err.message, "data, predict and eval") && strstr(err.where, "model.depth=2"));
    set[0] = "predict.tile=[1, 16, 16]";
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    set[0] = "tta=all";
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    set[0] = "tilt=4";
    CHECK_STATUS(predict(&o, NULL, NULL, NULL, NULL), UNET_E_CONFIG);
    CHECK(!strcmp(err.where, "tilt=4") || strstr(err.message, "tile"));
}
