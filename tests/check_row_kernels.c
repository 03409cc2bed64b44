/* check_row_kernels.c -- row kernels of every level against the formulas in doubles. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/tensor.h>

#include "computing.h"

static const int lengths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 50, 63, 64, 65, 197, 768, 1027};

START_TEST(layernorm_has_mean_zero_and_deviation_one_before_scale_and_shift)
{
    const struct vlp_compute c = level(_i, 2, VLP_PRECISION_F32);
    for (size_t l = 0; l < VLP_COUNT(lengths); l++) {
        const int C = lengths[l], N = 37, ld = C + 3;
        float *x = random_floats((size_t)N * ld, 1, 2.0f), *w = random_floats((size_t)C, 2, 1.0f);
        float *b = random_floats((size_t)C, 3, 1.0f), *y = vlp_calloc((size_t)N * C, sizeof *y);
        float  mean[37], rstd[37];
        for (int i = 0; i < N * ld; i++) x[i] += 5.0f;
        vlp_layernorm_rows(&c, y, C, x, ld, w, b, 1e-5f, N, C, mean, rstd);
        for (int i = 0; i < N; i++) {
            double m = 0.0, v = 0.0;
            for (int k = 0; k < C; k++) m += x[i * ld + k] / (double)C;
            for (int k = 0; k < C; k++) v += pow(x[i * ld + k] - m, 2.0) / C;
            const double r = 1.0 / sqrt(v + 1e-5);
            ck_assert_double_lt(fabs(mean[i] - m), 1e-5);
            ck_assert_double_lt(fabs(rstd[i] / r - 1.0), 1e-4);
            for (int k = 0; k < C; k++) {
                const double want = (x[i * ld + k] - m) * r * w[k] + b[k];
                ck_assert_double_lt(fabs(y[i * C + k] - want),
                                    1e-5 * (1.0 + fabs(want)) + 2e-6 * r * fabs(w[k]));
            }
        }
        float *plain = vlp_calloc((size_t)N * C, sizeof *plain);
        vlp_layernorm_rows(&c, plain, C, x, ld, NULL, NULL, 1e-5f, N, C, NULL, NULL);
        for (int k = 0; k < C; k++)
            ck_assert_double_lt(fabs(plain[k] * (double)w[k] + b[k] - y[k]),
                                1e-5 * (1 + fabs(y[k])));
        free(plain);
        free(x);
        free(w);
        free(b);
        free(y);
    }
    vlp_pool_close(c.pool);
}
END_TEST

static double exact(enum vlp_activation a, double x)
{
    switch (a) {
    case VLP_ACT_GELU: return 0.5 * x * erfc(-x / sqrt(2.0));
    case VLP_ACT_QUICK_GELU: return x / (1.0 + exp(-1.702 * x));
    case VLP_ACT_RELU: return x > 0.0 ? x : 0.0;
    case VLP_ACT_TANH: return tanh(x);
    default: return x;
    }
}

START_TEST(activations_are_exact_to_a_few_units_in_the_last_place)
{
    enum { N = 400001 };
    const struct vlp_compute c = level(_i, 2, VLP_PRECISION_F32);
    float                   *x = vlp_malloc(sizeof *x * N), *y = vlp_malloc(sizeof *y * N);
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * (12.0f / (N / 2));
    for (int a = VLP_ACT_NONE; a <= VLP_ACT_TANH; a++) {
        vlp_activate(&c, (enum vlp_activation)a, y, x, N);
        for (int i = 0; i < N; i++) {
            const double want = exact((enum vlp_activation)a, x[i]);
            /* relative above 1, absolute below */
            const double error = fabs(y[i] - want) / fmax(1.0, fabs(want));
            if (!(error < 8e-7)) ck_abort_msg("activation %d: %g at %g", a, error, x[i]);
        }
    }
    free(x);
    free(y);
    vlp_pool_close(c.pool);
}
END_TEST

START_TEST(activations_keep_infinities_and_what_is_not_a_number)
{
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    for (int a = VLP_ACT_NONE; a <= VLP_ACT_TANH; a++) {
        float x[3] = {INFINITY, NAN, 0.0f}, y[3];
        vlp_activate(&c, (enum vlp_activation)a, y, x, 3);
        ck_assert(a == VLP_ACT_TANH ? y[0] == 1.0f : y[0] == INFINITY);
        ck_assert(isnan(y[1]));
        ck_assert(y[2] == 0.0f);
    }
}
END_TEST

START_TEST(activations_vanish_far_below_zero)
{
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    for (int a = VLP_ACT_GELU; a <= VLP_ACT_RELU; a++)
        for (float far = 20.0f; far < INFINITY; far *= 1.5f) {
            float x[2] = {-far, far}, y[2];
            vlp_activate(&c, (enum vlp_activation)a, y, x, 2);
            const double want = exact((enum vlp_activation)a, x[0]);
            if (!(fabs(y[0] - want) < 1e-12 && y[1] == far))
                ck_abort_msg("activation %d: %g at %g, %g at %g", a, y[0], x[0], y[1], x[1]);
        }
}
END_TEST

START_TEST(layernorm_goes_back_as_the_formula_says)
{
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    for (size_t l = 0; l < VLP_COUNT(lengths); l++) {
        enum { N = 5 };
        const int C = lengths[l];
        float  *x = random_floats((size_t)N * C, 1, 2.0f), *dy = random_floats((size_t)N * C, 2, 1);
        float  *w = random_floats((size_t)C, 3, 1.0f), *y = vlp_calloc((size_t)N * C, sizeof *y);
        float  *dx = vlp_calloc((size_t)N * C, sizeof *dx), *dw = vlp_calloc((size_t)C, sizeof *dw);
        float  *db = vlp_calloc((size_t)C, sizeof *db), mean[N], rstd[N];
        double *gain = vlp_calloc((size_t)C, sizeof *gain), *offset = vlp_calloc((size_t)C, 8);
        vlp_layernorm_rows(&c, y, C, x, C, w, NULL, 1e-5f, N, C, mean, rstd);
        vlp_layernorm_backward_rows(&c, dx, false, dw, db, dy, x, w, mean, rstd, N, C);
        for (int i = 0; i < N; i++) {
            double g = 0, gn = 0;
            for (int k = 0; k < C; k++) {
                const double n = ((double)x[i * C + k] - mean[i]) * rstd[i], d = dy[i * C + k];
                g += d * w[k] / C;
                gn += d * w[k] * n / C;
                gain[k] += d * n;
                offset[k] += d;
            }
            for (int k = 0; k < C; k++) {
                const double n = ((double)x[i * C + k] - mean[i]) * rstd[i];
                const double want = ((double)dy[i * C + k] * w[k] - g - n * gn) * rstd[i];
                ck_assert_double_le(fabs(dx[i * C + k] - want), 1e-5 * (1 + fabs(want) + rstd[i]));
            }
        }
        for (int k = 0; k < C; k++) {
            ck_assert_double_le(fabs(dw[k] - gain[k]), 1e-5 * (1 + fabs(gain[k])));
            ck_assert_double_le(fabs(db[k] - offset[k]), 1e-5 * (1 + fabs(offset[k])));
        }
        float *only = random_floats((size_t)N * C, 4, 1.0f);
        vlp_layernorm_backward_rows(&c, only, true, NULL, NULL, dy, x, w, mean, rstd, N, C);
        for (int i = 0; i < N * C; i++) ck_assert(only[i] == dx[i]);
        free(only);
        free(x);
        free(dy);
        free(w);
        free(y);
        free(dx);
        free(dw);
        free(db);
        free(gain);
        free(offset);
    }
}
END_TEST

START_TEST(columns_are_added_row_by_row)
{
    const struct vlp_compute alone = level(_i, 1, VLP_PRECISION_F32),
                             c = level(_i, 3, VLP_PRECISION_F32);
    for (size_t l = 0; l < VLP_COUNT(lengths); l++) {
        enum { N = 77 };
        const int C = lengths[l], ld = C + 3;
        float *x = random_floats((size_t)N * ld, 1, 1.0f), *to = random_floats((size_t)C, 2, 1.0f);
        float *want = vlp_malloc((size_t)C * sizeof *want);
        float *other = vlp_malloc((size_t)C * sizeof *other);
        memcpy(want, to, (size_t)C * sizeof *want);
        memcpy(other, to, (size_t)C * sizeof *other);
        for (int r = 0; r < N; r++)
            for (int k = 0; k < C; k++) want[k] += x[r * ld + k];
        vlp_add_columns(&c, to, x, ld, N, C);
        vlp_add_columns(&alone, other, x, ld, N, C);
        ck_assert_mem_eq(to, want, (size_t)C * sizeof *want);
        ck_assert_mem_eq(other, want, (size_t)C * sizeof *want);
        free(x);
        free(to);
        free(want);
        free(other);
    }
    vlp_pool_close(c.pool);
}
END_TEST

START_TEST(activation_slopes_are_those_of_finite_differences)
{
    enum { N = 4001 };
    const struct vlp_compute c = level(_i, 2, VLP_PRECISION_F32);
    float                   *x = vlp_malloc(sizeof *x * N), *dx = vlp_malloc(sizeof *dx * N),
          *dy = random_floats(N, 3, 1.0f), *chain = vlp_malloc(sizeof *chain * N);
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * (9.0f / (N / 2)) + 1e-3f;
    for (int a = VLP_ACT_NONE; a <= VLP_ACT_TANH; a++) {
        for (int i = 0; i < N; i++) dx[i] = 0.5f;
        memcpy(chain, dy, sizeof *chain * N);
        vlp_activate_backward(&c, (enum vlp_activation)a, dx, dy, x, N);
        vlp_activate_chain(&c, (enum vlp_activation)a, chain, x, N);
        for (int i = 0; i < N; i++) {
            const double h = 1e-5, up = exact((enum vlp_activation)a, x[i] + h),
                         down = exact((enum vlp_activation)a, x[i] - h);
            const double want = 0.5 + dy[i] * (up - down) / (2.0 * h);
            ck_assert_msg(fabs(dx[i] - want) < 5e-6, "activation %d at %g: %g, not %g", a, x[i],
                          dx[i], want);
            ck_assert(fabs(chain[i] + 0.5 - dx[i]) < 1e-6 * (1.0 + fabs(chain[i])));
        }
    }
    free(x);
    free(dx);
    free(dy);
    free(chain);
    vlp_pool_close(c.pool);
}
END_TEST

START_TEST(dot_is_the_sum_of_products)
{
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    for (size_t l = 0; l < VLP_COUNT(lengths); l++) {
        const int n = lengths[l];
        float    *a = random_floats((size_t)n, 1, 1.0f), *b = random_floats((size_t)n, 2, 1.0f);
        double    want = 0.0;
        for (int i = 0; i < n; i++) want += (double)a[i] * b[i];
        ck_assert_double_lt(fabs(vlp_dot(&c, a, b, n) - want), 1e-5 * sqrt(n));
        free(a);
        free(b);
    }
}
END_TEST

START_TEST(row_results_do_not_depend_on_threads_or_neighbours)
{
    enum { N = 61, C = 333 };
    float *x = random_floats((size_t)N * C, 1, 3.0f), *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        const struct vlp_compute c = level(_i, threads, VLP_PRECISION_F32);
        float                   *y = vlp_calloc((size_t)2 * N * C, sizeof *y);
        vlp_layernorm_rows(&c, y, C, x, C, NULL, NULL, 1e-5f, N, C, NULL, NULL);
        vlp_activate(&c, VLP_ACT_GELU, y + N * C, x, (size_t)N * C);
        float alone[C], row[C];
        vlp_layernorm_rows(&c, alone, C, x + 13 * C, C, NULL, NULL, 1e-5f, 1, C, NULL, NULL);
        ck_assert_int_eq(memcmp(alone, y + 13 * C, sizeof alone), 0);
        vlp_activate(&c, VLP_ACT_GELU, row, x + 5 * C + 1, 10);
        ck_assert_int_eq(memcmp(row, y + (N + 5) * C + 1, 10 * sizeof *row), 0);
        if (first) {
            ck_assert_int_eq(memcmp(first, y, sizeof *y * 2 * N * C), 0);
            free(y);
        } else {
            first = y;
        }
        vlp_pool_close(c.pool);
    }
    free(first);
    free(x);
}
END_TEST

START_TEST(scan_scores_are_dot_products_of_stored_rows)
{
    static const enum vlp_dtype types[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};
    static const int            dims[] = {1, 5, 16, 33, 64, 77, 512, 515};
    for (size_t t = 0; t < VLP_COUNT(types); t++)
        for (size_t d = 0; d < VLP_COUNT(dims); d++) {
            const struct vlp_compute one = level(_i, 1, VLP_PRECISION_F32),
                                     c = level(_i, 3, VLP_PRECISION_F32);
            const int    dim = dims[d], n = 2311;
            const size_t head = types[t] == VLP_I8 ? sizeof(float) : 0;
            const size_t size = head + vlp_dtype_size(types[t], (size_t)dim);
            const size_t stride = size + (types[t] == VLP_I8 ? 3 : 4);
            uint8_t     *rows = vlp_calloc((size_t)n, stride);
            float       *q = random_floats((size_t)dim, 1, 1.0f),
                  *v = random_floats((size_t)dim * n, 2, 1.0f);
            float *out = vlp_malloc(sizeof *out * n), score;
            for (int r = 0; r < n; r++) {
                uint8_t *row = rows + r * stride;
                float   *x = v + (size_t)r * dim;
                if (types[t] == VLP_I8) {
                    const float scale = 0.03f;
                    memcpy(row, &scale, sizeof scale);
                    for (int i = 0; i < dim; i++) {
                        const int8_t b = (int8_t)fmaxf(-127.0f, fminf(127.0f, rintf(x[i] / scale)));
                        row[4 + i] = (uint8_t)b;
                        x[i] = scale * b;
                    }
                } else {
                    vlp_from_f32(row, types[t], x, (size_t)dim);
                    vlp_to_f32(x, row, types[t], (size_t)dim);
                }
            }
            vlp_scan_rows(&c, out, q, rows, stride, types[t], dim, n);
            for (int r = 0; r < n; r++) {
                double want = 0.0;
                for (int i = 0; i < dim; i++) want += (double)q[i] * v[(size_t)r * dim + i];
                ck_assert_double_lt(fabs(out[r] - want), 2e-6 * sqrt(dim) + 1e-6);
                if (r % 97) continue;
                vlp_scan_rows(&one, &score, q, rows + r * stride, stride, types[t], dim, 1);
                ck_assert(score == out[r]);
            }
            free(rows);
            free(q);
            free(v);
            free(out);
            vlp_pool_close(c.pool);
        }
}
END_TEST

START_TEST(measured_peaks_are_positive)
{
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    for (int p = 0; p < VLP_PRECISION_COUNT; p++)
        ck_assert_double_gt(vlp_peak_flops(&c, (enum vlp_precision)p), 0.1);
    ck_assert_double_gt(vlp_peak_read(&c), 0.1);
    ck_assert_double_gt(vlp_peak_triad(&c), 0.1);
}
END_TEST

START_TEST(a_difference_that_is_not_a_number_stays_one)
{
    const float                 want[] = {1, -3, 2, 0}, near[] = {1, -3.5f, 2, 0};
    const struct vlp_difference d = vlp_differ(near, want, 4);
    ck_assert(d.error == 0.5 && d.largest == 3);
    for (int at = 0; at < 4; at++) {
        float odd[4];
        memcpy(odd, near, sizeof odd);
        odd[at] = NAN;
        ck_assert(isnan(vlp_differ(odd, want, 4).error));
        ck_assert(isnan(vlp_differ(want, odd, 4).error) && isnan(vlp_differ(want, odd, 4).largest));
        odd[at] = INFINITY;
        ck_assert(isinf(vlp_differ(odd, want, 4).error) && isnan(vlp_differ(odd, odd, 4).error));
    }
    ck_assert(vlp_differ(near, want, 0).error == 0);
}
END_TEST

int main(void)
{
    const int levels = (int)vlp_cpu_best() + 1;
    Suite    *s = suite_create("row kernels");
    TCase    *t = tcase_create("every level");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, layernorm_has_mean_zero_and_deviation_one_before_scale_and_shift, 0,
                        levels);
    tcase_add_loop_test(t, layernorm_goes_back_as_the_formula_says, 0, levels);
    tcase_add_loop_test(t, columns_are_added_row_by_row, 0, levels);
    tcase_add_loop_test(t, activations_are_exact_to_a_few_units_in_the_last_place, 0, levels);
    tcase_add_loop_test(t, activations_keep_infinities_and_what_is_not_a_number, 0, levels);
    tcase_add_loop_test(t, activations_vanish_far_below_zero, 0, levels);
    tcase_add_loop_test(t, activation_slopes_are_those_of_finite_differences, 0, levels);
    tcase_add_loop_test(t, dot_is_the_sum_of_products, 0, levels);
    tcase_add_loop_test(t, row_results_do_not_depend_on_threads_or_neighbours, 0, levels);
    tcase_add_loop_test(t, scan_scores_are_dot_products_of_stored_rows, 0, levels);
    tcase_add_loop_test(t, measured_peaks_are_positive, 0, levels);
    tcase_add_test(t, a_difference_that_is_not_a_number_stays_one);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
