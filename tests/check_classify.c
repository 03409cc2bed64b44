/*
 * check_classify.c -- labels, prompts, scores and zero-shot predictions against the reference.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/classify.h>

#include "checkpoint_build.h"
#include "computing.h"

static const char end_to_end[] = "tests/golden/clip/end-to-end";

/* A file with this text, gone when the test's folder is. */
static const char *file_ending(const char *ending, const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/vlp-classify-XXXXXX%s", ending);
    const int fd = mkstemps(path, (int)strlen(ending));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    return path;
}

static const char *file_with(const char *text)
{
    return file_ending("", text);
}

static enum vlp_status labels_of(struct vlp_labels *l, const char *text, struct vlp_error *err)
{
    const char           *path = file_with(text);
    const enum vlp_status s = vlp_labels_read(l, path, err);
    unlink(path);
    return s;
}

/* One tensor of a safetensors file as f32 or i64. */
static const void *tensor(const uint8_t *file, const char *name, size_t bytes)
{
    json_error_t   why;
    const uint64_t len = vlp_load_u64(file);
    json_t        *h = json_loadb((const char *)file + 8, len, 0, &why);
    const json_t  *at = json_object_get(json_object_get(h, name), "data_offsets");
    ck_assert_ptr_nonnull(at);
    const json_int_t begin = json_integer_value(json_array_get(at, 0));
    ck_assert_int_eq(json_integer_value(json_array_get(at, 1)) - begin, (json_int_t)bytes);
    json_decref(h);
    return file + 8 + len + begin;
}

START_TEST(zero_shot_logits_and_predictions_equal_the_reference)
{
    enum { PICTURES = 12, CLASSES = 5, DIM = 32 };
    struct vlp_encoder               e;
    struct vlp_error                 err;
    struct vlp_labels                labels;
    struct vlp_templates             templates;
    struct vlp_classifier            c, again;
    struct vlp_map                   expected;
    char                             path[128];
    int                              n_cut = -1;
    const struct vlp_encoder_options opt = {
        .flavour = "openai", .no_orient = true, .threads = 1 + _i, .share_dir = "share/vlp"};
    snprintf(path, sizeof path, "%s/model", end_to_end);
    ck_assert_msg(vlp_encoder_open(&e, path, &opt, &err) == VLP_OK, "%s", err.text);
    snprintf(path, sizeof path, "%s/classes.txt", end_to_end);
    ck_assert_int_eq(vlp_labels_read(&labels, path, &err), VLP_OK);
    snprintf(path, sizeof path, "%s/templates.txt", end_to_end);
    ck_assert_int_eq(vlp_templates_read(&templates, path, &err), VLP_OK);
    snprintf(path, sizeof path, "%s/expected.safetensors", end_to_end);
    ck_assert_int_eq(vlp_map_open(&expected, path, &err), VLP_OK);
    const float   *want = tensor(expected.data, "zeroshot_logits", PICTURES * CLASSES * 4);
    const float   *rows = tensor(expected.data, "classifier", CLASSES * DIM * 4);
    const int64_t *first = tensor(expected.data, "zeroshot_prediction", PICTURES * 8);

    ck_assert_int_eq(
        vlp_classifier_build(&c, &e, &labels, templates.text, templates.n, &n_cut, &err), VLP_OK);
    ck_assert_int_eq(n_cut, 0);
    ck_assert_int_eq(c.n, CLASSES);
    for (int i = 0; i < CLASSES * DIM; i++) ck_assert_float_eq_tol(c.weight[i], rows[i], 1e-5f);

    /* saved and read back, it is the same */
    char saved[64];
    strcpy(saved, file_with(""));
    ck_assert_int_eq(vlp_classifier_write(&c, saved, NULL, true, &err), VLP_OK);
    ck_assert_msg(vlp_classifier_read(&again, saved, &err) == VLP_OK, "%s", err.text);
    unlink(saved);
    ck_assert_mem_eq(again.weight, c.weight, sizeof(float) * CLASSES * DIM);
    ck_assert_str_eq(again.name[3], "red barn");
    ck_assert_str_eq(again.fingerprint, e.fingerprint);
    ck_assert_float_eq(again.scale, 100.0f);

    for (int p = 0; p < PICTURES; p++) {
        float x[DIM], logits[CLASSES];
        int   best;
        snprintf(path, sizeof path, "%s/p%02d.png", end_to_end, p);
        ck_assert_int_eq(vlp_encode_picture_file(&e, path, NULL, 0, x, NULL, &err), VLP_OK);
        vlp_classifier_logits(&again, &e.compute, x, logits);
        for (int k = 0; k < CLASSES; k++)
            ck_assert_float_eq_tol(logits[k], want[p * CLASSES + k], 1e-4f);
        ck_assert_int_eq(vlp_best_classes(logits, CLASSES, 1, &best), 1);
        ck_assert_int_eq(best, first[p]);
    }
    vlp_classifier_free(&again);
    vlp_classifier_free(&c);
    vlp_labels_free(&labels);
    vlp_templates_free(&templates);
    vlp_map_close(&expected);
    vlp_encoder_close(&e);
}
END_TEST

START_TEST(a_classifier_with_one_class_twice_is_refused)
{
    struct vlp_classifier c;
    struct vlp_error      err;
    char                  path[64];
    strcpy(path, file_with("{\"id\": \"a\", \"vector\": [1, 0]}\n"
                           "{\"id\": \"b\", \"vector\": [0, 1]}\n"
                           "{\"id\": \"a\", \"vector\": [0.9, 0.1]}\n"));
    ck_assert_int_eq(vlp_classifier_read(&c, path, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "class 'a' is there twice"));
    unlink(path);
}
END_TEST

/* The number is finite where it is read with more digits than a bias is stored with. */
START_TEST(a_bias_beyond_the_floats_is_refused)
{
    const struct vlp_embedding_header h = {
        .dim = 1, .dtype = VLP_F32, .about = json_pack("{s:{s:b}}", "classifier", "biased", 1)};
    const struct vlp_embedding_write_options o = {.force = true};
    const float                              x = 1.0f;
    const struct vlp_record                  r = {
                         .id = "a", .id_len = 1, .meta = "1e39", .meta_len = 4, .vector = &x};
    struct vlp_embedding_writer *w;
    struct vlp_classifier        c;
    struct vlp_error             err;
    char                         path[64];
    strcpy(path, file_with(""));
    ck_assert_int_eq(vlp_embedding_writer_open(&w, path, &h, &o, &err), VLP_OK);
    ck_assert_int_eq(vlp_embedding_write(w, &r, &err), VLP_OK);
    ck_assert_int_eq(vlp_embedding_writer_close(w, &err), VLP_OK);
    ck_assert_int_eq(vlp_classifier_read(&c, path, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "class 'a' has no bias"));
    json_decref(h.about);
    unlink(path);
}
END_TEST

START_TEST(labels_come_as_lines_or_json_with_names_and_prompts)
{
    struct vlp_labels l;
    struct vlp_error  err;
    ck_assert_int_eq(labels_of(&l,
                               "\xef\xbb\xbf"
                               "cat\r\n\n happy face | smile |grin\n",
                               &err),
                     VLP_OK);
    ck_assert_int_eq(l.n, 2);
    ck_assert_str_eq(l.label[0].name, "cat");
    ck_assert_str_eq(l.label[1].name, "happy face");
    ck_assert_int_eq(l.label[1].n_names, 3);
    ck_assert_str_eq(l.label[1].names[2], "grin");
    vlp_labels_free(&l);

    ck_assert_int_eq(labels_of(&l,
                               "{\"z\": [\"a z.\", \"the {}\"], \"a\": \"one a\", "
                               "\"m\": {\"names\": [\"em\", \"emm\"]}}",
                               &err),
                     VLP_OK);
    ck_assert_int_eq(l.n, 3);
    ck_assert_str_eq(l.label[0].name, "z"); /* the order of the file */
    ck_assert_int_eq(l.label[0].n_prompts, 2);
    ck_assert_str_eq(l.label[1].prompts[0], "one a");
    ck_assert_str_eq(l.label[2].name, "m");
    ck_assert_str_eq(l.label[2].names[1], "emm");
    vlp_labels_free(&l);

    ck_assert_int_eq(
        labels_of(&l, "[\"x\", [\"y\", \"why\"], {\"name\": \"w\", \"prompts\": [\"p\"]}]", &err),
        VLP_OK);
    ck_assert_int_eq(l.n, 3);
    ck_assert_str_eq(l.label[1].names[1], "why");
    ck_assert_str_eq(l.label[2].prompts[0], "p");
    vlp_labels_free(&l);

    ck_assert_int_eq(vlp_labels_parse(&l, "a, red barn ,b", &err), VLP_OK);
    ck_assert_str_eq(l.label[1].name, "red barn");
    vlp_labels_free(&l);

    static const char *const wrong[] = {"",
                                        "\n\n",
                                        "a\nb\na\n",
                                        "[\"a\", 3]",
                                        "{\"a\": []}",
                                        "{\"a\": 1",
                                        "[{\"x\":1}]",
                                        "\xff\xfe",
                                        "{\"a\":\"p\",\"a\":\"q\"}"};
    for (size_t i = 0; i < VLP_COUNT(wrong); i++)
        ck_assert_msg(labels_of(&l, wrong[i], &err) == VLP_ERR_FORMAT, "'%s' is read", wrong[i]);
    ck_assert_int_eq(vlp_labels_read(&l, "/nonexistent", &err), VLP_ERR_IO);
}
END_TEST

/* "prompt" for "prompts" would use the templates. */
START_TEST(a_member_that_no_class_has_is_named)
{
    struct vlp_labels l;
    struct vlp_error  err = {0};
    const struct {
        const char *text, *says;
    } wrong[] = {
        {"[\"a\", {\"name\":\"b\",\"prompt\":\"p {}\"}, \"c\"]", "class 2: 'prompt' is not known"},
        {"{\"a\":\"p\",\"b\":{\"synonyms\":[\"c\"]}}", "class 2: 'synonyms' is not known"},
        {"[\"a\", 3, \"c\"]", "class 2 is neither"},
    };
    for (size_t i = 0; i < VLP_COUNT(wrong); i++) {
        ck_assert_int_eq(labels_of(&l, wrong[i].text, &err), VLP_ERR_FORMAT);
        ck_assert_msg(strstr(err.text, wrong[i].says) != NULL, "%s", err.text);
    }
}
END_TEST

/* A name would end at the NUL. */
START_TEST(a_list_of_classes_with_a_nul_is_no_text)
{
    struct vlp_labels l;
    struct vlp_error  err = {0};
    char              path[4096];
    build_file(path, "labels", "a\nb\0c\nd\n", 8);
    ck_assert_int_eq(vlp_labels_read(&l, path, &err), VLP_ERR_FORMAT);
    ck_assert_msg(strstr(err.text, "NUL byte") != NULL, "%s", err.text);
    build_remove(path);
}
END_TEST

START_TEST(scores_follow_their_formulas)
{
    const char                 *name[] = {"a", "b", "c"};
    float                       bias[] = {0.5f, 0.0f, -1.0f};
    const float                 z[] = {2.0f, 3.0f, -1.0f};
    const struct vlp_classifier c = {.n = 3, .dim = 1, .name = name, .bias = bias, .scale = 2.0f};
    float                       s[3];
    vlp_scores(&c, VLP_SOFTMAX, z, s);
    const double sum = exp(2.0) + exp(3.0) + exp(-1.0);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol((double)s[i], exp((double)z[i]) / sum, 1e-7);
    vlp_scores(&c, VLP_SIGMOID, z, s);
    ck_assert_double_eq_tol((double)s[1], 1.0 / (1.0 + exp(-3.0)), 1e-7);
    vlp_scores(&c, VLP_SCORE_COSINE, z, s);
    ck_assert_float_eq(s[0], 0.75f);
    ck_assert_float_eq(s[2], 0.0f);
    vlp_scores(&c, VLP_MARGIN, z, s);
    ck_assert_float_eq(s[0], -0.5f);
    ck_assert_float_eq(s[1], 0.5f);
    ck_assert_float_eq(s[2], -2.0f);
    int         order[3];
    const float tied[] = {1.0f, 2.0f, 2.0f};
    ck_assert_int_eq(vlp_best_classes(tied, 3, 0, order), 3);
    ck_assert(order[0] == 1 && order[1] == 2 && order[2] == 0);
}
END_TEST

START_TEST(logits_have_scale_bias_and_unit_inputs)
{
    float                    w[] = {1, 0, 0, 2}, b[] = {0.25f, -1.0f}, z[2];
    struct vlp_classifier    c = {.n = 2, .dim = 2, .weight = w, .bias = b, .scale = 10.0f};
    const struct vlp_compute cpu = compute_with(NULL);
    const float              x[] = {3, 4};
    vlp_classifier_logits(&c, &cpu, x, z);
    ck_assert_float_eq(z[0], 30.25f);
    ck_assert_float_eq(z[1], 79.0f);
    c.unit_inputs = true;
    vlp_classifier_logits(&c, &cpu, x, z);
    ck_assert_float_eq_tol(z[0], 6.25f, 1e-5f);
    ck_assert_float_eq_tol(z[1], 15.0f, 1e-5f);
}
END_TEST

START_TEST(neighbours_vote_by_weight)
{
    const struct vlp_hit hits[] = {{4, 0.9f}, {1, 0.8f}, {0, 0.8f}};
    const int            class_of[] = {1, 1, 0, 0, 0};
    float                s[3];
    vlp_knn_vote(s, 3, hits, 3, class_of, 0.1);
    const double other = 2.0 * exp(-1.0);
    ck_assert_double_eq_tol((double)s[0], 1.0 / (1.0 + other), 1e-6);
    ck_assert_double_eq_tol((double)s[1], other / (1.0 + other), 1e-6);
    ck_assert_float_eq(s[2], 0.0f);
    vlp_knn_vote(s, 3, hits, 3, class_of, 1e6); /* warm enough, every neighbour counts the same */
    ck_assert_double_eq_tol((double)s[1], 2.0 / 3.0, 1e-5);
}
END_TEST

START_TEST(truth_is_read_from_tsv_json_and_json_lines)
{
    static const struct {
        const char *text;
        bool        header;
    } files[] = {
        {"id\tlabel\na.jpg\tcat\nb\\tc\tred barn\r\na.jpg\tdog\n", true},
        {"a.jpg\tcat\textra\nb\\tc\tred barn\n", false},
        {"{\"a.jpg\": [\"cat\", \"dog\"], \"b\\tc\": \"red barn\"}", false},
        {"{\"id\": \"a.jpg\", \"label\": \"cat\"}\n{\"id\": \"b\\tc\", \"label\": \"red barn\"}\n",
         false}};
    for (size_t i = 0; i < VLP_COUNT(files); i++) {
        struct vlp_truth *t;
        struct vlp_error  err;
        const char       *path = file_with(files[i].text), *a, *b;
        ck_assert_msg(vlp_truth_read(&t, path, &err) == VLP_OK, "%s", err.text);
        unlink(path);
        ck_assert_str_eq(vlp_truth_of(t, "a.jpg", 5), "cat");
        ck_assert_str_eq(vlp_truth_of(t, "deep/down/a.jpg", 15), "cat");
        ck_assert_str_eq(vlp_truth_of(t, "b\tc", 3), "red barn");
        ck_assert_str_eq(vlp_truth_of(t, "x/b\tc.png", 9), "red barn");
        ck_assert_ptr_null(vlp_truth_of(t, "z", 1));
        vlp_truth_columns(t, &a, &b);
        ck_assert((a != NULL) == files[i].header);
        vlp_truth_free(t);
    }
    static const char *const wrong[] = {"", "no tab here\n", "{\"a\": 1.5}",
                                        "{\"id\": [1], \"label\": \"x\"}", "{\"a\""};
    for (size_t i = 0; i < VLP_COUNT(wrong); i++) {
        struct vlp_truth *t;
        struct vlp_error  err;
        const char       *path = file_with(wrong[i]);
        ck_assert_msg(vlp_truth_read(&t, path, &err) == VLP_ERR_FORMAT, "'%s' is read", wrong[i]);
        unlink(path);
    }
}
END_TEST

static enum vlp_status truth_of_csv(struct vlp_truth **t, const char *text, struct vlp_error *err)
{
    const char           *path = file_ending(".csv", text);
    const enum vlp_status s = vlp_truth_read(t, path, err);
    unlink(path);
    return s;
}

START_TEST(truth_in_csv_is_cut_as_tables_are)
{
    struct vlp_truth *t;
    struct vlp_error  err;
    const char       *a, *b;
    ck_assert_int_eq(
        truth_of_csv(&t,
                     "\xef\xbb\xbfid,label\r\n\r\na.jpg,\"red, \"\"old\"\"\r\nbarn\",x\n\n"
                     "\"b.jpg\",\"cr\r\"\nc.jpg,5\" tall\nd.jpg,",
                     &err),
        VLP_OK);
    vlp_truth_columns(t, &a, &b);
    ck_assert_str_eq(a, "id");
    ck_assert_str_eq(b, "label");
    ck_assert_int_eq(vlp_truth_count(t), 3);
    ck_assert_str_eq(vlp_truth_of(t, "a.jpg", 5), "red, \"old\"\r\nbarn");
    ck_assert_str_eq(vlp_truth_of(t, "b.jpg", 5), "cr\r"); /* what quotes hold is no line end */
    ck_assert_str_eq(vlp_truth_of(t, "c.jpg", 5), "5\" tall");
    ck_assert_ptr_null(vlp_truth_of(t, "d.jpg", 5)); /* an empty label is none */
    vlp_truth_free(t);

    ck_assert_int_eq(truth_of_csv(&t, "a,\"1\n2\"\nno comma here\n", &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, ".csv: the row in line 3 has no comma"));
    ck_assert_int_eq(truth_of_csv(&t, "a,1\n\nb,\"2\n", &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "a quoted field of the row in line 3 never ends"));

    const size_t long_row = 17 << 20;
    char        *text = vlp_malloc(long_row + 1);
    memset(text, 'x', long_row);
    memcpy(text, "a,1\nb,", 6);
    text[long_row] = '\0';
    ck_assert_int_eq(truth_of_csv(&t, text, &err), VLP_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "the row in line 2 has more than 16777216 bytes"));
    free(text);
}
END_TEST

START_TEST(evaluation_counts_top1_top5_classes_and_unknown)
{
    struct vlp_evaluation e;
    double                recall[7];
    const int best[3][6] = {{0, 1, 2, 3, 4, 5}, {1, 2, 3, 4, 0, 5}, {2, 1, 3, 4, 5, 0}}, none = 6;
    vlp_evaluation_init(&e, 6);
    for (int i = 0; i < 3; i++) vlp_evaluation_add(&e, 0, best[i], 6);
    vlp_evaluation_add(&e, 1, best[1], 6);
    vlp_evaluation_add(&e, 1, &none, 1);
    ck_assert_int_eq(e.total, 5);
    ck_assert_int_eq(e.top1, 2);
    ck_assert_int_eq(e.top5, 3);
    ck_assert_int_eq(e.confusion[0 * 7 + 1], 1);
    ck_assert_int_eq(e.confusion[1 * 7 + 6], 1);
    ck_assert_double_eq_tol(vlp_evaluation_mean_per_class(&e, recall), (1.0 / 3.0 + 0.5) / 2.0,
                            1e-12);
    ck_assert(isnan(recall[2]));
    vlp_evaluation_free(&e);
}
END_TEST

/* The heat map's colours: decode it again and look at the cells. */
START_TEST(the_confusion_picture_is_dark_where_counts_are)
{
    struct vlp_evaluation e;
    struct vlp_buf        png = {0};
    struct vlp_error      err;
    struct vlp_arena      mem;
    struct vlp_image      image;
    const char *const     names[] = {"one", "two", "three"};
    vlp_evaluation_init(&e, 3);
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < 10; i++) vlp_evaluation_add(&e, t, &t, 1);
    ck_assert_int_eq(vlp_confusion_png(&png, &e, names, &err), VLP_OK);
    vlp_arena_init(&mem);
    ck_assert_int_eq(vlp_image_decode(&image, &mem, png.data, png.len, "map", &err), VLP_OK);
    const int cell = 44, left = image.width - 12 - 3 * cell, top = image.height - 12 - 3 * cell;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            const uint8_t *p =
                image.data + 3 * ((size_t)(top + r * cell + 5) * (size_t)image.width +
                                  (size_t)(left + c * cell + 5));
            ck_assert_int_eq(p[0], r == c ? 8 : 255);
        }
    vlp_arena_free(&mem);
    vlp_buf_free(&png);
    vlp_evaluation_free(&e);
}
END_TEST

static struct vlp_buf confusion_with(const char *name)
{
    struct vlp_evaluation e;
    struct vlp_buf        png = {0};
    struct vlp_error      err;
    const char *const     names[] = {"one", name};
    vlp_evaluation_init(&e, 2);
    ck_assert_int_eq(vlp_confusion_png(&png, &e, names, &err), VLP_OK);
    vlp_evaluation_free(&e);
    return png;
}

/* Pairs of names that must not look alike: the second would be drawn for the first. */
START_TEST(the_confusion_picture_tells_cut_names_and_letters_with_marks)
{
    static const char *const pairs[][2] = {
        {"a name of twenty-eight letterS", "a name of twenty-eight lette"},
        {"caf\xc3\xa9", "caf\xe2\x96\xa1"},
        {"caf\xc3\xa9", "cafe"},
        {"na\xc3\xafve", "naive"},
        {"\xc3\x89tat", "\xe2\x96\xa1tat"}};
    for (size_t i = 0; i < VLP_COUNT(pairs); i++) {
        struct vlp_buf a = confusion_with(pairs[i][0]), b = confusion_with(pairs[i][1]);
        ck_assert_msg(a.len != b.len || memcmp(a.data, b.data, a.len) != 0, "%s", pairs[i][0]);
        vlp_buf_free(&a);
        vlp_buf_free(&b);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("classify");
    TCase *tc = tcase_create("classify");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, zero_shot_logits_and_predictions_equal_the_reference, 0, 2);
    tcase_add_test(tc, a_classifier_with_one_class_twice_is_refused);
    tcase_add_test(tc, a_bias_beyond_the_floats_is_refused);
    tcase_add_test(tc, labels_come_as_lines_or_json_with_names_and_prompts);
    tcase_add_test(tc, a_member_that_no_class_has_is_named);
    tcase_add_test(tc, a_list_of_classes_with_a_nul_is_no_text);
    tcase_add_test(tc, scores_follow_their_formulas);
    tcase_add_test(tc, logits_have_scale_bias_and_unit_inputs);
    tcase_add_test(tc, neighbours_vote_by_weight);
    tcase_add_test(tc, truth_is_read_from_tsv_json_and_json_lines);
    tcase_add_test(tc, truth_in_csv_is_cut_as_tables_are);
    tcase_add_test(tc, evaluation_counts_top1_top5_classes_and_unknown);
    tcase_add_test(tc, the_confusion_picture_is_dark_where_counts_are);
    tcase_add_test(tc, the_confusion_picture_tells_cut_names_and_letters_with_marks);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
