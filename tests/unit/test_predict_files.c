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

static void check_same_file(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t nx, ny;

    CHECK_OK(un_file_read(&x, &nx, NULL, at(a), SIZE_MAX, &err), &err);
    CHECK_OK(un_file_read(&y, &ny, NULL, at(b), SIZE_MAX, &err), &err);
    CHECK(nx == ny && !memcmp(x, y, nx));
    un_free(x);
    un_free(y);
}

static size_t cap, peak; /* of the memory of a prediction; 0: none */

static unet_status predict(unet_predict_options *o, int *done, int *failed, char **text, char **json)
{
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *c;
    unet_status st;

    co.threads = 2;
    co.memory_cap = cap;
    CHECK_OK(unet_context_create(&c, &co, &err), &err);
    st = unet_predict(c, o, done, failed, text, json, &err);
    peak = unet_context_peak_bytes(c);
    unet_context_destroy(c);
    return st;
}

static void options_for(unet_predict_options *o, const char *model, const char *const *input, const char *out)
{
    *o = (unet_predict_options)UNET_PREDICT_OPTIONS_INIT;
    o->model = at(model);
    o->inputs = input;
    o->input_count = 1;
    o->out_dir = at(out);
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

/* Patterns stand for what they match, as in a shell; a name that is there is no pattern. */
TEST(patterns)
{
    static const struct {
        const char *pattern, *made; /* NULL: nothing matches */
    } rows[] = {{"glob/a?.png", "a1 a2 "}, {"glob/*.png", "a1 a2 b[1] "}, {"glob/b[1].png", "b[1] "},
        {"glob/[!a]*.png", "b[1] "}, {"glob/.*.png", NULL}, {"glob//s*/*", "d "}, {"glob/s*/", "d "},
        {"glob/*/e.png", NULL}, {"glob/a1.png/*", NULL}, {"none/*.png", NULL}};
    unet_predict_options o;
    const char *inputs[1];
    char out[32], made[100], **names;
    size_t count;

    two_classes();
    CHECK_OK(un_make_dirs(at("glob/sub"), &err), &err);
    save_ramp("glob/a1.png", 9, 9);
    save_ramp("glob/a2.png", 9, 9);
    save_ramp("glob/b[1].png", 9, 9);
    save_ramp("glob/.c.png", 9, 9);
    save_ramp("glob/sub/d.png", 9, 9);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(out, sizeof out, "glob_out%zu/x", i);
        inputs[0] = at(rows[i].pattern);
        options_for(&o, "two.safetensors", inputs, out);
        if (!rows[i].made) {
            CHECK_STATUS(predict(&o, NULL, NULL, NULL, NULL), UNET_E_NOT_FOUND);
            CHECK_STR(err.message, "nothing matches this pattern");
            continue;
        }
        CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
        made[0] = 0;
        CHECK_OK(un_dir_list(&names, &count, NULL, at(out), &err), &err);
        for (size_t k = 0; k < count; k++)
            snprintf(made + strlen(made), sizeof made - strlen(made), "%.*s ", (int)strlen(names[k]) - 4, names[k]);
        un_free(names);
        CHECK_STR(made, rows[i].made);
    }
}

static int stop_at_third(void *ctx)
{
    return ++*(int *)ctx > 3;
}

/* Stopped on request: what is done stays, nothing is half written. */
TEST(stopped)
{
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
    unet_predict_options o;
    const char *inputs[] = {at("stop")};
    char name[32], **names;
    int asked = 0, done;
    unet_context *c;
    size_t count;

    two_classes();
    CHECK_OK(un_make_dirs(at("stop"), &err), &err);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "stop/f%d.png", i);
        save_ramp(name, 40, 40);
    }
    options_for(&o, "two.safetensors", inputs, "stop_out");
    co.cancel = stop_at_third;
    co.cancel_ctx = &asked;
    CHECK_OK(unet_context_create(&c, &co, &err), &err);
    CHECK_STATUS(unet_predict(c, &o, &done, NULL, NULL, NULL, &err), UNET_E_CANCELLED);
    unet_context_destroy(c);
    CHECK(done > 0 && done < 6);
    CHECK_OK(un_dir_list(&names, &count, NULL, at("stop_out"), &err), &err);
    CHECK(count == (size_t)done && un_test_count(at("stop_out")) == done);
    for (size_t i = 0; i < count; i++) {
        un_image mask;

        snprintf(name, sizeof name, "stop_out/%s", names[i]);
        CHECK_OK(un_image_read(&mask, NULL, at(name), NULL, &err), &err);
        un_image_free(&mask);
    }
    un_free(names);
}

static int at_value(const un_image *im, int z, int y, int x)
{
    return (int)un_image_at(im, ((size_t)z * (size_t)im->h + (size_t)y) * (size_t)im->w + (size_t)x);
}

/* Sixteen classes of a picture of 16 million pixels under a cap of so many MiB. */
static void predict_large(const char *data, size_t mib)
{
    enum { SIDE = 4000 };
    const char *inputs[] = {at("large")};
    unet_predict_options o;
    un_image mask;

    save_model("levels.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 16, head: softmax", data);
    options_for(&o, "levels.safetensors", inputs, "large_out");
    cap = mib << 20;
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    cap = 0;
    CHECK(peak <= mib << 20);
    CHECK_OK(
        un_image_read(&mask, NULL, at("large_out/a.png"), &(un_image_read_options){.keep_palette = 1}, &err), &err);
    CHECK(mask.h == SIDE && mask.w == SIDE);
    for (int x = 8; x < SIDE - 8; x += 61) /* away from the steps of the ramp */
        if (x * 16 % (SIDE - 1) > 400 && x * 16 % (SIDE - 1) < SIDE - 401)
            CHECK_INT(at_value(&mask, 0, 100, x), x * 16 / (SIDE - 1));
    un_image_free(&mask);
}

/* The probabilities of the classes would fill a gigabyte, the picture as floats 64 MB; decoded picture and mask have 16
 * each. */
LONG_TEST(memory_is_bounded)
{
    CHECK_OK(un_make_dirs(at("large"), &err), &err);
    save_ramp("large/a.png", 4000, 4000);
    predict_large("scale: 0.5", 250);
    predict_large("scale: 1", 44);
}

/* The file's axes run otherwise than the network's: the mask keeps grid and affine. */
TEST(volumes_keep_their_grid)
{
    enum { DEEP = 300 }; /* what the network sees as width, the other way round */
    static const double affine[3][4] = {{0, 0, -2, 30}, {1.5, 0, 0, -4}, {0, 3, 0, 7}};
    const char *inputs[] = {at("volume")}, *set[] = {"data.spacing=[3, 1.5, 1]"};
    unet_predict_options o;
    un_image im, mask, prob;

    save_model("volume.safetensors", "dims: 3, depth: 1, in_channels: 1, classes: 2, head: softmax", "");
    CHECK_OK(un_make_dirs(at("volume"), &err), &err);
    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, DEEP, 10, 14, 1, &err), &err);
    for (int i = 0; i < DEEP * 10 * 14; i++)
        ((uint8_t *)im.data)[i] = i / 140 >= 130 && i / 14 % 10 < 6 && i % 14 >= 4 ? 230 : 20;
    memcpy(im.affine, affine, sizeof affine);
    im.has_affine = im.has_spacing = 1;
    im.spacing[0] = 2, im.spacing[1] = 3, im.spacing[2] = 1.5;
    CHECK_OK(un_image_write_nifti(NULL, at("volume/v.nii.gz"), &im, &err), &err);
    options_for(&o, "volume.safetensors", inputs, "volume_out");
    o.probabilities = o.overlay = o.measure = 1;
    for (int pass = 0; pass < 2; pass++) { /* as it is; then the network sees another spacing */
        CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
        CHECK_OK(un_image_read(&mask, NULL, at("volume_out/v.nii.gz"), NULL, &err), &err);
        CHECK(mask.d == DEEP && mask.h == 10 && mask.w == 14 && mask.has_affine);
        for (int i = 0; i < 12; i++)
            CHECK_NEAR(mask.affine[i / 4][i % 4], affine[i / 4][i % 4], 1e-6);
        for (int i = 0; i < DEEP * 10 * 14; i++)
            CHECK_INT(un_image_at(&mask, (size_t)i), ((uint8_t *)im.data)[i] > 100);
        CHECK_OK(un_image_read(&prob, NULL, at("volume_out/v_prob.nii.gz"), NULL, &err), &err);
        CHECK(prob.type == UN_DTYPE_F32 && prob.c == 2 && prob.d == DEEP);
        for (size_t i = 0; i < DEEP * 10 * 14; i++)
            CHECK_NEAR(un_image_at(&prob, 2 * i) + un_image_at(&prob, 2 * i + 1), 1, 1e-5);
        CHECK(un_path_exists(at("volume_out/v_overlay.png")));
        un_image_free(&prob);
        un_image_free(&mask);
        o.set = set;
        o.set_count = 1;
    }
    un_image_free(&im);
}

/* Pages are pictures of their own, or channels, as the model says. */
TEST(pages)
{
    const char *inputs[] = {at("pages")}, *set[] = {"data.pages=channels"};
    unet_predict_options o;
    un_image im, mask;
    int done;

    two_classes();
    save_model("colour.safetensors", "dims: 2, depth: 1, in_channels: 3, classes: 2, head: softmax", "colour: all");
    CHECK_OK(un_make_dirs(at("pages"), &err), &err);
    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 3, 12, 20, 1, &err), &err);
    for (int i = 0; i < 3 * 12 * 20; i++)
        ((uint8_t *)im.data)[i] = i % 20 < 5 * (i / 240 + 1) ? 200 : 0;
    CHECK_OK(un_image_write_tiff(NULL, at("pages/t.tif"), &im, &err), &err);
    un_image_free(&im);
    options_for(&o, "two.safetensors", inputs, "pages_out");
    CHECK_OK(predict(&o, &done, NULL, NULL, NULL), &err);
    CHECK_INT(done, 3);
    CHECK_OK(
        un_image_read(&mask, NULL, at("pages_out/t_page0003.png"), &(un_image_read_options){.keep_palette = 1}, &err),
        &err);
    for (int x = 0; x < 20; x++)
        CHECK_INT(at_value(&mask, 0, 3, x), x < 15);
    un_image_free(&mask);
    options_for(&o, "colour.safetensors", inputs, "pages_out");
    o.set = set;
    o.set_count = 1;
    CHECK_OK(predict(&o, &done, NULL, NULL, NULL), &err);
    CHECK(done == 1 && un_path_exists(at("pages_out/t.png")));
}

/* NAME_0000, NAME_0001 ...: a file for each channel. */
TEST(channels_in_files)
{
    const char *inputs[] = {at("channels")};
    unet_predict_options o;
    int done;

    save_model("colour.safetensors", "dims: 2, depth: 1, in_channels: 3, classes: 2, head: softmax", "colour: all");
    CHECK_OK(un_make_dirs(at("channels/sub"), &err), &err);
    for (int k = 0; k < 3; k++) {
        char name[64];

        snprintf(name, sizeof name, "channels/case_000%d.png", k);
        save_ramp(name, 16, 20);
        snprintf(name, sizeof name, "channels/sub/x_000%d.png", k);
        if (k < 2)
            save_ramp(name, 16, 20);
    }
    options_for(&o, "colour.safetensors", inputs, "channels_out");
    CHECK_STATUS(predict(&o, &done, NULL, NULL, NULL), UNET_E_PARTIAL); /* x lacks one: two files of one channel */
    CHECK(done == 1 && un_path_exists(at("channels_out/case.png")));
}

TEST(labels_that_overlap)
{
    const char *inputs[] = {at("labels")};
    unet_predict_options o;
    unsigned char *csv;
    size_t size;
    un_image mask;

    save_model("labels.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 3, head: multilabel",
        "mask_kind: multilabel, classes: [low, middle, high]");
    CHECK_OK(un_make_dirs(at("labels"), &err), &err);
    save_ramp("labels/a.png", 16, 101);
    options_for(&o, "labels.safetensors", inputs, "labels_out");
    o.overlay = o.measure = o.probabilities = 1;
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    CHECK_OK(un_image_read(&mask, NULL, at("labels_out/a.tif"), NULL, &err), &err);
    CHECK(mask.c == 3 && mask.w == 101);
    for (int x = 0; x < 101; x++)
        for (int k = 0; k < 3; k++)
            if (x % 25)
                CHECK_INT(((uint8_t *)mask.data)[x * 3 + k], x > 25 * (k + 1) ? 255 : 0);
    un_image_free(&mask);
    CHECK_OK(un_file_read(&csv, &size, NULL, at("labels_out/measures.csv"), 1 << 20, &err), &err);
    CHECK(strstr((char *)csv, "\na,low,1125,") && strstr((char *)csv, "\na,high,375,"));
    un_free(csv);
}

/* A disk that is full stops the job and leaves nothing half written. */
TEST(a_full_disk)
{
    const char *inputs[] = {at("full")};
    unet_predict_options o;
    unet_status st;
    int done;

    two_classes();
    CHECK_OK(un_make_dirs(at("full"), &err), &err);
    save_ramp("full/a.png", 64, 64);
    save_ramp("full/b.png", 64, 64);
    options_for(&o, "two.safetensors", inputs, "full_out");
    o.overlay = 1;
    for (int probabilities = 0; probabilities < 2; probabilities++) {
        o.probabilities = probabilities;
        setenv("UNET_TEST_DISK_BYTES", "100", 1);
        st = predict(&o, &done, NULL, NULL, NULL);
        unsetenv("UNET_TEST_DISK_BYTES");
        CHECK_STATUS(st, UNET_E_IO);
        CHECK_INT(done, 0);
        CHECK_INT(un_test_count(at("full_out")), 0);
    }
}

/* The output folder may lie in the folder that is predicted: it is no input the next time. */
TEST(output_inside_the_input)
{
    const char *inputs[] = {at("inside")};
    unet_predict_options o;
    int done;

    two_classes();
    CHECK_OK(un_make_dirs(at("inside"), &err), &err);
    save_ramp("inside/a.png", 20, 20);
    save_ramp("inside/a_overlay.png", 20, 20);
    options_for(&o, "two.safetensors", inputs, "inside/out");
    for (int pass = 0; pass < 2; pass++) {
        CHECK_OK(predict(&o, &done, NULL, NULL, NULL), &err);
        CHECK_INT(done, 2);
    }
    o.overlay = 1;
    CHECK_STATUS(predict(&o, &done, NULL, NULL, NULL), UNET_E_ARG);
    CHECK(strstr(err.message, "would have one name"));
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

/* Neighbours are read and written beside a file, except where memory is limited: the results are the same, and what
 * fails is listed in the order of the files. */
TEST(many_files)
{
    enum { FILES = 9 };
    unet_predict_options o;
    const char *inputs[] = {at("many")};
    char name[64], *text, *last;
    int done, failed;

    two_classes();
    CHECK_OK(un_make_dirs(at("many"), &err), &err);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "many/f%d.png", i);
        if (i % 4)
            save_ramp(name, 16 + 40 * (i % 3), 24 + i);
        else
            CHECK_OK(un_file_write(NULL, at(name), "\x89PNG\r\n\x1a\nbroken", 14, &err), &err);
    }
    for (int limited = 0; limited < 2; limited++) {
        cap = limited ? (size_t)1 << 30 : 0;
        options_for(&o, "two.safetensors", inputs, limited ? "many_limited" : "many_free");
        o.overlay = o.measure = 1;
        CHECK_STATUS(predict(&o, &done, &failed, &text, NULL), UNET_E_PARTIAL);
        CHECK(done == 6 && failed == 3);
        last = text;
        for (int i = 0; i < FILES; i += 4) {
            snprintf(name, sizeof name, "many/f%d.png: ", i);
            last = strstr(last, name);
            CHECK(last);
        }
        unet_string_free(text);
    }
    cap = 0;
    check_same_file("many_free/measures.csv", "many_limited/measures.csv");
    for (int i = 1; i < FILES; i++) {
        char other[64];

        for (int k = 0; k < 2 && i % 4; k++) {
            snprintf(name, sizeof name, "many_free/f%d%s.png", i, k ? "_overlay" : "");
            snprintf(other, sizeof other, "many_limited/f%d%s.png", i, k ? "_overlay" : "");
            check_same_file(name, other);
        }
    }
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

/* A gate that opens where the picture is bright. */
static void gated(const char *name, int dims)
{
    char options[100];
    const un_param *p;
    un_model *m;

    snprintf(options, sizeof options,
        "dims: %d, depth: 1, in_channels: 1, classes: 2, head: softmax, strides: 2, gate: attention", dims);
    m = level_model(options, "classes: [ground, bright], mapping: [{value: 0, class: 0}, {value: 255, class: 1}]");
    level_pass(m, "gate0.x.weight");
    level_weights(m, "gate0.psi.weight", &p)[0] = 20;
    level_weights(m, "gate0.psi.bias", &p)[0] = -10;
    CHECK_OK(un_model_save(m, at(name), &err), &err);
    un_model_destroy(m);
}

static void check_pixel(const un_image *im, int y, int x, int r, int g, int b)
{
    const uint8_t *px = (const uint8_t *)im->data + ((size_t)y * (size_t)im->w + (size_t)x) * 3;

    CHECK_NEAR(px[0], r, 2);
    CHECK_NEAR(px[1], g, 2);
    CHECK_NEAR(px[2], b, 2);
}

TEST(gates_as_heat)
{
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    const char *inputs[] = {at("gates")};
    un_image im, heat;

    CHECK_OK(un_make_dirs(at("gates"), &err), &err);
    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, 24, 40, 1, &err), &err);
    for (int i = 0; i < 24 * 40; i++)
        ((uint8_t *)im.data)[i] = i % 40 < 20 ? 0 : 255;
    CHECK_OK(un_image_write_png(NULL, at("gates/a.png"), &im, &err), &err);
    un_image_free(&im);
    two_classes();
    gated("gated.safetensors", 2);
    o.model = at("two.safetensors");
    o.inputs = inputs;
    o.input_count = 1;
    o.out_dir = at("gates_out");
    o.attention = 1;
    CHECK_STATUS(predict(&o, NULL, NULL, NULL, NULL), UNET_E_ARG);
    CHECK(strstr(err.message, "no attention gate"));
    o.model = at("gated.safetensors");
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    CHECK(un_path_exists(at("gates_out/a.png")) && !un_path_exists(at("gates_out/a_gate1.png")));
    CHECK_OK(un_image_read(&heat, NULL, at("gates_out/a_gate0.png"), NULL, &err), &err);
    CHECK(heat.w == 480 && heat.h > 288); /* twelve times, and a legend */
    check_pixel(&heat, 100, 30, 5, 6, 30);
    check_pixel(&heat, 100, 450, 254, 248, 188);
    un_image_free(&heat);
    CHECK_OK(un_make_dirs(at("gates_two"), &err), &err);
    inputs[0] = at("gates_two");
    save_ramp("gates_two/a.png", 20, 20);
    save_ramp("gates_two/a_gate0.png", 20, 20);
    CHECK_STATUS(predict(&o, NULL, NULL, NULL, NULL), UNET_E_ARG);
    CHECK(strstr(err.message, "would have one name"));
    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 8, 16, 16, 1, &err), &err);
    for (int i = 0; i < 8 * 16 * 16; i++)
        ((uint8_t *)im.data)[i] = i % 16 < 8 ? 0 : 255;
    CHECK_OK(un_image_write_nifti(NULL, at("volume.nii.gz"), &im, &err), &err);
    un_image_free(&im);
    gated("gated3.safetensors", 3);
    inputs[0] = at("volume.nii.gz");
    o.model = at("gated3.safetensors");
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    CHECK_OK(un_image_read(&heat, NULL, at("gates_out/volume_gate0.png"), NULL, &err), &err);
    CHECK(heat.w > 3 * 300 && heat.h > 3 * 300 && heat.c == 3); /* eight slices in rows of three */
    un_image_free(&heat);
}

/* Two discs that a neck joins, and one by itself: numbers in a file of its own, touching ones apart where that is
 * asked for. */
TEST(objects_have_numbers)
{
    const char *inputs[] = {at("blobs")};
    unet_predict_options o;
    un_image im;

    two_classes();
    CHECK_OK(un_make_dirs(at("blobs"), &err), &err);
    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, 32, 64, 1, &err), &err);
    for (int i = 0; i < 32 * 64; i++) {
        const int y = i / 64 - 16, x = i % 64, disc = (x - 10) * (x - 10), next = (x - 28) * (x - 28);
        const int bright =
            disc + y * y < 64 || next + y * y < 64 || (y == 0 && x > 10 && x < 28) || (x - 52) * (x - 52) + y * y < 36;

        ((uint8_t *)im.data)[i] = bright ? 255 : 0;
    }
    CHECK_OK(un_image_write_png(NULL, at("blobs/a.png"), &im, &err), &err);
    un_image_free(&im);
    for (int split = 0; split < 2; split++) {
        uint16_t *v;

        options_for(&o, "two.safetensors", inputs, "blobs_out");
        o.objects = 1;
        o.split_touching = split;
        CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
        CHECK(!un_path_exists(at("blobs_out/measures.csv")));
        CHECK_OK(un_image_read(&im, NULL, at("blobs_out/a_objects.tif"), NULL, &err), &err);
        v = (uint16_t *)im.data + (size_t)16 * 64;
        CHECK(im.type == UN_DTYPE_U16 && im.h == 32 && im.w == 64 && im.c == 1);
        CHECK(v[0] == 0 && v[10] == 1 && v[28] == (split ? 2 : 1) && v[52] == (split ? 3 : 2));
        un_image_free(&im);
    }
    save_ramp("blobs/a_objects.png", 20, 20);
    CHECK_STATUS(predict(&o, NULL, NULL, NULL, NULL), UNET_E_ARG);
    CHECK(strstr(err.message, "would have one name"));
}

TEST(objects_of_volumes)
{
    const char *inputs[] = {at("balls.nii.gz")};
    unet_predict_options o;
    un_image im;

    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 8, 16, 16, 1, &err), &err);
    for (int i = 0; i < 8 * 16 * 16; i++)
        ((uint8_t *)im.data)[i] = (i % 16 < 5 || i % 16 > 10) && i / 256 > 2 ? 255 : 0;
    im.has_spacing = 1;
    im.spacing[0] = 2, im.spacing[1] = im.spacing[2] = 0.5;
    CHECK_OK(un_image_write_nifti(NULL, at("balls.nii.gz"), &im, &err), &err);
    un_image_free(&im);
    save_model("two3.safetensors", "dims: 3, depth: 1, in_channels: 1, classes: 2, head: softmax", "classes: [a, b]");
    options_for(&o, "two3.safetensors", inputs, "balls_out");
    o.objects = 1;
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    CHECK_OK(un_image_read(&im, NULL, at("balls_out/balls_objects.nii.gz"), NULL, &err), &err);
    CHECK(im.d == 8 && im.h == 16 && im.w == 16 && im.type == UN_DTYPE_U16);
    CHECK_NEAR(im.spacing[0], 2, 1e-6);
    CHECK_NEAR(im.spacing[2], 0.5, 1e-6);
    for (int i = 0; i < 8 * 16 * 16; i++) {
        const int x = i % 16, z = i / 256;

        if ((x < 4 || x > 11) && z != 2 && z != 3) /* what pooling mixes is left out */
            CHECK_INT(((uint16_t *)im.data)[i], z < 2 ? 0 : x < 8 ? 1 : 2);
    }
    un_image_free(&im);
}

/* Pixels of class 1 in the files of a ramp: where the probability says so, and where the overlay is painted. */
static int bright_from(const char *key, double threshold)
{
    unet_predict_options o;
    un_image mask, overlay, prob;
    const char *inputs[] = {at("edge")};
    int bright = 0;

    options_for(&o, "two.safetensors", inputs, "edge_out");
    o.set = &key;
    o.set_count = key != NULL;
    o.overlay = o.probabilities = 1;
    CHECK_OK(predict(&o, NULL, NULL, NULL, NULL), &err);
    CHECK_OK(un_image_read(&mask, NULL, at("edge_out/a.png"), &(un_image_read_options){.keep_palette = 1}, &err), &err);
    CHECK_OK(un_image_read(&overlay, NULL, at("edge_out/a_overlay.png"), NULL, &err), &err);
    CHECK_OK(un_image_read(&prob, NULL, at("edge_out/a_prob.tif"), NULL, &err), &err);
    CHECK(overlay.w == 600 && overlay.h > 500);
    for (int i = 0; i < 500 * 600; i++) {
        const uint8_t *rgb = (uint8_t *)overlay.data + 3 * i;

        CHECK_INT(((uint8_t *)mask.data)[i], un_image_at(&prob, 2 * (size_t)i + 1) >= threshold);
        CHECK_INT(rgb[0] != rgb[2], ((uint8_t *)mask.data)[i]);
        bright += ((uint8_t *)mask.data)[i];
    }
    un_image_free(&mask);
    un_image_free(&overlay);
    un_image_free(&prob);
    return bright;
}

TEST(threshold_of_two_classes)
{
    int likelier;

    two_classes();
    CHECK_OK(un_make_dirs(at("edge"), &err), &err);
    save_ramp("edge/a.png", 500, 600);
    likelier = bright_from(NULL, 0.5);
    CHECK_INT(bright_from("predict.threshold=0.5", 0.5), likelier);
    CHECK(bright_from("predict.threshold=0.1", 0.1) > likelier);
    CHECK(bright_from("predict.threshold=[0.1, 0.9]", 0.9) < likelier);
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
