/* metrics and report on real pictures: the bundled nuclei, whose masks number each nucleus. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "io/image.h"
#include "metrics/floor.h"
#include "metrics/objects.h"
#include "report/eval_report.h"
#include "report/view.h"

enum { IMAGES_MAX = 128, NAME_MAX_ = 128 };

typedef struct nucleus_image {
    char name[NAME_MAX_];
    un_image picture, mask; /* RGBA; ids of nuclei, 16 bits */
    int32_t *truth;         /* [h][w] 1: nucleus */
    uint8_t *otsu;          /* [h][w] 1: foreground */
    int nuclei;
} nucleus_image;

static void load(nucleus_image *n, const char *folder, const char *name)
{
    char path[1024];
    float *px, *grey;
    size_t pixels;
    un_otsu o;
    unet_error err = {0};

    snprintf(n->name, sizeof n->name, "%s", name);
    snprintf(path, sizeof path, "%s/images/%s.png", folder, name);
    CHECK_OK(un_image_read(&n->picture, NULL, path, NULL, &err), &err);
    snprintf(path, sizeof path, "%s/masks/%s.png", folder, name);
    CHECK_OK(un_image_read(&n->mask, NULL, path, NULL, &err), &err);
    CHECK(n->mask.h == n->picture.h && n->mask.w == n->picture.w && n->mask.c == 1);
    pixels = (size_t)n->mask.h * (size_t)n->mask.w;
    n->truth = calloc(pixels, sizeof *n->truth);
    n->otsu = calloc(pixels, 1);
    px = calloc(un_image_count(&n->picture), sizeof *px);
    grey = calloc(3 * pixels, sizeof *grey);
    un_image_to_f32(&n->picture, px);
    for (size_t i = 0; i < 3 * pixels; i++)
        grey[i] = px[i / 3 * (size_t)n->picture.c + (n->picture.c < 3 ? 0 : i % 3)];
    un_grey(grey, grey, (int64_t)pixels, 3);
    o = un_otsu_find(grey, (int64_t)pixels);
    un_otsu_apply(&o, grey, (int64_t)pixels, n->otsu);
    for (size_t i = 0; i < pixels; i++) {
        int id = (int)un_image_at(&n->mask, i);

        n->truth[i] = id > 0;
        n->nuclei = id > n->nuclei ? id : n->nuclei;
    }
    free(px);
    free(grey);
}

static int load_all(nucleus_image *n, const char *data, const char *names)
{
    char folder[512], path[1024];
    unsigned char *list;
    size_t size;
    int count = 0;
    unet_error err = {0};

    snprintf(folder, sizeof folder, "%s", data);
    snprintf(path, sizeof path, "%s/%s", folder, names);
    CHECK_OK(un_file_read(&list, &size, NULL, path, 1 << 20, &err), &err);
    for (char *next, *s = (char *)list; *s && count < IMAGES_MAX; s = next) {
        size_t length = strcspn(s, "\r\n");

        next = s + length + strspn(s + length, "\r\n");
        s[length] = 0;
        if (length)
            load(&n[count++], folder, s);
    }
    un_free(list);
    CHECK(count >= 15);
    return count;
}

static void unload(nucleus_image *n, int count)
{
    for (int i = 0; i < count; i++) {
        un_image_free(&n[i].picture);
        un_image_free(&n[i].mask);
        free(n[i].truth);
        free(n[i].otsu);
    }
}

/* Scores the threshold like a model; the score set borrows from f. */
typedef struct fixture {
    nucleus_image image[IMAGES_MAX];
    int count;
    un_confusion *pool, *c;
    un_image_means *means;
    un_scores *scores[IMAGES_MAX], *pooled;
    un_named_scores named[IMAGES_MAX];
    un_score_set set;
} fixture;

static fixture *fixture_create(const char *data, const char *names)
{
    static const char *const classes[] = {"background", "nucleus"};
    fixture *f = calloc(1, sizeof *f);
    unet_error err = {0};

    f->count = load_all(f->image, data, names);
    CHECK_OK(un_confusion_create(&f->pool, NULL, 2, &err), &err);
    CHECK_OK(un_confusion_create(&f->c, NULL, 2, &err), &err);
    CHECK_OK(un_image_means_create(&f->means, NULL, 2, &err), &err);
    for (int i = 0; i < f->count; i++) {
        const nucleus_image *n = &f->image[i];

        un_confusion_clear(f->c);
        CHECK_OK(un_confusion_add_u8(f->c, n->truth, n->otsu, (int64_t)n->mask.h * n->mask.w, &err), &err);
        un_confusion_merge(f->pool, f->c);
        CHECK_OK(un_scores_create(&f->scores[i], NULL, f->c, 0, &err), &err);
        un_image_means_add(f->means, f->scores[i]);
        f->named[i] = (un_named_scores){n->name, f->scores[i]};
    }
    CHECK_OK(un_scores_create(&f->pooled, NULL, f->pool, 0, &err), &err);
    f->set = (un_score_set){2, classes, f->named, (size_t)f->count, f->pooled, f->means, .confusion = f->pool};
    return f;
}

static void fixture_destroy(fixture *f)
{
    unload(f->image, f->count);
    for (int i = 0; i < f->count; i++)
        un_scores_destroy(f->scores[i]);
    un_confusion_destroy(f->pool);
    un_confusion_destroy(f->c);
    un_image_means_destroy(f->means);
    un_scores_destroy(f->pooled);
    free(f);
}

TEST(otsu_finds_most_nuclei)
{
    fixture *f = fixture_create(un_test_source("examples/nuclei"), "test.txt");
    double dice = un_mean_value(f->means->foreground.v[UN_RATIO_DICE]), iou = f->pooled->foreground.v[UN_RATIO_IOU];

    un_test_note("%d pictures: Otsu per-image mean Dice %.4f, pooled IoU %.4f", f->count, dice, iou);
    CHECK(dice > 0.7 && dice < 0.95 && iou > 0.4 && iou < 0.9);
    fixture_destroy(f);
}

/* The figures that were found for these pictures by another implementation: 0.820 and 0.533. */
TEST(otsu_matches_known_figures)
{
    fixture *f = fixture_create(un_test_shared("data/dsb2018_stage1"), "val.txt");
    double dice = un_mean_value(f->means->foreground.v[UN_RATIO_DICE]), iou = f->pooled->foreground.v[UN_RATIO_IOU];

    un_test_note("%d pictures: Otsu per-image mean Dice %.4f, pooled IoU %.4f", f->count, dice, iou);
    CHECK_NEAR(dice, 0.820, 0.003);
    CHECK_NEAR(iou, 0.533, 0.003);
    fixture_destroy(f);
}

TEST(splitting_counts_nuclei_better)
{
    nucleus_image *n = calloc(IMAGES_MAX, sizeof *n);
    int count = load_all(n, un_test_source("examples/nuclei"), "test.txt"), truth = 0, plain = 0, split = 0;
    double off_plain = 0, off_split = 0;
    unet_error err = {0};

    for (int i = 0; i < count; i++) {
        un_shape size = {1, 1, n[i].mask.h, n[i].mask.w, 1};
        uint8_t *map = calloc((size_t)size.h * (size_t)size.w, 1);
        un_objects a, b;

        for (int k = 0; k < size.h * size.w; k++)
            map[k] = (uint8_t)n[i].truth[k];
        CHECK_OK(un_objects_find(&a, NULL, map, size, &(un_objects_options){.class_index = 1}, &err), &err);
        CHECK_OK(un_objects_find(&b, NULL, map, size, &(un_objects_options){.class_index = 1, .split = 1}, &err), &err);
        truth += n[i].nuclei;
        plain += a.count;
        split += b.count;
        off_plain += abs(a.count - n[i].nuclei);
        off_split += abs(b.count - n[i].nuclei);
        un_objects_free(&a);
        un_objects_free(&b);
        free(map);
    }
    un_test_note(
        "%d nuclei: components %d (off by %.0f), split %d (off by %.0f)", truth, plain, off_plain, split, off_split);
    CHECK(off_split < off_plain);
    unload(n, count);
    free(n);
}

/* A page with real pictures; UNET_TEST_KEEP names a folder that keeps it to be looked at. */
TEST(page_of_real_pictures)
{
    fixture *f = fixture_create(un_test_source("examples/nuclei"), "test.txt");
    const char *folder = getenv("UNET_TEST_KEEP") ? getenv("UNET_TEST_KEEP") : un_test_tmp();
    un_shown_image shown[9] = {{0}};
    size_t index[9];
    const char *group[9];
    int32_t *maps[18];
    un_eval_report r = {
        .title = "Otsu threshold on nuclei", .subtitle = "bundled pictures", .set = f->set, .shown = shown};
    char path[1024];
    unet_error err = {0};

    CHECK_OK(un_eval_choose(index, group, &r.shown_count, NULL, &f->set, 3, &err), &err);
    for (int i = 0; i < r.shown_count; i++) {
        const nucleus_image *n = &f->image[index[i]];
        int h, w, full = n->mask.h * n->mask.w;
        int32_t *prediction = calloc((size_t)full, sizeof *prediction);
        un_image rgb;

        for (int k = 0; k < full; k++)
            prediction[k] = n->otsu[k];
        un_view_size(&h, &w, n->mask.h, n->mask.w, 200, 256);
        CHECK_OK(un_view_rgb(&rgb, NULL, &n->picture, 0, &err), &err);
        shown[i] = (un_shown_image){.image = index[i], .group = group[i]};
        CHECK_OK(un_scale_rgb(&shown[i].rgb, NULL, &rgb, h, w, &err), &err);
        CHECK_OK(un_scale_map(&maps[2 * i], NULL, n->truth, n->mask.h, n->mask.w, h, w, &err), &err);
        CHECK_OK(un_scale_map(&maps[2 * i + 1], NULL, prediction, n->mask.h, n->mask.w, h, w, &err), &err);
        shown[i].truth = maps[2 * i];
        shown[i].prediction = maps[2 * i + 1];
        un_image_free(&rgb);
        free(prediction);
    }
    snprintf(path, sizeof path, "%s/nuclei.html", folder);
    CHECK_OK(un_eval_report_write(NULL, path, &r, &err), &err);
    CHECK(un_path_exists(path));
    for (int i = 0; i < r.shown_count; i++) {
        un_image_free(&shown[i].rgb);
        un_free(maps[2 * i]);
        un_free(maps[2 * i + 1]);
    }
    fixture_destroy(f);
}
