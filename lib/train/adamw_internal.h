/*
 * adamw_internal.h -- the inner loop of AdamW, one source compiled for each instruction set.
 *
 * No level fuses a multiplication with an addition here, and square root and division are exact
 * everywhere: all levels give the same bits.
 */
#ifndef VLP_ADAMW_INTERNAL_H
#define VLP_ADAMW_INTERNAL_H

#include <math.h>

#include <vlp/train.h>

struct adamw_row {
    float       *p, *m, *v, *ema; /* ema may be NULL */
    const float *grad;
    size_t       n;
    float        b1, b2, eps, scale;
    float        keep, step; /* 1 - lr wd; lr / (1 - b1^t) */
    float        fix2;       /* sqrt(1 - b2^t) */
    float        ema_decay;
};
typedef void adamw_kernel(const struct adamw_row *r);
adamw_kernel adamw_row_portable, adamw_row_avx2, adamw_row_avx512;

static inline void adamw_row(const struct adamw_row *r)
{
    float *restrict p = r->p;
    float *restrict m = r->m;
    float *restrict v = r->v;
    const float *restrict grad = r->grad;
    const float b1 = r->b1, b2 = r->b2, eps = r->eps, scale = r->scale, keep = r->keep;
    const float step = r->step, fix2 = r->fix2;
    for (size_t k = 0; k < r->n; k++) {
        const float g = grad[k] * scale;
        m[k] = b1 * m[k] + (1.0f - b1) * g;
        v[k] = b2 * v[k] + (1.0f - b2) * (g * g);
        p[k] = p[k] * keep - step * (m[k] / (sqrtf(v[k]) / fix2 + eps));
    }
    if (!r->ema) return;
    float *restrict e = r->ema;
    const float d = r->ema_decay;
    for (size_t k = 0; k < r->n; k++) e[k] = d * e[k] + (1.0f - d) * p[k];
}

#endif
