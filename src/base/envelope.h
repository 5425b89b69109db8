/* The lower envelope of parabolas, the step of exact distance transforms (Felzenszwalb and Huttenlocher 2012). */
#ifndef UN_BASE_ENVELOPE_H
#define UN_BASE_ENVELOPE_H

#include <stddef.h>

/* A line of n samples, in memory of un_envelope_bytes(n) at an address that suits doubles. */
typedef struct un_envelope {
    double *value;  /* [n] in; may be INFINITY */
    double *result; /* [n] out: result[q] = min over p of value[p] + (step (q - p))^2 */
    double *from;   /* [n] where parabola i of the envelope begins */
    int *vertex;    /* [n] its sample */
} un_envelope;

size_t un_envelope_bytes(int n);
un_envelope un_envelope_of(int n, void *room);
void un_envelope_run(un_envelope *e, int n, double step);

#endif
