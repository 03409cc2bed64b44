/*
 * lines.c -- entries of a list: one a line or between NULs, of bounded length.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

struct vlp_lines {
    struct stream       stream;
    struct vlp_buf      line;
    enum vlp_lines_kind kind;
    bool                nul;
    int64_t             n;
};

enum vlp_status line_read(struct stream *s, enum vlp_lines_kind kind, bool nul, int64_t number,
                          struct vlp_buf *b, struct vlp_line *out, bool *more,
                          struct vlp_error *err)
{
    const bool texts = kind == VLP_LINES_TEXTS;
    bool       too_long;
    VLP_TRY(stream_line(s, nul ? '\0' : '\n', texts ? TEXT_LIMIT : PATH_LIMIT, b, &too_long, more,
                        err));
    *out = (struct vlp_line){.bytes = b->data, .len = b->len, .number = number};
    if (!*more) return VLP_OK;
    if (too_long) {
        out->status = VLP_ERR_LIMIT;
        out->reason = texts ? "is longer than 1048576 bytes" : "is longer than a path can be";
    } else if (memchr(b->data, '\0', b->len)) {
        out->status = VLP_ERR_FORMAT;
        out->reason = "contains a NUL byte";
    }
    if (!nul && out->len && out->bytes[out->len - 1] == '\r') out->bytes[--out->len] = '\0';
    const size_t bom = texts && number == 1 ? vlp_bom_length(out->bytes, out->len) : 0;
    out->bytes += bom;
    out->len -= bom;
    return VLP_OK;
}

enum vlp_status vlp_lines_open(struct vlp_lines **out, const char *path, enum vlp_lines_kind kind,
                               bool nul, struct vlp_error *err)
{
    struct stream s;
    VLP_TRY(stream_open(&s, path, err));
    *out = vlp_calloc(1, sizeof **out);
    **out = (struct vlp_lines){.stream = s, .kind = kind, .nul = nul};
    return VLP_OK;
}

enum vlp_status vlp_lines_next(struct vlp_lines *l, struct vlp_line *out, bool *more,
                               struct vlp_error *err)
{
    return line_read(&l->stream, l->kind, l->nul, ++l->n, &l->line, out, more, err);
}

void vlp_lines_close(struct vlp_lines *l)
{
    if (!l) return;
    vlp_buf_free(&l->line);
    stream_close(&l->stream);
    free(l);
}
