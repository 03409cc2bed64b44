/*
 * table_rows.c -- rows of TSV and CSV, cut into fields.
 *
 * CSV as RFC 4180: fields in quotes may hold commas, line ends and doubled quotes. In TSV a row is
 * a line; a field is quoted only when its closing quote ends it, so that a caption may begin with
 * one. Lines end in \n or \r\n.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"
#include "table_internal.h"

void rows_close(struct rows *r)
{
    stream_close(&r->stream);
    vlp_buf_free(&r->text);
    free(r->at);
    *r = (struct rows){0};
}

static void begin_field(struct rows *r)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->at = vlp_realloc(r->at, r->cap * sizeof *r->at);
    }
    r->at[r->n++] = (uint32_t)r->text.len;
}

struct field rows_field(const struct rows *r, size_t i)
{
    if (i >= r->n) return (struct field){0};
    const size_t end = i + 1 < r->n ? r->at[i + 1] : r->text.len;
    return (struct field){r->text.data + r->at[i], end - r->at[i]};
}

/* ---- CSV --------------------------------------------------------------------------- */

static void put_byte(struct rows *r, int c)
{
    if (!r->too_long) vlp_buf_add_char(&r->text, (char)c);
}

static enum vlp_status csv_row(struct rows *r, bool *more, struct vlp_error *err)
{
    enum vlp_status s = VLP_OK;
    bool            quoted = false, start = true, cr = false; /* cr: the last byte, unquoted */
    const int64_t   line = r->line;
    const uint64_t  from = r->stream.offset;
    int             c = stream_byte(&r->stream, &s, err);
    *more = c >= 0;
    if (c < 0) return s;
    begin_field(r);
    for (; c >= 0; c = stream_byte(&r->stream, &s, err)) {
        /* Commas and quotes count too: a field costs memory, and a row must not be endless. */
        if (c == '\n')
            r->line++;
        else
            r->too_long = r->stream.offset - from > RECORD_LIMIT;
        if (r->stream.offset - from > LINE_LIMIT)
            return vlp_fail(err, VLP_ERR_LIMIT, "%s: the row in line %lld has more than %d bytes",
                            r->stream.name, (long long)line, LINE_LIMIT);
        if (c != '\n') cr = c == '\r' && !quoted;
        if (quoted) {
            if (c != '"') {
                put_byte(r, c);
                continue;
            }
            if ((s = stream_fill(&r->stream, 1, err)) != VLP_OK) return s;
            quoted = r->stream.begin < r->stream.end && r->stream.buf[r->stream.begin] == '"';
            if (quoted) put_byte(r, stream_byte(&r->stream, &s, err));
        } else if (c == '"' && start) {
            quoted = true;
        } else if (c == ',') {
            if (!r->too_long) begin_field(r);
            start = true;
            continue;
        } else if (c == '\n') {
            break;
        } else {
            put_byte(r, c);
        }
        start = false;
    }
    if (s == VLP_OK && quoted)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: a quoted field of the row in line %lld never ends", r->stream.name,
                        (long long)line);
    r->unended = c < 0;
    /* The \r of a line end belongs to no field. */
    if (cr && !r->too_long) r->text.data[--r->text.len] = '\0';
    return s;
}

/* ---- TSV --------------------------------------------------------------------------- */

/* "it said ""no""" without its quotes, in place; the new length. Anything else stays. */
static size_t unquote(char *s, size_t len)
{
    if (len < 2 || s[0] != '"' || s[len - 1] != '"') return len;
    for (size_t i = 1; i < len - 1; i++) {
        if (s[i] != '"') continue;
        if (i + 1 == len - 1 || s[i + 1] != '"') return len;
        i++;
    }
    size_t n = 0;
    for (size_t i = 1; i < len - 1; i++) {
        s[n++] = s[i];
        if (s[i] == '"') i++;
    }
    return n;
}

static enum vlp_status tsv_row(struct rows *r, bool *more, struct vlp_error *err)
{
    VLP_TRY(stream_line(&r->stream, '\n', RECORD_LIMIT, &r->raw, &r->too_long, more, err));
    if (!*more) return VLP_OK;
    r->unended = r->stream.unended;
    r->line++;
    char *p = r->raw.data, *end = p + r->raw.len;
    if (end > p && end[-1] == '\r') end--;
    for (;;) {
        char *tab = memchr(p, '\t', (size_t)(end - p));
        begin_field(r);
        vlp_buf_add(&r->text, p, unquote(p, (size_t)((tab ? tab : end) - p)));
        if (!tab) return VLP_OK;
        p = tab + 1;
    }
}

/* ------------------------------------------------------------------------------------ */

static bool is_empty(const struct rows *r)
{
    return r->n <= 1 && r->text.len == 0 && !r->too_long;
}

/* A last row without an end is whole in many files; in one that was cut it misses fields. (In TSV a
 * quote that is not closed is a character, as in any other row; in CSV it is an error before.) */
static void judge(struct rows *r)
{
    r->is_part = r->unended && !r->too_long && r->n < r->fewest;
    if (!r->fewest || r->n < r->fewest) r->fewest = r->n;
}

enum vlp_status rows_next(struct rows *r, bool *more, struct vlp_error *err)
{
    if (!r->begun) {
        r->begun = true;
        r->line = 1;
        VLP_TRY(stream_fill(&r->stream, 3, err));
        r->stream.begin +=
            vlp_bom_length(r->stream.buf + r->stream.begin, r->stream.end - r->stream.begin);
    }
    do {
        vlp_buf_clear(&r->text);
        vlp_buf_add(&r->text, "", 0);
        r->n = 0;
        r->too_long = false;
        r->row_line = r->line;
        VLP_TRY(r->comma ? csv_row(r, more, err) : tsv_row(r, more, err));
    } while (*more && is_empty(r));
    if (*more) judge(r);
    return VLP_OK;
}
