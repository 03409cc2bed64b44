/*
 * source_list.c -- a list of paths, one a line or between NULs; each is opened as what it is.
 *
 * A line with a tab is a row of a --failed file: its first column counts, with \t \n \r \\ undone.
 * Without a tab a line is the path itself, byte for byte. Empty lines are passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

struct list {
    struct stream  stream;
    struct vlp_buf line;
    struct vlp_buf before; /* the picture of the caption before this one */
    int64_t        n;      /* lines read */
    struct input   file;
};

static enum vlp_status list_open(struct input *in, struct vlp_error *err)
{
    struct list *l = vlp_calloc(1, sizeof *l);
    in->state = l;
    return input_stream(in, &l->stream, err);
}

/*
 * "a.jpg#1" is caption 1 of a.jpg, as ids go, unless there is such a file. The picture gives all
 * its captions again, once: false for the second, third ... of them.
 */
static bool strip_caption_number(struct list *l)
{
    char        *path = l->line.data;
    const size_t stem = vlp_stem_of_id(path, l->line.len);
    const bool   numbered = stem < l->line.len && !vlp_file_exists(path);
    if (numbered) {
        path[stem] = '\0';
        l->line.len = stem;
    }
    const bool again = numbered && l->before.len && strcmp(l->before.data, path) == 0;
    vlp_buf_clear(&l->before);
    if (numbered) vlp_buf_add_str(&l->before, path);
    return !again;
}

/* The file in hand cannot be read, or not further. */
static enum vlp_status lost(struct input *in, enum vlp_status s, const struct vlp_error *why,
                            struct vlp_item *out, bool *more, struct vlp_error *err)
{
    struct list *l = in->state;
    *more = item_of_lost_input(out, in->opt, l->file.path, s, why);
    input_close(&l->file);
    if (*more) return VLP_OK;
    if (err) *err = *why;
    return s;
}

static enum vlp_status list_next(struct input *in, struct vlp_item *out, bool *more,
                                 struct vlp_error *err)
{
    struct list     *l = in->state;
    struct vlp_error why;
    for (;;) {
        if (l->file.kind) {
            const enum vlp_status s = l->file.kind->next(&l->file, out, more, &why);
            if (s == VLP_OK && *more) return VLP_OK;
            if (s != VLP_OK) return lost(in, s, &why, out, more, err);
            if (!l->file.member) input_close(&l->file); /* of a shard the next line may name more */
        }
        struct vlp_line line;
        VLP_TRY(line_read(&l->stream, VLP_LINES_PATHS, in->opt->nul, ++l->n, &l->line, &line, more,
                          err));
        if (!*more) return VLP_OK;
        if (line.status != VLP_OK) {
            item_begin_at(out, "%s:%lld", in->path, (long long)l->n);
            item_fail(out, line.status, "line %lld %s", (long long)l->n, line.reason);
            return VLP_OK;
        }
        l->line.len = in->opt->nul ? line.len : vlp_first_field(line.bytes, line.len);
        l->line.data[l->line.len] = '\0';
        if (l->line.len == 0) continue;
        if (!strip_caption_number(l)) continue;
        if (input_turn(&l->file, l->line.data)) continue;
        input_close(&l->file);
        const enum vlp_status s = input_open(&l->file, in->opt, l->line.data, in->counting, &why);
        l->file.named = in->opt->recursive; /* else lists name pictures, whatever their endings */
        if (s != VLP_OK) return lost(in, s, &why, out, more, err);
    }
}

static void list_close(struct input *in)
{
    struct list *l = in->state;
    if (!l) return;
    input_close(&l->file);
    vlp_buf_free(&l->line);
    vlp_buf_free(&l->before);
    stream_close(&l->stream);
    free(l);
}

const struct source_kind source_list = {NULL, list_open, list_next, list_close};
