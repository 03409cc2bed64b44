/*
 * html_text.c -- text and bytes made safe for a page.
 */
#include <string.h>

#include <vlp/html.h>

void vlp_html_escape(struct vlp_buf *out, const char *s, size_t len)
{
    const char *end = s + len;
    while (s < end) {
        const char   *at = s;
        const int32_t c = vlp_utf8_next(&s, end);
        if (c == '&')
            vlp_buf_add_str(out, "&amp;");
        else if (c == '<')
            vlp_buf_add_str(out, "&lt;");
        else if (c == '>')
            vlp_buf_add_str(out, "&gt;");
        else if (c == '"')
            vlp_buf_add_str(out, "&quot;");
        else if (c == '\'')
            vlp_buf_add_str(out, "&#39;");
        else if (c < 0 || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) ||
                 (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
            vlp_buf_add_str(out, "\xef\xbf\xbd"); /* controls, and what turns text around */
        else
            vlp_buf_add(out, at, (size_t)(s - at));
    }
}

void vlp_html_data(struct vlp_buf *out, const char *type, const void *data, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t    *p = data;
    vlp_buf_printf(out, "data:%s;base64,", type);
    vlp_buf_reserve(out, len / 3 * 4 + 8);
    for (size_t i = 0; i < len; i += 3) {
        const size_t   n = len - i < 3 ? len - i : 3;
        const uint32_t v =
            (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        const char four[4] = {digit[v >> 18], digit[v >> 12 & 63], n > 1 ? digit[v >> 6 & 63] : '=',
                              n > 2 ? digit[v & 63] : '='};
        vlp_buf_add(out, four, 4);
    }
}
