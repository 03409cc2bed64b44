/*
 * check_index.c -- searching embedding files: several at once, deletions, names that are kept.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/search.h>

#include "computing.h"

enum { DIM = 16, RECORDS = 11000 };

static char dir[64];
static char path_of[3][96];

static void make_dir(void)
{
    strcpy(dir, "/tmp/vlp-index-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (int i = 0; i < 3; i++) snprintf(path_of[i], sizeof path_of[i], "%s/%d.vle", dir, i);
}

static void remove_dir(void)
{
    for (int i = 0; i < 3; i++) unlink(path_of[i]);
    rmdir(dir);
}

/* The vector of a record: whatever its file and place. */
static void vector_of(int record, float *x)
{
    struct vlp_rng r;
    vlp_rng_seed(&r, 5, (uint64_t)record);
    for (int c = 0; c < DIM; c++) x[c] = (float)vlp_rng_normal(&r);
    vlp_unit_length(x, DIM);
}

static struct vlp_embedding_writer *open_writer(const char *path, enum vlp_dtype dtype,
                                                const char *fingerprint)
{
    struct vlp_embedding_header        h = {.dim = DIM,
                                            .dtype = dtype,
                                            .modality = VLP_TEXT,
                                            .normalized = true,
                                            .about = json_object()};
    struct vlp_embedding_write_options opt = {.format = "vle"};
    struct vlp_embedding_writer       *w;
    struct vlp_error                   err;
    strcpy(h.fingerprint, fingerprint);
    ck_assert_msg(vlp_embedding_writer_open(&w, path, &h, &opt, &err) == VLP_OK, "%s", err.text);
    json_decref(h.about);
    return w;
}

static void put(struct vlp_embedding_writer *w, int record, bool deleted)
{
    char             id[32], meta[32];
    float            x[DIM];
    struct vlp_error err;
    vector_of(record, x);
    snprintf(id, sizeof id, "r%d", record);
    snprintf(meta, sizeof meta, "text %d", record);
    const struct vlp_record r = {.id = id,
                                 .id_len = strlen(id),
                                 .flags = deleted ? VLP_RECORD_DELETED : VLP_RECORD_TEXT,
                                 .meta = deleted ? NULL : meta,
                                 .meta_len = deleted ? 0 : strlen(meta),
                                 .vector = deleted ? NULL : x};
    ck_assert_int_eq(vlp_embedding_write(w, &r, &err), VLP_OK);
}

static void close_writer(struct vlp_embedding_writer *w)
{
    struct vlp_error err;
    ck_assert_int_eq(vlp_embedding_writer_close(w, &err), VLP_OK);
}

static double product(const float *q, int record)
{
    float  x[DIM];
    double s = 0.0;
    vector_of(record, x);
    for (int c = 0; c < DIM; c++) s += (double)q[c] * (double)x[c];
    return s;
}

/* The k best of records that `alive` accepts, by the definition. */
static void check_best(const struct vlp_matches *m, int q, const float *query, int k,
                       bool (*alive)(int))
{
    double last = 1e9;
    ck_assert_int_eq(m->count[q], k);
    for (int h = 0; h < k; h++) {
        const struct vlp_match *x = &m->match[q][h];
        const int               record = atoi(x->id + 1);
        char                    text[32];
        ck_assert_msg(alive(record), "record %d is dead", record);
        ck_assert_double_eq_tol((double)x->score, product(query, record), 1e-6);
        snprintf(text, sizeof text, "text %d", record);
        ck_assert_str_eq(x->meta, text);
        ck_assert_double_le((double)x->score, last);
        last = (double)x->score;
    }
    int better = 0;
    for (int r = 0; r < RECORDS; r++) better += alive(r) && product(query, r) > last + 1e-6;
    ck_assert_int_lt(better, k);
}

static bool all(int record)
{
    return record < RECORDS;
}

static bool most(int record)
{
    return record % 7 != 3 || record % 2 == 0;
}

START_TEST(several_files_are_one_and_threads_and_batches_do_not_matter)
{
    make_dir();
    struct vlp_embedding_writer *w[2] = {open_writer(path_of[0], VLP_F32, ""),
                                         open_writer(path_of[1], VLP_F32, "")};
    for (int r = 0; r < RECORDS; r++) put(w[r >= 5000], r, false);
    close_writer(w[0]);
    close_writer(w[1]);
    enum { Q = 40 };
    float query[Q][DIM];
    for (int q = 0; q < Q; q++) vector_of(900000 + q, query[q]);
    const char               *paths[] = {path_of[0], path_of[1]};
    struct vlp_pool          *pool = vlp_pool_open(1 + _i);
    const struct vlp_compute  c = compute_with(pool);
    struct vlp_index         *ix;
    struct vlp_error          err;
    struct vlp_matches        m, one;
    struct vlp_search_options opt = {.k = 9, .min_score = -1.0f};
    ck_assert_int_eq(vlp_index_open(&ix, paths, 2, false, &err), VLP_OK);
    ck_assert_msg(vlp_search_index(&m, ix, &c, query[0], Q, &opt, &err) == VLP_OK, "%s", err.text);
    for (int q = 0; q < Q; q++) {
        check_best(&m, q, query[q], 9, all);
        for (int h = 0; h < 9; h++) {
            const struct vlp_match *x = &m.match[q][h];
            ck_assert_int_eq(x->row, atoi(x->id + 1));
            ck_assert_int_eq(x->file, x->row >= 5000);
        }
        if (q % 10) continue;
        ck_assert_int_eq(vlp_search_index(&one, ix, &c, query[q], 1, &opt, &err), VLP_OK);
        for (int h = 0; h < 9; h++) {
            ck_assert_int_eq(one.match[0][h].row, m.match[q][h].row);
            ck_assert_mem_eq(&one.match[0][h].score, &m.match[q][h].score, sizeof(float));
        }
        vlp_matches_free(&one);
    }
    /* as many of the queries as there is room for, and these as ever; one always */
    for (opt.room = 1; opt.room < 100000; opt.room *= 10) {
        ck_assert_int_eq(vlp_search_index(&one, ix, &c, query[0], Q, &opt, &err), VLP_OK);
        ck_assert_int_ge(one.n, 1);
        if (opt.room == 1) ck_assert_int_eq(one.n, 1);
        if (opt.room == 10000) ck_assert(one.n > 1 && one.n < Q);
        for (int q = 0; q < one.n; q++) {
            ck_assert_int_eq(one.count[q], 9);
            for (int h = 0; h < 9; h++) {
                ck_assert_int_eq(one.match[q][h].row, m.match[q][h].row);
                ck_assert_mem_eq(&one.match[q][h].score, &m.match[q][h].score, sizeof(float));
                ck_assert_str_eq(one.match[q][h].id, m.match[q][h].id);
            }
        }
        vlp_matches_free(&one);
    }
    opt.room = 0;
    vlp_matches_free(&m);
    opt.k = 0; /* all above a threshold */
    opt.min_score = 0.55f;
    ck_assert_int_eq(vlp_search_index(&m, ix, &c, query[0], Q, &opt, &err), VLP_OK);
    for (int q = 0; q < Q; q++) {
        int want = 0;
        for (int r = 0; r < RECORDS; r++) want += product(query[q], r) >= 0.55;
        ck_assert_int_eq(m.count[q], want);
    }
    opt.room = 100 * sizeof(struct vlp_match);
    ck_assert_int_eq(vlp_search_index(&one, ix, &c, query[0], Q, &opt, &err), VLP_OK);
    ck_assert_int_lt(one.n, Q);
    for (int q = 0; q < one.n; q++) ck_assert_int_eq(one.count[q], m.count[q]);
    vlp_matches_free(&one);
    vlp_matches_free(&m);
    vlp_index_close(ix);
    vlp_pool_close(pool);
    remove_dir();
}
END_TEST

START_TEST(deleted_records_are_gone_and_those_written_after_are_back)
{
    make_dir();
    struct vlp_embedding_writer *w = open_writer(path_of[0], VLP_F32, "");
    for (int r = 0; r < RECORDS; r++) put(w, r, false);
    for (int r = 3; r < RECORDS; r += 7) put(w, r, true);
    for (int r = 3; r < RECORDS; r += 7)
        if (r % 2 == 0) put(w, r, false);
    close_writer(w);
    enum { Q = 20 };
    float query[Q][DIM];
    for (int q = 0; q < Q; q++) vector_of(3 + 7 * q, query[q]); /* half of them deleted */
    const char               *paths[] = {path_of[0]};
    const struct vlp_compute  c = compute_with(NULL);
    struct vlp_index         *ix;
    struct vlp_error          err;
    struct vlp_matches        m;
    struct vlp_search_options opt = {.k = 5, .min_score = -1.0f};
    ck_assert_int_eq(vlp_index_open(&ix, paths, 1, false, &err), VLP_OK);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(vlp_search_index(&m, ix, &c, query[0], Q, &opt, &err), VLP_OK);
        for (int q = 0; q < Q; q++) {
            check_best(&m, q, query[q], 5, most);
            char id[32];
            snprintf(id, sizeof id, "r%d", 3 + 7 * q);
            ck_assert((strcmp(m.match[q][0].id, id) == 0) == most(3 + 7 * q));
        }
        vlp_matches_free(&m);
    }
    const char  *ids[] = {"r3", "r10", "nobody", "r4", "r10"};
    const size_t lens[] = {2, 3, 6, 2, 3};
    float        x[5][DIM], want[DIM];
    uint32_t     flags[5];
    bool         found[5];
    ck_assert_int_eq(vlp_index_lookup(ix, VLP_COSINE, ids, lens, 5, x[0], flags, found, &err),
                     VLP_OK);
    ck_assert(!found[0] && found[1] && !found[2] && found[3] && found[4]);
    vector_of(10, want);
    for (int j = 0; j < DIM; j++) ck_assert_float_eq_tol(x[1][j], want[j], 1e-6f);
    ck_assert_mem_eq(x[1], x[4], sizeof want);
    vlp_index_close(ix);

    struct vlp_set set;
    ck_assert_int_eq(vlp_set_read(&set, path_of[0], &err), VLP_OK);
    int alive = 0;
    for (int r = 0; r < RECORDS; r++) alive += most(r);
    ck_assert_int_eq(set.n, alive);
    for (int i = 0; i < set.n; i++) ck_assert(most(atoi(set.ids[i] + 1)));
    vlp_set_free(&set);
    remove_dir();
}
END_TEST

START_TEST(a_query_can_leave_itself_out_even_where_its_id_is_there_often)
{
    make_dir();
    struct vlp_embedding_writer *w = open_writer(path_of[0], VLP_F32, "");
    for (int copy = 0; copy < 30; copy++)
        for (int r = 0; r < 50; r++) put(w, copy < 29 ? r % 2 : r, false);
    close_writer(w);
    float query[2][DIM];
    vector_of(0, query[0]);
    vector_of(7, query[1]);
    const char                     *paths[] = {path_of[0]}, *skip[] = {"r0", NULL};
    const size_t                    lens[] = {2, 0};
    const struct vlp_compute        c = compute_with(NULL);
    struct vlp_index               *ix;
    struct vlp_error                err;
    struct vlp_matches              m;
    const struct vlp_search_options opt = {
        .k = 10, .min_score = -1.0f, .skip_ids = skip, .skip_lens = lens};
    ck_assert_int_eq(vlp_index_open(&ix, paths, 1, false, &err), VLP_OK);
    ck_assert_int_eq(vlp_search_index(&m, ix, &c, query[0], 2, &opt, &err), VLP_OK);
    ck_assert_int_eq(m.count[0], 10);
    for (int h = 0; h < 10; h++) ck_assert_str_ne(m.match[0][h].id, "r0");
    ck_assert_str_eq(m.match[1][0].id, "r7");
    vlp_matches_free(&m);
    vlp_index_close(ix);
    remove_dir();
}
END_TEST

START_TEST(files_of_different_models_are_refused_unless_told_otherwise)
{
    make_dir();
    const char *marks[] = {"0123456789abcdef0123456789abcdef", "ffff456789abcdef0123456789abcdef"};
    for (int i = 0; i < 2; i++) {
        struct vlp_embedding_writer *w = open_writer(path_of[i], i ? VLP_F16 : VLP_I8, marks[i]);
        for (int r = 0; r < 10; r++) put(w, r, false);
        close_writer(w);
    }
    const char       *paths[] = {path_of[0], path_of[1]};
    struct vlp_index *ix;
    struct vlp_error  err;
    ck_assert_int_eq(vlp_index_open(&ix, paths, 2, false, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, path_of[1]));
    ck_assert_int_eq(vlp_index_open(&ix, paths, 2, true, &err), VLP_OK);
    const struct vlp_compute        c = compute_with(NULL);
    const struct vlp_search_options opt = {.k = 2, .min_score = -1.0f};
    struct vlp_matches              m;
    float                           query[DIM];
    vector_of(4, query); /* found in both, stored in different types */
    ck_assert_int_eq(vlp_search_index(&m, ix, &c, query, 1, &opt, &err), VLP_OK);
    for (int h = 0; h < 2; h++) {
        ck_assert_str_eq(m.match[0][h].id, "r4");
        ck_assert_float_eq_tol(m.match[0][h].score, 1.0f, 0.01f);
    }
    ck_assert_int_ne(m.match[0][0].file, m.match[0][1].file);
    vlp_matches_free(&m);
    vlp_index_close(ix);
    remove_dir();
}
END_TEST

START_TEST(small_rows_first_then_the_full_ones_decide)
{
    make_dir();
    struct vlp_embedding_writer *w[2] = {open_writer(path_of[0], VLP_I8, ""),
                                         open_writer(path_of[1], VLP_F32, "")};
    for (int r = 0; r < 2000; r++) {
        put(w[0], r, false);
        put(w[1], 1999 - r, false);
    }
    close_writer(w[0]);
    close_writer(w[1]);
    enum { Q = 30 };
    float query[Q][DIM];
    for (int q = 0; q < Q; q++) vector_of(700000 + q, query[q]);
    const char                     *paths[] = {path_of[0]};
    const struct vlp_compute        c = compute_with(NULL);
    const struct vlp_search_options opt = {.k = 60, .min_score = -1.0f};
    struct vlp_index               *ix;
    struct vlp_error                err;
    struct vlp_matches              m;
    struct vlp_set                  full;
    ck_assert_int_eq(vlp_index_open(&ix, paths, 1, false, &err), VLP_OK);
    ck_assert_int_eq(vlp_set_read(&full, path_of[1], &err), VLP_OK);
    ck_assert_int_eq(vlp_search_index(&m, ix, &c, query[0], Q, &opt, &err), VLP_OK);
    struct vlp_better *b = vlp_better_open(&full, &c, VLP_COSINE);
    ck_assert_int_eq(vlp_matches_rerank(&m, ix, &c, query[0], b, 6, -1.0f, &err), VLP_OK);
    ck_assert_int_eq(m.n_unknown, 0);
    for (int q = 0; q < Q; q++) {
        double last = 2.0;
        int    better = 0;
        ck_assert_int_eq(m.count[q], 6);
        for (int h = 0; h < 6; h++) {
            const double s = product(query[q], atoi(m.match[q][h].id + 1));
            ck_assert_double_eq_tol((double)m.match[q][h].score, s, 1e-6);
            ck_assert_double_le(s, last);
            last = s;
        }
        for (int r = 0; r < 2000; r++) better += product(query[q], r) > last + 1e-6;
        ck_assert_int_eq(better, 5);
    }
    vlp_better_close(b);
    vlp_matches_free(&m);
    vlp_set_free(&full);
    vlp_index_close(ix);
    remove_dir();
}
END_TEST

/* Vectors of many lengths, some hardly in f32, pictures and texts in turn. */
static void write_lengths(const char *path, enum vlp_dtype dtype, int n)
{
    const struct vlp_embedding_header        h = {.dim = DIM, .dtype = dtype};
    const struct vlp_embedding_write_options opt = {.format = "vle"};
    static const float                       lengths[] = {1.0f, 3.0f, 0.7f, 1e25f, 1e-25f};
    const int                                n_lengths = dtype == VLP_F16 ? 3 : VLP_COUNT(lengths);
    struct vlp_embedding_writer             *w;
    struct vlp_error                         err;
    ck_assert_int_eq(vlp_embedding_writer_open(&w, path, &h, &opt, &err), VLP_OK);
    for (int r = 0; r < n; r++) {
        char  id[32];
        float x[DIM];
        vector_of(r % 7 ? r : r / 2, x); /* some are alike but for their length */
        const float length = lengths[(r / 90) % n_lengths] * (float)(1 + r % 3);
        for (int c = 0; c < DIM; c++) x[c] *= length;
        snprintf(id, sizeof id, "%d", r);
        const struct vlp_record record = {
            .id = id, .id_len = strlen(id), .flags = r % 2 ? VLP_RECORD_TEXT : 0, .vector = x};
        ck_assert_int_eq(vlp_embedding_write(w, &record, &err), VLP_OK);
    }
    close_writer(w);
}

START_TEST(candidates_score_as_their_file_does)
{
    static const enum vlp_dtype dtypes[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};
    enum { Q = 9, N = 5000 };
    float                           query[Q][DIM];
    const struct vlp_compute        c = compute_with(NULL);
    const struct vlp_search_options opt = {.min_score = -INFINITY,
                                           .metric = _i % 2 ? VLP_COSINE : VLP_DOT,
                                           .only = _i / 2 % 2 ? VLP_IMAGE : VLP_ANY};
    struct vlp_index               *ix;
    struct vlp_error                err;
    struct vlp_matches              m;
    struct vlp_set                  set;
    struct vlp_candidates           cand;
    make_dir();
    write_lengths(path_of[0], dtypes[_i / 4], N);
    for (int q = 0; q < Q; q++) vector_of(800000 + q, query[q]);
    ck_assert_int_eq(vlp_index_open(&ix, (const char *[]){path_of[0]}, 1, false, &err), VLP_OK);
    ck_assert_int_eq(vlp_search_index(&m, ix, &c, query[0], Q, &opt, &err), VLP_OK);

    ck_assert_int_eq(vlp_set_read(&set, path_of[0], &err), VLP_OK);
    vlp_set_only(&set, opt.only);
    vlp_candidates_open(&cand, &c, &set, opt.metric, NULL, set.n);
    struct vlp_search *s = vlp_search_open(&c, query[0], Q, DIM, 0, -INFINITY);
    for (int i = 0; i < cand.n_runs; i++) vlp_search_rows(s, &cand.run[i]);
    for (int q = 0; q < Q; q++) {
        const struct vlp_hit *hit;
        ck_assert_int_eq(vlp_search_hits(s, q, &hit), m.count[q]);
        ck_assert_int_eq(m.count[q], set.n);
        for (int h = 0; h < m.count[q]; h++) {
            ck_assert_str_eq(set.ids[hit[h].row], m.match[q][h].id);
            ck_assert_mem_eq(&hit[h].score, &m.match[q][h].score, sizeof(float));
        }
    }
    vlp_search_close(s);
    vlp_candidates_close(&cand);
    vlp_matches_free(&m);
    vlp_set_free(&set);
    vlp_index_close(ix);
    remove_dir();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index");
    TCase *tc = tcase_create("index");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, several_files_are_one_and_threads_and_batches_do_not_matter, 0, 3);
    tcase_add_test(tc, deleted_records_are_gone_and_those_written_after_are_back);
    tcase_add_test(tc, a_query_can_leave_itself_out_even_where_its_id_is_there_often);
    tcase_add_test(tc, files_of_different_models_are_refused_unless_told_otherwise);
    tcase_add_test(tc, small_rows_first_then_the_full_ones_decide);
    tcase_add_loop_test(tc, candidates_score_as_their_file_does, 0, 16);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
