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
