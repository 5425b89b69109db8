/* A graph as text. */
#ifndef UN_IR_DUMP_H
#define UN_IR_DUMP_H

#include "base/text.h"
#include "ir/graph.h"

/* Appends one line for each input, node and output; shapes NULL: without extents. */
void un_graph_dump(un_text *t, const un_graph *g, const un_shape *shapes);

#endif
