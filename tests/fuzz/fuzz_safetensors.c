/* The container and, above it, the model file. */
#include "fuzz.h"

#include "io/safetensors.h"
#include "model/file.h"

int un_fuzz_one(const uint8_t *data, size_t size)
{
    un_safetensors *s;
    un_model *m;
    unet_error err;
    volatile unsigned sum = 0;

    if (!un_safetensors_view(&s, NULL, data, size, "fuzz", &err)) {
        for (size_t i = 0; i < un_safetensors_count(s); i++) {
            const un_st_tensor *t = un_safetensors_at(s, i);

            for (size_t k = 0; k < t->size; k++)
                sum += ((const unsigned char *)t->data)[k];
            if (un_safetensors_find(s, t->name) != t)
                __builtin_trap();
        }
        un_safetensors_close(s);
    }
    if (!un_model_load_memory(&m, NULL, data, size, "fuzz", &err))
        un_model_destroy(m);
    return 0;
}
