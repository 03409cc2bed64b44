/*
 * plot.c -- the curves of a run as one SVG that any browser opens: a panel per figure, steps
 * across.
 *
 * Read from the metrics file, so that a finished, a running and a killed run can all be drawn.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <vlp/train.h>

enum { MAX_SERIES = 64, WIDTH = 720, PANEL = 190, LEFT = 70, RIGHT = 20, TOP = 30, BOTTOM = 28 };

struct series {
    char    name[64];
    double *step, *value;
    size_t  n, cap;
};

static struct series *series_of(struct series *s, int *n, const char *name)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(s[i].name, name) == 0) return &s[i];
    if (*n == MAX_SERIES || strlen(name) >= sizeof s->name) return NULL;
    struct series *fresh = &s[(*n)++];
    *fresh = (struct series){0};
    strcpy(fresh->name, name);
    return fresh;
}

static void add_point(struct series *s, double step, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->step = vlp_realloc(s->step, s->cap * sizeof *s->step);
        s->value = vlp_realloc(s->value, s->cap * sizeof *s->value);
    }
    s->step[s->n] = step;
    s->value[s->n++] = value;
}

static void escaped(struct vlp_buf *b, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '<': vlp_buf_add_str(b, "&lt;"); break;
        case '&': vlp_buf_add_str(b, "&amp;"); break;
        default: vlp_buf_add_char(b, *s);
        }
    }
}

/* About as many points as pixels: the mean of each run of neighbours. */
static void polyline(struct vlp_buf *b, const struct series *s, double x0, double x1, double y0,
                     double y1, int top)
{
    const size_t run = s->n / (WIDTH - LEFT - RIGHT) + 1;
    vlp_buf_add_str(b, "<polyline class='line' points='");
    for (size_t i = 0; i < s->n; i += run) {
        const size_t end = i + run < s->n ? i + run : s->n;
        double       x = 0, y = 0;
        for (size_t k = i; k < end; k++) {
            x += s->step[k];
            y += s->value[k];
        }
        x /= (double)(end - i);
        y /= (double)(end - i);
        vlp_buf_printf(b, "%.1f,%.1f ",
                       LEFT + (x - x0) / (x1 > x0 ? x1 - x0 : 1) * (WIDTH - LEFT - RIGHT),
                       top + TOP + (y1 - y) / (y1 > y0 ? y1 - y0 : 1) * (PANEL - TOP - BOTTOM));
    }
    vlp_buf_add_str(b, "'/>\n");
}

static void panel(struct vlp_buf *b, const struct series *s, int top)
{
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (size_t i = 0; i < s->n; i++) {
        x0 = fmin(x0, s->step[i]);
        x1 = fmax(x1, s->step[i]);
        y0 = fmin(y0, s->value[i]);
        y1 = fmax(y1, s->value[i]);
    }
    const int bottom = top + PANEL - BOTTOM;
    vlp_buf_printf(b, "<text class='name' x='%d' y='%d'>", LEFT, top + 20);
    escaped(b, s->name);
    vlp_buf_printf(b, " (last %.5g)</text>\n", s->value[s->n - 1]);
    vlp_buf_printf(b, "<rect class='frame' x='%d' y='%d' width='%d' height='%d'/>\n", LEFT,
                   top + TOP, WIDTH - LEFT - RIGHT, PANEL - TOP - BOTTOM);
    vlp_buf_printf(b, "<text class='tick' x='%d' y='%d' text-anchor='end'>%.4g</text>\n", LEFT - 6,
                   top + TOP + 10, y1);
    vlp_buf_printf(b, "<text class='tick' x='%d' y='%d' text-anchor='end'>%.4g</text>\n", LEFT - 6,
                   bottom, y0);
    vlp_buf_printf(b, "<text class='tick' x='%d' y='%d'>%.0f</text>\n", LEFT, bottom + 16, x0);
    vlp_buf_printf(b, "<text class='tick' x='%d' y='%d' text-anchor='end'>step %.0f</text>\n",
                   WIDTH - RIGHT, bottom + 16, x1);
    polyline(b, s, x0, x1, y0, y1, top);
}

/* One line of metrics: every number beside "step" is a point of the series of its key. */
static void read_line(struct series *s, int *n, const char *line, size_t len)
{
    json_t     *j = json_loadb(line, len, 0, NULL); /* a torn last line is no line */
    json_t     *step = json_object_get(j, "step"), *value;
    const char *key;
    if (json_is_number(step)) {
        json_object_foreach(j, key, value)
        {
            static const char *const leave_out[] = {"step", "epoch", "time", "seconds"};
            bool                     left_out = !json_is_number(value);
            for (size_t i = 0; i < VLP_COUNT(leave_out); i++)
                left_out |= strcmp(key, leave_out[i]) == 0;
            struct series *to = left_out ? NULL : series_of(s, n, key);
            if (to) add_point(to, json_number_value(step), json_number_value(value));
        }
    }
    json_decref(j);
}

/* By these a plot is known again; sizes stand between them. */
#define OPENING "<svg xmlns='http://www.w3.org/2000/svg' width='"
#define STYLE                                                                                      \
    "\n<style>svg{background:#fff}text{font:12px sans-serif;fill:#444}.name{font-weight:bold;"     \
    "fill:#111}.frame{fill:none;stroke:#ccc}.line{fill:none;stroke:#2364aa;stroke-width:1.5}"      \
    "</style>\n"

static bool is_plot(const char *path)
{
    enum { SIZES = 80 }; /* more than they take */
    struct vlp_map m;
    if (vlp_map_open(&m, path, NULL) != VLP_OK) return false;
    const size_t head = strlen(OPENING) + SIZES + strlen(STYLE);
    const bool   is = m.size > strlen(OPENING) && memcmp(m.data, OPENING, strlen(OPENING)) == 0 &&
                    memmem(m.data, m.size < head ? m.size : head, STYLE, strlen(STYLE));
    vlp_map_close(&m);
    return is;
}

enum vlp_status vlp_plot_refuse_existing(const char *svg_path, bool force, struct vlp_error *err)
{
    struct stat st;
    if (force || strcmp(svg_path, "-") == 0 || stat(svg_path, &st) != 0 || !S_ISREG(st.st_mode) ||
        is_plot(svg_path))
        return VLP_OK;
    return vlp_fail(err, VLP_ERR_EXISTS, "%s: exists and is no plot of a run (-f overwrites it)",
                    svg_path);
}

enum vlp_status vlp_plot_metrics(const char *metrics_path, const char *svg_path, bool force,
                                 struct vlp_error *err)
{
    struct vlp_map m;
    struct series  s[MAX_SERIES];
    int            n = 0;
    VLP_TRY(vlp_plot_refuse_existing(svg_path, force, err));
    VLP_TRY(vlp_map_open(&m, metrics_path, err));
    const char *p = (const char *)m.data, *end = p + m.size;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        read_line(s, &n, p, (size_t)(stop - p));
        p = stop + 1;
    }
    vlp_map_close(&m);

    struct vlp_buf b = {0};
    vlp_buf_printf(&b, OPENING "%d' height='%d' viewBox='0 0 %d %d'>" STYLE, WIDTH, PANEL * n,
                   WIDTH, PANEL * n);
    for (int i = 0; i < n; i++) panel(&b, &s[i], i * PANEL);
    vlp_buf_add_str(&b, "</svg>\n");
    for (int i = 0; i < n; i++) {
        free(s[i].step);
        free(s[i].value);
    }
    struct vlp_output o;
    enum vlp_status   status =
        n ? vlp_output_open(&o, svg_path, true, err)
            : vlp_fail(err, VLP_ERR_FORMAT, "%s: holds no figures to draw", metrics_path);
    if (status == VLP_OK) {
        status = vlp_output_write(&o, b.data, b.len, err);
        if (status == VLP_OK) status = vlp_output_commit(&o, err);
        vlp_output_abort(&o);
    }
    vlp_buf_free(&b);
    return status;
}
