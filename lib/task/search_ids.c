/*
 * search_ids.c -- ids to row numbers: an open hash table over strings that somebody else keeps.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

struct vlp_id_table {
    const char *const *ids;
    const size_t      *lens;
    size_t             mask;
    int               *slot; /* row + 1, or 0 */
};

static size_t place(const struct vlp_id_table *t, const char *id, size_t len)
{
    size_t i = (size_t)vlp_hash64(id, len) & t->mask;
    while (t->slot[i]) {
        const int row = t->slot[i] - 1;
        if (t->lens[row] == len && memcmp(t->ids[row], id, len) == 0) break;
        i = (i + 1) & t->mask;
    }
    return i;
}

struct vlp_id_table *vlp_id_table_new(const char *const *ids, const size_t *lens, int n)
{
    struct vlp_id_table *t = vlp_calloc(1, sizeof *t);
    size_t               size = 16;
    while (size < 2 * (size_t)n) size *= 2;
    t->ids = ids;
    t->lens = lens;
    t->mask = size - 1;
    t->slot = vlp_calloc(size, sizeof *t->slot);
    for (int i = 0; i < n; i++) {
        const size_t at = place(t, ids[i], lens[i]);
        if (!t->slot[at]) t->slot[at] = i + 1;
    }
    return t;
}

void vlp_id_table_free(struct vlp_id_table *t)
{
    if (!t) return;
    free(t->slot);
    free(t);
}

int vlp_id_find(const struct vlp_id_table *t, const char *id, size_t len)
{
    return t->slot[place(t, id, len)] - 1;
}
