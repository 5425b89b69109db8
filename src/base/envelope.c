#include "base/envelope.h"

#include <math.h>

size_t un_envelope_bytes(int n)
{
    return (size_t)n * (3 * sizeof(double) + sizeof(int)) + sizeof(double);
}

un_envelope un_envelope_of(int n, void *room)
{
    double *p = room;

    return (un_envelope){.value = p, .result = p + n, .from = p + 2 * n, .vertex = (int *)(p + 3 * n)};
}

void un_envelope_run(un_envelope *e, int n, double step)
{
    int last = -1, k = 0;

    for (int q = 0; q < n; q++) {
        double start = -INFINITY;

        if (isinf(e->value[q])) /* no parabola */
            continue;
        while (last >= 0) {
            const int p = e->vertex[last];
            const double pq = step * p, qq = step * q;

            start = (e->value[q] + qq * qq - e->value[p] - pq * pq) / (2 * (qq - pq));
            if (start > e->from[last])
                break;
            last--;
            start = -INFINITY;
        }
        e->vertex[++last] = q;
        e->from[last] = start;
    }
    for (int q = 0; q < n; q++) {
        double d;

        if (last < 0) {
            e->result[q] = INFINITY;
            continue;
        }
        while (k < last && e->from[k + 1] < step * q)
            k++;
        d = step * (q - e->vertex[k]);
        e->result[q] = e->value[e->vertex[k]] + d * d;
    }
}
