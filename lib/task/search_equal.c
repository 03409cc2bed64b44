/*
 * search_equal.c -- rows that are equal byte for byte, so that one can be looked at for all (of
 * copies there can be very many); and the rows that are looked at put together.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

static void find_equal(struct distinct *d, int n)
{
    const size_t size = (size_t)d->dim * sizeof *d->x, most = (size_t)n + 1;
    const char **row = vlp_malloc(most * sizeof *row);
    size_t      *len = vlp_malloc(most * sizeof *len);
    for (int i = 0; i < n; i++) {
        row[i] = (const char *)d->x + (size_t)i * size;
        len[i] = size;
    }
    struct vlp_id_table *rows = vlp_id_table_new(row, len, n);
    for (int i = 0; i < n; i++) {
        d->first[i] = vlp_id_find(rows, row[i], size);
        d->next[i] = -1;
    }
    for (int i = n - 1; i >= 0; i--) {
        if (d->first[i] == i) continue;
        d->next[i] = d->next[d->first[i]];
        d->next[d->first[i]] = i;
    }
    vlp_id_table_free(rows);
    free(row);
    free(len);
}

void distinct_open(struct distinct *d, const float *x, int n, int dim)
{
    const size_t most = (size_t)n + 1;
    *d = (struct distinct){.x = x,
                           .dim = dim,
                           .row = vlp_malloc(most * sizeof *d->row),
                           .first = vlp_malloc(most * sizeof *d->first),
                           .next = vlp_malloc(most * sizeof *d->next)};
    find_equal(d, n);
    for (int i = 0; i < n; i++)
        if (d->first[i] == i) d->row[d->n++] = i;
}

void distinct_close(struct distinct *d)
{
    free(d->row);
    free(d->first);
    free(d->next);
}

const float *gather_rows(float *room, const float *x, const int *row, int n, int dim)
{
    const size_t size = (size_t)dim * sizeof *x;
    if (n == 0 || row[n - 1] - row[0] == n - 1) return x + (n ? (size_t)row[0] * (size_t)dim : 0);
    for (int i = 0; i < n; i++)
        memcpy(room + (size_t)i * (size_t)dim, x + (size_t)row[i] * (size_t)dim, size);
    return room;
}

void search_gathered(struct vlp_search *s, enum vlp_metric metric, const float *x, const int *row,
                     int n, int dim, float *room)
{
    for (int i0 = 0; i0 < n; i0 += GATHER_ROWS) {
        const int       m = (int)vlp_min_i64(GATHER_ROWS, n - i0);
        struct vlp_rows rows = vlp_rows_of(metric, gather_rows(room, x, row + i0, m, dim), m, dim);
        rows.first = i0;
        vlp_search_rows(s, &rows);
    }
}
