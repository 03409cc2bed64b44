/*
 * fix_text.c -- repairs of characters, line by line until nothing changes, as ftfy 6.3 does them.
 *
 *   references, C1 controls, ligatures, widths, quotes, line breaks,
 *   terminal escapes, controls, NFC
 *
 * Its repair of text decoded with the wrong encoding is left out: it is a guess.
 */
#include <string.h>
#include <utf8proc.h>

#include "text_internal.h"

enum {
    LONGEST_LINE = 1000000, /* code points; longer lines are repaired in parts */
    PATIENT_PASSES = 64,    /* after these, nested references are undone at once */
    ESCAPE = 0x1b
};

static const struct {
    int32_t     c;
    const char *text;
} ligatures[] = {
    {0x132, "IJ"},         {0x133, "ij"},        {0x149, "\312\274n"}, {0x1c4, "D\305\275"},
    {0x1c5, "D\305\276"},  {0x1c6, "d\305\276"}, {0x1c7, "LJ"},        {0x1c8, "Lj"},
    {0x1c9, "lj"},         {0x1ca, "NJ"},        {0x1cb, "Nj"},        {0x1cc, "nj"},
    {0x1f1, "DZ"},         {0x1f2, "Dz"},        {0x1f3, "dz"},        {0xfb00, "ff"},
    {0xfb01, "fi"},        {0xfb02, "fl"},       {0xfb03, "ffi"},      {0xfb04, "ffl"},
    {0xfb05, "\305\277t"}, {0xfb06, "st"},
};

static bool is_dropped(int32_t c)
{
    return c <= 8 || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f ||
           (c >= 0x206a && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

/* Full width and half width forms in their usual width. */
static bool add_width(struct vlp_runes *out, int32_t c)
{
    if (c < 0xff01 || c > 0xffef) return false;
    int32_t                parts[8];
    int                    boundary = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(
        c, parts, VLP_COUNT(parts), UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE, &boundary);
    vlp_runes_add_all(out, parts, n > 0 ? (size_t)n : 0);
    return n > 0;
}

/* A single quote out of a ligature (U+0149) is uncurled too: quotes come after ligatures. */
static int32_t uncurl(int32_t c)
{
    if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b)) return '\'';
    if (c >= 0x201c && c <= 0x201f) return '"';
    return c;
}

static void add_repaired(struct vlp_runes *out, int32_t c)
{
    const size_t first = out->n;
    if (c >= 0x80 && c <= 0x9f) c = vlp_html_number((uint32_t)c);
    if (c >= ligatures[0].c) {
        size_t i = 0;
        while (i < VLP_COUNT(ligatures) && ligatures[i].c != c) i++;
        if (i < VLP_COUNT(ligatures))
            vlp_runes_add_utf8(out, ligatures[i].text, strlen(ligatures[i].text));
    }
    if (out->n == first && !add_width(out, c)) vlp_runes_add(out, c == 0x3000 ? ' ' : c);
    for (size_t i = first; i < out->n; i++) out->at[i] = uncurl(out->at[i]);
}

/* ESC [ digits and semicolons, one letter: how many code points; 0: no escape at s. */
static size_t terminal_escape(const int32_t *s, size_t n)
{
    if (n < 3 || s[0] != ESCAPE || s[1] != '[') return 0;
    size_t i = 2;
    while (i < n && (s[i] == ';' || vlp_is_digit(s[i]))) i++;
    const bool letter = i < n && ((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z'));
    return letter ? i + 1 : 0;
}

/* Drop escapes and controls, unify line breaks; in place. */
static void drop(struct vlp_runes *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const int32_t c = r->at[i];
        const size_t  escape = c == ESCAPE ? terminal_escape(r->at + i, r->n - i) : 0;
        if (escape > 0)
            i += escape - 1;
        else if (c == '\r' && i + 1 < r->n && r->at[i + 1] == '\n')
            continue;
        else if (c == '\r' || c == 0x2028 || c == 0x2029)
            r->at[n++] = '\n';
        else if (!is_dropped(c))
            r->at[n++] = c;
    }
    r->n = n;
}

static bool same(const struct vlp_runes *a, const struct vlp_runes *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->at, b->at, a->n * sizeof *a->at) == 0);
}

static void fix_line(struct vlp_runes *line, bool unescape)
{
    struct vlp_runes before = {0}, out = {0};
    for (int pass = 0;; pass++) {
        before.n = 0;
        vlp_runes_add_all(&before, line->at, line->n);
        if (unescape) vlp_html_unescape_strict(line, pass >= PATIENT_PASSES);
        out.n = 0;
        for (size_t i = 0; i < line->n; i++) add_repaired(&out, line->at[i]);
        drop(&out);
        vlp_nfc(&out, VLP_UNICODE_14);
        vlp_runes_swap(line, &out);
        if (same(line, &before)) break;
    }
    vlp_runes_free(&before);
    vlp_runes_free(&out);
}

/* Printable ASCII needs none of it, except references. */
static bool is_plain(const struct vlp_runes *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const int32_t c = r->at[i];
        if (c > 0x7e || c == '&' || (c < ' ' && c != '\n' && c != '\t')) return false;
    }
    return true;
}

void vlp_fix_text(struct vlp_runes *r)
{
    if (is_plain(r)) return;
    struct vlp_runes out = {0}, line = {0};
    bool             unescape = true; /* until the first line with a '<': then it is real HTML */
    for (size_t i = 0; i < r->n;) {
        size_t end = i;
        while (end < r->n && end - i < LONGEST_LINE && r->at[end] != '\n') end++;
        if (end < r->n && end - i < LONGEST_LINE) end++;
        for (size_t k = i; k < end && unescape; k++) unescape = r->at[k] != '<';
        line.n = 0;
        vlp_runes_add_all(&line, r->at + i, end - i);
        fix_line(&line, unescape);
        vlp_runes_add_all(&out, line.at, line.n);
        i = end;
    }
    vlp_runes_swap(r, &out);
    vlp_runes_free(&out);
    vlp_runes_free(&line);
}
