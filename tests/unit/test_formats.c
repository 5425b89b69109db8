/* Every shared sample file against the committed table of verdicts, tests/golden/formats.tsv: type, size and check sum
 * of the values of good files, the kind of error of the others. tools/formats_reference.py says how the table is made
 * and which independent reader agrees. */
#include "io/image.h"
#include "test.h"

#include <stdlib.h>

#include <zlib.h>

#include "base/file.h"

static unet_error err;

/* What our readers say of a file, in the form of the table's columns 2 to 8. */
static void describe(char *row, size_t room, const char *path)
{
    un_image im;
    uLong crc = crc32(0, NULL, 0);
    unet_status st = un_image_read(&im, NULL, path, NULL, &err);

    if (st) {
        snprintf(row, room, "%s\t-\t-\t-\t-\t-\t-", unet_status_name(st));
        return;
    }
    for (size_t i = 0; i < un_image_count(&im); i++) {
        const double v = un_image_at(&im, i);

        crc = crc32(crc, (const Bytef *)&v, sizeof v);
    }
    snprintf(row, room, "ok\t%s\t%d\t%d\t%d\t%d\t%08lx", un_dtype_name(im.type), im.d, im.h, im.w, im.c, crc);
    un_image_free(&im);
}

/* Of each file that is read the table names an independent reader that agrees on every value. */
TEST(readers)
{
    unsigned char *table;
    char *save = NULL;
    size_t n;
    int good = 0;

    CHECK_OK(un_file_read(&table, &n, NULL, un_test_source("tests/golden/formats.tsv"), 1 << 20, &err), &err);
    for (char *line = strtok_r((char *)table, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '#' || !strstr(line, "\tok\t"))
            continue;
        if (strncmp(strrchr(line, '\t'), "\tequal in ", 10) != 0)
            un_test_fail(__FILE__, __LINE__, "%s", line);
        good++;
    }
    un_free(table);
    CHECK(good > 250);
}

TEST(verdicts)
{
    const char *actual_path = getenv("UNET_FORMATS_ACTUAL"), *root = un_test_shared("data");
    FILE *actual = actual_path ? fopen(actual_path, "w") : NULL;
    char path[1024], row[200], first[600] = "";
    unsigned char *table;
    size_t n, files = 0, wrong = 0;

    CHECK_OK(un_file_read(&table, &n, NULL, un_test_source("tests/golden/formats.tsv"), 1 << 20, &err), &err);
    for (char *line = (char *)table, *next; *line; line = next) {
        char *tab = strchr(line, '\t'), *end = strchr(line, '\n');

        next = end ? end + 1 : line + strlen(line);
        if (line[0] == '#' || !tab || !end)
            continue;
        *tab = *end = 0;
        snprintf(path, sizeof path, "%s/%s", root, line);
        describe(row, sizeof row, path);
        if (actual)
            fprintf(actual, "%s\t%s\n", line, row);
        if (strncmp(row, tab + 1, strlen(row)) && !wrong++)
            snprintf(first, sizeof first, "%s: %s", line, row);
        files++;
    }
    un_free(table);
    if (actual)
        fclose(actual);
    CHECK(files > 300);
    if (wrong)
        un_test_fail(__FILE__, __LINE__, "%zu of %zu files differ from the table; first %s", wrong, files, first);
}
