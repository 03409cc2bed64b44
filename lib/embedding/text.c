/*
 * text.c -- numbers in text files, and where their lines go.
 */
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

enum vlp_status text_create(struct vlp_embedding_writer              *w,
                            const struct vlp_embedding_write_options *opt, struct vlp_error *err)
{
    struct text_writer   *v = vlp_calloc(1, sizeof *v);
    const enum vlp_status s =
        vlp_output_open(&v->out, w->standard ? "-" : w->path, opt->force, err);
    if (s != VLP_OK) free(v);
    w->state = v;
    return s;
}

enum vlp_status text_finish(struct vlp_embedding_writer *w, bool commit, struct vlp_error *err)
{
    struct text_writer *v = w->state;
    enum vlp_status     s = VLP_OK;
    if (commit)
        s = vlp_output_commit(&v->out, err);
    else
        vlp_output_abort(&v->out);
    vlp_buf_free(&v->line);
    free(v);
    return s;
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
