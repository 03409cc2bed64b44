/*
 * resample_vnni.c -- the resampling passes of resample_256.h where multiply and add are one.
 */
#define MULTIPLY_ADD(sum, p, k) _mm256_dpwssd_epi32(sum, p, k)
#define ROWS                    8
#include "resample_256.h"

const struct resample_kernels resample_vnni = {"vnni", across, down};
