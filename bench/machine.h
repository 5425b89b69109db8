/* What a machine can do at most, measured: the bounds that the benchmarks compare with. */
#ifndef UN_BENCH_MACHINE_H
#define UN_BENCH_MACHINE_H

double machine_peak(int level); /* float32 GFLOP/s of one thread with the registers of a CPU level */
double machine_bandwidth(void); /* GB/s of one thread that copies, bytes read and written together */

#endif
