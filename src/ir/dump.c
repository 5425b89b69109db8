/* A graph as text: one line a node, for golden files, --verbose and people. */
#include "ir/dump.h"

#include <string.h>

static void dump_fields(un_text *t, const un_node *n, const un_op_rules *rules)
{
    for (int i = 0; i < rules->n_fields; i++) {
        const un_field *f = &rules->fields[i];
        const char *at = (const char *)&n->attr + f->offset;
        int v[3];
        double d;

        un_text_printf(t, "%s%s=", i ? " " : "", f->name);
        if (f->type == UN_FIELD_DOUBLE) {
            memcpy(&d, at, sizeof d);
            un_text_number(t, d);
            continue;
        }
        memcpy(v, at, (f->type == UN_FIELD_INT3 ? 3 : 1) * sizeof *v);
        if (f->type == UN_FIELD_ENUM)
            un_text_add(t, f->names[v[0]]);
        else if (f->type == UN_FIELD_INT3)
            un_text_printf(t, "%dx%dx%d", v[0], v[1], v[2]);
        else
            un_text_printf(t, "%d", v[0]);
    }
}

static void dump_value(un_text *t, const un_graph *g, int v, const un_shape *shapes)
{
    const un_value *x;

    if (v == UN_NONE) {
        un_text_add(t, " -");
        return;
    }
    x = &g->value[v];
    if (x->store == UN_STORE_PARAM)
        un_text_printf(t, " %s", x->name);
    else if (x->store == UN_STORE_GRAD)
        un_text_printf(t, " grad(%s)", x->name);
    else if (shapes)
        un_text_printf(t, " %%%d[%d,%d,%d,%d,%d]", v, shapes[v].n, shapes[v].d, shapes[v].h, shapes[v].w, shapes[v].c);
    else
        un_text_printf(t, " %%%d", v);
}

void un_graph_dump(un_text *t, const un_graph *g, const un_shape *shapes)
{
    for (int i = 0; i < g->n_inputs; i++) {
        un_text_printf(t, "input %s", g->value[g->input[i]].name);
        dump_value(t, g, g->input[i], shapes);
        un_text_add(t, "\n");
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const un_node *n = &g->node[i];
        const un_op_info *info = un_op_describe(n->op);

        un_text_printf(t, "%4d %-20s %-22s (", i, info->name, n->name);
        for (int j = 0; j < n->n_in; j++)
            dump_value(t, g, n->in[j], shapes);
        un_text_add(t, " ) ->");
        for (int j = 0; j < n->n_out; j++)
            dump_value(t, g, n->out[j], shapes);
        un_text_add(t, " {");
        dump_fields(t, n, info->rules);
        un_text_add(t, "}\n");
    }
    for (int i = 0; i < g->n_outputs; i++) {
        un_text_add(t, "output");
        dump_value(t, g, g->output[i], shapes);
        un_text_add(t, "\n");
    }
}
