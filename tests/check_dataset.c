/*
 * check_dataset.c -- samples of every kind of source: the same pictures and captions, wherever they
 * lie, in little memory.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vlp/train.h>

#include "scratch_folder.h"

static struct vlp_error last;
static struct vlp_buf   said;

/* Pictures of 1 to 4 pixels of width, named after it, in a folder, shards and tables. */
static void make_dir(void)
{
    scratch_enter();
    ck_assert_int_eq(system("mkdir -p d/e"), 0);
    for (int i = 1; i <= 4; i++) {
        static uint8_t         grey[12];
        const struct vlp_image pic = {
            .width = i, .height = 1, .mode = VLP_IMAGE_RGB, .orientation = 1, .data = grey};
        struct vlp_buf png = {0};
        char           name[32];
        ck_assert_int_eq(vlp_png_encode(&png, &pic, 1, NULL), VLP_OK);
        snprintf(name, sizeof name, i < 4 ? "d/p%d.png" : "d/e/p%d.png", i);
        FILE *f = fopen(name, "wb");
        ck_assert_uint_eq(fwrite(png.data, 1, png.len, f), png.len);
        fclose(f);
        vlp_buf_free(&png);
    }
    ck_assert_int_eq(
        system("printf 'one\\nanother one\\n' >d/p1.txt && echo two >d/p2.txt && "
               "echo '{\"caption\": [\"three\", \"3\"]}' >d/p3.json && echo four >d/e/p4.txt && "
               "tar cf s.tar d/p1.* d/p2.* d/p3.* d/e/p4.* && gzip -k s.tar && zstd -qk s.tar && "
               "printf 'image,caption,label\\nd/p1.png,\"one, \"\"1\"\"\\nand more\",small\\n"
               "d/p2.png,,large\\nd/p3.png,three,\\nd/p3.png,3,\\n' >t.csv"),
        0);
}

static void remove_dir(void)
{
    scratch_leave();
    vlp_buf_free(&said);
}

static void hear(void *ctx, const char *sentence)
{
    (void)ctx;
    vlp_buf_printf(&said, "%s\n", sentence);
}

static struct vlp_dataset *open_one(const char *path, struct vlp_dataset_options o)
{
    char *const                     paths[] = {(char *)path};
    const struct vlp_dataset_source source = {
        .source = {.paths = paths, .n_paths = 1, .recursive = true, .captions = true}, .weight = 1};
    struct vlp_dataset *d = NULL;
    o.say = hear;
    vlp_buf_clear(&said);
    vlp_buf_add(&said, "", 0);
    vlp_dataset_open(&d, &source, 1, &o, &last);
    return d;
}

static const struct vlp_dataset_options plain;

/* "id|label|width|caption/caption", a line a sample. */
static char *listing(const struct vlp_dataset *d)
{
    static struct vlp_buf b;
    struct vlp_arena      mem = {0};
    vlp_buf_clear(&b);
    ck_assert_ptr_nonnull(d);
    for (int64_t i = vlp_dataset_size(d) - 1; i >= 0; i--) {
        struct vlp_sample s;
        struct vlp_image  pic;
        vlp_dataset_at(d, i, &mem, &s);
        const enum vlp_status status = vlp_dataset_picture(d, &s, &mem, &pic, &last);
        vlp_buf_printf(&b, "%s|%s|%d|", s.id, s.label ? s.label : "-",
                       status == VLP_OK ? pic.width : -(int)status);
        for (int k = 0; k < s.n_captions; k++) vlp_buf_printf(&b, "%s/", vlp_sample_caption(&s, k));
        vlp_buf_add_char(&b, '\n');
    }
    vlp_arena_free(&mem);
    return b.data;
}

START_TEST(pictures_are_the_same_wherever_they_lie)
{
    static const char *const shard[] = {"s.tar", "s.tar.gz", "s.tar.zst"};
    struct vlp_dataset      *d = open_one("d", plain);
    ck_assert_str_eq(listing(d), "d/p3.png|-|3|three/3/\nd/p2.png|-|2|two/\n"
                                 "d/p1.png|-|1|one/another one/\nd/e/p4.png|-|4|four/\n");
    ck_assert_int_eq(vlp_dataset_unpacked(d, NULL), 0);
    vlp_dataset_close(d);
    for (size_t i = 0; i < VLP_COUNT(shard); i++) {
        char want[512];
        snprintf(want, sizeof want,
                 "%1$s!d/e/p4.png|-|4|four/\n%1$s!d/p3.png|-|3|three/3/\n%1$s!d/p2.png|-|2|two/\n"
                 "%1$s!d/p1.png|-|1|one/another one/\n",
                 shard[i]);
        d = open_one(shard[i], plain);
        ck_assert_str_eq(listing(d), want);
        ck_assert_int_eq(vlp_dataset_captions(d), 6);
        ck_assert_int_eq(vlp_dataset_unpacked(d, NULL) > 0, i > 0);
        vlp_dataset_close(d);
    }
}
END_TEST

START_TEST(a_caption_that_stands_in_two_neighbours_is_one)
{
    static const char *const shard[] = {"i.tar", "i.tar.gz"};
    ck_assert_int_eq(
        system("for k in 1 2; do echo \"{\\\"caption\\\": \\\"c$k\\\"}\" >d/p$k.json && "
               "echo c$k >d/p$k.txt || exit; done && tar cf i.tar d/p1.png d/p1.json "
               "d/p1.txt d/p2.png d/p2.json d/p2.txt && gzip -k i.tar"),
        0);
    for (size_t i = 0; i < VLP_COUNT(shard); i++) {
        char                want[128];
        struct vlp_dataset *d = open_one(shard[i], plain);
        snprintf(want, sizeof want, "%1$s!d/p2.png|-|2|c2/\n%1$s!d/p1.png|-|1|c1/\n", shard[i]);
        ck_assert_str_eq(listing(d), want);
        ck_assert_int_eq(vlp_dataset_captions(d), 2);
        vlp_dataset_close(d);
    }
}
END_TEST

/* What vlp_dataset_weights says of these sources, each with its weight. */
static char *weights_of(const char *a, double wa, const char *b, double wb)
{
    static char                     text[128];
    char *const                     paths[] = {(char *)a, (char *)b};
    const struct vlp_dataset_source source[] = {
        {.source = {.paths = &paths[0], .n_paths = 1, .captions = true}, .weight = wa},
        {.source = {.paths = &paths[1], .n_paths = 1, .captions = true}, .weight = wb}};
    struct vlp_dataset *d;
    ck_assert_int_eq(vlp_dataset_open(&d, source, 2, &plain, &last), VLP_OK);
    json_t *list = vlp_dataset_weights(d);
    char   *dump = json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(6));
    snprintf(text, sizeof text, "%s", dump);
    free(dump);
    json_decref(list);
    vlp_dataset_close(d);
    return text;
}

START_TEST(weights_are_told_source_by_source)
{
    /* six samples an epoch all three times, in orders of their own */
    ck_assert_str_eq(weights_of("d/p1.png", 2, "s.tar", 1), "[[1,2.0],[4,1.0]]");
    ck_assert_str_eq(weights_of("d/p1.png", 0.5, "s.tar", 1.375), "[[1,0.5],[4,1.375]]");
    /* shown once each, it does not matter where one source ends */
    ck_assert_str_eq(weights_of("d/p1.png", 1, "s.tar", 1), "[[5,1.0]]");
}
END_TEST

START_TEST(csv_with_quotes_and_newlines)
{
    struct vlp_dataset *d = open_one("t.csv", plain);
    ck_assert_str_eq(listing(d), "d/p3.png|-|3|three/3/\nd/p1.png|small|1|one, \"1\"\nand more/\n");
    ck_assert_str_eq(said.data, "d/p2.png: has no caption (skipped)\n");
    ck_assert_int_eq(vlp_dataset_bad(d), 1);
    vlp_dataset_close(d);
}
END_TEST

START_TEST(a_label_may_stand_for_a_caption)
{
    struct vlp_dataset *d = open_one("t.csv", (struct vlp_dataset_options){.labelled = true});
    ck_assert_int_eq(vlp_dataset_size(d), 3);
    ck_assert_ptr_nonnull(strstr(listing(d), "d/p2.png|large|2|\n"));
    ck_assert_int_eq(vlp_dataset_bad(d), 0);
    /* but not for training */
    struct vlp_loader              *l;
    const struct vlp_preprocess     how = {.width = 8, .height = 8};
    const struct vlp_loader_options o = {
        .data = d, .preprocess = &how, .batch = 1, .ranks = 1, .threads = 1};
    ck_assert_int_eq(vlp_dataset_wordless(d), 1);
    ck_assert_int_eq(vlp_loader_open(&l, &o, &last), VLP_ERR_USAGE);
    ck_assert_str_eq(last.text, "1 samples have no caption to train with");
    vlp_dataset_close(d);
}
END_TEST

START_TEST(a_fault_of_what_is_not_trained_on_is_none)
{
    ck_assert_int_eq(
        system("echo '{\"image\":\"d/p1.png\",\"caption\":\"x\",\"label\":[]}' >f.jsonl && "
               "echo '{\"image\":\"d/p2.png\",\"title\":7,\"label\":\"large\"}' >>f.jsonl"),
        0);
    struct vlp_dataset *d = open_one("f.jsonl", plain);
    ck_assert_str_eq(listing(d), "d/p1.png|-|1|x/\n");
    ck_assert_str_eq(said.data, "d/p2.png: line 2: 'title': a number is no caption (skipped)\n");
    vlp_dataset_close(d);

    d = open_one("f.jsonl", (struct vlp_dataset_options){.labelled = true});
    ck_assert_ptr_nonnull(strstr(listing(d), "d/p1.png|-|1|x/\n"));
    ck_assert_ptr_nonnull(strstr(listing(d), "d/p2.png|large|2|\n"));
    ck_assert_str_eq(said.data, "d/p1.png: line 1: 'label': a list is no label (skipped)\n"
                                "d/p2.png: line 2: 'title': a number is no caption (skipped)\n");
    vlp_dataset_close(d);
}
END_TEST

/* Captions stand with a NUL behind each. */
START_TEST(a_caption_with_a_nul_is_refused_and_not_cut)
{
    ck_assert_int_eq(
        system("printf 'image\tcaption\tlabel\nd/p1.png\ta\\0b\tsmall\nd/p2.png\ttwo\t\n' >n.tsv"),
        0);
    struct vlp_dataset *d = open_one("n.tsv", plain);
    ck_assert_str_eq(listing(d), "d/p2.png|-|2|two/\n");
    ck_assert_str_eq(said.data, "d/p1.png: its caption holds a NUL byte (skipped)\n");
    ck_assert_int_eq(vlp_dataset_bad(d), 1);
    vlp_dataset_close(d);

    d = open_one("n.tsv", (struct vlp_dataset_options){.labelled = true});
    ck_assert_ptr_nonnull(strstr(listing(d), "d/p1.png|small|1|\n"));
    ck_assert_str_eq(said.data, "d/p1.png: its caption holds a NUL byte (skipped)\n");
    ck_assert_int_eq(vlp_dataset_bad(d), 1);
    vlp_dataset_close(d);
}
END_TEST

START_TEST(another_shard_in_its_place_is_noticed)
{
    struct vlp_dataset *d = open_one("s.tar", plain);
    ck_assert_int_eq(system("tar rf s.tar d/p1.png"), 0);
    char want[32];
    snprintf(want, sizeof want, "s.tar!d/p1.png|-|-%d|", VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(listing(d), want));
    ck_assert_ptr_nonnull(strstr(last.text, "s.tar: was changed"));
    vlp_dataset_close(d);
}
END_TEST

START_TEST(a_full_or_missing_cache_folder_is_named)
{
    ck_assert_ptr_null(open_one("s.tar.gz", (struct vlp_dataset_options){.cache_dir = "none"}));
    ck_assert_int_eq(last.status, VLP_ERR_IO);
    ck_assert_ptr_nonnull(strstr(last.text, "none: no file for unpacked pictures"));
    ck_assert_int_eq(access("none", F_OK), -1);

    const struct rlimit few = {100, 100}; /* bytes a file may have: the disk is full */
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &few), 0);
    ck_assert_ptr_null(open_one("s.tar.gz", (struct vlp_dataset_options){.cache_dir = "d/e"}));
    ck_assert_int_eq(last.status, VLP_ERR_IO);
    ck_assert_ptr_nonnull(strstr(last.text, "d/e: no room"));
    struct vlp_dataset *d = open_one("s.tar", plain); /* needs none */
    ck_assert_ptr_nonnull(d);
    vlp_dataset_close(d);
}
END_TEST

START_TEST(a_sample_costs_little_beside_its_words)
{
    enum { N = 60000 };
    FILE *f = fopen("many.tsv", "wb");
    fputs("image\tcaption\n", f);
    for (int i = 0; i < N; i++) fprintf(f, "d/p%d.png\tcaption %07d\n", 1 + i % 2, i);
    ck_assert_int_eq(fclose(f), 0);
    struct vlp_dataset *d = open_one("many.tsv", plain);
    ck_assert_int_eq(vlp_dataset_size(d), N);
    const size_t words = sizeof "p1.png" + sizeof "caption 0000000";
    /* the last chunk and the last page of the table are not full */
    ck_assert_uint_le(vlp_dataset_memory(d), N * (words + 16) + (1 << 20) + (8 << 16));
    vlp_dataset_close(d);
}
END_TEST

/* With CLIP's alphabet and one merge. */
static struct vlp_tokenizer *small_tokenizer(void)
{
    static const char                      merges[] = "#version: 0.2\no n\n";
    static const struct vlp_tokenizer_spec spec = {.kind = "clip_bpe",
                                                   .cleaning = VLP_CLEAN_HF,
                                                   .context = 8,
                                                   .vocab_size = 515,
                                                   .vocab = merges,
                                                   .vocab_len = sizeof merges - 1};
    struct vlp_tokenizer                  *t = NULL;
    ck_assert_msg(vlp_tokenizer_open(&t, &spec, &last) == VLP_OK, "%s", last.text);
    return t;
}

/* How far the loader runs ahead is a matter of luck: what it meets there is no news yet. */
START_TEST(what_is_bad_is_told_with_the_batch_that_wanted_it)
{
    enum { STEPS = 3 };
    uint32_t              order[4];
    struct vlp_dataset   *d = open_one("d", plain);
    struct vlp_tokenizer *tokenizer = small_tokenizer();
    struct vlp_arena      mem = {0};
    struct vlp_sample     s;
    struct vlp_preprocess how;
    struct vlp_loader    *l;
    struct vlp_batch      b;
    vlp_dataset_order(d, 1, 0, order);
    vlp_dataset_at(d, order[1], &mem, &s);
    ck_assert_int_eq(truncate(s.place, 40), 0);
    ck_assert(vlp_preprocess_flavour(&how, "openai", 8));
    const struct vlp_loader_options o = {.data = d,
                                         .preprocess = &how,
                                         .tokenizer = tokenizer,
                                         .seed = 1,
                                         .batch = 1,
                                         .ranks = 1,
                                         .threads = 2,
                                         .say = hear};
    ck_assert_msg(vlp_loader_open(&l, &o, &last) == VLP_OK, "%s", last.text);
    for (int step = 0; step < STEPS; step++) {
        ck_assert_msg(vlp_loader_next(l, &b, &last) == VLP_OK, "%s", last.text);
        usleep(50000); /* the workers are where they can get */
        ck_assert_int_eq(vlp_loader_bad(l), step > 0);
        const char *named = strstr(said.data, s.id);
        ck_assert_int_eq(named != NULL, step > 0);
        ck_assert(!named || !strstr(named + 1, s.id));
    }
    vlp_loader_close(l);
    vlp_tokenizer_close(tokenizer);
    vlp_arena_free(&mem);
    vlp_dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dataset");
    TCase *t = tcase_create("dataset");
    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, pictures_are_the_same_wherever_they_lie);
    tcase_add_test(t, a_caption_that_stands_in_two_neighbours_is_one);
    tcase_add_test(t, weights_are_told_source_by_source);
    tcase_add_test(t, csv_with_quotes_and_newlines);
    tcase_add_test(t, a_label_may_stand_for_a_caption);
    tcase_add_test(t, a_caption_with_a_nul_is_refused_and_not_cut);
    tcase_add_test(t, a_fault_of_what_is_not_trained_on_is_none);
    tcase_add_test(t, another_shard_in_its_place_is_noticed);
    tcase_add_test(t, a_full_or_missing_cache_folder_is_named);
    tcase_add_test(t, a_sample_costs_little_beside_its_words);
    tcase_add_test(t, what_is_bad_is_told_with_the_batch_that_wanted_it);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
