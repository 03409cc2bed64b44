/*
 * fuzz_tokenizer.c -- any bytes through every cleaning and tokenizer.
 *
 * The first byte chooses: 0..2 and 10 a tokenizer on the rest as text, 3..7 a cleaning, 8..9 the
 * rest as a vocabulary.
 */
#include <stdlib.h>
#include <vlp/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLAVOURS = 11, CONTEXT = 77 };

static struct vlp_tokenizer *tokenizers[4];

static const char       *kind_of[] = {"clip_bpe", "clip_bpe", "bert_uncased", "bert_clipa"};
static enum vlp_cleaning cleaning_of[] = {VLP_CLEAN_OPENAI, VLP_CLEAN_HF, VLP_CLEAN_BERT,
                                          VLP_CLEAN_BERT};

static enum vlp_status open_on(struct vlp_tokenizer **out, int i, const void *vocab, size_t len)
{
    const struct vlp_tokenizer_spec spec = {.kind = kind_of[i],
                                            .cleaning = cleaning_of[i],
                                            .context = CONTEXT,
                                            .vocab_size = 49408,
                                            .vocab = vocab,
                                            .vocab_len = len};
    struct vlp_error                err;
    return vlp_tokenizer_open(out, &spec, &err);
}

static void open_all(void)
{
    static const char *const paths[] = {"share/vlp/bpe_simple_vocab_16e6.txt.gz",
                                        "share/vlp/bpe_simple_vocab_16e6.txt.gz",
                                        "share/vlp/bert_vocab.txt", "share/vlp/bert_vocab.txt"};
    for (int i = 0; i < 4; i++) {
        struct vlp_map map;
        if (vlp_map_open(&map, paths[i], NULL) != VLP_OK) abort();
        if (open_on(&tokenizers[i], i, map.data, map.size) != VLP_OK) abort();
        vlp_map_close(&map);
    }
}

static void tokenize(const struct vlp_tokenizer *t, struct vlp_arena *mem, const char *text,
                     size_t len)
{
    struct vlp_tokens tokens;
    struct vlp_error  err;
    if (vlp_tokenize(&tokens, mem, t, text, len, &err) != VLP_OK) return;
    if (tokens.n < 2 || tokens.n > CONTEXT || tokens.full < tokens.n) abort();
    if (tokens.ids[tokens.n - 1] != vlp_tokenizer_end(t)) abort();
    for (int i = 0; i < tokens.n; i++)
        if (!vlp_token_piece(t, tokens.ids[i])) abort();
    int *start = VLP_NEW_N(mem, int, (size_t)tokens.n);
    if (vlp_token_words(t, &tokens, start) > tokens.n - 2) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    if (!tokenizers[0]) open_all();
    const int        flavour = data[0] % FLAVOURS;
    const char      *text = (const char *)data + 1;
    struct vlp_arena mem = {0};
    struct vlp_error err;
    char            *out;
    size_t           len;
    if (flavour < 3 || flavour == 10) {
        tokenize(tokenizers[flavour < 3 ? flavour : 3], &mem, text, size - 1);
    } else if (flavour < 8) {
        const enum vlp_status status =
            flavour < 6
                ? vlp_text_clean(&out, &len, &mem, (enum vlp_cleaning)(flavour - 3), text, size - 1,
                                 &err)
                : vlp_text_clean_albef(&out, &len, &mem, flavour == 7, 30, text, size - 1, &err);
        if (status == VLP_OK && !vlp_utf8_valid(out, len, NULL)) abort();
    } else {
        struct vlp_tokenizer *t;
        if (open_on(&t, flavour == 8 ? 0 : 2, text, size - 1) == VLP_OK) {
            tokenize(t, &mem, text, size - 1);
            vlp_tokenizer_close(t);
        }
    }
    vlp_arena_free(&mem);
    return 0;
}
