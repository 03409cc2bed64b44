/*
 * html_pictures.c -- the thumbnails of a page, each made once, or the reason why there is none.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include <vlp/data.h>

#include "html_internal.h"

enum { THUMBNAIL = 256 };

struct making {
    const struct vlp_names *names;
    struct page_picture    *picture;
    struct vlp_names       *shards; /* of pictures that are members of them, each once */
    struct page_picture    *shard;  /* what was wrong with each */
};

static void refuse(struct page_picture *p, enum vlp_status why, const char *reason)
{
    vlp_buf_clear(&p->jpeg);
    if (p->reason) return;
    p->status = why;
    p->reason = vlp_strdup(reason);
}

static bool is_made(const struct page_picture *p)
{
    return p->jpeg.len || p->reason;
}

void page_picture_make(struct page_picture *p, const char *path, const void *bytes, size_t len)
{
    struct vlp_error err;
    if (!is_made(p) && vlp_thumbnail(&p->jpeg, path, bytes, len, THUMBNAIL, &err) != VLP_OK)
        refuse(p, err.status, err.text);
}

static void file_task(void *ctx, int i, int worker)
{
    (void)worker;
    const struct making *m = ctx;
    const char          *path = vlp_names_get(m->names, i);
    struct stat          st;
    if (is_made(&m->picture[i]) || vlp_shard_length(path)) return;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe would be waited for */
        struct vlp_error err;
        vlp_fail(&err, VLP_ERR_IO, "%s: is not a regular file", path);
        refuse(&m->picture[i], err.status, err.text);
        return;
    }
    page_picture_make(&m->picture[i], path, NULL, 0);
}

static void take_member(const struct making *m, struct page_picture *shard,
                        const struct vlp_item *it)
{
    const int k = vlp_names_find(m->names, it->id);
    if (k >= 0 && it->bytes)
        page_picture_make(&m->picture[k], it->id, it->bytes, it->bytes_len);
    else if (it->status != VLP_OK && (k >= 0 || it->lost_input))
        refuse(k >= 0 ? &m->picture[k] : shard, it->status, it->reason);
}

/* The members of shard i that the page shows, in one pass over it. */
static void shard_task(void *ctx, int i, int worker)
{
    (void)worker;
    const struct making *m = ctx;
    struct vlp_source   *source;
    struct vlp_error     err;
    char                *path = (char *)vlp_names_get(m->shards, i);

    const struct vlp_source_options members = {.paths = &path,
                                               .n_paths = 1,
                                               .format = "tar",
                                               .text_fault = VLP_FAULT_UNASKED,
                                               .label_fault = VLP_FAULT_UNASKED};
    enum vlp_status                 s = vlp_source_open(&source, &members, &err);
    if (s == VLP_OK) {
        struct vlp_item it;
        for (bool more; (s = vlp_source_next(source, &it, &more, &err)) == VLP_OK && more;) {
            take_member(m, &m->shard[i], &it);
            vlp_item_free(&it);
        }
        vlp_source_close(source);
    }
    if (s != VLP_OK) refuse(&m->shard[i], s, err.text);
}

/* Members that did not come: for what is wrong with the shard, else they are not in it. */
static void refuse_missing(const struct making *m)
{
    for (int i = 0; i < vlp_names_count(m->names); i++) {
        struct page_picture *p = &m->picture[i];
        if (is_made(p)) continue;
        const char *path = vlp_names_get(m->names, i);
        char       *shard = vlp_strndup(path, vlp_shard_length(path));
        const int   k = vlp_names_find(m->shards, shard);
        const char *why = k >= 0 ? m->shard[k].reason : NULL;
        refuse(p, why ? m->shard[k].status : VLP_ERR_IO, why ? why : "no such member");
        free(shard);
    }
}

struct page_picture *page_pictures_open(const struct vlp_names    *names,
                                        const struct page_picture *kept, int n_kept,
                                        struct vlp_pool *pool)
{
    const int     n = vlp_names_count(names);
    struct making m = {.names = names, .shards = vlp_names_new()};
    m.picture = vlp_calloc((size_t)n + 1, sizeof *m.picture);
    for (int i = 0; i < n_kept; i++) m.picture[i] = kept[i];
    for (int i = 0; i < n; i++) {
        const char  *path = vlp_names_get(names, i);
        const size_t len = is_made(&m.picture[i]) ? 0 : vlp_shard_length(path);
        char        *shard = len ? vlp_strndup(path, len) : NULL;
        if (shard) vlp_names_add(m.shards, shard);
        free(shard);
    }
    m.shard = vlp_calloc((size_t)vlp_names_count(m.shards) + 1, sizeof *m.shard);
    vlp_parallel(pool, n, file_task, &m);
    vlp_parallel(pool, vlp_names_count(m.shards), shard_task, &m);
    refuse_missing(&m);
    page_pictures_close(m.shard, vlp_names_count(m.shards));
    vlp_names_free(m.shards);
    return m.picture;
}

void page_pictures_close(struct page_picture *p, int n)
{
    for (int i = 0; i < n; i++) {
        vlp_buf_free(&p[i].jpeg);
        free(p[i].reason);
    }
    free(p);
}
