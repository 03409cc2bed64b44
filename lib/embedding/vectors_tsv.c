/*
 * vectors_tsv.c -- vectors as text: the id, a tab, and dim numbers with tabs between them.
 *
 * Ids are escaped (\t \n \r \\). Numbers are the shortest that read back as the same f32. A first
 * line whose second field is no number holds column names.
 */
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

enum { LINE_LIMIT = 4 << 20 };

struct tsv_reader {
    float         *rows;
    struct vlp_buf ids, line;
    int64_t        n_lines;
    bool           pending; /* `line` holds the first row, met while opening */
};

/* Anything that looks like text. */
static bool tsv_sniff(const uint8_t *p, size_t have, const char *path)
{
    (void)path;
    return have > 0 && !memchr(p, '\0', have) && memchr(p, '\t', have);
}

static enum vlp_status next_line(struct vlp_embedding_reader *r, bool *more, struct vlp_error *err)
{
    struct tsv_reader *v = r->state;
    const char        *line;
    size_t             len;
    *more = true;
    if (v->pending) {
        v->pending = false;
        return VLP_OK;
    }
    do {
        VLP_TRY(feed_line(&r->feed, LINE_LIMIT, &line, &len, err));
        v->n_lines++;
        if (!line || v->n_lines > 1) continue;
        const size_t bom = vlp_bom_length(line, len);
        line += bom;
        len -= bom;
    } while (line && len == 0);
    *more = line != NULL;
    vlp_buf_clear(&v->line);
    if (line) vlp_buf_add(&v->line, line, len);
    return VLP_OK;
}

static bool is_header(const char *line)
{
    char        field[64] = "";
    float       x;
    const char *second = strchr(line, '\t');
    if (!second) return false;
    const size_t len = strcspn(++second, "\t");
    if (len < sizeof field) memcpy(field, second, len);
    return !vlp_parse_f32(field, &x);
}

static enum vlp_status tsv_open(struct vlp_embedding_reader *r, struct vlp_error *err)
{
    struct tsv_reader *v = r->state = vlp_calloc(1, sizeof *v);
    bool               more;
    VLP_TRY(next_line(r, &more, err));
    const bool named = more && is_header(v->line.data);
    int        dim = 0;
    for (const char *p = more ? v->line.data : ""; (p = strchr(p, '\t')) != NULL; p++) dim++;
    if (dim < 1 || dim > VLP_EMBEDDING_MAX_DIM)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld is no id with a vector", r->feed.name,
                        (long long)v->n_lines);
    r->bare = true;
    r->header.dim = dim;
    r->header.dtype = VLP_F32;
    v->pending = !named;
    v->rows = plain_room(row_size(VLP_F32, dim));
    return VLP_OK;
}

/* Cut the line at its tabs: the id into `ids`, the numbers into x. NULL, or what is wrong. */
static const char *parse_row(struct tsv_reader *v, float *x, int dim, size_t *id_len)
{
    char *tab = strchr(v->line.data, '\t'), *p = v->line.data;
    if (strlen(p) != v->line.len) return "contains a NUL byte";
    if (!tab) return "has no vector";
    *id_len = vlp_tsv_unescape(p, (size_t)(tab - p));
    if (*id_len > VLP_EMBEDDING_MAX_ID) return "has an id that is too long";
    vlp_buf_add(&v->ids, p, *id_len);
    vlp_buf_add_char(&v->ids, '\0');
    for (int c = 0; c < dim; c++) {
        if (!tab) return "has fewer values than the first";
        p = tab + 1;
        tab = strchr(p, '\t');
        if (tab) *tab = '\0';
        if (!vlp_parse_f32(p, &x[c])) return "has a value that is no number";
    }
    return tab ? "has more values than the first" : NULL;
}

static enum vlp_status tsv_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                struct vlp_error *err)
{
    struct tsv_reader *v = r->state;
    const int          dim = r->header.dim, most = plain_rows(row_size(VLP_F32, dim));
    int                n = 0;
    vlp_buf_clear(&v->ids);
    for (; n < most; n++) {
        bool more;
        VLP_TRY(next_line(r, &more, err));
        if (!more) break;
        const char *wrong = parse_row(v, v->rows + (size_t)n * (size_t)dim, dim, &r->id_lens[n]);
        if (wrong)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld %s", r->feed.name,
                            (long long)v->n_lines, wrong);
    }
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        r->ids[i] = v->ids.data + at;
        at += r->id_lens[i] + 1;
    }
    if (n)
        plain_block(r, b, n, v->rows, row_size(VLP_F32, dim));
    else
        r->ended = true;
    return VLP_OK;
}

static void tsv_close(struct vlp_embedding_reader *r)
{
    struct tsv_reader *v = r->state;
    if (!v) return;
    vlp_buf_free(&v->ids);
    vlp_buf_free(&v->line);
    free(v->rows);
    free(v);
}

static enum vlp_status tsv_create(struct vlp_embedding_writer              *w,
                                  const struct vlp_embedding_write_options *opt,
                                  struct vlp_error                         *err)
{
    VLP_TRY(text_create(w, opt, err));
    struct text_writer *v = w->state;
    if (!opt->header) return VLP_OK;
    vlp_buf_add_str(&v->line, "id");
    for (int c = 1; c <= w->header.dim; c++) vlp_buf_printf(&v->line, "\tv%d", c);
    vlp_buf_add_char(&v->line, '\n');
    const enum vlp_status s = vlp_output_write(&v->out, v->line.data, v->line.len, err);
    if (s != VLP_OK) text_finish(w, false, NULL);
    return s;
}

static enum vlp_status tsv_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                                 struct vlp_error *err)
{
    struct text_writer *v = w->state;
    char                number[32];
    VLP_TRY(plain_check(w, r, err));
    vlp_buf_clear(&v->line);
    vlp_buf_add_tsv(&v->line, r->id, r->id_len);
    for (int c = 0; c < w->header.dim; c++) {
        const int len = vlp_format_f32(number, r->vector[c]);
        vlp_buf_add_char(&v->line, '\t');
        vlp_buf_add(&v->line, number, (size_t)len);
    }
    vlp_buf_add_char(&v->line, '\n');
    return vlp_output_write(&v->out, v->line.data, v->line.len, err);
}

const struct format format_tsv = {.name = "tsv",
                                  .sniff = tsv_sniff,
                                  .open = tsv_open,
                                  .next = tsv_next,
                                  .close = tsv_close,
                                  .create = tsv_create,
                                  .write = tsv_write,
                                  .finish = text_finish};
