/* The loss of a configuration as graph nodes: one or two for each term of loss.terms. */
#ifndef UN_TRAIN_TERMS_H
#define UN_TRAIN_TERMS_H

#include "config/config.h"
#include "ir/graph.h"

enum { UN_TERM_PARTS = 2 };

typedef struct un_loss_term {
    const char *name; /* word of the configuration: "ce" */
    double weight;
    int n_parts, value[UN_TERM_PARTS], factor[UN_TERM_PARTS]; /* the loss of each part: one element; un_loss_factor */
    int alpha;       /* constant F32 of one element, to be uploaded before each run; UN_NONE: alpha does not move */
    double from, to; /* alpha */
    double span[2];  /* shares of the training between which it moves */
} un_loss_term;

/* Values of the graph that the losses read: as the inputs of the operator `loss`. */
typedef struct un_loss_inputs {
    int logits, target, pixel_weight, class_weight;
    double share; /* of this output in the loss: factor of all weights; 0: 1 */
} un_loss_inputs;

/* Appends the terms of a checked configuration to the graph, their values as outputs. moving 0: alpha stays at its end.
 */
void un_loss_terms_add(
    un_loss_term term[UN_CFG_MAX_term], un_graph *g, const un_config *c, const un_loss_inputs *in, int moving);

/* Of step 1..total. */
double un_loss_term_alpha(const un_loss_term *t, int64_t step, int64_t total);
/* The term, before its weight, from the values of its parts. */
double un_loss_term_value(const un_loss_term *t, double alpha, const double parts[UN_TERM_PARTS]);

/* The target of the network's head as an input of the graph, the weights of the classes as a constant or UN_NONE. */
int un_loss_target(un_graph *g, const un_config *c);
int un_loss_class_weights(un_graph *g, const un_config *c);

#endif
