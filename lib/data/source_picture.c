/*
 * source_picture.c -- a picture file: one record, or one for each caption beside it.
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/image.h>

#include "data_internal.h"

struct picture {
    struct captions captions;
    bool            is_pipe;
    bool            looked; /* for captions */
    int             at;     /* records given */
};

static enum vlp_status picture_open(struct input *in, struct vlp_error *err)
{
    (void)err;
    struct picture *p = vlp_calloc(1, sizeof *p);
    in->state = p;
    p->is_pipe = input_is_pipe(in->path);
    return VLP_OK;
}

/* The picture is what a pipe holds. */
static enum vlp_status read_pipe(struct input *in, struct vlp_item *out, struct vlp_error *err)
{
    struct stream   s;
    struct vlp_buf  all = {0};
    enum vlp_status status = input_stream(in, &s, err);
    while (status == VLP_OK && all.len <= VLP_IMAGE_MAX_BYTES) {
        status = stream_fill(&s, 1, err);
        if (s.begin == s.end) break;
        vlp_buf_add(&all, s.buf + s.begin, s.end - s.begin);
        s.begin = s.end;
    }
    stream_close(&s);
    if (status == VLP_OK) {
        item_begin(out, in->path, strlen(in->path));
        if (all.len > VLP_IMAGE_MAX_BYTES)
            item_fail(out, VLP_ERR_LIMIT, "%s: more than %d bytes", in->path, VLP_IMAGE_MAX_BYTES);
        else
            out->bytes = (uint8_t *)vlp_arena_strndup(&out->mem, all.data ? all.data : "", all.len);
        out->bytes_len = all.len;
    }
    vlp_buf_free(&all);
    return status;
}

/* What is not there may be a folder, or any other input, if it is not called like a picture... */
static bool may_be_any(const struct input *in)
{
    return !vlp_name_is_picture(in->path);
}

/* ...and a picture may have had captions: beside it, or in its shard. */
static bool may_be_many(const struct input *in, const struct captions *c)
{
    return may_be_any(in) || (in->opt->captions && c->n <= 1) || strchr(in->path, '!');
}

static enum vlp_status picture_next(struct input *in, struct vlp_item *out, bool *more,
                                    struct vlp_error *err)
{
    struct picture *p = in->state;
    if (p->is_pipe) {
        *more = p->at++ == 0;
        return *more ? read_pipe(in, out, err) : VLP_OK;
    }
    if (in->opt->captions && !p->looked)
        captions_read_beside(&p->captions, in->opt->text_fault, in->path);
    p->looked = true;
    *more = p->at < captions_records(&p->captions);
    if (!*more) return VLP_OK;
    item_begin(out, in->path, strlen(in->path));
    out->path = out->id;
    if (!in->counting) item_set_picture(out, in->path, true);
    out->of_many = out->status != VLP_OK && may_be_many(in, &p->captions);
    out->lost_input = out->status != VLP_OK && in->named && may_be_any(in);
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
