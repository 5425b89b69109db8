/* The graph: arrays of values and nodes with 32-bit ids, single assignment, nodes in an order in which they can run.
 *
 * A graph holds no sizes of pictures: extents are inferred for an input size into an array beside it (un_shapes), so
 * that one graph serves many planned shapes. The same type holds forward graphs (what a model file stores), training
 * graphs (autodiff appends gradient nodes) and apply graphs (optimiser). Immutable once it is handed out. */
#ifndef UN_IR_GRAPH_H
#define UN_IR_GRAPH_H

#include "base/error.h"
#include "base/mem.h"
#include "tensor/shape.h"

typedef enum un_op {
#define UN_OP(name, ID, version, least, most, outputs, attr) UN_OP_##ID,
#include "ir/ops.def"
#undef UN_OP
    UN_OP_COUNT
} un_op;

enum { UN_MAX_INPUTS = 8, UN_MAX_OUTPUTS = 3, UN_MAX_RANK = 5, UN_NONE = -1, UN_NEW = -2 };

/* ---- attributes ---- */

typedef struct un_no_attr {
    int unused;
} un_no_attr;
/* Axis triples are d, h, w. pad is the low side, pad_end the high side. act: un_act of kernels/args.h, fused after
 * bias. */
typedef struct un_conv_attr {
    int k[3], stride[3], pad[3], pad_end[3], dilation[3], output_pad[3], groups;
    int act;
    double slope;
} un_conv_attr;
typedef struct un_norm_attr {
    int mode, groups; /* un_norm_mode */
    double eps, momentum;
    int act;
    double slope;
    int use_running;    /* 1: inference form, statistics come from the running values   */
    int update_running; /* 1: the running values are updated (never twice for one step) */
} un_norm_attr;
typedef struct un_act_attr {
    int act;
    double slope;
} un_act_attr;
typedef struct un_pool_attr {
    int k[3], stride[3], pad[3], ceil_mode; /* pad: both sides, of nothing: windows are cut there */
} un_pool_attr;
typedef struct un_upsample_attr {
    int factor[3], linear, align_corners;
} un_upsample_attr;
typedef struct un_spread_attr {
    int mean; /* 1: divided by the number of pixels */
} un_spread_attr;
typedef struct un_blocks_attr {
    int size[3];
} un_blocks_attr;
typedef struct un_dropout_attr {
    double p;
    int spatial, sample; /* 1: whole channels; all of a sample */
    int block;           /* above 1: blocks of so many pixels a side */
    int stream;          /* names the random stream: equal in a recomputed copy and in the gradient */
} un_dropout_attr;
typedef struct un_softmax_attr {
    int sigmoid;
} un_softmax_attr;
typedef struct un_loss_attr {
    int kind, form, factor; /* un_loss_kind, un_loss_form, un_loss_factor of kernels/args.h, as all others here */
    double weight, smoothing, smooth;
    int batch, background, squared;
    double alpha, beta, gamma, delta, q, pos_weight, share, threshold, radius, spacing[3];
} un_loss_attr;
typedef struct un_slice_attr {
    int index; /* which input of the concat (the node's origin) the channels belong to */
} un_slice_attr;
typedef struct un_clip_attr {
    double max_norm; /* 0: no clipping */
} un_clip_attr;
typedef struct un_limit_attr {
    double limit, eps; /* agc: norms of weights below eps count as eps */
    int axis;          /* agc: of the weight, along which units are counted; UN_NONE: all of it is one */
} un_limit_attr;
typedef struct un_optim_attr {
    int kind; /* un_optim_kind of kernels/args.h, as all others here */
    double lr_mult, weight_decay, l1, beta1, beta2, eps, momentum;
    int nesterov, centred, decoupled, adapt;
} un_optim_attr;
typedef struct un_perturb_attr {
    double rho;
} un_perturb_attr;
typedef struct un_lookahead_attr {
    int every; /* steps */
    double alpha;
} un_lookahead_attr;

typedef union un_attr {
    un_no_attr none;
    un_conv_attr conv;
    un_norm_attr norm;
    un_act_attr act;
    un_pool_attr pool;
    un_upsample_attr upsample;
    un_spread_attr spread;
    un_blocks_attr blocks;
    un_dropout_attr dropout;
    un_softmax_attr softmax;
    un_loss_attr loss;
    un_slice_attr slice;
    un_clip_attr clip;
    un_limit_attr limit;
    un_optim_attr optim;
    un_perturb_attr perturb;
    un_lookahead_attr lookahead;
} un_attr;

/* ---- values, nodes, parameters ---- */

/* Where the elements of a value live. */
typedef enum un_store {
    UN_STORE_ACT,   /* the session's planned block                                          */
    UN_STORE_CONST, /* the same, but kept for the plan's whole life: class weights          */
    UN_STORE_PARAM, /* the model's parameter block                                          */
    UN_STORE_GRAD   /* the gradient block: same layout as the parameter block               */
} un_store;
typedef enum un_type { UN_TYPE_REAL, UN_TYPE_F32, UN_TYPE_I32 } un_type; /* REAL: float or double, the plan decides */

typedef struct un_value {
    const char *name;
    un_store store;
    un_type type;
    int producer; /* node, or UN_NONE for inputs and parameters  */
    int param;    /* index into params for PARAM and GRAD        */
    int channels; /* of inputs; 0: any                           */
} un_value;

typedef enum un_param_role {
    UN_PARAM_WEIGHT,
    UN_PARAM_BIAS,
    UN_PARAM_NORM_SCALE,
    UN_PARAM_NORM_SHIFT,
    UN_PARAM_RUNNING_MEAN,
    UN_PARAM_RUNNING_VAR,
    UN_PARAM_COUNT
} un_param_role;

typedef struct un_param {
    const char *name; /* stable: "enc0.conv0.weight" */
    un_param_role role;
    int group; /* optimiser group: 0 unless the user makes more */
    int trainable;
    int rank, dims[UN_MAX_RANK]; /* PyTorch's layout */
    int64_t count;               /* elements               */
    int64_t offset;              /* elements from the start of the block, multiple of 16 */
    int value;
} un_param;

typedef struct un_node {
    un_op op;
    const char *name;
    int n_in, n_out;
    int in[UN_MAX_INPUTS], out[UN_MAX_OUTPUTS];
    un_attr attr;
    int origin; /* gradient and recomputed nodes: the forward node they belong to; else UN_NONE */
} un_node;

typedef struct un_graph {
    un_mem *mem;
    un_arena *arena; /* names */
    un_value *value;
    un_node *node;
    un_param *param;
    int n_values, n_nodes, n_params, cap_values, cap_nodes, cap_params;
    int *input, *output; /* value ids in the order of the interface */
    int n_inputs, n_outputs, cap_inputs, cap_outputs;
    int64_t block_count; /* elements of the parameter block */
    int failed;          /* an append ran out of memory: checked once by un_graph_check */
} un_graph;

UN_NODISCARD unet_status un_graph_create(un_graph **out, un_mem *mem, unet_error *err);
void un_graph_destroy(un_graph *g); /* NULL is fine */
UN_NODISCARD unet_status un_graph_clone(un_graph **out, un_mem *mem, const un_graph *g, unet_error *err);

/* Appending. Ids are returned; on lack of memory or bad counts the graph is marked `failed` and 0 comes back, so that
 * builders stay readable; un_graph_check then reports it. Names are copied. */
int un_graph_input(un_graph *g, const char *name, un_type type, int channels);
int un_graph_const(un_graph *g, const char *name, un_type type, int channels); /* kept, uploaded once */
int un_graph_param(
    un_graph *g, const char *name, un_param_role role, int trainable, int rank, const int *dims); /* value id */
int un_graph_grad(un_graph *g, int param); /* the value of a parameter's gradient */
/* Adds a node with its outputs; returns the node id. The first output is node[id].out[0]. */
int un_graph_node(un_graph *g, un_op op, const char *name, const int *in, int n_in, const un_attr *attr);
/* The same with existing values as outputs (gradients of parameters); UN_NONE: this output is not wanted, UN_NEW: make
 * one. */
int un_graph_node_to(
    un_graph *g, un_op op, const char *name, const int *in, int n_in, const int *out, const un_attr *attr);
void un_graph_output(un_graph *g, int value);

/* Convenience: the first output of a new node. */
int un_graph_op(un_graph *g, un_op op, const char *name, const int *in, int n_in, const un_attr *attr);

int un_graph_find_param(const un_graph *g, const char *name); /* index, or UN_NONE */
int un_graph_find_value(const un_graph *g, const char *name); /* first value of that name, or UN_NONE */

/* Everything a graph must fulfil whoever made it: ids in range, inputs defined before use, single assignment, counts,
 * attribute ranges, parameter layout. The only gate for graphs that come from files. */
UN_NODISCARD unet_status un_graph_check(const un_graph *g, unet_error *err);

/* Extents of all activation values for the extents of the inputs (shapes[n_values], filled; entries of the inputs are
 * given). Parameters are checked against what the operators expect. */
UN_NODISCARD unet_status un_graph_infer(const un_graph *g, un_shape *shapes, unet_error *err);

/* First channel of a slice node in its input. */
int un_slice_first(const un_graph *g, const un_node *n, const un_shape *shapes);

/* ---- operator descriptors ---- */

typedef enum un_field_type { UN_FIELD_INT, UN_FIELD_INT3, UN_FIELD_DOUBLE, UN_FIELD_BOOL, UN_FIELD_ENUM } un_field_type;
typedef struct un_field {
    const char *name;
    un_field_type type;
    int offset;               /* in un_attr */
    double low, high;         /* inclusive range */
    const char *const *names; /* ENUM: NULL-terminated */
    double fallback;          /* value when a file does not state it */
} un_field;

struct un_gradients; /* ir/gradients.h */

/* What an operator's own file says of it (src/ops). */
typedef struct un_op_rules {
    const un_field *fields;
    int n_fields;
    unsigned like_mask; /* bit i: input i is asked for its extents only, its content may be gone */
    /* Fills shapes of the outputs; the node's ids are valid, input shapes known. NULL: no activation outputs. */
    unet_status (*infer)(const un_graph *g, const un_node *n, un_shape *s, unet_error *err);
    /* Multiply-adds of one run; NULL: none worth counting. */
    double (*macs)(const un_graph *g, const un_node *n, const un_shape *s);
    /* Appends the nodes that turn the gradients of the outputs into gradients of the inputs; NULL: has none. */
    unet_status (*grad)(struct un_gradients *gs, int node, unet_error *err);
} un_op_rules;

/* A row of ops.def with its rules. */
typedef struct un_op_info {
    const char *name;
    int version, least_inputs, most_inputs, outputs;
    const un_op_rules *rules;
} un_op_info;

const un_op_info *un_op_describe(un_op op);
int un_op_by_name(const char *name);     /* UN_NONE: no such operator */
extern const char *const un_act_names[]; /* NULL-terminated, by un_act */

#endif
