/* The scan: measured pictures, issues, proposals for the masks of many kinds, the file of results, the source of
 * pictures. */
#include "scan_set.h"

#include "data/preprocess.h"
#include "io/json.h"

/* Class of one value by the proposal. */
static int class_of(double v)
{
    un_label_map *m;
    int k;

    CHECK_OK(un_label_map_create(&m, NULL, &cfg, &err), &err);
    k = un_label_map_value(m, v);
    un_label_map_destroy(m);
    return k;
}

/* ---- kinds of masks ---------------------------------------------------------------------------------------------- */

TEST(binary_masks)
{
    looked l;

    BEGIN("data.layout=auto");
    put_set(3, 1, binary);
    l = look(NULL);
    CHECK_INT(cfg.data.mask_kind, UN_CFG_MASK_INDEX);
    CHECK_INT(cfg.data.classes.n, 2);
    CHECK_STR(cfg.data.classes.v[1].name, "foreground");
    CHECK(class_of(0) == 0 && class_of(127) == 0 && class_of(128) == 1 && class_of(255) == 1);
    CHECK(cfg.data.foreground.n == 1 && cfg.data.foreground.v[0] == 1);
    CHECK(cfg.model.in_channels == 1 && cfg.model.dims == 2 && cfg.data.colour == UN_CFG_COLOUR_GREY);
    CHECK_INT(l.d->issue_count, 0);
    CHECK(strstr(l.why, "data.mapping: 2 levels from 0 to 255"));
    CHECK_INT(l.s->item[0].objects, 4);
    CHECK_NEAR(l.s->item[0].object_pixels[1], 64, 0);
    done(&l);
}

static int soft(int y, int x, int k)
{
    const int d = x * 25 - 300 + k;

    (void)y;
    return d < 0 ? 0 : d > 255 ? 255 : d;
}

static int membranes(int y, int x, int k)
{
    return (y + k) % 8 == 0 || x % 8 == 0 ? 0 : 255;
}

static int levels(int y, int x, int k)
{
    return x < 10 ? 0 : x < 20 ? 128 : y == 3 && x == 25 ? 250 - k : 255;
}

TEST(soft_and_wide_masks)
{
    looked l;

    BEGIN("data.layout=auto");
    put_set(3, 1, soft);
    l = look(NULL);
    CHECK_INT(cfg.data.classes.n, 2);
    CHECK(class_of(100) == 0 && class_of(127) == 0 && class_of(128) == 1);
    done(&l);
    BEGIN("data.layout=auto");
    put_set(3, 1, membranes);
    l = look(NULL);
    CHECK(cfg.data.foreground.n == 2 && cfg.data.foreground.v[0] == 0);
    done(&l);
    BEGIN("data.layout=auto");
    put_set(3, 1, levels);
    l = look(NULL);
    CHECK_INT(cfg.data.classes.n, 3);
    CHECK(class_of(63) == 0 && class_of(64) == 1 && class_of(128) == 1 && class_of(192) == 2 && class_of(249) == 2);
    done(&l);
}

static int index_with_void(int y, int x, int k)
{
    return y == 0 ? 255 : x == 5 && y == 7 && k == 1 ? 99 : (x / 6 + k) % 4;
}

TEST(index_masks)
{
    looked l;

    BEGIN("data.layout=auto");
    put_set(3, 1, index_with_void);
    l = look(NULL);
    CHECK_INT(cfg.data.classes.n, 4);
    CHECK(cfg.data.ignore.n == 1 && cfg.data.ignore.v[0] == 255);
    CHECK(class_of(3) == 3 && class_of(255) == -1 && class_of(99) == -2);
    CHECK_INT(issues(l.d, UN_ISSUE_STRAY_VALUES), 1);
    CHECK_INT(cfg.data.foreground.n, 3);
    done(&l);
    BEGIN("data.ignore=[3, 255]", "data.classes=[a, b, c]");
    put_set(3, 1, index_with_void);
    l = look(NULL);
    CHECK(class_of(3) == -1 && class_of(2) == 2);
    done(&l);
}

static int squares(int y, int x, int k)
{
    return y % 6 < 4 && x % 8 < 5 && y / 6 * 4 + x / 8 < 7 + k ? y / 6 * 4 + x / 8 + 1 : 0;
}

static int tight_squares(int y, int x, int k)
{
    return y % 6 < 5 && x % 8 < 7 && y / 6 * 4 + x / 8 < 13 + k ? y / 6 * 4 + x / 8 + 1 : 0;
}

/* Objects that cover most of the picture are no background. */
TEST(crowded_instance_masks)
{
    looked l;

    BEGIN("data.layout=auto");
    put_set(4, 2, tight_squares);
    l = look(NULL);
    CHECK_INT(cfg.data.mask_kind, UN_CFG_MASK_INSTANCE);
    CHECK_STR(cfg.data.classes.v[0].name, "background");
    CHECK_STR(cfg.data.classes.v[1].name, "object");
    CHECK(cfg.data.foreground.n == 1 && cfg.data.foreground.v[0] == 1);
    done(&l);
}

TEST(instance_masks)
{
    looked l;

    BEGIN("data.layout=auto");
    put_set(4, 2, squares);
    l = look(NULL);
    CHECK_INT(cfg.data.mask_kind, UN_CFG_MASK_INSTANCE);
    CHECK_STR(cfg.data.classes.v[1].name, "object");
    CHECK(class_of(0) == 0 && class_of(300) == 1);
    CHECK_NEAR(l.s->item[0].value_pixels[1], 20, 0);
    done(&l);
    BEGIN("data.mask_kind=index");
    put_set(4, 2, squares);
    l = look(NULL);
    CHECK_INT(cfg.data.classes.n, 11);
    done(&l);
}

TEST(colour_masks)
{
    un_image im;
    looked l;

    BEGIN("data.layout=auto");
    for (int i = 0; i < 2; i++) {
        char rel[32], name[8];

        snprintf(name, sizeof name, "p%d", i);
        put_image(name, 3, 100, (uint32_t)i);
        CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, H, W, 3, &err), &err);
        for (int k = 0; k < H * W; k++)
            ((uint8_t *)im.data)[3 * k + (k % 3 == 0)] = k % 3 == 2 ? 0 : 200;
        snprintf(rel, sizeof rel, "masks/p%d.png", i);
        write_png(rel, &im);
        un_image_free(&im);
    }
    l = look(NULL);
    CHECK_INT(cfg.data.classes.n, 3);
    CHECK_INT(cfg.data.classes.v[1].color, 0x00c800);
    CHECK_INT(cfg.data.mapping.v[2].color, 0xc80000);
    CHECK(cfg.data.colour == UN_CFG_COLOUR_RGB && cfg.model.in_channels == 3);
    done(&l);
}

TEST(classes_that_do_not_fit)
{
    un_dataset *d;
    un_scan *s;

    BEGIN("data.classes=[a, b]");
    put_set(2, 1, index_with_void);
    CHECK_OK(un_dataset_open(&d, NULL, dir, &cfg, &err), &err);
    CHECK_OK(un_scan_run(&s, NULL, d, &cfg, NULL, &err), &err);
    CHECK_STATUS(un_scan_propose(&cfg, d, s, NULL, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "2 classes are named, but the masks have"));
    un_scan_destroy(s);
    un_dataset_close(d);
}

/* ---- what is odd ------------------------------------------------------------------------------------------------- */

static int nothing(int y, int x, int k)
{
    (void)y;
    (void)x;
    (void)k;
    return 0;
}

TEST(odd_pictures)
{
    unsigned char *bytes;
    size_t size;
    char path[2048];
    looked l;

    BEGIN("data.layout=auto");
    put_set(9, 1, binary);
    put_mask("p01", 1, nothing, 0);
    put_image("p02", 1, 20, 4); /* the same as p03 */
    snprintf(path, sizeof path, "%s/images/p04.png", dir);
    CHECK_OK(un_file_read(&bytes, &size, NULL, path, 1 << 20, &err), &err);
    CHECK_OK(un_file_write(NULL, path, bytes, size / 2, &err), &err);
    un_free(bytes);
    {
        un_image im;

        CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, H + 1, W, 1, &err), &err);
        write_png("masks/p05.png", &im);
        write_png("images/p05x.png", &im); /* constant and unlabelled */
        un_image_free(&im);
    }
    CHECK_OK(un_file_write(NULL, (snprintf(path, sizeof path, "%s/train.txt", dir), path),
                 "p00\np01\np02\np04\np05\np06\n", 24, &err),
        &err);
    CHECK_OK(
        un_file_write(NULL, (snprintf(path, sizeof path, "%s/val.txt", dir), path), "p03\np07\np08\n", 12, &err), &err);
    l = look(NULL);
    CHECK_INT(issues(l.d, UN_ISSUE_EMPTY_MASK), 1);
    CHECK_INT(issues(l.d, UN_ISSUE_LEAK), 1);
    CHECK_INT(issues(l.d, UN_ISSUE_UNREADABLE), 1);
    CHECK_INT(issues(l.d, UN_ISSUE_SIZE_DIFFERS), 1);
    CHECK_INT(issues(l.d, UN_ISSUE_CONSTANT), 1);
    CHECK_INT(issues(l.d, UN_ISSUE_UNLABELLED), 1);
    CHECK_INT(l.d->items[4].role, UN_ROLE_NONE);
    CHECK_INT(l.d->items[5].role, UN_ROLE_NONE);
    CHECK_OK(un_dataset_check(l.d, UN_CFG_BAD_SKIP, &err), &err);
    CHECK_STATUS(un_dataset_check(l.d, UN_CFG_BAD_STOP, &err), UNET_E_DATA);
    done(&l);
}

TEST(kinds_of_pictures)
{
    un_fingerprint f;
    char name[16];
    looked l;

    BEGIN("data.layout=auto");
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "p%02d", i);
        put_image(name, 1, i < 8 ? 5 : 200, (uint32_t)i + 1);
        put_mask(name, 1, binary, i);
    }
    l = look(NULL);
    CHECK_INT(l.d->items[0].kind, 0);
    CHECK_INT(l.d->items[7].kind, 0);
    CHECK_INT(l.d->items[8].kind, 1);
    CHECK_INT(l.d->items[9].kind, 1);
    CHECK_OK(un_fingerprint_make(&f, l.d, l.s, &cfg, UN_SCOPE_ALL, &err), &err);
    CHECK(f.kinds == 2 && f.kind[0] == 8 && f.kind[1] == 2 && f.dark == 8 && f.bright == 2);
    done(&l);
}

/* ---- fingerprint ------------------------------------------------------------------------------------------------- */

static int sky_and_road(int y, int x, int k)
{
    (void)x;
    return y < 6 + k % 3 ? 0 : y < 18 ? 1 : 2;
}

/* How often pictures are drawn for their classes; all twelve masks hold all three, the thirteenth picture has none.
 * Ten of them train or select. */
static void check_balance(looked *l, const un_fingerprint *f)
{
    un_fingerprint rare = *f;

    CHECK_INT(f->masks_with[2], 12);
    CHECK_OK(un_fingerprint_balance(l->d, l->s, &cfg, f, &err), &err);
    for (int i = 0; i < l->d->count; i++)
        CHECK_NEAR(l->d->items[i].draw, 1, 0);
    rare.masks_with[2] = 2; /* as if it were in a fifth of the masks that train */
    cfg.data.repeat_below = 1;
    CHECK_OK(un_fingerprint_balance(l->d, l->s, &cfg, &rare, &err), &err);
    for (int i = 0; i < l->d->count; i++)
        CHECK_NEAR(l->d->items[i].draw, l->d->items[i].mask ? sqrt(5) : 1, 1e-12);
    cfg.data.repeat_below = 0;
    cfg.data.draw_empty = 0.25;
    cfg.data.foreground = (un_cfg_ints){.n = 1, .v = {9}}; /* no picture has foreground */
    CHECK_OK(un_fingerprint_balance(l->d, l->s, &cfg, f, &err), &err);
    for (int i = 0; i < l->d->count; i++)
        CHECK_NEAR(l->d->items[i].draw, l->d->items[i].mask ? 0.25 : 1, 1e-12);
    cfg.data.draw_empty = 1;
    cfg.data.foreground.n = UN_CFG_LIST_AUTO;
}

TEST(fingerprint)
{
    un_fingerprint f;
    un_text t;
    un_json *j;
    looked l;
    double sum = 0;
    int64_t n;

    BEGIN("data.layout=auto");
    put_set(12, 1, sky_and_road);
    put_image("alone", 1, 20, 99);
    l = look(NULL);
    CHECK_OK(un_fingerprint_make(&f, l.d, l.s, &cfg, UN_SCOPE_ALL, &err), &err);
    CHECK(f.pictures == 13 && f.unlabelled == 1 && f.usable == 13 && f.role[UN_ROLE_VAL] == 2);
    CHECK(f.size_min[1] == H && f.size_median[2] == W && f.size_max[0] == 1 && f.channels == 1 && f.classes == 3);
    CHECK(f.one_way[1] && !f.one_way[2] && !f.one_way[0]);
    CHECK_NEAR(f.share[2], 0.25, 1e-9);
    for (int c = 0; c < 3; c++)
        sum += f.share[c];
    CHECK_NEAR(sum, 1, 1e-12);
    CHECK(f.mean[0] > 20 && f.mean[0] < 60 && f.q[0][4] >= 20 && f.q[0][4] < 40);
    CHECK_NEAR(f.train_pixels, (double)f.role[UN_ROLE_TRAIN] * H * W, 0);
    check_balance(&l, &f);
    un_text_init(&t, NULL, 1 << 16);
    un_fingerprint_text(&t, &f);
    un_issues_text(&t, l.d, 10);
    CHECK(!t.failed && strstr(t.s, "pictures     13 (1 unlabelled, 0 left out)"));
    CHECK(strstr(t.s, "note: unlabelled (1): not used; put") &&
          strstr(t.s, "    images/alone.png: no mask has this name"));
    un_text_free(&t);
    un_text_init(&t, NULL, 1 << 16);
    un_fingerprint_json(&t, &f, l.d, &cfg);
    CHECK_OK(un_json_parse(&j, NULL, t.s, t.n, "fingerprint", &err), &err);
    CHECK(un_json_int(un_json_get(j, "pictures"), &n) && n == 13);
    CHECK_STR(un_json_string(un_json_get(un_json_at(un_json_get(j, "issues"), 0), "kind")), "unlabelled");
    un_json_free(j);
    un_text_free(&t);
    done(&l);
}

TEST(no_memory)
{
    un_mem *mem = un_mem_create(NULL);
    unet_status st = UNET_E_NOMEM;
    char cache[2048];
    const un_scan_options opt = {.cache_path = cache};

    BEGIN("data.layout=auto");
    put_set(2, 1, binary);
    snprintf(cache, sizeof cache, "%s/scan.json", dir);
    for (int64_t i = 1; st; i++) {
        un_dataset *d;
        un_scan *s = NULL;
        un_config c = cfg;
        un_fingerprint f;

        CHECK_OK(un_dataset_open(&d, NULL, dir, &cfg, &err), &err);
        un_mem_fail_at(mem, i);
        st = un_scan_run(&s, mem, d, &cfg, &opt, &err);
        if (!st)
            st = un_scan_propose(&c, d, s, NULL, &err);
        if (!st)
            st = un_fingerprint_make(&f, d, s, &c, UN_SCOPE_ALL, &err);
        CHECK(!st || st == UNET_E_NOMEM);
        un_scan_destroy(s);
        un_dataset_close(d);
        CHECK_INT(un_mem_live(mem), 0);
    }
    un_mem_destroy(mem);
}

/* ---- the file of results ----------------------------------------------------------------------------------------- */

TEST(results_are_kept)
{
    char cache[2048], path[2048];
    unsigned char *a, *b;
    size_t na, nb;
    int64_t sum[2];
    un_scan_options opt = {.cache_path = cache};
    looked l;

    BEGIN("data.layout=auto");
    put_set(5, 1, binary);
    snprintf(cache, sizeof cache, "%s/scan.json", dir);
    l = look(&opt);
    CHECK_INT(l.s->decoded, 5);
    sum[0] = l.s->item[0].image_sum;
    sum[1] = l.s->item[0].mask_sum;
    CHECK(sum[0] && sum[1] && sum[0] != sum[1] && sum[0] != l.s->item[1].image_sum);
    done(&l);
    CHECK_OK(un_file_read(&a, &na, NULL, cache, 1 << 24, &err), &err);
    put_mask("p03", 1, binary, 3); /* other time, same bytes */
    put_image("p04", 1, 90, 77);   /* other bytes */
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    l = look(&opt);
    CHECK_INT(l.s->decoded, 1);
    CHECK(l.s->item[0].image_sum == sum[0] && l.s->item[0].mask_sum == sum[1]);
    done(&l);
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    cfg.data.exif = 0; /* decoded otherwise: nothing of it is of use */
    l = look(&opt);
    CHECK_INT(l.s->decoded, 5);
    done(&l);
    CHECK_OK(un_file_read(&b, &nb, NULL, cache, 1 << 24, &err), &err);
    for (size_t cut = 0; cut < nb; cut += 97) { /* broken files are as good as none */
        un_scan_cache *c;
        un_scan_item it;

        CHECK_OK(un_file_write(NULL, cache, b, cut, &err), &err);
        CHECK_OK(un_scan_cache_open(&c, NULL, cache, &cfg, &err), &err);
        CHECK(!un_scan_cache_get(c, &(un_item){.name = "p00"}, NULL, &it));
        un_scan_cache_destroy(c);
    }
    un_free(a);
    un_free(b);
    snprintf(path, sizeof path, "%s/no/such/folder.json", dir);
    opt.cache_path = path;
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    l = look(&opt);
    done(&l);
}

static int stop_at_two(void *ctx, int n, int total)
{
    (void)ctx;
    (void)total;
    return n >= 2;
}

TEST(threads_and_stop)
{
    un_scan_options opt = {0};
    un_dataset *d;
    un_scan *s, *one;
    un_pool *pool;

    BEGIN("data.layout=auto");
    put_set(6, 1, binary);
    CHECK_OK(un_dataset_open(&d, NULL, dir, &cfg, &err), &err);
    CHECK_OK(un_pool_create(&pool, NULL, 3, &err), &err);
    CHECK_OK(un_scan_run(&one, NULL, d, &cfg, NULL, &err), &err);
    opt.pool = pool;
    CHECK_OK(un_scan_run(&s, NULL, d, &cfg, &opt, &err), &err);
    for (int i = 0; i < 6; i++) {
        CHECK(s->item[i].hash == one->item[i].hash);
        CHECK(!memcmp(s->item[i].channel, one->item[i].channel, sizeof *s->item[i].channel));
    }
    un_scan_destroy(s);
    un_scan_destroy(one);
    opt.progress = stop_at_two;
    CHECK_STATUS(un_scan_run(&s, NULL, d, &cfg, &opt, &err), UNET_E_CANCELLED);
    un_pool_destroy(pool);
    un_dataset_close(d);
}

/* ---- the source of pictures -------------------------------------------------------------------------------------- */

TEST(source)
{
    un_preprocess *p;
    un_data_source *s;
    const un_picture_source *v;
    looked l;

    BEGIN("data.normalise=minmax", "data.val_share=0.25");
    put_set(2, 1, binary);
    l = look(NULL);
    CHECK_OK(un_preprocess_create(&p, NULL, &cfg, 1, &err), &err);
    for (size_t cache = 0; cache <= 1 << 20; cache += 1 << 20) {
        CHECK_OK(un_data_source_create(&s, NULL, l.d, p, UN_ROLE_VAL, cache, &err), &err);
        v = un_data_source_view(s);
        CHECK_INT(v->count, 2);
        for (int turn = 0; turn < 2; turn++) {
            un_picture pic;

            CHECK_OK(v->load(v->ctx, 1, NULL, &pic, &err), &err);
            CHECK(pic.h == H && pic.w == W / 4 && pic.c == 1 && pic.d == 1 && pic.classes == 2);
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W / 4; x++)
                    CHECK_INT(pic.target[y * (W / 4) + x], binary(y, x + 24, 1) > 0);
            un_picture_free(&pic);
        }
        CHECK_NEAR(v->share(v->ctx, 0), 1, 0);
        un_data_source_destroy(s);
    }
    un_preprocess_destroy(p);
    done(&l);
}

static void put_stack(const char *rel, int pages, int different, int (*rule)(int, int, int))
{
    char path[2048];
    un_image im;

    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, pages, H, W, 1, &err), &err);
    for (int i = 0; i < pages * H * W; i++)
        ((uint8_t *)im.data)[i] = (uint8_t)(rule(i / W % H, i % W, i / (H * W) + different));
    snprintf(path, sizeof path, "%s/%s", dir, rel);
    CHECK_OK(un_image_write_tiff(NULL, path, &im, &err), &err);
    un_image_free(&im);
}

/* Masks of two channels: each class has a share of its own, and they may sum to more than all. */
TEST(shares_of_classes_that_overlap)
{
    un_fingerprint f;
    un_image im;
    char rel[1100], cache[1100];
    looked l;

    BEGIN("data.normalise=minmax");
    put_set(7, 1, binary);
    for (int i = 0; i < 7; i++) {
        CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, H, W, 2, &err), &err);
        for (int k = 0; k < H * W; k++) {
            ((uint8_t *)im.data)[2 * k] = k % W < 3 * W / 4 ? 255 : 0;
            ((uint8_t *)im.data)[2 * k + 1] = i < 6 && k % W >= W / 2 ? 255 : 100; /* 100: soft edges do not count */
        }
        im.alpha = 0;
        snprintf(rel, sizeof rel, "%s/masks/p%02d.tif", dir, i);
        CHECK_OK(un_image_write_tiff(NULL, rel, &im, &err), &err);
        un_image_free(&im);
        snprintf(rel, sizeof rel, "%s/masks/p%02d.png", dir, i);
        remove(rel);
    }
    snprintf(cache, sizeof cache, "%s/scan.json", dir);
    for (int again = 0; again < 2; again++) { /* the second from the file of results */
        l = look(&(un_scan_options){.cache_path = cache});
        CHECK_INT(l.s->decoded, again ? 0 : 7);
        CHECK_INT(cfg.data.mask_kind, UN_CFG_MASK_MULTILABEL);
        CHECK_OK(un_fingerprint_make(&f, l.d, l.s, &cfg, UN_SCOPE_ALL, &err), &err);
        CHECK_INT(f.classes, 2);
        CHECK_NEAR(f.share[0], 0.75, 1e-12);
        CHECK_NEAR(f.share[1], 0.5 * 6 / 7, 1e-12);
        CHECK_INT(f.masks_with[0], 7);
        CHECK_INT(f.masks_with[1], 6);
        done(&l);
    }
}

/* Pages of a TIFF as pictures: of one group, each with the page of its mask; a mask with fewer pages is told. */
TEST(pages_are_pictures)
{
    un_preprocess *p;
    un_data_source *s;
    const un_picture_source *v;
    un_picture pic;
    looked l;

    BEGIN("data.pages=series", "data.normalise=minmax");
    put_set(6, 1, binary);
    put_stack("images/t.tif", 3, 0, binary);
    put_stack("masks/t.tif", 3, 1, binary);
    put_stack("images/u.tif", 2, 0, binary);
    put_stack("masks/u.tif", 3, 0, binary);
    l = look(NULL);
    CHECK_INT(l.d->base_count, 10);
    CHECK_INT(cfg.model.dims, 2);
    CHECK_INT(issues(l.d, UN_ISSUE_SIZE_DIFFERS), 1);
    CHECK_STR(l.d->items[6].name, "t_page0001");
    CHECK_STR(l.d->items[9].name, "t_page0003");
    CHECK_STR(l.d->items[9].group, "t");
    for (int i = 0; i < l.d->count; i++)
        l.d->items[i].role = i == 9 ? UN_ROLE_VAL : UN_ROLE_NONE;
    CHECK_OK(un_preprocess_create(&p, NULL, &cfg, 1, &err), &err);
    CHECK_OK(un_data_source_create(&s, NULL, l.d, p, UN_ROLE_VAL, 0, &err), &err);
    v = un_data_source_view(s);
    CHECK_INT(v->count, 1);
    CHECK_OK(v->load(v->ctx, 0, NULL, &pic, &err), &err);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            CHECK_INT(pic.image[y * W + x] > 0.5f, binary(y, x, 2) > 0);
            CHECK_INT(pic.target[y * W + x], binary(y, x, 3) > 0);
        }
    un_picture_free(&pic);
    un_data_source_destroy(s);
    un_preprocess_destroy(p);
    done(&l);
}

/* By their own description these pages are one volume; a network of two dimensions takes them one by one. */
TEST(stacks_of_slices)
{
    looked l;

    for (int dims = 2; dims <= 3; dims++) {
        BEGIN(dims == 2 ? "model.dims=2" : "model.dims=auto");
        put_set(0, 1, binary);
        put_image("p0", 1, 20, 1);
        put_mask("p0", 1, binary, 0);
        put_stack("images/t.tif", 3, 0, binary);
        put_stack("masks/t.tif", 3, 1, binary);
        CHECK_OK(un_dataset_open(&l.d, NULL, dir, &cfg, &err), &err);
        CHECK_INT(l.d->count, dims == 2 ? 4 : 2);
        un_dataset_close(l.d);
    }
}

/* ---- real sets --------------------------------------------------------------------------------------------------- */

TEST(shared_nuclei)
{
    looked l;

    snprintf(dir, sizeof dir, "%s", un_test_shared("data/dsb2018_stage1"));
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    l = look(NULL);
    un_test_note("%s", l.why);
    CHECK_INT(cfg.data.mask_kind, UN_CFG_MASK_INSTANCE);
    CHECK_INT(cfg.data.colour, UN_CFG_COLOUR_RGB);
    for (int i = 0; i < l.d->issue_count; i++)
        un_test_note("%s: %s: %s", un_issue_name(l.d->issues[i].kind), l.d->issues[i].file, l.d->issues[i].text);
    {
        int n[32] = {0};

        for (int i = 0; i < l.d->count; i++)
            n[l.d->items[i].kind & 31]++;
        for (int k = 0; k < 32 && n[k]; k++)
            un_test_note("kind %d: %d", k, n[k]);
        CHECK(n[1] > 0);
    }
    done(&l);
}

TEST(shared_membranes)
{
    looked l;

    snprintf(dir, sizeof dir, "%s", un_test_shared("data/isbi2012_em"));
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    l = look(NULL);
    un_test_note("%s", l.why);
    CHECK(cfg.data.classes.n == 2 && cfg.data.foreground.n == 2 && cfg.data.colour == UN_CFG_COLOUR_GREY);
    CHECK_INT(l.d->items[0].kind, l.d->items[23].kind);
    done(&l);
}

TEST(shared_scenes)
{
    looked l;

    snprintf(dir, sizeof dir, "%s", un_test_shared("data/camvid11"));
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_set(&cfg, NULL, "data.ignore=[11]", &err), &err);
    l = look(NULL);
    un_test_note("%s", l.why);
    CHECK(cfg.data.classes.n == 11 && cfg.data.mask_kind == UN_CFG_MASK_INDEX);
    done(&l);
}
