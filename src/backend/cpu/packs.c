/* Packed weights: made in memory of the model's, where they are found again by the other programs of it, or in room of
 * the program. */
#include <string.h>

#include "backend/cpu/program.h"
#include "base/file.h"
#include "base/size.h"

/* What a packed form is made of and looks like; compared as bytes, so padding is zeroed. */
typedef struct pack_key {
    const un_kernel *kernel;
    const void *w, *gamma, *var;
    double eps;
    size_t bytes; /* a kernel may have several forms */
    int ci, co, k[3], stride[3], groups;
} pack_key;
_Static_assert(sizeof(pack_key) <= UN_SHARED_KEY, "a key fits");

static void key_of(pack_key *key, const un_cpu_pack *k)
{
    memset(key, 0, sizeof *key);
    key->kernel = k->kernel;
    key->w = k->args.w;
    if (k->fold) {
        key->gamma = k->fold->gamma;
        key->var = k->fold->var;
        key->eps = k->fold->eps;
    }
    key->bytes = k->bytes;
    key->ci = k->args.x.c;
    key->co = k->args.y.c;
    memcpy(key->k, k->args.k, sizeof key->k);
    memcpy(key->stride, k->args.stride, sizeof key->stride);
    key->groups = k->args.groups;
}

static void pack_task(void *arg, int64_t task, int worker)
{
    const un_cpu_pack *k = arg;

    (void)worker;
    k->kernel->pack(&k->args, k->data, task);
}

static void make(un_program *p, un_cpu_pack *k)
{
    const un_conv_args *a = &k->args;

    un_pool_run(p->spec.pool, pack_task, k, k->kernel->pack_tasks(a));
    if (p->spec.mapped)
        un_map_drop(a->w, (size_t)a->x.c / (size_t)a->groups * (size_t)a->y.c * (size_t)(a->k[0] * a->k[1] * a->k[2]) *
                              (size_t)p->spec.plan->real_bytes);
}

void un_packs_make(un_program *p)
{
    for (int i = 0; i < p->n_packs; i++)
        make(p, &p->pack[i]);
}

unet_status un_packs_share(un_program *p, unet_error *err)
{
    un_shared *s = p->spec.shared;
    unet_status st = UNET_OK;
    pack_key key;

    un_shared_lock(s);
    for (int i = 0; i < p->n_packs; i++) {
        key_of(&key, &p->pack[i]);
        p->pack[i].block = un_shared_find(s, &key, sizeof key);
    }
    un_shared_trim(s);
    for (int i = 0; i < p->n_packs && !st; i++) {
        un_cpu_pack *k = &p->pack[i];

        key_of(&key, k);
        if (!k->block) /* made meanwhile: one weight may serve two layers */
            k->block = un_shared_find(s, &key, sizeof key);
        if (!k->block) {
            k->block = un_shared_add(s, &key, sizeof key, k->bytes);
            if (!k->block) {
                st = un_fail_nomem(err, k->bytes);
                break;
            }
            k->data = un_shared_data(k->block);
            make(p, k);
        }
        k->data = un_shared_data(k->block);
    }
    un_shared_unlock(s);
    return st;
}

void un_packs_drop(un_program *p)
{
    if (!p->spec.shared || !p->pack)
        return;
    un_shared_lock(p->spec.shared);
    for (int i = 0; i < p->n_packs; i++)
        if (p->pack[i].block)
            un_shared_drop(p->pack[i].block);
    un_shared_unlock(p->spec.shared);
}
