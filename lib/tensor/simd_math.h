/*
 * simd_math.h -- exp, the logistic function, tanh, the normal distribution and the activations, on
 * vectors.
 *
 *   exp x   = 2^n e^r,  n = round(x / ln 2),  e^r = 1 + r + r^2 p(r)        about 1 ulp
 *   Phi x   = 1/2 + x P(x^2) / Q(x^2)         = (1 + erf(x / sqrt 2)) / 2   about 1e-7
 *   gelu x  = x Phi(x)           quick_gelu x = x / (1 + exp(-1.702 x))
 *
 * p, P and Q are minimax fits made for these intervals. Included after one of the simd_*.h.
 */
#ifndef VLP_SIMD_MATH_H
#define VLP_SIMD_MATH_H

#include <vlp/tensor.h>

/* e^r on |r| <= ln 2 / 2, and n */
static inline vf v_exp_parts(vf x, vf *n)
{
    *n = v_round(v_mul(x, v_set1(1.44269504f)));
    /* ln 2 in two pieces, the first of few bits, so that n times it is exact (Cody and Waite) */
    vf r = v_fnma(*n, v_set1(0.693359375f), x);
    r = v_fnma(*n, v_set1(-2.12194440e-4f), r);
    vf p = v_set1(1.38144311e-3f);
    p = v_fma(p, r, v_set1(8.36879689e-3f));
    p = v_fma(p, r, v_set1(4.16683958e-2f));
    p = v_fma(p, r, v_set1(1.66665200e-1f));
    p = v_fma(p, r, v_set1(4.99999934e-1f));
    return v_add(v_fma(v_mul(p, r), r, r), v_set1(1.0f));
}

/* Overflow gives infinity, underflow zero by way of subnormals, NaN stays NaN. */
static inline vf v_exp(vf x)
{
    vf       n;
    const vf in = v_min(v_set1(89.0f), v_max(v_set1(-104.0f), x));
    const vf y = v_exp_parts(in, &n);
    return v_scale2(y, n);
}

#ifndef V_EXP_WEIGHT /* a level may have its own */
/* exp(x) for x <= 0 where what is below e^-87 may be zero: the weights of a softmax */
static inline vf v_exp_weight(vf x)
{
    vf       n;
    const vf low = v_set1(-87.0f);
    const vf y = v_exp_parts(v_max(low, x), &n);
    const vi e = vi_shl(v_to_vi(n), 23);
    return v_if_less(x, low, v_zero(), v_of_bits(vi_add(v_bits(y), e)));
}
#endif

static inline vf v_sigmoid(vf x)
{
    const vf one = v_set1(1.0f);
    return v_div(one, v_add(one, v_exp(v_sub(v_zero(), x))));
}

static inline vf v_tanh(vf x)
{
    /* Near zero a series, elsewhere 1 - 2 / (e^2|x| + 1). */
    const vf a = v_abs(x), one = v_set1(1.0f), t = v_mul(x, x);
    const vf far = v_sub(one, v_div(v_set1(2.0f), v_add(v_exp(v_add(a, a)), one)));
    vf       p = v_set1(-1382.0f / 155925.0f);
    p = v_fma(p, t, v_set1(62.0f / 2835.0f));
    p = v_fma(p, t, v_set1(-17.0f / 315.0f));
    p = v_fma(p, t, v_set1(2.0f / 15.0f));
    p = v_fma(p, t, v_set1(-1.0f / 3.0f));
    const vf near = v_fma(v_mul(p, t), a, a);
    return v_copysign(v_if_less(a, v_set1(0.3f), near, far), x);
}

/* Phi(x) - 1/2 */
static inline vf v_phi_half(vf x)
{
    const vf edge = v_set1(5.6f); /* beyond it Phi is 0 or 1 in a float */
    const vf z = v_min(edge, v_max(v_set1(-5.6f), x));
    const vf t = v_mul(z, z);
    vf       p = v_set1(2.17061422e-8f);
    p = v_fma(p, t, v_set1(6.52521818e-6f));
    p = v_fma(p, t, v_set1(1.86756461e-4f));
    p = v_fma(p, t, v_set1(4.78580763e-3f));
    p = v_fma(p, t, v_set1(3.55554114e-2f));
    p = v_fma(p, t, v_set1(3.98942105e-1f));
    vf q = v_set1(1.17998428e-6f);
    q = v_fma(q, t, v_set1(7.96743417e-5f));
    q = v_fma(q, t, v_set1(1.98519365e-3f));
    q = v_fma(q, t, v_set1(2.96316232e-2f));
    q = v_fma(q, t, v_set1(2.55788407e-1f));
    q = v_fma(q, t, v_set1(1.0f));
    const vf h = v_quotient(v_mul(z, p), q), half = v_set1(0.5f);
    return v_min(half, v_max(v_sub(v_zero(), half), h));
}

static inline vf v_gelu(vf x)
{
    return v_mul(x, v_add(v_set1(0.5f), v_phi_half(x)));
}

static inline vf v_quick_gelu(vf x)
{
    /* Below -49.94 the value is -49.94 e^-85, zero to any sum that it enters; e^-1.702x of what is
     * lower would soon be infinite. */
    vf       n;
    const vf one = v_set1(1.0f), low = v_max(v_set1(-49.94f), x);
    const vf y = v_exp_parts(v_max(v_set1(-87.0f), v_mul(low, v_set1(-1.702f))), &n);
    const vf e = v_of_bits(vi_add(v_bits(y), vi_shl(v_to_vi(n), 23)));
    return v_quotient(low, v_add(one, e));
}

static inline vf v_activate(enum vlp_activation act, vf x)
{
    switch (act) {
    case VLP_ACT_NONE: break;
    case VLP_ACT_GELU: return v_gelu(x);
    case VLP_ACT_QUICK_GELU: return v_quick_gelu(x);
    case VLP_ACT_RELU: return v_max(v_zero(), x);
    case VLP_ACT_TANH: return v_tanh(x);
    }
    return x;
}

/* The derivative at x. */
static inline vf v_activate_slope(enum vlp_activation act, vf x)
{
    const vf one = v_set1(1.0f);
    switch (act) {
    case VLP_ACT_NONE: break;
    case VLP_ACT_GELU: { /* Phi(x) + x phi(x) */
        const vf phi = v_exp(v_mul(v_mul(x, x), v_set1(-0.5f)));
        return v_fma(v_mul(x, v_set1(0.398942280f)), phi, v_add(v_set1(0.5f), v_phi_half(x)));
    }
    case VLP_ACT_QUICK_GELU: { /* s + 1.702 x s (1 - s) */
        const vf s = v_sigmoid(v_mul(x, v_set1(1.702f)));
        return v_fma(v_mul(v_mul(x, v_set1(1.702f)), s), v_sub(one, s), s);
    }
    case VLP_ACT_RELU: return v_if_less(v_zero(), x, one, v_zero());
    case VLP_ACT_TANH: {
        const vf y = v_tanh(x);
        return v_fnma(y, y, one);
    }
    }
    return one;
}

#endif
