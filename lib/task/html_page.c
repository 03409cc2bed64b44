/*
 * html_page.c -- a page of cards with thumbnails: sections, bars, tables; light and dark.
 *
 * The body is written as it comes, with holes where thumbnails go; they are made last, each file
 * once, shards in one pass each, on all threads, and put in.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <vlp/classify.h>
#include <vlp/data.h>
#include <vlp/html.h>

enum { THUMBNAIL = 256 };

/* A hole in the body: at `at`, the thumbnail of picture number `picture` (-1: none wanted). */
struct hole {
    size_t at;
    int    picture;
};

struct vlp_page {
    char             *title;
    struct vlp_buf    body;
    struct hole      *hole;
    int               n_holes, cap_holes;
    struct vlp_names *pictures; /* paths, each once */
    bool              in_grid;
};

static const char style[] =
    ":root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#667080;"
    "--line:#dde1e7;--bar:#3b82c4;--right:#2e8b57;--wrong:#c0392b}"
    "@media(prefers-color-scheme:dark){:root{--back:#14171b;--card:#1f242b;--text:#e8eaed;"
    "--soft:#98a2b0;--line:#343b45;--bar:#5aa2e6;--right:#55b783;--wrong:#e5736a}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--back);color:var(--text);font:16px/1.45 system-ui,sans-serif}"
    "main{max-width:1200px;margin:0 auto;padding:16px}"
    "h1{font-size:1.5rem;margin:.4em 0}.intro{color:var(--soft);margin:0 0 1em;"
    "overflow-wrap:anywhere;white-space:pre-line}"
    "section{margin:28px 0 0}header{display:flex;gap:14px;align-items:center;margin-bottom:12px}"
    "header img{width:96px;height:96px;object-fit:cover;border-radius:8px}"
    "h2{font-size:1.15rem;margin:0;overflow-wrap:anywhere}header p{margin:.2em 0 0;"
    "color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:12px}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "overflow:hidden;display:flex;flex-direction:column;min-width:0}"
    ".right{border-color:var(--right);box-shadow:inset 0 4px var(--right)}"
    ".wrong{border-color:var(--wrong);box-shadow:inset 0 4px var(--wrong)}"
    ".card>img,.none{width:100%;aspect-ratio:1;object-fit:contain;background:var(--back)}"
    ".none{display:flex;align-items:center;justify-content:center;color:var(--soft);"
    "font-size:.85rem}"
    ".words{padding:8px 10px 10px;min-width:0}.title{font-size:.85rem;overflow-wrap:anywhere}"
    ".text{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere;white-space:pre-line}"
    ".bar{margin-top:6px;font-size:.85rem}.bar div{display:flex;justify-content:space-between;"
    "gap:8px}.bar span:first-child{overflow-wrap:anywhere;min-width:0}"
    ".bar i{display:block;height:5px;border-radius:3px;background:var(--line);overflow:hidden}"
    ".bar b{display:block;height:100%;background:var(--bar)}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}"
    "th,td{border:1px solid var(--line);padding:4px 9px;text-align:left}"
    "th{background:var(--card)}td+td{text-align:right;font-variant-numeric:tabular-nums}"
    ".figure{max-width:100%;height:auto;border-radius:8px;background:#fff}"
    "@media(max-width:480px){main{padding:12px}.grid{grid-template-columns:repeat(2,minmax(0,1fr));"
    "gap:8px}header img{width:72px;height:72px}}";

static void add_text(struct vlp_buf *b, const char *s)
{
    vlp_html_escape(b, s, strlen(s));
}

struct vlp_page *vlp_page_open(const char *title, const char *intro)
{
    struct vlp_page *p = vlp_calloc(1, sizeof *p);
    p->title = vlp_strdup(title);
    p->pictures = vlp_names_new();
    vlp_buf_add_str(&p->body, "<h1>");
    add_text(&p->body, title);
    vlp_buf_add_str(&p->body, "</h1>\n");
    if (intro) {
        vlp_buf_add_str(&p->body, "<p class=\"intro\">");
        add_text(&p->body, intro);
        vlp_buf_add_str(&p->body, "</p>\n");
    }
    return p;
}

void vlp_page_close(struct vlp_page *p)
{
    if (!p) return;
    vlp_names_free(p->pictures);
    vlp_buf_free(&p->body);
    free(p->hole);
    free(p->title);
    free(p);
}

static void leave_grid(struct vlp_page *p)
{
    if (p->in_grid) vlp_buf_add_str(&p->body, "</div>\n");
    p->in_grid = false;
}

static void leave_hole(struct vlp_page *p, const char *picture)
{
    if (p->n_holes == p->cap_holes) {
        p->cap_holes = p->cap_holes ? 2 * p->cap_holes : 64;
        p->hole = vlp_realloc(p->hole, (size_t)p->cap_holes * sizeof *p->hole);
    }
    p->hole[p->n_holes++] = (struct hole){p->body.len, vlp_names_add(p->pictures, picture)};
}

void vlp_page_section(struct vlp_page *p, const char *heading, const char *picture,
                      const char *note)
{
    leave_grid(p);
    vlp_buf_add_str(&p->body, "<section><header>");
    if (picture) leave_hole(p, picture);
    vlp_buf_add_str(&p->body, "<div><h2>");
    add_text(&p->body, heading);
    vlp_buf_add_str(&p->body, "</h2>");
    if (note) {
        vlp_buf_add_str(&p->body, "<p>");
        add_text(&p->body, note);
        vlp_buf_add_str(&p->body, "</p>");
    }
    vlp_buf_add_str(&p->body, "</div></header></section>\n");
}

static void add_bar(struct vlp_buf *b, const struct vlp_page_bar *bar)
{
    const double share = bar->share > 0.0 ? fmin(bar->share, 1.0) : 0.0;
    vlp_buf_add_str(b, "<div class=\"bar\"><div><span>");
    add_text(b, bar->label);
    vlp_buf_add_str(b, "</span><span>");
    add_text(b, bar->value);
    vlp_buf_printf(b, "</span></div><i><b style=\"width:%d.%d%%\"></b></i></div>",
                   (int)(1000.0 * share) / 10, (int)(1000.0 * share) % 10);
}

void vlp_page_card(struct vlp_page *p, const struct vlp_page_card *c)
{
    static const char *const mark[] = {"", " right", " wrong"};
    struct vlp_buf          *b = &p->body;
    if (!p->in_grid) vlp_buf_add_str(b, "<div class=\"grid\">\n");
    p->in_grid = true;
    vlp_buf_printf(b, "<div class=\"card%s\">", mark[c->mark]);
    if (c->picture) leave_hole(p, c->picture);
    vlp_buf_add_str(b, "<div class=\"words\">");
    if (c->title) {
        vlp_buf_add_str(b, "<div class=\"title\">");
        add_text(b, c->title);
        vlp_buf_add_str(b, "</div>");
    }
    if (c->text) {
        vlp_buf_add_str(b, "<div class=\"text\">");
        add_text(b, c->text);
        vlp_buf_add_str(b, "</div>");
    }
    for (int i = 0; i < c->n_bars; i++) add_bar(b, &c->bar[i]);
    vlp_buf_add_str(b, "</div></div>\n");
}

void vlp_page_table(struct vlp_page *p, int rows, int cols, const char *const *cells)
{
    leave_grid(p);
    vlp_buf_add_str(&p->body, "<div class=\"scroll\"><table>\n");
    for (int r = 0; r < rows; r++) {
        vlp_buf_add_str(&p->body, "<tr>");
        for (int c = 0; c < cols; c++) {
            vlp_buf_add_str(&p->body, r ? "<td>" : "<th>");
            add_text(&p->body, cells[(size_t)r * (size_t)cols + (size_t)c]);
            vlp_buf_add_str(&p->body, r ? "</td>" : "</th>");
        }
        vlp_buf_add_str(&p->body, "</tr>\n");
    }
    vlp_buf_add_str(&p->body, "</table></div>\n");
}

void vlp_page_png(struct vlp_page *p, const void *png, size_t len, const char *what)
{
    leave_grid(p);
    vlp_buf_add_str(&p->body, "<p><img class=\"figure\" alt=\"");
    add_text(&p->body, what);
    vlp_buf_add_str(&p->body, "\" src=\"");
    vlp_html_data(&p->body, "image/png", png, len);
    vlp_buf_add_str(&p->body, "\"></p>\n");
}

struct thumbnails {
    const struct vlp_page *page;
    struct vlp_buf        *jpeg;   /* empty: it could not be read */
    struct vlp_names      *shards; /* of pictures that are members of them, each once */
};

static void thumbnail_task(void *ctx, int i, int worker)
{
    (void)worker;
    const struct thumbnails *t = ctx;
    const char              *path = vlp_names_get(t->page->pictures, i);
    struct stat              st;
    if (vlp_shard_length(path)) return;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return; /* a pipe would be waited for */
    if (vlp_thumbnail(&t->jpeg[i], path, NULL, 0, THUMBNAIL, NULL) != VLP_OK)
        vlp_buf_clear(&t->jpeg[i]);
}

/* The members of shard i that the page shows, in one pass over it. */
static void shard_task(void *ctx, int i, int worker)
{
    (void)worker;
    const struct thumbnails *t = ctx;
    struct vlp_source       *source;
    struct vlp_item          it;
    char                    *path = (char *)vlp_names_get(t->shards, i);
    bool                     more = true;

    const struct vlp_source_options members = {.paths = &path,
                                               .n_paths = 1,
                                               .format = "tar",
                                               .text_fault = VLP_FAULT_UNASKED,
                                               .label_fault = VLP_FAULT_UNASKED};
    if (vlp_source_open(&source, &members, NULL) != VLP_OK) return;
    while (vlp_source_next(source, &it, &more, NULL) == VLP_OK && more) {
        const int k = vlp_names_find(t->page->pictures, it.id);
        if (k >= 0 && it.bytes &&
            vlp_thumbnail(&t->jpeg[k], it.id, it.bytes, it.bytes_len, THUMBNAIL, NULL) != VLP_OK)
            vlp_buf_clear(&t->jpeg[k]);
        vlp_item_free(&it);
    }
    vlp_source_close(source);
}

static void make_thumbnails(struct thumbnails *t, struct vlp_pool *pool)
{
    const struct vlp_names *pictures = t->page->pictures;
    t->shards = vlp_names_new();
    for (int i = 0; i < vlp_names_count(pictures); i++) {
        const char  *path = vlp_names_get(pictures, i);
        const size_t len = vlp_shard_length(path);
        char        *shard = len ? vlp_strndup(path, len) : NULL;
        if (shard) vlp_names_add(t->shards, shard);
        free(shard);
    }
    vlp_parallel(pool, vlp_names_count(pictures), thumbnail_task, t);
    vlp_parallel(pool, vlp_names_count(t->shards), shard_task, t);
    vlp_names_free(t->shards);
}

void vlp_page_write(struct vlp_page *p, struct vlp_pool *pool, struct vlp_buf *out, int *n_missing)
{
    const int         n = vlp_names_count(p->pictures);
    struct thumbnails t = {.page = p, .jpeg = vlp_calloc((size_t)n + 1, sizeof *t.jpeg)};
    leave_grid(p);
    make_thumbnails(&t, pool);

    vlp_buf_add_str(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                         "<meta name=\"referrer\" content=\"no-referrer\">\n"
                         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                         "'none'; img-src data:; style-src 'unsafe-inline'\">\n<title>");
    add_text(out, p->title);
    vlp_buf_add_str(out, "</title>\n<style>");
    vlp_buf_add_str(out, style);
    vlp_buf_add_str(out, "</style></head>\n<body><main>\n");
    size_t at = 0;
    int    missing = 0;
    for (int h = 0; h < p->n_holes; h++) {
        const struct vlp_buf *jpeg = &t.jpeg[p->hole[h].picture];
        vlp_buf_add(out, p->body.data + at, p->hole[h].at - at);
        at = p->hole[h].at;
        if (jpeg->len) {
            vlp_buf_add_str(out, "<img loading=\"lazy\" alt=\"\" src=\"");
            vlp_html_data(out, "image/jpeg", jpeg->data, jpeg->len);
            vlp_buf_add_str(out, "\">");
        } else {
            vlp_buf_add_str(out, "<div class=\"none\">picture not readable</div>");
        }
    }
    vlp_buf_add(out, p->body.data + at, p->body.len - at);
    vlp_buf_add_str(out, "</main></body></html>\n");
    for (int i = 0; i < n; i++) {
        missing += t.jpeg[i].len == 0;
        vlp_buf_free(&t.jpeg[i]);
    }
    free(t.jpeg);
    if (n_missing) *n_missing = missing;
}
