/*
 * kernels_avx512.c -- AVX-512: tiles of 14 rows by 32 columns.
 *
 * Where there is VNNI or BF16 the table is given their products (cpu.c); else bytes go through the
 * AVX2 tile and bfloats through floats.
 */
#include "simd_avx512.h"

#define TILE_ROWS     14
#define TILE_VECTORS  2
#define PEAK_SUMS     24
#define LEVEL_KERNELS vlp_kernels_avx512
#define LEVEL_INT8    vlp_gemm_int8_avx2

#include "kernels_impl.h"
