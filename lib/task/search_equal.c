/*
 * search_equal.c -- rows that are equal byte for byte, so that one can be looked at for all (of
 * copies there can be very many); and the rows that are looked at put together.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

void find_equal_rows(int *first, int *next, const float *x, int n, int dim)
{
    const size_t size = (size_t)dim * sizeof *x, most = (size_t)n + 1;
    const char **row = vlp_malloc(most * sizeof *row);
    size_t      *len = vlp_malloc(most * sizeof *len);
    for (int i = 0; i < n; i++) {
        row[i] = (const char *)x + (size_t)i * size;
        len[i] = size;
    }
    struct vlp_id_table *rows = vlp_id_table_new(row, len, n);
    for (int i = 0; i < n; i++) {
        first[i] = vlp_id_find(rows, row[i], size);
        next[i] = -1;
    }
    for (int i = n - 1; i >= 0; i--) {
        if (first[i] == i) continue;
        next[i] = next[first[i]];
        next[first[i]] = i;
    }
    vlp_id_table_free(rows);
    free(row);
    free(len);
}

const float *gather_rows(float *room, const float *x, const int *row, int n, int dim)
{
    const size_t size = (size_t)dim * sizeof *x;
    if (n == 0 || row[n - 1] - row[0] == n - 1) return x + (n ? (size_t)row[0] * (size_t)dim : 0);
    for (int i = 0; i < n; i++)
        memcpy(room + (size_t)i * (size_t)dim, x + (size_t)row[i] * (size_t)dim, size);
    return room;
}
