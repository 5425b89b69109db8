/* The planner's rules: recipes known to be good, promises that hold for any memory and time, what the user
 * set. */
#include "test.h"

#include <stdlib.h>

#include "base/size.h"
#include "data/plan.h"
#include "model/build.h"
#include "train/meter.h"

static unet_error err;
static un_config cfg;
static char why[8192];

/* A fingerprint as un_scan and un_fingerprint would make it. */
static un_fingerprint data_of(int d, int h, int w, double object_px, int train, int classes)
{
    un_fingerprint f = {
        .pictures = train, .usable = train, .channels = 1, .kinds = 1, .classes = classes, .object_px = object_px};

    f.role[UN_ROLE_TRAIN] = train;
    f.volumes = d > 1 ? train : 0;
    for (int a = 0; a < 3; a++) {
        f.size_median[a] = a == 0 ? d : a == 1 ? h : w;
        f.spacing_min[a] = f.spacing_median[a] = f.spacing_max[a] = 1;
    }
    f.train_pixels = (double)train * d * h * w;
    f.highest = 255;
    for (int c = 0; c < classes; c++)
        f.share[c] = 1.0 / classes;
    return f;
}

/* A crude engine: time and memory grow with pixels and filters as those of a U-Net do. */
static unet_status engine(void *ctx, const un_config *c, double *seconds, uint64_t *bytes, unet_error *e)
{
    const uint64_t pictures = c->train.cache < 60000000 ? c->train.cache : 60000000;
    const double px = (double)c->train.patch[0] * c->train.patch[1] * c->train.patch[2], b = c->model.base_filters;
    const double taps = c->model.dims == 3 ? 27 : 9;

    (void)ctx;
    (void)e;
    *seconds = 0.01 + px * c->train.batch * b * b * taps * 3e-10;
    *bytes = (uint64_t)(3e7 + b * b * 1e5 +
                        px * c->train.ghost_batch * b * (c->train.recompute == UN_CFG_RECOMPUTE_ON ? 20 : 60)) +
             pictures;
    return UNET_OK;
}

static unet_status plan(const un_fingerprint *f, const char *const *words, un_plan_result *r)
{
    static const un_plan_costs costs = {NULL, engine, NULL};
    static const un_plan_limits limits = {.threads = 2};
    un_text t;
    unet_status st;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    cfg.model.dims = f->volumes ? 3 : 2;
    cfg.model.in_channels = 1;
    cfg.model.classes = f->classes;
    cfg.data.colour = UN_CFG_COLOUR_GREY;
    cfg.data.foreground.n = 0;
    for (; *words; words++)
        CHECK_OK(un_config_set(&cfg, NULL, *words, &err), &err);
    un_text_init(&t, NULL, sizeof why);
    st = un_plan_make(&cfg, f, &limits, &costs, r, &t, &err);
    snprintf(why, sizeof why, "%s", t.s ? t.s : "");
    un_text_free(&t);
    if (!st)
        CHECK_OK(un_config_check(&cfg, &err), &err);
    return st;
}
#define PLAN(f, r, ...) plan(f, (const char *const[]){__VA_ARGS__, NULL}, r)

static void patch_is(int d, int h, int w)
{
    CHECK_INT(cfg.train.patch[0], d);
    CHECK_INT(cfg.train.patch[1], h);
    CHECK_INT(cfg.train.patch[2], w);
}

TEST(membranes)
{
    const un_fingerprint f = data_of(1, 512, 512, 35, 18, 2);
    un_plan_result r;
    char text[256];

    CHECK_OK(PLAN(&f, &r, "train.time=10m"), &err);
    patch_is(1, 192, 192);
    CHECK_INT(cfg.train.batch, 6);
    CHECK_INT(cfg.model.depth, 4);
    CHECK_INT(cfg.model.base_filters, 16);
    CHECK_INT(cfg.model.norm, UN_CFG_NORM_BATCH);
    CHECK_INT(cfg.data.normalise, UN_CFG_NORMALISE_PERCENTILE);
    CHECK(cfg.train.steps > 250 && cfg.train.threads == 2 && cfg.loss.class_weights.n == 0);
    CHECK_NEAR(r.seconds, 600, 5);
    CHECK(un_plan_reason(why, "train", "patch", text, sizeof text));
    CHECK_STR(text, "1x192x192 (d, h, w) suits the pictures, the objects in them and the poolings");
    CHECK(!un_plan_reason(why, "train", "pat", text, sizeof text));
}

/* The network's outputs for the planned patch; every pooling must divide what it gets. */
static un_shape outputs_of_patch(void)
{
    const int *p = cfg.train.patch;
    un_graph *g;
    un_shape *s, out;

    CHECK_OK(un_model_build(&g, NULL, &cfg.model, &err), &err);
    s = un_alloc_array(NULL, (size_t)g->n_values, sizeof *s);
    s[g->input[0]] = (un_shape){1, p[0], p[1], p[2], 1};
    CHECK_OK(un_graph_infer(g, s, &err), &err);
    for (int i = 0; i < g->n_nodes; i++) {
        const un_node *n = &g->node[i];
        const un_shape x = s[n->in[0]];

        if (n->op == UN_OP_MAX_POOL)
            CHECK(x.d % n->attr.pool.stride[0] == 0 && x.h % n->attr.pool.stride[1] == 0 &&
                  x.w % n->attr.pool.stride[2] == 0);
    }
    out = s[g->output[0]];
    un_free(s);
    un_graph_destroy(g);
    return out;
}

/* Without padding the patch is the part that is wanted and the border that convolutions take, as far as memory allows.
 */
TEST(valid_padding)
{
    static const char *const also[] = {"model.upsample=transpose", "model.upsample=bilinear", "model.kernel=5",
        "model.convs_per_level=1", "model.downsample=conv"};
    static const int sizes[][4] = {{1, 512, 512, 192}, {1, 40, 48, 40}, {1, 1, 1, 1}, {35, 50, 35, 1}};

    for (size_t i = 0; i < UN_COUNT(sizes); i++)
        for (size_t k = 0; k < UN_COUNT(also); k++) {
            const un_fingerprint f = data_of(sizes[i][0], sizes[i][1], sizes[i][2], 20, 30, 2);
            un_plan_result r;
            un_shape out;

            CHECK_OK(PLAN(&f, &r, "train.steps=100", "model.padding=valid", "model.head=softmax", also[k]), &err);
            out = outputs_of_patch();
            CHECK(out.h >= sizes[i][3] && out.w >= sizes[i][3] && out.h < sizes[i][3] + 64 + 50 * (i == 3));
            un_test_note("%zu %s: %dx%dx%d gives %dx%dx%d", i, also[k], cfg.train.patch[0], cfg.train.patch[1],
                cfg.train.patch[2], out.d, out.h, out.w);
            if (PLAN(&f, &r, "train.steps=100", "model.padding=valid", "model.head=softmax", also[k], "train.mem=80M"))
                continue;
            out = outputs_of_patch();
            CHECK(out.h >= 1 && out.w >= 1);
        }
}

/* Whether the network can be built over the patch; *cut: a pooling leaves pixels of it. */
static int fits_patch(int *cut)
{
    const int *p = cfg.train.patch;
    un_graph *g;
    un_shape *s;
    int fits;

    *cut = 0;
    CHECK_OK(un_model_build(&g, NULL, &cfg.model, &err), &err);
    s = un_alloc_array(NULL, (size_t)g->n_values, sizeof *s);
    s[g->input[0]] = (un_shape){1, p[0], p[1], p[2], 1};
    fits = un_graph_infer(g, s, NULL) == UNET_OK;
    for (int i = 0; i < g->n_nodes && fits; i++)
        if (g->node[i].op == UN_OP_MAX_POOL)
            *cut |= s[g->node[i].in[0]].h % g->node[i].attr.pool.stride[1] != 0;
    un_free(s);
    un_graph_destroy(g);
    return fits;
}

/* A patch that the configuration gives is refused when the network cannot be built over it, and only then; where a
 * pooling cuts a border off, the nearest that fit are named. */
TEST(patches_that_are_given)
{
    static const char *const also[][2] = {{"model.depth=3", "model.skips=true"}, {"model.depth=3", "model.skips=false"},
        {"model.depth=3", "model.skips=[false, false, true]"}, {"model.depth=2", "model.strides=3"},
        {"model.depth=3", "model.downsample=conv"}, {"model.depth=2", "model.decoder=nested"},
        {"model.depth=2", "model.encoder=resnet18"}, {"model.depth=2", "model.padding=valid"},
        {"model.depth=1", "model.padding=valid"}};
    const un_fingerprint f = data_of(1, 128, 128, 20, 30, 2);
    char patch[32];
    int cut;

    for (size_t k = 0; k < UN_COUNT(also); k++)
        for (int n = 1; n <= 60; n++) {
            un_plan_result r;
            unet_status st;

            snprintf(patch, sizeof patch, "train.patch=[%d, %d]", n, n);
            st = PLAN(&f, &r, "train.steps=100", "model.head=softmax", "model.norm=none", "model.base_filters=2",
                also[k][0], also[k][1], patch);
            if (st)
                CHECK_STR(err.where, "train.patch");
            if (fits_patch(&cut) != (st == UNET_OK))
                un_test_fail(__FILE__, __LINE__, "%s, %s, %s: %s", also[k][0], also[k][1], patch, unet_status_name(st));
            if (cfg.model.padding == UN_CFG_PAD_VALID && !st)
                CHECK_INT(strstr(why, "train.patch: a pooling cuts pixels off a height") != NULL, cut);
        }
    CHECK_STATUS(
        PLAN(&f, &(un_plan_result){0}, "train.steps=9", "model.depth=3", "train.patch=[48, 50]"), UNET_E_CONFIG);
    CHECK_STR(err.message,
        "a width of 50 px: skip connections need multiples of 8, to which the strides multiply; take "
        "48 or 56");
    CHECK_OK(
        PLAN(&f, &(un_plan_result){0}, "train.steps=9", "model.depth=2", "model.padding=valid", "train.patch=[90, 90]"),
        &err);
    CHECK(strstr(why, "train.patch: a pooling cuts pixels off a height of 90; 88 and 92 fit"));
}

/* Lines of a scan are not pooled, or padded, across; pictures of one pixel are as any. */
TEST(lines)
{
    un_fingerprint f = data_of(1, 1, 100000, 20, 30, 2);
    un_plan_result r;

    f.size_max[1] = 1;
    f.size_max[2] = 100000;
    CHECK_OK(PLAN(&f, &r, "train.steps=100"), &err);
    patch_is(1, 1, 192);
    CHECK_INT(cfg.model.strides.v[0][1], 1);
    CHECK_INT(cfg.model.strides.v[0][2], 2);
    f.size_max[1] = 2;
    CHECK_OK(PLAN(&f, &r, "train.steps=100"), &err);
    CHECK_INT(cfg.model.strides.v[0][1], 2);
    f.size_max[1] = f.size_max[2] = f.size_median[2] = 1;
    CHECK_OK(PLAN(&f, &r, "train.steps=100"), &err);
    CHECK_INT(cfg.model.strides.v[0][1], 2);
}

/* Each choice has its sentence, for pictures and volumes, and where memory is short. */
TEST(choices_have_reasons)
{
    static const char *const keys[][2] = {{"model", "depth"}, {"model", "base_filters"}, {"train", "patch"},
        {"train", "batch"}, {"data", "normalise"}, {"loss", "class_weights"}, {"data", "spacing"}, {"train", "steps"},
        {"model", "norm"}, {"model", "strides"}, {"train", "cache"}};

    for (int i = 0; i < 4; i++) {
        const un_fingerprint f = i % 2 ? data_of(35, 50, 35, 12, 156, 3) : data_of(1, 512, 512, 35, 18, 4);
        un_plan_result r;
        char text[256];

        CHECK_OK(PLAN(&f, &r, "train.time=10m", i < 2 ? "train.mem=4G" : "train.mem=120M"), &err);
        for (size_t k = 0; k < UN_COUNT(keys); k++)
            if (!un_plan_reason(why, keys[k][0], keys[k][1], text, sizeof text) || strlen(text) < 12)
                un_test_fail(__FILE__, __LINE__, "%d: %s.%s has no reason", i, keys[k][0], keys[k][1]);
    }
}

/* Pictures for weights that ImageNet trained, by the channels that the network takes and the range of their values. */
TEST(pictures_of_known_encoders)
{
    static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
    un_fingerprint f = data_of(1, 256, 256, 35, 18, 2);
    const un_cfg_data *d = &cfg.data;
    un_plan_result r;
    char channels[32], text[256];

    f.channels = 3;
    for (int range = 0; range < 2; range++)
        for (int c = 1; c <= 5; c++) {
            f.highest = range ? 1 : 250;
            snprintf(channels, sizeof channels, "model.in_channels=%d", c);
            CHECK_OK(PLAN(&f, &r, "train.time=10m", "model.encoder=resnet18", "model.encoder_weights=a.pth", channels),
                &err);
            CHECK(d->normalise == UN_CFG_NORMALISE_DATASET && d->mean.n == c && d->std.n == c);
            for (int k = 0; k < c; k++) {
                CHECK_NEAR(d->mean.v[k], (range ? 1 : 255) * (c == 1 ? 1.347 / 3 : mean[k % 3]), 1e-9);
                CHECK_NEAR(d->std.v[k], (range ? 1 : 255) * (c == 1 ? 0.678 / 3 : std[k % 3]), 1e-9);
            }
            CHECK(un_plan_reason(why, "data", "normalise", text, sizeof text));
            CHECK(strstr(text, "resnet18") && strstr(text, range ? "from 0 to 1" : "from 0 to 255"));
        }
    f.highest = 65535; /* other ranges: picture by picture */
    CHECK_OK(PLAN(&f, &r, "train.time=10m", "model.encoder=resnet18", "model.encoder_weights=a.pth"), &err);
    CHECK_INT(d->normalise, UN_CFG_NORMALISE_PERCENTILE);
    f.highest = 255; /* no weights; the user's word */
    CHECK_OK(PLAN(&f, &r, "train.time=10m", "model.encoder=resnet18"), &err);
    CHECK_INT(d->normalise, UN_CFG_NORMALISE_PERCENTILE);
    CHECK_OK(PLAN(&f, &r, "train.time=10m", "model.encoder=resnet18", "model.encoder_weights=a.pth",
                 "data.normalise=minmax"),
        &err);
    CHECK_INT(d->normalise, UN_CFG_NORMALISE_MINMAX);
}

TEST(hippocampus)
{
    un_fingerprint f = data_of(35, 50, 35, 12, 156, 3);
    un_plan_result r;

    CHECK_OK(PLAN(&f, &r, "train.time=30m"), &err);
    patch_is(40, 56, 40);
    CHECK(cfg.train.batch == 2 && cfg.model.depth == 3 && cfg.model.norm == UN_CFG_NORM_INSTANCE);
    CHECK(cfg.model.strides.n == 1 && cfg.data.spacing[0] == 0);
    f.with_spacing = f.usable;
    f.spacing_max[1] = 2;
    CHECK_OK(PLAN(&f, &r, "train.time=30m"), &err);
    CHECK(cfg.data.spacing[0] == 1 && cfg.data.spacing[1] == 1);
}

/* Thick slices are pooled later; few slices less often; large volumes get a patch that can be computed. */
TEST(thin_and_large_volumes)
{
    un_fingerprint f = data_of(12, 200, 200, 30, 20, 2);
    un_plan_result r;

    f.spacing_median[0] = 5;
    CHECK_OK(PLAN(&f, &r, "train.time=30m"), &err);
    CHECK(cfg.model.strides.n == cfg.model.depth && cfg.model.strides.v[0][0] == 1 && cfg.model.strides.v[0][1] == 2);
    CHECK(cfg.train.patch[0] == 12 || cfg.train.patch[0] % 2 == 0);
    CHECK((double)cfg.train.patch[0] * cfg.train.patch[1] * cfg.train.patch[2] <= 262144);
    f = data_of(300, 512, 512, 60, 20, 2);
    CHECK_OK(PLAN(&f, &r, "train.time=30m"), &err);
    CHECK((double)cfg.train.patch[0] * cfg.train.patch[1] * cfg.train.patch[2] <= 262144);
    CHECK(cfg.train.patch[0] >= 48 && cfg.train.patch[2] >= 48);
}

TEST(small_and_odd_pictures)
{
    static const int sizes[][2] = {{1, 1}, {1, 100000}, {7, 9}, {33, 120}, {120, 120}, {360, 480}, {5000, 4000}};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const un_fingerprint f = data_of(1, sizes[i][0], sizes[i][1], i == 5 ? 400 : i == 6 ? 500 : 20, 10, 2);
        un_plan_result r;

        CHECK_OK(PLAN(&f, &r, "train.time=10m"), &err);
        for (int a = 1; a < 3; a++)
            CHECK(cfg.train.patch[a] % (1 << cfg.model.depth) == 0 && cfg.train.patch[a] <= 320);
        if (i == 5)
            patch_is(1, 320, 320);
        CHECK_NEAR(cfg.data.scale, i == 6 ? 0.25 : 1, 0);
    }
}

/* More memory never a smaller patch, more time never fewer filters: over a wide sweep of both. */
TEST(promises)
{
    static const int sets[][3] = {{1, 512, 512}, {1, 120, 130}, {35, 50, 35}, {20, 300, 300}};

    for (size_t s = 0; s < 4; s++) {
        const un_fingerprint f = data_of(sets[s][0], sets[s][1], sets[s][2], 40, 30, 3);
        un_plan_result r;

        for (int seconds = 10; seconds < 200000; seconds *= 3) {
            double before = 0;

            for (int mib = 40; mib < 8000; mib += mib / 8) {
                char mem[32], time[32];
                unet_status st;

                snprintf(mem, sizeof mem, "train.mem=%dM", mib);
                snprintf(time, sizeof time, "train.time=%d", seconds);
                st = PLAN(&f, &r, mem, time);
                if (st) {
                    CHECK_INT(st, UNET_E_LIMIT);
                    CHECK_NEAR(before, 0, 0);
                    continue;
                }
                CHECK(r.peak_bytes <= (uint64_t)mib << 20);
                CHECK((double)cfg.train.patch[0] * cfg.train.patch[1] * cfg.train.patch[2] >= before);
                before = (double)cfg.train.patch[0] * cfg.train.patch[1] * cfg.train.patch[2];
            }
        }
        for (int mib = 60; mib < 8000; mib *= 3) {
            int before = 0;

            for (int seconds = 10; seconds < 2000000; seconds += seconds / 3) {
                char mem[32], time[32];

                snprintf(mem, sizeof mem, "train.mem=%dM", mib);
                snprintf(time, sizeof time, "train.time=%d", seconds);
                if (PLAN(&f, &r, mem, time))
                    continue;
                CHECK(cfg.model.base_filters >= before);
                before = cfg.model.base_filters;
            }
        }
    }
}

/* The refusal names the least memory: it is enough, a MiB less is not. Pictures are the first thing that goes. */
TEST(too_little_memory)
{
    static const char *const caches[] = {"train.cache=0", "train.cache=3M", "train.cache=auto"};
    const un_fingerprint f = data_of(1, 512, 512, 40, 30, 2);
    double least[3];

    for (int i = 0; i < 3; i++) {
        un_plan_result r;
        char mem[32], text[128];

        CHECK_STATUS(PLAN(&f, &r, "train.mem=30M", caches[i]), UNET_E_LIMIT);
        CHECK(sscanf(err.message, "%*f MiB are not enough: the smallest plan needs %lf MiB", &least[i]) == 1);
        snprintf(mem, sizeof mem, "train.mem=%.0fM", least[i]);
        CHECK_OK(PLAN(&f, &r, mem, caches[i]), &err);
        CHECK(r.peak_bytes <= (uint64_t)least[i] << 20);
        if (i == 2)
            CHECK(un_plan_reason(why, "train", "cache", text, sizeof text) && strstr(text, "memory is short"));
        snprintf(mem, sizeof mem, "train.mem=%.0fM", least[i] - 1);
        CHECK_STATUS(PLAN(&f, &r, mem, caches[i]), UNET_E_LIMIT);
    }
    CHECK_NEAR(least[2], least[0], 0);
    CHECK(least[1] >= least[0] + 2);
}

TEST(what_the_user_sets_stays)
{
    const un_fingerprint f = data_of(1, 512, 512, 40, 30, 2);
    un_plan_result r;

    CHECK_OK(
        PLAN(&f, &r, "train.patch=[1, 64, 96]", "train.batch=3", "model.depth=2", "model.base_filters=10",
            "train.steps=77", "model.norm=group", "data.normalise=minmax", "train.ghost_batch=3", "train.recompute=on"),
        &err);
    patch_is(1, 64, 96);
    CHECK(cfg.train.batch == 3 && cfg.model.depth == 2 && cfg.model.base_filters == 10 && cfg.train.steps == 77);
    CHECK(cfg.model.norm == UN_CFG_NORM_GROUP && cfg.data.normalise == UN_CFG_NORMALISE_MINMAX);
    CHECK(cfg.train.recompute == UN_CFG_RECOMPUTE_ON && un_is_auto(cfg.train.time));
    CHECK_OK(PLAN(&f, &r, "train.epochs=20"), &err);
    CHECK(un_is_auto(cfg.train.steps) && r.seconds > 0);
}

TEST(rules_of_the_data)
{
    un_fingerprint f = data_of(1, 360, 480, 100, 60, 11);
    un_plan_result r;

    f.share[0] = 0.6;
    f.share[10] = 0.002;
    f.one_way[1] = 1;
    f.kinds = 3;
    CHECK_OK(PLAN(&f, &r, "data.colour=rgb"), &err);
    CHECK_INT(cfg.loss.class_weights.n, 11);
    CHECK(cfg.loss.class_weights.v[10] > 3 * cfg.loss.class_weights.v[0]);
    CHECK(cfg.augment.flip_axes == UN_CFG_FLIP_W && cfg.augment.rot90 == 0 && cfg.augment.invert > 0 &&
          cfg.augment.stain > 0 && cfg.augment.grey > 0);
    CHECK(cfg.augment.shade > 0);
    CHECK_NEAR(cfg.train.time, 1800, 0);
    f.dark = 40;
    f.bright = 20;
    CHECK_OK(PLAN(&f, &r, "data.colour=rgb"), &err);
    CHECK(cfg.augment.invert == 0 && cfg.augment.shade > 0);
    f = data_of(64, 128, 128, 20, 20, 2);
    f.lowest = -1024;
    f.highest = 2000;
    f.mean[0] = 80;
    f.std[0] = 200;
    CHECK_OK(PLAN(&f, &r, "train.time=1h", "data.foreground=[0, 1]"), &err);
    CHECK(cfg.data.normalise == UN_CFG_NORMALISE_DATASET && cfg.data.mean.v[0] == 80 && cfg.data.std.v[0] == 200);
    CHECK(cfg.loss.dice_background);
}

/* Rules for class weights, against numbers worked out by hand. */
TEST(weight_rules)
{
    static const char *const rule[] = {
        "loss.class_weight_rule=inverse", "loss.class_weight_rule=median", "loss.class_weight_rule=effective"};
    static const double share[3] = {0.9, 0.09, 0.01};
    un_fingerprint f = data_of(1, 100, 100, 20, 20, 3);
    un_plan_result r;

    memcpy(f.share, share, sizeof share);
    for (size_t i = 0; i < UN_COUNT(rule); i++) {
        double w[3], mean = 0;

        for (int k = 0; k < 3; k++) {
            w[k] = i == 0   ? 1 / share[k]
                   : i == 1 ? 0.09 / share[k]
                            : 1e-4 / (1 - pow(0.9999, 1e4 * share[k])); /* 10,000 pixels a picture */
            mean += w[k] / 3;
        }
        CHECK_OK(PLAN(&f, &r, rule[i]), &err);
        CHECK_INT(cfg.loss.class_weights.n, 3);
        for (int k = 0; k < 3; k++)
            CHECK_NEAR(cfg.loss.class_weights.v[k], w[k] / mean, 0.00051);
    }
    f.share[2] = 0; /* does not occur: as the rarest that does */
    CHECK_OK(PLAN(&f, &r, "loss.class_weight_rule=inverse"), &err);
    CHECK_NEAR(cfg.loss.class_weights.v[2], cfg.loss.class_weights.v[1], 0);
    CHECK_OK(PLAN(&f, &r, "train.time=1h"), &err);
    CHECK_INT(cfg.loss.class_weights.n, 0);
    CHECK_OK(PLAN(&f, &r, "loss.class_weight_rule=inverse", "loss.class_weights=none"), &err);
    CHECK_INT(cfg.loss.class_weights.n, 0);
}

/* A step is timed by several, never by the first alone, whose memory is new: unless it takes very long. */
TEST(a_step_is_timed_by_more_than_the_first)
{
    CHECK(!un_meter_is_enough(0, 0.001));
    CHECK(!un_meter_is_enough(0, 100)); /* the first did not count */
    CHECK(!un_meter_is_enough(2, 0.7));
    CHECK(!un_meter_is_enough(2, 5.9));
    CHECK(un_meter_is_enough(3, 0.7));
    CHECK(!un_meter_is_enough(3, 0.1)); /* quick ones: more of them */
    CHECK(un_meter_is_enough(9, 0.1));
    CHECK(un_meter_is_enough(1, 6.1));
}
