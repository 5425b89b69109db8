/* Who trains and who is scored, once the pictures were looked at: nothing of what is scored decides how a network is
 * made, and equal pictures are not torn apart. */
#include "scan_set.h"

static void put_list(const char *name, const char *text)
{
    char path[2048];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_OK(un_file_write(NULL, path, text, strlen(text), &err), &err);
}

/* The last class is in pictures that are scored alone. */
static int rare_in_test(int y, int x, int k)
{
    return k >= 8 ? (y < 3 ? 2 : 1) : x < W / 4;
}

/* What plans go by holds nothing of the pictures that are scored: sizes, values, shares, objects, kinds. */
TEST(plans_see_training_pictures_only)
{
    static const char train[] = "p00\np01\np02\np03\np04\np05\np06\np07\n", val[] = "p08\n", test[] = "p09\np10\n";
    un_fingerprint all, training;
    char name[16];
    looked l;

    BEGIN("data.layout=auto", "data.mask_kind=index", "data.repeat_below=1");
    for (int i = 0; i < 11; i++) {
        snprintf(name, sizeof name, "p%02d", i);
        put_image(name, 1, i < 8 ? 5 : 200, (uint32_t)i + 1);
        put_mask(name, 1, rare_in_test, i);
    }
    put_list("train.txt", train);
    put_list("val.txt", val);
    put_list("test.txt", test);
    l = look(NULL);
    CHECK_OK(un_fingerprint_make(&all, l.d, l.s, &cfg, UN_SCOPE_ALL, &err), &err);
    CHECK_OK(un_fingerprint_make(&training, l.d, l.s, &cfg, UN_SCOPE_TRAINING, &err), &err);
    CHECK(all.classes == 3 && training.classes == 3 && all.pictures == 11 && training.pictures == 11);
    CHECK(all.usable == 11 && training.usable == 8 && all.kinds == 2 && training.kinds == 1);
    CHECK(all.dark == 8 && all.bright == 3 && training.bright == 0);
    CHECK(all.share[2] > 0 && training.share[2] == 0 && training.masks_with[2] == 0);
    CHECK_NEAR(training.share[1], 0.25, 1e-12);
    CHECK(all.highest > 200 && training.highest < 200);
    CHECK_OK(un_fingerprint_balance(l.d, l.s, &cfg, &training, &err), &err);
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(l.d->items[i].draw, 1, 1e-12);
    done(&l);
}

/* Train, select, validation and test are drawn from what has no split: a test where there are enough pictures for one.
 */
TEST(a_test_is_drawn_from_enough_pictures)
{
    static const int counts[][5] = {
        {19, 14, 2, 3, 0}, {20, 13, 1, 3, 3}, {40, 25, 3, 6, 6}}; /* pictures, train, select, val, test */
    char name[16];

    for (size_t n = 0; n < 3; n++) {
        looked l;

        BEGIN("data.layout=auto");
        for (int i = 0; i < counts[n][0]; i++) {
            snprintf(name, sizeof name, "p%02d", i);
            put_image(name, 1, 20, (uint32_t)i + 1);
            put_mask(name, 1, binary, i);
        }
        l = look(NULL);
        CHECK_INT(un_dataset_count_role(l.d, UN_ROLE_TRAIN), counts[n][1]);
        CHECK_INT(un_dataset_count_role(l.d, UN_ROLE_SELECT), counts[n][2]);
        CHECK_INT(un_dataset_count_role(l.d, UN_ROLE_VAL), counts[n][3]);
        CHECK_INT(un_dataset_count_role(l.d, UN_ROLE_TEST), counts[n][4]);
        done(&l);
    }
}

/* A picture that is there twice, and the groups that it joins, lie on one side of every split that is drawn. */
TEST(equal_pictures_stay_together)
{
    looked l;
    char name[16];
    int sides = 0;

    BEGIN("data.layout=auto", "data.group_by=prefix", "data.test_share=0.2");
    for (int i = 0; i < 24; i++) { /* groups of two: 0_a, 0_b ... 11_a, 11_b */
        snprintf(name, sizeof name, "%d_%c", i / 2, 'a' + i % 2);
        put_image(name, 1, 20, i == 13 ? 3 : (uint32_t)i + 1);
        put_mask(name, 1, binary, i);
    }
    l = look(NULL);
    CHECK_INT(issues(l.d, UN_ISSUE_DUPLICATE), 1);
    for (int seed = 0; seed < 40; seed++) {
        int role[4], n = 0;

        cfg.data.split_seed = seed;
        CHECK_OK(un_dataset_assign(l.d, &cfg, &err), &err);
        for (int i = 0; i < l.d->count; i++)
            if (!strncmp(l.d->items[i].name, "1_", 2) || !strncmp(l.d->items[i].name, "6_", 2))
                role[n++] = l.d->items[i].role;
        CHECK_INT(n, 4);
        CHECK(role[0] == role[1] && role[1] == role[2] && role[2] == role[3]);
        sides |= 1 << role[0];
    }
    CHECK(sides & 1 << UN_ROLE_TRAIN && sides & 1 << UN_ROLE_VAL && sides & 1 << UN_ROLE_TEST);
    done(&l);
}
