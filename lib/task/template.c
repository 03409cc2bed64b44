/*
 * template.c -- prompts: "a photo of a {}." with a text in place of {}.
 */
#include <string.h>

#include "task_internal.h"

static char *put(char *to, const char *from, size_t len)
{
    memcpy(to, from, len);
    return to + len;
}

char *vlp_template_fill(struct vlp_arena *mem, const char *template_text, const char *text,
                        size_t len, size_t *out_len)
{
    const char  *rest = template_text, *hole;
    const size_t all = strlen(template_text);
    size_t       holes = 0;
    for (hole = strstr(rest, "{}"); hole; hole = strstr(hole + 2, "{}")) holes++;
    /* "photo" is "photo {}" */
    const size_t room = holes > 0 ? all + holes * len - 2 * holes : all + 1 + len;
    char        *s = vlp_arena_alloc(mem, room + 1), *p = s;
    for (; (hole = strstr(rest, "{}")) != NULL; rest = hole + 2) {
        p = put(p, rest, (size_t)(hole - rest));
        p = put(p, text, len);
    }
    p = put(p, rest, strlen(rest));
    if (holes == 0 && all > 0) *p++ = ' ';
    if (holes == 0) p = put(p, text, len);
    *p = '\0';
    *out_len = (size_t)(p - s);
    return s;
}
