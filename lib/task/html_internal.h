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

/* Thumbnails of these pictures, files or members of shards, in that order: each file is read once,
 * shards in one pass each, on all threads. */
struct page_picture *page_pictures_open(const struct vlp_names *names, struct vlp_pool *pool);
void                 page_pictures_close(struct page_picture *p, const struct vlp_names *names);

#endif
