/*
 * embedding.c -- embedding files of every format: the table, and what all its rows have in common.
 */
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

/* In the order of recognition: the sure signs first. */
static const struct format *const formats[] = {&format_vle,   &format_npy,   &format_safetensors,
                                               &format_jsonl, &format_fvecs, &format_tsv};

const char *const vlp_embedding_formats[] = {"vle",   "npy",         "fvecs", "tsv",
                                             "jsonl", "safetensors", NULL};
_Static_assert(VLP_COUNT(vlp_embedding_formats) == VLP_COUNT(formats) + 1, "");

static const struct format *format_named(const char *name)
{
    for (size_t i = 0; i < VLP_COUNT(formats); i++)
        if (strcmp(formats[i]->name, name) == 0) return formats[i];
    return NULL;
}

/* ---- writing ----------------------------------------------------------------------- */

static void free_writer(struct vlp_embedding_writer *w)
{
    json_decref(w->header.about);
    free(w->path);
    free(w);
}

static enum vlp_status check_header(const struct vlp_embedding_header *h, const char *path,
                                    struct vlp_error *err)
{
    if (h->dim < 1 || h->dim > VLP_EMBEDDING_MAX_DIM)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: vectors of %d values cannot be stored (1 to %d)",
                        path, h->dim, VLP_EMBEDDING_MAX_DIM);
    if (!dtype_can_be_stored(h->dtype))
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: vectors cannot be stored as %s", path,
                        vlp_dtype_name(h->dtype));
    char  *about = h->about ? json_dumps(h->about, JSON_COMPACT) : NULL;
    size_t size = about ? strlen(about) : 0;
    free(about);
    if (size > VLE_MAX_ABOUT)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: a provenance of %zu bytes is too long", path,
                        size);
    return VLP_OK;
}

enum vlp_status vlp_embedding_writer_open(struct vlp_embedding_writer **out, const char *path,
                                          const struct vlp_embedding_header        *h,
                                          const struct vlp_embedding_write_options *opt,
                                          struct vlp_error                         *err)
{
    const char          *name = opt->format ? opt->format : "vle";
    const struct format *f = format_named(name);
    const bool           standard = strcmp(path, "-") == 0;
    if (!f) return vlp_fail(err, VLP_ERR_USAGE, "no embedding format is called '%s'", name);
    VLP_TRY(check_header(h, path, err));
    if (opt->append && f != &format_vle)
        return vlp_fail(err, VLP_ERR_USAGE, "%s: a file of format %s cannot be continued", path,
                        name);
    if (f->binary && !opt->force && vlp_is_terminal(path))
        return vlp_fail(err, VLP_ERR_USAGE, "%s data is not written to a terminal (-f does)", name);
    struct vlp_embedding_writer *w = vlp_calloc(1, sizeof *w);
    w->format = f;
    w->header = *h;
    json_incref(w->header.about);
    w->standard = standard;
    w->path = vlp_strdup(standard ? "standard output" : path);
    const enum vlp_status s = f->create(w, opt, err);
    if (s != VLP_OK) {
        free_writer(w);
        return s;
    }
    *out = w;
    return VLP_OK;
}

enum vlp_status strings_check(const struct vlp_embedding_writer *w, const struct vlp_record *r,
                              struct vlp_error *err)
{
    const bool id = memchr(r->id, '\0', r->id_len) != NULL;
    const bool meta = r->meta && memchr(r->meta, '\0', r->meta_len);
    if (!id && !meta) return VLP_OK;
    return vlp_fail(err, VLP_ERR_SUPPORT, "%s: %s with a NUL byte (of '%s')", w->path,
                    id ? "an id" : "a text or label", r->id);
}

enum vlp_status vlp_embedding_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                                    struct vlp_error *err)
{
    if (w->failed) return vlp_fail(err, VLP_ERR_IO, "%s: writing failed before", w->path);
    if (r->id_len > VLP_EMBEDDING_MAX_ID)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: an id of %zu bytes is too long (%d)", w->path,
                        r->id_len, VLP_EMBEDDING_MAX_ID);
    if (r->meta && r->meta_len > VLP_EMBEDDING_MAX_META)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: a meta of %zu bytes is too long (%d)", w->path,
                        r->meta_len, VLP_EMBEDDING_MAX_META);
    if (!r->vector && !(r->flags & VLP_RECORD_DELETED))
        return vlp_fail(err, VLP_ERR_USAGE, "%s: a record without a vector", w->path);
    return w->format->write(w, r, err);
}

enum vlp_status vlp_embedding_flush(struct vlp_embedding_writer *w, struct vlp_error *err)
{
    if (w->failed) return vlp_fail(err, VLP_ERR_IO, "%s: writing failed before", w->path);
    return w->format->flush ? w->format->flush(w, err) : VLP_OK;
}

enum vlp_status vlp_embedding_writer_close(struct vlp_embedding_writer *w, struct vlp_error *err)
{
    enum vlp_status s = VLP_OK;
    if (w->failed) {
        s = vlp_fail(err, VLP_ERR_IO, "%s: writing failed before", w->path);
        w->format->finish(w, false, NULL);
    } else {
        s = w->format->finish(w, true, err);
    }
    free_writer(w);
    return s;
}

enum vlp_status vlp_embedding_writer_close_partial(struct vlp_embedding_writer *w,
                                                   struct vlp_error            *err)
{
    w->partial = true;
    return vlp_embedding_writer_close(w, err);
}

void vlp_embedding_writer_abandon(struct vlp_embedding_writer *w)
{
    if (!w) return;
    w->format->finish(w, false, NULL);
    free_writer(w);
}

/* ---- reading ----------------------------------------------------------------------- */

static enum vlp_status recognise(struct vlp_embedding_reader *r, const char *path,
                                 struct vlp_error *err)
{
    const uint8_t *p;
    size_t         have;
    if (r->opt.format) {
        r->format = format_named(r->opt.format);
        if (r->format) return VLP_OK;
        return vlp_fail(err, VLP_ERR_USAGE, "no embedding format is called '%s'", r->opt.format);
    }
    VLP_TRY(feed_see(&r->feed, FORMAT_SNIFF, &p, &have, err));
    if (have == 0) return vlp_fail(err, VLP_ERR_FORMAT, "%s: is empty", r->feed.name);
    for (size_t i = 0; i < VLP_COUNT(formats) && !r->format; i++)
        if (formats[i]->sniff(p, have > FORMAT_SNIFF ? FORMAT_SNIFF : have, path))
            r->format = formats[i];
    if (!r->format)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: is no embedding file of a known format",
                        r->feed.name);
    return VLP_OK;
}

enum vlp_status vlp_embedding_open_with(struct vlp_embedding_reader **out, const char *path,
                                        const struct vlp_embedding_read_options *opt,
                                        struct vlp_error                        *err)
{
    struct vlp_embedding_reader *r = vlp_calloc(1, sizeof *r);
    if (opt) r->opt = *opt;
    enum vlp_status s = feed_open(&r->feed, path, err);
    if (s == VLP_OK) s = recognise(r, path, err);
    if (s == VLP_OK) s = r->format->open(r, err);
    if (s != VLP_OK) {
        vlp_embedding_close(r);
        return s;
    }
    *out = r;
    return VLP_OK;
}

enum vlp_status vlp_embedding_open(struct vlp_embedding_reader **out, const char *path,
                                   struct vlp_error *err)
{
    return vlp_embedding_open_with(out, path, NULL, err);
}

void vlp_embedding_close(struct vlp_embedding_reader *r)
{
    if (!r) return;
    if (r->format) r->format->close(r);
    json_decref(r->header.about);
    json_decref(r->last_about);
    feed_close(&r->feed);
    free(r);
}

const struct vlp_embedding_header *vlp_embedding_header(const struct vlp_embedding_reader *r)
{
    return &r->header;
}

bool vlp_embedding_torn(const struct vlp_embedding_reader *r)
{
    return r->torn;
}

bool vlp_embedding_bare(const struct vlp_embedding_reader *r)
{
    return r->bare;
}

bool vlp_embedding_ended(const struct vlp_embedding_reader *r)
{
    return r->ended;
}

bool vlp_embedding_broken_join(const struct vlp_embedding_reader *r)
{
    return r->broken_join;
}

const json_t *vlp_embedding_last_about(const struct vlp_embedding_reader *r)
{
    return r->last_about ? r->last_about : r->header.about;
}

enum vlp_ending vlp_embedding_ending(const struct vlp_embedding_reader *r)
{
    if (r->torn) return VLP_TORN;
    if (r->ended) return VLP_ENDED;
    return r->broken_join ? VLP_BROKEN_JOIN : VLP_UNFINISHED;
}

int64_t vlp_embedding_damaged(const struct vlp_embedding_reader *r)
{
    return r->damaged;
}

enum vlp_status vlp_embedding_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                   struct vlp_error *err)
{
    *b = (struct vlp_embedding_block){0};
    return r->format->next(r, b, err);
}

void reader_block(const struct vlp_embedding_reader *r, struct vlp_embedding_block *b, int n,
                  const void *raw, size_t row)
{
    *b = (struct vlp_embedding_block){.n = n,
                                      .ids = r->ids,
                                      .id_lens = r->id_lens,
                                      .flags = r->flags,
                                      .metas = r->metas,
                                      .meta_lens = r->meta_lens,
                                      .raw = raw,
                                      .row_size = row};
}
