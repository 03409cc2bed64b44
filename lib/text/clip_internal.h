/*
 * clip_internal.h -- the parts of CLIP's byte pair encoding: vocabulary, merging, splitting.
 */
#ifndef VLP_CLIP_INTERNAL_H
#define VLP_CLIP_INTERNAL_H

#include "text_internal.h"

enum { VLP_BPE_BYTES = 256 };

struct vlp_bpe_merge {
    int32_t left, right, id; /* id -1: empty */
};

struct vlp_bpe {
    struct vlp_bpe_merge *slot; /* hash table of pairs */
    uint32_t              mask;
    uint8_t               byte_id[VLP_BPE_BYTES];
};
void vlp_bpe_index(struct vlp_bpe *b, int count); /* room for that many merges */
void vlp_bpe_add(struct vlp_bpe *b, struct vlp_bpe_merge m);

/* Scratch of one text: grows with its longest word. Zero-initialise to start. */
struct vlp_bpe_symbol;
struct vlp_bpe_work {
    struct vlp_buf         bytes; /* the word, UTF-8 */
    struct vlp_bpe_symbol *symbol;
    uint64_t              *heap; /* merged id << 32 | place: the smallest first */
    size_t                 cap, n_heap, heap_cap;
};
void vlp_bpe_work_free(struct vlp_bpe_work *w);
void vlp_bpe_encode_word(const struct vlp_bpe *b, struct vlp_bpe_work *w, struct vlp_ids *ids);

/* Clean, split and encode by the rules of the one or the other reference. */
void vlp_clip_encode_openai(const struct vlp_tokenizer *t, struct vlp_bpe_work *w,
                            struct vlp_runes *text, struct vlp_ids *ids);
void vlp_clip_encode_hf(const struct vlp_tokenizer *t, struct vlp_bpe_work *w,
                        struct vlp_runes *text, struct vlp_ids *ids);

#endif
