/*
 * buf.c -- a growing run of bytes on the heap.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/base.h>

void vlp_buf_free(struct vlp_buf *b)
{
    free(b->data);
    *b = (struct vlp_buf){0};
}

void vlp_buf_clear(struct vlp_buf *b)
{
    b->len = 0;
    if (b->data) b->data[0] = '\0';
}

void vlp_buf_reserve(struct vlp_buf *b, size_t more)
{
    size_t want;
    if (__builtin_add_overflow(b->len, more, &want) || want > SIZE_MAX / 2) {
        vlp_no_memory(SIZE_MAX);
        abort();
    }
    if (want + 1 <= b->cap) return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < want + 1) cap *= 2;
    b->data = vlp_realloc(b->data, cap);
    b->cap = cap;
}

void vlp_buf_add(struct vlp_buf *b, const void *data, size_t len)
{
    vlp_buf_reserve(b, len);
    if (len) memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void vlp_buf_add_str(struct vlp_buf *b, const char *s)
{
    vlp_buf_add(b, s, strlen(s));
}

void vlp_buf_add_char(struct vlp_buf *b, char c)
{
    vlp_buf_add(b, &c, 1);
}

void vlp_buf_printf(struct vlp_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    vlp_buf_reserve(b, (size_t)n);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
    va_end(again);
    b->len += (size_t)n;
}

static const char escape_letters[] = "tnr\\", escaped_bytes[] = "\t\n\r\\";

void vlp_buf_add_tsv(struct vlp_buf *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *e = s[i] ? strchr(escaped_bytes, s[i]) : NULL;
        if (e) vlp_buf_add_char(b, '\\');
        vlp_buf_add_char(b, e ? escape_letters[e - escaped_bytes] : s[i]);
    }
}

size_t vlp_tsv_unescape(char *s, size_t len)
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

bool vlp_buf_add_json(struct vlp_buf *b, const char *s, size_t len)
{
    const char *end = s + len;
    bool        exact = true;
    vlp_buf_add_char(b, '"');
    while (s < end) {
        const char   *at = s;
        const int32_t c = vlp_utf8_next(&s, end);
        if (c < 0) {
            vlp_buf_add_str(b, "\\ufffd");
            exact = false;
        } else if (c == '"' || c == '\\') {
            vlp_buf_printf(b, "\\%c", (int)c);
        } else if (c == '\n' || c == '\t') {
            vlp_buf_add_str(b, c == '\n' ? "\\n" : "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            vlp_buf_printf(b, "\\u%04x", (unsigned)c);
        } else {
            vlp_buf_add(b, at, (size_t)(s - at));
        }
    }
    vlp_buf_add_char(b, '"');
    return exact;
}
