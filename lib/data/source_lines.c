/*
 * source_lines.c -- one text a line; ids are line numbers, or the texts themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

enum { ID_LIMIT = 64 * 1024 };

struct lines {
    struct stream  stream;
    struct vlp_buf line;
    int64_t        n;
};

static enum vlp_status lines_open(struct input *in, struct vlp_error *err)
{
    struct lines *l = vlp_calloc(1, sizeof *l);
    in->state = l;
    return input_stream(in, &l->stream, err);
}

static enum vlp_status lines_next(struct input *in, struct vlp_item *out, bool *more,
                                  struct vlp_error *err)
{
    struct lines   *l = in->state;
    struct vlp_line line;
    VLP_TRY(
        line_read(&l->stream, VLP_LINES_TEXTS, in->opt->nul, ++l->n, &l->line, &line, more, err));
    if (!*more) return VLP_OK;
    if (in->opt->id_is_text && line.len <= ID_LIMIT && line.status == VLP_OK)
        item_begin(out, line.bytes, line.len);
    else
        item_begin_at(out, "%lld", (long long)l->n);
    if (line.status != VLP_OK)
        item_fail(out, line.status, "line %lld %s", (long long)l->n, line.reason);
    else if (in->opt->id_is_text && line.len > ID_LIMIT)
        item_fail(out, VLP_ERR_LIMIT, "line %lld is longer than %d bytes", (long long)l->n,
                  ID_LIMIT);
    else
        item_set_text(out, line.bytes, line.len);
    return VLP_OK;
}

static void lines_close(struct input *in)
{
    struct lines *l = in->state;
    if (!l) return;
    vlp_buf_free(&l->line);
    stream_close(&l->stream);
    free(l);
}

const struct source_kind source_lines = {NULL, lines_open, lines_next, lines_close};
