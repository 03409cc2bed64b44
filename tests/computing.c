/*
 * computing.c -- what computing is tested with.
 */
#include <check.h>

#include "computing.h"

struct vlp_compute compute_with(struct vlp_pool *pool)
{
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, pool, NULL, VLP_PRECISION_F32, &err), VLP_OK);
    return c;
}

struct vlp_compute level(int cpu, int threads, enum vlp_precision p)
{
    struct vlp_compute c;
    struct vlp_pool   *pool = threads > 1 ? vlp_pool_open(threads) : NULL;
    ck_assert_int_eq(vlp_compute_init(&c, pool, vlp_cpu_name((enum vlp_cpu)cpu), p, NULL), VLP_OK);
    return c;
}

float *random_floats(size_t n, uint64_t seed, float scale)
{
    float         *p = vlp_malloc((n + 1) * sizeof *p); /* of none as well */
    struct vlp_rng r;
    vlp_rng_seed(&r, seed, n);
    for (size_t i = 0; i < n; i++) p[i] = scale * (float)vlp_rng_normal(&r);
    return p;
}
