/* The configuration reader: what is accepted must be written and read back equal. Each line is a word of a command line
 * too, and the whole is read as the inference library does, without libyaml. */
#include "fuzz.h"

#include <string.h>

#include "config/config.h"
#include "config/yaml.h"

enum { WORDS_MAX = 32 };

/* src/config/plain.c under another name (tests/meson.build). */
unet_status un_plain_parse(
    un_yaml **root, un_arena *arena, const char *text, size_t size, const char *name, unet_error *err);

static void plain(const char *text, size_t size)
{
    un_arena *arena = un_arena_create(NULL);
    un_yaml *root;

    if (!arena)
        __builtin_trap();
    (void)!un_plain_parse(&root, arena, text, size, "fuzz", NULL);
    un_arena_destroy(arena);
}

static void words(un_config *c, const char *text, size_t size)
{
    char word[256];
    const char *end = text + size;

    for (int i = 0; i < WORDS_MAX && text < end; i++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const size_t n = (size_t)((stop ? stop : end) - text);

        if (n < sizeof word) {
            memcpy(word, text, n);
            word[n] = 0;
            (void)!un_config_set(c, NULL, word, NULL);
        }
        text += n + 1;
    }
}

int un_fuzz_one(const uint8_t *data, size_t size)
{
    un_config *c = un_alloc(NULL, 2 * sizeof *c);
    un_text t;
    unet_error err;

    if (!c || un_config_init(&c[0], NULL, &err))
        __builtin_trap();
    c[1] = c[0];
    if (!un_config_parse(&c[0], NULL, (const char *)data, size, "fuzz", &err)) {
        un_text_init(&t, NULL, 1 << 22);
        if (un_config_write(&c[0], &t, NULL, &err) || un_config_parse(&c[1], NULL, t.s, t.n, "again", &err) ||
            !un_config_equal(&c[0], &c[1]))
            __builtin_trap();
        if (un_config_check(&c[0], &err) && !err.message[0])
            __builtin_trap();
        un_text_free(&t);
    }
    words(&c[0], (const char *)data, size);
    plain((const char *)data, size);
    un_free(c);
    return 0;
}
