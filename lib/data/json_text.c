/*
 * json_text.c -- JSON as programs write it: NaN, Infinity and -Infinity are null.
 *
 * Python's json.dumps writes these three words, which JSON does not know, for numbers that are
 * none: a similarity of NaN among the metadata is no reason to lose the caption beside it.
 */
#include <ctype.h>
#include <string.h>

#include "data_internal.h"

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || strchr("_.+-", c); /* NUL too: it ends no word of JSON */
}

/* The length of such a word at `p`, or 0. */
static size_t word_at(const char *text, const char *p, const char *end)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    if (p > text && is_word_byte(p[-1])) return 0;
    for (size_t i = 0; i < VLP_COUNT(words); i++) {
        const size_t n = strlen(words[i]);
        if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
            return p + n == end || !is_word_byte(p[n]) ? n : 0;
    }
    return 0;
}

/* The text with null for these words, outside of strings; false: there is none. */
static bool replace_words(struct vlp_buf *out, const char *text, size_t len)
{
    const char *end = text + len, *from = text;
    bool        quoted = false, found = false;
    for (const char *p = text; p < end; p++) {
        if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        const size_t n = quoted || p >= end ? 0 : word_at(text, p, end);
        if (n == 0) continue;
        vlp_buf_add(out, from, (size_t)(p - from));
        vlp_buf_add_str(out, "null");
        from = p + n;
        p += n - 1;
        found = true;
    }
    if (found) vlp_buf_add(out, from, (size_t)(end - from));
    return found;
}

json_t *json_read(const char *text, size_t len, json_error_t *e)
{
    struct vlp_buf plain = {0};
    const size_t   bom = vlp_bom_length(text, len);
    if (bom) text += bom, len -= bom;
    json_t *v = json_loadb(text, len, JSON_ALLOW_NUL, e);
    if (!v && replace_words(&plain, text, len))
        v = json_loadb(plain.data, plain.len, JSON_ALLOW_NUL, e);
    vlp_buf_free(&plain);
    return v;
}

const char *json_type_words(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a text";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: break;
    }
    return "null";
}
