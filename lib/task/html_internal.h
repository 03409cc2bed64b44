/*
 * html_internal.h -- the thumbnails of a page, shared by the files that write it.
 */
#ifndef VLP_HTML_INTERNAL_H
#define VLP_HTML_INTERNAL_H

#include <vlp/classify.h>
#include <vlp/html.h>

struct page_picture {
    struct vlp_buf  jpeg;   /* empty: it could not be read */
    enum vlp_status status; /* why */
    char           *reason;
};

/* The thumbnail of the file (`bytes` NULL) or of these bytes, unless there is one. */
void page_picture_make(struct page_picture *p, const char *path, const void *bytes, size_t len);
/*
 * Thumbnails of these pictures, files or members of shards, in that order: each file is read once,
 * shards in one pass each, on all threads. Those of the first n_kept are taken over where they are
 * made already.
 */
struct page_picture *page_pictures_open(const struct vlp_names    *names,
                                        const struct page_picture *kept, int n_kept,
                                        struct vlp_pool *pool);
void                 page_pictures_close(struct page_picture *p, int n);

#endif
