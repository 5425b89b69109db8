/* Files of weights of other programs: zip archives, pickles, npz. */
#include "fuzz.h"

#include "io/weights.h"

int un_fuzz_one(const uint8_t *data, size_t size)
{
    un_weights *w;
    unet_error err;

    if (un_weights_view(&w, NULL, data, size, "fuzz", &err))
        return 0;
    for (size_t i = 0; i < un_weights_count(w); i++) {
        const un_weight *t = un_weights_at(w, i);
        float *v;

        if (un_weights_find(w, t->name) != t)
            __builtin_trap();
        if (t->count > 1 << 20)
            continue;
        v = un_alloc(NULL, ((size_t)t->count + 1) * sizeof *v);
        if (v)
            un_weight_to_f32(t, v);
        un_free(v);
    }
    un_weights_close(w);
    return 0;
}
