/*
 * check_amx.c -- the AMX products on any machine: their tile instructions are given meaning in
 * plain C here, and run over panels packed as they would be there.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/tensor.h>

static uint8_t tiles[8][16][64];

static void tile_load(int t, const void *at, size_t stride)
{
    for (int r = 0; r < 16; r++) memcpy(tiles[t][r], (const char *)at + r * stride, 64);
}

static void tile_store(int t, void *at, size_t stride)
{
    for (int r = 0; r < 16; r++) memcpy((char *)at + r * stride, tiles[t][r], 64);
}

/* c[m][n] += sum_k a[m][2k] b[k][2n] + a[m][2k+1] b[k][2n+1] */
static void dot_bf16(int c, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++) {
                float sum;
                memcpy(&sum, &tiles[c][m][n * 4], sizeof sum);
                for (int i = 0; i < 2; i++)
                    sum += vlp_bf16_to_f32(vlp_load_u16(&tiles[a][m][k * 4 + i * 2])) *
                           vlp_bf16_to_f32(vlp_load_u16(&tiles[b][k][n * 4 + i * 2]));
                memcpy(&tiles[c][m][n * 4], &sum, sizeof sum);
            }
}

/* c[m][n] += sum over four bytes of u8 times s8 */
static void dot_int8(int c, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++) {
                int32_t sum;
                memcpy(&sum, &tiles[c][m][n * 4], sizeof sum);
                for (int i = 0; i < 4; i++)
                    sum += tiles[a][m][k * 4 + i] * (int8_t)tiles[b][k][n * 4 + i];
                memcpy(&tiles[c][m][n * 4], &sum, sizeof sum);
            }
}

#define TILE_ZERO(t)              memset(tiles[t], 0, sizeof tiles[t])
#define TILE_LOAD(t, at, stride)  tile_load(t, at, stride)
#define TILE_STORE(t, at, stride) tile_store(t, at, stride)

#define AMX_NAME emulated_bf16
#define TILE_DOT dot_bf16
#include "../lib/tensor/gemm_amx_impl.h"
#undef AMX_NAME
#undef TILE_DOT

#define AMX_NAME emulated_int8
#define TILE_DOT dot_int8
#include "../lib/tensor/gemm_amx_impl.h"

static void load_pairs(void *a, const float *x, int n, const struct vlp_quant *q)
{
    (void)q;
    vlp_from_f32(a, VLP_BF16, x, (size_t)n);
}

static void pair_columns(uint32_t *out, size_t stride, const float *x, size_t ldx, int k, int n)
{
    for (int i = 0; i < k; i += 2, out += stride)
        for (int j = 0; j < n; j++) {
            const uint32_t first = vlp_f32_to_bf16(x[(size_t)i * ldx + (size_t)j]);
            const uint32_t second =
                i + 1 < k ? vlp_f32_to_bf16(x[(size_t)(i + 1) * ldx + (size_t)j]) : 0;
            out[j] = first | second << 16;
        }
}

static int entered;

static void enter(void)
{
    entered++;
}

static void leave(void)
{
    entered--;
}

START_TEST(amx_tiles_multiply_what_was_packed_for_them)
{
    static const int     sizes[][3] = {{1, 1, 1},       {5, 40, 100},  {16, 32, 64},   {17, 33, 65},
                                       {32, 64, 128},   {50, 96, 768}, {33, 70, 3100}, {64, 32, 1600},
                                       {170, 64, 1025}, {180, 33, 130}};
    struct vlp_kernels   k = vlp_kernels_portable;
    struct vlp_gemm_kind kind = *k.gemm[VLP_PRECISION_INT8];
    kind.mr = kind.nr = 32;
    kind.row_step = kind.k_align = 16;
    kind.enter = enter;
    kind.leave = leave;
    if (_i == VLP_PRECISION_INT8) {
        kind.tile = emulated_int8;
    } else {
        kind.tile = emulated_bf16;
        kind.unit = 2;
        kind.w_limit = 0;
        kind.quant_row = NULL;
        kind.load_row = load_pairs;
    }
    k.gemm[_i] = &kind;
    const struct vlp_compute amx = {
        .cpu = VLP_CPU_PORTABLE, .kernels = &k, .precision = (enum vlp_precision)_i};
    struct vlp_compute plain;
    ck_assert_int_eq(vlp_compute_init(&plain, NULL, "portable", (enum vlp_precision)_i, NULL),
                     VLP_OK);
    for (size_t s = 0; s < VLP_COUNT(sizes); s++) {
        const int      M = sizes[s][0], N = sizes[s][1], K = sizes[s][2];
        struct vlp_rng r;
        float         *x = vlp_malloc(sizeof *x * M * K), *w = vlp_malloc(sizeof *w * N * K);
        float         *y = vlp_calloc((size_t)M * N, sizeof *y),
              *want = vlp_calloc((size_t)M * N, sizeof *y);
        vlp_rng_seed(&r, 1, s);
        for (int i = 0; i < M * K; i++) x[i] = (float)vlp_rng_normal(&r);
        for (int i = 0; i < N * K; i++) w[i] = (float)vlp_rng_normal(&r);
        struct vlp_packed *p = vlp_pack(&amx, w, VLP_F32, N, K, (enum vlp_precision)_i);
        struct vlp_packed *q = vlp_pack(&plain, w, VLP_F32, N, K, (enum vlp_precision)_i);
        vlp_gemm_packed(&amx, y, N, x, K, M, p, 0, N, NULL);
        vlp_gemm_packed(&plain, want, N, x, K, M, q, 0, N, NULL);
        for (int i = 0; i < M * N; i++)
            /* whole numbers are the same to the bit; floats but for the order of sums */
            if (_i == VLP_PRECISION_INT8)
                ck_assert(y[i] == want[i]);
            else
                ck_assert_double_le(fabs((double)y[i] - want[i]), 1e-5 * K);
        ck_assert_int_eq(entered, 0);
        vlp_packed_free(p);
        vlp_packed_free(q);
        free(x);
        free(w);
        free(y);
        free(want);
    }
}
END_TEST

/* Sums as pairs of bfloats, a line a row. */
static void finish_pairs(const void *c, const struct vlp_tile_out *o)
{
    for (int r = 0; r < o->rows; r++) {
        float v[32] = {0};
        memcpy(v, (const float *)c + r * 32, sizeof *v * (size_t)o->cols);
        for (int n = 0; n < o->cols; n++) v[n] += o->bias[n];
        vlp_from_f32(o->units + (size_t)r * VLP_A_STRIDE, VLP_BF16, v, 32);
    }
}

static struct vlp_gemm_kind emulated_kind(void)
{
    struct vlp_gemm_kind kind = *vlp_kernels_portable.gemm[VLP_PRECISION_BF16];
    kind.mr = kind.nr = 32;
    kind.row_step = kind.k_align = 16;
    kind.enter = enter;
    kind.leave = leave;
    kind.tile = emulated_bf16;
    kind.unit = 2;
    kind.round_bf16 = false;
    kind.load_row = load_pairs;
    kind.load_columns = pair_columns;
    kind.finish_units = finish_pairs;
    return kind;
}

START_TEST(amx_tiles_multiply_what_another_product_left_for_them)
{
    enum { K = 40, N = 50 };
    static const int           sizes[][2] = {{1, 1}, {5, 40}, {33, 1000}, {180, 3100}};
    struct vlp_kernels         k = vlp_kernels_portable;
    const struct vlp_gemm_kind kind = emulated_kind();
    k.gemm[VLP_PRECISION_BF16] = &kind;
    const struct vlp_compute c = {.kernels = &k, .precision = VLP_PRECISION_BF16};
    for (size_t s = 0; s < VLP_COUNT(sizes); s++) {
        const int      M = sizes[s][0], H = sizes[s][1];
        const size_t   n = (size_t)(H > M ? H : M) * (K + N);
        float         *x = vlp_malloc(n * sizeof *x), *h = vlp_malloc(sizeof *h * (size_t)M * H);
        float         *y = vlp_calloc((size_t)M * N, sizeof *y);
        float         *want = vlp_calloc((size_t)M * N, sizeof *y);
        struct vlp_rng r;
        vlp_rng_seed(&r, 3, s);
        for (size_t i = 0; i < n; i++) x[i] = (float)vlp_rng_normal(&r);
        struct vlp_packed  *w1 = vlp_pack(&c, x, VLP_F32, H, K, VLP_PRECISION_BF16);
        struct vlp_packed  *w2 = vlp_pack(&c, x, VLP_F32, N, H, VLP_PRECISION_BF16);
        struct vlp_epilogue e = {.bias = x};
        const size_t        size = vlp_gemm_pair_room(M, w1, w2);
        void               *room = vlp_malloc(size);
        memset(room, 0xff, size); /* no numbers */
        vlp_gemm_pair(&c, y, N, x, K, M, w1, &e, w2, NULL, room);
        vlp_gemm_packed(&c, h, H, x, K, M, w1, 0, H, &e);
        vlp_gemm_packed(&c, want, N, h, H, M, w2, 0, N, NULL);
        ck_assert_int_eq(memcmp(y, want, sizeof *y * (size_t)M * N), 0);
        ck_assert_int_eq(entered, 0);
        vlp_packed_free(w1);
        vlp_packed_free(w2);
        free(room);
        free(x);
        free(h);
        free(y);
        free(want);
    }
}
END_TEST

/* The products of gradients: operands packed on the fly, along rows and down columns. */
START_TEST(amx_tiles_multiply_operands_packed_on_the_fly)
{
    static const int           sizes[][3] = {{1, 1, 1},     {5, 40, 99},    {17, 33, 65},
                                             {50, 96, 768}, {33, 70, 1801}, {180, 33, 130}};
    struct vlp_kernels         k = vlp_kernels_portable;
    const struct vlp_gemm_kind kind = emulated_kind();
    k.gemm[VLP_PRECISION_BF16] = &kind;
    const struct vlp_compute amx = {.cpu = VLP_CPU_PORTABLE, .kernels = &k};
    struct vlp_compute       plain;
    ck_assert_int_eq(vlp_compute_init(&plain, NULL, "portable", VLP_PRECISION_BF16, NULL), VLP_OK);
    for (size_t s = 0; s < VLP_COUNT(sizes); s++) {
        const int      M = sizes[s][0], N = sizes[s][1], K = sizes[s][2];
        const bool     ta = _i & 1, tb = _i & 2;
        struct vlp_rng r;
        float         *a = vlp_malloc(sizeof *a * M * K), *b = vlp_malloc(sizeof *b * N * K);
        float         *y = vlp_calloc((size_t)M * N, sizeof *y);
        float         *want = vlp_calloc((size_t)M * N, sizeof *y);
        vlp_rng_seed(&r, 2, s);
        for (int i = 0; i < M * K; i++) a[i] = (float)vlp_rng_normal(&r);
        for (int i = 0; i < N * K; i++) b[i] = (float)vlp_rng_normal(&r);
        for (int i = 0; i < M * N; i++) y[i] = want[i] = (float)vlp_rng_normal(&r);
        vlp_gemm(&amx, VLP_PRECISION_BF16, ta, tb, M, N, K, 1.0f, a, ta ? M : K, b, tb ? K : N,
                 true, y, N);
        vlp_gemm(&plain, VLP_PRECISION_BF16, ta, tb, M, N, K, 1.0f, a, ta ? M : K, b, tb ? K : N,
                 true, want, N);
        for (int i = 0; i < M * N; i++)
            ck_assert_double_le(fabs((double)y[i] - want[i]), 1e-5 * (K + 1));
        ck_assert_int_eq(entered, 0);
        free(a);
        free(b);
        free(y);
        free(want);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("amx");
    TCase *t = tcase_create("emulated");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, amx_tiles_multiply_what_was_packed_for_them, VLP_PRECISION_BF16,
                        VLP_PRECISION_INT8 + 1);
    tcase_add_test(t, amx_tiles_multiply_what_another_product_left_for_them);
    tcase_add_loop_test(t, amx_tiles_multiply_operands_packed_on_the_fly, 0, 4);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
