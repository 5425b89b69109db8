/* F(4x4, 3x3): 36 products for 16 outputs. */
#define UN_OUT 4
#include "kernels/simd/winograd.inc"

KERNEL(conv_winograd4, UN_K_CONV, conv);
KERNEL(conv_dgrad_winograd4, UN_K_CONV_DGRAD, dgrad);
