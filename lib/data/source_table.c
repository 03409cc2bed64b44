/*
 * source_table.c -- records from TSV and CSV: which column is what, then row by row.
 *
 * Columns are named by the options, or found: a first row with a usual name (columns.c) is a
 * header. Without header and options, the first column whose first cell ends like a picture is the
 * picture and the next other one its caption; without any picture, one column is texts, two or more
 * are id and text. A row of names with other separators is refused, or it would be a text.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data_internal.h"
#include "table_internal.h"

struct table {
    struct rows rows;
    int         column[COLUMN_COUNT]; /* -1: none */
    bool        ready, pending;       /* the columns are known; the first row is data */
    int64_t     n;

    struct field    field[COLUMN_COUNT]; /* of the row in hand */
    struct captions captions;            /* its text, if it has one; what is wrong with its label */
    int             at;                  /* records given */
};

static enum vlp_status open_table(struct input *in, bool comma, struct vlp_error *err)
{
    struct table *t = vlp_calloc(1, sizeof *t);
    t->rows.comma = comma;
    in->state = t;
    return input_stream(in, &t->rows.stream, err);
}

static enum vlp_status tsv_open(struct input *in, struct vlp_error *err)
{
    return open_table(in, false, err);
}

static enum vlp_status csv_open(struct input *in, struct vlp_error *err)
{
    return open_table(in, true, err);
}

static bool cell_is(struct field f, const char *name)
{
    while (f.len && (*f.bytes == ' ')) f.bytes++, f.len--;
    while (f.len && f.bytes[f.len - 1] == ' ') f.len--;
    return f.len == strlen(name) && strncasecmp(f.bytes, name, f.len) == 0;
}

static int find_cell(const struct rows *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (cell_is(rows_field(r, i), name)) return (int)i;
    return -1;
}

static int find_usual(const struct rows *r, enum column c)
{
    for (const char *const *name = column_names[c]; *name; name++) {
        const int i = find_cell(r, *name);
        if (i >= 0) return i;
    }
    return -1;
}

/* Columns by what the cells of the first row look like. */
static void guess(struct table *t, const bool told[COLUMN_COUNT])
{
    const struct rows *r = &t->rows;
    const int          n = (int)r->n;
    if (told[COLUMN_IMAGE] || told[COLUMN_TEXT]) return;
    for (int i = 0; i < n && t->column[COLUMN_IMAGE] < 0; i++) {
        const struct field f = rows_field(r, (size_t)i);
        char              *cell = vlp_strndup(f.bytes, f.len);
        if (i != t->column[COLUMN_ID] && i != t->column[COLUMN_LABEL] && vlp_name_is_picture(cell))
            t->column[COLUMN_IMAGE] = i;
        free(cell);
    }
    if (t->column[COLUMN_IMAGE] < 0 && !told[COLUMN_ID] && n > 1) t->column[COLUMN_ID] = 0;
    for (int i = 0; i < n && t->column[COLUMN_TEXT] < 0; i++)
        if (i != t->column[COLUMN_IMAGE] && i != t->column[COLUMN_ID] &&
            i != t->column[COLUMN_LABEL])
            t->column[COLUMN_TEXT] = i;
}

/* A name in a row of names, as others quote it. */
static bool is_usual(struct field f)
{
    if (f.len > 1 && f.bytes[0] == '"' && f.bytes[f.len - 1] == '"') f.bytes++, f.len -= 2;
    for (int c = 0; c < COLUMN_COUNT; c++)
        for (const char *const *name = column_names[c]; *name; name++)
            if (cell_is(f, *name)) return true;
    return false;
}

/* Is the cell a row of names that something else separates? One usual name among words, or two
 * among anything, tell; a text has neither. */
static bool is_names_between(struct field cell, char separator)
{
    const char *p = cell.bytes, *end = p + cell.len, *stop;
    int         pieces = 0, usual = 0;
    bool        words = true;
    for (; p <= end; p = stop + 1, pieces++) {
        stop = memchr(p, separator, (size_t)(end - p));
        if (!stop) stop = end;
        words = words && !memchr(p, ' ', (size_t)(stop - p));
        usual += is_usual((struct field){p, (size_t)(stop - p)});
    }
    return pieces > 1 && (usual > 1 || (usual == 1 && words));
}

/* A first row of one cell: columns, but not as this kind of table separates them. */
static enum vlp_status check_separator(const struct input *in, struct vlp_error *err)
{
    static const struct {
        char        byte;
        const char *is, *advice;
    } other[] = {{';', "semicolons", "commas or tabs are read"},
                 {'|', "bars", "commas or tabs are read"},
                 {'\t', "tabs", "--input-format tsv reads them"},
                 {',', "commas", "--input-format csv reads them"}};
    const struct table *t = in->state;
    for (size_t i = 0; i < VLP_COUNT(other) && t->rows.n == 1; i++)
        if (is_names_between(rows_field(&t->rows, 0), other[i].byte))
            return vlp_fail(err, VLP_ERR_USAGE, "%s: %s between the names of its columns (%s)",
                            in->path, other[i].is, other[i].advice);
    return VLP_OK;
}

static enum vlp_status find_columns(struct input *in, struct vlp_error *err)
{
    struct table      *t = in->state;
    const struct rows *r = &t->rows;
    bool               header = false, told[COLUMN_COUNT];
    for (int c = 0; c < COLUMN_COUNT; c++) {
        const char *option = column_option(in->opt, (enum column)c);
        int64_t     number;
        told[c] = option != NULL;
        t->column[c] = -1;
        if (option && vlp_parse_i64(option, &number)) {
            t->column[c] = (int)number - 1;
        } else if (option) {
            t->column[c] = find_cell(r, option);
            header = true;
            if (t->column[c] < 0)
                return vlp_fail(err, VLP_ERR_USAGE, "%s: no column is called '%s'", in->path,
                                option);
        }
    }
    int usual[COLUMN_COUNT];
    for (int c = 0; c < COLUMN_COUNT; c++) {
        usual[c] = find_usual(r, (enum column)c);
        header |= usual[c] >= 0;
    }
    for (int c = 0; c < COLUMN_COUNT && header; c++)
        if (!told[c]) t->column[c] = usual[c];
    if (!header && !told[COLUMN_IMAGE] && !told[COLUMN_TEXT]) VLP_TRY(check_separator(in, err));
    if (!header) guess(t, told);
    t->ready = true;
    t->pending = !header;
    if (t->column[COLUMN_IMAGE] < 0 && t->column[COLUMN_TEXT] < 0)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "%s: which column holds pictures or texts? (--image-column, --text-column)",
                        in->path);
    return VLP_OK;
}

/* Fields, text and faults of the row in hand. */
static void read_row(const struct input *in)
{
    struct table *t = in->state;
    for (int c = 0; c < COLUMN_COUNT; c++)
        t->field[c] =
            t->column[c] < 0 ? (struct field){0} : rows_field(&t->rows, (size_t)t->column[c]);
    const struct field *text = &t->field[COLUMN_TEXT], *label = &t->field[COLUMN_LABEL];
    if (text->bytes && text->len) captions_add(&t->captions, text->bytes, text->len);
    if (label->bytes && memchr(label->bytes, '\0', label->len)) {
        captions_fault(&t->captions, column_label_fault(in->opt), VLP_ERR_FORMAT,
                       "row %lld: a label with a NUL byte", (long long)t->n);
        t->field[COLUMN_LABEL] = (struct field){0};
    }
}

static void give(const struct input *in, struct vlp_item *out)
{
    struct table *t = in->state;
    record_make(out, in, t->field, t->n);
    captions_give(&t->captions, t->at++, out);
    out->of_many = false; /* a row is one record, whatever is wrong with it */
    record_check(out);
}

/* The file ends in the middle of the row in hand. */
static enum vlp_status cut(const struct rows *r, struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld: %s", r->stream.name,
                    (long long)r->row_line, ends_inside);
}

/* Is each cell of the row of names the name of a column? Else the file may end within one. */
static bool is_whole(const struct table *t)
{
    for (size_t i = 0; i < t->rows.n; i++) {
        bool known = is_usual(rows_field(&t->rows, i));
        for (int c = 0; c < COLUMN_COUNT; c++) known = known || t->column[c] == (int)i;
        if (!known) return false;
    }
    return true;
}

static enum vlp_status table_next(struct input *in, struct vlp_item *out, bool *more,
                                  struct vlp_error *err)
{
    struct table *t = in->state;
    struct rows  *r = &t->rows;
    if (!t->ready) {
        VLP_TRY(rows_next(r, more, err));
        if (!*more) return VLP_OK;
        VLP_TRY(find_columns(in, err));
        if (!t->pending && r->unended && !is_whole(t)) return cut(r, err);
    }
    if (t->at > 0 && t->at < captions_records(&t->captions)) {
        *more = true;
        give(in, out);
        return VLP_OK;
    }
    captions_free(&t->captions);
    t->at = 0;
    if (!t->pending) VLP_TRY(rows_next(r, more, err));
    if (!t->pending && !*more) return VLP_OK;
    *more = true;
    t->pending = false;
    t->n++;
    const int  needs = 1 + (int)vlp_max_i64(t->column[COLUMN_IMAGE], t->column[COLUMN_TEXT]);
    const bool is_short = !r->too_long && (int)r->n < needs;
    if (r->is_part || (is_short && r->unended)) return cut(r, err);
    if (!r->too_long && !is_short) {
        read_row(in);
        give(in, out);
        return VLP_OK;
    }
    item_begin_at(out, "%s:%lld", in->path, (long long)t->n);
    if (r->too_long)
        item_fail(out, VLP_ERR_LIMIT, "line %lld: the row is longer than %d bytes",
                  (long long)r->row_line, RECORD_LIMIT);
    else
        item_fail(out, VLP_ERR_FORMAT, "line %lld: the row has %zu of %d fields",
                  (long long)r->row_line, r->n, needs);
    return VLP_OK;
}

static void table_close(struct input *in)
{
    struct table *t = in->state;
    if (!t) return;
    captions_free(&t->captions);
    vlp_buf_free(&t->rows.raw);
    rows_close(&t->rows);
    free(t);
}

const struct source_kind source_tsv = {"tsv", tsv_open, table_next, table_close};
const struct source_kind source_csv = {"csv", csv_open, table_next, table_close};
