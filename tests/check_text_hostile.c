/*
 * check_text_hostile.c -- text and vocabularies that are damaged, odd or large; cleaning case by
 * case.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <vlp/text.h>

static struct vlp_map file_of(const char *name)
{
    char             path[200];
    struct vlp_map   map;
    struct vlp_error err;
    snprintf(path, sizeof path, "tests/data/text/%s", name);
    ck_assert_msg(vlp_map_open(&map, path, &err) == VLP_OK, "%s", err.text);
    return map;
}

static enum vlp_status open_with(struct vlp_tokenizer **out, const char *kind,
                                 enum vlp_cleaning cleaning, const void *vocab, size_t len,
                                 int vocab_size, struct vlp_error *err)
{
    const struct vlp_tokenizer_spec spec = {.kind = kind,
                                            .cleaning = cleaning,
                                            .context = 77,
                                            .vocab_size = vocab_size,
                                            .vocab = vocab,
                                            .vocab_len = len};
    return vlp_tokenizer_open(out, &spec, err);
}

static struct vlp_tokenizer *real(const char *kind, enum vlp_cleaning cleaning)
{
    struct vlp_map        map;
    struct vlp_error      err;
    struct vlp_tokenizer *t = NULL;
    const char *path = strcmp(kind, "clip_bpe") == 0 ? "share/vlp/bpe_simple_vocab_16e6.txt.gz"
                                                     : "share/vlp/bert_vocab.txt";
    ck_assert(vlp_map_open(&map, path, &err) == VLP_OK);
    ck_assert(open_with(&t, kind, cleaning, map.data, map.size, 49408, &err) == VLP_OK);
    vlp_map_close(&map);
    return t;
}

/* ---- text ---- */

static const struct {
    const char *name, *place;
} not_text[] = {
    {"not-utf8.txt", "byte 16"},      {"overlong.txt", "byte 6"},      {"surrogate.txt", "byte 13"},
    {"beyond-unicode.txt", "byte 0"}, {"cut-character.txt", "byte 9"},
};

START_TEST(text_that_is_not_utf8_is_refused_with_the_offset)
{
    const struct vlp_map  map = file_of(not_text[_i].name);
    struct vlp_map        m = map;
    struct vlp_tokenizer *t[2] = {real("clip_bpe", VLP_CLEAN_OPENAI),
                                  real("bert_uncased", VLP_CLEAN_BERT)};
    struct vlp_arena      mem = {0};
    struct vlp_error      err;
    for (int i = 0; i < 2; i++) {
        struct vlp_tokens k;
        ck_assert(vlp_tokenize(&k, &mem, t[i], (const char *)map.data, map.size, &err) ==
                  VLP_ERR_FORMAT);
        ck_assert_msg(strstr(err.text, not_text[_i].place) != NULL, "%s", err.text);
        vlp_tokenizer_close(t[i]);
    }
    char  *out;
    size_t len;
    ck_assert(vlp_text_clean_albef(&out, &len, &mem, false, 30, (const char *)map.data, map.size,
                                   &err) == VLP_ERR_FORMAT);
    vlp_arena_free(&mem);
    vlp_map_close(&m);
}
END_TEST

START_TEST(a_nul_inside_a_text_does_not_end_it)
{
    struct vlp_map        map = file_of("nul.txt");
    struct vlp_tokenizer *t = real("clip_bpe", VLP_CLEAN_OPENAI);
    struct vlp_arena      mem = {0};
    struct vlp_tokens     with, without;
    const char           *text = "a photo of a cat.";
    ck_assert(vlp_tokenize(&with, &mem, t, (const char *)map.data, map.size, NULL) == VLP_OK);
    ck_assert(vlp_tokenize(&without, &mem, t, text, strlen(text), NULL) == VLP_OK);
    ck_assert_int_eq(with.n, without.n);
    ck_assert_mem_eq(with.ids, without.ids, (size_t)with.n * sizeof *with.ids);
    vlp_arena_free(&mem);
    vlp_tokenizer_close(t);
    vlp_map_close(&map);
}
END_TEST

static const char *const awkward[] = {"zalgo.txt", "nested-references.txt", "escapes.txt"};

/* Nothing is left of it before it is cut into words. */
START_TEST(a_text_of_control_characters_is_an_empty_one)
{
    struct vlp_tokenizer *t = real("bert_clipa", VLP_CLEAN_BERT);
    struct vlp_arena      mem = {0};
    struct vlp_tokens     none, empty;
    ck_assert(vlp_tokenize(&none, &mem, t, "\0\0\5", 3, NULL) == VLP_OK);
    ck_assert(vlp_tokenize(&empty, &mem, t, "", 0, NULL) == VLP_OK);
    ck_assert_int_eq(none.n, empty.n);
    ck_assert_mem_eq(none.ids, empty.ids, (size_t)empty.n * sizeof *empty.ids);
    vlp_tokenizer_close(t);
    vlp_arena_free(&mem);
}
END_TEST

START_TEST(awkward_text_becomes_ids_of_the_vocabulary)
{
    struct vlp_map        map = file_of(awkward[_i]);
    struct vlp_tokenizer *t = real("clip_bpe", VLP_CLEAN_OPENAI);
    struct vlp_arena      mem = {0};
    struct vlp_tokens     k;
    ck_assert(vlp_tokenize(&k, &mem, t, (const char *)map.data, map.size, NULL) == VLP_OK);
    ck_assert_int_ge(k.n, 3);
    for (int i = 0; i < k.n; i++) ck_assert_ptr_nonnull(vlp_token_piece(t, k.ids[i]));
    vlp_arena_free(&mem);
    vlp_tokenizer_close(t);
    vlp_map_close(&map);
}
END_TEST

START_TEST(a_word_of_a_megabyte_is_counted_whole)
{
    const size_t          len = 1 << 20;
    char                 *text = vlp_malloc(len);
    struct vlp_tokenizer *t = real("clip_bpe", VLP_CLEAN_OPENAI);
    struct vlp_arena      mem = {0};
    struct vlp_tokens     k;
    memset(text, '!', len);
    for (size_t i = 0; i < len; i += 2) text[i] = '?';
    ck_assert(vlp_tokenize(&k, &mem, t, text, len, NULL) == VLP_OK);
    ck_assert_int_eq(k.n, 77);
    ck_assert_int_gt(k.full, 77);
    size_t spelled = 0; /* what was kept is the beginning of the word */
    for (int i = 1; i + 1 < k.n; i++) {
        const char *piece = vlp_token_piece(t, k.ids[i]);
        ck_assert_mem_eq(piece, text + spelled, strlen(piece));
        spelled += strlen(piece);
    }
    vlp_arena_free(&mem);
    vlp_tokenizer_close(t);
    free(text);
}
END_TEST

/* ---- vocabularies ---- */

static const struct {
    const char *name, *kind, *fault;
} damaged[] = {
    {"merges-truncated.gz", "clip_bpe", "truncated"},
    {"merges-damaged.gz", "clip_bpe", "damaged"},
    {"merges-one-half.txt", "clip_bpe", "line 3"},
    {"merges-unknown-piece.txt", "clip_bpe", "line 3"},
    {"merges-repeated.txt", "clip_bpe", "line 3"},
    {"pieces-no-unk.txt", "bert_uncased", "[UNK]"},
};

START_TEST(a_damaged_vocabulary_is_refused_with_the_place)
{
    struct vlp_map        map = file_of(damaged[_i].name);
    struct vlp_tokenizer *t = NULL;
    struct vlp_error      err;
    ck_assert(open_with(&t, damaged[_i].kind, VLP_CLEAN_OPENAI, map.data, map.size, 49408, &err) ==
              VLP_ERR_FORMAT);
    ck_assert_ptr_null(t);
    ck_assert_msg(strstr(err.text, damaged[_i].fault) != NULL, "%s", err.text);
    vlp_map_close(&map);
}
END_TEST

START_TEST(a_small_list_of_merges_makes_a_small_vocabulary)
{
    static const char     merges[] = "#version\nt h\nth e</w>\n";
    struct vlp_tokenizer *t;
    struct vlp_arena      mem = {0};
    struct vlp_tokens     k;
    ck_assert(open_with(&t, "clip_bpe", VLP_CLEAN_HF, merges, strlen(merges), 600, NULL) == VLP_OK);
    ck_assert_int_eq(vlp_tokenizer_end(t), 515);
    ck_assert(vlp_tokenize(&k, &mem, t, "the tho", 7, NULL) == VLP_OK);
    const int32_t want[] = {514, 513, 512, 256 + 'o' - '!', 515};
    ck_assert_int_eq(k.n, 5);
    ck_assert_mem_eq(k.ids, want, sizeof want);
    vlp_arena_free(&mem);
    vlp_tokenizer_close(t);
}
END_TEST

START_TEST(an_embedding_with_too_few_rows_is_refused)
{
    static const char     merges[] = "#version\nt h\nth e</w>\n";
    struct vlp_tokenizer *t;
    struct vlp_error      err;
    ck_assert(open_with(&t, "clip_bpe", VLP_CLEAN_HF, merges, strlen(merges), 515, &err) ==
              VLP_ERR_FORMAT);
    ck_assert_msg(strstr(err.text, "516") && strstr(err.text, "515"), "%s", err.text);
}
END_TEST

START_TEST(a_tokenizer_of_another_kind_is_not_supported)
{
    struct vlp_tokenizer *t;
    struct vlp_error      err;
    ck_assert(open_with(&t, "sentencepiece", VLP_CLEAN_HF, "", 0, 10, &err) == VLP_ERR_SUPPORT);
    ck_assert_ptr_nonnull(strstr(err.text, "sentencepiece"));
}
END_TEST

/* ---- cleaning ---- */

static const struct {
    enum vlp_cleaning cleaning;
    const char       *in, *out;
} cleaned[] = {
    {VLP_CLEAN_OPENAI, "  A\t\tB\r\nC  ", "a b c"},
    {VLP_CLEAN_OPENAI, "&amp;lt;", "<"},
    {VLP_CLEAN_OPENAI, "&notit; &notin;", "\xc2\xacit; \xe2\x88\x89"},
    {VLP_CLEAN_OPENAI, "&#128; &#x41 &#0; &#59; &#1;.", "\xe2\x82\xac a \xef\xbf\xbd ; ."},
    {VLP_CLEAN_OPENAI, "P&EACUTE;REZ", "p\xc3\xa9rez"},
    {VLP_CLEAN_OPENAI, "<b> &amp;amp;amp;", "<b> &amp;"},
    {VLP_CLEAN_OPENAI, "\xef\xbc\xa1\xef\xbd\xb6\xef\xbe\x9e", "a\xe3\x82\xac"},
    {VLP_CLEAN_OPENAI, "\xc5\x89", "'n"},
    {VLP_CLEAN_OPENAI, "\xe2\x80\x9cx\xe2\x80\x9d\xe2\x80\xa6", "\"x\"\xe2\x80\xa6"},
    {VLP_CLEAN_OPENAI, "\x1b[1;31mred\x1b[0m", "red"},
    {VLP_CLEAN_OPENAI, "\xc2\x93quoted\xc2\x94", "\"quoted\""},
    {VLP_CLEAN_OPENAI, "\xce\x9f\xce\xa3 \xce\xa3 \xce\x9f\xce\xa3.\xce\x9f",
     "\xce\xbf\xcf\x82 \xcf\x83 \xce\xbf\xcf\x83.\xce\xbf"},
    {VLP_CLEAN_HF, "\xce\x9f\xce\xa3 &amp;", "\xce\xbf\xcf\x83 &amp;"},
    {VLP_CLEAN_HF, "e\xcc\x81 \t x", "\xc3\xa9 x"},
    {VLP_CLEAN_BERT, "\xc3\x85ngstr\xc3\xb6m\x01\tA\xe4\xb8\xad", "angstrom a \xe4\xb8\xad "},
};

START_TEST(cleaning_gives_the_text_expected)
{
    struct vlp_arena mem = {0};
    char            *out;
    size_t           len;
    ck_assert(vlp_text_clean(&out, &len, &mem, cleaned[_i].cleaning, cleaned[_i].in,
                             strlen(cleaned[_i].in), NULL) == VLP_OK);
    ck_assert_str_eq(out, cleaned[_i].out);
    ck_assert_uint_eq(len, strlen(cleaned[_i].out));
    vlp_arena_free(&mem);
}
END_TEST

/* ---- threads ---- */

enum { SHARERS = 64, TEXTS = 8 };

struct shared {
    const struct vlp_tokenizer *t;
    uint32_t                    hash[SHARERS];
};

static void hash_some(void *ctx, int i, int worker)
{
    (void)worker;
    struct shared   *s = ctx;
    struct vlp_arena mem = {0};
    s->hash[i] = VLP_FNV_START;
    for (int k = 0; k < TEXTS; k++) {
        char              text[64];
        struct vlp_tokens ids;
        const int         len = snprintf(text, sizeof text, "photograph number %d &amp; more", k);
        if (vlp_tokenize(&ids, &mem, s->t, text, (size_t)len, NULL) == VLP_OK)
            s->hash[i] = vlp_fnv1a(s->hash[i], ids.ids, (size_t)ids.n * sizeof *ids.ids);
    }
    vlp_arena_free(&mem);
}

START_TEST(threads_may_share_a_tokenizer)
{
    struct vlp_tokenizer *t = real("clip_bpe", VLP_CLEAN_OPENAI);
    struct vlp_pool      *pool = vlp_pool_open(4);
    struct shared         many = {.t = t}, one = {.t = t};
    vlp_parallel(pool, SHARERS, hash_some, &many);
    hash_some(&one, 0, 0);
    for (int i = 0; i < SHARERS; i++) ck_assert_uint_eq(many.hash[i], one.hash[0]);
    vlp_pool_close(pool);
    vlp_tokenizer_close(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("text, hostile");
    TCase *c = tcase_create("all");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, text_that_is_not_utf8_is_refused_with_the_offset, 0,
                        VLP_COUNT(not_text));
    tcase_add_test(c, a_nul_inside_a_text_does_not_end_it);
    tcase_add_test(c, a_text_of_control_characters_is_an_empty_one);
    tcase_add_loop_test(c, awkward_text_becomes_ids_of_the_vocabulary, 0, VLP_COUNT(awkward));
    tcase_add_test(c, a_word_of_a_megabyte_is_counted_whole);
    tcase_add_loop_test(c, a_damaged_vocabulary_is_refused_with_the_place, 0, VLP_COUNT(damaged));
    tcase_add_test(c, a_small_list_of_merges_makes_a_small_vocabulary);
    tcase_add_test(c, an_embedding_with_too_few_rows_is_refused);
    tcase_add_test(c, a_tokenizer_of_another_kind_is_not_supported);
    tcase_add_loop_test(c, cleaning_gives_the_text_expected, 0, VLP_COUNT(cleaned));
    tcase_add_test(c, threads_may_share_a_tokenizer);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
