/* A forward graph as JSON text and back: what a model file stores. Value numbers: inputs, then parameters, then the
 * outputs of the nodes in order. */
#ifndef UN_MODEL_GRAPH_JSON_H
#define UN_MODEL_GRAPH_JSON_H

#include "base/text.h"
#include "ir/graph.h"

enum { UN_GRAPH_JSON_VERSION = 1 };

/* Forward operators only. Failure to grow sticks in the text. */
UN_NODISCARD unet_status un_graph_to_json(const un_graph *g, un_text *t, unet_error *err);

/* Hostile text gives an error; what comes back has passed un_graph_check. Newer operators: UNET_E_VERSION. */
UN_NODISCARD unet_status un_graph_from_json(
    un_graph **out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err);

#endif
