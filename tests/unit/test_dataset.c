/* Data sets: layouts, pairs, lists, tables, nnU-Net folders, roles. Nothing is decoded, so the files are
 * empty. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "data/dataset.h"
#include "data/layout.h"
#include "data/rows.h"

static unet_error err;
static un_config cfg;

static void put(const char *dir, const char *rel, const char *text)
{
    char path[1024];
    char *slash;

    snprintf(path, sizeof path, "%s/%s", dir, rel);
    slash = strrchr(path, '/');
    *slash = 0;
    CHECK_OK(un_make_dirs(path, &err), &err);
    *slash = '/';
    CHECK_OK(un_file_write(NULL, path, text, strlen(text), &err), &err);
}

/* A fresh folder with empty files, names separated by blanks. */
static const char *tree(const char *names)
{
    const char *dir = un_test_tmp();
    char one[256];
    int n;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    for (; sscanf(names, "%255s%n", one, &n) == 1; names += n)
        put(dir, one, "");
    return dir;
}

static un_dataset *open_assigned(const char *dir)
{
    un_dataset *d;

    CHECK_OK(un_dataset_open(&d, NULL, dir, &cfg, &err), &err);
    CHECK_OK(un_dataset_assign(d, &cfg, &err), &err);
    return d;
}

static const un_item *item(const un_dataset *d, const char *name)
{
    for (int i = 0; i < d->count; i++)
        if (!strcmp(d->items[i].name, name))
            return &d->items[i];
    un_test_fail(__FILE__, __LINE__, "no item %s", name);
}

static int issues(const un_dataset *d, un_issue_kind kind)
{
    int n = 0;

    for (int i = 0; i < d->issue_count; i++)
        n += d->issues[i].kind == kind;
    return n;
}

/* The mask of an item, without its folder. */
static const char *mask_of(const un_dataset *d, const char *name)
{
    const char *m = item(d, name)->mask;

    return m ? strrchr(m, '/') + 1 : "none";
}

TEST(pairs_by_stem)
{
    un_dataset *d = open_assigned(tree("images/a.png images/b.jpg images/sub/c.tif images/alone.png images/notes.txt "
                                       "masks/a.png masks/b.png masks/sub/c.png masks/lost.png"));

    CHECK_INT(d->layout, UN_CFG_LAYOUT_PAIRS);
    CHECK_INT(d->count, 7); /* three labelled pictures are cut in two */
    CHECK_INT(d->base_count, 4);
    CHECK_STR(mask_of(d, "a"), "a.png");
    CHECK_STR(mask_of(d, "sub/c"), "c.png");
    CHECK_STR(mask_of(d, "alone"), "none");
    CHECK_INT(issues(d, UN_ISSUE_UNLABELLED), 1);
    CHECK_INT(issues(d, UN_ISSUE_MASK_ALONE), 1);
    CHECK_INT(issues(d, UN_ISSUE_IGNORED_FILE), 1);
    CHECK_INT(d->issue_count, 3);
    CHECK_INT(item(d, "alone")->role, UN_ROLE_NONE);
    CHECK_OK(un_dataset_check(d, UN_CFG_BAD_SKIP, &err), &err);
    un_dataset_close(d);
}

/* Names of folders and of files that differ from picture to mask. */
TEST(pairs_by_words)
{
    static const struct {
        const char *files, *name, *mask;
    } t[] = {
        {"images/cell1.png images/cell2.png masks/cell1_mask.png masks/cell2_mask.png", "cell2", "cell2_mask.png"},
        {"Images/x_SEM.png labels/x_SEM_seg-axonmyelin-manual.png", "x_SEM", "x_SEM_seg-axonmyelin-manual.png"},
        {"imgs/s1_phase.png gt/s1_instances.png", "s1_phase", "s1_instances.png"},
        {"imagesTr/image_07.png labelsTr/mask_07.png", "image_07", "mask_07.png"},
        {"images/img_1.png images/img_2.png annotations/1.png annotations/2.png", "img_2", "2.png"},
        {"images/a_leftImg8bit.png images/b_leftImg8bit.png masks/a_gtFine_labelIds.png "
         "masks/b_gtFine_labelIds.png",
            "b_leftImg8bit", "b_gtFine_labelIds.png"},
        {"images/sample_geotiff.tif masks/sample_fp_mask_from_json.tif", "sample_geotiff",
            "sample_fp_mask_from_json.tif"},
        {"images/1.png images/1_1.png masks/1_mask.png masks/1_1_mask.png", "1_1", "1_1_mask.png"},
        {"a.png b.png a_mask.png b_mask.png", "b", "b_mask.png"},
        {"a.png b.png masks/a.png masks/b.png", "b", "b.png"},
        {"images/any.png masks/other.png", "any", "other.png"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        un_dataset *d = open_assigned(tree(t[i].files));

        CHECK_STR(mask_of(d, t[i].name), t[i].mask);
        CHECK_INT(d->issue_count, 0);
        un_dataset_close(d);
    }
}

TEST(pairs_unclear)
{
    un_dataset *d = open_assigned(tree("images/s1_phase.png images/s1_raw.png masks/s1_instances.png"));

    CHECK_INT(issues(d, UN_ISSUE_PAIR_UNCLEAR), 1);
    CHECK_STATUS(un_dataset_check(d, UN_CFG_BAD_SKIP, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "s1_phase") && strstr(err.message, "s1_raw") && strstr(err.message, "data.image_suffix"));
    un_dataset_close(d);
}

TEST(pairs_with_told_suffix)
{
    const char *dir = tree("images/s1_phase.png images/s1_raw.png masks/s1_instances.png");
    un_dataset *d;

    CHECK_OK(un_config_set(&cfg, NULL, "data.image_suffix=_phase", &err), &err);
    CHECK_OK(un_config_set(&cfg, NULL, "data.mask_suffix=_instances", &err), &err);
    d = open_assigned(dir);
    CHECK_INT(d->base_count, 1);
    CHECK_STR(mask_of(d, "s1_phase"), "s1_instances.png");
    CHECK_INT(issues(d, UN_ISSUE_IGNORED_FILE), 1);
    un_dataset_close(d);
}

TEST(stem_twice)
{
    un_dataset *d = open_assigned(tree("images/a.png images/a.jpg images/b.png masks/a.png masks/b.png"));

    CHECK_INT(issues(d, UN_ISSUE_STEM_TWICE), 1);
    CHECK_STATUS(un_dataset_check(d, UN_CFG_BAD_SKIP, &err), UNET_E_DATA);
    CHECK_STR(err.where, "images/a.png");
    CHECK_STR(err.message, "two pictures have the name 'a': images/a.jpg is the other; remove one of them");
    un_dataset_close(d);
}

TEST(nothing_there)
{
    un_dataset *d;
    const char *dir = tree("");

    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "no pictures found") && strstr(err.message, "found: nothing"));
    CHECK_STATUS(un_dataset_open(&d, NULL, "/nothing/here", &cfg, &err), UNET_E_NOT_FOUND);
    dir = tree("images/a.png images/b.png");
    CHECK_OK(un_dataset_open(&d, NULL, dir, &cfg, &err), &err);
    CHECK_STATUS(un_dataset_check(d, UN_CFG_BAD_SKIP, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "not one has a mask"));
    un_dataset_close(d);
    CHECK_OK(un_config_set(&cfg, NULL, "data.images=pictures", &err), &err);
    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_NOT_FOUND);
}

TEST(split_folders)
{
    un_dataset *d = open_assigned(tree("train/images/a.png train/masks/a.png Val/images/a.png Val/masks/a.png "
                                       "test/images/c.png test/masks/c.png other/images/d.png"));

    CHECK_INT(d->layout, UN_CFG_LAYOUT_SPLITS);
    CHECK_INT(d->count, 3);
    CHECK_INT(item(d, "train/a")->role, UN_ROLE_TRAIN);
    CHECK_INT(item(d, "Val/a")->role, UN_ROLE_VAL);
    CHECK_INT(item(d, "test/c")->role, UN_ROLE_TEST);
    un_dataset_close(d);
    d = open_assigned(tree("images/train/a.png images/val/b.png masks/train/a.png masks/val/b.png"));
    CHECK_INT(item(d, "train/a")->role, UN_ROLE_TRAIN);
    CHECK_INT(item(d, "val/b")->role, UN_ROLE_VAL);
    CHECK_INT(d->count, 2);
    un_dataset_close(d);
}

TEST(lists)
{
    const char *dir = tree("images/a.png images/b.v1.png images/c_SEM.png images/d.png images/s/e.png masks/a.png "
                           "masks/b.v1.png masks/c_SEM.png masks/d.png masks/s/e.png");
    un_dataset *d;

    put(dir, "train.txt",
        "\xef\xbb\xbf"
        "a\r\nimages/b.v1.png\n\nmissing.png\n");
    put(dir, "val.txt", "c\ne /x/masks/e.png");
    d = open_assigned(dir);
    CHECK_INT(d->layout, UN_CFG_LAYOUT_LISTS);
    CHECK_INT(item(d, "a")->role, UN_ROLE_TRAIN);
    CHECK_INT(item(d, "b.v1")->role, UN_ROLE_TRAIN);
    CHECK_INT(item(d, "c_SEM")->role, UN_ROLE_VAL);
    CHECK_INT(item(d, "s/e")->role, UN_ROLE_VAL);
    CHECK_INT(item(d, "d")->role, UN_ROLE_NONE);
    CHECK_INT(issues(d, UN_ISSUE_UNLISTED), 1);
    CHECK_INT(issues(d, UN_ISSUE_LIST_UNKNOWN), 1);
    CHECK_INT(d->issue_count, 2);
    un_dataset_close(d);
    put(dir, "test.txt", "a.png\n");
    CHECK_OK(un_dataset_open(&d, NULL, dir, &cfg, &err), &err);
    CHECK_STATUS(un_dataset_check(d, UN_CFG_BAD_SKIP, &err), UNET_E_DATA);
    CHECK_STR(err.message, "line 1: 'a.png' stands in the list for train too");
    un_dataset_close(d);
    CHECK_OK(un_config_set(&cfg, NULL, "data.list_val=folds/2.txt", &err), &err);
    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_NOT_FOUND);
}

TEST(table)
{
    const char *dir = tree("x/a.png x/b.png x/c.png y/a.png y/b.png");
    char path[1024];
    un_dataset *d;

    put(dir, "t.csv",
        "Image;Mask;Split;Patient\n\"x/a.png\";y/a.png;train;p1\nx/b.png;y/b.png;VAL;p2\nx/c.png;;;\nx/"
        "d.png;y/a.png;test;\n");
    d = open_assigned(dir);
    CHECK_INT(d->layout, UN_CFG_LAYOUT_CSV);
    CHECK_INT(d->count, 4);
    CHECK_INT(item(d, "x/a")->role, UN_ROLE_TRAIN);
    CHECK_STR(item(d, "x/b")->group, "p2");
    CHECK_INT(item(d, "x/b")->role, UN_ROLE_VAL);
    CHECK_INT(issues(d, UN_ISSUE_UNLABELLED), 1);
    CHECK_INT(issues(d, UN_ISSUE_FILE_MISSING), 1);
    CHECK_INT(item(d, "x/d")->role, UN_ROLE_NONE);
    CHECK_STATUS(un_dataset_check(d, UN_CFG_BAD_STOP, &err), UNET_E_DATA);
    un_dataset_close(d);
    snprintf(path, sizeof path, "%s/t.csv", dir);
    d = open_assigned(path);
    CHECK_INT(d->count, 4);
    un_dataset_close(d);
    put(dir, "t.csv", "image,mask,split\nx/a.png,y/a.png,training set\n");
    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_FORMAT);
    CHECK_INT(err.line, 2);
    put(dir, "t.csv", "picture_name,mask\n");
    CHECK_STATUS(un_dataset_open(&d, NULL, path, &cfg, &err), UNET_E_FORMAT);
}

/* A table beside images/ and masks/ is what was meant, when its files are there; lists go before it. */
TEST(table_beside_folders)
{
    const char *dir = tree("images/a.png images/b.png images/c.png masks/a.png masks/b.png masks/c.png");
    un_dataset *d;

    put(dir, "t.csv", "image,mask,split\nimages/b.png,masks/b.png,train\nimages/a.png,masks/a.png,val\n");
    d = open_assigned(dir);
    CHECK_INT(d->layout, UN_CFG_LAYOUT_CSV);
    CHECK_INT(d->count, 2);
    CHECK_INT(item(d, "images/a")->role, UN_ROLE_VAL);
    un_dataset_close(d);
    put(dir, "u.csv", "file,gt\nimages/b.png,masks/b.png\n");
    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_DATA);
    CHECK_STR(err.message, "two tables could list the pictures: t.csv and u.csv; say which by data.csv, or "
                           "data.layout=pairs to go by the folders");
    put(dir, "u.csv", "file,label\na.png,cat\n"); /* names of kinds, as for classification */
    put(dir, "t.csv", "image,mask,split\na.png,a.png,train\n");
    d = open_assigned(dir);
    CHECK_INT(d->layout, UN_CFG_LAYOUT_PAIRS);
    CHECK_INT(d->count, 6); /* three, and a part of each kept */
    CHECK_INT(issues(d, UN_ISSUE_IGNORED_FILE), 2);
    un_dataset_close(d);
    put(dir, "t.csv", "image,mask,split\nimages/b.png,masks/b.png,train\n");
    put(dir, "val.txt", "a\n");
    d = open_assigned(dir);
    CHECK_INT(d->layout, UN_CFG_LAYOUT_LISTS);
    CHECK_INT(item(d, "a")->role, UN_ROLE_VAL);
    un_dataset_close(d);
}

TEST(rows)
{
    static const char *const broken[] = {"a,\"b", "\"a\"b,c", "a\"\"\n\"x\" y"};
    un_rows r;

    CHECK_OK(un_rows_parse_table(&r, NULL, "a, b ,\"c \"\"q\"\",\n2\"\r\n\r\n ,x", 25, "t", &err), &err);
    CHECK_INT(r.n, 2);
    CHECK_INT(r.row[0].n, 3);
    CHECK_STR(r.row[0].cell[1], "b");
    CHECK_STR(r.row[0].cell[2], "c \"q\",\n2");
    CHECK_INT(r.row[1].line, 4);
    CHECK_STR(r.row[1].cell[0], "");
    un_rows_free(&r);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        CHECK_STATUS(un_rows_parse_table(&r, NULL, broken[i], strlen(broken[i]), "t", &err), UNET_E_FORMAT);
    CHECK_STATUS(un_rows_parse_list(&r, NULL, "a\0b", 3, "t", &err), UNET_E_FORMAT);
    CHECK_INT(err.offset, 1);
    CHECK_OK(un_rows_parse_list(&r, NULL, "", 0, "t", &err), &err);
    CHECK_INT(r.n, 0);
    un_rows_free(&r);
}

TEST(nnunet)
{
    const char *dir = tree("imagesTr/c1_0000.nii.gz imagesTr/c1_0001.nii.gz imagesTr/c2_0000.nii.gz labelsTr/c1.nii.gz "
                           "labelsTr/c2.nii.gz imagesTs/c9_0000.nii.gz imagesTs/c9_0001.nii.gz");
    un_dataset *d;

    put(dir, "dataset.json",
        "{\"channel_names\": {\"0\": \"T1\", \"1\": \"T2\"}, \"labels\": {\"background\": 0, \"tumour\": 2, "
        "\"edema\": 1, \"ignore\": 3}, \"file_ending\": \".nii.gz\"}");
    d = open_assigned(dir);
    CHECK_INT(d->layout, UN_CFG_LAYOUT_NNUNET);
    CHECK_INT(d->base_count, 3);
    CHECK_INT(item(d, "c1")->image_count, 2);
    CHECK_STR(mask_of(d, "c1"), "c1.nii.gz");
    CHECK_INT(issues(d, UN_ISSUE_CHANNEL_MISSING), 1);
    CHECK_INT(item(d, "c2")->left_out, 1);
    CHECK_INT(item(d, "c9")->split, UN_SPLIT_TEST);
    CHECK_INT(d->classes->n, 3);
    CHECK_STR(d->classes->v[1].name, "edema");
    CHECK_INT(d->ignore_value, 3);
    un_dataset_close(d);
    put(dir, "dataset.json",
        "{\"modality\": {\"0\": \"MR\"}, \"labels\": {\"0\": \"bg\", \"1\": \"x\", \"1.5\": \"y\"}}");
    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_FORMAT);
    put(dir, "dataset.json", "{\"labels\": {\"a\": 0, \"b\": [1, 2]}}");
    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_UNSUPPORTED);
    put(dir, "dataset.json", "[]");
    CHECK_STATUS(un_dataset_open(&d, NULL, dir, &cfg, &err), UNET_E_FORMAT);
}

/* n pairs; groups of `per` with one prefix. */
static un_dataset *many(int n, int per)
{
    const char *dir = tree("");
    char name[64];

    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "%s/p%02d_%d.png", k ? "masks" : "images", i / per, i % per);
            put(dir, name, "");
        }
    if (per > 1)
        CHECK_OK(un_config_set(&cfg, NULL, "data.group_by=prefix", &err), &err);
    CHECK_OK(un_config_set(&cfg, NULL, "data.test_share=0.2", &err), &err);
    return open_assigned(dir);
}

TEST(seeded_split)
{
    un_dataset *d = many(40, 1), *e = many(40, 1);
    int differ = 0;

    CHECK_INT(un_dataset_count_role(d, UN_ROLE_VAL), 6);
    CHECK_INT(un_dataset_count_role(d, UN_ROLE_TEST), 8);
    CHECK_INT(un_dataset_count_role(d, UN_ROLE_SELECT), 3);
    CHECK_INT(un_dataset_count_role(d, UN_ROLE_TRAIN), 23);
    for (int i = 0; i < 40; i++)
        CHECK_INT(d->items[i].role, e->items[i].role);
    cfg.data.split_seed = 1;
    CHECK_OK(un_dataset_assign(e, &cfg, &err), &err);
    for (int i = 0; i < 40; i++)
        differ += d->items[i].role != e->items[i].role;
    CHECK(differ > 5);
    e->items[3].left_out = 1;
    CHECK_OK(un_dataset_assign(e, &cfg, &err), &err);
    CHECK_INT(e->items[3].role, UN_ROLE_NONE);
    un_dataset_close(d);
    un_dataset_close(e);
}

TEST(groups_stay_together)
{
    un_dataset *d = many(40, 4);
    int roles = 0;

    for (int i = 0; i < 40; i++) {
        CHECK_INT(d->items[i].role, d->items[i / 4 * 4].role);
        roles |= 1 << d->items[i].role;
    }
    CHECK_INT(roles, 1 << UN_ROLE_TRAIN | 1 << UN_ROLE_SELECT | 1 << UN_ROLE_VAL | 1 << UN_ROLE_TEST);
    un_dataset_close(d);
    d = many(10, 1);
    for (int i = 0; i < d->count; i++)
        d->items[i].group = "all";
    CHECK_STATUS(un_dataset_assign(d, &cfg, &err), UNET_E_DATA);
    un_dataset_close(d);
}

/* A group that is larger than the share asked for stays in training, whatever the seed; where all are, the smallest
 * goes. */
TEST(large_groups_train)
{
    un_dataset *d = many(40, 1);

    for (int all = 0; all < 2; all++) {
        for (int i = 0; i < 40; i++)
            d->items[i].group = i < 25 ? "large" : all ? "less" : i < 30 ? "b" : i < 35 ? "c" : i < 38 ? "d" : "e";
        CHECK_OK(un_config_set(&cfg, NULL, all ? "data.test_share=0" : "data.test_share=0.2", &err), &err);
        for (cfg.data.split_seed = 0; cfg.data.split_seed < 20; cfg.data.split_seed++) {
            CHECK_OK(un_dataset_assign(d, &cfg, &err), &err);
            CHECK_INT(d->items[0].role, UN_ROLE_TRAIN);
            CHECK(un_dataset_count_role(d, UN_ROLE_VAL) > 0 && un_dataset_count_role(d, UN_ROLE_VAL) < 16);
            CHECK(all || (un_dataset_count_role(d, UN_ROLE_TEST) > 0 && un_dataset_count_role(d, UN_ROLE_TEST) < 11));
        }
    }
    un_dataset_close(d);
}

TEST(few_pictures_are_cut)
{
    un_dataset *d = many(2, 1);

    CHECK_INT(d->count, 6);
    CHECK_INT(un_dataset_count_role(d, UN_ROLE_TRAIN), 2);
    CHECK_NEAR(d->items[0].part_hi, 0.65, 1e-12);
    CHECK_INT(d->items[2].role, UN_ROLE_VAL);
    CHECK_INT(d->items[2].part_of, 0);
    CHECK_NEAR(d->items[2].part_lo, 0.65, 1e-12);
    CHECK_NEAR(d->items[2].part_hi, 0.8, 1e-12);
    CHECK_INT(d->items[3].role, UN_ROLE_TEST);
    CHECK_NEAR(d->items[3].part_hi, 1, 0);
    CHECK_OK(un_dataset_assign(d, &cfg, &err), &err);
    CHECK_INT(d->count, 6);
    un_dataset_close(d);
}

TEST(no_memory)
{
    const char *dir = tree("images/a.png images/b_1.png masks/a.png masks/b_1_mask.png masks/c.png");
    un_mem *mem = un_mem_create(NULL);
    int64_t n = 0;

    put(dir, "train.txt", "a\n");
    put(dir, "val.txt", "b\n");
    for (int64_t i = 1; i == 1 || n; i++) {
        un_dataset *d;
        unet_status st;

        un_mem_fail_at(mem, i);
        st = un_dataset_open(&d, mem, dir, &cfg, &err);
        if (!st) {
            st = un_dataset_assign(d, &cfg, &err);
            un_dataset_close(d);
        }
        CHECK_INT(un_mem_live(mem), 0);
        n = st != UNET_OK;
        if (st)
            CHECK_INT(st, UNET_E_NOMEM);
    }
    un_mem_destroy(mem);
}

/* The real sets: counts of their lists. */
TEST(shared_sets)
{
    static const struct {
        const char *set;
        int train, select, val;
    } t[] = {{"data/dsb2018_stage1", 79, 9, 27}, {"data/isbi2012_em", 18, 2, 4}, {"data/camvid11", 56, 6, 11},
        {"data/msd_hippocampus", 156, 17, 35}, {"data/axon_sem", 5, 0, 1}, {"data/water12", 14, 2, 4}};

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const char *dir = un_test_shared(t[i].set);
        un_dataset *d;

        CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
        d = open_assigned(dir);
        un_test_note("%s: %d issues", t[i].set, d->issue_count);
        CHECK_OK(un_dataset_check(d, UN_CFG_BAD_SKIP, &err), &err);
        CHECK_INT(un_dataset_count_role(d, UN_ROLE_TRAIN), t[i].train);
        CHECK_INT(un_dataset_count_role(d, UN_ROLE_SELECT), t[i].select);
        CHECK_INT(un_dataset_count_role(d, UN_ROLE_VAL), t[i].val);
        CHECK_INT(d->issue_count, 0);
        un_dataset_close(d);
    }
}
