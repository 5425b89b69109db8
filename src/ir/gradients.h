/* What an operator's gradient rule may use: asks for the gradient that arrived at its outputs, adds what it finds for
 * its inputs. Owned and driven by graph/autodiff.c. */
#ifndef UN_IR_GRADIENTS_H
#define UN_IR_GRADIENTS_H

#include "ir/graph.h"

typedef struct un_gradients {
    un_graph *g;
    int *grad;     /* [values]: the gradient value that arrived so far, or UN_NONE */
    char *needed;  /* [values]: whether anything trainable lies behind it          */
    int n_values;  /* values of the forward part                                   */
} un_gradients;

/* The gradient of a value, or UN_NONE when nothing arrived. */
int un_gradients_of(const un_gradients *gs, int value);
/* Whether it is worth computing: a trainable parameter lies behind it. */
int un_gradients_wanted(const un_gradients *gs, int value);
/* Adds one contribution (an activation value) to an input's gradient: the first one is taken, later ones are summed. */
void un_gradients_add(un_gradients *gs, int value, int contribution);
/* Replaces what arrived: for rules that already folded the earlier contributions in. */
void un_gradients_replace(un_gradients *gs, int value, int contribution);
/* Appends a gradient node for forward node `of`, returns its id. */
int un_gradients_node(un_gradients *gs, int of, un_op op, const int *in, int n_in);

#endif
