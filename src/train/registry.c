#include "train/registry.h"

#include <string.h>

#include "config/optimisers.h"
#include "kernels/args.h"
#include "train/checkpoint.h"

static const int kinds[] = {
#define UN_OPTIMISER(ID, name, KIND, blocks, decoupled, lr, title, formula, paper, when)                               \
    [UN_CFG_OPT_##ID] = UN_OPTIM_##KIND,
#include "config/optimisers.def"
};

un_optim_attr un_method_attr(const un_cfg_optimiser *o)
{
    return (un_optim_attr){.kind = kinds[o->name],
        .lr_mult = 1,
        .beta1 = un_method_value(o, "beta1"),
        .beta2 = un_method_value(o, "beta2"),
        .eps = un_method_value(o, "eps"),
        .momentum = un_method_value(o, "momentum"),
        .nesterov = o->nesterov,
        .centred = o->centred,
        .decoupled = un_method_decoupled(o)};
}

static int has_key(const un_cfg_optimiser *o, const char *key)
{
    const un_row_key *keys;
    const int n = un_method_keys(&keys, o->name);

    for (int i = 0; i < n; i++)
        if (!strcmp(keys[i].key, key))
            return 1;
    return 0;
}

unsigned un_method_blocks(const un_cfg_optimiser *o)
{
    const char *letters = un_method_info_of(o->name)->blocks;
    unsigned blocks = 0;

    if (strchr(letters, 'm') && !(has_key(o, "momentum") && !(un_method_value(o, "momentum") > 0)))
        blocks |= 1u << UN_BLOCK_M;
    if (strchr(letters, 'v'))
        blocks |= 1u << UN_BLOCK_V;
    if (strchr(letters, 'x') && !(has_key(o, "centred") && !o->centred))
        blocks |= 1u << UN_BLOCK_X;
    return blocks;
}
