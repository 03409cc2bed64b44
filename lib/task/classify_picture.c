/*
 * classify_picture.c -- the confusion matrix as a heat map with names and counts.
 *
 * Rows are the truth, columns the prediction; a cell's colour is its share of the row, from white
 * over blue to near black. Cells are as large as fits about a thousand pixels; counts are written
 * where they fit, names along both sides (the columns' names upwards), long ones with an ellipsis.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "classify_internal.h"

enum {
    MAX_CLASSES = 2000,
    AIM = 900, /* pixels for all cells together, about */
    MIN_CELL = 3,
    MAX_CELL = 44,
    NAME_CELL = 9, /* from this size of cell on there is a name at each row */
    MAX_NAME = 28, /* characters */
    MARGIN = 12
};

struct canvas {
    int      width, height;
    uint8_t *rgb;
};

static void fill(struct canvas *c, int x0, int y0, int w, int h, const uint8_t colour[3])
{
    for (int y = y0; y < y0 + h; y++)
        for (int x = x0; x < x0 + w; x++)
            if (x >= 0 && y >= 0 && x < c->width && y < c->height)
                memcpy(c->rgb + 3 * ((size_t)y * (size_t)c->width + (size_t)x), colour, 3);
}

/* How many characters a text has, at most MAX_NAME. */
static int text_length(const char *s)
{
    const char *end = s + strlen(s);
    int         n = 0;
    while (s < end && n < MAX_NAME) {
        vlp_utf8_next(&s, end);
        n++;
    }
    return n;
}

/* Text from (x, y): to the right, or upwards where `up`; `scale` pixels a point. */
static void write_text(struct canvas *c, int x, int y, const char *s, int scale, bool up,
                       const uint8_t colour[3])
{
    const char *end = s + strlen(s);
    for (int n = 0; s < end && n < MAX_NAME; n++) {
        const int32_t letter = vlp_utf8_next(&s, end);
        uint8_t       glyph[FONT_WIDTH];
        font_glyph(glyph, n == MAX_NAME - 1 && s < end ? FONT_ELLIPSIS : letter);
        for (int i = 0; i < FONT_WIDTH; i++)
            for (int j = 0; j < FONT_HEIGHT; j++) {
                if (!(glyph[i] >> j & 1)) continue;
                if (up)
                    fill(c, x + j * scale, y - (i + 1) * scale, scale, scale, colour);
                else
                    fill(c, x + i * scale, y + j * scale, scale, scale, colour);
            }
        if (up)
            y -= FONT_STEP * scale;
        else
            x += FONT_STEP * scale;
    }
}

/* White, light blue, blue, near black: darker is always more. */
static void colour_of(double share, uint8_t out[3])
{
    static const double stops[4][3] = {
        {255, 255, 255}, {158, 202, 225}, {33, 113, 181}, {8, 29, 70}};
    const double at = 3.0 * (share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share);
    const int    i = at >= 3.0 ? 2 : (int)at;
    for (int k = 0; k < 3; k++)
        out[k] = (uint8_t)lrint(stops[i][k] + (at - i) * (stops[i + 1][k] - stops[i][k]));
}

struct layout {
    int n, columns, cell, scale, left, top;
};

static void draw(struct canvas *c, const struct layout *l, const struct vlp_evaluation *e,
                 const char *const *names)
{
    static const uint8_t ink[3] = {30, 34, 40}, white[3] = {255, 255, 255},
                         line[3] = {222, 226, 232};
    const int gap = l->cell >= 8 ? 1 : 0, letter = FONT_HEIGHT * l->scale;
    fill(c, 0, 0, c->width, c->height, white);
    fill(c, l->left, l->top, l->columns * l->cell + gap, l->n * l->cell + gap, line);
    for (int t = 0; t < l->n; t++) {
        const int64_t *row = e->confusion + (size_t)t * (size_t)(e->n + 1);
        int64_t        total = 0;
        for (int p = 0; p <= e->n; p++) total += row[p];
        for (int p = 0; p < l->columns; p++) {
            const double share = total ? (double)row[p] / (double)total : 0.0;
            const int    x = l->left + p * l->cell + gap, y = l->top + t * l->cell + gap;
            uint8_t      colour[3];
            char         count[24];
            colour_of(share, colour);
            fill(c, x, y, l->cell - gap, l->cell - gap, colour);
            const int width = FONT_STEP * snprintf(count, sizeof count, "%lld", (long long)row[p]);
            if (row[p] && width + 2 <= l->cell)
                write_text(c, x + (l->cell - gap - width + 1) / 2,
                           y + (l->cell - gap - FONT_HEIGHT) / 2, count, 1, false,
                           share > 0.45 ? white : ink);
        }
        if (l->cell < NAME_CELL) continue;
        write_text(c, l->left - 6 - FONT_STEP * l->scale * text_length(names[t]),
                   l->top + t * l->cell + (l->cell - letter) / 2, names[t], l->scale, false, ink);
    }
    for (int p = 0; p < l->columns && l->cell >= NAME_CELL; p++)
        write_text(c, l->left + p * l->cell + (l->cell - letter) / 2, l->top - 6,
                   p < l->n ? names[p] : "unknown", l->scale, true, ink);
    write_text(c, MARGIN, MARGIN, "rows: truth", 1, false, ink);
    write_text(c, MARGIN, MARGIN + 10, "columns: prediction", 1, false, ink);
}

enum vlp_status vlp_confusion_png(struct vlp_buf *out, const struct vlp_evaluation *e,
                                  const char *const *names, struct vlp_error *err)
{
    if (e->n < 1 || e->n > MAX_CLASSES)
        return vlp_fail(err, VLP_ERR_LIMIT, "a confusion matrix of %d classes cannot be drawn",
                        e->n);
    bool unknown = false;
    int  longest = 0;
    for (int t = 0; t < e->n; t++) {
        unknown |= e->confusion[(size_t)t * (size_t)(e->n + 1) + (size_t)e->n] != 0;
        if (text_length(names[t]) > longest) longest = text_length(names[t]);
    }
    struct layout l = {.n = e->n, .columns = e->n + unknown};
    l.cell = AIM / l.columns;
    l.cell = l.cell < MIN_CELL ? MIN_CELL : l.cell > MAX_CELL ? MAX_CELL : l.cell;
    l.scale = l.cell >= 2 * FONT_HEIGHT + 4 ? 2 : 1;
    const int names_size =
        l.cell >= NAME_CELL ? FONT_STEP * l.scale * (longest > 7 ? longest : 7) : 0;
    l.left = MARGIN + 6 + (names_size > 19 * FONT_STEP ? names_size : 19 * FONT_STEP);
    l.top = MARGIN + 6 + (names_size > 24 ? names_size : 24);
    struct canvas c = {l.left + l.columns * l.cell + MARGIN, l.top + l.n * l.cell + MARGIN, NULL};
    struct vlp_image image = {
        .width = c.width, .height = c.height, .mode = VLP_IMAGE_RGB, .orientation = 1};
    c.rgb = vlp_malloc((size_t)c.width * (size_t)c.height * 3);
    draw(&c, &l, e, names);
    image.data = c.rgb;
    const enum vlp_status s = vlp_png_encode(out, &image, 6, err);
    free(c.rgb);
    return s;
}
