/*
 * resample_avx2.c -- the resampling passes of resample_256.h for AVX2.
 */
#define MULTIPLY_ADD(sum, p, k) _mm256_add_epi32(sum, _mm256_madd_epi16(p, k))
#define ROWS                    4
#include "resample_256.h"

const struct resample_kernels resample_avx2 = {"avx2", across, down};
