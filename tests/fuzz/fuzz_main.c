/* Replays a corpus folder, then its files cut short and with single bytes changed, so that the target is also tested
 * where no fuzzer is at hand. Deterministic. Each file counts as one test. With LLVMFuzzerTestOneInput's
 * signature the targets fit any fuzzer. */
#include "fuzz.h"

#include <stdio.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/size.h"

enum { FILE_MAX_BYTES = 1 << 20, CHANGES_MAX = 400 }; /* two changes for each byte, at most */

/* Changed copies of one file. */
static void mutate(unsigned char *data, size_t size, uint32_t number)
{
    static const unsigned char likely[] = "0123456789[]{},:\"-&*!#\\ \n\t\0\xff";
    un_rng r;

    un_rng_init(&r, 1, UN_RNG_TEST, number, 0, 0);
    for (size_t i = 0; i < UN_MIN(2 * size, (size_t)CHANGES_MAX); i++) {
        const size_t at = (size_t)un_rng_below(&r, (int64_t)size);
        const unsigned char old = data[at];

        data[at] = likely[un_rng_below(&r, sizeof likely)];
        un_fuzz_one(data, size);
        data[at] = old;
        un_fuzz_one(data, at);
    }
}

static int replay(const char *path, uint32_t number)
{
    unsigned char *data;
    size_t size;
    unet_error err;

    if (un_file_read(&data, &size, NULL, path, FILE_MAX_BYTES, &err)) {
        printf("%s: %s\n", path, err.message);
        return 0;
    }
    un_fuzz_one(data, size);
    mutate(data, size, number);
    un_free(data);
    return 1;
}

int main(int argc, char **argv)
{
    char path[4096], **names;
    size_t count, done = 0;
    unet_error err;

    if (argc != 2) {
        printf("usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    if (un_dir_list(&names, &count, NULL, argv[1], &err)) {
        printf("%s: %s\n", argv[1], err.message);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], names[i]);
        done += (size_t)replay(path, (uint32_t)i);
    }
    un_free(names);
    printf("%zu passed, %zu failed, 0 skipped\n", done, count - done + (count == 0));
    return done == 0 || done < count;
}
