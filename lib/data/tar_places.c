/*
 * tar_places.c -- where the groups of a tar shard begin, by their names.
 *
 * A shard may have millions of members: of a name only its hash is kept. Who goes to a place looks
 * whether it is the right one.
 */
#include <stdlib.h>

#include "tar_internal.h"

static struct tar_place *slot_of(const struct tar_places *p, uint64_t hash)
{
    size_t i = hash & (p->cap - 1);
    while (p->slot[i].at >= 0 && p->slot[i].hash != hash) i = (i + 1) & (p->cap - 1);
    return &p->slot[i];
}

static void grow(struct tar_places *p)
{
    const struct tar_places old = *p;
    p->cap = old.cap ? 2 * old.cap : 256;
    p->slot = vlp_malloc(p->cap * sizeof *p->slot);
    for (size_t i = 0; i < p->cap; i++) p->slot[i].at = -1;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slot[i].at >= 0) *slot_of(p, old.slot[i].hash) = old.slot[i];
    free(old.slot);
}

void tar_places_put(struct tar_places *p, const char *name, size_t len, int64_t at)
{
    if (2 * (p->n + 1) > p->cap) grow(p);
    const uint64_t    hash = vlp_hash64(name, len);
    struct tar_place *slot = slot_of(p, hash);
    if (slot->at >= 0) return;
    *slot = (struct tar_place){hash, at};
    p->n++;
}

int64_t tar_places_get(const struct tar_places *p, const char *name, size_t len)
{
    return p->cap ? slot_of(p, vlp_hash64(name, len))->at : -1;
}

void tar_places_free(struct tar_places *p)
{
    free(p->slot);
    *p = (struct tar_places){0};
}
