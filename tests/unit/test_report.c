/* report: tables in their four forms, tick marks, charts (well formed, escaped, gaps), palette, scores as
 * files. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "io/json.h"
#include "markup.h"
#include "report/measure.h"
#include "report/palette.h"
#include "report/scores.h"
#include "report/svg.h"
#include "report/table.h"

static un_text text_of(void)
{
    un_text t;

    un_text_init(&t, NULL, 1 << 24);
    return t;
}

static void check_markup(const char *s)
{
    const char *at = s, *why = markup_check(s, &at);

    if (why)
        un_test_fail(__FILE__, __LINE__, "%s at: %.60s", why, at);
}

TEST(markup_checker_notices)
{
    const char *at;
    static const char *const bad[] = {"<a>", "<a></b>", "<a b=c></a>", "a & b", "a < b", "<a b=\"<\"/>", "</a>"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(markup_check(bad[i], &at) != NULL);
    CHECK(markup_check("<!DOCTYPE html><p a=\"1\">x &amp; y<br><b/></p><style>a > b {}</style>", &at) == NULL);
    CHECK(markup_refers_outside("<img src=\"https://x\">") && !markup_refers_outside("<img src=\"data:\">"));
}

TEST(fixed_numbers)
{
    static const struct {
        double v;
        int decimals;
        const char *expected;
    } row[] = {{0.5, 0, "1"}, {-0.5, 0, "-1"}, {1.0 / 3, 4, "0.3333"}, {-1.0 / 3, 2, "-0.33"}, {0, 3, "0.000"},
        {-0.0001, 2, "0.00"}, {99.995, 1, "100.0"}, {NAN, 3, "-"}, {1e300, 2, "1e+300"}, {12, 0, "12"},
        {0.05, 1, "0.1"}};
    un_text t = text_of();

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        t.n = 0;
        un_text_fixed(&t, row[i].v, row[i].decimals);
        CHECK_STR(t.s, row[i].expected);
    }
    t.n = 0;
    un_text_json_number(&t, NAN);
    un_text_json_number(&t, 0.1);
    CHECK_STR(t.s, "null0.1");
    un_text_free(&t);
}

static un_table *sample_table(un_mem *mem)
{
    static const char *const head[] = {"name", "n", "dice, mean"};
    un_table *t;
    unet_error err = {0};

    CHECK_OK(un_table_create(&t, mem, head, 3, 1, &err), &err);
    un_table_text(t, "a\"b, <c> & \xc3\xa4");
    un_table_integer(t, 5);
    un_table_real(t, 1.0 / 3, 3);
    un_table_text(t, "x");
    un_table_integer(t, -12345678901);
    un_table_real(t, NAN, 3);
    CHECK_INT(un_table_rows(t), 2);
    return t;
}

TEST(table_forms)
{
    un_table *t = sample_table(NULL);
    un_text s = text_of();
    unet_error err = {0};

    CHECK_OK(un_table_to_text(t, &s, &err), &err);
    CHECK_STR(s.s, "name                     n  dice, mean\n"
                   "a\"b, <c> & \xc3\xa4             5       0.333\n"
                   "x             -12345678901           -\n");
    s.n = 0;
    CHECK_OK(un_table_to_csv(t, &s, &err), &err);
    CHECK_STR(s.s, "name,n,\"dice, mean\"\n\"a\"\"b, <c> & \xc3\xa4\",5,0.3333333333333333\nx,-12345678901,\n");
    s.n = 0;
    CHECK_OK(un_table_to_json(t, &s, &err), &err);
    CHECK_STR(s.s, "[\n  {\"name\": \"a\\\"b, <c> & \xc3\xa4\", \"n\": 5, \"dice, mean\": 0.3333333333333333},\n"
                   "  {\"name\": \"x\", \"n\": -12345678901, \"dice, mean\": null}\n]");
    s.n = 0;
    CHECK_OK(un_table_to_html(t, &s, &err), &err);
    check_markup(s.s);
    CHECK(strstr(s.s, "<th scope=\"row\">a&quot;b, &lt;c&gt; &amp; \xc3\xa4</th><td class=\"n\">5</td>"));
    CHECK(strstr(s.s, "<td class=\"n\">-</td></tr>"));
    un_text_free(&s);
    un_table_destroy(t);
}

TEST(table_memory)
{
    static const char *const head[] = {"a", "b"};
    un_mem *mem = un_mem_create(NULL);
    unet_error err = {0};
    unet_status st = UNET_E_NOMEM;

    for (int nth = 1; st == UNET_E_NOMEM; nth++) {
        un_table *t;
        un_text s;

        CHECK(nth < 40);
        un_text_init(&s, mem, 1 << 20);
        un_mem_fail_at(mem, nth);
        st = un_table_create(&t, mem, head, 2, 1, &err);
        for (int i = 0; !st && i < 100; i++) {
            un_table_text(t, "x");
            un_table_real(t, i, 1);
        }
        if (!st)
            st = un_table_to_text(t, &s, &err);
        if (!st)
            st = un_table_to_html(t, &s, &err);
        un_mem_fail_at(mem, 0);
        un_text_free(&s);
        un_table_destroy(t);
        CHECK_INT(un_mem_live(mem), 0);
    }
    CHECK_INT(st, UNET_OK);
    un_mem_destroy(mem);
}

TEST(ticks)
{
    double t[16];

    CHECK_INT(un_ticks(t, 8, 0, 1, 0), 6);
    CHECK_NEAR(t[1], 0.2, 1e-15);
    CHECK_INT(un_ticks(t, 8, -3, 12, 0), 8);
    CHECK_NEAR(t[0], -2, 0);
    CHECK_NEAR(t[7], 12, 0);
    CHECK_INT(un_ticks(t, 8, 950, 1010, 0), 7);
    CHECK_NEAR(t[0], 950, 1e-9);
    CHECK_INT(un_ticks(t, 8, 0.01, 1, 1), 7);
    CHECK_NEAR(t[1], 0.02, 1e-15);
    CHECK_INT(un_ticks(t, 8, 1e-6, 1e6, 1), 7);
    CHECK_NEAR(t[1] / t[0], 100, 1e-9);
    CHECK_INT(un_ticks(t, 8, 1, 1, 0), 0);
    CHECK_INT(un_ticks(t, 8, 0, 1, 1), 0);
    CHECK_INT(un_ticks(t, 8, NAN, 1, 0), 0);
    for (double lo = -1e5, span = 1e-4; span < 1e7; span *= 3.7) {
        int n = un_ticks(t, 8, lo, lo + span, 0);

        CHECK(n >= 2 && n <= 8 && t[0] >= lo - 1e-5 * span && t[n - 1] <= lo + span * (1 + 1e-5));
    }
}

static int count_of(const char *s, const char *what)
{
    int n = 0;

    for (const char *p = s; (p = strstr(p, what)); p++)
        n++;
    return n;
}

TEST(line_chart)
{
    const double x[] = {0, 1, 2, 3, 4}, loss[] = {1, 0.5, NAN, 0.2, 0.1}, dice[] = {0, -1, 0.3, NAN, 0.9};
    const un_series series[] = {{.name = "loss <train>", .x = x, .y = loss, .n = 5},
        {.name = "dice & \"iou\"", .x = x, .y = dice, .n = 5, .dashed = 1},
        {.x = x, .y = loss, .n = 5, .faint = 1, .colour = 5}};
    un_text s = text_of(), file = text_of();

    un_svg_lines(&s, &(un_chart){.title = "A < B", .x_label = "step", .y_label = "loss", .series = series, .count = 3});
    CHECK(!s.failed);
    check_markup(s.s);
    CHECK(!markup_refers_outside(s.s));
    CHECK(strstr(s.s, "loss &lt;train&gt;") && strstr(s.s, "A &lt; B") && strstr(s.s, "dice &amp; &quot;iou&quot;"));
    CHECK_INT(count_of(s.s, "<path"), 3);
    CHECK_INT(count_of(s.s, "d=\"M62.0 "), 3);
    CHECK_INT(count_of(s.s, "M"), 2 * 3); /* each series has one gap */
    un_svg_document(&file, s.s);
    check_markup(file.s);
    CHECK(!strncmp(file.s, "<?xml", 5) && strstr(file.s, "<svg xmlns=\"http://www.w3.org/2000/svg\" class"));
    s.n = 0;
    un_svg_lines(&s, &(un_chart){.series = series, .count = 2, .log_y = 1});
    check_markup(s.s);
    CHECK_INT(count_of(s.s, "M"), 2 + 2); /* 0 and -1 have no logarithm; 0.3 and 0.9 stand alone */
    CHECK(strstr(s.s, ">0.1</text>") && !strstr(s.s, "nan") && !strstr(s.s, "inf"));
    un_text_free(&s);
    un_text_free(&file);
}

TEST(line_chart_odd_inputs)
{
    const double nan_only[] = {NAN, NAN}, x[] = {5, 5}, y[] = {2, 2};
    const un_series none = {.name = "none", .x = x, .y = nan_only, .n = 2},
                    flat = {.name = "flat", .x = x, .y = y, .n = 1};
    un_text s = text_of();

    un_svg_lines(&s, &(un_chart){.series = &none, .count = 1});
    un_svg_lines(&s, &(un_chart){.series = &none, .count = 1, .log_y = 1});
    un_svg_lines(&s, &(un_chart){.series = &flat, .count = 1});
    un_svg_lines(&s, &(un_chart){.series = &flat, .count = 1, .log_y = 1});
    un_svg_lines(&s, &(un_chart){.count = 0, .fixed_y = 1, .y_lo = 0, .y_hi = 1});
    check_markup(s.s);
    CHECK(!strstr(s.s, "nan") && !strstr(s.s, "inf"));
    un_text_free(&s);
}

TEST(line_chart_is_thinned)
{
    enum { N = 100000 };
    double *x = calloc(N, sizeof *x), *y = calloc(N, sizeof *y);
    un_series series = {.x = x, .y = y, .n = N};
    un_text s = text_of();

    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = i == 77777 ? 5 : i % 2;
    }
    un_svg_lines(&s, &(un_chart){.series = &series, .count = 1});
    CHECK(s.n < 60000);
    CHECK(strstr(s.s, " 23.3L")); /* the one peak is still there: 4 % below the top edge at 12 */
    un_text_free(&s);
    free(x);
    free(y);
}

TEST(bar_chart)
{
    static const char *const names[] = {"a<b", "c"};
    const double edge[] = {0, 0.5, 1}, value[] = {3, NAN};
    un_text s = text_of();

    un_svg_bars(&s, &(un_bars){.title = "t", .name = names, .value = value, .n = 2, .mark = NAN});
    check_markup(s.s);
    CHECK_INT(count_of(s.s, "<rect"), 1);
    CHECK_INT(count_of(s.s, "a&lt;b"), 2); /* below the bar, and when the pointer rests on it */
    s.n = 0;
    un_svg_bars(&s, &(un_bars){.edge = edge, .value = value, .n = 2, .mark = 0.25, .mark_name = "floor"});
    check_markup(s.s);
    CHECK(
        strstr(s.s, ">3</text>") && strstr(s.s, "floor") && strstr(s.s, ">0.2</text>") && !strstr(s.s, ">2.5</text>"));
    un_text_free(&s);
}

TEST(palette_tells_classes_apart)
{
    un_palette p;
    int nearest = 1000;

    un_palette_default(&p);
    for (int i = 0; i < UN_PALETTE_SIZE; i++)
        for (int j = 0; j < i; j++) {
            int d = abs(p.of[i].r - p.of[j].r) + abs(p.of[i].g - p.of[j].g) + abs(p.of[i].b - p.of[j].b);

            nearest = d < nearest ? d : nearest;
            CHECK(d >= (i < 8 ? 80 : i < 32 ? 40 : 4));
            CHECK(j == 0 || p.of[j].r + p.of[j].g + p.of[j].b > 200); /* none but the background looks black */
        }
    un_test_note("nearest two of 256 colours differ by %d", nearest);
    CHECK(un_rgb_wants_white(p.of[0]) && !un_rgb_wants_white(p.of[4]));
}

/* Two images of two pixels, two classes; the second image has no class 1 at all. */
typedef struct scored {
    un_confusion *pool, *c;
    un_scores *one, *two, *pooled;
    un_image_means *means;
    un_named_scores image[2];
    un_score_set set;
} scored;

static void score_two(scored *f)
{
    static const char *const names[] = {"sky, blue", "tree"};
    const int32_t truth[] = {0, 1, 1, -1}, prediction[] = {0, 1, 0, 0}, none[] = {0, 0};
    unet_error err = {0};

    CHECK_OK(un_confusion_create(&f->pool, NULL, 2, &err), &err);
    CHECK_OK(un_confusion_create(&f->c, NULL, 2, &err), &err);
    CHECK_OK(un_image_means_create(&f->means, NULL, 2, &err), &err);
    CHECK_OK(un_confusion_add(f->c, truth, prediction, 4, &err), &err);
    CHECK_OK(un_scores_create(&f->one, NULL, f->c, 0, &err), &err);
    un_confusion_merge(f->pool, f->c);
    un_confusion_clear(f->c);
    CHECK_OK(un_confusion_add(f->c, none, none, 2, &err), &err);
    CHECK_OK(un_scores_create(&f->two, NULL, f->c, 0, &err), &err);
    un_confusion_merge(f->pool, f->c);
    CHECK_OK(un_scores_create(&f->pooled, NULL, f->pool, 0, &err), &err);
    un_image_means_add(f->means, f->one);
    un_image_means_add(f->means, f->two);
    f->image[0] = (un_named_scores){"a.png", f->one};
    f->image[1] = (un_named_scores){"b \"2\".png", f->two};
    f->set = (un_score_set){2, names, f->image, 2, f->pooled, f->means, .confusion = f->pool};
}

static void free_scored(scored *f)
{
    un_confusion_destroy(f->pool);
    un_confusion_destroy(f->c);
    un_scores_destroy(f->one);
    un_scores_destroy(f->two);
    un_scores_destroy(f->pooled);
    un_image_means_destroy(f->means);
}

TEST(scores_as_files)
{
    scored f;
    char path[512];
    unsigned char *data;
    size_t size;
    unet_error err = {0};

    score_two(&f);
    snprintf(path, sizeof path, "%s/scores.csv", un_test_tmp());
    CHECK_OK(un_metrics_write_csv(NULL, path, &f.set, &err), &err);
    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 20, &err), &err);
    CHECK(!strncmp((char *)data, "row,image,pixels,ignored,accuracy,macro_dice,macro_iou,", 55));
    CHECK(strstr((char *)data, ",\"sky, blue_dice\",") && strstr((char *)data, "tree_f1,tree_support\n"));
    CHECK(strstr((char *)data, "\nimage,a.png,3,1,0.6666666666666666,"));
    CHECK(strstr((char *)data, "\nimage,\"b \"\"2\"\".png\",2,0,1,1,1,1,1,1,,,,,,1,1,1,1,1,2,,,,,,0\n"));
    CHECK(strstr((char *)data, "\npooled,,5,1,0.8,") && strstr((char *)data, "\nimage_mean,,5,1,"));
    un_free(data);
    snprintf(path, sizeof path, "%s/scores.json", un_test_tmp());
    CHECK_OK(un_metrics_write_json(NULL, path, &f.set, &err), &err);
    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 20, &err), &err);
    CHECK(strstr((char *)data, "\"confusion\": [\n  [3, 0],\n  [1, 1]\n]"));
    CHECK(strstr((char *)data, "\"background\": 0") && strstr((char *)data, "\"class\": \"mean without background\""));
    un_free(data);
    CHECK_STATUS(un_metrics_write_csv(NULL, "/nowhere/at/all/x.csv", &f.set, &err), UNET_E_NOT_FOUND);
    free_scored(&f);
}

/* Classes that are named as columns are: no column and no key stands twice. */
TEST(class_named_foreground)
{
    static const char *const names[] = {"macro", "foreground"};
    scored f;
    char path[512];
    unsigned char *data;
    size_t size;
    un_json *j;
    unet_error err = {0};

    score_two(&f);
    f.set.class_name = names;
    snprintf(path, sizeof path, "%s/scores.csv", un_test_tmp());
    CHECK_OK(un_metrics_write_csv(NULL, path, &f.set, &err), &err);
    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 20, &err), &err);
    CHECK(strstr((char *)data, ",foreground_f1,class_macro_dice,") &&
          strstr((char *)data, ",class_foreground_f1,class_foreground_support\n"));
    un_free(data);
    snprintf(path, sizeof path, "%s/scores.json", un_test_tmp());
    CHECK_OK(un_metrics_write_json(NULL, path, &f.set, &err), &err);
    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 20, &err), &err);
    CHECK_OK(un_json_parse(&j, NULL, (char *)data, size, path, &err), &err); /* refuses keys that stand twice */
    un_json_free(j);
    un_free(data);
    free_scored(&f);
}

TEST(class_table)
{
    scored f;
    un_table *t;
    un_text s = text_of();
    unet_error err = {0};

    score_two(&f);
    CHECK_OK(un_scores_class_table(&t, NULL, &f.set, &err), &err);
    CHECK_OK(un_table_to_csv(t, &s, &err), &err);
    /* tree: tp 1, fn 1: Dice 2/3, IoU 1/2; only one image has it */
    CHECK(strstr(s.s, "\ntree,0.6666666666666666,0.5,1,0.5,0.6666666666666666,0.6666666666666666,0.5,1,2\n"));
    CHECK_INT(un_table_rows(t), 4);
    un_table_destroy(t);
    s.n = 0;
    un_scores_rules(&s, &f.set);
    CHECK(strstr(s.s, "Class 0 (sky, blue) is the background") && strstr(s.s, "5 pixels count, 1 are ignored"));
    un_text_free(&s);
    free_scored(&f);
}

TEST(measures)
{
    static const char *const names[] = {"background", "cell", "none"};
    static const int32_t map[] = {1, 1, 0, 0, 1, /**/ 0, 0, 0, 0, 0, /**/ 0, 1, 1, 1, 0, /**/ 0, 0, 0, 0, 0};
    un_measure_options opt = {.classes = 3, .class_name = names, .has_spacing = 1, .spacing_mm = {2, 0.5, 0.001}};
    static const uint16_t numbers[] = {2, 2, 1, 1, 3, 1, 1, 1, 1, 1, 1, 4, 4, 4, 1, 1, 1, 1, 1, 1};
    un_table *t;
    un_text s = text_of();
    unet_error err = {0};
    un_image o;

    CHECK_OK(un_measure_create(&t, NULL, &err), &err);
    CHECK_OK(un_measure_add(t, NULL, NULL, "a", map, (un_shape){1, 1, 4, 5, 1}, &opt, &err), &err);
    CHECK_OK(un_measure_add(t, NULL, NULL, "b", map, (un_shape){1, 2, 2, 5, 1}, &opt, &err), &err);
    opt.background = -1;
    opt.has_spacing = 0;
    CHECK_OK(un_measure_add(t, &o, NULL, "c", map, (un_shape){1, 1, 4, 5, 1}, &opt, &err), &err);
    CHECK_OK(un_table_to_csv(t, &s, &err), &err);
    CHECK(strstr(s.s, "\na,background,14,0.7,7000,,,,,,,\n"));
    CHECK(strstr(s.s, "\na,cell,6,0.3,3000,,3,2,1,2,2,3\n")); /* sizes 2, 1, 3; two at the edge */
    CHECK(strstr(s.s, "\na,none,0,0,0,,0,0,,,,\n"));
    CHECK(strstr(s.s, "\nb,cell,6,0.3,,0.006,1,1,6,6,6,6\n")); /* in space they touch by corners */
    CHECK(strstr(s.s, "\nc,background,14,0.7,,,1,1,14,14,14,14\n"));
    CHECK(o.type == UN_DTYPE_U16 && o.c == 1 && !memcmp(o.data, numbers, sizeof numbers)); /* class after class */
    un_image_free(&o);
    opt.bits = 1; /* 1: class 0, of three objects; overlapping classes have a channel each */
    CHECK_OK(un_measure_add(NULL, &o, NULL, "d", map, (un_shape){1, 1, 4, 5, 1}, &opt, &err), &err);
    CHECK(o.c == 3);
    for (int i = 0; i < 20; i++) {
        const uint16_t *v = (const uint16_t *)o.data + 3 * i;

        CHECK(v[0] == (map[i] ? numbers[i] - 1 : 0) && !v[1] && !v[2]);
    }
    un_image_free(&o);
    un_text_free(&s);
    un_table_destroy(t);
}
