/*
 * template.c -- prompts: "a photo of a {}." with a text in place of {}.
 */
#include <string.h>

#include "task_internal.h"

char *vlp_template_fill(struct vlp_arena *mem, const char *template_text, const char *text,
                        size_t len, size_t *out_len)
{
    const char  *hole = strstr(template_text, "{}");
    const size_t all = strlen(template_text);
    const size_t before = hole ? (size_t)(hole - template_text) : all;
    const size_t after = hole ? all - before - 2 : 0;
    const size_t space = !hole && all > 0 ? 1 : 0;
    char        *s = vlp_arena_alloc(mem, before + space + len + after + 1), *p = s;
    memcpy(p, template_text, before);
    p += before;
    if (space) *p++ = ' ';
    memcpy(p, text, len);
    p += len;
    memcpy(p, template_text + all - after, after);
    p[after] = '\0';
    *out_len = before + space + len + after;
    return s;
}
