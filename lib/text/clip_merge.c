/*
 * clip_merge.c -- the bytes of a word merged into pieces, the earliest merge of the list first.
 *
 * A word's pairs wait in a heap ordered by (rank, place), so a word of n bytes costs n log n.
 */
#include <stdlib.h>

#include "clip_internal.h"

static uint32_t pair_hash(int32_t left, int32_t right)
{
    const uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static int32_t merged(const struct vlp_bpe *b, int32_t left, int32_t right)
{
    for (uint32_t k = pair_hash(left, right) & b->mask;; k = (k + 1) & b->mask) {
        const struct vlp_bpe_merge *m = &b->slot[k];
        if (m->id < 0) return -1;
        if (m->left == left && m->right == right) return m->id;
    }
}

void vlp_bpe_index(struct vlp_bpe *b, int count)
{
    uint32_t size = 16;
    while (size < (uint32_t)count * 2) size *= 2;
    b->slot = vlp_malloc(size * sizeof *b->slot);
    for (uint32_t k = 0; k < size; k++) b->slot[k].id = -1;
    b->mask = size - 1;
}

void vlp_bpe_add(struct vlp_bpe *b, struct vlp_bpe_merge m)
{
    uint32_t k = pair_hash(m.left, m.right) & b->mask;
    while (b->slot[k].id >= 0) k = (k + 1) & b->mask;
    b->slot[k] = m;
}

struct vlp_bpe_symbol {
    int32_t id, next_id; /* next_id: what merging with the next one gives, -1 nothing */
    int32_t prev, next;  /* -1 none */
};

void vlp_bpe_work_free(struct vlp_bpe_work *w)
{
    vlp_buf_free(&w->bytes);
    free(w->symbol);
    free(w->heap);
    *w = (struct vlp_bpe_work){0};
}

static void push(struct vlp_bpe_work *w, uint64_t entry)
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

static uint64_t pop(struct vlp_bpe_work *w)
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
static void pair_up(struct vlp_bpe_work *w, const struct vlp_bpe *b, int32_t i)
{
    struct vlp_bpe_symbol *s = &w->symbol[i];
    s->next_id = s->next < 0 ? -1 : merged(b, s->id, w->symbol[s->next].id);
    if (s->next_id >= 0) push(w, (uint64_t)s->next_id << 32 | (uint32_t)i);
}

void vlp_bpe_encode_word(const struct vlp_bpe *b, struct vlp_bpe_work *w, struct vlp_ids *ids)
{
    const int32_t n = (int32_t)w->bytes.len;
    if ((size_t)n > w->cap) {
        w->cap = (size_t)n * 2;
        w->symbol = vlp_realloc(w->symbol, w->cap * sizeof *w->symbol);
    }
    for (int32_t i = 0; i < n; i++)
        w->symbol[i] = (struct vlp_bpe_symbol){b->byte_id[(uint8_t)w->bytes.data[i]], -1, i - 1,
                                               i + 1 < n ? i + 1 : -1};
    w->symbol[n - 1].id += VLP_BPE_BYTES;
    w->n_heap = 0;
    for (int32_t i = 0; i + 1 < n; i++) pair_up(w, b, i);
    while (w->n_heap > 0) {
        const uint64_t         entry = pop(w);
        const int32_t          i = (int32_t)(uint32_t)entry, id = (int32_t)(entry >> 32);
        struct vlp_bpe_symbol *s = &w->symbol[i];
        if (s->next_id != id) continue; /* one of the two has merged elsewhere since */
        struct vlp_bpe_symbol *gone = &w->symbol[s->next];
        gone->next_id = -1;
        s->id = id;
        s->next = gone->next;
        if (s->next >= 0) w->symbol[s->next].prev = i;
        if (s->prev >= 0) pair_up(w, b, s->prev);
        pair_up(w, b, i);
    }
    for (int32_t i = 0; i >= 0; i = w->symbol[i].next) vlp_ids_add(ids, w->symbol[i].id);
}
