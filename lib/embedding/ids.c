/*
 * ids.c -- PATH.ids: the ids of a file of bare vectors, one a line, escaped as in TSV. They are
 * beside the file itself, wherever links to it may be.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embedding_internal.h"

static char *ids_path(const char *path)
{
    struct vlp_buf b = {0};
    vlp_buf_printf(&b, "%s.ids", path);
    return b.data;
}

static char *ids_path_behind_links(const char *path)
{
    char *place = vlp_end_of_links(path), *ids = ids_path(place);
    free(place);
    return ids;
}

enum vlp_status ids_open(struct ids_file *f, const char *path, struct vlp_error *err)
{
    enum vlp_status s = VLP_OK;
    if (!path) return VLP_OK;
    char *ids = ids_path_behind_links(path);
    f->there = vlp_file_exists(ids);
    if (!f->there) { /* beside the link: an array of somebody else's may have been given ids so */
        free(ids);
        ids = ids_path(path);
        f->there = vlp_file_exists(ids);
    }
    if (f->there) s = feed_open(&f->feed, ids, err);
    if (s != VLP_OK) f->there = false;
    free(ids);
    return s;
}

/* The ids lie in f->text behind each other; pointers are made when it has stopped growing. */
enum vlp_status ids_take(struct ids_file *f, struct vlp_embedding_reader *r, int n,
                         struct vlp_error *err)
{
    vlp_buf_clear(&f->text);
    for (int i = 0; i < n; i++, f->next++) {
        const size_t at = f->text.len;
        if (f->there) {
            const char *line;
            size_t      len;
            VLP_TRY(feed_line(&f->feed, 2 * (size_t)VLP_EMBEDDING_MAX_ID, &line, &len, err));
            if (!line)
                return vlp_fail(err, VLP_ERR_FORMAT, "%s: has %lld ids, fewer than %s has vectors",
                                f->feed.name, (long long)f->next, r->feed.name);
            vlp_buf_add(&f->text, line, len);
            f->text.len = at + vlp_tsv_unescape(f->text.data + at, len);
            f->text.data[f->text.len] = '\0';
        } else {
            vlp_buf_printf(&f->text, "%lld", (long long)f->next);
        }
        r->id_lens[i] = f->text.len - at;
        if (r->id_lens[i] > VLP_EMBEDDING_MAX_ID)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld has an id that is too long",
                            f->feed.name, (long long)f->next + 1);
        vlp_buf_add_char(&f->text, '\0');
    }
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        r->ids[i] = f->text.data + at;
        at += r->id_lens[i] + 1;
    }
    return VLP_OK;
}

enum vlp_status ids_end(struct ids_file *f, struct vlp_error *err)
{
    const char *line = NULL;
    size_t      len;
    if (f->there) VLP_TRY(feed_line(&f->feed, SIZE_MAX / 2, &line, &len, err));
    if (line)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: has more ids than there are vectors (%lld)",
                        f->feed.name, (long long)f->next);
    return VLP_OK;
}

void ids_close(struct ids_file *f)
{
    if (f->there) feed_close(&f->feed);
    vlp_buf_free(&f->text);
}

enum vlp_status ids_create(struct ids_output *o, const struct vlp_output *vectors,
                           const struct vlp_embedding_writer        *w,
                           const struct vlp_embedding_write_options *opt, struct vlp_error *err)
{
    *o = (struct ids_output){0};
    if (!vectors->temp) return VLP_OK; /* nothing stands beside a pipe or a device */
    char                 *ids = ids_path_behind_links(w->path);
    const enum vlp_status s = vlp_output_open(&o->out, ids, opt->force, err);
    o->there = s == VLP_OK;
    free(ids);
    return s;
}

enum vlp_status ids_write(struct ids_output *o, const struct vlp_record *r, struct vlp_error *err)
{
    struct vlp_buf b = {0};
    if (!o->there) return VLP_OK;
    vlp_buf_add_tsv(&b, r->id, r->id_len);
    vlp_buf_add_char(&b, '\n');
    const enum vlp_status s = vlp_output_write(&o->out, b.data, b.len, err);
    vlp_buf_free(&b);
    return s;
}

static enum vlp_status put_empty(const char *path, struct vlp_error *err)
{
    struct vlp_output empty;
    VLP_TRY(vlp_output_open(&empty, path, true, err));
    return vlp_output_commit(&empty, err);
}

/* What becomes of the ids that are there while the vectors are replaced. */
struct old_ids {
    char *path;
    bool  none; /* none were there, and what is now may go */
    char *kept; /* their second name; NULL where there are none, or links are not to be had */
};

/* It is not clear yet which vectors they would stand beside: a file without ids takes their place.
 */
static enum vlp_status set_aside(struct old_ids *old, const char *path, struct vlp_error *err)
{
    struct vlp_buf kept = {0};
    const bool     there = vlp_file_exists(path);
    vlp_buf_printf(&kept, "%s.tmp-before", path);
    unlink(kept.data);
    *old = (struct old_ids){.path = vlp_strdup(path), .kept = kept.data};
    if (link(path, kept.data) != 0) {
        vlp_buf_free(&kept);
        old->kept = NULL;
    }
    const enum vlp_status s = put_empty(path, err);
    old->none = s == VLP_OK && !there;
    return s;
}

/* `stands`: the vectors are those of before. */
static void end_aside(struct old_ids *old, bool stands)
{
    if (stands && old->none) unlink(old->path);
    if (stands && old->kept) rename(old->kept, old->path);
    if (old->kept) unlink(old->kept); /* of two names of one file rename leaves both */
    free(old->kept);
    free(old->path);
}

static bool is_at(const char *path, const struct stat *own)
{
    struct stat there;
    return stat(path, &there) == 0 && there.st_ino == own->st_ino && there.st_dev == own->st_dev;
}

/* The vectors, and that they are still those when the ids follow: jobs that write the same files at
 * the same time may come between each other's steps. `stands`: the file is as it was before, or not
 * there as before. */
static enum vlp_status put_vectors(struct vlp_output *vectors, const char *path, bool *stands,
                                   struct vlp_error *err)
{
    struct stat     before, own;
    const bool      there = stat(path, &before) == 0;
    const bool      renamed = vectors->temp && fstat(fileno(vectors->file), &own) == 0;
    enum vlp_status s = vlp_output_commit(vectors, err);
    if (s == VLP_OK && renamed && !is_at(path, &own))
        s = vlp_fail(err, VLP_ERR_IO, "%s: has been replaced by another program meanwhile", path);
    *stands = there ? is_at(path, &before) : !vlp_file_exists(path);
    return s;
}

enum vlp_status ids_commit(struct ids_output *o, struct vlp_output *vectors,
                           const struct vlp_embedding_writer *w, struct vlp_error *err)
{
    if (!o->there) return vlp_output_commit(vectors, err);
    bool            stands = true;
    struct old_ids  old = {0};
    enum vlp_status s = vlp_output_sync(&o->out, err);
    if (s == VLP_OK) s = vlp_output_sync(vectors, err);
    vlp_outputs_hold();
    if (s == VLP_OK && o->out.temp) s = set_aside(&old, o->out.path, err);
    if (s == VLP_OK) s = put_vectors(vectors, w->path, &stands, err);
    if (s == VLP_OK) s = vlp_output_commit(&o->out, err);
    end_aside(&old, s != VLP_OK && stands);
    vlp_outputs_release();
    vlp_output_abort(vectors);
    ids_abort(o);
    return s;
}

void ids_abort(struct ids_output *o)
{
    vlp_output_abort(&o->out);
    o->there = false;
}
