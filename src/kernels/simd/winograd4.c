/* F(4x4, 3x3): 36 products for 16 outputs. */
#define UN_OUT 4
#include "kernels/simd/winograd.inc"

KERNEL(conv_winograd4, UN_K_CONV, conv, 0);
KERNEL(conv_dgrad_winograd4, UN_K_CONV_DGRAD, dgrad, 0);
#if UN_KEPT
KERNEL(conv_winograd4_kept, UN_K_CONV, kept, 1);
#endif
