/*
 * text.c -- ids and numbers in text files.
 */
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

static const char escape_letters[] = "tnr\\", escaped_bytes[] = "\t\n\r\\";

void text_put_escaped(struct vlp_buf *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *e = s[i] ? strchr(escaped_bytes, s[i]) : NULL;
        if (e) vlp_buf_add_char(b, '\\');
        vlp_buf_add_char(b, e ? escape_letters[e - escaped_bytes] : s[i]);
    }
}

size_t text_unescape(char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const char *e =
            s[i] == '\\' && i + 1 < len && s[i + 1] ? strchr(escape_letters, s[i + 1]) : NULL;
        s[n++] = e ? escaped_bytes[e - escape_letters] : s[i];
        i += e != NULL;
    }
    return n;
}

static locale_t       shared_c_locale;
static pthread_once_t made_c_locale = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    shared_c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool text_parse_f32(const char *s, float *out)
{
    pthread_once(&made_c_locale, make_c_locale);
    if (*s == '\0' || *s == ' ' || (*s >= '\t' && *s <= '\r')) return false;
    char *end;
    *out = strtof_l(s, &end, shared_c_locale);
    return end != s && *end == '\0';
}
