/* Opening a data set, inspecting it, and the sheets that show it. */
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "api/data_open.h"
#include "base/file.h"
#include "io/image.h"

static unet_error err;
static char dir[1024];
static unet_context *context;
static un_config cfg;

static void begin(void)
{
    char cache[1100];

    snprintf(dir, sizeof dir, "%s", un_test_tmp());
    snprintf(cache, sizeof cache, "%s/cache", dir);
    setenv("XDG_CACHE_HOME", cache, 1);
    CHECK_OK(unet_context_create(&context, NULL, &err), &err);
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
}

static void end(void)
{
    unet_context_destroy(context);
    context = NULL;
}

enum { H = 20, W = 28 };

/* A grey picture with a bright square, and its mask with `high` inside of it. */
static void put_pair(const char *name, int seed, int high)
{
    char path[1200];
    un_image im, mask;

    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, H, W, 1, &err), &err);
    CHECK_OK(un_image_create(&mask, NULL, UN_DTYPE_U8, 1, H, W, 1, &err), &err);
    for (int i = 0; i < H * W; i++) {
        const int y = i / W, x = i % W, in = y > 5 && y < 12 && x > 4 + seed % 7 && x < 15 + seed % 7;

        ((uint8_t *)im.data)[i] = (uint8_t)(30 + (i * 7 + seed * 13) % 50 + 120 * in);
        ((uint8_t *)mask.data)[i] = (uint8_t)(in ? high : 0);
    }
    snprintf(path, sizeof path, "%s/data/images", dir);
    CHECK_OK(un_make_dirs(path, &err), &err);
    snprintf(path, sizeof path, "%s/data/masks", dir);
    CHECK_OK(un_make_dirs(path, &err), &err);
    snprintf(path, sizeof path, "%s/data/images/%s.png", dir, name);
    CHECK_OK(un_image_write_png(NULL, path, &im, &err), &err);
    snprintf(path, sizeof path, "%s/data/masks/%s.png", dir, name);
    CHECK_OK(un_image_write_png(NULL, path, &mask, &err), &err);
    un_image_free(&im);
    un_image_free(&mask);
}

static void put_pairs(int n, int high)
{
    char name[16];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "p%02d", i);
        put_pair(name, i, high);
    }
}

static void put_text(const char *rel, const char *text)
{
    char path[1200];

    snprintf(path, sizeof path, "%s/%s", dir, rel);
    CHECK_OK(un_file_write(NULL, path, text, strlen(text), &err), &err);
}

static const char *data_path(void)
{
    static char path[1100];

    snprintf(path, sizeof path, "%s/data", dir);
    return path;
}

typedef struct reports {
    int n;
    int64_t done, total;
} reports;

static void count_reports(void *ctx, const unet_progress *p)
{
    reports *r = ctx;

    CHECK_STR(p->phase, "scan");
    r->n++;
    r->done = p->done;
    r->total = p->total;
}

TEST(open_settles_and_counts)
{
    reports r = {0};
    un_data_open_options o = {.progress = count_reports, .progress_ctx = &r};
    un_opened d;

    begin();
    put_pairs(10, 255);
    o.path = data_path();
    CHECK_OK(un_data_open(&d, context, &o, &cfg, &err), &err);
    CHECK_INT(r.n, 10);
    CHECK_INT(r.total, 10);
    CHECK_INT(d.f.pictures, 10);
    CHECK_INT(d.f.classes, 2);
    CHECK_INT(d.f.role[UN_ROLE_SELECT], 1);
    CHECK_INT(cfg.data.mapping.n, 2);
    CHECK_INT(cfg.model.in_channels, 1);
    CHECK(strstr(d.why.s, "data.mapping: "));
    CHECK_INT(d.problem.status, UNET_OK);
    un_data_close(&d);
    end();
}

TEST(open_keeps_results_of_the_scan)
{
    un_data_open_options o = {0};
    un_opened d;
    un_config again;
    char *path;

    begin();
    again = cfg;
    put_pairs(6, 255);
    o.path = data_path();
    CHECK_OK(un_data_open(&d, context, &o, &cfg, &err), &err);
    CHECK_INT(d.s->decoded, 6);
    un_data_close(&d);
    path = un_data_cache_path(NULL, o.path);
    CHECK(path && un_path_exists(path));
    un_free(path);
    put_pair("p00", 40, 255);
    CHECK_OK(un_data_open(&d, context, &o, &again, &err), &err);
    CHECK_INT(d.s->decoded, 1);
    un_data_close(&d);
    end();
}

TEST(open_without_a_place_for_results)
{
    un_data_open_options o = {0};
    un_opened d;

    begin();
    setenv("XDG_CACHE_HOME", "here", 1);
    setenv("HOME", "/dev/null", 1);
    put_pairs(6, 255);
    o.path = data_path();
    CHECK(!un_data_cache_path(NULL, o.path));
    CHECK_OK(un_data_open(&d, context, &o, &cfg, &err), &err);
    un_data_close(&d);
    end();
}

/* Masks that are pictures: an error in training, a finding for inspect. */
TEST(open_bears_what_training_cannot)
{
    un_data_open_options o = {0};
    un_opened d;
    un_config strict;
    char path[1100];

    begin();
    strict = cfg;
    put_pairs(6, 255);
    snprintf(path, sizeof path, "%s/data/masks", dir);
    for (int i = 0; i < 6; i++) {
        char from[1200], to[1200];
        unsigned char *bytes;
        size_t size;

        snprintf(from, sizeof from, "%s/data/images/p%02d.png", dir, i);
        snprintf(to, sizeof to, "%s/p%02d.png", path, i);
        CHECK_OK(un_file_read(&bytes, &size, NULL, from, 1 << 20, &err), &err);
        CHECK_OK(un_file_write(NULL, to, bytes, size, &err), &err);
        un_free(bytes);
    }
    o.path = data_path();
    CHECK_STATUS(un_data_open(&d, context, &o, &strict, &err), UNET_E_DATA);
    o.lenient = 1;
    CHECK_OK(un_data_open(&d, context, &o, &cfg, &err), &err);
    CHECK_INT(d.problem.status, UNET_E_DATA);
    CHECK_INT(d.f.classes, 0);
    CHECK_INT(cfg.data.colour, UN_CFG_COLOUR_GREY);
    CHECK_INT(cfg.data.mask_kind, UN_CFG_MASK_AUTO);
    un_data_close(&d);
    end();
}

TEST(open_lists_broken_pictures)
{
    un_data_open_options o = {0};
    un_opened d;

    begin();
    put_pairs(7, 1);
    put_text("data/images/p02.png", "no picture");
    o.path = data_path();
    CHECK_OK(un_data_open(&d, context, &o, &cfg, &err), &err);
    CHECK_INT(d.f.left_out, 1);
    CHECK_INT(d.d->issue_count, 1);
    CHECK_STR(d.d->issues[0].file, "images/p02.png");
    un_data_close(&d);
    end();
}

static int always(void *ctx)
{
    (void)ctx;
    return 1;
}

TEST(open_stops_when_asked)
{
    un_data_open_options o = {0};
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *c;
    un_opened d;

    begin();
    put_pairs(6, 255);
    co.cancel = always;
    CHECK_OK(unet_context_create(&c, &co, &err), &err);
    o.path = data_path();
    CHECK_STATUS(un_data_open(&d, c, &o, &cfg, &err), UNET_E_CANCELLED);
    unet_context_destroy(c);
    end();
}

/* ---- the sets of ../shared/data ---- */

/* What a proposal says, in one line. */
static void summary(char *buf, size_t size, const un_opened *d)
{
    size_t at = (size_t)snprintf(buf, size, "%d of %d, %dd, %s %s", d->f.usable - d->f.unlabelled, d->f.pictures,
        cfg.model.dims, un_config_word("data", "colour", (int)cfg.data.colour),
        un_config_word("data", "mask_kind", (int)cfg.data.mask_kind));

    for (int i = 0; i < cfg.data.mapping.n && at < size; i++) {
        const un_cfg_map *m = &cfg.data.mapping.v[i];

        at += (size_t)snprintf(buf + at, size - at, "%s%g", i ? " " : "; ", m->value);
        if (at < size && !un_is_auto(m->to))
            at += (size_t)snprintf(buf + at, size - at, "..%g", m->to);
    }
    for (int i = 0; i < cfg.data.ignore.n && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%g", i ? " " : "; ignore ", cfg.data.ignore.v[i]);
    if (at < size)
        snprintf(buf + at, size - at, "; %s scored", cfg.data.foreground.v[0] == 0 ? "all" : "1..");
}

TEST(real_sets)
{
    static const struct {
        const char *set, *keys[3], *expected;
    } rows[] = {
        {"isbi2012_em", {NULL}, "24 of 24, 2d, grey index; 0..127 128..255; all scored"},
        {"camvid11", {"data.ignore=[11]", NULL},
            "73 of 73, 2d, rgb index; 0 1 2 3 4 5 6 7 8 9 10; ignore 11; all scored"},
        {"dsb2018_stage1", {NULL}, "115 of 115, 2d, rgb instance; 1.. scored"},
        {"msd_hippocampus", {NULL}, "208 of 208, 3d, grey index; 0 1 2; 1.. scored"},
        {"axon_sem", {NULL}, "6 of 6, 2d, grey index; 0..63 64..190 191..255; 1.. scored"},
        {"usiigaci_t98g", {NULL}, "4 of 5, 2d, grey instance; 1.. scored"},
        {"wbc_dataset1", {NULL}, "60 of 60, 2d, rgb index; 0..63 64..191 192..255; 1.. scored"},
        {"wbc_dataset2", {NULL}, "2 of 2, 2d, rgb index; 0..63 64..191 192..255; 1.. scored"},
        {"mt_defects", {NULL}, "56 of 56, 2d, grey index; 0..127 128..255; 1.. scored"},
        {"water12", {NULL}, "20 of 20, 2d, all index; 0 1; 1.. scored"},
        {"sen1floods11_sample", {"data.mask_suffix=_LabelHand", "data.image_suffix=_S2Hand", NULL},
            "1 of 1, 2d, all index; 0 1; ignore -1; 1.. scored"},
        {"spacenet_sample", {NULL}, "1 of 1, 2d, grey index; 0..127 128..255; 1.. scored"},
        {"mass_roads", {NULL}, "1 of 1, 2d, rgb index; 0..127 128..255; 1.. scored"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[2048], line[512];
        un_data_open_options o = {.path = path};
        un_opened d;

        snprintf(path, sizeof path, "%s", un_test_shared("data"));
        begin();
        snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", rows[i].set);
        for (int k = 0; rows[i].keys[k]; k++)
            CHECK_OK(un_config_set(&cfg, NULL, rows[i].keys[k], &err), &err);
        CHECK_OK(un_data_open(&d, context, &o, &cfg, &err), &err);
        summary(line, sizeof line, &d);
        CHECK_STR(line, rows[i].expected);
        un_data_close(&d);
        end();
    }
}

/* One patient as an nnU-Net folder: two channels, labels stored as floats through a scale. */
TEST(brats_as_nnunet)
{
    static const char *const link[][2] = {{"Flair_subtrMeanDivStd.nii.gz", "imagesTr/p6_0000.nii.gz"},
        {"T1c_subtrMeanDivStd.nii.gz", "imagesTr/p6_0001.nii.gz"}, {"OTMultiClass.nii.gz", "labelsTr/p6.nii.gz"}};
    char from[2048], to[1200], line[512], kept[1200];
    un_data_open_options o = {0};
    un_opened d;

    snprintf(kept, sizeof kept, "%s", un_test_shared("data/brats2013_sample/train/brats_2013_pat0006_1"));
    begin();
    snprintf(to, sizeof to, "%s/data/imagesTr", dir);
    CHECK_OK(un_make_dirs(to, &err), &err);
    snprintf(to, sizeof to, "%s/data/labelsTr", dir);
    CHECK_OK(un_make_dirs(to, &err), &err);
    for (int i = 0; i < 3; i++) {
        snprintf(from, sizeof from, "%s/%s", kept, link[i][0]);
        snprintf(to, sizeof to, "%s/data/%s", dir, link[i][1]);
        CHECK(!symlink(from, to));
    }
    put_text("data/dataset.json",
        "{\"channel_names\": {\"0\": \"FLAIR\", \"1\": \"T1c\"}, \"labels\": {\"background\": 0, "
        "\"necrosis\": 1, \"oedema\": 2, \"non_enhancing\": 3, \"enhancing\": 4}, "
        "\"numTraining\": 1, \"file_ending\": \".nii.gz\"}");
    o.path = data_path();
    CHECK_OK(un_data_open(&d, context, &o, &cfg, &err), &err);
    summary(line, sizeof line, &d);
    CHECK_STR(line, "1 of 1, 3d, all index; 0 1 2 3 4; 1.. scored");
    CHECK_STR(cfg.data.classes.v[4].name, "enhancing");
    CHECK_INT(cfg.model.in_channels, 2);
    un_data_close(&d);
    end();
}

/* ---- unet_inspect ---- */

static size_t file_size(const char *rel)
{
    char path[1200];
    unsigned char *bytes;
    size_t size;

    snprintf(path, sizeof path, "%s/%s", dir, rel);
    CHECK_OK(un_file_read(&bytes, &size, NULL, path, 1 << 26, &err), &err);
    un_free(bytes);
    return size;
}

static un_image read_png(const char *rel)
{
    char path[1200];
    un_image im;

    snprintf(path, sizeof path, "%s/%s", dir, rel);
    CHECK_OK(un_image_read(&im, NULL, path, NULL, &err), &err);
    return im;
}

/* How far from grey a pixel of a picture is in its cell of the sheet. */
static int colour_at(const un_image *sheet, int row, int cell, int y, int x)
{
    const int side = 192, high = (side * H + W / 2) / W;
    const int sx = 6 + 198 * cell + (2 * x + 1) * side / (2 * W),
              sy = 6 + 210 * row + (side - high) / 2 + (2 * y + 1) * high / (2 * H);
    const uint8_t *p = (const uint8_t *)sheet->data + 3 * ((size_t)sy * (size_t)sheet->w + (size_t)sx);
    int lo = 255, hi = 0;

    for (int k = 0; k < 3; k++) {
        lo = p[k] < lo ? p[k] : lo;
        hi = p[k] > hi ? p[k] : hi;
    }
    return hi - lo;
}

/* The pictures are grey: colour is the class that the network gets to see, on the objects and nowhere else. */
static void check_cells(const un_image *sheet, int rows)
{
    for (int row = 0; row < rows; row++) {
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                CHECK_INT(colour_at(sheet, row, 0, y, x), 0); /* as it is in the file */
        for (int y = 7; y < 11; y++)
            CHECK(colour_at(sheet, row, 1, y, 12) > 20 && colour_at(sheet, row, 1, y, 13) > 20);
        for (int y = 0; y < H; y++)
            CHECK_INT(colour_at(sheet, row, 1, y, 2) + colour_at(sheet, row, 1, y, 25), 0);
        for (int x = 0; x < W; x++)
            CHECK_INT(colour_at(sheet, row, 1, 3, x) + colour_at(sheet, row, 1, 15, x), 0);
    }
}

TEST(inspect_writes_all)
{
    unet_inspect_options o = UNET_INSPECT_OPTIONS_INIT;
    unet_config *again;
    char out[1100], path[1200], *text, *json, *second;
    un_image sheet;

    begin();
    put_pairs(10, 255);
    snprintf(out, sizeof out, "%s/look", dir);
    o.data = data_path();
    o.out_dir = out;
    o.pictures = 3;
    o.samples = 2;
    CHECK_OK(unet_inspect(context, &o, &text, &json, &err), &err);
    CHECK(strstr(text, "128 to 255") && strstr(json, "\"mapping\":[{\"value\":0,\"to\":127,\"class\":0}"));
    sheet = read_png("look/sheet.png");
    CHECK_INT(sheet.w, 4 * 198 + 6);
    CHECK(sheet.h > 3 * 210 + 6);
    CHECK_INT(sheet.c, 3);
    check_cells(&sheet, 3);
    un_image_free(&sheet);
    CHECK(file_size("look/inspect.html") > 10000 && file_size("look/fingerprint.json") > 500);
    /* The configuration that was written leads to the same text. */
    CHECK_OK(unet_config_create(&again, context, &err), &err);
    snprintf(path, sizeof path, "%s/config.yaml", out);
    CHECK_OK(unet_config_load(again, path, &err), &err);
    CHECK_INT(again->cfg.data.mapping.n, 2);
    CHECK(un_is_auto(again->cfg.model.classes));
    o.config = again;
    o.out_dir = NULL;
    CHECK_OK(unet_inspect(context, &o, &second, NULL, &err), &err);
    CHECK(strstr(second, "128 to 255") && !strstr(second, "data.mapping:"));
    unet_config_destroy(again);
    unet_string_free(text);
    unet_string_free(json);
    unet_string_free(second);
    end();
}

/* The same pixels for any number of threads. */
TEST(sheet_by_threads)
{
    unet_inspect_options o = UNET_INSPECT_OPTIONS_INIT;
    un_image first = {0};

    for (int threads = 1; threads <= 3; threads++) {
        unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
        unet_context *c;
        char out[1100];
        un_image sheet;

        begin();
        put_pairs(9, 1);
        co.threads = threads;
        CHECK_OK(unet_context_create(&c, &co, &err), &err);
        snprintf(out, sizeof out, "%s/look", dir);
        o.data = data_path();
        o.out_dir = out;
        CHECK_OK(unet_inspect(c, &o, NULL, NULL, &err), &err);
        unet_context_destroy(c);
        sheet = read_png("look/sheet.png");
        if (threads == 1)
            first = sheet;
        else {
            CHECK(sheet.w == first.w && sheet.h == first.h && sheet.c == first.c);
            CHECK(!memcmp(sheet.data, first.data, un_image_count(&sheet)));
            un_image_free(&sheet);
        }
        end();
    }
    un_image_free(&first);
}

TEST(inspect_tells_what_stands_against_training)
{
    unet_inspect_options o = UNET_INSPECT_OPTIONS_INIT;
    char out[1100], *text;

    begin();
    put_pairs(3, 0);
    snprintf(out, sizeof out, "%s/look", dir);
    o.data = data_path();
    o.out_dir = out;
    CHECK_STATUS(unet_inspect(context, &o, &text, NULL, &err), UNET_E_DATA);
    CHECK(text && strstr(text, "cannot be trained on yet: all masks have one value only"));
    CHECK(file_size("look/sheet.png") > 1000 && file_size("look/inspect.html") > 1000);
    unet_string_free(text);
    o.struct_size = 0;
    CHECK_STATUS(unet_inspect(context, &o, &text, NULL, &err), UNET_E_ARG);
    end();
}

TEST(augment_preview)
{
    unet_augment_options o = UNET_AUGMENT_OPTIONS_INIT;
    char file[1100], *text;
    un_image sheet;

    begin();
    put_pairs(6, 255);
    snprintf(file, sizeof file, "%s/ops.png", dir);
    o.data = data_path();
    o.file = file;
    o.samples = 3;
    CHECK_OK(unet_augment_preview(context, &o, &text, &err), &err);
    CHECK(strstr(text, " operations and the policy default"));
    sheet = read_png("ops.png");
    CHECK_INT(sheet.w, 4 * 198 + 6);
    CHECK(sheet.h > 15 * 210);
    un_image_free(&sheet);
    unet_string_free(text);
    o.picture = "nothing";
    CHECK_STATUS(unet_augment_preview(context, &o, NULL, &err), UNET_E_ARG);
    end();
}
