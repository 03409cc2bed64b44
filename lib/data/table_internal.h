/*
 * table_internal.h -- rows of a table, between the file that cuts them and the file that reads
 * them.
 */
#ifndef TABLE_INTERNAL_H
#define TABLE_INTERNAL_H

#include "data_internal.h"

struct rows {
    struct stream  stream;
    bool           comma; /* CSV; else TSV */
    bool           begun;
    int64_t        line;     /* the next to read, from 1 */
    int64_t        row_line; /* where the row in hand begins */
    struct vlp_buf raw, text;
    uint32_t      *at; /* where fields begin in text, which is at most RECORD_LIMIT long */
    size_t         n, cap;
    bool           too_long; /* the row is cut off */
    bool           unended;  /* no line end closes it: it is the last */
    bool           is_part;  /* and the file seems to end in the middle of it */
    size_t         fewest;   /* fields of any row before; 0: there was none */
};
/* The next row that is not empty. VLP_ERR_FORMAT for a quote that never closes. */
enum vlp_status rows_next(struct rows *r, bool *more, struct vlp_error *err);
struct field    rows_field(const struct rows *r, size_t i); /* no bytes beyond the last */
void            rows_close(struct rows *r);

#endif
