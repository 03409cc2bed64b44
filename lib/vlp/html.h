/*
 * html.h -- one page to look at results: self-contained, offline, for a phone as well as a screen.
 *
 * Thumbnails lie inside as JPEG data, each once; there is no script and nothing is fetched. Every
 * text is escaped, whatever it holds; bytes that are not UTF-8 become U+FFFD.
 */
#ifndef VLP_HTML_H
#define VLP_HTML_H

#include <vlp/base.h>

/* A line of a card with a bar: "cat 0.93". */
struct vlp_page_bar {
    const char *label, *value;
    double      share; /* 0 .. 1: length of the bar */
};

enum vlp_page_mark { VLP_MARK_NONE, VLP_MARK_RIGHT, VLP_MARK_WRONG };

struct vlp_page_card {
    const char                *picture; /* a file, a member SHARD!MEMBER of one, or NULL */
    const char                *title;   /* NULL: none */
    const char                *text;    /* below it; NULL: none */
    const struct vlp_page_bar *bar;
    int                        n_bars;
    enum vlp_page_mark         mark;
};

struct vlp_page;
/* Strings are copied by all of these. `intro` may be NULL. */
struct vlp_page *vlp_page_open(const char *title, const char *intro);
void             vlp_page_close(struct vlp_page *p);
/* A picture that cannot be read again, of a pipe for one: its thumbnail is made of these bytes now,
 * and shown wherever `picture` is; of several of one name the first. */
void vlp_page_keep(struct vlp_page *p, const char *picture, const void *bytes, size_t len);
/* What follows stands under this heading; with a thumbnail beside it (NULL: none) and a note. */
void vlp_page_section(struct vlp_page *p, const char *heading, const char *picture,
                      const char *note);
void vlp_page_card(struct vlp_page *p, const struct vlp_page_card *c);
/* A table, row by row, first row headings; `cells` are rows * cols texts. */
void vlp_page_table(struct vlp_page *p, int rows, int cols, const char *const *cells);
/* A picture of our own making (PNG bytes), shown as wide as the page allows. */
void vlp_page_png(struct vlp_page *p, const void *png, size_t len, const char *what);

/* Told of each picture that could not be read, in the order of the page; a failure ends the
 * writing. */
struct vlp_page_missing {
    enum vlp_status (*take)(void *ctx, const char *picture, enum vlp_status why, const char *reason,
                            struct vlp_error *err);
    void *ctx;
};
/*
 * Make the thumbnails on `pool` and append the page to `out`. What cannot be read goes to `missing`
 * (may be NULL), and its cards say so. Fails where that does, and with VLP_ERR_SHORTAGE, before it
 * is told anything, where there were no more files or memory for a picture.
 */
enum vlp_status vlp_page_write(struct vlp_page *p, struct vlp_pool *pool, struct vlp_buf *out,
                               const struct vlp_page_missing *missing, struct vlp_error *err);

/* Text for use inside an element or a quoted attribute. */
void vlp_html_escape(struct vlp_buf *out, const char *s, size_t len);
/* data:TYPE;base64,... */
void vlp_html_data(struct vlp_buf *out, const char *type, const void *data, size_t len);
/* A JPEG of the picture at `path`, or of these bytes of that name (NULL: none), upright, at most
 * `side` pixels a side. */
enum vlp_status vlp_thumbnail(struct vlp_buf *jpeg, const char *path, const void *bytes, size_t len,
                              int side, struct vlp_error *err);

#endif
