/*
 * attention_back_impl.h -- softmax attention of one head over one sequence, backward.
 *
 *   S = scale q k^T + bias    P = e^(S - lse)    dS = P (dy v^T - delta), delta = rows of (dy . y)
 *   dq += scale dS k          dk += scale dS^T q          dv += P^T dy          dbias += dS
 *
 * Rows of q and dy come in blocks, keys too; P and dS are no larger than one of each. All five
 * products run in the f32 register tile: keys and values are turned over once, everything else is
 * read along rows or down columns as it lies. Cuts depend on the lengths alone. Included after
 * attention_impl.h.
 */
#ifndef VLP_ATTENTION_BACK_IMPL_H
#define VLP_ATTENTION_BACK_IMPL_H

#include "attention_impl.h"

enum {
    BACK_QUERIES = 84, /* whole tiles of every level */
    BACK_KEYS = 256,   /* P and dS of a block take 180 KiB: a core's second-level cache */
    BACK_STRIDE = BACK_KEYS + 16, /* of P, dS, and turned keys: odd in cache lines */
};

struct attention_back {
    const struct vlp_attention_backward_args *a;
    int                                       D, wide; /* of a head; in whole vectors */
    size_t stride;                  /* floats from row to row of what has D columns */
    int    n_q, n_k, queries, keys; /* rows; rows of a block */
    int    sees, bias_row;          /* of query 0: the last key when causal, the row of the bias */
    float *k, *k_turned, *v_turned; /* (n_k, stride); (blocks, D, BACK_STRIDE) */
    float *dk, *dv;                 /* (n_k, stride) */
    float *q, *dy, *dq;             /* of a block of queries, rows of stride */
    float *p, *ds;                  /* (queries, BACK_STRIDE) */
    float  delta[BACK_QUERIES], lse[BACK_QUERIES];
};

/* Queries against keys: rows of D against what is turned. */
static void back_scores(const struct attention_back *t, int rows, int keys, const float *a,
                        const float *turned, float *c)
{
    const int cols = vlp_ceil_div(keys, VL) * VL;
    if (t->stride == HEAD_STRIDE)
        attention_product(rows, cols, t->D, a, HEAD_STRIDE, 1, turned, BACK_STRIDE, c, BACK_STRIDE,
                          false);
    else
        attention_product(rows, cols, t->D, a, t->stride, 1, turned, BACK_STRIDE, c, BACK_STRIDE,
                          false);
}

/* Weights of queries over keys, times rows of keys. */
static void back_along(const struct attention_back *t, int rows, int keys, const float *w,
                       const float *b, float *c, bool add)
{
    attention_product(rows, t->wide, keys, w, BACK_STRIDE, 1, b, t->stride, c, t->stride, add);
}

/* The weights' columns, times rows of queries. */
static void back_down(const struct attention_back *t, int keys, int rows, const float *w,
                      const float *b, float *c, bool add)
{
    attention_product(keys, t->wide, rows, w, 1, BACK_STRIDE, b, t->stride, c, t->stride, add);
}

/* S becomes P, dP becomes scale dS, for queries i0 .. and keys j0 .. of the head. */
static void back_softmax(const struct attention_back *t, int head, int i0, int rows, int j0,
                         int keys)
{
    const struct vlp_attention_backward_args *a = t->a;
    const vf                                  scale = v_set1(a->of.scale);
    for (int i = 0; i < rows; i++) {
        float       *p = t->p + (size_t)i * BACK_STRIDE, *ds = t->ds + (size_t)i * BACK_STRIDE;
        const size_t row = (size_t)head * a->of.bias_rows + (size_t)(t->bias_row + i0 + i);
        const float *bias = a->of.bias ? a->of.bias + row * a->of.ld_bias + j0 : NULL;
        float       *dbias = a->dbias ? a->dbias + row * a->of.ld_bias + j0 : NULL;
        const vf     delta = v_set1(t->delta[i]), lse = v_set1(t->lse[i]);
        int          sees = a->of.causal ? i0 + i + t->sees + 1 - j0 : keys;
        if (sees > keys) sees = keys;
        int c = 0;
        for (; c < sees; c += VL) {
            vf s = v_mul(v_load(p + c), scale);
            if (bias) s = v_add(s, v_load_n(bias + c, keys - c));
            const vf w = v_exp_weight(v_sub(s, lse)), d = v_mul(w, v_sub(v_load(ds + c), delta));
            if (dbias) {
                const int n = sees - c;
                v_store_n(dbias + c, v_add(v_load_n(dbias + c, n), d), n);
            }
            v_store(p + c, w);
            v_store(ds + c, v_mul(d, scale));
        }
        for (c = sees > 0 ? sees : 0; c < keys; c++) p[c] = ds[c] = 0.0f;
    }
}

/* Rows of a head, `from` rows ld apart, to rows of stride, zeros up to whole vectors. */
static void back_copy(const struct attention_back *t, float *to, const float *from, int ld,
                      int rows)
{
    for (int r = 0; r < rows; r++, to += t->stride, from += ld) {
        memcpy(to, from, (size_t)t->D * sizeof *to);
        for (int d = t->D; d < t->wide; d++) to[d] = 0.0f;
    }
}

/* To where a head's rows are: added, or put there first. */
static void back_add(const struct attention_back *t, float *to, int ld, const float *from, int rows)
{
    for (int r = 0; r < rows; r++, to += ld, from += t->stride)
        for (int d = 0; d < t->D; d += VL)
            if (t->a->fill)
                v_store_n(to + d, v_load(from + d), t->D - d);
            else
                v_store_n(to + d, v_add(v_load_n(to + d, t->D - d), v_load(from + d)), t->D - d);
}

static void back_turn(const struct attention_back *t, float *to, const float *from, int ld)
{
    for (int j = 0; j < t->n_k; j += t->keys, to += (size_t)t->D * BACK_STRIDE) {
        const int n = t->n_k - j < t->keys ? t->n_k - j : t->keys, end = vlp_ceil_div(n, VL) * VL;
        vlp_transpose_units((uint32_t *)to, BACK_STRIDE,
                            (const uint32_t *)(const void *)(from + (size_t)j * ld), (size_t)ld, n,
                            t->D);
        for (int d = 0; n < end && d < t->D; d++)
            memset(to + (size_t)d * BACK_STRIDE + n, 0, (size_t)(end - n) * sizeof *to);
    }
}

/* Queries i0 .. i0 + rows of the sequence, whose first rows are row `q_row` and `k_row`. */
static void back_queries(struct attention_back *t, int head, size_t q_row, int i0, int rows)
{
    const struct vlp_attention_backward_args *a = t->a;
    const size_t                              row = q_row + (size_t)i0, col = (size_t)head * t->D;
    const float *dy = a->dy + row * a->of.ldy + col, *y = a->of.y + row * a->of.ldy + col;
    back_copy(t, t->q, a->of.q + row * a->of.ldq + col, a->of.ldq, rows);
    back_copy(t, t->dy, dy, a->of.ldy, rows);
    for (int i = 0; i < rows; i++) {
        t->delta[i] = row_dot(t->dy + i * t->stride, y + (size_t)i * a->of.ldy, t->D);
        t->lse[i] = a->of.lse[(row + (size_t)i) * a->of.heads + head];
    }
    int block = 0;
    for (int j0 = 0; j0 < t->n_k; j0 += t->keys, block++) {
        const int    keys = t->n_k - j0 < t->keys ? t->n_k - j0 : t->keys;
        const size_t turned = (size_t)block * t->D * BACK_STRIDE, at = (size_t)j0 * t->stride;
        if (a->of.causal && j0 > i0 + rows - 1 + t->sees) break; /* and nobody later */
        back_scores(t, rows, keys, t->q, t->k_turned + turned, t->p);
        back_scores(t, rows, keys, t->dy, t->v_turned + turned, t->ds);
        back_softmax(t, head, i0, rows, j0, keys);
        if (a->dq) back_along(t, rows, keys, t->ds, t->k + at, t->dq, j0 > 0);
        if (a->dk) back_down(t, keys, rows, t->ds, t->q, t->dk + at, true);
        if (a->dv) back_down(t, keys, rows, t->p, t->dy, t->dv + at, true);
    }
    if (block == 0) memset(t->dq, 0, (size_t)rows * t->stride * sizeof *t->dq); /* nothing seen */
    if (a->dq) back_add(t, a->dq + row * a->of.ldq + col, a->of.ldq, t->dq, rows);
}

static void attention_backward(const struct vlp_attention_backward_args *a, int seq, int head)
{
    struct attention_back t = {.a = a, .D = a->of.head_dim};
    const size_t          q_row = (size_t)a->of.q_start[seq], k_row = (size_t)a->of.k_start[seq];
    const size_t          col = (size_t)head * t.D;
    t.n_q = a->of.q_start[seq + 1] - a->of.q_start[seq];
    t.n_k = a->of.k_start[seq + 1] - a->of.k_start[seq];
    if (t.n_q <= 0 && t.n_k <= 0) return;
    t.sees = a->of.q_place ? a->of.q_place[seq] : t.n_k - t.n_q;
    t.bias_row = a->of.q_place ? a->of.q_place[seq] : 0;
    t.wide = vlp_ceil_div(t.D, VL) * VL;
    t.stride = head_stride(t.D);
    t.queries = t.n_q ? vlp_ceil_div(t.n_q, vlp_ceil_div(t.n_q, BACK_QUERIES)) : 1;
    t.keys = t.n_k ? vlp_ceil_div(t.n_k, vlp_ceil_div(t.n_k, BACK_KEYS)) : 1;
    const size_t rows_k = (size_t)t.n_k * t.stride, rows_q = (size_t)t.queries * t.stride;
    const size_t turned = (size_t)vlp_ceil_div(t.n_k, t.keys) * t.D * BACK_STRIDE;
    const size_t tile = (size_t)t.queries * BACK_STRIDE;
    t.k = vlp_scratch(VLP_SCRATCH_ATTENTION,
                      (3 * rows_k + 2 * turned + 3 * rows_q + 2 * tile) * sizeof *t.k);
    t.dk = t.k + rows_k;
    t.dv = t.dk + rows_k;
    t.k_turned = t.dv + rows_k;
    t.v_turned = t.k_turned + turned;
    t.q = t.v_turned + turned;
    t.dy = t.q + rows_q;
    t.dq = t.dy + rows_q;
    t.p = t.dq + rows_q;
    t.ds = t.p + tile;
    back_copy(&t, t.k, a->of.k + k_row * a->of.ldk + col, a->of.ldk, t.n_k);
    back_turn(&t, t.k_turned, t.k, (int)t.stride);
    back_turn(&t, t.v_turned, a->of.v + k_row * a->of.ldv + col, a->of.ldv);
    memset(t.dk, 0, 2 * rows_k * sizeof *t.dk);
    for (int i = 0; i < t.n_q; i += t.queries)
        back_queries(&t, head, q_row, i, t.n_q - i < t.queries ? t.n_q - i : t.queries);
    if (a->dk) back_add(&t, a->dk + k_row * a->of.ldk + col, a->of.ldk, t.dk, t.n_k);
    if (a->dv) back_add(&t, a->dv + k_row * a->of.ldv + col, a->of.ldv, t.dv, t.n_k);
}

#endif
