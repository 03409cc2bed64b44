/*
 * check_retrieval.c -- recall, ranks and mAP against the reference's numbers, ties included.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_npy.h"
#include <vlp/search.h>

static float *images, *texts;
static int    n_images, n_texts, dim;
static int    image_of[4096];

static void load(void)
{
    int cols;
    images = golden_npy_f32("tests/golden/retrieval/images.npy", &n_images, &dim);
    texts = golden_npy_f32("tests/golden/retrieval/texts.npy", &n_texts, &cols);
    ck_assert_int_eq(cols, dim);
    FILE *f = fopen("tests/golden/retrieval/truth.tsv", "r");
    char  line[64];
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        int text, image;
        if (sscanf(line, "%d\t%d", &text, &image) == 2) image_of[text] = image;
    }
    fclose(f);
}

static void compare(const struct vlp_retrieval *r, const char *direction)
{
    json_error_t  why;
    json_t       *all = json_load_file("tests/golden/retrieval/expected.json", 0, &why);
    const json_t *want = json_object_get(all, direction);
    ck_assert_ptr_nonnull(want);
    static const char *const recalls[] = {"R@1", "R@5", "R@10"};
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol(r->recall[i], json_number_value(json_object_get(want, recalls[i])),
                                1e-12);
    ck_assert_double_eq_tol(r->median_rank, json_number_value(json_object_get(want, "median_rank")),
                            1e-12);
    ck_assert_double_eq_tol(r->mean_rank, json_number_value(json_object_get(want, "mean_rank")),
                            1e-12);
    ck_assert_double_eq_tol(r->map10, json_number_value(json_object_get(want, "mAP@10")), 1e-9);
    json_decref(all);
}

START_TEST(both_directions_equal_the_reference)
{
    load();
    struct vlp_pool   *pool = vlp_pool_open(1 + _i / 2);
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, pool, NULL, VLP_PRECISION_F32, &err), VLP_OK);
    /* pooled vectors have unit length: their products are their cosines */
    const enum vlp_metric metric = _i % 2 ? VLP_COSINE : VLP_DOT;
    const struct vlp_rows pictures = vlp_rows_of(metric, images, n_images, dim),
                          captions = vlp_rows_of(metric, texts, n_texts, dim);
    struct vlp_retrieval r = {.n_k = 3, .k = {1, 5, 10}};
    int                 *start = vlp_calloc((size_t)n_texts + 2, sizeof *start);
    int                 *truth = vlp_calloc((size_t)n_texts + 2, sizeof *truth);

    for (int t = 0; t < n_texts; t++) {
        start[t + 1] = t + 1;
        truth[t] = image_of[t];
    }
    vlp_retrieval_score(&r, &c, texts, n_texts, &pictures, 1, start, truth);
    ck_assert_int_eq(r.n, n_texts);
    compare(&r, "text_to_image");

    int n = 0;
    for (int i = 0; i < n_images; i++) {
        for (int t = 0; t < n_texts; t++)
            if (image_of[t] == i) truth[n++] = t;
        start[i + 1] = n;
    }
    vlp_retrieval_score(&r, &c, images, n_images, &captions, 1, start, truth);
    compare(&r, "image_to_text");
    free(start);
    free(truth);
    free(images);
    free(texts);
    vlp_pool_close(pool);
}
END_TEST

START_TEST(ties_go_to_the_lower_number_and_queries_without_answer_are_left_out)
{
    const struct {
        float q[4][2], c[5][2];
    } w = {{{1, 0}, {0, 1}, {1, 0}, {1, 0}}, {{1, 0}, {1, 0}, {0, 1}, {1, 0}, {0.5f, 0}}};
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, NULL, VLP_PRECISION_F32, &err), VLP_OK);
    /* query 0: candidate 3 ties with 0 and 1 before it: rank 3 of 1..; query 1: candidate 2, first;
     * query 2: nothing; query 3: 1 and 4 are right, at ranks 2 and 4 */
    const int             start[] = {0, 1, 2, 2, 4}, truth[] = {3, 2, 1, 4};
    struct vlp_retrieval  r = {.n_k = 2, .k = {1, 2}};
    const struct vlp_rows rows = vlp_rows_of(VLP_DOT, w.c[0], 5, 2);
    vlp_retrieval_score(&r, &c, w.q[0], 4, &rows, 1, start, truth);
    ck_assert_int_eq(r.n, 3);
    ck_assert_double_eq_tol(r.recall[0], 1.0 / 3.0, 1e-12);
    ck_assert_double_eq_tol(r.recall[1], 2.0 / 3.0, 1e-12);
    ck_assert_double_eq_tol(r.median_rank, 2.0, 1e-12);
    ck_assert_double_eq_tol(r.mean_rank, 2.0, 1e-12);
    ck_assert_double_eq_tol(r.map10, (1.0 / 3.0 + 1.0 + (1.0 / 2.0 + 2.0 / 4.0) / 2.0) / 3.0,
                            1e-12);
}
END_TEST

START_TEST(a_score_that_is_not_a_number_ranks_last)
{
    const struct {
        float q[4][2], c[4][2];
    } w = {{{1, 0}, {NAN, 0}, {1, 0}, {0, 1}}, {{NAN, 0}, {1, 0}, {0.5f, 0}, {NAN, NAN}}};
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, NULL, VLP_PRECISION_F32, &err), VLP_OK);
    /* query 0: its answer scores NaN, behind all four; query 1: every score is NaN; query 2: of its
     * answers 0, 2, 3 only 2 has a score, behind 1; query 3: 1 and 2 tie at 0, NaN are no rivals */
    const int             start[] = {0, 1, 2, 5, 6}, truth[] = {0, 0, 0, 2, 3, 1};
    struct vlp_retrieval  r = {.n_k = 3, .k = {1, 2, 3}};
    const struct vlp_rows rows = vlp_rows_of(VLP_DOT, w.c[0], 4, 2);
    vlp_retrieval_score(&r, &c, w.q[0], 4, &rows, 1, start, truth);
    ck_assert_int_eq(r.n, 4);
    ck_assert_double_eq_tol(r.recall[0], 1.0 / 4.0, 1e-12);
    ck_assert_double_eq_tol(r.recall[1], 2.0 / 4.0, 1e-12);
    ck_assert_double_eq_tol(r.recall[2], 2.0 / 4.0, 1e-12);
    ck_assert_double_eq_tol(r.mean_rank, (4.0 + 4.0 + 2.0 + 1.0) / 4.0, 1e-12);
    ck_assert_double_eq_tol(r.map10, (0.0 + 0.0 + 1.0 / 2.0 / 3.0 + 1.0) / 4.0, 1e-12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retrieval");
    TCase *tc = tcase_create("retrieval");
    tcase_add_loop_test(tc, both_directions_equal_the_reference, 0, 6);
    tcase_add_test(tc, ties_go_to_the_lower_number_and_queries_without_answer_are_left_out);
    tcase_add_test(tc, a_score_that_is_not_a_number_ranks_last);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
