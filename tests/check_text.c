/*
 * check_text.c -- text to ids against the reference's ids, line by line.
 */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <vlp/text.h>

enum { ALL = 4096 }; /* a context that cuts nothing */

static struct vlp_tokenizer *open_with(const char *kind, enum vlp_cleaning cleaning, int context)
{
    const bool  clip = strcmp(kind, "clip_bpe") == 0;
    const char *path = clip ? "share/vlp/bpe_simple_vocab_16e6.txt.gz" : "share/vlp/bert_vocab.txt";
    struct vlp_map        map;
    struct vlp_error      err;
    struct vlp_tokenizer *t = NULL;
    ck_assert_msg(vlp_map_open(&map, path, &err) == VLP_OK, "%s", err.text);
    const struct vlp_tokenizer_spec spec = {.kind = kind,
                                            .cleaning = cleaning,
                                            .context = context,
                                            .vocab_size = clip ? 49408 : 30522,
                                            .vocab = map.data,
                                            .vocab_len = map.size};
    ck_assert_msg(vlp_tokenizer_open(&t, &spec, &err) == VLP_OK, "%s", err.text);
    vlp_map_close(&map);
    return t;
}

static struct vlp_tokens tokens_of(const struct vlp_tokenizer *t, struct vlp_arena *mem,
                                   const char *text, size_t len)
{
    struct vlp_tokens tokens = {0};
    struct vlp_error  err;
    ck_assert_msg(vlp_tokenize(&tokens, mem, t, text, len, &err) == VLP_OK, "%s", err.text);
    return tokens;
}

/* Calls `each` for every line of a file; returns how many there were. */
static int for_lines(const char *name, void (*each)(const json_t *line, void *ctx), void *ctx)
{
    char path[200];
    snprintf(path, sizeof path, "tests/%s.jsonl", name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    char  *line = NULL;
    size_t cap = 0;
    int    n = 0;
    for (ssize_t len; (len = getline(&line, &cap, f)) > 0; n++) {
        json_t *v = json_loadb(line, (size_t)len, JSON_ALLOW_NUL, NULL);
        ck_assert_msg(v != NULL, "%s:%d is not JSON", path, n + 1);
        each(v, ctx);
        json_decref(v);
    }
    free(line);
    fclose(f);
    return n;
}

static struct vlp_tokens tokens_of_json(const struct vlp_tokenizer *t, struct vlp_arena *mem,
                                        const json_t *text)
{
    return tokens_of(t, mem, json_string_value(text), json_string_length(text));
}

struct ids_of {
    const struct vlp_tokenizer *tokenizer;
    const char                 *key; /* of the expected ids */
};

static void ids_agree(const json_t *line, void *ctx)
{
    if (json_is_true(json_object_get(line, "mojibake"))) return;
    struct vlp_arena        mem = {0};
    const struct ids_of    *of = ctx;
    const json_t           *ids = json_object_get(line, of->key);
    const json_t           *text = json_object_get(line, "text");
    const struct vlp_tokens tokens = tokens_of_json(of->tokenizer, &mem, text);
    ck_assert_msg(tokens.n == (int)json_array_size(ids), "'%s': %d ids, %d expected",
                  json_string_value(text), tokens.n, (int)json_array_size(ids));
    for (int i = 0; i < tokens.n; i++) {
        const int want = (int)json_integer_value(json_array_get(ids, (size_t)i));
        ck_assert_msg(tokens.ids[i] == want, "'%s': id %d is %d, %d expected",
                      json_string_value(text), i, tokens.ids[i], want);
    }
    vlp_arena_free(&mem);
}

static void file_agrees(const char *name, const char *kind, enum vlp_cleaning cleaning)
{
    struct vlp_tokenizer *t = open_with(kind, cleaning, ALL);
    ck_assert_int_ge(for_lines(name, ids_agree, &(struct ids_of){t, "ids"}), 390);
    vlp_tokenizer_close(t);
}

START_TEST(clip_ids_are_those_of_the_official_tokenizer)
{
    file_agrees("golden/text/clip_openai", "clip_bpe", VLP_CLEAN_OPENAI);
}
END_TEST

START_TEST(clip_ids_are_those_of_the_fast_tokenizer)
{
    file_agrees("golden/text/clip_hf", "clip_bpe", VLP_CLEAN_HF);
}
END_TEST

/* open_clip's HFTokenizer with strip_sep_token and BERT's vocabulary, padded to its context. */
static const struct {
    const char *text;
    int         n;
    int32_t     ids[20];
} clipa[] = {
    {"", 2, {101, 0}},
    {"a photo of a cat.", 8, {101, 1037, 6302, 1997, 1037, 4937, 1012, 0}},
    /* repaired and unescaped first; lower case without Python's final sigma */
    {"It\xe2\x80\x99s 2 &amp;amp; caf&eacute; \xe2\x80\x94 "
     "\xe2\x80\x9c\xc4\xb0STANBUL\xe2\x80\x9d \xce\xa3\xce\x91\xce\xa3",
     15,
     {101, 2009, 1005, 1055, 1016, 1004, 7668, 1517, 1000, 9960, 1000, 1173, 14608, 29733, 0}},
    {"na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \x1b[31mred",
     7,
     {101, 15743, 1864, 1876, 1950, 2417, 0}},
    {"[SEP] and [PAD] [MASK]", 6, {101, 0, 1998, 0, 103, 0}},
    {"x x x x x x x x x x x x x x x x x x x x x x",
     20,
     {101,  1060, 1060, 1060, 1060, 1060, 1060, 1060, 1060, 1060,
      1060, 1060, 1060, 1060, 1060, 1060, 1060, 1060, 1060, 0}}, /* cut */
};

START_TEST(clipa_has_bert_ids_of_a_repaired_text_without_a_separator)
{
    struct vlp_arena      mem = {0};
    struct vlp_tokenizer *t = open_with("bert_clipa", VLP_CLEAN_BERT, 20);
    struct vlp_tokens     k;
    ck_assert(vlp_tokenize(&k, &mem, t, clipa[_i].text, strlen(clipa[_i].text), NULL) == VLP_OK);
    ck_assert_int_eq(k.n, clipa[_i].n);
    for (int i = 0; i < k.n; i++) ck_assert_int_eq(k.ids[i], clipa[_i].ids[i]);
    ck_assert_int_eq(vlp_tokenizer_end(t), 0);
    vlp_tokenizer_close(t);
    vlp_arena_free(&mem);
}
END_TEST

START_TEST(bert_ids_are_those_of_the_reference)
{
    file_agrees("golden/text/bert_uncased", "bert_uncased", VLP_CLEAN_BERT);
}
END_TEST

static void words_agree(const json_t *line, void *ctx)
{
    struct vlp_arena        mem = {0};
    const json_t           *words = json_object_get(line, "words");
    const struct vlp_tokens tokens = tokens_of_json(ctx, &mem, json_object_get(line, "text"));
    int                    *start = VLP_NEW_N(&mem, int, (size_t)tokens.n);
    const int               n = vlp_token_words(ctx, &tokens, start);
    ck_assert_int_eq(n, (int)json_array_size(words));
    for (int w = 0; w < n; w++) {
        const json_t *word = json_array_get(words, (size_t)w);
        const size_t  len = json_array_size(word);
        ck_assert_int_eq(start[w], json_integer_value(json_array_get(word, 0)));
        ck_assert_int_eq(start[w + 1] - 1, json_integer_value(json_array_get(word, len - 1)));
    }
    vlp_arena_free(&mem);
}

START_TEST(whole_words_are_those_of_the_reference)
{
    struct vlp_tokenizer *t = open_with("bert_uncased", VLP_CLEAN_BERT, ALL);
    ck_assert_int_eq(for_lines("golden/text/bert_words", words_agree, t), 150);
    vlp_tokenizer_close(t);
}
END_TEST

static void cleaning_agrees(const json_t *line, void *ctx)
{
    (void)ctx;
    struct vlp_arena mem = {0};
    struct vlp_error err;
    const json_t    *in = json_object_get(line, "in"), *want = json_object_get(line, "out");
    const char      *function = json_string_value(json_object_get(line, "function"));
    char            *out;
    size_t           len;
    ck_assert(vlp_text_clean_albef(&out, &len, &mem, strcmp(function, "pre_question") == 0,
                                   (int)json_integer_value(json_object_get(line, "max_words")),
                                   json_string_value(in), json_string_length(in), &err) == VLP_OK);
    ck_assert_msg(len == json_string_length(want) && memcmp(out, json_string_value(want), len) == 0,
                  "%s of '%s' is '%s'", function, json_string_value(in), out);
    vlp_arena_free(&mem);
}

START_TEST(captions_and_questions_are_cleaned_as_albef_does)
{
    ck_assert_int_eq(for_lines("golden/text/albef_clean", cleaning_agrees, NULL), 440);
}
END_TEST

/*
 * Lines made for corners that the golden files have none of: marks of every age beside each other,
 * references, escapes, quotes, special tokens and rare scripts in one word. The ids are those of
 * the references under Python 3.11 (Unicode 14).
 */
START_TEST(rare_characters_have_the_ids_of_each_reference)
{
    static const struct {
        const char       *kind, *key;
        enum vlp_cleaning cleaning;
    } of[] = {{"clip_bpe", "clip_openai", VLP_CLEAN_OPENAI},
              {"clip_bpe", "clip_hf", VLP_CLEAN_HF},
              {"bert_uncased", "bert_uncased", VLP_CLEAN_BERT}};
    for (size_t i = 0; i < VLP_COUNT(of); i++) {
        struct vlp_tokenizer *t = open_with(of[i].kind, of[i].cleaning, ALL);
        ck_assert_int_eq(for_lines("data/text/corners", ids_agree, &(struct ids_of){t, of[i].key}),
                         120);
        vlp_tokenizer_close(t);
    }
}
END_TEST

static void corner_is_cleaned(const json_t *line, void *ctx)
{
    json_t *as = json_pack("{s:s, s:i, s:O, s:O}", "function", (const char *)ctx, "max_words",
                           strcmp(ctx, "pre_caption") == 0 ? 30 : 10, "in",
                           json_object_get(line, "text"), "out", json_object_get(line, ctx));
    ck_assert_ptr_nonnull(as);
    cleaning_agrees(as, NULL);
    json_decref(as);
}

START_TEST(rare_characters_are_cleaned_as_albef_does)
{
    ck_assert_int_eq(for_lines("data/text/corners", corner_is_cleaned, "pre_caption"), 120);
    ck_assert_int_eq(for_lines("data/text/corners", corner_is_cleaned, "pre_question"), 120);
}
END_TEST

/* Texts and ids of the specification, without start and end. */
static const struct {
    const char *text;
    int         ids[20]; /* ends with 0 */
} listed[] = {
    {"a diagram", {320, 22697}},
    {"Hello World!", {3306, 1002, 256}},
    {"a photo of a {}, a type of pet.",
     {320, 1125, 539, 320, 90, 92, 267, 320, 3877, 539, 3703, 269}},
    {"The quick brown fox jumps over 13 lazy dogs!!!",
     {518, 3712, 2866, 3240, 18911, 962, 272, 274, 10753, 3255, 995}},
    {"na\xc3\xafve caf\xc3\xa9", {1097, 35689, 563, 15304}},
    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
     {39121, 44353, 34002, 508, 2429, 228, 32421, 486}},
    {"emoji \xf0\x9f\x98\x80 test", {16327, 7334, 1628}},
    {"don't  stop\tbelieving", {847, 713, 1691, 19551}},
    {"co-op/e-mail @user #tag $5.99",
     {1320, 268, 3691, 270, 324, 268, 2614, 287, 7031, 258, 3640, 259, 276, 269, 280, 280}},
    {"&lt;b&gt; &amp;amp; x", {283, 321, 285, 261, 343}},
    {"<|endoftext|> hi", {49407, 1883}},
    {"supercalifragilisticexpialidocious", {1642, 2857, 13093, 2076, 5868, 26850, 835, 639, 38466}},
    {"A.B.C. 1,000", {320, 269, 321, 269, 322, 269, 272, 267, 271, 271, 271}},
    {"_under_score_", {318, 1798, 318, 4431, 318}},
    {"\xc4\xb0stanbul \xce\xa3\xce\x91\xce\xa3", {328, 16384, 11231, 139, 225, 138, 109, 139, 480}},
    {"x\xc2\xb2\xc2\xbd \xe2\x85\xa7", {343, 41175, 33613, 158, 227, 371}},
    {"I'LL we'Ve", {328, 1342, 649, 1200}},
};

START_TEST(the_listed_texts_have_the_listed_ids)
{
    struct vlp_tokenizer *t = open_with("clip_bpe", VLP_CLEAN_OPENAI, 77);
    struct vlp_arena      mem = {0};
    for (size_t i = 0; i < VLP_COUNT(listed); i++) {
        const struct vlp_tokens k = tokens_of(t, &mem, listed[i].text, strlen(listed[i].text));
        int                     n = 0;
        while (listed[i].ids[n]) n++;
        ck_assert_int_eq(k.n, n + 2);
        ck_assert_int_eq(k.ids[0], 49406);
        ck_assert_int_eq(k.ids[n + 1], 49407);
        for (int j = 0; j < n; j++) ck_assert_int_eq(k.ids[j + 1], listed[i].ids[j]);
    }
    vlp_arena_free(&mem);
    vlp_tokenizer_close(t);
}
END_TEST

START_TEST(a_long_text_is_cut_and_ends_with_the_end_token)
{
    struct vlp_tokenizer   *t = open_with("clip_bpe", VLP_CLEAN_OPENAI, 8);
    struct vlp_arena        mem = {0};
    const char             *text = "a photo of a cat and a dog and a bird";
    const struct vlp_tokens k = tokens_of(t, &mem, text, strlen(text));
    ck_assert_int_eq(k.n, 8);
    ck_assert_int_eq(k.full, 13);
    ck_assert_int_eq(k.ids[0], 49406);
    ck_assert_int_eq(k.ids[1], 320);
    ck_assert_int_eq(k.ids[6], 537);
    ck_assert_int_eq(k.ids[7], vlp_tokenizer_end(t));
    vlp_arena_free(&mem);
    vlp_tokenizer_close(t);
}
END_TEST

START_TEST(an_empty_text_is_start_and_end)
{
    static const char *const kinds[] = {"clip_bpe", "bert_uncased"};
    for (int i = 0; i < 2; i++) {
        struct vlp_tokenizer   *t = open_with(kinds[i], i ? VLP_CLEAN_BERT : VLP_CLEAN_HF, 77);
        struct vlp_arena        mem = {0};
        const struct vlp_tokens k = tokens_of(t, &mem, "", 0);
        int                     start[2];
        ck_assert_int_eq(k.n, 2);
        ck_assert_int_eq(k.full, 2);
        ck_assert_int_eq(k.ids[1], vlp_tokenizer_end(t));
        ck_assert_int_eq(vlp_token_words(t, &k, start), 0);
        vlp_arena_free(&mem);
        vlp_tokenizer_close(t);
    }
}
END_TEST

START_TEST(pieces_have_names)
{
    struct vlp_tokenizer *clip = open_with("clip_bpe", VLP_CLEAN_OPENAI, 77);
    struct vlp_tokenizer *bert = open_with("bert_uncased", VLP_CLEAN_BERT, 40);
    ck_assert_str_eq(vlp_token_piece(clip, 1125), "photo</w>");
    ck_assert_str_eq(vlp_token_piece(clip, 49405), "jekyll</w>");
    ck_assert_str_eq(vlp_token_piece(clip, 49407), "<|endoftext|>");
    ck_assert_ptr_null(vlp_token_piece(clip, 49408));
    ck_assert_ptr_null(vlp_token_piece(clip, -1));
    ck_assert_str_eq(vlp_token_piece(bert, 2075), "##ing");
    ck_assert_str_eq(vlp_token_piece(bert, 101), "[CLS]");
    vlp_tokenizer_close(clip);
    vlp_tokenizer_close(bert);
}
END_TEST

static Suite *text_suite(void)
{
    Suite *s = suite_create("text");
    TCase *c = tcase_create("ids");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, clip_ids_are_those_of_the_official_tokenizer);
    tcase_add_test(c, clip_ids_are_those_of_the_fast_tokenizer);
    tcase_add_test(c, bert_ids_are_those_of_the_reference);
    tcase_add_loop_test(c, clipa_has_bert_ids_of_a_repaired_text_without_a_separator, 0,
                        VLP_COUNT(clipa));
    tcase_add_test(c, whole_words_are_those_of_the_reference);
    tcase_add_test(c, captions_and_questions_are_cleaned_as_albef_does);
    tcase_add_test(c, rare_characters_have_the_ids_of_each_reference);
    tcase_add_test(c, rare_characters_are_cleaned_as_albef_does);
    tcase_add_test(c, the_listed_texts_have_the_listed_ids);
    tcase_add_test(c, a_long_text_is_cut_and_ends_with_the_end_token);
    tcase_add_test(c, an_empty_text_is_start_and_end);
    tcase_add_test(c, pieces_have_names);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(text_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
