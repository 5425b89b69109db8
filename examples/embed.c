/* A model and its memory inside a program: no files, no allocation while pictures come, or volumes where the model is
 * for these. Against libunet-embed.a this needs nothing but the C library.
 *
 *     cc embed.c -lunet-embed -o embed     (or against libunet: cc embed.c $(pkg-config --cflags --libs unet))
 *     ./embed model.safetensors
 *
 * Prints how many pixels of a made-up picture or volume belong to each class. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "unet/unet.h"

enum { WIDTH = 123, HEIGHT = 77, DEPTH = 6 };

/* The program's own memory; an embedded one would have the model in flash. */
static unsigned char picture[DEPTH][HEIGHT][WIDTH][4], mask[DEPTH][HEIGHT][WIDTH];

static void *read_all(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    void *data = NULL;
    long n;

    if (!f)
        return NULL;
    if (!fseek(f, 0, SEEK_END) && (n = ftell(f)) > 0 && !fseek(f, 0, SEEK_SET)) {
        data = malloc((size_t)n);
        *size = data ? fread(data, 1, (size_t)n, f) : 0;
    }
    fclose(f);
    return data;
}

static int fail(const unet_error *err)
{
    fprintf(stderr, "%s: %s\n", err->where[0] ? err->where : "embed", err->message);
    return 1;
}

static void fill_picture(int depth)
{
    for (int z = 0; z < depth; z++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                for (int k = 0; k < 4; k++)
                    picture[z][y][x][k] = (unsigned char)(((x / 9 + y / 7 + z / 2) % 3 * 90 + 13 * k) & 255);
}

static void print_counts(int depth, int classes)
{
    long count[256] = {0};

    for (int z = 0; z < depth; z++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                count[mask[z][y][x]]++;
    for (int k = 0; k < classes; k++)
        printf("class %d: %ld pixels\n", k, count[k]);
}

static int run(const unet_model *model, const char *level)
{
    unet_session_options o = UNET_SESSION_OPTIONS_INIT;
    unet_model_info info;
    unet_session *session;
    unet_error err;
    unet_pixels in = {.data = picture, .type = UNET_U8, .width = WIDTH, .height = HEIGHT, .channels = 3};
    unet_pixels out = {.data = mask, .type = UNET_U8, .width = WIDTH, .height = HEIGHT, .channels = 1};
    size_t bytes;
    void *memory;

    unet_model_get_info(model, &info);
    o.width = WIDTH;
    o.height = HEIGHT;
    o.depth = in.depth = out.depth = info.dims == 3 ? DEPTH : 1;
    in.pixel_bytes = 4; /* RGBA, alpha left out */
    if (unet_session_bytes(&bytes, model, &o, &err))
        return fail(&err);
    memory = malloc(bytes);
    o.memory = memory;
    o.memory_bytes = bytes;
    if (unet_session_create(&session, model, &o, &err)) {
        free(memory);
        return fail(&err);
    }
    fill_picture(o.depth);
    if (unet_session_run(session, &in, &out, NULL, &err))
        return fail(&err);
    printf("level %s, %d classes\n", level, info.classes);
    print_counts(o.depth, info.classes);
    unet_session_destroy(session);
    free(memory);
    return 0;
}

int main(int argc, char **argv)
{
    unet_context *context;
    unet_model *model;
    unet_error err;
    size_t size = 0;
    void *data = argc > 1 ? read_all(argv[1], &size) : NULL;
    int result;

    if (!data) {
        fprintf(stderr, "usage: embed MODEL.safetensors\n");
        return 2;
    }
    if (unet_context_create(&context, NULL, &err))
        return fail(&err);
    if (unet_model_load_memory(&model, context, data, size, argv[1], &err))
        return fail(&err);
    free(data);
    result = run(model, unet_context_cpu(context));
    unet_model_destroy(model);
    unet_context_destroy(context);
    return result;
}
