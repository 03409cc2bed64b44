/*
 * cross_entropy.c -- rows of scores against the right answer: a number, or probabilities.
 *
 *   forward     loss = mean over rows of  sum_j p_j (lse - x_j),  lse = log sum_j e^x_j
 *   backward    dx_j += dloss (softmax(x)_j sum p - p_j) / rows
 *
 * Hard targets are p = 1 at one place; rows with a negative target are left out of the mean.
 */
#include "op_internal.h"

#include <assert.h>
#include <math.h>

struct saved {
    const int32_t *hard; /* (N) or NULL */
    const float   *soft; /* (N, V) or NULL */
    float         *lse;  /* (N) */
    int            counted;
};

struct part {
    const struct saved *s;
    const float        *x;
    float              *dx;
    double             *loss; /* (N) */
    float               factor;
    int                 V;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++) {
        const float *x = p->x + (size_t)r * p->V;
        p->loss[r] = 0.0;
        if (p->s->hard && p->s->hard[r] < 0) continue;
        float max = x[0];
        for (int j = 1; j < p->V; j++) max = x[j] > max ? x[j] : max;
        double sum = 0.0;
        for (int j = 0; j < p->V; j++) sum += (double)op_exp(x[j] - max);
        const double lse = (double)max + log(sum);
        p->s->lse[r] = (float)lse;
        if (p->s->hard) {
            p->loss[r] = lse - (double)x[p->s->hard[r]];
        } else {
            const float *q = p->s->soft + (size_t)r * p->V;
            for (int j = 0; j < p->V; j++) p->loss[r] += (double)q[j] * (lse - (double)x[j]);
        }
    }
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++) {
        const float *x = p->x + (size_t)r * p->V;
        float       *dx = p->dx + (size_t)r * p->V;
        const float  lse = p->s->lse[r];
        if (p->s->hard) {
            if (p->s->hard[r] < 0) continue;
            for (int j = 0; j < p->V; j++) dx[j] += p->factor * op_exp(x[j] - lse);
            dx[p->s->hard[r]] -= p->factor;
        } else {
            const float *q = p->s->soft + (size_t)r * p->V;
            float        mass = 0.0f;
            for (int j = 0; j < p->V; j++) mass += q[j];
            for (int j = 0; j < p->V; j++) dx[j] += p->factor * (op_exp(x[j] - lse) * mass - q[j]);
        }
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct saved *s = n->saved;
    struct vlp_tensor  *x = n->in[0];
    if (s->counted == 0) return;
    struct part p = {.s = s,
                     .x = x->data,
                     .dx = x->grad,
                     .factor = n->out->grad[0] / (float)s->counted,
                     .V = vlp_cols(x)};
    op_split(t, vlp_rows(x), (size_t)p.V * 2, backward_rows, &p);
}

const struct vlp_op vlp_op_cross_entropy = {.name = "cross_entropy", .backward = backward};
const struct vlp_op vlp_op_cross_entropy_soft = {.name = "cross_entropy_soft",
                                                 .backward = backward};

static struct vlp_tensor *run(struct vlp_tape *t, const struct vlp_op *op, struct vlp_tensor *x,
                              const int32_t *hard, const float *soft)
{
    const int          N = vlp_rows(x), V = vlp_cols(x);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(1), false);
    struct saved      *s = vlp_record(t, op, y, sizeof *s, VLP_INPUTS(x));
    *s = (struct saved){.hard = hard, .soft = soft, .counted = 0};
    s->lse = vlp_arena_alloc(t->mem, (size_t)N * sizeof *s->lse);
    for (int r = 0; r < N; r++) {
        assert(!hard || hard[r] < V);
        s->counted += !hard || hard[r] >= 0;
    }
    struct part p = {
        .s = s, .x = x->data, .loss = vlp_arena_alloc(t->mem, (size_t)N * sizeof(double)), .V = V};
    op_split(t, N, (size_t)V * 2, forward_rows, &p);
    double sum = 0.0;
    for (int r = 0; r < N; r++) sum += p.loss[r];
    y->data[0] = s->counted ? (float)(sum / s->counted) : 0.0f;
    return y;
}

struct vlp_tensor *vlp_cross_entropy(struct vlp_tape *t, struct vlp_tensor *x,
                                     const int32_t *target)
{
    const size_t n = (size_t)vlp_rows(x);
    int32_t     *copy = vlp_arena_alloc(t->mem, n * sizeof *copy);
    memcpy(copy, target, n * sizeof *copy);
    return run(t, &vlp_op_cross_entropy, x, copy, NULL);
}

struct vlp_tensor *vlp_cross_entropy_soft(struct vlp_tape *t, struct vlp_tensor *x,
                                          const struct vlp_tensor *target)
{
    assert(vlp_numel(target) == vlp_numel(x));
    return run(t, &vlp_op_cross_entropy_soft, x, NULL, target->data);
}
