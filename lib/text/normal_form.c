/*
 * normal_form.c -- canonical decomposition (NFD) and composition (NFC).
 *
 * Marks are put into canonical order by a stable merge sort of each run, so a megabyte of marks
 * costs n log n.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text_internal.h"

/* Nothing below composes with anything, decomposes (NFD: from U+00C0 on), or is a mark. */
enum { FIRST_MARK = 0x300, FIRST_DECOMPOSED = 0xc0 };

static int order_of(int32_t c, enum vlp_unicode u)
{
    const int order = c < FIRST_MARK ? 0 : utf8proc_get_property(c)->combining_class;
    return order == 0 || vlp_younger_mark(c, u) ? 0 : order;
}

/* Stable sort of n marks by their class. */
static void sort_marks(int32_t *at, int32_t *spare, size_t n, enum vlp_unicode u)
{
    if (n < 16) {
        for (size_t i = 1; i < n; i++)
            for (size_t k = i; k > 0 && order_of(at[k - 1], u) > order_of(at[k], u); k--) {
                const int32_t t = at[k];
                at[k] = at[k - 1];
                at[k - 1] = t;
            }
        return;
    }
    const size_t half = n / 2;
    sort_marks(at, spare, half, u);
    sort_marks(at + half, spare, n - half, u);
    memcpy(spare, at, half * sizeof *at);
    size_t a = 0, b = half, k = 0;
    while (a < half) {
        if (b < n && order_of(at[b], u) < order_of(spare[a], u))
            at[k++] = at[b++];
        else
            at[k++] = spare[a++];
    }
}

void vlp_nfd(struct vlp_runes *r, enum vlp_unicode u)
{
    size_t first = 0;
    while (first < r->n && r->at[first] < FIRST_DECOMPOSED) first++;
    if (first == r->n) return;
    struct vlp_runes out = {0};
    vlp_runes_add_all(&out, r->at, first);
    for (size_t i = first; i < r->n; i++) {
        int32_t parts[8];
        int     boundary = 0;
        if (r->at[i] < FIRST_DECOMPOSED || vlp_younger_mark(r->at[i], u)) {
            vlp_runes_add(&out, r->at[i]);
            continue;
        }
        const utf8proc_ssize_t n = utf8proc_decompose_char(r->at[i], parts, VLP_COUNT(parts),
                                                           UTF8PROC_DECOMPOSE, &boundary);
        vlp_runes_add_all(&out, parts, n > 0 ? (size_t)n : 0);
    }
    vlp_runes_swap(r, &out);
    for (size_t i = first; i < r->n; i++) {
        if (order_of(r->at[i], u) == 0) continue;
        size_t end = i + 1;
        while (end < r->n && order_of(r->at[end], u) != 0) end++;
        if (end - i > 1) {
            out.n = 0;
            vlp_runes_reserve(&out, end - i);
            sort_marks(r->at + i, out.at, end - i, u);
        }
        i = end;
    }
    vlp_runes_free(&out);
}

/* Between younger ones, each of which stands by itself, libutf8proc composes. */
void vlp_nfc(struct vlp_runes *r, enum vlp_unicode u)
{
    size_t i = 0, n = 0;
    while (i < r->n && r->at[i] < FIRST_MARK) i++;
    if (i == r->n) return;
    vlp_nfd(r, u);
    for (i = 0; i < r->n;) {
        size_t end = i;
        while (end < r->n && !vlp_younger_mark(r->at[end], u)) end++;
        utf8proc_ssize_t len = (utf8proc_ssize_t)(end - i);
        if (len > 1)
            len = utf8proc_normalize_utf32(r->at + i, len, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        if (len < 0) len = (utf8proc_ssize_t)(end - i);
        if (end < r->n) r->at[i + (size_t)len++] = r->at[end++];
        memmove(r->at + n, r->at + i, (size_t)len * sizeof *r->at);
        n += (size_t)len;
        i = end;
    }
    r->n = n;
}
