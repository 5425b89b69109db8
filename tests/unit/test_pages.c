/* report: pages are well formed, refer to nothing outside, escape every text, and show what they were given. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "io/image.h"
#include "markup.h"
#include "report/eval_report.h"
#include "report/train_report.h"
#include "report/view.h"

#define NASTY         "<script>alert('x')</script> & \"quoted\""
#define NASTY_ESCAPED "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quoted&quot;"

enum { IMAGES = 12, H = 24, W = 32 };

static void check_page(const char *s)
{
    const char *at = s, *why = markup_check(s, &at);

    if (why)
        un_test_fail(__FILE__, __LINE__, "%s at: %.60s", why, at);
    CHECK(!markup_refers_outside(s) && !strstr(s, "<script"));
    CHECK(!strncmp(s, "<!DOCTYPE html>", 15) && strstr(s, "</html>\n"));
    CHECK(!strstr(s, "\"nan") && !strstr(s, ">nan") && !strstr(s, ">inf") && !strstr(s, "(null)"));
}

static int count_of(const char *s, const char *what)
{
    int n = 0;

    for (const char *p = s; (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* Twelve images of a bright square; the share of it that is found grows with the number. Image 0 has none at all. */
typedef struct fixture {
    un_confusion *pool, *c;
    un_multilabel *labels;
    un_scores *scores[IMAGES], *pooled;
    un_image_means *means;
    un_named_scores image[IMAGES];
    char name[IMAGES][64];
    int32_t truth[IMAGES][H * W], prediction[IMAGES][H * W];
    un_image rgb[IMAGES];
    un_shown_image shown[9];
    un_eval_report report;
} fixture;

static void draw_image(fixture *f, int i)
{
    unsigned char *px;
    un_rng r;
    unet_error err = {0};

    un_rng_init(&r, 1, UN_RNG_TEST, (uint32_t)i, 0, 0);
    CHECK_OK(un_image_create(&f->rgb[i], NULL, UN_DTYPE_U8, 1, H, W, 3, &err), &err);
    px = f->rgb[i].data;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            int in = i && y >= 6 && y < 18 && x >= 8 && x < 20, at = y * W + x;

            f->truth[i][at] = y == 0 ? -1 : in ? 1 + (x > 16) : 0;
            f->prediction[i][at] = in && x - 8 < i + 1 ? 1 : 0;
            for (int k = 0; k < 3; k++)
                px[3 * at + k] = (unsigned char)((in ? 150 : 60) + un_rng_below(&r, 40));
        }
}

static fixture *fixture_create(void)
{
    static const char *const classes[] = {"background", NASTY, "rim"};
    static const un_fact fact[] = {{"model", NASTY}, {"data", "bundled"}};
    fixture *f = calloc(1, sizeof *f);
    unet_error err = {0};

    CHECK_OK(un_confusion_create(&f->pool, NULL, 3, &err), &err);
    CHECK_OK(un_confusion_create(&f->c, NULL, 3, &err), &err);
    CHECK_OK(un_image_means_create(&f->means, NULL, 3, &err), &err);
    for (int i = 0; i < IMAGES; i++) {
        draw_image(f, i);
        un_confusion_clear(f->c);
        CHECK_OK(un_confusion_add(f->c, f->truth[i], f->prediction[i], H * W, &err), &err);
        un_confusion_merge(f->pool, f->c);
        CHECK_OK(un_scores_create(&f->scores[i], NULL, f->c, 0, &err), &err);
        un_image_means_add(f->means, f->scores[i]);
        snprintf(f->name[i], sizeof f->name[i], "image_%02d.png%s", i, i == 3 ? " <b>&" : "");
        f->image[i] = (un_named_scores){f->name[i], f->scores[i]};
    }
    CHECK_OK(un_scores_create(&f->pooled, NULL, f->pool, 0, &err), &err);
    f->report = (un_eval_report){.title = NASTY,
        .subtitle = "12 pictures",
        .set = {3, classes, f->image, IMAGES, f->pooled, f->means, f->pool, .ignore_rule = "Mask value 255 is ignored"},
        .fact = fact,
        .fact_count = 2};
    return f;
}

static void fixture_destroy(fixture *f)
{
    for (int i = 0; i < IMAGES; i++) {
        un_image_free(&f->rgb[i]);
        un_scores_destroy(f->scores[i]);
    }
    un_confusion_destroy(f->pool);
    un_confusion_destroy(f->c);
    un_multilabel_destroy(f->labels);
    un_scores_destroy(f->pooled);
    un_image_means_destroy(f->means);
    free(f);
}

static void choose(fixture *f, int each)
{
    size_t index[9];
    const char *group[9];
    unet_error err = {0};

    CHECK_OK(un_eval_choose(index, group, &f->report.shown_count, NULL, &f->report.set, each, &err), &err);
    for (int i = 0; i < f->report.shown_count; i++)
        f->shown[i] =
            (un_shown_image){index[i], group[i], f->rgb[index[i]], f->truth[index[i]], f->prediction[index[i]]};
    f->report.shown = f->shown;
}

TEST(chosen_images)
{
    fixture *f = fixture_create();
    size_t index[36];
    const char *group[36];
    int n;
    unet_error err = {0};

    choose(f, 2);
    CHECK_INT(f->report.shown_count, 6);
    CHECK(f->shown[0].image >= 8 && !strcmp(f->shown[0].group, "best"));
    CHECK(f->shown[2].image >= 5 && f->shown[2].image <= 7 && !strcmp(f->shown[2].group, "median"));
    CHECK(f->shown[5].image == 1 && !strcmp(f->shown[5].group, "worst")); /* image 0 has no score */
    CHECK_OK(un_eval_choose(index, group, &n, NULL, &f->report.set, 12, &err), &err);
    CHECK_INT(n, 11); /* none twice */
    f->report.set.images = 2;
    choose(f, 3);
    CHECK(f->report.shown_count == 1 && f->shown[0].image == 1);
    f->report.set.images = 1;
    choose(f, 3);
    CHECK_INT(f->report.shown_count, 0);
    f->report.set.images = IMAGES;
    fixture_destroy(f);
}

static char *read_page(const char *path)
{
    unsigned char *data;
    size_t size;
    unet_error err = {0};

    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 26, &err), &err);
    return (char *)data;
}

TEST(evaluation_page)
{
    fixture *f = fixture_create();
    const un_floor_scores floor = {"Otsu threshold", 0.5, 0.25, 0.125, NAN};
    char path[512], *page, *again;
    unet_error err = {0};

    choose(f, 3);
    f->report.set.floor = &floor;
    snprintf(path, sizeof path, "%s/report.html", getenv("UNET_TEST_KEEP") ? getenv("UNET_TEST_KEEP") : un_test_tmp());
    CHECK_OK(un_eval_report_write(NULL, path, &f->report, &err), &err);
    page = read_page(path);
    check_page(page);
    CHECK(strstr(page, "<h1>" NASTY_ESCAPED "</h1>") && strstr(page, "<dd>" NASTY_ESCAPED "</dd>"));
    CHECK(strstr(page, "image_03.png &lt;b&gt;&amp;"));
    CHECK_INT(count_of(page, "src=\"data:image/png;base64,iVBORw0KGgo"), 4 * 9);
    CHECK(strstr(page, "Otsu threshold</th><td class=\"n\">0.5000</td><td class=\"n\">0.2500</td>"));
    CHECK(strstr(page, "0.1250</td><td class=\"n\">-</td>"));
    CHECK(strstr(page, "Confusion matrix") && strstr(page, "class=\"n\">rim</th>"));
    CHECK(strstr(page, "Mask value 255 is ignored.") && strstr(page, "is the background"));
    CHECK(strstr(page, "1 of 12 images have no foreground"));
    CHECK(
        strstr(page, "How to read this") && strstr(page, "prefers-color-scheme:dark") && strstr(page, "@media print"));
    CHECK_OK(un_eval_report_write(NULL, path, &f->report, &err), &err);
    again = read_page(path);
    CHECK_STR(page, again); /* nothing but the input decides */
    un_free(page);
    un_free(again);
    fixture_destroy(f);
}

TEST(evaluation_page_of_labels)
{
    fixture *f = fixture_create();
    un_text page;
    unet_error err = {0};

    choose(f, 1);
    f->report.set.confusion = NULL; /* multi-label: no matrix, bits in the maps */
    un_text_init(&page, NULL, 1 << 26);
    CHECK_OK(un_eval_report_html(&page, NULL, &f->report, &err), &err);
    check_page(page.s);
    CHECK(!strstr(page.s, "Confusion matrix") && strstr(page.s, "label accuracy"));
    un_text_free(&page);
    fixture_destroy(f);
}

TEST(evaluation_page_memory_and_disk)
{
    fixture *f = fixture_create();
    un_mem *mem = un_mem_create(NULL);
    char path[512];
    unet_status st = UNET_E_NOMEM;
    unet_error err = {0};

    choose(f, 1);
    snprintf(path, sizeof path, "%s/none.html", un_test_tmp());
    for (int nth = 1; st == UNET_E_NOMEM; nth++) {
        CHECK(nth < 3000);
        un_mem_fail_at(mem, nth);
        st = un_eval_report_write(mem, path, &f->report, &err);
        CHECK_INT(un_mem_live(mem), 0);
        CHECK((st == UNET_OK) == un_path_exists(path));
    }
    un_mem_fail_at(mem, 0);
    CHECK_INT(st, UNET_OK);
    CHECK_STATUS(un_eval_report_write(mem, "/nowhere/at/all/x.html", &f->report, &err), UNET_E_NOT_FOUND);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
    fixture_destroy(f);
}

static int base64_value(char c)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(digit, c) : NULL;

    return p ? (int)(p - digit) : -1;
}

TEST(figure_holds_the_picture)
{
    for (int w = 1; w < 8; w++) { /* sizes of PNG that end in each way */
        un_image im, back;
        un_text s;
        unsigned char png[4096];
        size_t n = 0;
        uint32_t bits = 0;
        int held = 0;
        const char *p;
        unet_error err = {0};

        CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, 3, w, 3, &err), &err);
        for (int i = 0; i < 9 * w; i++)
            ((unsigned char *)im.data)[i] = (unsigned char)(i * 37);
        un_text_init(&s, NULL, 1 << 20);
        CHECK_OK(un_html_figure(&s, NULL, &im, "a \"b\" <c>", &err), &err);
        CHECK(
            strstr(s.s, "alt=\"a &quot;b&quot; &lt;c&gt;\"") && strstr(s.s, "<figcaption>a &quot;b&quot; &lt;c&gt;<"));
        p = strstr(s.s, "base64,") + 7;
        CHECK((strchr(p, '"') - p) % 4 == 0);
        for (; base64_value(*p) >= 0; p++) {
            bits = bits << 6 | (uint32_t)base64_value(*p);
            held += 6;
            if (held >= 8)
                png[n++] = (unsigned char)(bits >> (held -= 8));
        }
        CHECK_OK(un_image_read_memory(&back, NULL, png, n, "figure", NULL, &err), &err);
        CHECK(back.w == w && back.h == 3 && back.c == 3 && !memcmp(back.data, im.data, (size_t)w * 9));
        un_image_free(&im);
        un_image_free(&back);
        un_text_free(&s);
    }
}

TEST(training_page)
{
    enum { N = 60 };
    double step[N], loss[N], smooth[N], dice[N];
    const un_series lines[] = {{.x = step, .y = loss, .n = N, .faint = 1, .colour = 5},
        {.name = "loss " NASTY, .x = step, .y = smooth, .n = N, .colour = 5}};
    const un_series scores[] = {{.name = "Dice", .x = step, .y = dice, .n = N}};
    const un_chart chart[] = {{.title = "Loss", .x_label = "step", .series = lines, .count = 2, .log_y = 1},
        {.title = "Dice", .x_label = "step", .series = scores, .count = 1, .fixed_y = 1, .y_hi = 1}};
    const un_fact fact[] = {{"Dice", "0.913"}, {"steps", "948"}}, env[] = {{"CPU", NASTY}};
    char not_png[40] = "GIF89a";
    fixture *f = fixture_create();
    un_preview preview[] = {{.caption = "step 100 " NASTY}, {.caption = "step 200"}, {"not a PNG", not_png, 40}};
    un_train_report r = {.title = NASTY,
        .state = "finished",
        .figure = fact,
        .figure_count = 2,
        .chart = chart,
        .chart_count = 2,
        .preview = preview,
        .preview_count = 3,
        .environment = env,
        .environment_count = 1,
        .config = "model:\n  filters: 16 # " NASTY "\n"};
    char path[512], *page;
    unet_error err = {0};

    for (int i = 0; i < N; i++) {
        step[i] = i * 10;
        loss[i] = i == 30 ? NAN : exp(-i / 20.0) + 0.02 * (i % 3);
        dice[i] = i % 10 ? NAN : 1 - exp(-i / 15.0);
    }
    un_smooth(smooth, loss, N, 5);
    for (int i = 0; i < 2; i++) {
        unsigned char *png;

        CHECK_OK(un_image_encode_png(&png, &preview[i].size, NULL, &f->rgb[i + 1], &err), &err);
        preview[i].png = png;
    }
    snprintf(path, sizeof path, "%s/train.html", getenv("UNET_TEST_KEEP") ? getenv("UNET_TEST_KEEP") : un_test_tmp());
    CHECK_OK(un_train_report_write(NULL, path, &r, &err), &err);
    page = read_page(path);
    check_page(page);
    CHECK_INT(count_of(page, "<svg"), 2);
    CHECK_INT(count_of(page, "<figure>"), 2);
    CHECK_INT(count_of(page, NASTY_ESCAPED),
        2 + 1 + 1 + 2 + 1); /* title twice, legend, CPU, preview (alt and caption), config */
    CHECK(!strstr(page, "not a PNG"));
    CHECK(strstr(page, "<b>0.913</b><span>Dice</span>") && strstr(page, "Configuration"));
    un_free(preview[0].png);
    un_free(preview[1].png);
    un_free(page);
    fixture_destroy(f);
}

TEST(training_page_of_nothing)
{
    un_text page;
    un_train_report r = {.title = "t"};
    unet_error err = {0};

    un_text_init(&page, NULL, 1 << 20);
    CHECK_OK(un_train_report_html(&page, &r, &err), &err);
    check_page(page.s);
    CHECK(!strstr(page.s, "Curves") && !strstr(page.s, "Previews") && !strstr(page.s, "Environment"));
    un_text_free(&page);
}

TEST(smoothing)
{
    const double y[] = {1, NAN, 3, 5, NAN, NAN, 7};
    double s[7];

    un_smooth(s, y, 7, 1);
    CHECK_NEAR(s[0], 1, 0);
    CHECK_NEAR(s[1], 2, 0);
    CHECK_NEAR(s[2], 4, 0);
    CHECK_NEAR(s[3], 4, 0);
    CHECK_NEAR(s[4], 5, 0);
    CHECK_NEAR(s[5], 7, 0);
    CHECK_NEAR(s[6], 7, 0);
    un_smooth(s, y, 7, 0);
    CHECK(s[0] == 1 && isnan(s[1]) && s[6] == 7);
    un_smooth(s, y, 7, 100);
    CHECK(s[0] == 4 && s[6] == 4);
}
