/* F(6x6, 3x3): 64 products for 36 outputs. */
#define UN_OUT 6
#include "kernels/simd/winograd.inc"

KERNEL(conv_winograd6, UN_K_CONV, conv, 0);
KERNEL(conv_dgrad_winograd6, UN_K_CONV_DGRAD, dgrad, 0);
#if UN_KEPT
KERNEL(conv_winograd6_kept, UN_K_CONV, kept, 1);
#endif
