/*
 * pieces.c -- the pieces of a vocabulary: id to text, and text to id by a hash table.
 */
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

void vlp_pieces_free(struct vlp_pieces *p)
{
    vlp_buf_free(&p->text);
    free(p->start);
    free(p->slot);
    *p = (struct vlp_pieces){0};
}

void vlp_pieces_add(struct vlp_pieces *p, const char *s, size_t len)
{
    if (p->n == p->cap) {
        p->cap = p->cap * 2 + 1024;
        p->start = vlp_realloc(p->start, (size_t)p->cap * sizeof *p->start);
    }
    p->start[p->n++] = (uint32_t)p->text.len;
    vlp_buf_add(&p->text, s, len);
    vlp_buf_add_char(&p->text, '\0');
}

const char *vlp_pieces_text(const struct vlp_pieces *p, int id)
{
    return id >= 0 && id < p->n ? p->text.data + p->start[id] : NULL;
}

static size_t length_of(const struct vlp_pieces *p, int id)
{
    const size_t end = id + 1 < p->n ? p->start[id + 1] : p->text.len;
    return end - p->start[id] - 1;
}

int32_t vlp_pieces_find_hashed(const struct vlp_pieces *p, uint32_t hash, const char *head,
                               size_t head_len, const char *s, size_t len)
{
    for (uint32_t k = hash & p->mask;; k = (k + 1) & p->mask) {
        const int32_t id = p->slot[k];
        if (id < 0) return -1;
        const char *text = p->text.data + p->start[id];
        if (length_of(p, id) == head_len + len && memcmp(text, head, head_len) == 0 &&
            memcmp(text + head_len, s, len) == 0)
            return id;
    }
}

int32_t vlp_pieces_find(const struct vlp_pieces *p, const char *s, size_t len)
{
    return vlp_pieces_find_hashed(p, vlp_fnv1a(VLP_FNV_START, s, len), "", 0, s, len);
}

bool vlp_pieces_index(struct vlp_pieces *p, int *repeated)
{
    uint32_t size = 16;
    while (size < (uint32_t)p->n * 2) size *= 2;
    free(p->slot);
    p->slot = vlp_malloc(size * sizeof *p->slot);
    memset(p->slot, -1, size * sizeof *p->slot);
    p->mask = size - 1;
    for (int id = 0; id < p->n; id++) {
        const char  *s = vlp_pieces_text(p, id);
        const size_t len = length_of(p, id);
        if (vlp_pieces_find(p, s, len) >= 0) {
            *repeated = id;
            return false;
        }
        uint32_t k = vlp_fnv1a(VLP_FNV_START, s, len) & p->mask;
        while (p->slot[k] >= 0) k = (k + 1) & p->mask;
        p->slot[k] = id;
    }
    return true;
}

void vlp_ids_add(struct vlp_ids *ids, int32_t id)
{
    if (ids->count < ids->limit) {
        if (ids->count == ids->cap) {
            ids->cap = ids->cap * 2 + 80;
            ids->at = vlp_realloc(ids->at, ids->cap * sizeof *ids->at);
        }
        ids->at[ids->count] = id;
    }
    ids->count++;
}
