/*
 * html.c -- character references of HTML back to characters, by Python's rules.
 *
 *   &name;  &name    a known name may begin a longer word
 *   &#123;  &#x7b    the semicolon is optional
 */
#include <string.h>

#include "text_internal.h"

enum { LONGEST_NAME = 32, LONGEST_STRICT = 24 };

/* Windows-1252 for 0x80 .. 0x9f; where it has nothing the number stays. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
    0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

int32_t vlp_html_number(uint32_t n)
{
    if (n >= 0x80 && n <= 0x9f) return windows_1252[n - 0x80];
    if (n == 0 || (n >= 0xd800 && n <= 0xdfff) || n > 0x10ffff) return 0xfffd;
    if (n <= 8 || n == 0xb || (n >= 0xe && n <= 0x1f) || n == 0x7f) return -1;
    if ((n >= 0xfdd0 && n <= 0xfdef) || (n & 0xfffe) == 0xfffe) return -1;
    return (int32_t)n;
}

static const struct vlp_entity *find(const struct vlp_entity *table, size_t count, const char *name,
                                     size_t len)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const int    order = strncmp(table[mid].name, name, len);
        if (order == 0 && table[mid].name[len] == '\0') return &table[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int digit_of(int32_t c, int base)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (base == 16 && c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (base == 16 && c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The digits after "&#" or "&#x" at s; returns how many code points they take with that prefix. */
static size_t read_number(const int32_t *s, size_t n, uint32_t *number)
{
    const int    base = n > 2 && (s[2] == 'x' || s[2] == 'X') ? 16 : 10;
    const size_t first = base == 16 ? 3 : 2;
    size_t       i = first;
    *number = 0;
    for (; i < n && digit_of(s[i], base) >= 0; i++)
        if (*number <= 0x10ffff)
            *number = *number * (uint32_t)base + (uint32_t)digit_of(s[i], base);
    return i > first ? i : 0;
}

/* s[0] is '&' and s[1] is not '#': names up to 32 characters, whole or as a prefix. */
static size_t unescape_name(struct vlp_runes *out, const int32_t *s, size_t n)
{
    char   name[LONGEST_NAME + 2];
    size_t len = 0;
    while (len < LONGEST_NAME && len + 1 < n) {
        const int32_t c = s[1 + len];
        if (c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' ||
            c == ';')
            break;
        name[len++] = c > 0 && c < 0x80 ? (char)c : 1; /* 1 is in no name */
    }
    if (len == 0) return 0;
    if (len + 1 < n && s[1 + len] == ';') name[len++] = ';';
    for (size_t x = len; x > 1; x--) {
        const struct vlp_entity *e = find(vlp_html_entities, vlp_html_entities_count, name, x);
        if (!e) continue;
        vlp_runes_add_utf8(out, e->text, strlen(e->text));
        vlp_runes_add_all(out, s + 1 + x, len - x);
        return 1 + len;
    }
    vlp_runes_add_all(out, s, 1 + len);
    return 1 + len;
}

static size_t unescape_number(struct vlp_runes *out, const int32_t *s, size_t n)
{
    uint32_t number;
    size_t   len = read_number(s, n, &number);
    if (len == 0) return 0;
    if (len < n && s[len] == ';') len++;
    const int32_t c = vlp_html_number(number);
    if (c >= 0) vlp_runes_add(out, c);
    return len;
}

static bool has_ampersand(const struct vlp_runes *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->at[i] == '&') return true;
    return false;
}

void vlp_html_unescape(struct vlp_runes *r)
{
    if (!has_ampersand(r)) return;
    struct vlp_runes out = {0};
    for (size_t i = 0; i < r->n;) {
        size_t used = 0;
        if (r->at[i] == '&' && i + 1 < r->n)
            used = r->at[i + 1] == '#' ? unescape_number(&out, r->at + i, r->n - i)
                                       : unescape_name(&out, r->at + i, r->n - i);
        if (used == 0) {
            vlp_runes_add(&out, r->at[i]);
            used = 1;
        }
        i += used;
    }
    vlp_runes_swap(r, &out);
    vlp_runes_free(&out);
}

static bool is_ascii_alnum(int32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One reference that ends in a semicolon; 0 when there is none at s, else what it takes. */
static size_t unescape_whole(struct vlp_runes *out, const int32_t *s, size_t n)
{
    const size_t first = n > 1 && s[1] == '#' ? 2 : 1;
    char         name[LONGEST_STRICT + 1];
    size_t       len = 0;
    while (len <= LONGEST_STRICT && first + len < n && is_ascii_alnum(s[first + len])) {
        if (len < LONGEST_STRICT) name[len] = (char)s[first + len];
        len++;
    }
    if (len == 0 || len > LONGEST_STRICT || first + len >= n || s[first + len] != ';') return 0;
    const size_t all = first + len + 1;
    if (first == 2) {
        uint32_t number;
        if (read_number(s, all, &number) != all - 1) return 0;
        const int32_t c = vlp_html_number(number);
        if (c == ';') return 0;
        if (c >= 0) vlp_runes_add(out, c);
        return all;
    }
    name[len++] = ';';
    const struct vlp_entity *e = find(vlp_html_entities, vlp_html_entities_count, name, len);
    if (!e) e = find(vlp_html_capitals, vlp_html_capitals_count, name, len);
    if (!e) return 0;
    vlp_runes_add_utf8(out, e->text, strlen(e->text));
    return all;
}

bool vlp_html_unescape_strict(struct vlp_runes *r, bool rescan)
{
    if (!has_ampersand(r)) return false;
    bool             changed = false;
    struct vlp_runes out = {0};
    for (size_t i = 0; i < r->n;) {
        const size_t used = r->at[i] == '&' ? unescape_whole(&out, r->at + i, r->n - i) : 0;
        if (used == 0) {
            vlp_runes_add(&out, r->at[i++]);
            continue;
        }
        changed = true;
        i += used;
        if (rescan && out.n > 0 && out.at[out.n - 1] == '&') {
            r->at[--i] = '&'; /* what was made may begin another one */
            out.n--;
        }
    }
    vlp_runes_swap(r, &out);
    vlp_runes_free(&out);
    return changed;
}
