/*
 * clip_split.c -- cleaned text into words, in the two ways of the references.
 *
 *   contraction | letters | one number | anything else but spaces
 */
#include "clip_internal.h"

/* Does s begin with the literal? `fold`: the long s counts as an s, as case-insensitive search has
 * it. */
static size_t literal_at(const int32_t *s, size_t n, const char *literal, bool fold)
{
    size_t i = 0;
    for (; literal[i]; i++) {
        if (i == n) return 0;
        if (s[i] != literal[i] && !(fold && literal[i] == 's' && s[i] == 0x17f)) return 0;
    }
    return i;
}

static size_t contraction_at(const int32_t *s, size_t n, bool fold)
{
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    if (s[0] != '\'') return 0;
    for (size_t i = 0; i < VLP_COUNT(endings); i++) {
        const size_t len = literal_at(s, n, endings[i], fold);
        if (len > 0) return len;
    }
    return 0;
}

/* The iota subscript folds to a letter but is none: case-insensitive search passes over it. */
static char class_at(int32_t c, bool fold)
{
    return fold && c == 0x345 ? 'S' : vlp_class_of(c, !fold);
}

/* How many code points of s make the next word; s does not begin with a space. */
static size_t word_at(const int32_t *s, size_t n, bool fold)
{
    size_t     len = contraction_at(s, n, fold);
    const char kind = class_at(s[0], fold);
    if (len > 0) return len;
    if (kind == 'N') return 1;
    for (len = 1; len < n && class_at(s[len], fold) == kind;) len++;
    return len;
}

/* The literal of a special token at s: its length, 0 none. */
static size_t special_at(const struct vlp_tokenizer *t, const int32_t *s, size_t n, bool fold,
                         int32_t *id)
{
    if (s[0] != '<') return 0;
    for (*id = t->start; *id <= t->end; ++*id) {
        const size_t len = literal_at(s, n, vlp_pieces_text(&t->pieces, *id), fold);
        if (len > 0) return len;
    }
    return 0;
}

static void encode_run(const struct vlp_tokenizer *t, struct vlp_bpe_work *w, const int32_t *s,
                       size_t len, struct vlp_ids *ids)
{
    vlp_buf_clear(&w->bytes);
    vlp_runes_encode(&w->bytes, s, len);
    vlp_bpe_encode_word(t->own, w, ids);
}

static void encode_words(const struct vlp_tokenizer *t, struct vlp_bpe_work *w, const int32_t *s,
                         size_t n, bool fold, struct vlp_ids *ids)
{
    for (size_t i = 0, len; i < n; i += len) {
        len = 1;
        if (class_at(s[i], fold) == 'S') continue;
        len = word_at(s + i, n - i, fold);
        encode_run(t, w, s + i, len, ids);
    }
}

/*
 * OpenAI: cleaned first, then a literal is a special token where a word can begin. One written with
 * a long s is found as well but is no token: it is spelled as one word.
 */
void vlp_clip_encode_openai(const struct vlp_tokenizer *t, struct vlp_bpe_work *w,
                            struct vlp_runes *text, struct vlp_ids *ids)
{
    vlp_clean_openai(text);
    const int32_t *s = text->at;
    for (size_t i = 0, len; i < text->n; i += len) {
        int32_t id;
        len = 1;
        if (class_at(s[i], true) == 'S') continue;
        len = special_at(t, s + i, text->n - i, true, &id);
        if (len == 0) {
            len = word_at(s + i, text->n - i, true);
            encode_run(t, w, s + i, len, ids);
        } else if (literal_at(s + i, len, vlp_pieces_text(&t->pieces, id), false) == len) {
            vlp_ids_add(ids, id);
        } else {
            encode_run(t, w, s + i, len, ids);
        }
    }
}

/* Hugging Face, a part without special tokens: literals that lower case made bound words, no more.
 */
static void encode_part(const struct vlp_tokenizer *t, struct vlp_bpe_work *w,
                        struct vlp_runes *part, struct vlp_ids *ids)
{
    vlp_clean_hf(part);
    const int32_t *s = part->at;
    for (size_t i = 0, len; i < part->n; i += len) {
        int32_t id;
        len = 1;
        if (class_at(s[i], false) == 'S') continue;
        len = special_at(t, s + i, part->n - i, false, &id);
        if (len == 0) len = word_at(s + i, part->n - i, false);
        encode_words(t, w, s + i, len, false, ids);
    }
}

/* Hugging Face: special tokens are cut out of the raw text, exact in case, wherever they are. */
void vlp_clip_encode_hf(const struct vlp_tokenizer *t, struct vlp_bpe_work *w,
                        struct vlp_runes *text, struct vlp_ids *ids)
{
    struct vlp_runes part = {0};
    size_t           from = 0;
    for (size_t i = 0; i <= text->n; i++) {
        int32_t      id = -1;
        const size_t left = text->n - i;
        const size_t len = left > 0 ? special_at(t, text->at + i, left, false, &id) : 0;
        if (len == 0 && left > 0) continue;
        part.n = 0;
        vlp_runes_add_all(&part, text->at + from, i - from);
        encode_part(t, w, &part, ids);
        if (len == 0) break;
        vlp_ids_add(ids, id);
        from = i + len;
        i = from - 1;
    }
    vlp_runes_free(&part);
}
