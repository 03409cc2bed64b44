/*
 * computing.h -- what computing is tested with: a level of the CPU, threads, numbers.
 */
#ifndef VLP_TESTS_COMPUTING_H
#define VLP_TESTS_COMPUTING_H

#include <vlp/tensor.h>

/* In f32, at the best level of this machine; `pool` may be NULL. */
struct vlp_compute compute_with(struct vlp_pool *pool);
/* At a level, with a pool of this many threads that the caller closes; NULL of one. */
struct vlp_compute level(int cpu, int threads, enum vlp_precision p);
/* n numbers of mean 0 and deviation `scale`; the caller frees them. */
float *random_floats(size_t n, uint64_t seed, float scale);

#endif
