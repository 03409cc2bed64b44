/*
 * attention.c -- softmax attention of flat rows, per sequence and head.
 *
 *   forward     P = softmax(scale q k^T + bias),  y = P v,  lse kept for backward
 *   backward    P again from lse, tile by tile;  D = rows of (dy . y)
 *               dv += P^T dy,  dS = P (dy v^T - D),  dq += scale dS k,  dk += scale dS^T q,
 *               dbias += dS
 *
 * No score matrix is larger than a tile. A task owns one head of one sequence, or, where the bias
 * wants a gradient, one head of all sequences in order.
 */
#include "op_internal.h"

#include <assert.h>
#include <math.h>

enum { TILE_Q = 64, TILE_K = 256 };
enum { Q, K, V, BIAS };

struct saved {
    struct vlp_attention_options o;
    int                          C, q_col, k_col, v_col;
    float                       *lse;
};

struct job {
    struct vlp_compute       c;
    const struct vlp_node   *n;
    const struct saved      *s;
    const struct vlp_tensor *q, *k, *v, *bias;
    float                   *scratch; /* (threads, PER_WORKER) */
    int                      D;
    float                    scale;
    bool                     by_head;
};

enum { PER_WORKER = 2 * TILE_Q * TILE_K + TILE_Q };

/* One tile of scores becomes P (in place) and dS (in dp). */
static void tile_softmax(const struct job *j, int h, float *p, float *dp, const float *delta,
                         int tq, int tk, const float *lse, int i0, int j0, int shift)
{
    const struct vlp_tensor *bias = j->bias;
    for (int i = 0; i < tq; i++) {
        float       *row = p + (size_t)i * tk, *drow = dp + (size_t)i * tk;
        const float  l = lse[(size_t)i * j->s->o.heads];
        const size_t bias_row = bias ? ((size_t)h * bias->dim[1] + i0 + i) * bias->dim[2] + j0 : 0;
        int          sees = j->s->o.causal ? i0 + i + shift + 1 - j0 : tk;
        if (sees > tk) sees = tk;
        if (sees < 0) sees = 0;
        if (bias)
            for (int k = 0; k < sees; k++) row[k] += bias->data[bias_row + k];
        for (int k = 0; k < sees; k++) row[k] = op_exp(row[k] - l);
        for (int k = sees; k < tk; k++) row[k] = 0.0f;
        for (int k = 0; k < tk; k++) drow[k] = row[k] * (drow[k] - delta[i]);
        if (bias && bias->grad)
            for (int k = 0; k < tk; k++) bias->grad[bias_row + k] += drow[k];
    }
}

static void one_head(const struct job *j, int s, int h, float *scratch)
{
    const struct vlp_tensor *q = j->q, *k = j->k, *v = j->v, *y = j->n->out;
    const struct saved      *o = j->s;
    const int D = j->D, ldq = vlp_cols(q), ldk = vlp_cols(k), ldv = vlp_cols(v), ldy = o->C;
    const int qa = o->o.q_seqs.start[s], qb = o->o.q_seqs.start[s + 1];
    const int ka = o->o.k_seqs.start[s], kb = o->o.k_seqs.start[s + 1];
    const int shift = (kb - ka) - (qb - qa);
    float    *p = scratch, *dp = p + TILE_Q * TILE_K, *delta = dp + TILE_Q * TILE_K;

    for (int i0 = qa; i0 < qb; i0 += TILE_Q) {
        const int    tq = qb - i0 < TILE_Q ? qb - i0 : TILE_Q;
        const size_t y_at = (size_t)i0 * ldy + (size_t)h * D;
        const size_t q_at = (size_t)i0 * ldq + o->q_col + (size_t)h * D;
        for (int i = 0; i < tq; i++)
            delta[i] = vlp_dot(&j->c, y->grad + y_at + (size_t)i * ldy,
                               y->data + y_at + (size_t)i * ldy, D);
        for (int j0 = ka; j0 < kb; j0 += TILE_K) {
            if (o->o.causal && j0 - ka > i0 - qa + tq - 1 + shift) break;
            const int    tk = kb - j0 < TILE_K ? kb - j0 : TILE_K;
            const size_t k_at = (size_t)j0 * ldk + o->k_col + (size_t)h * D;
            const size_t v_at = (size_t)j0 * ldv + o->v_col + (size_t)h * D;
            vlp_gemm(&j->c, VLP_PRECISION_F32, false, true, tq, tk, D, j->scale, q->data + q_at,
                     ldq, k->data + k_at, ldk, false, p, tk);
            vlp_gemm(&j->c, VLP_PRECISION_F32, false, true, tq, tk, D, 1.0f, y->grad + y_at, ldy,
                     v->data + v_at, ldv, false, dp, tk);
            tile_softmax(j, h, p, dp, delta, tq, tk, o->lse + (size_t)i0 * o->o.heads + h, i0 - qa,
                         j0 - ka, shift);
            if (v->grad)
                vlp_gemm(&j->c, VLP_PRECISION_F32, true, false, tk, D, tq, 1.0f, p, tk,
                         y->grad + y_at, ldy, true, v->grad + v_at, ldv);
            if (q->grad)
                vlp_gemm(&j->c, VLP_PRECISION_F32, false, false, tq, D, tk, j->scale, dp, tk,
                         k->data + k_at, ldk, true, q->grad + q_at, ldq);
            if (k->grad)
                vlp_gemm(&j->c, VLP_PRECISION_F32, true, false, tk, D, tq, j->scale, dp, tk,
                         q->data + q_at, ldq, true, k->grad + k_at, ldk);
        }
    }
}

static void task(void *ctx, int i, int worker)
{
    const struct job *j = ctx;
    const int         n_seq = j->s->o.q_seqs.n, heads = j->s->o.heads;
    float            *scratch = j->scratch + (size_t)worker * PER_WORKER;
    if (!j->by_head) {
        one_head(j, i / heads, i % heads, scratch);
        return;
    }
    for (int s = 0; s < n_seq; s++) one_head(j, s, i, scratch);
}

static float scale_of(const struct vlp_attention_options *o, int D)
{
    return o->scale != 0.0f ? o->scale : 1.0f / sqrtf((float)D);
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct saved *s = n->saved;
    const int           threads = vlp_pool_threads(t->compute.pool);
    struct job          j = {
                 .c = op_alone(t),
                 .n = n,
                 .s = s,
                 .q = n->in[Q],
                 .k = n->in[K],
                 .v = n->in[V],
                 .bias = n->in[BIAS],
                 .D = s->C / s->o.heads,
                 .scale = scale_of(&s->o, s->C / s->o.heads),
    };
    j.by_head = j.bias && j.bias->grad;
    j.scratch = vlp_arena_alloc(t->mem, (size_t)threads * PER_WORKER * sizeof(float));
    vlp_parallel(t->compute.pool, s->o.heads * (j.by_head ? 1 : s->o.q_seqs.n), task, &j);
}

const struct vlp_op vlp_op_attention = {"attention", backward};

struct vlp_tensor *vlp_attention(struct vlp_tape *t, struct vlp_tensor *q, int q_col,
                                 struct vlp_tensor *k, int k_col, struct vlp_tensor *v, int v_col,
                                 int C, const struct vlp_attention_options *o)
{
    assert(C % o->heads == 0 && o->q_seqs.n == o->k_seqs.n);
    assert(q_col + C <= vlp_cols(q) && k_col + C <= vlp_cols(k) && v_col + C <= vlp_cols(v));
    assert(!o->bias || (o->bias->ndim == 3 && o->bias->dim[0] == o->heads));
    const int                Nq = vlp_rows(q);
    struct vlp_tensor       *y = vlp_tensor_new(t, VLP_DIMS(Nq, C), false);
    struct vlp_tensor *const in[] = {q, k, v, o->bias};
    const bool               wanted = vlp_wants_grad(t, VLP_COUNT(in), in);

    struct saved *s = vlp_record(t, &vlp_op_attention, y, sizeof *s, VLP_COUNT(in), in);
    *s = (struct saved){.o = *o, .C = C, .q_col = q_col, .k_col = k_col, .v_col = v_col};
    if (wanted) s->lse = vlp_arena_alloc(t->mem, (size_t)Nq * o->heads * sizeof *s->lse);

    const struct vlp_attention_args a = {
        .y = y->data,
        .q = q->data + q_col,
        .k = k->data + k_col,
        .v = v->data + v_col,
        .ldy = C,
        .ldq = vlp_cols(q),
        .ldk = vlp_cols(k),
        .ldv = vlp_cols(v),
        .heads = o->heads,
        .head_dim = C / o->heads,
        .n_seq = o->q_seqs.n,
        .q_start = o->q_seqs.start,
        .k_start = o->k_seqs.start,
        .scale = scale_of(o, C / o->heads),
        .causal = o->causal,
        .bias = o->bias ? o->bias->data : NULL,
        .ld_bias = o->bias ? o->bias->dim[2] : 0,
        .bias_rows = o->bias ? o->bias->dim[1] : 0,
        .lse = s->lse,
    };
    vlp_attention_forward(&t->compute, &a);
    return y;
}
