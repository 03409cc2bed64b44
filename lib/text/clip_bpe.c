/*
 * clip_bpe.c -- CLIP's byte pair encoding: the vocabulary that a list of merges makes.
 *
 *   ids 0 .. 255 bytes, 256 .. 511 the same at a word's end, then one per merge, then start and end
 */
#include <stdlib.h>
#include <string.h>

#include "clip_internal.h"

enum { MOST_MERGES = 49152 - 256 - 2, END_MARK_LEN = 4 };
static const char end_mark[] = "</w>";

static bool stands_for_itself(int b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

/* The byte alphabet: printable bytes first, the others written as U+0100 and following. */
static void add_bytes(struct vlp_pieces *p, uint8_t byte_id[VLP_BPE_BYTES], const char *mark)
{
    uint32_t other = 0x100;
    int      id = 0;
    for (int own = 1; own >= 0; own--)
        for (int b = 0; b < VLP_BPE_BYTES; b++) {
            if (stands_for_itself(b) != own) continue;
            char   text[4 + END_MARK_LEN];
            size_t len = (size_t)vlp_utf8_put(text, own ? (uint32_t)b : other++);
            memcpy(text + len, mark, strlen(mark));
            vlp_pieces_add(p, text, len + strlen(mark));
            byte_id[b] = (uint8_t)id++;
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

static enum vlp_status index_merges(struct vlp_tokenizer *t, struct vlp_bpe *b, const char *at,
                                    const char *end, int count, struct vlp_error *err)
{
    const char *line;
    size_t      len, left;
    vlp_bpe_index(b, count);
    vlp_vocab_line(&at, end, &line, &len);
    for (int n = 0; n < count && vlp_vocab_line(&at, end, &line, &len); n++) {
        split_line(line, len, &left);
        const struct vlp_bpe_merge m = {
            vlp_pieces_find(&t->pieces, line, left),
            vlp_pieces_find(&t->pieces, line + left + 1, len - left - 1), 2 * VLP_BPE_BYTES + n};
        if (m.left < 0 || m.right < 0)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "the vocabulary's line %d merges a piece that does not exist", n + 2);
        vlp_bpe_add(b, m);
    }
    return VLP_OK;
}

static enum vlp_status open(struct vlp_tokenizer *t, const char *vocab, size_t len,
                            struct vlp_error *err)
{
    struct vlp_bpe *b = vlp_calloc(1, sizeof *b);
    int             repeated;
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
                        repeated - 2 * VLP_BPE_BYTES + 2, vlp_pieces_text(&t->pieces, repeated));
    return index_merges(t, b, vocab, vocab + len, t->start - 2 * VLP_BPE_BYTES, err);
}

static void close(struct vlp_tokenizer *t)
{
    struct vlp_bpe *b = t->own;
    if (b) free(b->slot);
    free(b);
}

static void encode(const struct vlp_tokenizer *t, struct vlp_runes *text, struct vlp_ids *ids)
{
    struct vlp_bpe_work w = {0};
    if (t->cleaning == VLP_CLEAN_OPENAI)
        vlp_clip_encode_openai(t, &w, text, ids);
    else
        vlp_clip_encode_hf(t, &w, text, ids);
    vlp_bpe_work_free(&w);
}

static bool continues(const char *piece)
{
    (void)piece;
    return false;
}

const struct vlp_tokenizer_kind vlp_clip_bpe = {"clip_bpe", open, close, encode, continues};
