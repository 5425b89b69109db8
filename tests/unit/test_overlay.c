/* report: pictures for the screen, scaling, overlays and error maps pixel by pixel, legend and sheet, the small font.
 */
#include "test.h"

#include <stdlib.h>

#include "report/font.h"
#include "report/overlay.h"
#include "report/view.h"

static un_image picture(un_dtype type, int h, int w, int c)
{
    un_image im;
    unet_error err = {0};

    CHECK_OK(un_image_create(&im, NULL, type, 1, h, w, c, &err), &err);
    return im;
}

static int pixel_is(const un_image *im, int y, int x, int r, int g, int b)
{
    const unsigned char *p = (const unsigned char *)im->data + (y * im->w + x) * 3;

    return p[0] == r && p[1] == g && p[2] == b;
}

static int colour_at(const un_image *im, int y, int x, un_rgb c)
{
    return pixel_is(im, y, x, c.r, c.g, c.b);
}

TEST(view_of_bytes)
{
    const unsigned char rgba[] = {1, 2, 3, 9, 4, 5, 200, 9}, grey_alpha[] = {7, 255, 180, 0};
    un_image im = picture(UN_DTYPE_U8, 1, 2, 4), out;
    unet_error err = {0};

    im.alpha = 1;
    memcpy(im.data, rgba, 8);
    CHECK_OK(un_view_rgb(&out, NULL, &im, 0, &err), &err);
    CHECK(pixel_is(&out, 0, 0, 1, 2, 3) && pixel_is(&out, 0, 1, 4, 5, 200));
    un_image_free(&out);
    un_image_free(&im);
    im = picture(UN_DTYPE_U8, 1, 2, 2);
    memcpy(im.data, grey_alpha, 4);
    CHECK_OK(un_view_rgb(&out, NULL, &im, 0, &err), &err);
    CHECK(pixel_is(&out, 0, 0, 7, 7, 7) && pixel_is(&out, 0, 1, 180, 180, 180));
    un_image_free(&out);
    CHECK_STATUS(un_view_rgb(&out, NULL, &im, 1, &err), UNET_E_ARG);
    un_image_free(&im);
}

TEST(view_brightens_dark_pictures)
{
    un_image im = picture(UN_DTYPE_U8, 1, 5, 1), out;
    unet_error err = {0};

    memcpy(im.data, "\0\12\24\36\50", 5); /* 0 10 20 30 40 */
    CHECK_OK(un_view_rgb(&out, NULL, &im, 0, &err), &err);
    CHECK(pixel_is(&out, 0, 0, 0, 0, 0) && pixel_is(&out, 0, 4, 255, 255, 255));
    CHECK_NEAR(((unsigned char *)out.data)[6], 127.5, 1);
    un_image_free(&out);
    memset(im.data, 0, 5); /* nothing to brighten */
    CHECK_OK(un_view_rgb(&out, NULL, &im, 0, &err), &err);
    CHECK(pixel_is(&out, 0, 2, 0, 0, 0));
    un_image_free(&out);
    un_image_free(&im);
}

TEST(view_of_a_palette)
{
    static const unsigned char colours[] = {10, 20, 30, 40, 50, 60};
    un_image im = picture(UN_DTYPE_U8, 1, 3, 1), out;
    unsigned char *p = im.data;
    unet_error err = {0};

    im.palette = un_alloc(NULL, 6);
    im.palette_size = 2;
    memcpy(im.palette, colours, 6);
    p[1] = 1;
    p[2] = 7; /* no such entry */
    CHECK_OK(un_view_rgb(&out, NULL, &im, 0, &err), &err);
    CHECK(pixel_is(&out, 0, 0, 10, 20, 30) && pixel_is(&out, 0, 1, 40, 50, 60) && pixel_is(&out, 0, 2, 0, 0, 0));
    un_image_free(&out);
    un_image_free(&im);
}

TEST(view_stretches_other_types)
{
    enum { N = 1000 };
    un_image im = picture(UN_DTYPE_F32, 10, N / 10, 1), out, flat = picture(UN_DTYPE_U16, 2, 2, 1);
    float *v = im.data;
    const unsigned char *p;
    unet_error err = {0};

    for (int i = 0; i < N; i++)
        v[i] = (float)i * 3 - 500;
    v[0] = NAN;
    v[1] = INFINITY;
    CHECK_OK(un_view_rgb(&out, NULL, &im, 0, &err), &err);
    p = out.data;
    CHECK(p[0] == 0 && p[3] == 0 && p[3 * 5] == 0 && p[3 * 995] == 255);
    CHECK_NEAR(p[3 * 500], 127.5, 3);
    CHECK(p[3 * 250] > 55 && p[3 * 250] < 70);
    un_image_free(&out);
    CHECK_OK(un_view_rgb(&out, NULL, &flat, 0, &err), &err);
    CHECK(pixel_is(&out, 1, 1, 128, 128, 128));
    un_image_free(&out);
    un_image_free(&im);
    un_image_free(&flat);
}

TEST(view_sizes)
{
    int h, w;

    un_view_size(&h, &w, 1000, 500, 100, 256);
    CHECK(h == 256 && w == 128);
    un_view_size(&h, &w, 30, 20, 100, 256);
    CHECK(h == 90 && w == 60);
    un_view_size(&h, &w, 200, 100, 100, 256);
    CHECK(h == 200 && w == 100);
    un_view_size(&h, &w, 1, 100000, 100, 256);
    CHECK(h == 1 && w == 256);
}

TEST(scaling)
{
    un_image im = picture(UN_DTYPE_U8, 2, 4, 3), out;
    unsigned char *p = im.data;
    const int32_t map[] = {0, 1, 2, 3, 4, -1, 6, 7};
    int32_t *small;
    unet_error err = {0};

    for (int i = 0; i < 8; i++)
        p[3 * i] = (unsigned char)(10 * i);
    CHECK_OK(un_scale_rgb(&out, NULL, &im, 1, 2, &err), &err);
    CHECK(pixel_is(&out, 0, 0, (0 + 10 + 40 + 50) / 4, 0, 0) && pixel_is(&out, 0, 1, (20 + 30 + 60 + 70) / 4, 0, 0));
    un_image_free(&out);
    CHECK_OK(un_scale_rgb(&out, NULL, &im, 4, 8, &err), &err);
    CHECK(pixel_is(&out, 0, 1, 0, 0, 0) && pixel_is(&out, 3, 7, 70, 0, 0) && pixel_is(&out, 2, 2, 50, 0, 0));
    un_image_free(&out);
    CHECK_OK(un_scale_map(&small, NULL, map, 2, 4, 2, 2, &err), &err);
    CHECK(small[0] == 1 && small[1] == 3 && small[2] == -1 && small[3] == 7);
    un_free(small);
    CHECK_OK(un_scale_map(&small, NULL, map, 2, 4, 4, 8, &err), &err);
    CHECK(small[0] == 0 && small[9] == 0 && small[2] == 1 && small[31] == 7);
    un_free(small);
    un_image_free(&im);
}

TEST(index_picture)
{
    const int32_t map[] = {0, 3, -1, 300};
    un_palette p;
    un_image out;
    unet_error err = {0};

    un_palette_default(&p);
    CHECK_OK(un_view_index(&out, NULL, map, 2, 2, &p, 255, &err), &err);
    CHECK(!memcmp(out.data, "\0\3\377\377", 4));
    CHECK(out.palette_size == 256 && out.palette[3] == 230 && out.palette[4] == 159);
    un_image_free(&out);
}

/* A 5 x 5 map with a 3 x 3 square of class 1 in the middle: one inner pixel, eight on its edge. */
static const int32_t square[25] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, -1};

TEST(overlay_of_a_square)
{
    un_image im = picture(UN_DTYPE_U8, 5, 5, 3);

    memset(im.data, 100, 75);
    un_paint_classes(&im, square, &(un_paint){.alpha = 0.5});
    CHECK(pixel_is(&im, 0, 0, 100, 100, 100)); /* background */
    CHECK(pixel_is(&im, 2, 2, 165, 130, 50));  /* half way to orange 230, 159, 0 */
    CHECK(pixel_is(&im, 1, 1, 230, 159, 0));   /* contour */
    CHECK(pixel_is(&im, 4, 4, 114, 114, 114)); /* ignored: half way to grey */
    memset(im.data, 100, 75);
    un_paint_classes(&im, square, &(un_paint){.contours_only = 1});
    CHECK(pixel_is(&im, 2, 2, 100, 100, 100) && pixel_is(&im, 3, 2, 230, 159, 0));
    memset(im.data, 100, 75);
    un_paint_classes(&im, square, &(un_paint){.alpha = 1, .background = -1});
    CHECK(pixel_is(&im, 0, 0, 0, 0, 0) && pixel_is(&im, 2, 2, 230, 159, 0));
    un_image_free(&im);
}

TEST(overlay_of_several_labels)
{
    const int32_t map[] = {0, 0, 0, 0, 3, 0, 0, 0, 0};
    un_image im = picture(UN_DTYPE_U8, 3, 3, 3);

    un_paint_classes(&im, map, &(un_paint){.bits = 1});
    CHECK(pixel_is(&im, 1, 1, (230 + 86) / 2, (159 + 180) / 2, 233 / 2)); /* labels 0 and 1 share the pixel */
    CHECK(pixel_is(&im, 0, 0, 0, 0, 0));
    un_image_free(&im);
}

TEST(error_map)
{
    const int32_t truth[] = {0, 1, 0, 1, 1, -1}, prediction[] = {0, 1, 1, 0, 2, 1};
    un_image im = picture(UN_DTYPE_U8, 1, 6, 3);
    un_legend_entry legend[UN_ERROR_COLOURS];

    memset(im.data, 50, 18);
    un_paint_errors(&im, truth, prediction, 0, 1);
    CHECK(pixel_is(&im, 0, 0, 50, 50, 50));
    CHECK(colour_at(&im, 0, 1, un_colour_right) && colour_at(&im, 0, 2, un_colour_extra));
    CHECK(colour_at(&im, 0, 3, un_colour_missed) && colour_at(&im, 0, 4, un_colour_confused));
    CHECK(colour_at(&im, 0, 5, un_colour_ignored));
    un_paint_errors(&im, truth, prediction, -1, 1); /* no background: class 0 is like the others */
    CHECK(colour_at(&im, 0, 0, un_colour_right) && colour_at(&im, 0, 2, un_colour_confused));
    un_error_legend(legend);
    CHECK_STR(legend[2].name, "missed");
    CHECK(!memcmp(&legend[2].colour, &un_colour_missed, 3));
    un_image_free(&im);
}

static int dark_pixels(const un_image *im)
{
    const unsigned char *p = im->data;
    int n = 0;

    for (int i = 0; i < im->h * im->w; i++)
        n += p[3 * i] < 60;
    return n;
}

TEST(font_draws)
{
    un_image im = picture(UN_DTYPE_U8, 9, 40, 3);
    const un_rgb black = {0, 0, 0};
    char one[2] = {0};
    int before;

    for (int a = '!'; a <= '~'; a++) { /* every character leaves a mark of its own */
        unsigned char drawn[9 * 40 * 3];

        one[0] = (char)a;
        memset(im.data, 255, sizeof drawn);
        un_draw_text(&im, 0, 0, 1, black, one);
        CHECK(dark_pixels(&im) > 0);
        memcpy(drawn, im.data, sizeof drawn);
        for (int b = '!'; b < a; b++) {
            one[0] = (char)b;
            memset(im.data, 255, sizeof drawn);
            un_draw_text(&im, 0, 0, 1, black, one);
            CHECK(memcmp(drawn, im.data, sizeof drawn) != 0);
        }
    }
    memset(im.data, 255, 9 * 40 * 3);
    un_draw_text(&im, 0, 0, 1, black, "I");
    CHECK_INT(dark_pixels(&im), 11);
    memset(im.data, 255, 9 * 40 * 3);
    un_draw_text(&im, 0, 0, 1, black, "\xc3\xa4"); /* one character that is not ASCII: a frame */
    CHECK_INT(dark_pixels(&im), 20);
    CHECK_INT(un_text_width_px("\xc3\xa4-b", 2), 36);
    before = dark_pixels(&im);
    un_draw_text(&im, -3, -30, 3, black, "far out");
    un_draw_text(&im, 100, 100, 3, black, "far out");
    CHECK_INT(dark_pixels(&im), before);
    un_image_free(&im);
}

TEST(legend_below)
{
    const un_legend_entry entry[] = {{{230, 159, 0}, "cell"}, {{86, 180, 233}, "wall"}};
    un_image im = picture(UN_DTYPE_U8, 10, 50, 3);
    un_mem *mem = un_mem_create(NULL);
    unet_error err = {0};

    un_mem_fail_at(mem, 1);
    CHECK_STATUS(un_add_legend(&im, mem, entry, 2, &err), UNET_E_NOMEM);
    CHECK_INT(im.h, 10);
    CHECK_OK(un_add_legend(&im, NULL, entry, 2, &err), &err);
    CHECK(im.w == 50 && im.h == 10 + 12 + 2 * 14); /* too narrow for both in a line */
    CHECK(pixel_is(&im, 16 + 5, 6 + 5, 230, 159, 0) && pixel_is(&im, 16 + 14 + 5, 6 + 5, 86, 180, 233));
    CHECK(pixel_is(&im, 0, 0, 0, 0, 0) && pixel_is(&im, im.h - 1, 0, 255, 255, 255));
    un_image_free(&im);
    un_mem_destroy(mem);
}

TEST(contact_sheet)
{
    un_image a = picture(UN_DTYPE_U8, 4, 4, 3), b = picture(UN_DTYPE_U8, 100, 50, 3), out;
    const un_sheet_cell cell[] = {{&a, "a"}, {&b, "a caption that is far too long"}, {&a, NULL}};
    un_mem *mem = un_mem_create(NULL);
    unet_status st = UNET_E_NOMEM;
    unet_error err = {0};

    memset(a.data, 200, 48);
    memset(b.data, 100, 15000);
    CHECK_OK(un_sheet_make(&out, NULL, cell, 3, 2, 40, &err), &err);
    CHECK(out.w == 2 * 46 + 6 && out.h == 2 * 58 + 6);
    CHECK(pixel_is(&out, 6, 6, 200, 200, 200) && pixel_is(&out, 45, 45, 200, 200, 200));
    CHECK(pixel_is(&out, 6, 52, 255, 255, 255) && pixel_is(&out, 20, 52 + 20, 100, 100, 100));
    CHECK(pixel_is(&out, 6 + 58, 6, 200, 200, 200));
    un_image_free(&out);
    CHECK_STATUS(un_sheet_make(&out, NULL, cell, 0, 2, 40, &err), UNET_E_ARG);
    for (int nth = 1; st == UNET_E_NOMEM; nth++) {
        un_mem_fail_at(mem, nth);
        st = un_sheet_make(&out, mem, cell, 3, 5, 40, &err);
        CHECK(!st || un_mem_live(mem) == 0);
    }
    un_image_free(&out);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
    un_image_free(&a);
    un_image_free(&b);
}
