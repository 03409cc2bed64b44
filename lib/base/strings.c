/*
 * strings.c -- strings to numbers: open addressing, linear probing, at most half full.
 *
 * A slot has the upper half of the hash, which says where it would like to be, and the number plus
 * one; 0 is free. So a table grows without a look at its strings.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/base.h>

static size_t next(const struct vlp_strings *t, size_t i)
{
    return (i + 1) & (t->n_slots - 1);
}

static size_t first(const struct vlp_strings *t, uint64_t hash)
{
    return (hash >> 32) & (t->n_slots - 1);
}

static const struct vlp_string *string_in(const struct vlp_strings *t, uint64_t slot)
{
    return &t->item[(uint32_t)slot - 1];
}

/* The slot of the string, or the free one where it would be. */
static uint64_t *slot_of(const struct vlp_strings *t, uint64_t hash, const char *s, size_t len)
{
    for (size_t i = first(t, hash);; i = next(t, i)) {
        uint64_t *slot = &t->slot[i];
        if (!*slot) return slot;
        if ((*slot ^ hash) >> 32) continue;
        const struct vlp_string *x = string_in(t, *slot);
        if (x->len == len && memcmp(x->s, s, len) == 0) return slot;
    }
}

static void grow(struct vlp_strings *t)
{
    const struct vlp_strings old = *t;
    t->n_slots = old.n_slots ? 2 * old.n_slots : 64;
    t->slot = vlp_calloc(t->n_slots, sizeof *t->slot);
    for (size_t k = 0; k < old.n_slots; k++) {
        size_t i = first(t, old.slot[k]);
        while (old.slot[k] && t->slot[i]) i = next(t, i);
        if (old.slot[k]) t->slot[i] = old.slot[k];
    }
    free(old.slot);
}

size_t vlp_strings_add(struct vlp_strings *t, struct vlp_arena *mem, const char *s, size_t len)
{
    if (2 * (t->n + 1) > t->n_slots) grow(t);
    const uint64_t hash = vlp_hash64(s, len);
    uint64_t      *slot = slot_of(t, hash, s, len);
    if (*slot) return (uint32_t)*slot - 1;
    assert(t->n < INT32_MAX);
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 32;
        t->item = vlp_realloc(t->item, t->cap * sizeof *t->item);
    }
    t->item[t->n++] = (struct vlp_string){mem ? vlp_arena_strndup(mem, s, len) : s, len};
    *slot = hash >> 32 << 32 | t->n;
    return t->n - 1;
}

int64_t vlp_strings_find(const struct vlp_strings *t, const char *s, size_t len)
{
    if (t->n == 0) return -1;
    return (int64_t)(uint32_t)*slot_of(t, vlp_hash64(s, len), s, len) - 1;
}

void vlp_strings_free(struct vlp_strings *t)
{
    free(t->item);
    free(t->slot);
    *t = (struct vlp_strings){0};
}
