/*
 * runes.c -- text as an array of code points: growing, decoding, encoding, collapsing spaces.
 */
#include <stdlib.h>
#include <string.h>

#include "text_internal.h"

void vlp_runes_free(struct vlp_runes *r)
{
    free(r->at);
    *r = (struct vlp_runes){0};
}

void vlp_runes_reserve(struct vlp_runes *r, size_t more)
{
    if (r->cap - r->n >= more) return;
    r->cap = r->n + more + r->cap / 2 + 32;
    r->at = vlp_realloc(r->at, r->cap * sizeof *r->at);
}

void vlp_runes_add(struct vlp_runes *r, int32_t c)
{
    if (r->n == r->cap) vlp_runes_reserve(r, 1);
    r->at[r->n++] = c;
}

void vlp_runes_add_all(struct vlp_runes *r, const int32_t *at, size_t n)
{
    if (n == 0) return;
    vlp_runes_reserve(r, n);
    memcpy(r->at + r->n, at, n * sizeof *at);
    r->n += n;
}

void vlp_runes_add_utf8(struct vlp_runes *r, const char *s, size_t len)
{
    const char *end = s + len;
    while (s < end) vlp_runes_add(r, vlp_utf8_next(&s, end));
}

void vlp_runes_swap(struct vlp_runes *a, struct vlp_runes *b)
{
    const struct vlp_runes t = *a;
    *a = *b;
    *b = t;
}

enum vlp_status vlp_runes_decode(struct vlp_runes *r, const char *s, size_t len,
                                 struct vlp_error *err)
{
    const char *p = s, *end = s + len;
    vlp_runes_reserve(r, len + 1); /* never a null pointer, even without text */
    while (p < end) {
        const char   *at = p;
        const int32_t c = vlp_utf8_next(&p, end);
        if (c < 0)
            return vlp_fail(err, VLP_ERR_FORMAT, "the text is not UTF-8 at byte %zu (0x%02x)",
                            (size_t)(at - s), (unsigned)(uint8_t)*at);
        r->at[r->n++] = c;
    }
    return VLP_OK;
}

void vlp_runes_encode(struct vlp_buf *b, const int32_t *at, size_t n)
{
    vlp_buf_reserve(b, 4 * n + 1);
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        vlp_buf_add(b, utf8, (size_t)vlp_utf8_put(utf8, (uint32_t)at[i]));
    }
}

void vlp_runes_collapse(struct vlp_runes *r, bool trim)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!vlp_is_space(r->at[i])) {
            r->at[n++] = r->at[i];
            continue;
        }
        while (i + 1 < r->n && vlp_is_space(r->at[i + 1])) i++;
        if (!trim || (n > 0 && i + 1 < r->n)) r->at[n++] = ' ';
    }
    r->n = n;
}
