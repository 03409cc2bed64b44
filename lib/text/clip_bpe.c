/*
 * clip_bpe.c -- CLIP's byte pair encoding: vocabulary from the merges, splitting, merging.
 *
 *   ids 0 .. 255 bytes, 256 .. 511 the same at a word's end, then one per merge, then start and end
 *
 * A word's pairs wait in a heap ordered by (rank, place), so a word of n bytes costs n log n.
 */
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

enum { BYTES = 256, MOST_MERGES = 49152 - 256 - 2, END_MARK_LEN = 4 };
static const char end_mark[] = "</w>";

struct merge {
    int32_t left, right, id; /* id -1: empty */
};

struct bpe {
    struct merge *slot;
    uint32_t      mask;
    uint8_t       byte_id[BYTES];
};

/* ---- vocabulary ---- */

static bool stands_for_itself(int b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

/* The byte alphabet: printable bytes first, the others written as U+0100 and following. */
static void add_bytes(struct vlp_pieces *p, uint8_t byte_id[BYTES], const char *mark)
{
    uint32_t other = 0x100;
    int      id = 0;
    for (int own = 1; own >= 0; own--)
        for (int b = 0; b < BYTES; b++) {
            if (stands_for_itself(b) != own) continue;
            char   text[4 + END_MARK_LEN];
            size_t len = (size_t)vlp_utf8_put(text, own ? (uint32_t)b : other++);
            memcpy(text + len, mark, strlen(mark));
            vlp_pieces_add(p, text, len + strlen(mark));
            byte_id[b] = (uint8_t)id++;
        }
}

static uint32_t pair_hash(int32_t left, int32_t right)
{
    const uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static int32_t merged(const struct bpe *b, int32_t left, int32_t right)
{
    for (uint32_t k = pair_hash(left, right) & b->mask;; k = (k + 1) & b->mask) {
        const struct merge *m = &b->slot[k];
        if (m->id < 0) return -1;
        if (m->left == left && m->right == right) return m->id;
    }
}

/* One line "left right" as a piece; the halves are looked up once all pieces are known. */
static bool split_line(const char *line, size_t len, size_t *left_len)
{
    const char *space = memchr(line, ' ', len);
    if (!space || space == line || space + 1 == line + len) return false;
    *left_len = (size_t)(space - line);
    return !memchr(space + 1, ' ', len - *left_len - 1);
}

static enum vlp_status add_merges(struct vlp_tokenizer *t, const char *at, const char *end,
                                  struct vlp_error *err)
{
    const char *line;
    size_t      len, left;
    vlp_vocab_line(&at, end, &line, &len); /* the version */
    for (int n = 1; n <= MOST_MERGES && vlp_vocab_line(&at, end, &line, &len); n++) {
        if (len == 0 && at >= end) break;
        if (!split_line(line, len, &left))
            return vlp_fail(err, VLP_ERR_FORMAT, "the vocabulary's line %d is not a merge", n + 1);
        char *both = vlp_malloc(len);
        memcpy(both, line, left);
        memcpy(both + left, line + left + 1, len - left - 1);
        vlp_pieces_add(&t->pieces, both, len - 1);
        free(both);
    }
    return VLP_OK;
}

static enum vlp_status index_merges(struct vlp_tokenizer *t, struct bpe *b, const char *at,
                                    const char *end, int count, struct vlp_error *err)
{
    const char *line;
    size_t      len, left;
    uint32_t    size = 16;
    while (size < (uint32_t)count * 2) size *= 2;
    b->slot = vlp_malloc(size * sizeof *b->slot);
    for (uint32_t k = 0; k < size; k++) b->slot[k].id = -1;
    b->mask = size - 1;
    vlp_vocab_line(&at, end, &line, &len);
    for (int n = 0; n < count && vlp_vocab_line(&at, end, &line, &len); n++) {
        split_line(line, len, &left);
        const struct merge m = {vlp_pieces_find(&t->pieces, line, left),
                                vlp_pieces_find(&t->pieces, line + left + 1, len - left - 1),
                                2 * BYTES + n};
        if (m.left < 0 || m.right < 0)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "the vocabulary's line %d merges a piece that does not exist", n + 2);
        uint32_t k = pair_hash(m.left, m.right) & b->mask;
        while (b->slot[k].id >= 0) k = (k + 1) & b->mask;
        b->slot[k] = m;
    }
    return VLP_OK;
}

static enum vlp_status open(struct vlp_tokenizer *t, const char *vocab, size_t len,
                            struct vlp_error *err)
{
    struct bpe *b = vlp_calloc(1, sizeof *b);
    int         repeated;
    t->own = b;
    add_bytes(&t->pieces, b->byte_id, "");
    add_bytes(&t->pieces, b->byte_id, end_mark);
    VLP_TRY(add_merges(t, vocab, vocab + len, err));
    t->start = t->pieces.n;
    t->end = t->start + 1;
    vlp_pieces_add(&t->pieces, "<|startoftext|>", 15);
    vlp_pieces_add(&t->pieces, "<|endoftext|>", 13);
    if (!vlp_pieces_index(&t->pieces, &repeated))
        return vlp_fail(err, VLP_ERR_FORMAT, "the vocabulary's line %d repeats the piece '%.40s'",
                        repeated - 2 * BYTES + 2, vlp_pieces_text(&t->pieces, repeated));
    return index_merges(t, b, vocab, vocab + len, t->start - 2 * BYTES, err);
}

static void close(struct vlp_tokenizer *t)
{
    struct bpe *b = t->own;
    if (b) free(b->slot);
    free(b);
}

/* ---- merging ---- */

struct symbol {
    int32_t id, next_id; /* next_id: what merging with the next one gives, -1 nothing */
    int32_t prev, next;  /* -1 none */
};

/* Scratch of one text: grows with its longest word. */
struct work {
    struct vlp_buf bytes;
    struct symbol *symbol;
    uint64_t      *heap; /* merged id << 32 | place: the smallest first */
    size_t         cap, n_heap, heap_cap;
};

static void push(struct work *w, uint64_t entry)
{
    if (w->n_heap == w->heap_cap) {
        w->heap_cap = w->heap_cap * 2 + 64;
        w->heap = vlp_realloc(w->heap, w->heap_cap * sizeof *w->heap);
    }
    size_t i = w->n_heap++;
    for (; i > 0 && w->heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = entry;
}

static uint64_t pop(struct work *w)
{
    const uint64_t top = w->heap[0], last = w->heap[--w->n_heap];
    size_t         i = 0;
    for (size_t k; (k = 2 * i + 1) < w->n_heap; i = k) {
        if (k + 1 < w->n_heap && w->heap[k + 1] < w->heap[k]) k++;
        if (w->heap[k] >= last) break;
        w->heap[i] = w->heap[k];
    }
    w->heap[i] = last;
    return top;
}

/* The pair that begins at place i, now that its symbols are known. */
static void pair_up(struct work *w, const struct bpe *b, int32_t i)
{
    struct symbol *s = &w->symbol[i];
    s->next_id = s->next < 0 ? -1 : merged(b, s->id, w->symbol[s->next].id);
    if (s->next_id >= 0) push(w, (uint64_t)s->next_id << 32 | (uint32_t)i);
}

static void encode_word(const struct bpe *b, struct work *w, struct vlp_ids *ids)
{
    const int32_t n = (int32_t)w->bytes.len;
    if ((size_t)n > w->cap) {
        w->cap = (size_t)n * 2;
        w->symbol = vlp_realloc(w->symbol, w->cap * sizeof *w->symbol);
    }
    for (int32_t i = 0; i < n; i++)
        w->symbol[i] = (struct symbol){b->byte_id[(uint8_t)w->bytes.data[i]], -1, i - 1,
                                       i + 1 < n ? i + 1 : -1};
    w->symbol[n - 1].id += BYTES;
    w->n_heap = 0;
    for (int32_t i = 0; i + 1 < n; i++) pair_up(w, b, i);
    while (w->n_heap > 0) {
        const uint64_t entry = pop(w);
        const int32_t  i = (int32_t)(uint32_t)entry, id = (int32_t)(entry >> 32);
        struct symbol *s = &w->symbol[i];
        if (s->next_id != id) continue; /* one of the two has merged elsewhere since */
        struct symbol *gone = &w->symbol[s->next];
        gone->next_id = -1;
        s->id = id;
        s->next = gone->next;
        if (s->next >= 0) w->symbol[s->next].prev = i;
        if (s->prev >= 0) pair_up(w, b, s->prev);
        pair_up(w, b, i);
    }
    for (int32_t i = 0; i >= 0; i = w->symbol[i].next) vlp_ids_add(ids, w->symbol[i].id);
}

/* ---- splitting ---- */

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

static bool is_other(int32_t c)
{
    return !vlp_is_space(c) && !vlp_is_letter(c) && !vlp_is_number(c);
}

/* How many code points of s make the next word; s does not begin with a space. */
static size_t word_at(const int32_t *s, size_t n, bool fold)
{
    size_t len = contraction_at(s, n, fold);
    if (len > 0) return len;
    if (vlp_is_letter(s[0])) {
        for (len = 1; len < n && vlp_is_letter(s[len]);) len++;
        return len;
    }
    if (vlp_is_number(s[0])) return 1;
    for (len = 1; len < n && is_other(s[len]);) len++;
    return len;
}

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

static void encode_clean(const struct vlp_tokenizer *t, struct work *w, const int32_t *s, size_t n,
                         struct vlp_ids *ids)
{
    const bool fold = t->cleaning == VLP_CLEAN_OPENAI;
    for (size_t i = 0, len; i < n; i += len) {
        int32_t id = -1;
        len = 1;
        if (vlp_is_space(s[i])) continue;
        len = special_at(t, s + i, n - i, fold, &id);
        if (len > 0 && literal_at(s + i, len, vlp_pieces_text(&t->pieces, id), false) == len) {
            vlp_ids_add(ids, id);
            continue;
        }
        if (len == 0) len = word_at(s + i, n - i, fold);
        vlp_buf_clear(&w->bytes);
        vlp_runes_encode(&w->bytes, s + i, len);
        encode_word(t->own, w, ids);
    }
}

static void encode(const struct vlp_tokenizer *t, struct vlp_runes *text, struct vlp_ids *ids)
{
    struct work w = {0};
    if (t->cleaning == VLP_CLEAN_OPENAI)
        vlp_clean_openai(text);
    else
        vlp_clean_hf(text);
    encode_clean(t, &w, text->at, text->n, ids);
    vlp_buf_free(&w.bytes);
    free(w.symbol);
    free(w.heap);
}

static bool continues(const char *piece)
{
    (void)piece;
    return false;
}

const struct vlp_tokenizer_kind vlp_clip_bpe = {"clip_bpe", open, close, encode, continues};
