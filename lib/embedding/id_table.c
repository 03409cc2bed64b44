/*
 * id_table.c -- ids to numbers: open addressing, linear probing, at most half full.
 */
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

static struct id_slot *look(const struct id_table *t, uint64_t hash, const char *id, size_t len)
{
    size_t i = hash & (t->cap - 1);
    for (;; i = (i + 1) & (t->cap - 1)) {
        struct id_slot *s = &t->slot[i];
        if (!s->id || (s->hash == hash && s->len == len && memcmp(s->id, id, len) == 0)) return s;
    }
}

static void grow(struct id_table *t)
{
    struct id_table bigger = {.n = t->n, .cap = t->cap ? 2 * t->cap : 1024};
    bigger.slot = vlp_calloc(bigger.cap, sizeof *bigger.slot);
    for (size_t i = 0; i < t->cap; i++) {
        const struct id_slot *s = &t->slot[i];
        if (s->id) *look(&bigger, s->hash, s->id, s->len) = *s;
    }
    free(t->slot);
    *t = bigger;
}

struct id_slot *id_table_put(struct id_table *t, const char *id, size_t len)
{
    if (2 * (t->n + 1) > t->cap) grow(t);
    const uint64_t  hash = vlp_hash64(id, len);
    struct id_slot *s = look(t, hash, id, len);
    if (s->id) return s;
    *s = (struct id_slot){.hash = hash, .id = id, .len = (uint32_t)len, .value = -1};
    t->n++;
    return s;
}

struct id_slot *id_table_get(const struct id_table *t, const char *id, size_t len)
{
    if (!t->n) return NULL;
    struct id_slot *s = look(t, vlp_hash64(id, len), id, len);
    return s->id ? s : NULL;
}

void id_table_free(struct id_table *t)
{
    free(t->slot);
    *t = (struct id_table){0};
}
