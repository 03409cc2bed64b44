/* check_gemm.c -- the matrix product of every level and precision against sums in doubles. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/tensor.h>

#include "computing.h"

static const int sizes_m[] = {1, 3, 17, 50, 197, 257};

struct matrices {
    int    M, N, K, ldx, ldy;
    float *x, *w, *y, *bias, *residual;
};

static struct matrices make(int M, int N, int K, int pad)
{
    struct matrices m = {M, N, K, K + pad, N + pad, NULL, NULL, NULL, NULL, NULL};
    m.x = random_floats((size_t)M * m.ldx, 1, 1.0f);
    m.w = random_floats((size_t)N * K, 2, 0.05f);
    m.y = random_floats((size_t)M * m.ldy, 3, 1.0f);
    m.bias = random_floats((size_t)N, 4, 1.0f);
    m.residual = random_floats((size_t)M * m.ldy, 5, 1.0f);
    return m;
}

static void drop(struct matrices *m)
{
    free(m->x);
    free(m->w);
    free(m->y);
    free(m->bias);
    free(m->residual);
}

static double act(enum vlp_activation a, double x)
{
    switch (a) {
    case VLP_ACT_GELU: return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case VLP_ACT_QUICK_GELU: return x / (1.0 + exp(-1.702 * x));
    case VLP_ACT_RELU: return x > 0.0 ? x : 0.0;
    case VLP_ACT_TANH: return tanh(x);
    default: return x;
    }
}

static double rounded(enum vlp_precision p, float v)
{
    return p == VLP_PRECISION_BF16 ? (double)vlp_bf16_to_f32(vlp_f32_to_bf16(v)) : (double)v;
}

/* The largest error over the root of the sum of squared products. */
static double worst(const struct matrices *m, enum vlp_precision p, const struct vlp_epilogue *e)
{
    double *x = vlp_malloc(sizeof *x * (size_t)m->M * m->K), *w = vlp_malloc(sizeof *w * m->K);
    double  most = 0.0;
    for (int i = 0; i < m->M; i++)
        for (int k = 0; k < m->K; k++)
            x[(size_t)i * m->K + k] = rounded(p, m->x[(size_t)i * m->ldx + k]);
    for (int n = 0; n < m->N; n++) {
        for (int k = 0; k < m->K; k++) w[k] = rounded(p, m->w[(size_t)n * m->K + k]);
        for (int i = 0; i < m->M; i++) {
            double sum = 0.0, square = 0.0;
            for (int k = 0; k < m->K; k++) {
                const double t = x[(size_t)i * m->K + k] * w[k];
                sum += t;
                square += t * t;
            }
            if (e->bias) sum += e->bias[n];
            sum = act(e->act, sum);
            if (e->residual) sum += e->residual[(size_t)i * e->ld_residual + n];
            const double error = fabs(sum - m->y[(size_t)i * m->ldy + n]);
            most = vlp_worse(most, error / (sqrt(square) + 1e-3));
        }
    }
    free(x);
    free(w);
    return most;
}

/* What is allowed: f32 sums of bf16 are as exact as others; bytes are 1/255 and 1/64 of a range. */
static const double limit[VLP_PRECISION_COUNT] = {1e-5, 1e-5, 0.15};

static void run(const struct vlp_compute *c, struct matrices *m, const struct vlp_epilogue *e)
{
    struct vlp_packed *w = vlp_pack(c, m->w, VLP_F32, m->N, m->K, c->precision);
    vlp_gemm_packed(c, m->y, m->ldy, m->x, m->ldx, m->M, w, 0, m->N, e);
    vlp_packed_free(w);
}

START_TEST(product_is_the_sum_of_products_for_every_level_and_odd_size)
{
    static const int sizes_nk[][2] = {{1, 1},    {3, 17},   {50, 77},  {96, 768},
                                      {130, 33}, {31, 385}, {64, 1100}};
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute  c = level(_i, 2, (enum vlp_precision)p);
        const struct vlp_epilogue none = {0};
        for (size_t i = 0; i < VLP_COUNT(sizes_m); i++)
            for (size_t j = 0; j < VLP_COUNT(sizes_nk); j++) {
                struct matrices m = make(sizes_m[i], sizes_nk[j][0], sizes_nk[j][1], 5);
                run(&c, &m, &none);
                const double error = worst(&m, (enum vlp_precision)p, &none);
                ck_assert_msg(error < limit[p], "%s %d x %d x %d: %g", vlp_precision_name(p), m.M,
                              m.N, m.K, error);
                drop(&m);
            }
        vlp_pool_close(c.pool);
    }
}
END_TEST

START_TEST(epilogue_adds_bias_activates_keeps_pre_and_adds_residual)
{
    for (int p = 0; p < VLP_PRECISION_COUNT; p++)
        for (int a = VLP_ACT_NONE; a <= VLP_ACT_TANH; a++) {
            const struct vlp_compute c = level(_i, 1, (enum vlp_precision)p);
            struct matrices          m = make(19, 45, 900, 3);
            float                   *pre = random_floats((size_t)m.M * m.ldy, 9, 1.0f);
            struct vlp_epilogue      e = {m.bias, pre, (enum vlp_activation)a, m.residual, m.ldy};
            run(&c, &m, &e);
            ck_assert_double_lt(worst(&m, (enum vlp_precision)p, &e), limit[p]);
            memcpy(m.y, pre, sizeof *pre * (size_t)m.M * m.ldy);
            struct vlp_epilogue linear = {.bias = m.bias};
            ck_assert_double_lt(worst(&m, (enum vlp_precision)p, &linear), limit[p]);
            free(pre);
            drop(&m);
        }
}
END_TEST

START_TEST(residual_may_be_the_result_itself)
{
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute c = level(_i, 2, (enum vlp_precision)p);
        struct matrices          m = make(37, 70, 1000, 0);
        const size_t             size = sizeof(float) * (size_t)m.M * m.ldy;
        struct vlp_epilogue      e = {.bias = m.bias, .residual = m.residual, .ld_residual = m.ldy};
        run(&c, &m, &e);
        float *apart = vlp_malloc(size);
        memcpy(apart, m.y, size);
        memcpy(m.y, m.residual, size);
        e.residual = m.y;
        run(&c, &m, &e);
        ck_assert_int_eq(memcmp(apart, m.y, size), 0);
        free(apart);
        drop(&m);
        vlp_pool_close(c.pool);
    }
}
END_TEST

START_TEST(a_row_is_the_same_alone_and_in_any_batch_on_any_number_of_threads)
{
    /* rows that are shared, and rows short enough for a copy a thread */
    static const struct {
        int N, K;
    } sizes[] = {{224, 1301}, {520, 300}};
    enum { M = 230 };
    for (int i = 0; i < 2 * VLP_PRECISION_COUNT; i++) {
        const int           p = i / 2, N = sizes[i % 2].N, K = sizes[i % 2].K;
        struct matrices     m = make(M, N, K, 7);
        struct vlp_epilogue e = {
            .bias = m.bias, .act = VLP_ACT_GELU, .residual = m.residual, .ld_residual = m.ldy};
        float *first = NULL;
        for (int threads = 1; threads <= 4; threads++) {
            const struct vlp_compute c = level(_i, threads, (enum vlp_precision)p);
            struct vlp_packed       *w = vlp_pack(&c, m.w, VLP_F32, N, K, (enum vlp_precision)p);
            for (int rows = 1; rows <= M; rows += 1 + rows / 2) {
                float *y = vlp_calloc((size_t)M * m.ldy, sizeof *y);
                for (int r = 0; r < M; r += rows) {
                    struct vlp_epilogue part = e;
                    part.residual += (size_t)r * m.ldy;
                    vlp_gemm_packed(&c, y + (size_t)r * m.ldy, m.ldy, m.x + (size_t)r * m.ldx,
                                    m.ldx, M - r < rows ? M - r : rows, w, 0, N, &part);
                }
                if (!first)
                    first = y;
                else {
                    ck_assert_int_eq(memcmp(first, y, sizeof *y * (size_t)M * m.ldy), 0);
                    free(y);
                }
            }
            vlp_packed_free(w);
            vlp_pool_close(c.pool);
        }
        free(first);
        drop(&m);
    }
}
END_TEST

/* y and what went into the activation, of two layers whose hidden rows are H wide. */
struct pair {
    float *y, *pre;
};

static struct pair two_layers(const struct vlp_compute *c, const struct matrices *m,
                              const float *back, int H, enum vlp_activation act, bool together)
{
    const int          M = m->M, N = m->ldy, K = m->K;
    struct vlp_packed *w1 = vlp_pack(c, m->w, VLP_F32, H, K, c->precision);
    struct vlp_packed *w2 = vlp_pack(c, back, VLP_F32, N, H, c->precision);
    const struct pair  got = {vlp_malloc(sizeof(float) * (size_t)M * N),
                              vlp_calloc((size_t)M * H, sizeof(float))};
    memcpy(got.y, m->residual, sizeof(float) * (size_t)M * N);
    const struct vlp_epilogue e1 = {.bias = m->bias, .pre = got.pre, .act = act};
    const struct vlp_epilogue e2 = {.bias = m->bias, .residual = got.y, .ld_residual = N};
    const size_t              room_size = vlp_gemm_pair_room(M, w1, w2);
    void                     *room = vlp_malloc(room_size);
    memset(room, 0xff, room_size); /* no numbers */
    if (together) {
        vlp_gemm_pair(c, got.y, N, m->x, m->ldx, M, w1, &e1, w2, &e2, room);
    } else {
        float *h = vlp_malloc(sizeof *h * (size_t)M * H);
        vlp_gemm_packed(c, h, H, m->x, m->ldx, M, w1, 0, H, &e1);
        vlp_gemm_packed(c, got.y, N, h, H, M, w2, 0, N, &e2);
        free(h);
    }
    free(room);
    vlp_packed_free(w1);
    vlp_packed_free(w2);
    return got;
}

START_TEST(two_products_in_one_are_the_two_to_the_bit)
{
    static const int sizes[][3] = {{1, 40, 33},   {17, 51, 31},    {33, 96, 64},
                                   {260, 70, 45}, {50, 1700, 100}, {7, 3100, 20}};
    for (int i = 0; i < VLP_PRECISION_COUNT * (VLP_ACT_TANH + 1); i++) {
        const enum vlp_precision  p = (enum vlp_precision)(i % VLP_PRECISION_COUNT);
        const enum vlp_activation act = (enum vlp_activation)(i / VLP_PRECISION_COUNT);
        for (size_t j = 0; j < VLP_COUNT(sizes); j++)
            for (int threads = 1; threads <= 3; threads += 2) {
                const int                M = sizes[j][0], H = sizes[j][1], N = sizes[j][2];
                const struct vlp_compute c = level(_i, threads, p);
                /* as many columns of bias and residual as the wider layer has */
                struct matrices m = make(M, H > N ? H : N, 77, 0);
                float          *back = random_floats((size_t)N * H, 6, 0.05f);
                m.ldy = N;
                if (p == VLP_PRECISION_BF16) { /* zero times infinity would be no number */
                    m.x[0] = INFINITY;
                    for (int n = 0; n < H; n++) m.w[n * m.K] = -fabsf(m.w[n * m.K]);
                }
                const struct pair one = two_layers(&c, &m, back, H, act, true);
                const struct pair two = two_layers(&c, &m, back, H, act, false);
                ck_assert_int_eq(memcmp(one.y, two.y, sizeof(float) * (size_t)M * N), 0);
                ck_assert_int_eq(memcmp(one.pre, two.pre, sizeof(float) * (size_t)M * H), 0);
                free(one.y);
                free(one.pre);
                free(two.y);
                free(two.pre);
                free(back);
                drop(&m);
                vlp_pool_close(c.pool);
            }
    }
}
END_TEST

START_TEST(a_range_of_columns_is_that_part_of_the_whole)
{
    enum { M = 50, N = 300, K = 500 };
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute  c = level(_i, 2, (enum vlp_precision)p);
        struct matrices           m = make(M, N, K, 0);
        const struct vlp_epilogue whole = {
            .bias = m.bias, .act = VLP_ACT_QUICK_GELU, .residual = m.residual, .ld_residual = N};
        struct vlp_packed *w = vlp_pack(&c, m.w, VLP_F32, N, K, (enum vlp_precision)p);
        vlp_gemm_packed(&c, m.y, N, m.x, K, M, w, 0, N, &whole);
        static const int ranges[][2] = {{0, 32}, {32, 160}, {160, 300}, {288, 300}};
        for (size_t i = 0; i < VLP_COUNT(ranges); i++) {
            const int           n0 = ranges[i][0], n1 = ranges[i][1];
            float              *y = vlp_calloc((size_t)M * N, sizeof *y);
            struct vlp_epilogue e = whole;
            e.bias += n0;
            e.residual += n0;
            vlp_gemm_packed(&c, y + n0, N, m.x, K, M, w, n0, n1, &e);
            for (int r = 0; r < M; r++)
                for (int n = 0; n < N; n++) {
                    const float want = n >= n0 && n < n1 ? m.y[r * N + n] : 0.0f;
                    ck_assert(memcmp(&want, &y[r * N + n], sizeof want) == 0);
                }
            free(y);
        }
        vlp_packed_free(w);
        drop(&m);
        vlp_pool_close(c.pool);
    }
}
END_TEST

START_TEST(stored_halves_bfloats_and_q8_blocks_multiply_as_their_f32_values)
{
    static const enum vlp_dtype types[] = {VLP_F16, VLP_BF16, VLP_Q8_0};
    enum { M = 23, N = 70 };
    for (size_t t = 0; t < VLP_COUNT(types); t++)
        for (int p = 0; p < VLP_PRECISION_COUNT; p++)
            for (int K = 32; K < 1000; K = K * 2 + 32) {
                const struct vlp_compute c = level(_i, 2, (enum vlp_precision)p);
                const int                odd = types[t] == VLP_Q8_0 ? K : K + 1;
                struct matrices          m = make(M, N, odd, 0);
                m.w[0] = 1e-6f; /* a subnormal half */
                m.w[1] = -0.0f;
                const size_t row = vlp_dtype_size(types[t], (size_t)odd);
                uint8_t     *stored = vlp_malloc(row * N);
                for (int n = 0; n < N; n++) {
                    vlp_from_f32(stored + n * row, types[t], m.w + (size_t)n * odd, (size_t)odd);
                    vlp_to_f32(m.w + (size_t)n * odd, stored + n * row, types[t], (size_t)odd);
                }
                run(&c, &m, NULL);
                float             *y = vlp_calloc((size_t)M * N, sizeof *y);
                struct vlp_packed *w =
                    vlp_pack(&c, stored, types[t], N, odd, (enum vlp_precision)p);
                vlp_gemm_packed(&c, y, N, m.x, odd, M, w, 0, N, NULL);
                ck_assert_int_eq(memcmp(y, m.y, sizeof *y * M * N), 0);
                if (p == VLP_PRECISION_F32 && types[t] != VLP_Q8_0)
                    ck_assert_uint_le(vlp_packed_size(w), (size_t)(odd + 1) * (N + 31) * 2);
                vlp_packed_free(w);
                free(y);
                free(stored);
                drop(&m);
                vlp_pool_close(c.pool);
            }
}
END_TEST

START_TEST(weights_may_lie_at_any_address)
{
    static const enum vlp_dtype types[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_Q8_0};
    enum { M = 3, N = 40, K = 64 };
    for (size_t t = 0; t < VLP_COUNT(types); t++)
        for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
            const struct vlp_compute c = level(_i, 1, (enum vlp_precision)p);
            struct matrices          m = make(M, N, K, 0);
            const size_t             size = vlp_dtype_size(types[t], (size_t)N * K);
            uint8_t                 *even = vlp_malloc(size), *odd = vlp_malloc(size + 1);
            float                    y[2][M * N];
            vlp_from_f32(even, types[t], m.w, (size_t)N * K);
            memcpy(odd + 1, even, size);
            for (int i = 0; i < 2; i++) {
                struct vlp_packed *w =
                    vlp_pack(&c, i ? odd + 1 : even, types[t], N, K, (enum vlp_precision)p);
                vlp_gemm_packed(&c, y[i], N, m.x, K, M, w, 0, N, NULL);
                vlp_packed_free(w);
            }
            ck_assert_int_eq(memcmp(y[0], y[1], sizeof y[0]), 0);
            free(even);
            free(odd);
            drop(&m);
        }
}
END_TEST

START_TEST(an_infinite_half_stays_infinite)
{
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    const uint16_t           w[2] = {0x7c00, 0x3c00};
    const float              x[2] = {1.0f, 1.0f};
    float                    y;
    struct vlp_packed       *p = vlp_pack(&c, w, VLP_F16, 1, 2, VLP_PRECISION_F32);
    vlp_gemm_packed(&c, &y, 1, x, 2, 1, p, 0, 1, NULL);
    ck_assert(isinf(y) && y > 0);
    vlp_packed_free(p);
}
END_TEST

/* Of 20 x 40 results those of line `nan` (a row, or a column of y) are no numbers, those of lines
 * `inf` and `ninf` not finite, all others what they are without the change. Drops m. */
static void only_lines_are_spoiled(const struct vlp_compute *c, struct matrices *m, bool columns,
                                   int nan, int inf, int ninf)
{
    struct matrices clean = make(20, 40, 100, 0);
    run(c, m, NULL);
    run(c, &clean, NULL);
    for (int r = 0; r < 20; r++)
        for (int n = 0; n < 40; n++) {
            const int   line = columns ? n : r;
            const float y = m->y[r * 40 + n];
            if (line == nan)
                ck_assert(isnan(y));
            else if (line == inf || line == ninf)
                ck_assert(!isfinite(y));
            else
                ck_assert(y == clean.y[r * 40 + n]);
        }
    drop(m);
    drop(&clean);
}

START_TEST(a_row_that_is_not_a_number_spoils_itself_only)
{
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute c = level(_i, 1, (enum vlp_precision)p);
        struct matrices          m = make(20, 40, 100, 0);
        m.x[7 * 100 + 3] = NAN;
        m.x[8 * 100 + 99] = INFINITY;
        only_lines_are_spoiled(&c, &m, false, 7, 8, -1);
    }
}
END_TEST

START_TEST(a_weight_that_is_not_finite_spoils_its_column_only)
{
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute c = level(_i, 1, (enum vlp_precision)p);
        struct matrices          m = make(20, 40, 100, 0);
        m.w[7 * 100 + 3] = NAN;
        m.w[8 * 100 + 99] = INFINITY;
        m.w[33 * 100] = -INFINITY;
        only_lines_are_spoiled(&c, &m, true, 7, 8, 33);
    }
}
END_TEST

START_TEST(bytes_keep_the_direction_of_rows)
{
    const struct vlp_compute c = level(_i, 2, VLP_PRECISION_INT8);
    struct matrices          m = make(64, 512, 768, 0), exact = make(64, 512, 768, 0);
    run(&c, &m, NULL);
    const struct vlp_compute f = level(_i, 1, VLP_PRECISION_F32);
    run(&f, &exact, NULL);
    for (int r = 0; r < m.M; r++) {
        double ab = 0, aa = 0, bb = 0;
        for (int n = 0; n < m.N; n++) {
            const double a = m.y[r * m.ldy + n], b = exact.y[r * m.ldy + n];
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
        ck_assert_double_gt(ab / sqrt(aa * bb), 0.9995);
    }
    drop(&m);
    drop(&exact);
    vlp_pool_close(c.pool);
}
END_TEST

/* As of vlp_gemm: the sum of no products is 0. */
START_TEST(a_product_over_nothing_is_its_epilogue)
{
    enum { M = 19, N = 45 };
    static const enum vlp_dtype types[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_Q8_0};
    for (int p = 0; p < VLP_PRECISION_COUNT; p++)
        for (size_t t = 0; t <= VLP_COUNT(types); t++) {
            if (t == VLP_COUNT(types) && p == VLP_PRECISION_INT8) continue; /* no columns */
            const struct vlp_compute  c = level(_i, 2, (enum vlp_precision)p);
            struct matrices           m = make(M, N, 0, 3);
            const struct vlp_epilogue e = {.bias = m.bias};
            struct vlp_packed        *w = t < VLP_COUNT(types)
                                              ? vlp_pack(&c, m.w, types[t], N, 0, (enum vlp_precision)p)
                                              : vlp_pack_columns(&c, m.w, N, N, 0, (enum vlp_precision)p);
            vlp_gemm_packed(&c, m.y, m.ldy, m.x, m.ldx, M, w, 0, N, &e);
            for (int i = 0; i < M; i++) ck_assert_mem_eq(m.y + i * m.ldy, m.bias, N * sizeof *m.y);
            vlp_packed_free(w);
            drop(&m);
            vlp_pool_close(c.pool);
        }
}
END_TEST

/* The largest error of C = alpha op(A) op(B) + old over what rounding allows. */
static double general_error(enum vlp_precision p, bool ta, bool tb, int M, int N, int K,
                            float alpha, const float *A, int lda, const float *B, int ldb,
                            const float *old, const float *C, int ldc)
{
    double most = 0.0;
    for (int i = 0; i < M; i++)
        for (int n = 0; n < N; n++) {
            double sum = 0.0, square = 1e-6;
            for (int k = 0; k < K; k++) {
                const double t = rounded(p, ta ? A[(size_t)k * lda + i] : A[(size_t)i * lda + k]) *
                                 rounded(p, tb ? B[(size_t)n * ldb + k] : B[(size_t)k * ldb + n]);
                sum += t;
                square += t * t;
            }
            sum = alpha * sum + (old ? old[(size_t)i * ldc + n] : 0.0);
            most = vlp_worse(most, fabs(sum - C[(size_t)i * ldc + n]) / (sqrt(square) + 1));
        }
    return most;
}

START_TEST(general_product_takes_all_transposes_alpha_and_accumulates)
{
    static const int sizes[][3] = {{1, 1, 1},      {3, 5, 7},       {50, 64, 77},
                                   {197, 33, 400}, {70, 130, 1601}, {16, 5000, 1300}};
    for (int p = VLP_PRECISION_F32; p <= VLP_PRECISION_BF16; p++) {
        const struct vlp_compute c = level(_i, 2, VLP_PRECISION_F32);
        for (size_t s = 0; s < VLP_COUNT(sizes); s++)
            for (int form = 0; form < 8; form++) {
                const bool ta = form & 1, tb = form & 2, add = form & 4;
                const int  M = sizes[s][0], N = sizes[s][1], K = sizes[s][2];
                if (N > 1000 && form != 0 && form != 7) continue;
                const int   lda = (ta ? M : K) + 3, ldb = (tb ? K : N) + 2, ldc = N + 1;
                float      *A = random_floats((size_t)(ta ? K : M) * lda, 1, 1.0f);
                float      *B = random_floats((size_t)(tb ? N : K) * ldb, 2, 1.0f);
                float      *C = random_floats((size_t)M * ldc, 3, 1.0f);
                float      *old = vlp_malloc(sizeof *old * (size_t)M * ldc);
                const float alpha = form & 1 ? 0.25f : 1.0f;
                memcpy(old, C, sizeof *old * (size_t)M * ldc);
                vlp_gemm(&c, (enum vlp_precision)p, ta, tb, M, N, K, alpha, A, lda, B, ldb, add, C,
                         ldc);
                const double error = general_error((enum vlp_precision)p, ta, tb, M, N, K, alpha, A,
                                                   lda, B, ldb, add ? old : NULL, C, ldc);
                ck_assert_msg(error <= 1e-5, "%s %d%d %d x %d x %d: %g",
                              vlp_precision_name((enum vlp_precision)p), ta, tb, M, N, K, error);
                for (int i = 0; i < M; i++)
                    ck_assert(C[(size_t)i * ldc + N] == old[(size_t)i * ldc + N]);
                free(A);
                free(B);
                free(C);
                free(old);
            }
        vlp_pool_close(c.pool);
    }
}
END_TEST

START_TEST(general_product_does_not_depend_on_threads)
{
    enum { M = 200, N = 160, K = 1555 };
    float *A = random_floats((size_t)M * K, 1, 1.0f), *B = random_floats((size_t)N * K, 2, 1.0f);
    for (int p = VLP_PRECISION_F32; p <= VLP_PRECISION_BF16; p++)
        for (int form = 0; form < 4; form++) {
            const bool ta = form & 1, tb = form & 2;
            float     *first = vlp_calloc((size_t)M * N, sizeof *first);
            float     *again = vlp_calloc((size_t)M * N, sizeof *again);
            for (int threads = 1; threads <= 4; threads++) {
                const struct vlp_compute c = level(_i, threads, VLP_PRECISION_F32);
                vlp_gemm(&c, (enum vlp_precision)p, ta, tb, M, N, K, 1.0f, A, ta ? M : K, B,
                         tb ? K : N, false, threads == 1 ? first : again, N);
                if (threads > 1) ck_assert_mem_eq(first, again, sizeof *first * M * N);
                vlp_pool_close(c.pool);
            }
            free(first);
            free(again);
        }
    free(A);
    free(B);
}
END_TEST

START_TEST(unknown_levels_and_levels_of_other_machines_are_refused)
{
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, "sse9", VLP_PRECISION_F32, &err), VLP_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "sse9"));
    ck_assert_int_eq(vlp_compute_init(&c, NULL, NULL, VLP_PRECISION_F32, &err), VLP_OK);
    ck_assert_int_eq(c.cpu, vlp_cpu_best());
    for (int i = (int)vlp_cpu_best() + 1; i < VLP_CPU_COUNT; i++)
        ck_assert_int_eq(
            vlp_compute_init(&c, NULL, vlp_cpu_name((enum vlp_cpu)i), VLP_PRECISION_F32, &err),
            VLP_ERR_USAGE);
}
END_TEST

int main(void)
{
    const int levels = (int)vlp_cpu_best() + 1;
    Suite    *s = suite_create("gemm");
    TCase    *t = tcase_create("every level");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, product_is_the_sum_of_products_for_every_level_and_odd_size, 0, levels);
    tcase_add_loop_test(t, epilogue_adds_bias_activates_keeps_pre_and_adds_residual, 0, levels);
    tcase_add_loop_test(t, residual_may_be_the_result_itself, 0, levels);
    tcase_add_loop_test(t, a_row_is_the_same_alone_and_in_any_batch_on_any_number_of_threads, 0,
                        levels);
    tcase_add_loop_test(t, two_products_in_one_are_the_two_to_the_bit, 0, levels);
    tcase_add_loop_test(t, a_range_of_columns_is_that_part_of_the_whole, 0, levels);
    tcase_add_loop_test(t, stored_halves_bfloats_and_q8_blocks_multiply_as_their_f32_values, 0,
                        levels);
    tcase_add_loop_test(t, weights_may_lie_at_any_address, 0, levels);
    tcase_add_loop_test(t, an_infinite_half_stays_infinite, 0, levels);
    tcase_add_loop_test(t, a_row_that_is_not_a_number_spoils_itself_only, 0, levels);
    tcase_add_loop_test(t, a_weight_that_is_not_finite_spoils_its_column_only, 0, levels);
    tcase_add_loop_test(t, bytes_keep_the_direction_of_rows, 0, levels);
    tcase_add_loop_test(t, a_product_over_nothing_is_its_epilogue, 0, levels);
    tcase_add_loop_test(t, general_product_takes_all_transposes_alpha_and_accumulates, 0, levels);
    tcase_add_loop_test(t, general_product_does_not_depend_on_threads, 0, levels);
    tcase_add_test(t, unknown_levels_and_levels_of_other_machines_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
