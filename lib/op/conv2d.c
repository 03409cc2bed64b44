/*
 * conv2d.c -- convolution of channels-last pictures: patches become rows, the kernel a matrix.
 *
 *   forward     p[b,i,j] = sum over (ky, kx, c) of x[b, i s + ky - k/2, j s + kx - k/2, c] W + b
 *               y = act(p + residual)
 *   backward    dp = dy act', in dy's place
 *               db += sum dp,  dW += dp^T patches,  dx += the patches of dp W
 *
 * Rows of patches are made a block at a time, small enough to stay in the cache until multiplied.
 * A 1 x 1 kernel with stride 1 needs no patches: the picture is the matrix.
 */
#include "op_internal.h"

#include <assert.h>

enum { X, W, BIAS, RESIDUAL };
enum { BLOCK_FLOATS = 96 * 1024 }; /* of patches in a cache at once */

struct shape {
    int B, H, W, C, k, stride, h, w, out;
    int rows, K; /* the product's: rows of patches (B h w), (k k C) columns */
};

struct saved {
    struct shape        s;
    enum vlp_activation act;
    float              *pre; /* where there is an activation */
};

static bool is_plain(const struct shape *s)
{
    return s->k == 1 && s->stride == 1;
}

/* Patches of output rows [begin, end). */
static void make_patches(float *to, const float *x, const struct shape *s, int begin, int end)
{
    const int    pad = s->k / 2;
    const size_t C = (size_t)s->C;
    for (int64_t r = begin; r < end; r++) {
        const int j = r % s->w, i = r / s->w % s->h, b = r / s->w / s->h;
        for (int ky = 0; ky < s->k; ky++) {
            const int    iy = i * s->stride + ky - pad, x0 = j * s->stride - pad;
            const size_t row = ((size_t)b * s->H + (size_t)(iy < 0 ? 0 : iy)) * (size_t)s->W;
            if (iy >= 0 && iy < s->H && x0 >= 0 && x0 + s->k <= s->W) {
                memcpy(to, x + (row + (size_t)x0) * C, (size_t)s->k * C * sizeof *to);
                to += (size_t)s->k * C;
                continue;
            }
            for (int kx = 0; kx < s->k; kx++, to += C) {
                const int ix = x0 + kx;
                if (iy >= 0 && iy < s->H && ix >= 0 && ix < s->W)
                    memcpy(to, x + (row + (size_t)ix) * C, C * sizeof *to);
                else
                    memset(to, 0, C * sizeof *to);
            }
        }
    }
}

struct job {
    struct vlp_compute       c; /* alone */
    const struct shape      *s;
    const struct vlp_packed *packed;
    const float             *x, *bias, *residual;
    float                   *y, *pre, *scratch;
    enum vlp_activation      act;
    int                      block, n_blocks;
};

/* From products to outputs for rows [begin, end): everything that is not the plain epilogue's. */
static void finish(const struct job *j, int begin, int end)
{
    const size_t at = (size_t)begin * j->s->out, n = (size_t)(end - begin) * j->s->out;
    if (j->pre)
        vlp_activate(&j->c, j->act, j->y + at, j->pre + at, n);
    else if (j->residual && j->act != VLP_ACT_NONE)
        vlp_activate(&j->c, j->act, j->y + at, j->y + at, n);
}

static void product(const struct vlp_compute *c, const struct job *j, const float *patches,
                    int begin, int end)
{
    const size_t              at = (size_t)begin * j->s->out;
    const struct vlp_epilogue e = {
        .bias = j->bias,
        .act = j->pre || j->residual ? VLP_ACT_NONE : j->act,
        .residual = j->residual ? j->residual + at : NULL,
        .ld_residual = j->s->out,
    };
    vlp_gemm_packed(c, (j->pre ? j->pre : j->y) + at, j->s->out, patches, j->s->K, end - begin,
                    j->packed, 0, j->s->out, &e);
}

static void block_task(void *ctx, int i, int worker)
{
    const struct job *j = ctx;
    const int         begin = i * j->block;
    const int         end = begin + j->block < j->s->rows ? begin + j->block : j->s->rows;
    const float      *patches = j->x + (size_t)begin * j->s->K;
    if (!is_plain(j->s)) {
        float *made = j->scratch + (size_t)worker * j->block * j->s->K;
        make_patches(made, j->x, j->s, begin, end);
        patches = made;
    }
    product(&j->c, j, patches, begin, end);
    finish(j, begin, end);
}

static void patch_range(void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    make_patches(j->scratch + (size_t)begin * j->s->K, j->x, j->s, begin, end);
}

static void finish_range(void *ctx, int64_t begin, int64_t end)
{
    finish(ctx, begin, end);
}

static void run(struct vlp_tape *t, struct job *j)
{
    const struct shape         *s = j->s;
    const int                   threads = vlp_pool_threads(t->compute.pool);
    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    j->block = (int)vlp_max_i64(BLOCK_FLOATS / s->K, 48);
    j->n_blocks = (s->rows + j->block - 1) / j->block;
    if (j->n_blocks >= 2 * threads) {
        if (!is_plain(s))
            j->scratch = vlp_arena_alloc(t->mem, (size_t)threads * j->block * s->K * sizeof(float));
        vlp_parallel(t->compute.pool, j->n_blocks, block_task, j);
    } else { /* few rows: the threads share the weights' columns instead */
        const float *patches = j->x;
        if (!is_plain(s)) {
            j->scratch = vlp_arena_alloc(t->mem, (size_t)s->rows * s->K * sizeof(float));
            op_split(t, s->rows, (size_t)s->K, patch_range, j);
            patches = j->scratch;
        }
        product(&t->compute, j, patches, 0, s->rows);
        op_split(t, s->rows, (size_t)s->out * 2, finish_range, j);
    }
    vlp_arena_rewind(t->mem, mark);
}

/* W (out, C, k, k) as (out, k k C), and the way back for its gradient. */
static void kernel_to_rows(float *rows, const float *w, const struct shape *s)
{
    const int area = s->k * s->k;
    for (int o = 0; o < s->out; o++)
        for (int c = 0; c < s->C; c++)
            for (int a = 0; a < area; a++)
                rows[((size_t)o * area + a) * s->C + c] = w[((size_t)o * s->C + c) * area + a];
}

static void add_rows_to_kernel(float *w, const float *rows, const struct shape *s)
{
    const int area = s->k * s->k;
    for (int o = 0; o < s->out; o++)
        for (int c = 0; c < s->C; c++)
            for (int a = 0; a < area; a++)
                w[((size_t)o * s->C + c) * area + a] += rows[((size_t)o * area + a) * s->C + c];
}

struct gather {
    const struct shape *s;
    const float        *dpatches; /* of one picture */
    float              *dx;       /* of that picture */
};

/* Input rows [begin, end) collect from every patch that saw them. */
static void gather_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct gather *g = ctx;
    const struct shape  *s = g->s;
    const int            pad = s->k / 2;
    for (int iy = begin; iy < end; iy++)
        for (int ky = 0; ky < s->k; ky++) {
            const int top = iy + pad - ky;
            if (top < 0 || top % s->stride || top / s->stride >= s->h) continue;
            for (int ix = 0; ix < s->W; ix++)
                for (int kx = 0; kx < s->k; kx++) {
                    const int left = ix + pad - kx;
                    if (left < 0 || left % s->stride || left / s->stride >= s->w) continue;
                    const size_t r = (size_t)(top / s->stride) * s->w + left / s->stride;
                    const float *from = g->dpatches + r * s->K + (size_t)(ky * s->k + kx) * s->C;
                    float       *to = g->dx + ((size_t)iy * s->W + ix) * s->C;
                    for (int c = 0; c < s->C; c++) to[c] += from[c];
                }
        }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor  *x = n->in[X], *w = n->in[W], *b = n->in[BIAS], *residual = n->in[RESIDUAL];
    const struct saved *saved = n->saved;
    const struct shape *s = &saved->s;
    const int           pixels = s->h * s->w, out = s->out;
    float              *dp = n->out->grad;
    if (saved->pre)
        vlp_activate_chain(&t->compute, saved->act, dp, saved->pre, (size_t)s->rows * out);
    op_pass_back(t, residual, dp, false);
    if (b && b->grad) vlp_add_columns(&t->compute, b->grad, dp, out, s->rows, out);

    const size_t matrix = (size_t)out * s->K, per_picture = (size_t)pixels * s->K;
    float       *patches = vlp_arena_alloc(t->mem, per_picture * sizeof *patches);
    float       *rows = NULL, *drows = NULL;
    if (x->grad) {
        rows = vlp_arena_alloc(t->mem, matrix * sizeof *rows);
        kernel_to_rows(rows, vlp_values(w), s);
    }
    if (w->grad) drows = vlp_arena_calloc(t->mem, matrix, sizeof *drows);
    for (int p = 0; p < s->B; p++) {
        const float *dp_p = dp + (size_t)p * pixels * out;
        if (w->grad) {
            struct job j = {
                .s = s, .x = x->data + (size_t)p * s->H * s->W * s->C, .scratch = patches};
            op_split(t, pixels, (size_t)s->K, patch_range, &j);
            vlp_gemm(&t->compute, op_gradient_precision(t), true, false, out, s->K, pixels, 1.0f,
                     dp_p, out, patches, s->K, true, drows, s->K);
        }
        if (x->grad) {
            vlp_gemm(&t->compute, op_gradient_precision(t), false, false, pixels, s->K, out, 1.0f,
                     dp_p, out, rows, s->K, false, patches, s->K);
            struct gather g = {s, patches, x->grad + (size_t)p * s->H * s->W * s->C};
            op_split(t, s->H, (size_t)s->W * s->C * s->k * s->k, gather_rows, &g);
        }
    }
    if (w->grad) add_rows_to_kernel(w->grad, drows, s);
}

const struct vlp_op vlp_op_conv2d = {.name = "conv2d", .backward = backward};

struct vlp_tensor *vlp_conv2d(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w,
                              struct vlp_tensor *b, int stride, enum vlp_activation act,
                              struct vlp_tensor *residual)
{
    assert(x->ndim == 4 && w->ndim == 4 && w->dim[1] == x->dim[3] && w->dim[2] == w->dim[3]);
    struct shape s = {.B = x->dim[0],
                      .H = x->dim[1],
                      .W = x->dim[2],
                      .C = x->dim[3],
                      .k = w->dim[2],
                      .stride = stride,
                      .out = w->dim[0]};
    s.h = (s.H + 2 * (s.k / 2) - s.k) / stride + 1;
    s.w = (s.W + 2 * (s.k / 2) - s.k) / stride + 1;
    s.rows = s.B * s.h * s.w;
    s.K = s.k * s.k * s.C;
    struct vlp_tensor       *y = vlp_tensor_new(t, VLP_DIMS(s.B, s.h, s.w, s.out), false);
    struct vlp_tensor *const in[] = {x, w, b, residual};
    const bool               wanted = vlp_wants_grad(t, VLP_COUNT(in), in);
    assert(!residual || vlp_numel(residual) == vlp_numel(y));

    struct saved *saved = vlp_record(t, &vlp_op_conv2d, y, sizeof *saved, VLP_COUNT(in), in);
    *saved = (struct saved){.s = s, .act = act};
    if (wanted && act != VLP_ACT_NONE)
        saved->pre = vlp_arena_alloc(t->mem, vlp_numel(y) * sizeof *saved->pre);

    struct vlp_packed *own;
    struct job         j = {
                .c = op_alone(t),
                .s = &saved->s,
                .packed = vlp_tensor_packed(&t->compute, w, VLP_FORM_CONV, t->compute.precision, &own),
                .x = x->data,
                .bias = b ? vlp_values(b) : NULL,
                .residual = residual ? residual->data : NULL,
                .y = y->data,
                .pre = saved->pre,
                .act = act,
    };
    run(t, &j);
    vlp_packed_free(own);
    return y;
}
