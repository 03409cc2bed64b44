/*
 * attention_impl.h -- softmax attention of one head over one sequence, a tile of queries at a time.
 *
 * Queries are turned so that a vector's lanes are queries: scores S[key][query] = K q^T, and the
 * softmax runs down the keys without ever leaving its lane. The weights are read down their columns
 * after that, so that O[query][d] = S^T V lies as the output does. Keys come in blocks counted from
 * the sequence's first; after each block
 *   m' = max(m, S)   p = e^(S - m')   l = l e^(m - m') + sum p   O = O e^(m - m') + p^T V
 * (the running softmax of Milakov and Gimelshein 2018, in tiles as of Dao et al. 2022), so a
 * query's result depends on its own sequence alone. Included after rows_impl.h.
 */
#ifndef VLP_ATTENTION_IMPL_H
#define VLP_ATTENTION_IMPL_H

#include "rows_impl.h"

enum {
    QUERIES = TILE_COLS,
    /* of 96 or a little more: S, q and O of a head of 64 lie in 32 KiB at 32 queries */
    KEY_BLOCK = (96 + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS,
    HEAD_STRIDE = 80, /* of heads of at most 64, for which loops are compiled apart */
};

/* Floats from row to row of what has D columns: odd in cache lines, so rows do not collide. */
static inline size_t head_stride(int D)
{
    return D <= 64 ? HEAD_STRIDE : (size_t)vlp_ceil_div(D, 32) * 32 + 16;
}

struct attention_tile {
    const struct vlp_attention_args *a;
    const float                     *k, *v;          /* copied, rows of `stride` */
    const float                     *bias;           /* at the first query, or NULL */
    float                           *q, *s, *turned; /* [D][QUERIES], [KEY_BLOCK][QUERIES] each */
    float                           *o;              /* [QUERIES][stride] */
    size_t                           stride;
    int                              wide; /* of a head, in whole vectors */
    int                              nq, n_keys;
    int last_key; /* that the first query sees; each later one sees one more (causal) */
    int vectors;  /* 1 when the queries fit in one */
    vf  most[TILE_VECTORS], sum[TILE_VECTORS], shrink[TILE_VECTORS];
};

/* c (rows, cols) (+)= sum over units of a[r * a_row + u * a_unit] b[u * b_unit + col], rows in
 * tiles of like height, cols in whole vectors */
static ALWAYS_INLINE void attention_product(int rows, int cols, int units, const float *a,
                                            const size_t a_row, const size_t a_unit, const float *b,
                                            const size_t b_unit, float *c, const size_t c_row,
                                            bool add)
{
    const int tiles = vlp_ceil_div(rows, TILE_ROWS);
    for (int n = 0; n < cols; n += TILE_COLS)
        for (int t = 0; t < tiles; t++) {
            const int    r0 = rows * t / tiles, r1 = rows * (t + 1) / tiles;
            const float *from = a + (size_t)r0 * a_row;
            float       *to = c + (size_t)r0 * c_row + n;
#define ONE_CASE(h)                                                                                \
    case h:                                                                                        \
        if (cols - n >= TILE_COLS)                                                                 \
            mul_tile(h, TILE_VECTORS, units, from, a_row, a_unit, b + n, b_unit, to, c_row, add,   \
                     NULL, 0);                                                                     \
        else                                                                                       \
            mul_tile(h, 1, units, from, a_row, a_unit, b + n, b_unit, to, c_row, add, NULL, 0);    \
        break;
            switch (r1 - r0) {
                TILE_CASES(ONE_CASE)
            }
#undef ONE_CASE
        }
}

/* S = K q^T for keys k0 .. k0 + n. */
static void attention_scores(const struct attention_tile *t, int k0, int n)
{
    const float *k = t->k + (size_t)k0 * t->stride;
    const int    D = t->a->head_dim, cols = t->vectors * VL;
    if (t->stride == HEAD_STRIDE)
        attention_product(n, cols, D, k, HEAD_STRIDE, 1, t->q, QUERIES, t->s, QUERIES, false);
    else
        attention_product(n, cols, D, k, t->stride, 1, t->q, QUERIES, t->s, QUERIES, false);
}

/* O += P^T V for keys k0 .. k0 + n. */
static void attention_values(const struct attention_tile *t, int k0, int n)
{
    const float *v = t->v + (size_t)k0 * t->stride;
    attention_product(t->nq, t->wide, n, t->s, 1, QUERIES, v, t->stride, t->o, t->stride, k0 > 0);
}

/* Bias is added and what a causal query may not see becomes minus infinity. */
static void attention_mask(struct attention_tile *t, int k0, int n)
{
    if (t->bias) {
        vlp_transpose_units((uint32_t *)t->turned, QUERIES,
                            (const uint32_t *)(const void *)(t->bias + k0), (size_t)t->a->ld_bias,
                            t->nq, n);
        for (int i = 0; i < n * QUERIES; i += VL)
            v_store(t->s + i, v_add(v_load(t->s + i), v_load(t->turned + i)));
    }
    if (!t->a->causal) return;
    for (int j = 0; j < n; j++) {
        const int hidden = k0 + j - t->last_key; /* queries 0 .. hidden - 1 do not see key k0 + j */
        for (int i = 0; i < hidden && i < t->nq; i++) t->s[j * QUERIES + i] = -INFINITY;
    }
}

/* S becomes the weights P; the running maximum and sum move on. */
static void attention_softmax(struct attention_tile *t, int n)
{
    const vf never = v_set1(-INFINITY);
    for (int v = 0; v < t->vectors; v++) {
        float *s = t->s + v * VL;
        vf     m0 = t->most[v], m1 = never;
        int    j = 0;
        for (; j + 2 <= n; j += 2) {
            m0 = v_max(v_load(s + j * QUERIES), m0);
            m1 = v_max(v_load(s + (j + 1) * QUERIES), m1);
        }
        if (j < n) m0 = v_max(v_load(s + j * QUERIES), m0);
        const vf m = v_max(m0, m1);
        /* a lane that has seen nothing yet keeps sums of zero */
        const vf base = v_if_less(never, m, m, v_zero());
        t->shrink[v] = v_exp_weight(v_sub(t->most[v], base));
        vf sum = v_mul(t->sum[v], t->shrink[v]);
        for (j = 0; j < n; j++) {
            const vf p = v_exp_weight(v_sub(v_load(s + j * QUERIES), base));
            sum = v_add(sum, p);
            v_store(s + j * QUERIES, p);
        }
        t->most[v] = m;
        t->sum[v] = sum;
    }
}

/* to[query] = O[query] times its lane of `shrink`. */
static void attention_shrink(const struct attention_tile *t, float *to, size_t ld)
{
    float by[QUERIES];
    for (int v = 0; v < t->vectors; v++) v_store(by + v * VL, t->shrink[v]);
    for (int i = 0; i < t->nq; i++) {
        const float *o = t->o + (size_t)i * t->stride;
        const vf     x = v_set1(by[i]);
        for (int d = 0; d < t->a->head_dim; d += VL)
            v_store_n(to + i * ld + d, v_mul(v_load(o + d), x), t->a->head_dim - d);
    }
}

/* y[query], rows of ldy. */
static void attention_run_tile(struct attention_tile *t, float *y)
{
    int keys = t->n_keys;
    if (t->a->causal) { /* what the last query sees */
        const int seen = t->last_key + t->nq;
        keys = seen < keys ? seen : keys;
    }
    for (int v = 0; v < TILE_VECTORS; v++) {
        t->most[v] = v_set1(-INFINITY);
        t->sum[v] = v_zero();
    }
    for (int k0 = 0; k0 < keys; k0 += KEY_BLOCK) {
        const int n = keys - k0 < KEY_BLOCK ? keys - k0 : KEY_BLOCK;
        attention_scores(t, k0, n);
        attention_mask(t, k0, n);
        attention_softmax(t, n);
        if (k0 > 0) attention_shrink(t, t->o, t->stride);
        attention_values(t, k0, n);
    }
    if (keys <= 0) memset(t->o, 0, (size_t)t->nq * t->stride * sizeof *t->o);
    for (int v = 0; v < t->vectors; v++) { /* nothing seen gives zero */
        const vf one = v_set1(1.0f);
        t->shrink[v] = v_if_less(v_zero(), t->sum[v], v_div(one, t->sum[v]), t->sum[v]);
    }
    attention_shrink(t, y, (size_t)t->a->ldy);
}

/* Queries q0 .. q1 of sequence `seq`, head `head`. */
static void attention(const struct vlp_attention_args *a, int seq, int head, int q0, int q1)
{
    const int D = a->head_dim, first_key = a->k_start[seq],
              n_keys = a->k_start[seq + 1] - first_key;
    const int             n_queries = a->q_start[seq + 1] - a->q_start[seq];
    const int             sees = a->q_place ? a->q_place[seq] : n_keys - n_queries;
    const int             bias_row = a->q_place ? a->q_place[seq] : 0;
    struct attention_tile t = {.a = a, .n_keys = n_keys};
    t.stride = head_stride(D);
    t.wide = vlp_ceil_div(D, VL) * VL;
    const size_t kv = (size_t)n_keys * t.stride, tile = (size_t)D * QUERIES;
    const size_t out = QUERIES * t.stride, scores = (size_t)KEY_BLOCK * QUERIES;
    t.q = vlp_scratch(VLP_SCRATCH_ATTENTION, (2 * kv + tile + out + 2 * scores) * sizeof *t.q);
    t.o = t.q + tile;
    t.s = t.o + out;
    t.turned = t.s + KEY_BLOCK * QUERIES;
    float *k = t.turned + KEY_BLOCK * QUERIES, *v = k + kv;
    for (int j = 0; j < n_keys; j++) {
        const size_t row = (size_t)(first_key + j), col = (size_t)head * D;
        const float *from_k = a->k + row * a->ldk + col, *from_v = a->v + row * a->ldv + col;
        for (int i = 0; i < D; i += 16) { /* the next head is likely to be next */
            __builtin_prefetch(from_k + D + i, 0, 2);
            __builtin_prefetch(from_v + D + i, 0, 2);
        }
        memcpy(k + j * t.stride, from_k, (size_t)D * sizeof *k);
        memcpy(v + j * t.stride, from_v, (size_t)D * sizeof *v);
        for (int d = D; d < t.wide; d++) v[j * t.stride + d] = 0.0f;
    }
    t.k = k;
    t.v = v;
    if (a->bias) memset(t.turned, 0, sizeof(float) * KEY_BLOCK * QUERIES);
    for (int i = q0; i < q1; i += QUERIES) {
        const size_t row = (size_t)(a->q_start[seq] + i);
        t.nq = q1 - i < QUERIES ? q1 - i : QUERIES;
        t.vectors = t.nq <= VL ? 1 : TILE_VECTORS;
        t.last_key = i + sees;
        t.bias = NULL;
        if (a->bias) t.bias = a->bias + ((size_t)head * a->bias_rows + bias_row + i) * a->ld_bias;
        if (t.nq < QUERIES) memset(t.q, 0, tile * sizeof *t.q);
        vlp_transpose_units(
            (uint32_t *)t.q, QUERIES,
            (const uint32_t *)(const void *)(a->q + row * a->ldq + (size_t)head * D),
            (size_t)a->ldq, t.nq, D);
        for (size_t d = 0; d < tile; d += VL)
            v_store(t.q + d, v_mul(v_load(t.q + d), v_set1(a->scale)));
        attention_run_tile(&t, a->y + row * a->ldy + (size_t)head * D);
        if (!a->lse) continue;
        float most[QUERIES], sum[QUERIES];
        for (int w = 0; w < TILE_VECTORS; w++) {
            v_store(most + w * VL, t.most[w]);
            v_store(sum + w * VL, t.sum[w]);
        }
        for (int j = 0; j < t.nq; j++) a->lse[(row + j) * a->heads + head] = most[j] + logf(sum[j]);
    }
}

#endif
