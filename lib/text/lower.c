/*
 * lower.c -- lower case: one character at a time, or as Python's str.lower does it.
 *
 * Only two things go beyond a table from character to character: U+0130 becomes two characters, and
 * (Python only) a capital sigma after a cased letter and not before one becomes the final sigma.
 */
#include <utf8proc.h>

#include "text_internal.h"

enum { SIGMA = 0x3a3, SMALL_SIGMA = 0x3c3, FINAL_SIGMA = 0x3c2, I_WITH_DOT = 0x130, DOT = 0x307 };

/* Case_Ignorable: marks, format characters, modifiers, and the punctuation inside words. */
static bool is_case_ignorable(int32_t c)
{
    switch (c) {
    case '\'':
    case '.':
    case ':':
    case 0xb7:
    case 0x387:
    case 0x55f:
    case 0x5f4:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
    case 0xfe13:
    case 0xfe52:
    case 0xfe55:
    case 0xff07:
    case 0xff0e:
    case 0xff1a: return true;
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
    }
}

/* Cased: letters with case, and the letter-like signs that Unicode counts among them. */
static bool is_cased(int32_t c)
{
    if (c == 0xaa || c == 0xba || (c >= 0x2160 && c <= 0x217f) || (c >= 0x24b6 && c <= 0x24e9) ||
        (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
        (c >= 0x1f170 && c <= 0x1f189))
        return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LT;
}

/* Capitals younger than Unicode 15; the reference's character by character rule knows them, Python
 * does not. */
static int32_t lower_younger(int32_t c)
{
    static const struct {
        int32_t first, last, to;
    } younger[] = {{0x1c89, 0x1c89, 0x1c8a},    {0xa7cb, 0xa7cb, 0x264},
                   {0xa7cc, 0xa7cc, 0xa7cd},    {0xa7ce, 0xa7ce, 0xa7cf},
                   {0xa7d2, 0xa7d2, 0xa7d3},    {0xa7d4, 0xa7d4, 0xa7d5},
                   {0xa7da, 0xa7da, 0xa7db},    {0xa7dc, 0xa7dc, 0x19b},
                   {0x10d50, 0x10d65, 0x10d70}, {0x16ea0, 0x16eb8, 0x16ebb}};
    const size_t i = c < younger[0].first ? VLP_COUNT(younger) : VLP_RANGE_OF(younger, c);
    return i < VLP_COUNT(younger) ? younger[i].to + (c - younger[i].first) : c;
}

static void lower(struct vlp_runes *r, bool context)
{
    size_t           dotted = 0;
    struct vlp_runes out = {0};
    for (size_t i = 0; i < r->n; i++) dotted += r->at[i] == I_WITH_DOT;
    vlp_runes_reserve(&out, r->n + dotted);
    bool   after_cased = false; /* the last character that is not ignorable is cased */
    size_t next = 0;            /* the first such at or after i+1, as far as known */
    for (size_t i = 0; i < r->n; i++) {
        const int32_t c = r->at[i];
        if (c < 0x80) {
            out.at[out.n++] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        } else if (c == I_WITH_DOT) {
            out.at[out.n++] = 'i';
            out.at[out.n++] = DOT;
        } else if (c == SIGMA && context) {
            if (next <= i) next = i + 1;
            while (next < r->n && is_case_ignorable(r->at[next])) next++;
            const bool before_cased = next < r->n && is_cased(r->at[next]);
            out.at[out.n++] = after_cased && !before_cased ? FINAL_SIGMA : SMALL_SIGMA;
        } else {
            const int32_t small = lower_younger(c);
            out.at[out.n++] = small == c ? utf8proc_tolower(c) : context ? c : small;
        }
        if (context && !is_case_ignorable(c)) after_cased = is_cased(c);
    }
    vlp_runes_swap(r, &out);
    vlp_runes_free(&out);
}

/* Most captions: nothing but ASCII, done in place. */
static bool lower_ascii(struct vlp_runes *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->at[i] >= 0x80) return false;
    for (size_t i = 0; i < r->n; i++)
        if (r->at[i] >= 'A' && r->at[i] <= 'Z') r->at[i] += 32;
    return true;
}

void vlp_lower_python(struct vlp_runes *r)
{
    if (!lower_ascii(r)) lower(r, true);
}

void vlp_lower_each(struct vlp_runes *r)
{
    if (!lower_ascii(r)) lower(r, false);
}
