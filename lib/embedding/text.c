/*
 * text.c -- where the lines of text formats go.
 */
#include <stdlib.h>

#include "embedding_internal.h"

enum vlp_status text_create(struct vlp_embedding_writer              *w,
                            const struct vlp_embedding_write_options *opt, struct vlp_error *err)
{
    struct text_writer   *v = vlp_calloc(1, sizeof *v);
    const enum vlp_status s =
        vlp_output_open(&v->out, w->standard ? "-" : w->path, opt->force, err);
    if (s != VLP_OK) free(v);
    w->state = v;
    return s;
}

enum vlp_status text_finish(struct vlp_embedding_writer *w, bool commit, struct vlp_error *err)
{
    struct text_writer *v = w->state;
    enum vlp_status     s = VLP_OK;
    if (commit)
        s = vlp_output_commit(&v->out, err);
    else
        vlp_output_abort(&v->out);
    vlp_buf_free(&v->line);
    free(v);
    return s;
}
