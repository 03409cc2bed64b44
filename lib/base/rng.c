/*
 * rng.c -- random numbers that depend on (seed, stream) alone.
 *
 * xoshiro256++ (Blackman and Vigna 2019), its state filled by SplitMix64 from the two.
 */
#include <math.h>

#include <vlp/base.h>

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void vlp_rng_seed(struct vlp_rng *r, uint64_t seed, uint64_t stream)
{
    uint64_t x = seed;
    x = splitmix(&x) ^ stream; /* neighbouring seeds and streams do not overlap: mixed one by one */
    for (int i = 0; i < 4; i++) r->s[i] = splitmix(&x);
}

static uint64_t rotl(uint64_t v, int k)
{
    return v << k | v >> (64 - k);
}

uint64_t vlp_rng_next(struct vlp_rng *r)
{
    uint64_t      *s = r->s;
    const uint64_t result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t vlp_rng_below(struct vlp_rng *r, uint32_t n)
{
    /* Lemire 2019: the high half of a product, values that would be too frequent drawn again. */
    uint64_t m = (vlp_rng_next(r) >> 32) * n;
    if ((uint32_t)m < n) {
        const uint32_t few = -n % n;
        while ((uint32_t)m < few) m = (vlp_rng_next(r) >> 32) * n;
    }
    return (uint32_t)(m >> 32);
}

double vlp_rng_uniform(struct vlp_rng *r)
{
    return (double)(vlp_rng_next(r) >> 11) * 0x1p-53;
}

double vlp_rng_normal(struct vlp_rng *r)
{
    double u, v, s;
    do {
        u = 2.0 * vlp_rng_uniform(r) - 1.0;
        v = 2.0 * vlp_rng_uniform(r) - 1.0;
        s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    return u * sqrt(-2.0 * log(s) / s); /* the second value is let go: no state beyond s[4] */
}
