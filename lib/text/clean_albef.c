/*
 * clean_albef.c -- ALBEF's cleaning of captions and questions.
 *
 *   lower case; punctuation dropped; hyphen and slash to space; "<person>" to "person" (captions);
 *   spaces collapsed and trimmed (captions: all, questions: at the end only); the first words kept
 */
#include <string.h>

#include "text_internal.h"

static void strip_punctuation(struct vlp_runes *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const int32_t c = r->at[i];
        if (c > 0 && c < 0x80 && strchr(",.'!?\"()*#:;~", c)) continue;
        r->at[n++] = c == '-' || c == '/' ? ' ' : c;
    }
    r->n = n;
}

static void unbracket_person(struct vlp_runes *r)
{
    static const char person[] = "<person>";
    const size_t      len = sizeof person - 1;
    size_t            n = 0;
    for (size_t i = 0; i < r->n;) {
        size_t k = 0;
        while (k < len && i + k < r->n && r->at[i + k] == person[k]) k++;
        if (k == len) {
            memmove(r->at + n, r->at + i + 1, (len - 2) * sizeof *r->at);
            n += len - 2;
            i += len;
        } else {
            r->at[n++] = r->at[i++];
        }
    }
    r->n = n;
}

/* Two and more spaces of any kind become one; a lone one stays what it is. */
static void collapse_runs(struct vlp_runes *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n;) {
        size_t end = i;
        while (end < r->n && vlp_is_py_space(r->at[end])) end++;
        if (end - i >= 2) {
            r->at[n++] = ' ';
            i = end;
        } else {
            r->at[n++] = r->at[i++];
        }
    }
    r->n = n;
}

static void trim_captions(struct vlp_runes *r)
{
    while (r->n > 0 && r->at[r->n - 1] == '\n') r->n--;
    while (r->n > 0 && r->at[r->n - 1] == ' ') r->n--;
    size_t first = 0;
    while (first < r->n && r->at[first] == ' ') first++;
    if (first > 0) memmove(r->at, r->at + first, (r->n - first) * sizeof *r->at);
    r->n -= first;
}

static void keep_words(struct vlp_runes *r, int max_words)
{
    int words = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->at[i] != ' ' || ++words < max_words) continue;
        r->n = i;
        return;
    }
}

enum vlp_status vlp_text_clean_albef(char **out, size_t *out_len, struct vlp_arena *mem,
                                     bool question, int max_words, const char *text, size_t len,
                                     struct vlp_error *err)
{
    struct vlp_runes r = {0};
    enum vlp_status  status = vlp_runes_decode(&r, text, len, err);
    if (status == VLP_OK) {
        struct vlp_buf b = {0};
        vlp_lower_python(&r);
        strip_punctuation(&r);
        if (question) {
            while (r.n > 0 && r.at[r.n - 1] == ' ') r.n--;
        } else {
            unbracket_person(&r);
            collapse_runs(&r);
            trim_captions(&r);
        }
        if (max_words > 0) keep_words(&r, max_words);
        vlp_runes_encode(&b, r.at, r.n);
        *out = vlp_arena_strndup(mem, b.data ? b.data : "", b.len);
        *out_len = b.len;
        vlp_buf_free(&b);
    }
    vlp_runes_free(&r);
    return status;
}
