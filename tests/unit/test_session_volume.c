/* Sessions on volumes: the results of the way through files and of unet_predict on a NIfTI file, bit for bit; what is
 * refused. Memory, threads, stack and float mode of volumes are in test_session.c. */
#include "data/resample.h"
#include "io/image.h"
#include "pixel_sessions.h"
#include "unet/unet.h"

LONG_TEST(equals_the_way_of_files)
{
    static const struct {
        const char *settings;
        double spacing[3];
    } cases[] = {{CT "data.normalise=percentile", {0}},
        {CT "data.normalise=zscore model.norm=instance train.patch=[8,16,16]", {0}},
        {CT "data.normalise=minmax predict.mode=blend train.patch=[8,16,16] predict.tta=flips predict.overlap=0.25",
            {1, 1, 1}},
        {CT "data.normalise=percentile predict.mode=exact predict.tile=[8,16,12] model.depth=1", {0}},
        {CT "data.normalise=zscore model.padding=valid model.depth=1 train.patch=[16,16,16]", {0}},
        {CT "data.normalise=zscore data.spacing=[1,1.5,2]", {2.5, 1, 1}},
        {CT "data.normalise=percentile data.spacing=[0,1,1] model.norm=instance predict.temperature=[1.3] "
            "train.patch=[8,16,16]",
            {2, 2, 0.7}},
        {CT "data.normalise=none data.spacing=[1,1,1]", {0}},
        {CT "model.in_channels=2 model.head=multilabel data.colour=all data.channels=[2,0] data.normalise=window "
            "data.window_centre=100 data.window_width=300",
            {0}},
        {CT "model.in_channels=3 data.colour=rgb data.normalise=minmax", {0}}};
    static const un_dtype types[] = {UN_DTYPE_U8, UN_DTYPE_I16, UN_DTYPE_U16, UN_DTYPE_F32};
    unet_context *c = context(1);

    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        unet_model *m = model(c, cases[i].settings);
        const int channels = i < 8 ? 1 : 3, tall = i == 3; /* enough for windows with halos behind each other */

        compare_at(m, &(layout){types[i % 4], 11, 18, 25, channels, 0}, cases[i].spacing);
        compare_at(m, &(layout){types[(i + 1) % 4], tall ? 40 : 5, 12, 9, channels, 1}, cases[i].spacing);
        unet_model_destroy(m);
    }
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

TEST(sizes_from_one_voxel_up)
{
    static const int sizes[][3] = {{1, 1, 1}, {1, 40, 30}, {9, 1, 1}, {2, 5, 3}, {16, 16, 16}, {30, 7, 1}};
    unet_context *c = context(1);
    unet_model *m = model(c, CT "data.normalise=percentile");

    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++)
        compare(m, &(layout){UN_DTYPE_U8, sizes[i][0], sizes[i][1], sizes[i][2], 1, i & 1});
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

/* ---- beside unet_predict ---- */

/* Stored x, y, z run to the right, forward and up; or some of them the other way round, and in another order. */
static const double straight[3][4] = {{0.5, 0, 0, -9}, {0, 0.75, 0, 4}, {0, 0, 1.5, 20}};
static const double turned[3][4] = {{0, 0, -0.5, 3}, {-0.75, 0, 0, 4}, {0, 1.5, 0, -7}};

static un_image read_output(const char *folder, const char *name)
{
    char path[700];
    un_image im;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(un_image_read(&im, NULL, path, NULL, &err), &err);
    return im;
}

/* Writes model and volume, predicts, reads what came out. */
static void predict_file(const unet_model *m, const un_image *volume, un_image *mask, un_image *prob)
{
    const char *folder = un_test_tmp();
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    char path[3][600];
    const char *input = path[1];

    snprintf(path[0], sizeof path[0], "%s/m.safetensors", folder);
    snprintf(path[1], sizeof path[1], "%s/v.nii.gz", folder);
    snprintf(path[2], sizeof path[2], "%s/out", folder);
    CHECK_OK(un_model_save(m->m, path[0], &err), &err);
    CHECK_OK(un_image_write_nifti(NULL, path[1], volume, &err), &err);
    o.model = path[0];
    o.inputs = &input;
    o.input_count = 1;
    o.out_dir = path[2];
    o.probabilities = 1;
    CHECK_OK(unet_predict(m->c, &o, NULL, NULL, NULL, NULL, &err), &err);
    *mask = read_output(path[2], "v.nii.gz");
    *prob = read_output(path[2], "v_prob.nii.gz");
}

/* The session's volume out of the file's, turned as the network sees it. */
static void run_session(const unet_model *m, const un_grid *g, const un_image *volume, uint8_t *mask, float *prob)
{
    const layout l = {volume->type, g->turned[0], g->turned[1], g->turned[2], 1, 0};
    unet_session_options o = size(&l);
    void *voxels = room_for(&l);
    unet_pixels in = lay(&l, voxels), out = result_for(&l, UN_DTYPE_U8, 1, mask),
                p = result_for(&l, UN_DTYPE_F32, 3, prob);
    unet_session *s;

    CHECK(un_dtype_size(volume->type) == 4);
    un_grid_copy(g, voxels, volume->data, 4);
    for (int a = 0; a < 3; a++)
        o.spacing[a] = volume->spacing[g->axis[a]];
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    CHECK_OK(unet_session_run(s, &in, &out, &p, &err), &err);
    unet_session_destroy(s);
    free(voxels);
}

static void compare_with_command(const char *settings, const double affine[3][4])
{
    unet_context *c = context(1);
    unet_model *m = model(c, settings);
    un_image volume, mask, prob;
    un_grid g;
    ptrdiff_t step[3], first;
    uint8_t *mine;
    float *p;
    size_t i = 0;

    CHECK_OK(un_image_create(&volume, NULL, UN_DTYPE_F32, 11, 23, 18, 1, &err), &err);
    fill(volume.data, UN_DTYPE_F32, un_image_count(&volume));
    volume.has_affine = volume.has_spacing = 1;
    memcpy(volume.affine, affine, sizeof volume.affine);
    for (int a = 0; a < 3; a++) /* columns of the affine have one number each */
        volume.spacing[2 - a] = fabs(affine[0][a] + affine[1][a] + affine[2][a]);
    predict_file(m, &volume, &mask, &prob);
    CHECK(mask.type == UN_DTYPE_U8 && prob.type == UN_DTYPE_F32 && prob.c == 3);
    un_grid_init(&g, volume.d, volume.h, volume.w);
    un_grid_turn(&g, affine);
    first = (ptrdiff_t)un_grid_place(&g, step);
    mine = malloc(un_image_count(&volume));
    p = malloc(un_image_count(&volume) * 3 * sizeof *p);
    run_session(m, &g, &volume, mine, p);
    for (int z = 0; z < g.turned[0]; z++)
        for (int y = 0; y < g.turned[1]; y++)
            for (int x = 0; x < g.turned[2]; x++, i++) {
                const ptrdiff_t at = first + z * step[0] + y * step[1] + x * step[2];

                CHECK_INT(mine[i], ((uint8_t *)mask.data)[at]);
                CHECK(!memcmp(p + 3 * i, (float *)prob.data + 3 * at, 3 * sizeof *p));
            }
    free(mine);
    free(p);
    un_image_free(&volume);
    un_image_free(&mask);
    un_image_free(&prob);
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

TEST(equals_the_command)
{
    compare_with_command(CT "data.normalise=zscore", straight);
    compare_with_command(CT "data.normalise=percentile", turned);
    compare_with_command(CT "data.normalise=percentile data.spacing=[1,1,1]", straight);
    compare_with_command(
        CT "data.normalise=minmax data.spacing=[1,1,0.5] model.norm=instance train.patch=[8,16,16]", turned);
}

/* ---- what is refused, and what is not ---- */

static void check_refused(const unet_model *m, const unet_session_options *o, unet_status st, const char *word)
{
    unet_session *s;
    size_t bytes;

    CHECK_STATUS(unet_session_bytes(&bytes, m, o, &err), st);
    CHECK_INT(bytes, 0);
    CHECK_STATUS(unet_session_create(&s, m, o, &err), st);
    if (!strstr(err.message, word))
        un_test_fail(__FILE__, __LINE__, "no '%s' in: %s", word, err.message);
}

TEST(pictures_and_volumes)
{
    unet_context *c = context(1);
    unet_model *flat = model(c, RGB "data.normalise=percentile"), *deep = model(c, CT "data.normalise=percentile");
    const layout l = {UN_DTYPE_U8, 5, 16, 16, 3, 0}, one = {UN_DTYPE_U8, 1, 16, 16, 1, 0};
    unsigned char data[5 * 16 * 16 * 3], mask[2][16 * 16];
    unet_pixels in = place(&l, data), out = result_for(&one, UN_DTYPE_U8, 1, mask[0]);
    unet_session_options o = size(&l);
    unet_session *s;

    check_refused(flat, &o, UNET_E_UNSUPPORTED, "each slice as a picture of depth 1");
    o.depth = 0;
    CHECK_OK(unet_session_create(&s, flat, &o, &err), &err);
    CHECK_STATUS(unet_session_run(s, &in, NULL, NULL, &err), UNET_E_UNSUPPORTED);
    CHECK(strstr(err.message, "no volume of 5 slices"));
    unet_session_destroy(s);
    for (int depth = 0; depth < 2; depth++) { /* 0 counts as 1, everywhere */
        in = place(&one, data);
        in.depth = depth;
        out.depth = !depth;
        out.data = mask[depth];
        o = size(&one);
        o.depth = depth;
        CHECK_OK(unet_session_create(&s, deep, &o, &err), &err);
        CHECK_OK(unet_session_run(s, &in, &out, NULL, &err), &err);
        unet_session_destroy(s);
    }
    CHECK(!memcmp(mask[0], mask[1], sizeof mask[0]));
    unet_model_destroy(flat);
    unet_model_destroy(deep);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

TEST(wrong_options_are_refused)
{
    static const double spacings[] = {-1, NAN, INFINITY, 1e7};
    unet_context *c = context(1);
    unet_model *m = model(c, CT "data.normalise=percentile data.spacing=[1,1,1e-6]");
    const layout l = {UN_DTYPE_U8, 4, 8, 8, 1, 0}, vast = {UN_DTYPE_U8, INT32_MAX, INT32_MAX, INT32_MAX, 1, 0};
    unet_session_options o = size(&vast);

    check_refused(m, &o, UNET_E_LIMIT, "too many");
    o.depth = 1;
    check_refused(m, &o, UNET_E_LIMIT, "too many");
    o = size(&l);
    for (int a = 0; a < 3; a++)
        o.spacing[a] = 1e6; /* its voxels would be 2^24 on each axis */
    check_refused(m, &o, UNET_E_LIMIT, "too many");
    for (int i = 0; i < 4; i++) {
        o.spacing[1] = spacings[i];
        check_refused(m, &o, UNET_E_ARG, "spacing");
    }
    o = size(&l);
    o.depth = -1;
    check_refused(m, &o, UNET_E_ARG, "depth");
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

static void check_run(unet_session *s, const unet_pixels *in, const unet_pixels *mask, const char *word)
{
    unet_pixels out = *mask;

    CHECK_STATUS(unet_session_run(s, in, &out, NULL, &err), UNET_E_ARG);
    if (!strstr(err.message, word))
        un_test_fail(__FILE__, __LINE__, "no '%s' in: %s", word, err.message);
}

TEST(wrong_pixels_are_refused)
{
    unet_context *c = context(1);
    unet_model *m = model(c, CT "data.normalise=percentile");
    const layout l = {UN_DTYPE_U8, 4, 8, 8, 1, 0};
    unsigned char data[4 * 8 * 8] = {0}, mask[4 * 8 * 8];
    const unet_pixels in = lay(&l, data), out = result_for(&l, UN_DTYPE_U8, 1, mask);
    const unet_session_options o = size(&l);
    unet_pixels p;
    unet_session *s;

    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
#define WRONG(field, value, word)                                                                                      \
    p = in;                                                                                                            \
    p.field = value;                                                                                                   \
    check_run(s, &p, &out, word)
    WRONG(depth, -1, "no data");
    WRONG(slice_bytes, 63, "overlap");
    WRONG(slice_bytes, -63, "overlap");
    WRONG(slice_bytes, PTRDIFF_MAX / 3, "too far");
    WRONG(slice_bytes, PTRDIFF_MIN, "too far");
    WRONG(row_bytes, PTRDIFF_MAX, "too far");
    WRONG(pixel_bytes, -1, "overlap");
#undef WRONG
    p = out;
    p.depth = 3;
    check_run(s, &in, &p, "mask: must be UNET_U8, 4x8x8 pixels");
    p = in;
    p.depth = 3;
    check_run(s, &p, &p, "there are 3x8x8 pixels (d, h, w); the session was made for 4x8x8");
    unet_session_destroy(s);
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

/* A volume that no machine would take in one piece is cut as `unet predict` cuts it. */
TEST(large_volumes_are_cut)
{
    unet_context *c = context(1);
    unet_model *m = model(c, CT "data.normalise=percentile model.base_filters=16");
    const unet_session_options o = size(&(layout){UN_DTYPE_U8, 400, 512, 512, 1, 0});
    size_t bytes;

    CHECK_OK(unet_session_bytes(&bytes, m, &o, &err), &err);
    un_test_note("%zu bytes", bytes);
    CHECK(bytes < UN_PREDICT_BYTES + UN_PREDICT_BYTES / 16);
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}
