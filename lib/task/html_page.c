/*
 * html_page.c -- a page of cards with thumbnails: sections, bars, tables; light and dark.
 *
 * The body is written as it comes, with holes where thumbnails go; they are made last and put in.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html_internal.h"

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

    struct page_picture *kept; /* of the first of `pictures`, where they could not be read again */
    int                  n_kept;
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
    ".picture{background:var(--back) center/contain no-repeat;print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}"
    "header img,header .picture,header .none{width:96px;height:96px;object-fit:cover;"
    "background-size:cover;border-radius:8px;flex:none}"
    "h2{font-size:1.15rem;margin:0;overflow-wrap:anywhere}header p{margin:.2em 0 0;"
    "color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:12px;"
    "content-visibility:auto;contain-intrinsic-size:auto 600px}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "overflow:hidden;display:flex;flex-direction:column;min-width:0}"
    ".right{border-color:var(--right);box-shadow:inset 0 4px var(--right)}"
    ".wrong{border-color:var(--wrong);box-shadow:inset 0 4px var(--wrong)}"
    ".card>img,.card>.picture,.none{width:100%;aspect-ratio:1;object-fit:contain;"
    "background-color:var(--back)}"
    ".none{display:flex;align-items:center;justify-content:center;text-align:center;"
    "color:var(--soft);font-size:.85rem}"
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
    "gap:8px}header img,header .picture,header .none{width:72px;height:72px}}";

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
    page_pictures_close(p->kept, p->n_kept);
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

void vlp_page_keep(struct vlp_page *p, const char *picture, const void *bytes, size_t len)
{
    const int k = vlp_names_add(p->pictures, picture), n = vlp_names_count(p->pictures);
    p->kept = vlp_realloc(p->kept, (size_t)n * sizeof *p->kept);
    for (; p->n_kept < n; p->n_kept++) p->kept[p->n_kept] = (struct page_picture){0};
    page_picture_make(&p->kept[k], picture, bytes, len);
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

/* How often each picture is shown. */
static int *count_showings(const struct vlp_page *p)
{
    int *n = vlp_calloc((size_t)vlp_names_count(p->pictures) + 1, sizeof *n);
    for (int h = 0; h < p->n_holes; h++) n[p->hole[h].picture]++;
    return n;
}

/* What is shown more than once stands in a rule of the style, which its places name; what is shown
 * once stands there, and need not be drawn before somebody looks. */
static void add_rules(struct vlp_buf *out, const struct page_picture *picture, const int *shown,
                      int n)
{
    for (int i = 0; i < n; i++) {
        if (shown[i] < 2 || !picture[i].jpeg.len) continue;
        vlp_buf_printf(out, "\n.p%d{background-image:url(", i);
        vlp_html_data(out, "image/jpeg", picture[i].jpeg.data, picture[i].jpeg.len);
        vlp_buf_add_str(out, ")}");
    }
}

static void fill_hole(struct vlp_buf *out, const struct page_picture *p, int number, int shown)
{
    if (!p->jpeg.len) {
        vlp_buf_add_str(out, "<div class=\"none\">picture not readable</div>");
    } else if (shown > 1) {
        vlp_buf_printf(out, "<div class=\"picture p%d\"></div>", number);
    } else {
        vlp_buf_add_str(out, "<img loading=\"lazy\" alt=\"\" src=\"");
        vlp_html_data(out, "image/jpeg", p->jpeg.data, p->jpeg.len);
        vlp_buf_add_str(out, "\">");
    }
}

static void write_page(const struct vlp_page *p, const struct page_picture *picture,
                       struct vlp_buf *out)
{
    int *shown = count_showings(p);
    vlp_buf_add_str(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                         "<meta name=\"referrer\" content=\"no-referrer\">\n"
                         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                         "'none'; img-src data:; style-src 'unsafe-inline'\">\n<title>");
    add_text(out, p->title);
    vlp_buf_add_str(out, "</title>\n<style>");
    vlp_buf_add_str(out, style);
    add_rules(out, picture, shown, vlp_names_count(p->pictures));
    vlp_buf_add_str(out, "</style></head>\n<body><main>\n");
    size_t at = 0;
    for (int h = 0; h < p->n_holes; h++) {
        const int k = p->hole[h].picture;
        vlp_buf_add(out, p->body.data + at, p->hole[h].at - at);
        at = p->hole[h].at;
        fill_hole(out, &picture[k], k, shown[k]);
    }
    vlp_buf_add(out, p->body.data + at, p->body.len - at);
    vlp_buf_add_str(out, "</main></body></html>\n");
    free(shown);
}

/* A shortage is the fault of no picture. */
static enum vlp_status check_shortage(const struct page_picture *picture, int n,
                                      struct vlp_error *err)
{
    for (int i = 0; i < n; i++)
        if (picture[i].status == VLP_ERR_SHORTAGE)
            return vlp_fail(err, VLP_ERR_SHORTAGE, "%s", picture[i].reason);
    return VLP_OK;
}

enum vlp_status vlp_page_write(struct vlp_page *p, struct vlp_pool *pool, struct vlp_buf *out,
                               const struct vlp_page_missing *missing, struct vlp_error *err)
{
    struct page_picture *picture = page_pictures_open(p->pictures, p->kept, p->n_kept, pool);
    const int            n = vlp_names_count(p->pictures);
    p->n_kept = 0;
    enum vlp_status s = check_shortage(picture, n, err);
    leave_grid(p);
    for (int i = 0; i < n && s == VLP_OK && missing; i++)
        if (picture[i].reason)
            s = missing->take(missing->ctx, vlp_names_get(p->pictures, i), picture[i].status,
                              picture[i].reason, err);
    if (s == VLP_OK) write_page(p, picture, out);
    page_pictures_close(picture, n);
    return s;
}
