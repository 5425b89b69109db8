/* The container and, above it, the model file; graphs in JSON also by themselves. */
#include "fuzz.h"

#include "io/safetensors.h"
#include "model/file.h"
#include "model/graph_json.h"

/* Numbers of any kind become floats, or are refused. */
static void convert(const un_st_tensor *t)
{
    float *to = un_alloc_array(NULL, (size_t)t->count + 1, sizeof *to);

    if (to && !un_st_to_f32(t, to, NULL) && t->count && to[0] != to[0] && t->dtype < UN_ST_F16)
        __builtin_trap();
    un_free(to);
}

static void graph(const char *text, size_t size)
{
    un_graph *g;

    if (!un_graph_from_json(&g, NULL, text, size, "fuzz", NULL))
        un_graph_destroy(g);
}

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
            convert(t);
            if (un_safetensors_find(s, t->name) != t)
                __builtin_trap();
        }
        un_safetensors_close(s);
    }
    if (!un_model_load_memory(&m, NULL, data, size, "fuzz", &err))
        un_model_destroy(m);
    graph((const char *)data, size);
    return 0;
}
