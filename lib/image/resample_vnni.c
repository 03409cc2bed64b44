/*
 * resample_vnni.c -- the resampling passes of resample_256.h where multiply and add are one.
 */
#if defined(__x86_64__)
#define MULTIPLY_ADD(sum, p, k) _mm256_dpwssd_epi32(sum, p, k)
#define ROWS                    8
#include "resample_256.h"

const struct resample_kernels resample_vnni = {"vnni", across, down};
#else
typedef int resample_vnni_is_for_x86_64;
#endif
