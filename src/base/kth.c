#include "base/kth.h"

#include "base/math.h"

/* Hoare, "Algorithm 65: find", 1961; the middle one is the pivot. */
double un_kth(double *a, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;

    while (lo < hi) {
        const double pivot = a[lo + (hi - lo) / 2];
        int64_t i = lo, j = hi;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                const double swap = a[i];

                a[i++] = a[j];
                a[j--] = swap;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            break;
    }
    return a[k];
}

double un_quantile(double *a, int64_t n, double share)
{
    const double place = share * (double)(n - 1);
    const int64_t k = (int64_t)un_floor(place);
    const double below = un_kth(a, n, k);
    double above = below;

    if (k + 1 < n)
        above = un_kth(a + k + 1, n - k - 1, 0);
    return below + (above - below) * (place - (double)k);
}
