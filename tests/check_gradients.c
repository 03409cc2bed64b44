/*
 * check_gradients.c -- every op's backward against differences of its forward.
 *
 * The loss is a weighted sum of the outputs. Its derivative along an input element is a five-point
 * difference in double precision of f32 forwards. Every op of vlp_ops must have a case here; every
 * subset of its inputs wants a gradient once; threads and subsets may not change a bit.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/op.h>

#include "op/op_internal.h"

/* One op, one variant of shapes: run() asks for its inputs by number and returns the output. */
struct trial {
    struct vlp_tape    tape;
    int                variant;
    unsigned           mask;              /* which inputs want a gradient */
    float             *value[VLP_MAX_IN]; /* kept over runs */
    size_t             n[VLP_MAX_IN];
    int                n_in;
    struct vlp_tensor *in[VLP_MAX_IN];
    float              fill; /* what gradients hold before backward */
    bool               away_from_zero;
    bool               made; /* inputs are what another op made, gradients without contents */
};

static struct vlp_tensor *input(struct trial *r, int k, int ndim, const int *dim)
{
    struct vlp_tensor *x = vlp_tensor_new(&r->tape, ndim, dim, (r->mask >> k) & 1);
    const size_t       n = vlp_numel(x);
    if (!r->value[k]) {
        struct vlp_rng rng;
        vlp_rng_seed(&rng, 11, (uint64_t)(k + 8 * r->variant));
        r->value[k] = vlp_malloc(n * sizeof(float));
        r->n[k] = n;
        for (size_t i = 0; i < n; i++) {
            float v = (float)vlp_rng_below(&rng, 129) / 64.0f - 1.0f;
            if (r->away_from_zero) v = v < 0.0f ? v - 0.25f : v + 0.25f;
            r->value[k][i] = v;
        }
    }
    memcpy(x->data, r->value[k], n * sizeof(float));
    if (x->grad)
        for (size_t i = 0; i < n; i++) x->grad[i] = r->fill;
    r->in[k] = x;
    if (k >= r->n_in) r->n_in = k + 1;
    return r->made ? vlp_scale(&r->tape, x, 1.0f) : x;
}

static const int N[] = {1, 7, 33, 8}, C[] = {5, 16, 37, 9};

static struct vlp_seqs seqs3(struct trial *r, int rows)
{
    int *start = vlp_arena_alloc(r->tape.mem, 4 * sizeof *start);
    start[0] = 0;
    start[1] = rows / 4 + 1 < rows ? rows / 4 + 1 : rows;
    start[2] = rows / 2 + 1 < rows ? rows / 2 + 1 : rows;
    start[3] = rows;
    return (struct vlp_seqs){3, start};
}

static struct vlp_tensor *linear(struct trial *r)
{
    static const enum vlp_activation acts[] = {VLP_ACT_NONE, VLP_ACT_GELU, VLP_ACT_QUICK_GELU};
    const int                 n = N[r->variant], k = C[r->variant], out = r->variant == 2 ? 70 : 9;
    const bool                part = r->variant == 2; /* rows 32 .. 69 of the weight alone */
    const int                 count = part ? 38 : out;
    struct vlp_linear_options o = {.act = acts[r->variant],
                                   .first = part ? 32 : 0,
                                   .count = part ? count : 0,
                                   .residual = input(r, 3, VLP_DIMS(n, count))};
    return vlp_linear(&r->tape, input(r, 0, VLP_DIMS(n, k)), input(r, 1, VLP_DIMS(out, k)),
                      input(r, 2, VLP_DIMS(out)), &o);
}

static struct vlp_tensor *mlp(struct trial *r)
{
    static const enum vlp_activation acts[] = {VLP_ACT_GELU, VLP_ACT_QUICK_GELU, VLP_ACT_TANH};
    const int                        n = N[r->variant], k = C[r->variant], hidden = 2 * k + 3;
    const int                        out = r->variant == 1 ? 9 : k;
    struct vlp_tensor               *x = input(r, 0, VLP_DIMS(n, k));
    struct vlp_tensor *w1 = input(r, 1, VLP_DIMS(hidden, k)), *b1 = input(r, 2, VLP_DIMS(hidden));
    struct vlp_tensor *w2 = input(r, 3, VLP_DIMS(out, hidden)), *b2 = input(r, 4, VLP_DIMS(out));
    return vlp_mlp(&r->tape, x, w1, b1, acts[r->variant], w2, b2, input(r, 5, VLP_DIMS(n, out)),
                   NULL);
}

static struct vlp_tensor *project(struct trial *r)
{
    const int n = N[r->variant], k = C[r->variant];
    return vlp_project(&r->tape, input(r, 0, VLP_DIMS(n, k)), input(r, 1, VLP_DIMS(k, 12)));
}

static struct vlp_tensor *matmul_nt(struct trial *r)
{
    const int n = N[r->variant], k = C[r->variant];
    return vlp_matmul_nt(&r->tape, input(r, 0, VLP_DIMS(n, k)), input(r, 1, VLP_DIMS(n + 2, k)));
}

/* 0: one tensor (N, 3C), causal; 1: three, cross, ragged; 2: bias, more keys than one tile;
 * 3: causal with fewer queries than keys, several query tiles; 4: some rows' queries, mask and bias
 * as of all */
static struct vlp_tensor *attention(struct trial *r)
{
    struct vlp_tape             *t = &r->tape;
    struct vlp_attention_options o = {.heads = 2};
    if (r->variant == 0) {
        struct vlp_tensor *x = input(r, 0, VLP_DIMS(11, 24));
        o.q_seqs = o.k_seqs = seqs3(r, 11);
        o.causal = true;
        return vlp_attention(t, x, 0, x, 8, x, 16, 8, &o);
    }
    if (r->variant == 1) {
        o.q_seqs = seqs3(r, 9);
        o.k_seqs = seqs3(r, 20);
        o.scale = 0.7f;
        return vlp_attention(t, input(r, 0, VLP_DIMS(9, 10)), 0, input(r, 1, VLP_DIMS(20, 12)), 2,
                             input(r, 2, VLP_DIMS(20, 10)), 0, 10, &o);
    }
    if (r->variant == 2) {
        o.q_seqs = vlp_seqs_even(t, 2, 3);
        o.k_seqs = vlp_seqs_even(t, 2, 260);
        o.bias = input(r, 3, VLP_DIMS(2, 3, 260));
        return vlp_attention(t, input(r, 0, VLP_DIMS(6, 8)), 0, input(r, 1, VLP_DIMS(520, 8)), 0,
                             input(r, 2, VLP_DIMS(520, 8)), 0, 8, &o);
    }
    if (r->variant == 4) {
        static const int place[] = {3, 0, 5};
        o.q_seqs = vlp_seqs_even(t, 3, 2);
        o.k_seqs = seqs3(r, 20);
        o.q_place = place;
        o.causal = true;
        o.bias = input(r, 3, VLP_DIMS(2, 9, 9));
        return vlp_attention(t, input(r, 0, VLP_DIMS(6, 8)), 0, input(r, 1, VLP_DIMS(20, 8)), 0,
                             input(r, 2, VLP_DIMS(20, 8)), 0, 8, &o);
    }
    o.q_seqs = vlp_seqs_even(t, 1, 67);
    o.k_seqs = vlp_seqs_even(t, 1, 70);
    o.causal = true;
    return vlp_attention(t, input(r, 0, VLP_DIMS(67, 8)), 0, input(r, 1, VLP_DIMS(70, 8)), 0,
                         input(r, 2, VLP_DIMS(70, 8)), 0, 8, &o);
}

static struct vlp_tensor *layernorm(struct trial *r)
{
    const int n = N[r->variant], c = C[r->variant];
    return vlp_layernorm(&r->tape, input(r, 0, VLP_DIMS(n, c)), input(r, 1, VLP_DIMS(c)),
                         input(r, 2, VLP_DIMS(c)), 1e-5f);
}

static struct vlp_tensor *act(struct trial *r)
{
    static const enum vlp_activation acts[] = {VLP_ACT_GELU, VLP_ACT_QUICK_GELU, VLP_ACT_RELU,
                                               VLP_ACT_TANH};
    r->away_from_zero = true;
    return vlp_act(&r->tape, input(r, 0, VLP_DIMS(13, 37)), acts[r->variant]);
}

static struct vlp_tensor *add(struct trial *r)
{
    const int          n = N[r->variant], c = C[r->variant];
    struct vlp_tensor *a = input(r, 0, VLP_DIMS(3 * n, c));
    if (r->variant == 0) return vlp_add(&r->tape, a, input(r, 1, VLP_DIMS(3 * n, c)));
    if (r->variant == 1) return vlp_add(&r->tape, a, input(r, 1, VLP_DIMS(c)));
    if (r->variant == 3) return vlp_add(&r->tape, a, input(r, 1, VLP_DIMS(1)));
    return vlp_add(&r->tape, a, input(r, 1, VLP_DIMS(n, c)));
}

static struct vlp_tensor *scale(struct trial *r)
{
    return vlp_scale(&r->tape, input(r, 0, VLP_DIMS(N[r->variant], C[r->variant])), -1.75f);
}

static struct vlp_tensor *scale_rows(struct trial *r)
{
    const int n = N[r->variant], c = C[r->variant];
    return vlp_scale_rows(&r->tape, input(r, 0, VLP_DIMS(n, c)), input(r, 1, VLP_DIMS(c)));
}

static struct vlp_tensor *scale_exp(struct trial *r)
{
    const int n = N[r->variant], c = C[r->variant];
    return vlp_scale_exp(&r->tape, input(r, 0, VLP_DIMS(n, c)), input(r, 1, VLP_DIMS(1)));
}

static struct vlp_tensor *lookup(struct trial *r)
{
    static const int32_t ids[] = {3, 0, 3, 2, 2, 3, 1};
    return vlp_lookup(&r->tape, input(r, 0, VLP_DIMS(6, C[r->variant])), ids, 7);
}

static struct vlp_tensor *gather_rows(struct trial *r)
{
    static const int rows[] = {4, 4, 0, 5, 1, 4};
    return vlp_gather_rows(&r->tape, input(r, 0, VLP_DIMS(6, C[r->variant])), rows, 6);
}

static struct vlp_tensor *concat_tokens(struct trial *r)
{
    const int       c = C[r->variant];
    struct vlp_seqs out;
    return vlp_concat_tokens(&r->tape, input(r, 0, VLP_DIMS(9, c)), seqs3(r, 9),
                             input(r, 1, VLP_DIMS(16, c)), seqs3(r, 16), &out);
}

static struct vlp_tensor *mean_rows(struct trial *r)
{
    return vlp_mean_rows(&r->tape, input(r, 0, VLP_DIMS(14, C[r->variant])), seqs3(r, 14));
}

static struct vlp_tensor *normalize(struct trial *r)
{
    return vlp_normalize(&r->tape, input(r, 0, VLP_DIMS(N[r->variant], C[r->variant])));
}

static struct vlp_tensor *transpose(struct trial *r)
{
    return vlp_transpose(&r->tape, input(r, 0, VLP_DIMS(N[r->variant], C[r->variant])));
}

static struct vlp_tensor *dropout(struct trial *r)
{
    return vlp_dropout(&r->tape, input(r, 0, VLP_DIMS(N[r->variant], C[r->variant])), 0.3f);
}

static struct vlp_tensor *drop_path(struct trial *r)
{
    return vlp_drop_path(&r->tape, input(r, 0, VLP_DIMS(14, C[r->variant])), seqs3(r, 14), 0.4f);
}

static struct vlp_tensor *cross_entropy(struct trial *r)
{
    static const int32_t target[] = {3, -1, 0, 4, 2, -1, 3};
    return vlp_cross_entropy(&r->tape, input(r, 0, VLP_DIMS(7, C[r->variant])), target);
}

static struct vlp_tensor *cross_entropy_soft(struct trial *r)
{
    const int          c = C[r->variant];
    struct vlp_tensor *target = vlp_tensor_new(&r->tape, VLP_DIMS(6, c), false);
    for (int i = 0; i < 6 * c; i++)
        target->data[i] = (float)((i * 7) % 5 + (i % c == 0)) / (2.0f * (float)c);
    return vlp_cross_entropy_soft(&r->tape, input(r, 0, VLP_DIMS(6, c)), target);
}

static struct vlp_tensor *sigmoid_pairs(struct trial *r)
{
    const int n = N[r->variant], first = r->variant; /* rows of a process, candidates of all */
    return vlp_sigmoid_pairs(&r->tape, input(r, 0, VLP_DIMS(n, n + 2 * first)), first);
}

static struct vlp_tensor *patchify(struct trial *r)
{
    static const int P[] = {2, 3, 1};
    const int        p = P[r->variant];
    return vlp_patchify(&r->tape, input(r, 0, VLP_DIMS(2, 3, 2 * p, 3 * p)), p);
}

/* 0: 3 x 3; 1: 1 x 1 with residual; 2: 3 x 3 with stride 2; 3: many rows, so that blocks are cut */
static struct vlp_tensor *conv2d(struct trial *r)
{
    static const struct {
        int                 B, H, W, C, out, k, stride;
        enum vlp_activation act;
        bool                bias, residual;
    } v[] = {{2, 5, 4, 3, 6, 3, 1, VLP_ACT_GELU, true, true},
             {1, 3, 3, 5, 7, 1, 1, VLP_ACT_TANH, true, true},
             {2, 6, 5, 3, 4, 3, 2, VLP_ACT_NONE, true, false},
             {3, 24, 24, 128, 3, 3, 1, VLP_ACT_NONE, true, false}};
    const int i = r->variant, H = (v[i].H - 1) / v[i].stride + 1,
              W = (v[i].W - 1) / v[i].stride + 1;
    struct vlp_tensor *x = input(r, 0, VLP_DIMS(v[i].B, v[i].H, v[i].W, v[i].C));
    struct vlp_tensor *w = input(r, 1, VLP_DIMS(v[i].out, v[i].C, v[i].k, v[i].k));
    struct vlp_tensor *b = input(r, 2, VLP_DIMS(v[i].out));
    struct vlp_tensor *residual =
        v[i].residual ? input(r, 3, VLP_DIMS(v[i].B, H, W, v[i].out)) : NULL;
    return vlp_conv2d(&r->tape, x, w, b, v[i].stride, v[i].act, residual);
}

static struct vlp_tensor *avg_pool(struct trial *r)
{
    return vlp_avg_pool(&r->tape, input(r, 0, VLP_DIMS(2, 5, 4, C[r->variant])), 2);
}

static struct vlp_tensor *batch_norm(struct trial *r)
{
    static const struct {
        int   B, H, W, C;
        float eps;
    } v[] = {{3, 2, 2, 5, 0.1f}, {4, 3, 5, 16, 1e-5f}, {33, 1, 1, 37, 1e-5f}};
    const int i = r->variant, n = v[i].C;
    return vlp_batch_norm(&r->tape, input(r, 0, VLP_DIMS(v[i].B, v[i].H, v[i].W, n)),
                          input(r, 1, VLP_DIMS(n)), input(r, 2, VLP_DIMS(n)), v[i].eps, NULL);
}

static struct vlp_tensor *nchw_to_nhwc(struct trial *r)
{
    return vlp_nchw_to_nhwc(&r->tape, input(r, 0, VLP_DIMS(2, C[r->variant], 3, 4)));
}

static const struct op_case {
    const char *name;
    int         variants;
    struct vlp_tensor *(*run)(struct trial *r);
} cases[] = {
    {"linear", 3, linear},
    {"mlp", 3, mlp},
    {"project", 3, project},
    {"matmul_nt", 3, matmul_nt},
    {"attention", 5, attention},
    {"layernorm", 3, layernorm},
    {"act", 4, act},
    {"add", 4, add},
    {"scale", 3, scale},
    {"scale_rows", 3, scale_rows},
    {"scale_exp", 3, scale_exp},
    {"lookup", 3, lookup},
    {"gather_rows", 3, gather_rows},
    {"concat_tokens", 3, concat_tokens},
    {"mean_rows", 3, mean_rows},
    {"normalize", 3, normalize},
    {"transpose", 3, transpose},
    {"dropout", 3, dropout},
    {"drop_path", 3, drop_path},
    {"cross_entropy", 3, cross_entropy},
    {"cross_entropy_soft", 3, cross_entropy_soft},
    {"sigmoid_pairs", 3, sigmoid_pairs},
    {"patchify", 3, patchify},
    {"conv2d", 4, conv2d},
    {"avg_pool", 3, avg_pool},
    {"nchw_to_nhwc", 3, nchw_to_nhwc},
    {"batch_norm", 3, batch_norm},
};

static const struct op_case *find_case(const char *name)
{
    for (size_t i = 0; i < VLP_COUNT(cases); i++)
        if (strcmp(cases[i].name, name) == 0) return &cases[i];
    return NULL;
}

/* The weight of output element i in the loss. */
static float weight(size_t i)
{
    return (float)((int)(i * 2654435761u >> 20 & 63) - 31) / 32.0f;
}

static struct vlp_tensor *forward(struct trial *r, const struct op_case *c,
                                  const struct vlp_compute *compute, struct vlp_arena *mem,
                                  unsigned mask)
{
    r->mask = mask;
    vlp_tape_init(&r->tape, compute, mem, true);
    return c->run(r);
}

static double loss(struct trial *r, const struct op_case *c, const struct vlp_compute *compute,
                   struct vlp_arena *mem)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    const struct vlp_tensor    *y = forward(r, c, compute, mem, 0);
    double                      sum = 0.0;
    for (size_t i = 0; i < vlp_numel(y); i++) sum += (double)y->data[i] * (double)weight(i);
    vlp_arena_rewind(mem, mark);
    return sum;
}

/* Gradients of the inputs in `mask`, copied out. */
static void gradients(struct trial *r, const struct op_case *c, const struct vlp_compute *compute,
                      struct vlp_arena *mem, unsigned mask, float *out[VLP_MAX_IN])
{
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    struct vlp_tensor          *y = forward(r, c, compute, mem, mask);
    ck_assert_ptr_nonnull(y->grad);
    for (size_t i = 0; i < vlp_numel(y); i++) y->grad[i] = weight(i);
    vlp_backward(&r->tape, y);
    for (int k = 0; k < r->n_in; k++) {
        out[k] = NULL;
        if (!((mask >> k) & 1)) continue;
        out[k] = vlp_malloc(r->n[k] * sizeof(float));
        memcpy(out[k], r->in[k]->grad, r->n[k] * sizeof(float));
    }
    vlp_arena_rewind(mem, mark);
}

static void free_all(float *x[VLP_MAX_IN], int n)
{
    for (int k = 0; k < n; k++) free(x[k]);
}

static double difference(struct trial *r, const struct op_case *c,
                         const struct vlp_compute *compute, struct vlp_arena *mem, float *at)
{
    const float  h = 1.0f / 32.0f, x = *at; /* steps that f32 adds exactly */
    const float  step[] = {-2.0f, -1.0f, 1.0f, 2.0f};
    const double share[] = {1.0 / 12.0, -8.0 / 12.0, 8.0 / 12.0, -1.0 / 12.0};
    double       sum = 0.0;
    for (int i = 0; i < 4; i++) {
        *at = x + h * step[i];
        sum += share[i] * loss(r, c, compute, mem);
    }
    *at = x;
    return sum / (double)h;
}

static void check_differences(struct trial *r, const struct op_case *c,
                              const struct vlp_compute *compute, struct vlp_arena *mem,
                              float *const got[VLP_MAX_IN])
{
    enum { TRIED = 20 };
    for (int k = 0; k < r->n_in; k++) {
        double most = 0.0;
        for (size_t i = 0; i < r->n[k]; i++) most = fmax(most, fabs((double)got[k][i]));
        const size_t stride = r->n[k] / TRIED + 1;
        for (size_t i = 0; i < r->n[k]; i += stride) {
            const double want = difference(r, c, compute, mem, &r->value[k][i]);
            /* rounding of the forward over 2h, and the fifth derivative's h^4 */
            const double near = 1e-3 * fmax(most, 0.3);
            ck_assert_msg(fabs(want - (double)got[k][i]) <= near,
                          "%s, variant %d, input %d, element %zu: backward %.6g, difference %.6g",
                          c->name, r->variant, k, i, (double)got[k][i], want);
        }
    }
}

static void same_bits(const struct trial *r, const struct op_case *c, float *const a[VLP_MAX_IN],
                      float *const b[VLP_MAX_IN], unsigned mask, const char *what)
{
    for (int k = 0; k < r->n_in; k++)
        if ((mask >> k) & 1)
            ck_assert_msg(memcmp(a[k], b[k], r->n[k] * sizeof(float)) == 0,
                          "%s, variant %d: %s change the gradient of input %d", c->name, r->variant,
                          what, k);
}

static const char *const levels[] = {"portable", "avx2", "avx512", "amx"};

static void check_op(const struct op_case *c, const char *level)
{
    struct vlp_error   err;
    struct vlp_compute one, four;
    struct vlp_pool   *pool = vlp_pool_open(4);
    if (vlp_compute_init(&one, NULL, level, VLP_PRECISION_F32, &err) != VLP_OK) {
        vlp_pool_close(pool);
        return; /* this machine cannot run the level */
    }
    ck_assert_int_eq(vlp_compute_init(&four, pool, level, VLP_PRECISION_F32, &err), VLP_OK);
    struct vlp_arena mem;
    vlp_arena_init(&mem);
    for (int v = 0; v < c->variants; v++) {
        struct trial r = {.variant = v};
        loss(&r, c, &one, &mem); /* learns the inputs */
        const unsigned all = (1u << r.n_in) - 1;
        float         *full[VLP_MAX_IN], *part[VLP_MAX_IN];
        gradients(&r, c, &one, &mem, all, full);
        check_differences(&r, c, &one, &mem, full);
        for (unsigned mask = 1; mask <= all; mask++) {
            gradients(&r, c, &four, &mem, mask, part);
            same_bits(&r, c, full, part, mask, "threads or the inputs wanting one");
            free_all(part, r.n_in);
        }
        r.made = true;
        for (unsigned mask = 1; mask <= all; mask++) {
            gradients(&r, c, &four, &mem, mask, part);
            same_bits(&r, c, full, part, mask, "inputs that an op made");
            free_all(part, r.n_in);
        }
        r.made = false;
        r.fill = 1.0f; /* backward adds to what is there */
        gradients(&r, c, &one, &mem, all, part);
        for (int k = 0; k < r.n_in; k++)
            for (size_t i = 0; i < r.n[k]; i++)
                ck_assert_float_eq_tol(part[k][i], full[k][i] + 1.0f,
                                       1e-5f * (1.0f + fabsf(full[k][i])));
        free_all(part, r.n_in);
        free_all(full, r.n_in);
        free_all(r.value, r.n_in);
    }
    vlp_arena_free(&mem);
    vlp_pool_close(pool);
}

/* In bf16: the gradients of f32 but for the rounding of operands, and the same on any threads. */
static void check_bf16(const struct op_case *c, const char *level)
{
    struct vlp_error   err;
    struct vlp_compute f32, one, four;
    struct vlp_pool   *pool = vlp_pool_open(4);
    struct vlp_arena   mem;
    if (vlp_compute_init(&f32, NULL, level, VLP_PRECISION_F32, &err) != VLP_OK) {
        vlp_pool_close(pool);
        return;
    }
    ck_assert_int_eq(vlp_compute_init(&one, NULL, level, VLP_PRECISION_BF16, &err), VLP_OK);
    ck_assert_int_eq(vlp_compute_init(&four, pool, level, VLP_PRECISION_BF16, &err), VLP_OK);
    vlp_arena_init(&mem);
    for (int v = 0; v < c->variants; v++) {
        struct trial r = {.variant = v};
        loss(&r, c, &f32, &mem);
        const unsigned all = (1u << r.n_in) - 1;
        float         *want[VLP_MAX_IN], *got[VLP_MAX_IN], *again[VLP_MAX_IN];
        gradients(&r, c, &f32, &mem, all, want);
        gradients(&r, c, &one, &mem, all, got);
        gradients(&r, c, &four, &mem, all, again);
        same_bits(&r, c, got, again, all, "threads");
        for (int k = 0; k < r.n_in; k++) {
            double most = 0.3;
            for (size_t i = 0; i < r.n[k]; i++) most = fmax(most, fabs((double)want[k][i]));
            for (size_t i = 0; i < r.n[k]; i++)
                ck_assert_msg(fabs((double)got[k][i] - want[k][i]) <= 0.02 * most,
                              "%s, variant %d, input %d: bf16 %.6g, f32 %.6g", c->name, v, k,
                              (double)got[k][i], (double)want[k][i]);
        }
        free_all(again, r.n_in);
        free_all(got, r.n_in);
        free_all(want, r.n_in);
        free_all(r.value, r.n_in);
    }
    vlp_arena_free(&mem);
    vlp_pool_close(pool);
}

static int n_ops(void)
{
    int n = 0;
    while (vlp_ops[n]) n++;
    return n;
}

START_TEST(backward_is_the_derivative_of_forward)
{
    const char           *name = vlp_ops[_i / (int)VLP_COUNT(levels)]->name;
    const struct op_case *c = find_case(name);
    ck_assert_msg(c != NULL, "the op %s has no case here", name);
    check_op(c, levels[_i % (int)VLP_COUNT(levels)]);
}
END_TEST

START_TEST(backward_in_bf16_is_that_of_f32_but_for_rounding)
{
    check_bf16(&cases[_i / (int)VLP_COUNT(levels)], levels[_i % (int)VLP_COUNT(levels)]);
}
END_TEST

START_TEST(every_case_belongs_to_an_op)
{
    ck_assert_int_eq(n_ops(), (int)VLP_COUNT(cases));
}
END_TEST

/* ---- loops of more than 2^31 -------------------------------------------------------------- */

enum { PIECES = 64 };
struct seen {
    int64_t begin[PIECES], end[PIECES];
};

/* Only the place of a piece is noted: no memory is touched. */
static void note_piece(void *ctx, int64_t begin, int64_t end)
{
    struct seen *s = ctx;
    const int    i = (int)(begin * PIECES / 3000000000);
    ck_assert_int_eq(s->end[i], 0);
    s->begin[i] = begin;
    s->end[i] = end;
}

START_TEST(a_loop_of_more_than_2_to_the_31_is_run_whole)
{
    const int64_t    n = 3000000000;
    struct vlp_error err;
    struct vlp_arena mem;
    vlp_arena_init(&mem);
    for (int threads = 1; threads <= 3; threads++) {
        struct vlp_compute c;
        struct vlp_tape    t;
        struct seen        s = {0};
        int64_t            at = 0;
        struct vlp_pool   *pool = vlp_pool_open(threads);
        ck_assert_int_eq(vlp_compute_init(&c, pool, NULL, VLP_PRECISION_F32, &err), VLP_OK);
        vlp_tape_init(&t, &c, &mem, false);
        op_split(&t, n, 1, note_piece, &s);
        for (int i = 0; i < PIECES; i++) {
            if (s.end[i] == 0) continue;
            ck_assert_int_eq(s.begin[i], at);
            ck_assert_int_gt(s.end[i], at);
            at = s.end[i];
        }
        ck_assert_int_eq(at, n);
        vlp_pool_close(pool);
    }
    vlp_arena_free(&mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gradients");
    TCase *t = tcase_create("ops");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, backward_is_the_derivative_of_forward, 0,
                        n_ops() * (int)VLP_COUNT(levels));
    tcase_add_loop_test(t, backward_in_bf16_is_that_of_f32_but_for_rounding, 0,
                        (int)(VLP_COUNT(cases) * VLP_COUNT(levels)));
    tcase_add_test(t, every_case_belongs_to_an_op);
    tcase_add_test(t, a_loop_of_more_than_2_to_the_31_is_run_whole);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
