/* The table of operators, and the rules that several of them share. */
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

static const un_op_info table[] = {
#define UN_OP(name, ID, version, least, most, outputs, attr)                                                           \
    [UN_OP_##ID] = {#name, version, least, most, outputs, &un_rules_##name},
#include "ir/ops.def"
#undef UN_OP
};
_Static_assert(sizeof table / sizeof *table == UN_OP_COUNT, "a row each");

const char *const un_act_names[] = {
    "none", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "relu6", NULL};

const un_op_info *un_op_describe(un_op op)
{
    return &table[op];
}

int un_op_by_name(const char *name)
{
    for (int i = 0; i < UN_OP_COUNT; i++)
        if (!strcmp(table[i].name, name))
            return i;
    return UN_NONE;
}

unet_status un_infer_same(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    (void)g;
    (void)err;
    s[n->out[0]] = s[n->in[0]];
    return UNET_OK;
}

unet_status un_op_fail(const un_node *n, unet_error *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return un_fail(err, UNET_E_DATA, "node '%s' (%s): %s", n->name, table[n->op].name, text);
}
