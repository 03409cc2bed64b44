/*
 * tokenizer.c -- the table of tokenizers, and what they share: opening, start and end, the cut.
 */
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

static const struct vlp_tokenizer_kind *const kinds[] = {&vlp_clip_bpe, &vlp_bert_uncased,
                                                         &vlp_bert_clipa};

enum { SHORTEST_CONTEXT = 2 }; /* start and end */

static const struct vlp_tokenizer_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < VLP_COUNT(kinds); i++)
        if (name && strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

static enum vlp_status check_rows(const struct vlp_tokenizer *t, struct vlp_error *err)
{
    if (t->pieces.n <= t->vocab_size) return VLP_OK;
    return vlp_fail(err, VLP_ERR_FORMAT,
                    "the vocabulary has %d pieces but the model's embedding %d rows", t->pieces.n,
                    t->vocab_size);
}

enum vlp_status vlp_tokenizer_open(struct vlp_tokenizer           **out,
                                   const struct vlp_tokenizer_spec *spec, struct vlp_error *err)
{
    const struct vlp_tokenizer_kind *kind = find_kind(spec->kind);
    if (!kind)
        return vlp_fail(err, VLP_ERR_SUPPORT, "there is no tokenizer '%s'",
                        spec->kind ? spec->kind : "");
    if (spec->context < SHORTEST_CONTEXT)
        return vlp_fail(err, VLP_ERR_FORMAT, "a context of %d ids cannot hold start and end",
                        spec->context);
    struct vlp_buf        vocab = {0};
    struct vlp_tokenizer *t = vlp_calloc(1, sizeof *t);
    *t = (struct vlp_tokenizer){.kind = kind,
                                .cleaning = spec->cleaning,
                                .context = spec->context,
                                .vocab_size = spec->vocab_size};
    enum vlp_status status = vlp_vocab_inflate(&vocab, spec->vocab, spec->vocab_len, err);
    if (status == VLP_OK) status = kind->open(t, vocab.data ? vocab.data : "", vocab.len, err);
    if (status == VLP_OK) status = check_rows(t, err);
    vlp_buf_free(&vocab);
    if (status == VLP_OK)
        *out = t;
    else
        vlp_tokenizer_close(t);
    return status;
}

void vlp_tokenizer_close(struct vlp_tokenizer *t)
{
    if (!t) return;
    t->kind->close(t);
    vlp_pieces_free(&t->pieces);
    free(t);
}

int vlp_tokenizer_context(const struct vlp_tokenizer *t)
{
    return t->context;
}

int32_t vlp_tokenizer_end(const struct vlp_tokenizer *t)
{
    return t->end;
}

const char *vlp_token_piece(const struct vlp_tokenizer *t, int32_t id)
{
    return vlp_pieces_text(&t->pieces, id);
}

enum vlp_status vlp_tokenize(struct vlp_tokens *out, struct vlp_arena *mem,
                             const struct vlp_tokenizer *t, const char *text, size_t len,
                             struct vlp_error *err)
{
    struct vlp_runes runes = {0};
    struct vlp_ids   ids = {.limit = (size_t)t->context};
    if (len > INT32_MAX / 16)
        return vlp_fail(err, VLP_ERR_LIMIT, "a text of %zu bytes is longer than we tokenize", len);
    enum vlp_status status = vlp_runes_decode(&runes, text, len, err);
    if (status == VLP_OK) {
        vlp_ids_add(&ids, t->start);
        t->kind->encode(t, &runes, &ids);
        vlp_ids_add(&ids, t->end);
        const size_t n = ids.count < ids.limit ? ids.count : ids.limit;
        out->n = (int)n;
        out->full = (int)ids.count;
        out->ids = vlp_arena_alloc(mem, n * sizeof *out->ids);
        memcpy(out->ids, ids.at, n * sizeof *out->ids);
        out->ids[n - 1] = t->end;
    }
    free(ids.at);
    vlp_runes_free(&runes);
    return status;
}

int vlp_token_words(const struct vlp_tokenizer *t, const struct vlp_tokens *tokens, int *start)
{
    int n = 0, last = 1;
    for (int i = 1; i + 1 < tokens->n; i++) {
        const char *piece = vlp_token_piece(t, tokens->ids[i]);
        last = i + 1;
        if (n > 0 && piece && t->kind->continues(piece)) continue;
        start[n++] = i;
    }
    start[n] = last;
    return n;
}
