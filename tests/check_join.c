/*
 * check_join.c -- joins and groups against the plain definition on small random sets with ties.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/search.h>

#include "computing.h"

enum { DIM = 12, NA = 130, NB = 90 };

static float A[NA][DIM], B[NB][DIM];

/* Small whole numbers: scores are exact and many are equal. */
static void fill(uint64_t seed)
{
    struct vlp_rng r;
    vlp_rng_seed(&r, seed, 0);
    for (int i = 0; i < NA; i++)
        for (int c = 0; c < DIM; c++) A[i][c] = (float)vlp_rng_below(&r, 3) - 1.0f;
    for (int i = 0; i < NB; i++)
        for (int c = 0; c < DIM; c++) B[i][c] = (float)vlp_rng_below(&r, 3) - 1.0f;
}

static float score(const float *x, const float *y)
{
    float s = 0.0f;
    for (int c = 0; c < DIM; c++) s += x[c] * y[c];
    return s;
}

/* Two sets, or with `self` one in which a and b of the same number may not meet. */
static struct vlp_join join_of(const int *self, float min_score)
{
    return (struct vlp_join){VLP_DOT, A[0], B[0], NA, NB, DIM, min_score, self, self};
}

/* Whose the rows are: every second is a record of its own, which B may not have; of the others some
 * share one. */
static const int *owners(void)
{
    static int own[NA];
    for (int i = 0; i < NA; i++) own[i] = i % 2 == 0 ? i % 24 : i < NB ? i : -1;
    return own;
}

static bool is_pair(const struct vlp_join *j, int a, int b)
{
    return (!j->self_a || j->self_a[a] != j->self_b[b]) && score(A[a], B[b]) >= j->min_score;
}

/* The best partner of a, or of b where a is -1; -1: it has none. */
static int best_partner(const struct vlp_join *j, int a, int b)
{
    int best = -1;
    for (int i = 0; i < (a < 0 ? NA : NB); i++) {
        const int x = a < 0 ? i : a, y = a < 0 ? b : i;
        if (!is_pair(j, x, y)) continue;
        if (best < 0 || score(A[x], B[y]) > score(A[a < 0 ? best : a], B[a < 0 ? b : best]))
            best = i;
    }
    return best;
}

/* Against the definition; returns how many pairs there are. */
static int check_mutual(int threads, const int *self)
{
    struct vlp_pool         *pool = vlp_pool_open(threads);
    const struct vlp_compute c = compute_with(pool);
    const struct vlp_join    j = join_of(self, 4.0f);
    struct vlp_pair          got[NB];
    struct vlp_hit           best[NA];
    const int                n = vlp_join_mutual(&c, &j, got);
    int                      at = 0;
    vlp_join_best(&c, &j, best);
    for (int a = 0; a < NA; a++) {
        const int b = best_partner(&j, a, -1);
        ck_assert_int_eq(best[a].row, b);
        if (b < 0 || best_partner(&j, -1, b) != a) continue;
        ck_assert_int_lt(at, n);
        ck_assert_int_eq(got[at].a, a);
        ck_assert_int_eq(got[at].b, b);
        ck_assert_float_eq(got[at].score, score(A[a], B[b]));
        at++;
    }
    ck_assert_int_eq(at, n);
    vlp_pool_close(pool);
    return n;
}

START_TEST(mutual_pairs_choose_each_other)
{
    fill((uint64_t)_i);
    ck_assert_int_gt(check_mutual(1 + _i % 3, NULL), 3);
}
END_TEST

/* Of all pairs that are left the best, again and again; returns how many came. */
static int check_greedy(int threads, float low, const int *self)
{
    struct vlp_pool         *pool = vlp_pool_open(threads);
    const struct vlp_compute c = compute_with(pool);
    const struct vlp_join    j = join_of(self, low);
    struct vlp_pair          got[NB];
    bool                     gone_a[NA] = {0}, gone_b[NB] = {0};
    const int                n = vlp_join_one_to_one(&c, &j, got);
    for (int at = 0;; at++) {
        struct vlp_pair best = {-1, -1, -INFINITY};
        for (int a = 0; a < NA; a++)
            for (int b = 0; b < NB; b++)
                if (!gone_a[a] && !gone_b[b] && is_pair(&j, a, b) && score(A[a], B[b]) > best.score)
                    best = (struct vlp_pair){a, b, score(A[a], B[b])};
        if (best.a < 0) {
            ck_assert_int_eq(n, at);
            break;
        }
        ck_assert_int_lt(at, n);
        ck_assert_int_eq(got[at].a, best.a);
        ck_assert_int_eq(got[at].b, best.b);
        gone_a[best.a] = gone_b[best.b] = true;
    }
    vlp_pool_close(pool);
    return n;
}

START_TEST(one_to_one_takes_the_best_pair_again_and_again)
{
    fill((uint64_t)_i + 50);
    const int n = check_greedy(1 + _i % 3, _i % 2 ? 3.0f : -INFINITY, NULL);
    if (!(_i % 2)) ck_assert_int_eq(n, NB);
}
END_TEST

/* Within one set a record would be its own best partner. */
START_TEST(a_record_is_no_partner_of_its_own)
{
    static int all_one[NA];
    const int *own = owners();
    fill((uint64_t)_i + 60);
    for (int i = 7; i < NA && _i % 2; i++) memcpy(A[i], A[i % 7], sizeof A[i]); /* copies */
    memcpy(B, A, sizeof B);
    ck_assert_int_gt(check_mutual(1 + _i % 3, own), 3);
    ck_assert_int_gt(check_greedy(1 + _i % 3, -INFINITY, own), NB - 2);
    check_greedy(1 + _i % 2, 5.0f, own);
    const struct vlp_compute c = compute_with(NULL);
    const struct vlp_join    none = join_of(all_one, -INFINITY);
    struct vlp_pair          pair[NB];
    ck_assert_int_eq(vlp_join_mutual(&c, &none, pair), 0);
    ck_assert_int_eq(vlp_join_one_to_one(&c, &none, pair), 0);
}
END_TEST

/* Equal rows are of one record or of several, some alone in A, and everybody wants the same. */
START_TEST(copies_may_be_of_a_record_or_of_several)
{
    int       own[NA];
    const int kinds = 1 + _i % 7, records = 1 + _i * 5 % 19;
    fill((uint64_t)_i + 80);
    for (int i = kinds; i < NA; i++) memcpy(A[i], A[(i * 7 + i / 11) % kinds], sizeof A[i]);
    if (_i % 3) memcpy(B, A, sizeof B);
    for (int i = kinds; i < NB && _i % 3 == 2; i++) memcpy(B[i], A[i * 3 % kinds], sizeof B[i]);
    for (int i = 0; i < NA; i++) {
        own[i] = i % 4 ? i % records : i;
        if (own[i] >= NB) own[i] = -1;
    }
    check_mutual(1 + _i % 2, own);
    check_greedy(1 + _i % 2, _i % 5 ? -INFINITY : 3.0f, own);
}
END_TEST

/* Everybody wants the same rows: lists run out, and equal rows share one. */
START_TEST(one_to_one_of_copies_takes_the_earliest)
{
    enum { KINDS = 3 };
    fill((uint64_t)_i + 70);
    for (int i = KINDS; i < NA && _i != 1; i++) memcpy(A[i], A[i * 7 % KINDS], sizeof A[i]);
    for (int i = KINDS; i < NB && _i != 2; i++) memcpy(B[i], B[i * 5 % KINDS], sizeof B[i]);
    ck_assert_int_eq(check_greedy(1 + _i % 2, -INFINITY, NULL), NB);
}
END_TEST

/* Whom one comes to from `from` over pairs that come before `limit` in the order of strength. */
static void reach(bool seen[NA], int from, struct vlp_pair limit)
{
    int stack[NA], top = 0;
    memset(seen, 0, NA * sizeof *seen);
    stack[top++] = from;
    seen[from] = true;
    while (top) {
        const int x = stack[--top];
        for (int y = 0; y < NA; y++) {
            const int   a = x < y ? x : y, b = x < y ? y : x;
            const float s = score(A[a], A[b]);
            if (seen[y] || a == b) continue;
            const bool stronger =
                s > limit.score ||
                (s == limit.score && (a < limit.a || (a == limit.a && b < limit.b)));
            if (!stronger) continue;
            seen[y] = true;
            stack[top++] = y;
        }
    }
}

/* Against the definition, with brute force; returns how many groups there are. */
static int check_groups(int threads, float threshold)
{
    struct vlp_pool         *pool = vlp_pool_open(threads);
    const struct vlp_compute c = compute_with(pool);
    struct vlp_groups        g;
    vlp_find_groups(&g, &c, VLP_DOT, A[0], NA, DIM, threshold);
    int group_of[NA];
    for (int i = 0; i < NA; i++) group_of[i] = -1;
    for (int k = 0; k < g.n; k++) {
        const struct vlp_group *x = &g.group[k];
        ck_assert_int_ge(x->n, 2);
        if (k) ck_assert_int_lt(g.group[k - 1].member[0], x->member[0]);
        for (int i = 0; i < x->n; i++) group_of[x->member[i]] = k;

        /* the link: above the threshold, and without pairs as weak its ends lose each other */
        const struct vlp_pair link = x->weakest_link;
        ck_assert_float_eq(link.score, score(A[link.a], A[link.b]));
        ck_assert(link.score >= threshold);
        bool reached[NA];
        reach(reached, link.a, link);
        ck_assert(!reached[link.b]);
        struct vlp_pair next = link;
        next.b++; /* with it, all hangs together */
        reach(reached, x->member[0], next);
        for (int i = 1; i < x->n; i++) ck_assert(reached[x->member[i]]);

        struct vlp_pair least = {0, 0, INFINITY};
        for (int i = 0; i < x->n; i++)
            for (int j = i + 1; j < x->n; j++)
                if (score(A[x->member[i]], A[x->member[j]]) < least.score)
                    least = (struct vlp_pair){x->member[i], x->member[j],
                                              score(A[x->member[i]], A[x->member[j]])};
        ck_assert_int_eq(x->weakest_pair.a, least.a);
        ck_assert_int_eq(x->weakest_pair.b, least.b);
        ck_assert_float_eq(x->weakest_pair.score, least.score);
    }
    for (int i = 0; i < NA; i++) {
        const struct vlp_pair all = {NA, -1, threshold}; /* pairs equal to the threshold count */
        bool                  reached[NA];
        reach(reached, i, all);
        for (int j = i + 1; j < NA; j++)
            ck_assert(reached[j] == (group_of[i] >= 0 && group_of[i] == group_of[j]));
    }
    const int n = g.n;
    vlp_groups_free(&g);
    vlp_pool_close(pool);
    return n;
}

START_TEST(groups_are_connected_components_and_explained_by_their_weakest_link)
{
    fill((uint64_t)_i + 99);
    ck_assert_int_gt(check_groups(1 + _i % 3, 6.0f + (float)(_i % 2)), 1);
}
END_TEST

/* Copies hang on one another, or, where their own product is too small, on others. */
START_TEST(groups_of_copies_are_what_they_are_by_definition)
{
    const int kinds = 3 + 9 * _i;
    fill((uint64_t)_i + 200);
    for (int i = 0; i < kinds; i++)
        for (int c = 0; c < DIM; c++) A[i][c] *= (float)(1 + i % 3);
    for (int i = kinds; i < NA; i++) memcpy(A[i], A[(i * 7 + i / 5) % kinds], sizeof A[i]);
    for (int i = 0; i < kinds / 2; i++) { /* first ones anywhere */
        float row[DIM];
        memcpy(row, A[i], sizeof row);
        memcpy(A[i], A[NA - 1 - 3 * i], sizeof row);
        memcpy(A[NA - 1 - 3 * i], row, sizeof row);
    }
    int n = 0;
    for (int t = 0; t < 40; t += 3) n += check_groups(1 + t % 2, (float)t - 3.0f);
    ck_assert_int_gt(n, 14);
}
END_TEST

/* A copy may be as little like its own kind as like another. */
START_TEST(of_equally_weak_pairs_the_first_is_named)
{
    static const struct {
        float row[4][2];
        int   a, b;
    } cases[] = {{{{2, 0}, {2, 3}, {2, 0}, {2, 3}}, 0, 1},
                 {{{2, 0}, {2, 0}, {2, 3}, {2, 3}}, 0, 1},
                 {{{2, 3}, {2, 3}, {2, 0}, {2, 0}}, 0, 2},
                 {{{2, 3}, {2, 0}, {2, 0}, {2, 3}}, 0, 1},
                 {{{2, 3}, {1, 0}, {1, 0}, {2, 3}}, 1, 2}};
    const struct vlp_compute c = compute_with(NULL);
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_groups g;
        vlp_find_groups(&g, &c, VLP_DOT, cases[i].row[0], 4, 2, 2.0f);
        ck_assert_int_eq(g.n, 1);
        ck_assert_int_eq(g.group[0].n, 4);
        ck_assert_int_eq(g.group[0].weakest_pair.a, cases[i].a);
        ck_assert_int_eq(g.group[0].weakest_pair.b, cases[i].b);
        vlp_groups_free(&g);
    }
}
END_TEST

START_TEST(a_crowd_of_equal_rows_is_one_group)
{
    enum { N = 3000 };
    float                   *x = vlp_calloc(N * DIM, sizeof *x);
    const struct vlp_compute c = compute_with(NULL);
    for (int i = 0; i < N; i++) x[i * DIM + i % 2] = 1.0f;
    struct vlp_groups g;
    vlp_find_groups(&g, &c, VLP_COSINE, x, N, DIM, 0.9f);
    ck_assert_int_eq(g.n, 2);
    ck_assert_int_eq(g.group[0].n, N / 2);
    ck_assert_int_eq(g.group[1].member[0], 1);
    ck_assert_float_eq(g.group[0].weakest_pair.score, 1.0f);
    vlp_groups_free(&g);
    free(x);
}
END_TEST

/* Row by row, this many would take minutes. */
START_TEST(a_crowd_of_equal_rows_is_joined_at_once)
{
    enum { N = 60000 };
    float           *x = vlp_calloc((size_t)N * DIM, sizeof *x);
    int             *own = vlp_malloc(N * sizeof *own);
    struct vlp_pair *pair = vlp_malloc(N * sizeof *pair);
    for (int i = 0; i < N; i++) {
        x[i * DIM + 3] = 1.0f;
        own[i] = i;
    }
    const struct vlp_compute c = compute_with(NULL);
    struct vlp_join          j = {VLP_COSINE, x, x, N, N, DIM, 0.9f, NULL, NULL};
    ck_assert_int_eq(vlp_join_mutual(&c, &j, pair), 1);
    ck_assert_int_eq(pair[0].a, 0);
    ck_assert_int_eq(pair[0].b, 0);
    ck_assert_int_eq(vlp_join_one_to_one(&c, &j, pair), N);
    for (int i = 0; i < N; i++) ck_assert(pair[i].a == i && pair[i].b == i);

    j.self_a = j.self_b = own;
    ck_assert_int_eq(vlp_join_mutual(&c, &j, pair), 2);
    ck_assert(pair[0].a == 0 && pair[0].b == 1 && pair[1].a == 1 && pair[1].b == 0);
    ck_assert_int_eq(vlp_join_one_to_one(&c, &j, pair), N);
    for (int i = 0; i < N; i++) ck_assert(pair[i].a == i && pair[i].b == (i ^ 1));

    /* two records have them all: of one's rows with the other's */
    for (int i = 0; i < N; i++) own[i] = i < N / 2;
    ck_assert_int_eq(vlp_join_one_to_one(&c, &j, pair), N);
    for (int i = 0; i < N; i++) ck_assert(pair[i].a == i && pair[i].b == (i + N / 2) % N);
    free(x);
    free(own);
    free(pair);
}
END_TEST

/* Lengths are 1 but for rounding, so products of equal vectors fall on both sides of 1; beyond it
 * seldom, so that some are drawn until they do, whatever the level's order of summing. */
START_TEST(equal_vectors_have_cosine_one_and_no_others)
{
    enum { N = 600, WIDE = 96, PLAIN = 300 };
    float                   *x = vlp_calloc((size_t)N * WIDE, sizeof *x);
    const struct vlp_compute c = level(_i, 2, VLP_PRECISION_F32);
    struct vlp_rng           r;
    int                      below = 0, above = 0;
    vlp_rng_seed(&r, 7, 0);
    for (int i = 0; i < PLAIN; i++) {
        float *row = x + (size_t)i * WIDE;
        float  own;
        do {
            for (int k = 0; k < WIDE; k++) row[k] = (float)vlp_rng_below(&r, 2001) - 1000.0f;
            vlp_unit_length(row, WIDE);
            own = vlp_dot(&c, row, row, WIDE);
        } while (i % 5 == 0 && own <= 1.0f);
        below += own < 1.0f;
        above += own > 1.0f;
        /* the twin of an odd one differs in one element, and too little for the sum */
        float *twin = x + (size_t)(PLAIN + i) * WIDE;
        memcpy(twin, row, WIDE * sizeof *row);
        if (i % 2) twin[5] *= 1.0f + 0x1p-18f;
    }
    ck_assert_int_gt(below, 0);
    ck_assert_int_gt(above, 0);
    struct vlp_groups g;
    vlp_find_groups(&g, &c, VLP_COSINE, x, N, WIDE, 1.0f);
    ck_assert_int_eq(g.n, PLAIN / 2);
    for (int i = 0; i < g.n; i++) {
        ck_assert_int_eq(g.group[i].n, 2);
        ck_assert_int_eq(g.group[i].member[1], g.group[i].member[0] + PLAIN);
        ck_assert_float_eq(g.group[i].weakest_link.score, 1.0f);
        ck_assert_float_eq(g.group[i].weakest_pair.score, 1.0f);
    }
    vlp_groups_free(&g);
    vlp_find_groups(&g, &c, VLP_COSINE, x, N, WIDE, 0.9999f);
    ck_assert_int_eq(g.n, PLAIN);
    for (int i = 0; i < g.n; i++)
        ck_assert(i % 2 ? g.group[i].weakest_pair.score < 1.0f
                        : g.group[i].weakest_pair.score == 1.0f);
    vlp_groups_free(&g);

    struct vlp_pair pair[PLAIN];
    struct vlp_join join = {VLP_COSINE, x,   x + (size_t)PLAIN * WIDE, PLAIN, PLAIN, WIDE, 1.0f,
                            NULL,       NULL};
    ck_assert_int_eq(vlp_join_mutual(&c, &join, pair), PLAIN / 2);
    ck_assert_int_eq(vlp_join_one_to_one(&c, &join, pair), PLAIN / 2);
    /* few queries at a time */
    join.na = 1;
    for (int i = 0; i < 20; i++) {
        join.A = x + (size_t)i * WIDE;
        ck_assert_int_eq(vlp_join_mutual(&c, &join, pair), i % 2 ? 0 : 1);
        if (i % 2 == 0) ck_assert_float_eq(pair[0].score, 1.0f);
    }
    free(x);
    vlp_pool_close(c.pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("join");
    TCase *tc = tcase_create("join");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, mutual_pairs_choose_each_other, 0, 4);
    tcase_add_loop_test(tc, one_to_one_takes_the_best_pair_again_and_again, 0, 4);
    tcase_add_loop_test(tc, one_to_one_of_copies_takes_the_earliest, 0, 3);
    tcase_add_loop_test(tc, a_record_is_no_partner_of_its_own, 0, 4);
    tcase_add_loop_test(tc, copies_may_be_of_a_record_or_of_several, 0, 30);
    tcase_add_loop_test(tc, groups_are_connected_components_and_explained_by_their_weakest_link, 0,
                        4);
    tcase_add_loop_test(tc, groups_of_copies_are_what_they_are_by_definition, 0, 5);
    tcase_add_test(tc, of_equally_weak_pairs_the_first_is_named);
    tcase_add_loop_test(tc, equal_vectors_have_cosine_one_and_no_others, 0,
                        (int)vlp_cpu_best() + 1);
    tcase_add_test(tc, a_crowd_of_equal_rows_is_one_group);
    tcase_add_test(tc, a_crowd_of_equal_rows_is_joined_at_once);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
