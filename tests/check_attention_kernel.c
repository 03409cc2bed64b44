/* check_attention_kernel.c -- attention of every level against softmax(scale q k^T + bias) v. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/tensor.h>

#include "computing.h"

/* One call and the memory it stands on. */
struct problem {
    struct vlp_attention_args a;
    int                       q_start[8], k_start[8];
    float                    *q, *k, *v, *bias;
};

static struct problem make(int heads, int D, int n_seq, const int *nq, const int *nk, bool causal,
                           bool bias)
{
    struct problem p;
    const int      C = heads * D, ld = C + 5;
    int            longest_q = 0, longest_k = 0;
    memset(&p, 0, sizeof p);
    for (int s = 0; s < n_seq; s++) {
        p.q_start[s + 1] = p.q_start[s] + nq[s];
        p.k_start[s + 1] = p.k_start[s] + nk[s];
        if (nq[s] > longest_q) longest_q = nq[s];
        if (nk[s] > longest_k) longest_k = nk[s];
    }
    const size_t rows_q = (size_t)p.q_start[n_seq], rows_k = (size_t)p.k_start[n_seq];
    p.q = random_floats(rows_q * ld, 1, 1.5f);
    p.k = random_floats(rows_k * ld, 2, 1.5f);
    p.v = random_floats(rows_k * ld, 3, 1.0f);
    const int ld_bias = longest_k + 2;
    if (bias) {
        p.bias = random_floats((size_t)heads * longest_q * ld_bias, 4, 2.0f);
        for (size_t i = 7; i < (size_t)heads * longest_q * ld_bias; i += 11) p.bias[i] = -INFINITY;
    }
    p.a = (struct vlp_attention_args){.y = vlp_calloc(rows_q * C + 1, sizeof(float)),
                                      .q = p.q,
                                      .k = p.k,
                                      .v = p.v,
                                      .ldy = C,
                                      .ldq = ld,
                                      .ldk = ld,
                                      .ldv = ld,
                                      .heads = heads,
                                      .head_dim = D,
                                      .n_seq = n_seq,
                                      .scale = 1.0f / sqrtf((float)D),
                                      .causal = causal,
                                      .bias = p.bias,
                                      .ld_bias = ld_bias,
                                      .bias_rows = longest_q,
                                      .lse = vlp_calloc(rows_q * heads + 1, sizeof(float))};
    return p;
}

static void point(struct problem *p)
{
    p->a.q_start = p->q_start;
    p->a.k_start = p->k_start;
}

static void drop(struct problem *p)
{
    free(p->q);
    free(p->k);
    free(p->v);
    free(p->bias);
    free(p->a.y);
    free(p->a.lse);
}

static void compare(const struct problem *p)
{
    const struct vlp_attention_args *a = &p->a;
    const int                        D = a->head_dim;
    double                          *w = vlp_malloc(sizeof *w * 2000);
    for (int s = 0; s < a->n_seq; s++)
        for (int h = 0; h < a->heads; h++) {
            const int nq = a->q_start[s + 1] - a->q_start[s],
                      nk = a->k_start[s + 1] - a->k_start[s];
            for (int i = 0; i < nq; i++) {
                const size_t row = (size_t)(a->q_start[s] + i);
                double       most = -INFINITY, sum = 0.0;
                for (int j = 0; j < nk; j++) {
                    const size_t key = (size_t)(a->k_start[s] + j);
                    double       t = 0.0;
                    for (int d = 0; d < D; d++)
                        t +=
                            (double)a->q[row * a->ldq + h * D + d] * a->k[key * a->ldk + h * D + d];
                    t *= a->scale;
                    if (a->bias) t += a->bias[((size_t)h * a->bias_rows + i) * a->ld_bias + j];
                    if (a->causal && j > i + nk - nq) t = -INFINITY;
                    w[j] = t;
                    most = fmax(most, t);
                }
                for (int j = 0; j < nk; j++) sum += w[j] = isinf(w[j]) ? 0.0 : exp(w[j] - most);
                const float lse = a->lse[row * a->heads + h];
                if (sum > 0.0)
                    ck_assert_double_lt(fabs(lse - most - log(sum)), 2e-5);
                else
                    ck_assert(lse == -INFINITY);
                for (int d = 0; d < D; d++) {
                    double y = 0.0;
                    for (int j = 0; j < nk; j++)
                        y += w[j] * a->v[(size_t)(a->k_start[s] + j) * a->ldv + h * D + d];
                    if (sum > 0.0) y /= sum;
                    const float got = a->y[row * a->ldy + h * D + d];
                    ck_assert_msg(fabs(got - y) < 1e-5, "D %d seq %d head %d query %d: %g, not %g",
                                  D, s, h, i, got, y);
                }
            }
        }
    free(w);
}

START_TEST(attention_is_the_softmax_of_scores_times_values)
{
    static const int         lengths[] = {1, 3, 8, 17, 50, 77, 197, 257};
    static const int         dims[] = {32, 64, 40, 80, 88, 104, 128, 7, 1};
    const struct vlp_compute c = level(_i, 2, VLP_PRECISION_F32);
    for (size_t d = 0; d < VLP_COUNT(dims); d++)
        for (size_t l = 0; l < VLP_COUNT(lengths); l++)
            for (int form = 0; form < 4; form++) {
                const int T = lengths[l];
                if (T > 100 && form != (int)(d % 4)) continue;
                struct problem p = make(2, dims[d], 1, &T, &T, form & 1, form & 2);
                point(&p);
                vlp_attention_forward(&c, &p.a);
                compare(&p);
                drop(&p);
            }
    vlp_pool_close(c.pool);
}
END_TEST

START_TEST(sequences_of_unlike_length_attend_to_their_own_keys)
{
    static const int         nq[] = {5, 1, 40, 0, 130, 9, 33}, nk[] = {7, 90, 3, 4, 300, 1, 0};
    const struct vlp_compute c = level(_i, 2, VLP_PRECISION_F32);
    for (int form = 0; form < 4; form++) {
        struct problem p = make(3, 64, 7, nq, nk, form & 1, form & 2);
        point(&p);
        vlp_attention_forward(&c, &p.a);
        compare(&p);
        drop(&p);
    }
    vlp_pool_close(c.pool);
}
END_TEST

START_TEST(a_sequence_is_the_same_in_any_company_on_any_number_of_threads)
{
    static const int nq[] = {50, 13, 197, 77}, nk[] = {50, 13, 260, 77};
    for (int form = 0; form < 4; form++) {
        struct problem p = make(2, 64, 4, nq, nk, form & 1, form & 2);
        const size_t   size = sizeof(float) * (size_t)p.q_start[4] * p.a.ldy;
        float         *first = NULL;
        point(&p);
        for (int threads = 1; threads <= 4; threads++) {
            const struct vlp_compute c = level(_i, threads, VLP_PRECISION_F32);
            vlp_attention_forward(&c, &p.a);
            if (first)
                ck_assert_int_eq(memcmp(first, p.a.y, size), 0);
            else
                memcpy(first = vlp_malloc(size), p.a.y, size);
            /* alone */
            struct problem one = p;
            one.q_start[0] = p.q_start[2];
            one.q_start[1] = p.q_start[3];
            one.k_start[0] = p.k_start[2];
            one.k_start[1] = p.k_start[3];
            one.a.n_seq = 1;
            point(&one);
            memset(p.a.y, 0, size);
            vlp_attention_forward(&c, &one.a);
            const size_t at = (size_t)p.q_start[2] * p.a.ldy, n = (size_t)nq[2] * p.a.ldy;
            ck_assert_int_eq(memcmp(first + at, p.a.y + at, n * sizeof(float)), 0);
            vlp_pool_close(c.pool);
        }
        free(first);
        drop(&p);
    }
}
END_TEST

START_TEST(a_prefix_of_causal_queries_gives_the_same_rows)
{
    const int                whole = 77, part = 30;
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    struct problem           p = make(2, 64, 1, &whole, &whole, true, false);
    point(&p);
    vlp_attention_forward(&c, &p.a);
    float *y = vlp_malloc(sizeof *y * (size_t)part * p.a.ldy);
    memcpy(y, p.a.y, sizeof *y * (size_t)part * p.a.ldy);
    p.q_start[1] = p.k_start[1] = part;
    vlp_attention_forward(&c, &p.a);
    ck_assert_int_eq(memcmp(y, p.a.y, sizeof *y * (size_t)part * p.a.ldy), 0);
    free(y);
    drop(&p);
}
END_TEST

START_TEST(a_query_that_knows_its_place_is_that_row_of_all)
{
    static const int         n[] = {77, 30, 140}, two[] = {2, 2, 2};
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    for (int form = 0; form < 4; form++) {
        int            place[3];
        struct problem p = make(2, 64, 3, n, n, form & 1, form & 2);
        point(&p);
        vlp_attention_forward(&c, &p.a);
        for (int t = 0; t < 3; t++) {
            /* two neighbouring queries of each sequence: its first, some, its last */
            struct problem few = make(2, 64, 3, two, n, false, false);
            point(&few);
            for (int s = 0; s < 3; s++) {
                place[s] = t * (n[s] - 2) / 2;
                for (int i = 0; i < 2; i++)
                    memcpy(few.q + (size_t)(2 * s + i) * p.a.ldq,
                           p.q + (size_t)(p.q_start[s] + place[s] + i) * p.a.ldq,
                           sizeof(float) * (size_t)p.a.ldq);
            }
            struct vlp_attention_args a = few.a;
            a.k = p.k;
            a.v = p.v;
            a.causal = p.a.causal;
            a.bias = p.a.bias;
            a.ld_bias = p.a.ld_bias;
            a.bias_rows = p.a.bias_rows;
            a.q_place = place;
            vlp_attention_forward(&c, &a);
            for (int s = 0; s < 3; s++)
                ck_assert_mem_eq(a.y + (size_t)(2 * s) * a.ldy,
                                 p.a.y + (size_t)(p.q_start[s] + place[s]) * p.a.ldy,
                                 2 * sizeof(float) * (size_t)a.ldy);
            drop(&few);
        }
        drop(&p);
    }
}
END_TEST

START_TEST(scores_of_any_size_do_not_overflow)
{
    const int                T = 60;
    const struct vlp_compute c = level(_i, 1, VLP_PRECISION_F32);
    struct problem           p = make(1, 32, 1, &T, &T, false, false);
    for (int i = 0; i < T * p.a.ldq; i++) p.q[i] *= 1000.0f;
    point(&p);
    vlp_attention_forward(&c, &p.a);
    for (int i = 0; i < T * p.a.ldy; i++) ck_assert(isfinite(p.a.y[i]));
    drop(&p);
}
END_TEST

int main(void)
{
    const int levels = (int)vlp_cpu_best() + 1;
    Suite    *s = suite_create("attention kernel");
    TCase    *t = tcase_create("every level");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, attention_is_the_softmax_of_scores_times_values, 0, levels);
    tcase_add_loop_test(t, sequences_of_unlike_length_attend_to_their_own_keys, 0, levels);
    tcase_add_loop_test(t, a_sequence_is_the_same_in_any_company_on_any_number_of_threads, 0,
                        levels);
    tcase_add_loop_test(t, a_prefix_of_causal_queries_gives_the_same_rows, 0, levels);
    tcase_add_loop_test(t, a_query_that_knows_its_place_is_that_row_of_all, 0, levels);
    tcase_add_loop_test(t, scores_of_any_size_do_not_overflow, 0, levels);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
