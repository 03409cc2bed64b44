/*
 * check_probe.c -- the linear probe against the reference's optimum, and its penalty search.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_npy.h"
#include <vlp/classify.h>

#include "computing.h"

enum { TRAIN = 200, CLASSES = 5 };

static int *whole(const char *path, int *n)
{
    int     cols;
    double *d = golden_npy(path, n, &cols);
    int    *y = malloc(((size_t)*n + 1) * sizeof *y);
    for (int i = 0; i < *n; i++) y[i] = (int)d[i];
    free(d);
    return y;
}

START_TEST(objective_coefficients_and_predictions_equal_the_reference)
{
    int     n, dim, rows, cols;
    float  *x = golden_npy_f32("tests/golden/probe/features.npy", &n, &dim);
    int    *y = whole("tests/golden/probe/labels.npy", &rows);
    double *W = golden_npy("tests/golden/probe/coefficients.npy", &rows, &cols);
    double *b = golden_npy("tests/golden/probe/intercepts.npy", &rows, &cols);
    int     n_want;
    int    *want = whole("tests/golden/probe/predictions.npy", &n_want);

    struct vlp_pool               *pool = vlp_pool_open(1 + _i);
    const struct vlp_compute       c = compute_with(pool);
    const struct vlp_probe_options opt = {.C = 0.316};
    struct vlp_probe               p;
    vlp_probe_fit(&p, &c, x, TRAIN, dim, y, CLASSES, &opt);
    ck_assert(p.converged);
    ck_assert_double_eq_tol(p.objective / 4.214938439366312, 1.0, 1e-9);
    for (int i = 0; i < CLASSES * dim; i++) ck_assert_double_eq_tol(p.W[i], W[i], 1e-5);
    for (int i = 0; i < CLASSES; i++) ck_assert_double_eq_tol(p.b[i], b[i], 1e-5);
    for (int i = 0; i < n_want; i++) {
        const float *row = x + (size_t)(n_want == n ? i : TRAIN + i) * (size_t)dim;
        int          best = 0;
        double       most = -INFINITY;
        for (int k = 0; k < CLASSES; k++) {
            double z = p.b[k];
            for (int j = 0; j < dim; j++) z += p.W[k * dim + j] * (double)row[j];
            if (z > most) most = z, best = k;
        }
        ck_assert_int_eq(best, want[i]);
    }
    double accuracy, loss;
    vlp_probe_test(&p, &c, x + (size_t)TRAIN * (size_t)dim, n - TRAIN, y + TRAIN, &accuracy, &loss);
    ck_assert_double_eq(accuracy, 1.0);
    vlp_probe_free(&p);
    vlp_pool_close(pool);
    free(x);
    free(y);
    free(W);
    free(b);
    free(want);
}
END_TEST

/* Classes that overlap: rows around class means. */
static void clouds(float *x, int *y, int n, int dim, int classes, uint64_t seed)
{
    struct vlp_rng r, means;
    vlp_rng_seed(&r, seed, 1);
    for (int i = 0; i < n; i++) {
        y[i] = i % classes;
        vlp_rng_seed(&means, 77, (uint64_t)y[i]);
        for (int j = 0; j < dim; j++)
            x[i * dim + j] = (float)(0.5 * vlp_rng_normal(&means) + vlp_rng_normal(&r));
    }
}

/* Features that all point one way, as those of an encoder do, have the same probe, found as well.
 */
START_TEST(an_offset_of_all_features_changes_the_biases_alone)
{
    int                            n, dim, rows;
    float                         *x = golden_npy_f32("tests/golden/probe/features.npy", &n, &dim);
    int                           *y = whole("tests/golden/probe/labels.npy", &rows);
    struct vlp_pool               *pool = vlp_pool_open(2);
    const struct vlp_compute       c = compute_with(pool);
    const struct vlp_probe_options opt = {.C = 100};
    struct vlp_probe               plain, moved;
    for (int i = 0; i < n * dim; i++)
        x[i] = rintf(x[i] * 65536) / 65536; /* so that sums are exact */
    vlp_probe_fit(&plain, &c, x, TRAIN, dim, y, CLASSES, &opt);
    for (int i = 0; i < n * dim; i++) x[i] += 20.0f;
    vlp_probe_fit(&moved, &c, x, TRAIN, dim, y, CLASSES, &opt);
    ck_assert(plain.converged && moved.converged);
    ck_assert_double_eq_tol(moved.objective / plain.objective, 1.0, 1e-4);
    for (int k = 0; k < CLASSES; k++) {
        double offset = 0;
        for (int j = 0; j < dim; j++) {
            const int i = k * dim + j;
            ck_assert_double_eq_tol(moved.W[i], plain.W[i], 1e-3);
            offset += 20 * moved.W[i];
        }
        ck_assert_double_eq_tol(moved.b[k] + offset, plain.b[k], 1e-2);
    }
    vlp_probe_free(&plain);
    vlp_probe_free(&moved);
    vlp_pool_close(pool);
    free(x);
    free(y);
}
END_TEST

START_TEST(the_gradient_vanishes_and_threads_change_no_bit)
{
    enum { N = 700, DIM = 19, K = 7 };
    float *x = malloc(N * DIM * sizeof *x);
    int    y[N];
    clouds(x, y, N, DIM, K, 3);
    const double             C = pow(10.0, _i - 3);
    struct vlp_pool         *pool = vlp_pool_open(4);
    const struct vlp_compute one = compute_with(NULL), four = compute_with(pool);
    struct vlp_probe         p, q;
    vlp_probe_fit(&p, &one, x, N, DIM, y, K, &(struct vlp_probe_options){.C = C});
    vlp_probe_fit(&q, &four, x, N, DIM, y, K, &(struct vlp_probe_options){.C = C});
    ck_assert(p.converged);
    ck_assert_mem_eq(p.W, q.W, sizeof(double) * K * DIM);
    ck_assert_mem_eq(p.b, q.b, sizeof(double) * K);
    /* the gradient again, written down from the formula */
    double sum_b = 0.0;
    for (int k = 0; k < K; k++) {
        double g[DIM + 1] = {0};
        for (int i = 0; i < N; i++) {
            double z[K], sum = 0.0;
            for (int c = 0; c < K; c++) {
                z[c] = p.b[c];
                for (int j = 0; j < DIM; j++) z[c] += p.W[c * DIM + j] * (double)x[i * DIM + j];
                sum += exp(z[c]);
            }
            const double d = exp(z[k]) / sum - (k == y[i]);
            for (int j = 0; j < DIM; j++) g[j] += C * d * (double)x[i * DIM + j];
            g[DIM] += C * d;
        }
        for (int j = 0; j < DIM; j++)
            ck_assert_double_le(fabs(g[j] + p.W[k * DIM + j]), 2e-8 * C * N + 1e-12);
        ck_assert_double_le(fabs(g[DIM]), 2e-8 * C * N + 1e-12);
        sum_b += p.b[k];
    }
    ck_assert_double_eq_tol(sum_b, 0.0, 1e-6);
    vlp_probe_free(&p);
    vlp_probe_free(&q);
    vlp_pool_close(pool);
    free(x);
}
END_TEST

struct trials {
    int    n;
    double lambda[64], accuracy[64], loss[64];
};

static void note(void *ctx, double lambda, double accuracy, double loss)
{
    struct trials *t = ctx;
    t->lambda[t->n] = lambda;
    t->accuracy[t->n] = accuracy;
    t->loss[t->n++] = loss;
}

START_TEST(the_sweep_starts_coarse_and_halves_around_the_best)
{
    enum { N = 300, DIM = 24, K = 4 };
    float *x = malloc(2 * N * DIM * sizeof *x);
    int    y[2 * N];
    clouds(x, y, 2 * N, DIM, K, 5);
    const struct vlp_compute       c = compute_with(NULL);
    struct trials                  t = {0};
    const struct vlp_probe_options opt = {.tolerance = 1e-6};
    const double                   lambda =
        vlp_probe_sweep(&c, x, N, y, x + N * DIM, N, y + N, DIM, K, &opt, note, &t);
    ck_assert_int_ge(t.n, 7 + 4);
    ck_assert_int_le(t.n, 7 + 8);
    for (int i = 0; i < 7; i++) ck_assert_double_eq_tol(log10(t.lambda[i]), 2 * i - 6, 1e-9);
    int best = 0;
    for (int i = 1; i < t.n; i++)
        if (t.accuracy[i] > t.accuracy[best] ||
            (t.accuracy[i] == t.accuracy[best] && t.loss[i] < t.loss[best]))
            best = i;
    ck_assert_double_eq(lambda, t.lambda[best]);
    const double last = log10(t.lambda[t.n - 1]) * 8.0;
    ck_assert_double_eq_tol(last, round(last), 1e-9);
    free(x);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe");
    TCase *tc = tcase_create("probe");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, an_offset_of_all_features_changes_the_biases_alone);
    tcase_add_loop_test(tc, objective_coefficients_and_predictions_equal_the_reference, 0, 3);
    tcase_add_loop_test(tc, the_gradient_vanishes_and_threads_change_no_bit, 0, 7);
    tcase_add_test(tc, the_sweep_starts_coarse_and_halves_around_the_best);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
