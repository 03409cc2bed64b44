/*
 * check_search.c -- exact top-k against brute force in double, on rows with planted ties.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/search.h>

#include "computing.h"

enum { DIM = 52, ROWS = 1500, QUERIES = 70 };

struct world {
    float   rows[ROWS][DIM], queries[QUERIES][DIM];
    uint8_t stored[ROWS * (DIM * sizeof(float) + 4)];
    size_t  stride;
};

/* Vectors with equal rows among them; entries are multiples of 1/64 so that some scores tie. */
static struct world *make_world(uint64_t seed, bool coarse)
{
    struct world  *w = vlp_calloc(1, sizeof *w);
    struct vlp_rng r;
    vlp_rng_seed(&r, seed, 0);
    for (int i = 0; i < ROWS; i++)
        for (int c = 0; c < DIM; c++)
            w->rows[i][c] = coarse ? (float)vlp_rng_below(&r, 5) - 2.0f : (float)vlp_rng_normal(&r);
    for (int i = 0; i < ROWS / 10; i++) /* copies of earlier rows, far apart */
        memcpy(w->rows[ROWS - 1 - i], w->rows[vlp_rng_below(&r, ROWS / 2)], sizeof w->rows[0]);
    memset(w->rows[77], 0, sizeof w->rows[77]);
    for (int q = 0; q < QUERIES; q++)
        for (int c = 0; c < DIM; c++)
            w->queries[q][c] =
                coarse ? (float)vlp_rng_below(&r, 5) - 2.0f : (float)vlp_rng_normal(&r);
    return w;
}

/* Lay the rows out as `dtype` and take back into `rows` what can be read from there. */
static struct vlp_rows store(struct world *w, enum vlp_dtype dtype)
{
    w->stride = dtype == VLP_I8 ? DIM + 4 : vlp_dtype_size(dtype, DIM);
    for (int i = 0; i < ROWS; i++) {
        uint8_t *at = w->stored + (size_t)i * w->stride;
        if (dtype == VLP_I8) {
            float most = 1e-9f;
            for (int c = 0; c < DIM; c++) most = fmaxf(most, fabsf(w->rows[i][c]));
            const float scale = most / 127.0f;
            memcpy(at, &scale, sizeof scale);
            for (int c = 0; c < DIM; c++)
                ((int8_t *)at)[4 + c] = (int8_t)lrintf(w->rows[i][c] / scale);
        } else {
            vlp_from_f32(at, dtype, w->rows[i], DIM);
        }
    }
    const struct vlp_rows rows = {w->stored, w->stride, dtype, DIM, ROWS, NULL, 0, false};
    for (int i = 0; i < ROWS; i++) vlp_rows_f32(&rows, i, w->rows[i]);
    return rows;
}

static double product(const struct world *w, int q, int i)
{
    double s = 0.0;
    for (int c = 0; c < DIM; c++) s += (double)w->queries[q][c] * (double)w->rows[i][c];
    return s;
}

static const enum vlp_dtype dtypes[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};

/* Search with n queries at a time and `threads`, pieces of `piece` rows. */
static void search(struct world *w, const struct vlp_rows *rows, int threads, int batch, int piece,
                   int k, float min_score, struct vlp_hit *out, int *count)
{
    struct vlp_pool   *pool = vlp_pool_open(threads);
    struct vlp_compute c = compute_with(pool);
    for (int q0 = 0; q0 < QUERIES; q0 += batch) {
        const int          n = (int)vlp_min_i64(batch, QUERIES - q0);
        struct vlp_search *s = vlp_search_open(&c, w->queries[q0], n, DIM, k, min_score);
        for (int i = 0; i < ROWS; i += piece) {
            struct vlp_rows part = *rows;
            part.data = (const uint8_t *)rows->data + (size_t)i * rows->stride;
            part.n = (int)vlp_min_i64(piece, ROWS - i);
            part.first = i;
            if (rows->scale) part.scale = rows->scale + i;
            vlp_search_rows(s, &part);
        }
        for (int q = 0; q < n; q++) {
            const struct vlp_hit *hit;
            count[q0 + q] = vlp_search_hits(s, q, &hit);
            memcpy(out + (size_t)(q0 + q) * ROWS, hit, (size_t)count[q0 + q] * sizeof *hit);
        }
        vlp_search_close(s);
    }
    vlp_pool_close(pool);
}

static int double_order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

START_TEST(hits_are_those_of_brute_force_in_double_for_every_dtype)
{
    struct world         *w = make_world(1 + (uint64_t)_i, false);
    const struct vlp_rows rows = store(w, dtypes[_i]);
    struct vlp_hit       *hit = vlp_malloc(sizeof *hit * QUERIES * ROWS);
    int                   count[QUERIES];
    search(w, &rows, 2, QUERIES, 400, 10, -INFINITY, hit, count);
    for (int q = 0; q < QUERIES; q++) {
        double all[ROWS];
        for (int i = 0; i < ROWS; i++) all[i] = product(w, q, i);
        qsort(all, ROWS, sizeof *all, double_order);
        ck_assert_int_eq(count[q], 10);
        for (int h = 0; h < 10; h++) {
            const struct vlp_hit *x = &hit[(size_t)q * ROWS + (size_t)h];
            ck_assert_double_eq_tol((double)x->score, product(w, q, (int)x->row), 2e-5);
            ck_assert_double_eq_tol((double)x->score, all[h], 2e-5);
            if (h)
                ck_assert(x[-1].score > x->score ||
                          (x[-1].score == x->score && x[-1].row < x->row));
        }
    }
    free(hit);
    free(w);
}
END_TEST

START_TEST(equal_scores_come_by_rising_row_and_the_last_places_go_to_the_lowest)
{
    /* whole numbers: scores are exact in any order of summation, and tie in crowds */
    struct world         *w = make_world(9, true);
    const struct vlp_rows rows = store(w, dtypes[_i]);
    struct vlp_hit       *hit = vlp_malloc(sizeof *hit * QUERIES * ROWS);
    int                   count[QUERIES], crowds = 0;
    if (dtypes[_i] == VLP_I8) { /* its scales are not whole: ties of copies only, see above */
        free(hit);
        free(w);
        return;
    }
    search(w, &rows, 3, QUERIES, 333, 25, -INFINITY, hit, count);
    for (int q = 0; q < QUERIES; q++) {
        for (int h = 0; h < 25; h++) {
            const struct vlp_hit *x = &hit[(size_t)q * ROWS + (size_t)h];
            int                   rank = 0;
            ck_assert((double)x->score == product(w, q, (int)x->row));
            for (int i = 0; i < ROWS; i++) {
                const double s = product(w, q, i);
                rank += s > (double)x->score || (s == (double)x->score && i < x->row);
                crowds += s == (double)x->score && i != x->row;
            }
            ck_assert_int_eq(rank, h);
        }
    }
    ck_assert_int_gt(crowds, 100);
    free(hit);
    free(w);
}
END_TEST

START_TEST(threads_batch_and_pieces_do_not_change_a_bit)
{
    struct world   *w = make_world(4, _i % 2);
    struct vlp_rows rows = store(w, dtypes[_i / 2]);
    struct vlp_hit *want = vlp_malloc(sizeof *want * QUERIES * ROWS);
    struct vlp_hit *hit = vlp_malloc(sizeof *hit * QUERIES * ROWS);
    int             want_count[QUERIES], count[QUERIES];
    static const struct {
        int threads, batch, piece;
    } ways[] = {{2, 1, ROWS}, {3, 5, 100},      {4, 6, ROWS},
                {1, 33, 129}, {4, QUERIES, 64}, {2, QUERIES, 1}};
    float *scale = vlp_malloc(ROWS * sizeof *scale);
    for (int scaled = 0; scaled < 2; scaled++) {
        if (scaled) {
            const struct vlp_compute alone = compute_with(NULL);
            vlp_rows_inverse_norm(&alone, &rows, scale);
            ck_assert(scale[77] == 0.0f || dtypes[_i / 2] == VLP_I8);
            rows.scale = scale;
        }
        search(w, &rows, 1, 1, ROWS, 12, -INFINITY, want, want_count);
        for (size_t v = 0; v < VLP_COUNT(ways); v++) {
            search(w, &rows, ways[v].threads, ways[v].batch, ways[v].piece, 12, -INFINITY, hit,
                   count);
            for (int q = 0; q < QUERIES; q++) {
                ck_assert_int_eq(count[q], want_count[q]);
                for (int h = 0; h < count[q]; h++) {
                    const size_t at = (size_t)q * ROWS + (size_t)h;
                    ck_assert_int_eq(hit[at].row, want[at].row);
                    ck_assert_mem_eq(&hit[at].score, &want[at].score, sizeof(float));
                }
            }
        }
    }
    free(scale);
    free(want);
    free(hit);
    free(w);
}
END_TEST

START_TEST(k_of_zero_finds_every_row_above_the_threshold)
{
    struct world         *w = make_world(5, true);
    const struct vlp_rows rows = store(w, VLP_F32);
    struct vlp_hit       *hit = vlp_malloc(sizeof *hit * QUERIES * ROWS);
    int                   count[QUERIES];
    search(w, &rows, 2, _i ? QUERIES : 1, 500, 0, 14.0f, hit, count);
    for (int q = 0; q < QUERIES; q++) {
        int want = 0;
        for (int i = 0; i < ROWS; i++) want += product(w, q, i) >= 14.0;
        ck_assert_int_eq(count[q], want);
    }
    free(hit);
    free(w);
}
END_TEST

START_TEST(rows_with_nan_never_match_and_spoil_no_neighbour)
{
    struct world *w = make_world(6, true);
    w->rows[3][7] = NAN;
    const struct vlp_rows rows = store(w, VLP_F32);
    struct vlp_hit       *hit = vlp_malloc(sizeof *hit * QUERIES * ROWS);
    int                   count[QUERIES];
    search(w, &rows, 2, _i ? QUERIES : 1, 500, ROWS, -INFINITY, hit, count);
    for (int q = 0; q < QUERIES; q++) ck_assert_int_eq(count[q], ROWS - 1);
    free(hit);
    free(w);
}
END_TEST

/* Rows that are said to have unit length come without a scale that would make NaN of them. */
START_TEST(rows_with_infinity_have_no_cosine)
{
    struct world *w = make_world(6, true);
    w->rows[3][7] = INFINITY;
    w->rows[4][7] = -INFINITY;
    struct vlp_rows rows = store(w, VLP_F32);
    struct vlp_hit *hit = vlp_malloc(sizeof *hit * QUERIES * ROWS);
    int             count[QUERIES];
    rows.cosine = true;
    search(w, &rows, 2, _i ? QUERIES : 1, 500, ROWS, -INFINITY, hit, count);
    for (int q = 0; q < QUERIES; q++) ck_assert_int_eq(count[q], ROWS - 2);
    free(hit);
    free(w);
}
END_TEST

START_TEST(cosines_of_long_rows_are_cosines)
{
    struct world            *w = make_world(7, false);
    struct vlp_rows          rows = store(w, VLP_F32);
    float                    scale[ROWS];
    const struct vlp_compute c = compute_with(NULL);
    const struct vlp_hit    *hit;
    vlp_rows_inverse_norm(&c, &rows, scale);
    rows.scale = scale;
    float query[DIM];
    memcpy(query, w->queries[0], sizeof query);
    vlp_unit_length(query, DIM);
    struct vlp_search *s = vlp_search_open(&c, query, 1, DIM, 5, -1.0f);
    vlp_search_rows(s, &rows);
    ck_assert_int_eq(vlp_search_hits(s, 0, &hit), 5);
    for (int h = 0; h < 5; h++) {
        double qq = 0.0, rr = 0.0;
        for (int j = 0; j < DIM; j++) {
            qq += (double)w->queries[0][j] * (double)w->queries[0][j];
            rr += (double)w->rows[hit[h].row][j] * (double)w->rows[hit[h].row][j];
        }
        ck_assert_double_eq_tol((double)hit[h].score,
                                product(w, 0, (int)hit[h].row) / sqrt(qq * rr), 1e-6);
    }
    vlp_search_close(s);
    free(w);
}
END_TEST

/* Cosine 1 is for the query itself: a row that differs in its last element only scores less, of
 * however many elements and whatever their type. */
START_TEST(only_the_query_itself_has_cosine_one)
{
    enum { MOST = 1031 };
    static const int         dims[] = {1, 37, 128, 129, MOST};
    const struct vlp_compute c = compute_with(NULL);
    for (size_t d = 0; d < VLP_COUNT(dims); d++) {
        const int    dim = dims[d], ahead = dtypes[_i] == VLP_I8 ? 4 : 0;
        const size_t stride =
            dtypes[_i] == VLP_I8 ? (size_t)dim + 4 : vlp_dtype_size(dtypes[_i], (size_t)dim);
        uint8_t        *stored = vlp_calloc(3, stride);
        float           x[MOST], query[MOST], scale[3];
        struct vlp_rows rows = {stored, stride, dtypes[_i], dim, 3, NULL, 0, true};
        for (int i = 0; i < 3; i++) {
            uint8_t *at = stored + (size_t)i * stride;
            for (int j = 0; j < dim; j++) x[j] = (float)(1 + (j * 7) % 31);
            x[dim - 1] += i == 1 ? 1.0f : 0.0f; /* in bf16 too another number */
            memcpy(at, &(float){0.5f}, (size_t)ahead);
            for (int j = 0; j < dim && ahead; j++) ((int8_t *)at)[ahead + j] = (int8_t)x[j];
            if (!ahead) vlp_from_f32(at, dtypes[_i], x, (size_t)dim);
        }
        vlp_rows_inverse_norm(&c, &rows, scale);
        rows.scale = scale;
        vlp_rows_f32(&rows, 0, query);
        vlp_unit_length(query, dim);
        const struct vlp_hit *hit;
        struct vlp_search    *s = vlp_search_open(&c, query, 1, dim, 3, -1.0f);
        vlp_search_rows(s, &rows);
        ck_assert_int_eq(vlp_search_hits(s, 0, &hit), 3);
        for (int h = 0; h < 3; h++)
            ck_assert_msg((hit[h].score == 1.0f) == (hit[h].row != 1 || dim == 1),
                          "dim %d: row %d has %.9g", dim, (int)hit[h].row, (double)hit[h].score);
        vlp_search_close(s);
        free(stored);
    }
}
END_TEST

static const struct {
    const char *query, *first;
    float       weight;
    const char *second;
} weights[] = {
    {"text:a cat - text:a dog", "a cat", -1.0f, "a dog"},
    {"text:a cat +\ttext:a dog", "a cat", 1.0f, "a dog"},
    {"id:a - id:b", "a", -1.0f, "b"},
    {"id:a -0.5 * id:b", "a", -0.5f, "b"},
    {"id:a - .5* id:b", "a", -0.5f, "b"},
    {"id:a 2 *id:b", "a", 2.0f, "b"},
    {"id:a -25e-2*id:b", "a", -0.25f, "b"},
    {"id:a -1E+1*id:b", "a", -10.0f, "b"},
    /* what only looks like one */
    {"text:4 - 3 = 1 text:b", "4 - 3 = 1", 1.0f, "b"},
    {"text:route 66 text:b", "route 66", 1.0f, "b"},
    {"text:vitamin e text:b", "vitamin e", 1.0f, "b"},
    {"text:rated 5* -text:b", "rated 5*", -1.0f, "b"},
    {"text:at -5 +text:b", "at -5", 1.0f, "b"},
    {"text:non-text:x text:b", "non-text:x", 1.0f, "b"},
};

START_TEST(signs_and_weights_may_stand_apart_from_their_term)
{
    struct vlp_arena mem;
    struct vlp_query q;
    struct vlp_error err;
    const char      *s = weights[_i].query;
    vlp_arena_init(&mem);
    ck_assert_int_eq(vlp_query_parse(&q, &mem, s, strlen(s), &err), VLP_OK);
    ck_assert_int_eq(q.n, 2);
    ck_assert_str_eq(q.term[0].value, weights[_i].first);
    ck_assert_float_eq(q.term[1].weight, weights[_i].weight);
    ck_assert_str_eq(q.term[1].value, weights[_i].second);
    vlp_arena_free(&mem);
}
END_TEST

/* Read as the end of the text before, each would turn a difference into a sum, or lose a weight. */
static const char *const wrong_weights[] = {
    "text:a -0,1*text:b",  "text:a -0,1 * text:b", "text:a - -text:b",   "text:a + -0.5*text:b",
    "text:a --text:b",     "text:a x*text:b",      "text:a x * text:b",  "text:a * text:b",
    "text:a -0.5 text:b",  "text:a -0.5text:b",    "text:a 2.text:b",    "text:a 0.5 * -text:b",
    "text:a 1e99*text:b",  "text:a -1e*text:b",    "text:a -0x1*text:b", "text:a -inf*text:b",
    "text:a 1.2.3*text:b", "text:a +-text:b",      "- - text:b",         "0,5*text:a",
};

START_TEST(queries_are_sums_and_differences)
{
    struct vlp_arena mem;
    struct vlp_query q;
    struct vlp_error err;
    vlp_arena_init(&mem);
    const char *s = "image:a b.jpg +text:at night, -0.5 off -0.5*id:foo";
    ck_assert_int_eq(vlp_query_parse(&q, &mem, s, strlen(s), &err), VLP_OK);
    ck_assert_int_eq(q.n, 3);
    ck_assert_int_eq(q.term[0].kind, VLP_TERM_IMAGE);
    ck_assert_str_eq(q.term[0].value, "a b.jpg");
    ck_assert_str_eq(q.term[1].value, "at night, -0.5 off");
    ck_assert_int_eq(q.term[2].kind, VLP_TERM_ID);
    ck_assert_float_eq(q.term[2].weight, -0.5f);
    const float x[3] = {2, 0, 0}, y[3] = {0, 5, 0}, z[3] = {0, 0, 1};
    float       out[3];
    ck_assert_int_eq(vlp_query_compose(out, &q, (const float *const[]){x, y, z}, 3, &err), VLP_OK);
    ck_assert_float_eq_tol(out[0], 2.0f / 3.0f, 1e-6f);
    ck_assert_float_eq_tol(out[1], 2.0f / 3.0f, 1e-6f);
    ck_assert_float_eq_tol(out[2], -1.0f / 3.0f, 1e-6f);

    static const char *const wrong[] = {"", "red car", "text:", "+1.5 text:x", "text:a +id:", "2*"};
    for (size_t i = 0; i < VLP_COUNT(wrong); i++)
        ck_assert_int_eq(vlp_query_parse(&q, &mem, wrong[i], strlen(wrong[i]), &err),
                         VLP_ERR_USAGE);
    for (size_t i = 0; i < VLP_COUNT(wrong_weights); i++) {
        s = wrong_weights[i];
        ck_assert_msg(vlp_query_parse(&q, &mem, s, strlen(s), &err) == VLP_ERR_USAGE, "%s", s);
    }
    s = "id:x -id:x";
    ck_assert_int_eq(vlp_query_parse(&q, &mem, s, strlen(s), &err), VLP_OK);
    ck_assert_int_eq(vlp_query_compose(out, &q, (const float *const[]){x, x}, 3, &err),
                     VLP_ERR_USAGE);
    vlp_arena_free(&mem);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("search");
    TCase *tc = tcase_create("engine");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, hits_are_those_of_brute_force_in_double_for_every_dtype, 0,
                        VLP_COUNT(dtypes));
    tcase_add_loop_test(tc, equal_scores_come_by_rising_row_and_the_last_places_go_to_the_lowest, 0,
                        VLP_COUNT(dtypes));
    tcase_add_loop_test(tc, threads_batch_and_pieces_do_not_change_a_bit, 0, 2 * VLP_COUNT(dtypes));
    tcase_add_loop_test(tc, k_of_zero_finds_every_row_above_the_threshold, 0, 2);
    tcase_add_loop_test(tc, rows_with_nan_never_match_and_spoil_no_neighbour, 0, 2);
    tcase_add_loop_test(tc, rows_with_infinity_have_no_cosine, 0, 2);
    tcase_add_test(tc, cosines_of_long_rows_are_cosines);
    tcase_add_loop_test(tc, only_the_query_itself_has_cosine_one, 0, (int)VLP_COUNT(dtypes));
    tcase_add_test(tc, queries_are_sums_and_differences);
    tcase_add_loop_test(tc, signs_and_weights_may_stand_apart_from_their_term, 0,
                        (int)VLP_COUNT(weights));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
