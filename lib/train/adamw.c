/*
 * adamw.c -- one fused pass over all parameters, and the norm of their gradients.
 *
 * Work is cut into pieces of PIECE elements of one parameter, so that threads share a large matrix
 * and small vectors cost nothing; a piece's result does not depend on who computes it.
 */
#include <math.h>
#include <stdlib.h>

#include "adamw_internal.h"

enum { PIECE = 32768 };

struct piece {
    const struct vlp_trained *p;
    size_t                    from, count;
};

static struct piece *cut(const struct vlp_trained *p, int n, int *pieces)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) total += (vlp_numel(&p[i].param->tensor) + PIECE - 1) / PIECE;
    struct piece *list = vlp_calloc(total + 1, sizeof *list);
    size_t        k = 0;
    for (int i = 0; i < n; i++) {
        const size_t len = vlp_numel(&p[i].param->tensor);
        for (size_t at = 0; at < len; at += PIECE)
            list[k++] = (struct piece){&p[i], at, len - at < PIECE ? len - at : PIECE};
    }
    *pieces = (int)k;
    return list;
}

struct update {
    const struct piece     *piece;
    const struct vlp_adamw *o;
    adamw_kernel           *kernel;
    double                  lr;
    float                   fix1; /* 1 - b1^t */
    struct adamw_row        row;  /* what all pieces share */
};

static void update_piece(void *ctx, int i, int worker)
{
    (void)worker;
    const struct update      *u = ctx;
    const struct piece       *q = &u->piece[i];
    const struct vlp_trained *t = q->p;
    struct adamw_row          r = u->row;
    const double              lr = u->lr * t->rate;
    r.keep = t->decay ? (float)(1.0 - lr * u->o->weight_decay) : 1.0f;
    r.step = (float)lr / u->fix1;
    r.p = t->param->tensor.data + q->from;
    r.m = t->m + q->from;
    r.v = t->v + q->from;
    r.grad = t->param->tensor.grad + q->from;
    r.ema = t->ema && !t->clamp ? t->ema + q->from : NULL;
    r.n = q->count;
    u->kernel(&r);
}

static adamw_kernel *kernel_for(enum vlp_cpu cpu)
{
#if defined(__x86_64__)
    if (cpu >= VLP_CPU_AVX512) return adamw_row_avx512;
    if (cpu >= VLP_CPU_AVX2) return adamw_row_avx2;
#endif
    (void)cpu;
    return adamw_row_portable;
}

void vlp_adamw_step(const struct vlp_compute *c, const struct vlp_adamw *o, struct vlp_trained *p,
                    int n, double lr, int64_t step, float scale, float ema_decay)
{
    int           pieces;
    struct piece *piece = cut(p, n, &pieces);
    struct update u = {
        .piece = piece,
        .o = o,
        .lr = lr,
        .fix1 = (float)(1.0 - pow(o->beta1, (double)step)),
        .kernel = kernel_for(c->cpu),
        .row = {.b1 = o->beta1,
                .b2 = o->beta2,
                .eps = o->eps,
                .scale = scale,
                .ema_decay = ema_decay,
                .fix2 = (float)sqrt(1.0 - pow(o->beta2, (double)step))},
    };
    vlp_parallel(c->pool, pieces, update_piece, &u);
    free(piece);
}

struct squares {
    const struct piece *piece;
    double             *sum;
};

static void square_piece(void *ctx, int i, int worker)
{
    (void)worker;
    const struct squares *s = ctx;
    const struct piece   *q = &s->piece[i];
    const float          *g = q->p->param->tensor.grad + q->from;
    double lane[8] = {0}; /* eight sums side by side: fast, and always the same order */
    size_t k = 0;
    for (; k + 8 <= q->count; k += 8)
        for (int j = 0; j < 8; j++) lane[j] += (double)g[k + (size_t)j] * g[k + (size_t)j];
    for (; k < q->count; k++) lane[0] += (double)g[k] * g[k];
    s->sum[i] =
        ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

double vlp_gradient_norm(const struct vlp_compute *c, const struct vlp_trained *p, int n)
{
    int            pieces;
    struct piece  *piece = cut(p, n, &pieces);
    double        *sum = vlp_calloc((size_t)pieces + 1, sizeof *sum), total = 0;
    struct squares s = {piece, sum};
    vlp_parallel(c->pool, pieces, square_piece, &s);
    for (int i = 0; i < pieces; i++) total += sum[i];
    free(sum);
    free(piece);
    return sqrt(total);
}
