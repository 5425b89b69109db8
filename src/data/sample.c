/* Pictures between data set and trainer. */
#include "data/sample.h"

#include <string.h>

void un_picture_free(un_picture *p)
{
    if (!p)
        return;
    un_free(p->image);
    un_free(p->target);
    un_free(p->soft);
    un_free(p->weight);
    memset(p, 0, sizeof *p);
}
