/* Our side of `make bench-augment` (bench/peers/augment.py):
 *   augment_ours IMAGE MASK H W C PATCH      8-bit [h][w][c] and [h][w] as decoded; patches are PATCH x PATCH
 * prints a line of JSON and then obeys lines on standard input:
 *   set KEY=VALUE ...   what follows is augmented so (docs/config.md; all else is off)
 *   run COUNT           so many patches out of the prepared picture, prints the time of each
 *   prepare COUNT       so often from the decoded to the prepared picture, prints the times */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/mix.h"
#include "data/preprocess.h"

enum { RUNS_MAX = 1000, LINE = 600 };

typedef struct job {
    un_config *cfg;
    un_preprocess *prepare;
    un_image image, mask;
    un_ready ready;
    un_augment *augment;
    un_augment_scratch *scratch;
    un_patch patch;
    int size[3], drawn; /* patches so far */
} job;

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static unet_status read_picture(un_image *im, const char *path, const int size[3], unet_error *err)
{
    FILE *f = fopen(path, "rb");
    unet_status st = un_image_create(im, NULL, UN_DTYPE_U8, 1, size[0], size[1], size[2], err);
    size_t n = 0;

    if (f && !st)
        n = fread(im->data, 1, un_image_count(im), f);
    if (f)
        fclose(f);
    return st || n == un_image_count(im) ? st : un_fail(err, UNET_E_IO, "%s: not as many bytes as pixels", path);
}

/* The keys that say how pictures are read. */
static unet_status configure(job *j, int channels, unet_error *err)
{
    const char *const keys[] = {channels == 3 ? "data.colour=rgb" : "data.colour=grey", "data.normalise=dataset",
        channels == 3 ? "data.mean=[120, 110, 100]" : "data.mean=[110]",
        channels == 3 ? "data.std=[60, 60, 60]" : "data.std=[60]", "data.mask_kind=index", "data.classes=[a, b]",
        "data.mapping=[{value: 0, class: 0}, {value: 1, class: 1}]", "augment.policy=none"};
    unet_status st = un_config_init(j->cfg, NULL, err);

    for (size_t i = 0; i < sizeof keys / sizeof *keys && !st; i++)
        st = un_config_set(j->cfg, NULL, keys[i], err);
    return st;
}

static unet_status prepare(job *j, unet_error *err)
{
    un_picture p;
    unet_status st = un_preprocess_pair(j->prepare, &j->image, 1, &j->mask, NULL, &p, NULL, NULL, err);

    un_ready_free(&j->ready);
    return st ? st : un_ready_make(&j->ready, NULL, &p, NULL, 0, err);
}

static unet_status sample(job *j, unet_error *err)
{
    const un_draw draw = {1, 1, j->drawn++};
    const un_partners itself = un_partners_of(&j->ready);
    int start[3];
    un_rng rng;
    unet_status st;

    un_rng_init(&rng, 1, UN_RNG_SAMPLE, 1, (uint32_t)draw.sample, 0);
    un_sampler_crop(&j->ready, j->size, 0, &rng, start);
    st = un_augment_run(j->augment, j->scratch, &j->ready, start, &draw, &j->patch, err);
    return st ? st : un_mix_run(j->augment, j->scratch, &draw, &itself, &j->patch, err);
}

/* The next word of a line, NULL: none; *rest moves on. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \n");

    *rest = word + strcspn(word, " \n");
    if (**rest)
        *(*rest)++ = 0;
    return *word ? word : NULL;
}

static unet_status set(job *j, char *keys, unet_error *err)
{
    unet_status st = configure(j, j->image.c, err);
    char *key;

    un_augment_scratch_destroy(j->scratch);
    un_augment_destroy(j->augment);
    j->scratch = NULL;
    j->augment = NULL;
    while (!st && (key = next_word(&keys)) != NULL)
        st = un_config_set(j->cfg, NULL, key, err);
    if (!st)
        st = un_augment_create(&j->augment, NULL, &j->cfg->augment, j->size, j->image.c, err);
    if (!st)
        st = un_augment_scratch_create(&j->scratch, NULL, j->augment, err);
    if (!st)
        puts("{}");
    return st;
}

static unet_status repeat(job *j, unet_status (*once)(job *, unet_error *), int count, unet_error *err)
{
    static double ms[RUNS_MAX];
    unet_status st = UNET_OK;

    for (int i = 0; i < count && !st; i++) {
        const double began = now_ms();

        st = once(j, err);
        ms[i] = now_ms() - began;
    }
    printf("{\"ms\":[");
    for (int i = 0; i < count; i++)
        printf("%s%.4f", i ? "," : "", ms[i]);
    puts("]}");
    return st;
}

static unet_status obey(job *j, unet_error *err)
{
    char line[LINE];
    unet_status st = UNET_OK;

    while (!st && fgets(line, sizeof line, stdin)) {
        int count = 0;

        if (!strncmp(line, "set ", 4))
            st = set(j, line + 4, err);
        else if (sscanf(line, "run %d", &count) == 1 && count > 0 && count <= RUNS_MAX && j->scratch)
            st = repeat(j, sample, count, err);
        else if (sscanf(line, "prepare %d", &count) == 1 && count > 0 && count <= RUNS_MAX)
            st = repeat(j, prepare, count, err);
        else
            st = un_fail(err, UNET_E_ARG, "not understood: %s", line);
        fflush(stdout);
    }
    return st;
}

static unet_status open_job(job *j, char **argv, unet_error *err)
{
    const int size[3] = {
        (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10)};
    const int patch = (int)strtol(argv[6], NULL, 10);
    const size_t pixels = (size_t)patch * (size_t)patch;
    unet_status st;

    j->size[0] = 1;
    j->size[1] = j->size[2] = patch;
    j->cfg = un_alloc(NULL, sizeof *j->cfg);
    j->patch = (un_patch){.image = un_alloc_array(NULL, pixels, (size_t)size[2] * sizeof(float)),
        .target = un_alloc_array(NULL, pixels, sizeof(int32_t)),
        .classes = 2};
    if (!j->cfg || !j->patch.image || !j->patch.target)
        return un_fail_nomem(err, pixels);
    st = configure(j, size[2], err);
    if (!st)
        st = un_preprocess_create(&j->prepare, NULL, j->cfg, 1, err);
    if (!st)
        st = read_picture(&j->image, argv[1], size, err);
    if (!st)
        st = read_picture(&j->mask, argv[2], (const int[3]){size[0], size[1], 1}, err);
    return st ? st : prepare(j, err);
}

int main(int argc, char **argv)
{
    const double began = now_ms();
    unet_error err = {0};
    job j = {0};
    unet_status st;

    if (argc != 7) {
        fprintf(stderr, "usage: augment_ours IMAGE MASK H W C PATCH\n");
        return 2;
    }
    st = open_job(&j, argv, &err);
    if (!st) {
        printf("{\"version\":\"%s\",\"first_ms\":%.3f}\n", UN_VERSION, now_ms() - began);
        fflush(stdout);
        st = obey(&j, &err);
    }
    if (st)
        fprintf(stderr, "augment_ours: %s\n", err.message);
    un_augment_scratch_destroy(j.scratch);
    un_augment_destroy(j.augment);
    un_ready_free(&j.ready);
    un_preprocess_destroy(j.prepare);
    un_image_free(&j.image);
    un_image_free(&j.mask);
    un_free(j.patch.image);
    un_free(j.patch.target);
    un_free(j.cfg);
    return st ? 1 : 0;
}
