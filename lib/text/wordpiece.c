/*
 * wordpiece.c -- BERT uncased: punctuation split out, then the longest known piece first.
 *
 * Pieces inside a word begin with "##". A word longer than 100 characters, or with a part that no
 * piece covers, is one [UNK].
 *
 * CLIPA's row is the same behind OpenAI's repairs of a text, with [PAD] wherever [SEP] would be.
 */
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

enum { LONGEST_WORD = 100 };
static const char        inside[] = "##";
static const char *const specials[] = {"[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"};
enum { UNK, CLS, SEP, MASK, PAD, N_SPECIALS = VLP_COUNT(specials) };

struct wordpiece {
    int32_t special[N_SPECIALS];
    size_t  longest; /* bytes of the longest piece */
};

static enum vlp_status open(struct vlp_tokenizer *t, const char *vocab, size_t len,
                            struct vlp_error *err)
{
    struct wordpiece *w = vlp_calloc(1, sizeof *w);
    const char       *at = vocab, *line;
    size_t            n;
    int               repeated;
    t->own = w;
    while (vlp_vocab_line(&at, vocab + len, &line, &n)) {
        vlp_pieces_add(&t->pieces, line, n);
        if (n > w->longest) w->longest = n;
    }
    if (!vlp_pieces_index(&t->pieces, &repeated))
        return vlp_fail(err, VLP_ERR_FORMAT, "the vocabulary's line %d repeats the piece '%.40s'",
                        repeated + 1, vlp_pieces_text(&t->pieces, repeated));
    for (int i = 0; i < N_SPECIALS; i++) {
        w->special[i] = vlp_pieces_find(&t->pieces, specials[i], strlen(specials[i]));
        if (w->special[i] < 0)
            return vlp_fail(err, VLP_ERR_FORMAT, "the vocabulary has no %s", specials[i]);
    }
    t->start = w->special[CLS];
    t->end = w->special[SEP];
    return VLP_OK;
}

static enum vlp_status open_clipa(struct vlp_tokenizer *t, const char *vocab, size_t len,
                                  struct vlp_error *err)
{
    VLP_TRY(open(t, vocab, len, err));
    struct wordpiece *w = t->own;
    t->end = w->special[SEP] = w->special[PAD];
    return VLP_OK;
}

static void close(struct vlp_tokenizer *t)
{
    free(t->own);
}

/* The longest piece that s begins with; its bytes in `used`. Only ends of characters count. */
static int32_t longest_piece(const struct vlp_tokenizer *t, const char *s, size_t len, bool within,
                             size_t *used)
{
    const struct wordpiece *w = t->own;
    const size_t            head = within ? sizeof inside - 1 : 0;
    uint32_t                hash[LONGEST_WORD + 1];
    size_t                  end[LONGEST_WORD + 1], n = 0;
    uint32_t                h = vlp_fnv1a(VLP_FNV_START, inside, head);
    for (size_t i = 0; i < len && head + i <= w->longest && n <= LONGEST_WORD;) {
        size_t step = 1;
        while (i + step < len && ((uint8_t)s[i + step] & 0xc0) == 0x80) step++;
        h = vlp_fnv1a(h, s + i, step);
        i += step;
        hash[n] = h;
        end[n++] = i;
    }
    while (n-- > 0) {
        const int32_t id = vlp_pieces_find_hashed(&t->pieces, hash[n], inside, head, s, end[n]);
        if (id < 0) continue;
        *used = end[n];
        return id;
    }
    return -1;
}

static void encode_word(const struct vlp_tokenizer *t, const int32_t *s, size_t n,
                        struct vlp_ids *ids)
{
    const struct wordpiece *w = t->own;
    char                    utf8[4 * LONGEST_WORD];
    size_t                  len = 0, used = 0, count = 0;
    int32_t                 piece[LONGEST_WORD];
    if (n > LONGEST_WORD) {
        vlp_ids_add(ids, w->special[UNK]);
        return;
    }
    for (size_t i = 0; i < n; i++) len += (size_t)vlp_utf8_put(utf8 + len, (uint32_t)s[i]);
    for (size_t i = 0; i < len; i += used) {
        piece[count] = longest_piece(t, utf8 + i, len - i, i > 0, &used);
        if (piece[count] < 0) {
            vlp_ids_add(ids, w->special[UNK]);
            return;
        }
        count++;
    }
    for (size_t i = 0; i < count; i++) vlp_ids_add(ids, piece[i]);
}

/* Text between special tokens. */
static void encode_plain(const struct vlp_tokenizer *t, struct vlp_runes *text, struct vlp_ids *ids)
{
    vlp_clean_bert(text);
    const int32_t *s = text->at;
    for (size_t i = 0; i < text->n;) {
        size_t end = i;
        if (vlp_is_space(s[i])) {
            i++;
            continue;
        }
        if (vlp_bert_is_punctuation(s[i]))
            end = i + 1;
        else
            while (end < text->n && !vlp_is_space(s[end]) && !vlp_bert_is_punctuation(s[end]))
                end++;
        encode_word(t, s + i, end - i, ids);
        i = end;
    }
}

static int special_at(const int32_t *s, size_t n, size_t *len)
{
    if (s[0] != '[') return -1;
    for (int k = 0; k < N_SPECIALS; k++) {
        size_t i = 0;
        while (specials[k][i] && i < n && s[i] == specials[k][i]) i++;
        *len = i;
        if (!specials[k][i]) return k;
    }
    return -1;
}

static void encode(const struct vlp_tokenizer *t, struct vlp_runes *text, struct vlp_ids *ids)
{
    const struct wordpiece *w = t->own;
    struct vlp_runes        part = {0};
    size_t                  from = 0, len = 0;
    for (size_t i = 0; i <= text->n; i++) {
        const int k = i < text->n ? special_at(text->at + i, text->n - i, &len) : -1;
        if (k < 0 && i < text->n) continue;
        if (i > from) {
            part.n = 0;
            vlp_runes_add_all(&part, text->at + from, i - from);
            encode_plain(t, &part, ids);
        }
        if (k < 0) break;
        vlp_ids_add(ids, w->special[k]);
        from = i + len;
        i = from - 1;
    }
    vlp_runes_free(&part);
}

static void encode_clipa(const struct vlp_tokenizer *t, struct vlp_runes *text, struct vlp_ids *ids)
{
    vlp_repair_openai(text);
    encode(t, text, ids);
}

static bool continues(const char *piece)
{
    return strncmp(piece, inside, sizeof inside - 1) == 0;
}

const struct vlp_tokenizer_kind vlp_bert_uncased = {"bert_uncased", open, close, encode, continues};
const struct vlp_tokenizer_kind vlp_bert_clipa = {"bert_clipa", open_clipa, close, encode_clipa,
                                                  continues};
