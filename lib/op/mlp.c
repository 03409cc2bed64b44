/*
 * mlp.c -- two linear layers with an activation between them, block of rows by block of rows.
 *
 *   forward     p = x W1^T + b1,  h = act(p),  y = h W2^T + b2 + residual
 *   backward    h = act(p) again;  dW2 += dy^T h,  db2 += sum_rows dy
 *               dp = (dy W2) act'(p);  dx += dp W1,  dW1 += dp^T x,  db1 += sum_rows dp
 *               dresidual += dy
 *
 * Hidden rows are the widest of a transformer. Only p is kept of them, where something is wanted,
 * and what else there is lives for a block: a step spends more on moving such rows through memory
 * than on their sums.
 */
#include "op_internal.h"

#include <assert.h>

enum { X, W1, B1, W2, B2, RESIDUAL };

struct saved {
    enum vlp_activation act;
    float              *pre; /* (N, hidden) where something is wanted, else NULL */
};

static void forward(struct vlp_tape *t, const struct saved *s, struct vlp_tensor *const in[],
                    struct vlp_tensor *y)
{
    const struct vlp_compute   *c = &t->compute;
    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    const struct vlp_tensor    *x = in[X], *residual = in[RESIDUAL];
    const int          N = vlp_rows(x), K = vlp_cols(x), H = in[W1]->dim[0], C = in[W2]->dim[0];
    const int          step = s->pre ? op_block_rows(N) : N;
    struct vlp_packed *own[2];
    const struct vlp_packed *w1 =
        vlp_tensor_packed(c, in[W1], VLP_FORM_PLAIN, c->precision, &own[0]);
    const struct vlp_packed *w2 =
        vlp_tensor_packed(c, in[W2], VLP_FORM_PLAIN, c->precision, &own[1]);
    const float *b1 = in[B1] ? vlp_values(in[B1]) : NULL, *b2 = in[B2] ? vlp_values(in[B2]) : NULL;
    void        *h = vlp_arena_alloc(t->mem, vlp_gemm_pair_room(step, w1, w2));
    for (int r = 0; r < N; r += step) {
        const int                 rows = N - r < step ? N - r : step;
        const size_t              at = (size_t)r * C;
        const struct vlp_epilogue first = {
            .bias = b1, .pre = s->pre ? s->pre + (size_t)r * H : NULL, .act = s->act};
        const struct vlp_epilogue second = {
            .bias = b2, .residual = residual ? residual->data + at : NULL, .ld_residual = C};
        vlp_gemm_pair(c, y->data + at, C, x->data + (size_t)r * K, K, rows, w1, &first, w2, &second,
                      h);
    }
    vlp_packed_free(own[0]);
    vlp_packed_free(own[1]);
    vlp_arena_rewind(t->mem, mark);
}

static float *grad_of(const struct vlp_tensor *x)
{
    return x ? x->grad : NULL;
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *const *in = n->in;
    const struct vlp_compute *c = &t->compute;
    const struct vlp_tensor  *x = in[X];
    const struct saved       *s = n->saved;
    const enum vlp_precision  precision = op_gradient_precision(t);
    const int          N = vlp_rows(x), K = vlp_cols(x), H = in[W1]->dim[0], C = in[W2]->dim[0];
    const int          step = op_block_rows(N);
    const bool         inner = x->grad || in[W1]->grad || grad_of(in[B1]);
    struct vlp_packed *own[2] = {NULL, NULL};
    const struct vlp_packed *turned =
        inner ? vlp_tensor_packed(c, in[W2], VLP_FORM_TRANSPOSED, precision, &own[1]) : NULL;
    for (int i = W1; i <= B2; i++) vlp_settle_grad(in[i]);
    op_pass_back(t, in[RESIDUAL], n->out->grad, in[RESIDUAL] != x);
    struct op_affine first = {.db = grad_of(in[B1]),
                              .dw = in[W1]->grad,
                              .dx = x->grad,
                              .fill = vlp_first_grad(in[X]),
                              .C = H,
                              .K = K};
    struct op_affine second = {.db = grad_of(in[B2]), .dw = in[W2]->grad, .C = C, .K = H};
    if (x->grad)
        first.turned = vlp_tensor_packed(c, in[W1], VLP_FORM_TRANSPOSED, precision, &own[0]);
    float *h = vlp_arena_alloc(t->mem, (size_t)step * H * sizeof *h);
    for (int r = 0; r < N; r += step) {
        const int    rows = N - r < step ? N - r : step;
        const size_t hidden = (size_t)rows * H;
        const float *pre = s->pre + (size_t)r * H, *dy = n->out->grad + (size_t)r * C;
        if (second.dw) vlp_activate(c, s->act, h, pre, hidden);
        second.x = h;
        op_affine_back(t, &second, dy, r, rows);
        if (!inner) continue;
        vlp_gemm_packed(c, h, H, dy, C, rows, turned, 0, H, NULL);
        vlp_activate_chain(c, s->act, h, pre, hidden);
        first.x = x->data + (size_t)r * K;
        op_affine_back(t, &first, h, r, rows);
    }
    vlp_packed_free(own[0]);
    vlp_packed_free(own[1]);
}

const struct vlp_op vlp_op_mlp = {.name = "mlp", .backward = backward, .sets = true};

struct vlp_tensor *vlp_mlp(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w1,
                           struct vlp_tensor *b1, enum vlp_activation act, struct vlp_tensor *w2,
                           struct vlp_tensor *b2, struct vlp_tensor *residual,
                           struct vlp_tensor *into)
{
    const int N = vlp_rows(x), H = w1->dim[0], C = w2->dim[0];
    assert(vlp_numel(w1) == (size_t)H * vlp_cols(x) && vlp_numel(w2) == (size_t)C * H);
    assert(!residual || vlp_numel(residual) == (size_t)N * C);
    assert(!into || (!t->recording && vlp_numel(into) == (size_t)N * C));
    struct vlp_tensor       *y = into ? into : vlp_tensor_new(t, VLP_DIMS(N, C), false);
    struct vlp_tensor *const in[] = {x, w1, b1, w2, b2, residual};
    const bool               wanted = vlp_wants_grad(t, VLP_COUNT(in), in);

    struct saved *s = vlp_record(t, &vlp_op_mlp, y, sizeof *s, VLP_COUNT(in), in);
    *s = (struct saved){.act = act};
    if (wanted) s->pre = vlp_arena_alloc(t->mem, (size_t)N * H * sizeof *s->pre);
    forward(t, s, in, y);
    return y;
}
