/*
 * source_lines.c -- one text a line; ids are line numbers, or the texts themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

enum { TEXT_LIMIT = 1 << 20, ID_LIMIT = 64 * 1024 };

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
    struct lines *l = in->state;
    bool          too_long;
    VLP_TRY(stream_line(&l->stream, in->opt->nul ? '\0' : '\n', TEXT_LIMIT, &l->line, &too_long,
                        more, err));
    if (!*more) return VLP_OK;
    const char *text = l->line.data;
    size_t      len = l->line.len;
    if (!in->opt->nul && len && text[len - 1] == '\r') len--;
    if (l->n++ == 0 && len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    if (in->opt->id_is_text && len && len <= ID_LIMIT && !too_long)
        item_begin(out, text, len);
    else
        item_begin_at(out, "%lld", (long long)l->n);
    if (too_long || (in->opt->id_is_text && len > ID_LIMIT))
        item_fail(out, VLP_ERR_LIMIT, "line %lld is longer than %d bytes", (long long)l->n,
                  too_long ? TEXT_LIMIT : ID_LIMIT);
    else
        item_set_text(out, text, len);
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
