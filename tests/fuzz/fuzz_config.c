/* The configuration reader: what is accepted must be written and read back equal. */
#include "fuzz.h"

#include "config/config.h"

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
    un_free(c);
    return 0;
}
