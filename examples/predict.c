/* From pixels in memory to a mask in memory.
 *
 *     cc predict.c $(pkg-config --cflags --libs unet) -o predict
 *     ./predict model.safetensors picture.ppm mask.pgm
 *
 * The picture is read with fread, to show that pixels may come from anywhere: a camera, another library. Rows and
 * pixels may be any number of bytes apart (row_bytes, pixel_bytes), of 8 or 16 bits or float, in the order RGB or BGR.
 * A model of grey pictures takes colour ones too, as in training. */
#include <stdio.h>
#include <stdlib.h>

#include <unet/unet.h>

/* The pixels of a binary PPM of 8 bits; NULL: it is none. */
static unsigned char *read_ppm(const char *path, int *width, int *height)
{
    FILE *f = fopen(path, "rb");
    unsigned char *pixels = NULL;
    int most;

    if (!f)
        return NULL;
    if (fscanf(f, "P6 %d %d %d", width, height, &most) == 3 && most == 255 && *width > 0 && *height > 0 &&
        *width < 1 << 14 && *height < 1 << 14 && fgetc(f) != EOF) {
        const size_t n = (size_t)*width * (size_t)*height * 3;

        pixels = malloc(n);
        if (pixels && fread(pixels, 1, n, f) != n) {
            free(pixels);
            pixels = NULL;
        }
    }
    fclose(f);
    return pixels;
}

/* A session holds the memory for pictures of one size: made once, run for as many pictures as there are. */
static unet_status segment(
    const unet_model *model, unsigned char *pixels, unsigned char *mask, int width, int height, unet_error *err)
{
    unet_session_options o = UNET_SESSION_OPTIONS_INIT;
    unet_pixels in = {.data = pixels, .type = UNET_U8, .width = width, .height = height, .channels = 3};
    unet_pixels out = {.data = mask, .type = UNET_U8, .width = width, .height = height, .channels = 1};
    unet_session *session;
    unet_status st;

    o.width = width;
    o.height = height;
    st = unet_session_create(&session, model, &o, err);
    if (!st)
        st = unet_session_run(session, &in, &out, NULL, err);
    unet_session_destroy(session);
    return st;
}

static int write_pgm(const char *path, const unsigned char *mask, int width, int height)
{
    const size_t n = (size_t)width * (size_t)height;
    FILE *f = fopen(path, "wb");
    int good;

    if (!f)
        return 0;
    good = fprintf(f, "P5 %d %d 255\n", width, height) > 0 && fwrite(mask, 1, n, f) == n;
    return fclose(f) == 0 && good;
}

static void print_counts(const unet_model *model, const unsigned char *mask, size_t n)
{
    long count[256] = {0};
    unet_model_info info;

    unet_model_get_info(model, &info);
    for (size_t i = 0; i < n; i++)
        count[mask[i]]++;
    for (int k = 0; k < info.classes; k++)
        printf("class %d: %ld pixels\n", k, count[k]);
}

int main(int argc, char **argv)
{
    int width = 0, height = 0;
    unsigned char *pixels = argc == 4 ? read_ppm(argv[2], &width, &height) : NULL;
    unsigned char *mask = malloc((size_t)width * (size_t)height + 1);
    unet_context *context = NULL;
    unet_model *model = NULL;
    unet_error err;
    unet_status st;

    if (!pixels || !mask) {
        fprintf(stderr, "usage: predict MODEL.safetensors PICTURE.ppm MASK.pgm\n");
        return 2;
    }
    st = unet_context_create(&context, NULL, &err);
    if (!st)
        st = unet_model_load(&model, context, argv[1], &err);
    if (!st)
        st = segment(model, pixels, mask, width, height, &err);
    if (!st)
        print_counts(model, mask, (size_t)width * (size_t)height);
    if (!st && !write_pgm(argv[3], mask, width, height))
        fprintf(stderr, "predict: cannot write %s\n", argv[3]);
    if (st)
        fprintf(stderr, "predict: %s: %s\n", err.where, err.message);
    unet_model_destroy(model);
    unet_context_destroy(context);
    free(mask);
    free(pixels);
    return st != UNET_OK;
}
