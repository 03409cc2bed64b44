/*
 * layernorm.c -- every row to mean 0 and variance 1 (biased), then gain and offset.
 *
 *   forward     n = (x - mean) / sqrt(var + eps),  y = n w + b
 *   backward    g = dy w;  dx += (g - mean(g) - n mean(g n)) / sqrt(var + eps)
 *               dw += sum_rows dy n,  db += sum_rows dy
 */
#include "op_internal.h"

#include <assert.h>

/* What backward wants of a block's rows. */
struct rows {
    struct vlp_compute c;
    float             *dx, *dw, *db; /* dw, db: (blocks, C) */
    const float       *x, *w, *dy, *mean, *rstd;
    int                N, C;
    bool               fill; /* dx holds nothing yet */
};

/* Rows of a block share one sum for the gain and one for the offset. */
enum { BLOCK = 128 };

static void backward_blocks(void *ctx, int64_t begin, int64_t end)
{
    const struct rows *a = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int    first = i * BLOCK, left = a->N - first;
        const size_t at = (size_t)first * a->C, sums = (size_t)i * a->C;
        vlp_layernorm_backward_rows(&a->c, a->dx ? a->dx + at : NULL, a->fill,
                                    a->dw ? a->dw + sums : NULL, a->db ? a->db + sums : NULL,
                                    a->dy + at, a->x + at, a->w, a->mean + first, a->rstd + first,
                                    left < BLOCK ? left : BLOCK, a->C);
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    const int          N = vlp_rows(x), C = vlp_cols(x), blocks = (N + BLOCK - 1) / BLOCK;
    const size_t       sums = (size_t)blocks * C;
    const float       *mean = n->saved;
    struct rows        a = {
               .c = op_alone(t),
               .dx = x->grad,
               .fill = vlp_first_grad(x),
               .dw = w->grad ? vlp_arena_calloc(t->mem, sums, sizeof(float)) : NULL,
               .db = b->grad ? vlp_arena_calloc(t->mem, sums, sizeof(float)) : NULL,
               .x = x->data,
               .w = vlp_values(w),
               .dy = n->out->grad,
               .mean = mean,
               .rstd = mean + N,
               .N = N,
               .C = C,
    };
    vlp_settle_grad(w);
    vlp_settle_grad(b);
    op_split(t, blocks, (size_t)C * BLOCK * 2, backward_blocks, &a);
    if (w->grad) vlp_add_columns(&t->compute, w->grad, a.dw, C, blocks, C);
    if (b->grad) vlp_add_columns(&t->compute, b->grad, a.db, C, blocks, C);
}

const struct vlp_op vlp_op_layernorm = {.name = "layernorm", .backward = backward, .sets = true};

struct vlp_tensor *vlp_layernorm(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w,
                                 struct vlp_tensor *b, float eps)
{
    const int N = vlp_rows(x), C = vlp_cols(x);
    assert(vlp_numel(w) == (size_t)C && vlp_numel(b) == (size_t)C);
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    float             *mean =
        vlp_record(t, &vlp_op_layernorm, y, 2 * (size_t)N * sizeof *mean, VLP_INPUTS(x, w, b));
    vlp_layernorm_rows(&t->compute, y->data, C, x->data, C, vlp_values(w), vlp_values(b), eps, N, C,
                       mean, mean + N);
    return y;
}
