/*
 * search_query.c -- queries written as text: sums and differences of texts, pictures and ids.
 *
 *   query = term { space term }      term = [+|-] [number *] (text:|image:|id:) value
 *   blanks may stand after the sign, before and after the star
 *   vector = unit(sum weight_i unit(v_i))
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

static const struct {
    const char        *prefix;
    enum vlp_term_kind kind;
} kinds[] = {{"text:", VLP_TERM_TEXT}, {"image:", VLP_TERM_IMAGE}, {"id:", VLP_TERM_ID}};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_sign(char c)
{
    return c == '+' || c == '-';
}

static const char *skip_spaces(const char *s, const char *end)
{
    while (s < end && is_space(*s)) s++;
    return s;
}

/* The value after the prefix at `s`, or NULL. */
static const char *after_prefix(const char *s, const char *end, enum vlp_term_kind *kind)
{
    for (size_t i = 0; i < VLP_COUNT(kinds); i++) {
        const size_t len = strlen(kinds[i].prefix);
        if ((size_t)(end - s) < len || memcmp(s, kinds[i].prefix, len) != 0) continue;
        *kind = kinds[i].kind;
        return s + len;
    }
    return NULL;
}

/* Digits and points, then an exponent if there is one. */
static const char *number_end(const char *s, const char *end)
{
    const char *begin = s;
    while (s < end && (isdigit((unsigned char)*s) || *s == '.')) s++;
    if (s == begin || s == end || (*s != 'e' && *s != 'E')) return s;
    const char *power = s + 1;
    if (power < end && is_sign(*power)) power++;
    if (power == end || !isdigit((unsigned char)*power)) return s;
    while (power < end && isdigit((unsigned char)*power)) power++;
    return power;
}

/* Does a term begin at `s`? Its kind and weight, and where its value starts. */
static bool term_begins(const char *s, const char *end, struct vlp_term *t, const char **value)
{
    double weight = 1.0, sign = 1.0;
    if (s < end && is_sign(*s)) {
        sign = *s == '-' ? -1.0 : 1.0;
        s = skip_spaces(s + 1, end);
    }
    const char *digits = s;
    s = number_end(s, end);
    if (s > digits) {
        char         text[32];
        const size_t n = (size_t)(s - digits);
        s = skip_spaces(s, end);
        if (s == end || *s != '*' || n >= sizeof text) return false;
        memcpy(text, digits, n);
        text[n] = '\0';
        if (!vlp_parse_f64(text, &weight) || !isfinite((float)weight)) return false;
        s = skip_spaces(s + 1, end);
    }
    t->weight = (float)(sign * weight);
    return (*value = after_prefix(s, end, &t->kind)) != NULL;
}

/* How long the word at `s` is if it stands before a term as its sign or weight would, but is none;
 * else 0. As the end of the text before, it would turn a difference into a sum. */
static size_t false_weight(const char *s, const char *end)
{
    static const char  parts[] = "+-*.,0123456789eE";
    struct vlp_term    t;
    enum vlp_term_kind kind;
    const char        *value, *stop = s;
    while (stop < end && !is_space(*stop) && !after_prefix(stop, end, &kind)) stop++;
    const size_t n = (size_t)(stop - s);
    if (n == 0) return 0;
    const bool  apart = stop < end && is_space(*stop), star = stop[-1] == '*';
    const char *next = skip_spaces(stop, end);
    bool        numeric = *s != 'e' && *s != 'E';
    for (size_t i = 0; i < n; i++) numeric = numeric && memchr(parts, s[i], sizeof parts - 1);
    bool is_false;
    if (n == 1 && apart && (is_sign(*s) || star))
        is_false = term_begins(next, end, &t, &value);
    else /* apart, a number may end a text: route 66 */
        is_false = after_prefix(next, end, &kind) && (star || (numeric && (!apart || is_sign(*s))));
    return is_false ? n : 0;
}

enum vlp_status vlp_query_parse(struct vlp_query *out, struct vlp_arena *mem, const char *s,
                                size_t len, struct vlp_error *err)
{
    const char      *end = s + len, *at = s, *value;
    struct vlp_query q = {.name = vlp_arena_strndup(mem, s, len), .name_len = len};
    struct vlp_term  term;
    q.term =
        VLP_NEW_N(mem, struct vlp_term, len / 4 + 1); /* a term has at least "id:" and a space */
    at = skip_spaces(at, end);
    if (!term_begins(at, end, &term, &value))
        return vlp_fail(err, VLP_ERR_USAGE,
                        "query '%s': a term begins with text:, image: or id:, after a sign and a "
                        "weight if wanted",
                        q.name);
    while (at < end) {
        const char     *next = value, *following = NULL;
        struct vlp_term next_term = {0};
        for (; next < end; next++) {
            if (!is_space(next[0]) || next + 1 == end) continue;
            if (term_begins(next + 1, end, &next_term, &following)) break;
            const size_t odd = false_weight(next + 1, end);
            if (odd)
                return vlp_fail(err, VLP_ERR_USAGE,
                                "query '%s': '%.*s' before a term is no sign or weight, as - and "
                                "-0.5* are",
                                q.name, (int)vlp_min_i64((int64_t)odd, INT32_MAX), next + 1);
        }
        const char *stop = next;
        while (stop > value && is_space(stop[-1])) stop--;
        while (value < stop && is_space(*value)) value++;
        if (stop == value) return vlp_fail(err, VLP_ERR_USAGE, "query '%s': an empty term", q.name);
        term.value = vlp_arena_strndup(mem, value, (size_t)(stop - value));
        term.len = (size_t)(stop - value);
        q.term[q.n++] = term;
        at = next < end ? next + 1 : end;
        term = next_term;
        value = following;
    }
    *out = q;
    return VLP_OK;
}

enum vlp_status vlp_query_compose(float *out, const struct vlp_query *q,
                                  const float *const *vectors, int dim, struct vlp_error *err)
{
    double *sum = vlp_calloc((size_t)dim, sizeof *sum);
    double  square = 0.0;
    for (int i = 0; i < q->n; i++) {
        double norm = 0.0;
        for (int c = 0; c < dim; c++) norm += (double)vectors[i][c] * (double)vectors[i][c];
        const double weight = norm > 0.0 ? (double)q->term[i].weight / sqrt(norm) : 0.0;
        for (int c = 0; c < dim; c++) sum[c] += weight * (double)vectors[i][c];
    }
    for (int c = 0; c < dim; c++) square += sum[c] * sum[c];
    const double length = sqrt(square);
    for (int c = 0; c < dim; c++) out[c] = (float)(length > 0.0 ? sum[c] / length : 0.0);
    free(sum);
    /* what is left of a vector minus itself is rounding, no direction */
    if (!(length > 1e-6))
        return vlp_fail(err, VLP_ERR_USAGE, "query '%s' adds up to nothing", q->name);
    return VLP_OK;
}
