/* Our own elementary functions in double, so that no math library changes the bits of a result.
 * Relative error below 5e-16 for exp and log, 3e-15 for tanh; absolute 2e-15 for erf, sin, cos; checked in tests/unit
 * against the C library. */
#ifndef UN_BASE_MATH_H
#define UN_BASE_MATH_H

double un_sqrt(double x);            /* correctly rounded (hardware)                     */
double un_exp(double x);             /* 0 below -745, +inf above 709.78                  */
double un_log(double x);             /* x > 0; -inf at 0, NaN below                      */
double un_pow(double x, double y);   /* x >= 0; exp(y log x), error grows with |y log x| */
double un_tanh(double x);
double un_erf(double x);             /* absolute error below 2e-15                       */
double un_cos2pi(double turns);      /* cos(2 pi turns), |turns| < 1e9                   */
double un_sin2pi(double turns);
double un_floor(double x);
double un_round(double x);           /* half away from zero */

#endif
