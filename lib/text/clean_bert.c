/*
 * clean_bert.c -- BERT's cleaning of uncased text.
 *
 *   controls dropped, spaces unified, ideographs spaced, NFD, marks dropped, lower case
 */
#include <utf8proc.h>

#include "text_internal.h"

static bool is_ideograph(int32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b820 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool is_dropped(int32_t c)
{
    if (c < 0x80) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
    if (c == 0xfffd) return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO ||
           k == UTF8PROC_CATEGORY_CN;
}

void vlp_clean_bert(struct vlp_runes *r)
{
    struct vlp_runes out = {0};
    vlp_runes_reserve(&out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const int32_t c = r->at[i];
        if (is_dropped(c)) continue;
        const bool alone = is_ideograph(c);
        if (alone) vlp_runes_add(&out, ' ');
        vlp_runes_add(&out, vlp_is_space(c) ? ' ' : c);
        if (alone) vlp_runes_add(&out, ' ');
    }
    vlp_nfd(&out);
    size_t n = 0;
    for (size_t i = 0; i < out.n; i++)
        if (!vlp_is_mark(out.at[i])) out.at[n++] = out.at[i];
    out.n = n;
    vlp_lower_each(&out);
    vlp_runes_swap(r, &out);
    vlp_runes_free(&out);
}
