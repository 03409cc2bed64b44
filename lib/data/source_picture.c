/*
 * source_picture.c -- a picture file: one record, or one for each caption beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

struct picture {
    struct captions captions;
    bool            looked; /* for captions */
    int             at;     /* records given */
};

static enum vlp_status picture_open(struct input *in, struct vlp_error *err)
{
    (void)err;
    in->state = vlp_calloc(1, sizeof(struct picture));
    return VLP_OK;
}

static enum vlp_status picture_next(struct input *in, struct vlp_item *out, bool *more,
                                    struct vlp_error *err)
{
    struct picture *p = in->state;
    (void)err;
    if (in->opt->captions && !p->looked) captions_read_beside(&p->captions, in->path);
    p->looked = true;
    *more = p->at < captions_records(&p->captions);
    if (!*more) return VLP_OK;
    item_begin(out, in->path, strlen(in->path));
    if (!in->counting) item_set_picture(out, in->path);
    captions_give(&p->captions, p->at++, out);
    return VLP_OK;
}

static void picture_close(struct input *in)
{
    struct picture *p = in->state;
    if (!p) return;
    captions_free(&p->captions);
    free(p);
}

const struct source_kind source_picture = {"image", picture_open, picture_next, picture_close};
