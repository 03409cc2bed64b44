/*
 * csv.c -- CSV in memory, for who knows what its columns mean: the rows of table_rows.c.
 */
#include <stdlib.h>

#include "table_internal.h"

struct vlp_csv {
    struct rows rows;
};

struct vlp_csv *vlp_csv_open(const char *bytes, size_t len, const char *name)
{
    struct vlp_csv *c = vlp_calloc(1, sizeof *c);
    c->rows.comma = true;
    stream_of_memory(&c->rows.stream, bytes, len, name);
    return c;
}

enum vlp_status vlp_csv_next(struct vlp_csv *c, bool *more, struct vlp_error *err)
{
    VLP_TRY(rows_next(&c->rows, more, err));
    if (*more && c->rows.too_long)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: the row in line %lld has more than %d bytes",
                        c->rows.stream.name, (long long)c->rows.row_line, RECORD_LIMIT);
    return VLP_OK;
}

int64_t vlp_csv_line(const struct vlp_csv *c)
{
    return c->rows.row_line;
}

size_t vlp_csv_fields(const struct vlp_csv *c)
{
    return c->rows.n;
}

const char *vlp_csv_field(const struct vlp_csv *c, size_t i, size_t *len)
{
    const struct field f = rows_field(&c->rows, i);
    *len = f.len;
    return f.bytes;
}

void vlp_csv_close(struct vlp_csv *c)
{
    if (!c) return;
    rows_close(&c->rows);
    free(c);
}
