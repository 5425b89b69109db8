/* The descriptor of each operator, one `un_rules_<name>` a row of ir/ops.def, and what their rules share. */
#ifndef UN_OPS_OPS_H
#define UN_OPS_OPS_H

#include "ir/gradients.h"
#include "ir/graph.h"

#define UN_OP(name, ID, version, least, most, outputs, attr) extern const un_op_rules un_rules_##name;
#include "ir/ops.def"
#undef UN_OP

/* The shape rule of operators whose single output has the shape of input 0. */
unet_status un_infer_same(const un_graph *g, const un_node *n, un_shape *s, unet_error *err);

/* "node 'dec0.conv0' (conv): " and a message, status UNET_E_DATA. */
unet_status un_op_fail(const un_node *n, unet_error *err, const char *fmt, ...) UN_PRINTF(3, 4);

#endif
