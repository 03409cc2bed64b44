/*
 * clean_bert.c -- BERT's cleaning of uncased text.
 *
 *   controls dropped, spaces unified, ideographs spaced, NFD, marks dropped, lower case
 *
 * The reference's classes are those of Unicode 8: a mark, control or punctuation character that
 * came later is an ordinary character to it, and an unassigned one stays.
 */
#include <utf8proc.h>

#include "text_internal.h"

/* Ranges in which every mark, control and punctuation character is younger than Unicode 8. */
static const struct {
    int32_t first, last;
} younger[] = {{0x5c8, 0x5c9},     {0x61d, 0x61d},     {0x7fd, 0x7fd},     {0x890, 0x8e2},
               {0x9fd, 0x9fe},     {0xa76, 0xa76},     {0xafa, 0xaff},     {0xb53, 0xb55},
               {0xc04, 0xc3c},     {0xc77, 0xc77},     {0xc84, 0xc84},     {0xd00, 0xd00},
               {0xd3b, 0xd3c},     {0xd81, 0xd81},     {0xeba, 0xeba},     {0xece, 0xece},
               {0x180f, 0x1886},   {0x1abf, 0x1af0},   {0x1b4e, 0x1b4f},   {0x1b7d, 0x1b7f},
               {0x1df6, 0x1dfb},   {0x2e43, 0x2e63},   {0xa82c, 0xa82c},   {0xa8c5, 0xa8c5},
               {0xa8ff, 0xa8ff},   {0xa9bd, 0xa9bd},   {0x10d24, 0x10f89}, {0x11070, 0x11074},
               {0x110c2, 0x110cd}, {0x111cf, 0x111cf}, {0x1123e, 0x11241}, {0x1133b, 0x1133b},
               {0x113bb, 0x113e2}, {0x11438, 0x1145e}, {0x11660, 0x1166c}, {0x116b9, 0x116b9},
               {0x1182f, 0x11fff}, {0x12ff1, 0x13455}, {0x1611e, 0x1612f}, {0x16d6d, 0x16d6f},
               {0x16e97, 0x16f4f}, {0x16fe2, 0x16fe4}, {0x1cf00, 0x1cf46}, {0x1d127, 0x1d128},
               {0x1d25b, 0x1d25c}, {0x1e000, 0x1e6f5}, {0x1e944, 0x1e95f}};

static bool is_younger(int32_t c)
{
    return VLP_RANGE_OF(younger, c) < VLP_COUNT(younger);
}

bool vlp_bert_is_punctuation(int32_t c)
{
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    if (c == 0x166d || c == 0x111c9) return true; /* punctuation in Unicode 8 */
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO && !is_younger(c);
}

static bool is_mark(int32_t c)
{
    if (c < 0x300) return false;
    return (utf8proc_category(c) == UTF8PROC_CATEGORY_MN && !is_younger(c) && c != 0x111c9) ||
           c == 0x1734;
}

static bool is_ideograph(int32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool is_dropped(int32_t c)
{
    if (c < 0x80) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
    if (c == 0xfffd) return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CO ||
           (k == UTF8PROC_CATEGORY_CF && !is_younger(c));
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
    vlp_nfd(&out, VLP_UNICODE_9);
    size_t n = 0;
    for (size_t i = 0; i < out.n; i++)
        if (!is_mark(out.at[i])) out.at[n++] = out.at[i];
    out.n = n;
    vlp_lower_each(&out);
    vlp_runes_swap(r, &out);
    vlp_runes_free(&out);
}
