/* Chains of nodes that run band by band (ir/plan.h): which, and what that allows. Part of the planner. */
#ifndef UN_GRAPH_BANDS_H
#define UN_GRAPH_BANDS_H

#include "graph/planner.h"

/* Sets p->rows, p->chain, p->n_chains and extends the lives of what the chains read and write. p->fused and the nodes
 * that it moves are known. */
UN_NODISCARD unet_status un_plan_bands(un_plan *p, un_span *span, const un_plan_options *opt, unet_error *err);

int un_plan_out(const un_plan *p, int node);                 /* the value that a node makes, fused or not     */
int un_plan_banded(const un_plan *p, int v);                 /* 1: only a band of its rows is there at a time */
int un_plan_in_chain(const un_plan *p, int v);               /* 1: made in bands, there or not                */
int un_plan_may_join(const un_plan *p, int part, int whole); /* whether the part can be made inside of the whole */
/* Whether what node i of the chain makes can be written over x, made before the chain and of the same extents: no row
 * of it is written before all of the chain have read that of x. */
int un_plan_may_replace(const un_plan *p, const un_chain *c, int i, int x);

#endif
