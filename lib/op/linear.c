/*
 * linear.c -- rows through a weight matrix, with bias, activation and residual on the way out.
 *
 *   forward     p = x W^T + b,  y = act(p) + residual
 *   backward    dp = dy act'(p), in dy's place;
 *               dx += dp W,  dW += dp^T x,  db += sum_rows dp,  dresidual += dy
 *
 * In bf16 all three products round their operands and sum in f32; W, dW and dx are f32.
 */
#include "op_internal.h"

#include <assert.h>

enum { X, W, BIAS, RESIDUAL };

struct saved {
    enum vlp_activation act;
    int                 first;
    float              *pre; /* (N, count), where there is an activation */
};

/* A bias has an entry for every row of W, or for the chosen rows alone. */
static int bias_from(const struct vlp_tensor *b, int first, int count)
{
    return vlp_numel(b) == (size_t)count ? 0 : first;
}

/* W turned for dp W: of all rows the form that is kept, of chosen rows packed now. */
static const struct vlp_packed *turned(struct vlp_tape *t, const struct vlp_tensor *w, int first,
                                       int count, int K, struct vlp_packed **own)
{
    const enum vlp_precision p = op_gradient_precision(t);
    if (count == w->dim[0]) return vlp_tensor_packed(&t->compute, w, VLP_FORM_TRANSPOSED, p, own);
    *own = vlp_pack_columns(&t->compute, vlp_values(w) + (size_t)first * K, K, K, count, p);
    return *own;
}

int op_block_rows(int N)
{
    enum {
        BLOCK = 768, /* of the sum dp^T x: a block of K in f32, half of one in bf16 */
        GRAIN = 32,  /* what the widest unit, a row of an AMX tile, sums at once in bf16 */
    };
    const int blocks = (N + BLOCK - 1) / BLOCK, rows = blocks ? (N + blocks - 1) / blocks : 1;
    return (rows + GRAIN - 1) / GRAIN * GRAIN;
}

void op_affine_back(const struct vlp_tape *t, const struct op_affine *a, const float *dp, int first,
                    int rows)
{
    const struct vlp_compute *c = &t->compute;
    const size_t              at = (size_t)first * a->K;
    if (a->db) vlp_add_columns(c, a->db, dp, a->C, rows, a->C);
    if (a->dw)
        vlp_gemm(c, op_gradient_precision(t), true, false, a->C, a->K, rows, 1.0f, dp, a->C, a->x,
                 a->K, true, a->dw, a->K);
    if (a->dx) {
        float                    *dx = a->dx + at;
        const struct vlp_epilogue add = {.residual = a->fill ? NULL : dx, .ld_residual = a->K};
        vlp_gemm_packed(c, dx, a->K, dp, a->C, rows, a->turned, 0, a->K, &add);
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor  *x = n->in[X], *w = n->in[W], *b = n->in[BIAS], *residual = n->in[RESIDUAL];
    const struct saved *s = n->saved;
    const int           N = vlp_rows(n->out), C = vlp_cols(n->out), K = vlp_cols(x);
    struct vlp_packed  *own = NULL;
    vlp_settle_grad(w);
    vlp_settle_grad(b);
    op_pass_back(t, residual, n->out->grad, !s->pre && residual != x);
    struct op_affine a = {
        .db = b && b->grad ? b->grad + bias_from(b, s->first, C) : NULL,
        .dw = w->grad ? w->grad + (size_t)s->first * K : NULL,
        .dx = x->grad,
        .fill = vlp_first_grad(x),
        .turned = x->grad ? turned(t, w, s->first, C, K, &own) : NULL,
        .C = C,
        .K = K,
    };
    const int step = op_block_rows(N);
    for (int r = 0; r < N; r += step) {
        const int rows = N - r < step ? N - r : step;
        float    *dp = n->out->grad + (size_t)r * C;
        if (s->pre)
            vlp_activate_chain(&t->compute, s->act, dp, s->pre + (size_t)r * C, (size_t)rows * C);
        a.x = x->data + (size_t)r * K;
        op_affine_back(t, &a, dp, r, rows);
    }
    vlp_packed_free(own);
}

/*
 * A weight that is used once need not be kept in panels: a piece of about PIECE bytes is packed,
 * multiplied, and its memory, still in the cache, taken for the next. The sums are the same. False
 * where the weight is not stored in a form that allows it.
 */
enum { PIECE = 1 << 20 };

static bool multiply_passing(struct vlp_tape *t, float *y, const struct vlp_tensor *x,
                             const struct vlp_tensor *w, int first, int count,
                             const struct vlp_epilogue *whole)
{
    const struct vlp_compute *c = &t->compute;
    const int                 N = vlp_rows(x), K = vlp_cols(x);
    int                       step = PIECE / (K * (int)sizeof(float)) / VLP_PANEL * VLP_PANEL;
    if (step < VLP_PANEL) step = VLP_PANEL;
    for (int at = 0; at < count; at += step) {
        const int          n = count - at < step ? count - at : step;
        struct vlp_packed *piece = vlp_param_pack_rows(c, w->param, first + at, n);
        if (!piece) return false;
        struct vlp_epilogue e = *whole;
        if (e.bias) e.bias += at;
        if (e.residual) e.residual += at;
        vlp_gemm_packed(c, y + at, count, x->data, K, N, piece, 0, n, &e);
        vlp_packed_free(piece);
    }
    return true;
}

const struct vlp_op vlp_op_linear = {.name = "linear", .backward = backward, .sets = true};

struct vlp_tensor *vlp_linear(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w,
                              struct vlp_tensor *b, const struct vlp_linear_options *o)
{
    static const struct vlp_linear_options plain;
    if (!o) o = &plain;
    const int N = vlp_rows(x), K = vlp_cols(x), out = w->dim[0];
    const int count = o->count ? o->count : out - o->first;
    assert((size_t)K * out == vlp_numel(w) && o->first + count <= out);
    assert(!o->into || !t->recording);

    struct vlp_tensor *y = o->into ? o->into : vlp_tensor_new(t, VLP_DIMS(N, count), false);
    assert(vlp_numel(y) == (size_t)N * count);
    assert(!o->residual || vlp_numel(o->residual) == vlp_numel(y));
    struct vlp_tensor *const in[] = {x, w, b, o->residual};
    const bool               wanted = vlp_wants_grad(t, VLP_COUNT(in), in);

    struct saved *s = vlp_record(t, &vlp_op_linear, y, sizeof *s, VLP_COUNT(in), in);
    *s = (struct saved){.act = o->act, .first = o->first};
    if (wanted && o->act != VLP_ACT_NONE)
        s->pre = vlp_arena_alloc(t->mem, (size_t)N * count * sizeof *s->pre);

    const struct vlp_epilogue e = {
        .bias = b ? vlp_values(b) + bias_from(b, o->first, count) : NULL,
        .pre = s->pre,
        .act = o->act,
        .residual = o->residual ? o->residual->data : NULL,
        .ld_residual = count,
    };
    if (t->compute.passing && !wanted && w->param && w->param->stored &&
        multiply_passing(t, y->data, x, w, o->first, count, &e))
        return y;
    struct vlp_packed       *own;
    const struct vlp_packed *packed =
        vlp_tensor_packed(&t->compute, w, VLP_FORM_PLAIN, t->compute.precision, &own);
    vlp_gemm_packed(&t->compute, y->data, count, x->data, K, N, packed, o->first, o->first + count,
                    &e);
    vlp_packed_free(own);
    return y;
}
