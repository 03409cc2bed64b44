/*
 * search_query.c -- queries written as text: sums and differences of texts, pictures and ids.
 *
 *   query = term { space term }        term = [+|-] [number *] (text:|image:|id:) value
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

/* Does a term begin at `s`? Its kind and weight, and where its value starts. */
static bool term_begins(const char *s, const char *end, struct vlp_term *t, const char **value)
{
    double weight = 1.0, sign = 1.0;
    if (s < end && (*s == '+' || *s == '-')) sign = *s++ == '-' ? -1.0 : 1.0;
    const char *digits = s;
    while (s < end && (isdigit((unsigned char)*s) || *s == '.')) s++;
    if (s > digits) {
        char text[32];
        if (s == end || *s != '*' || (size_t)(s - digits) >= sizeof text) return false;
        memcpy(text, digits, (size_t)(s - digits));
        text[s - digits] = '\0';
        if (!vlp_parse_f64(text, &weight)) return false;
        s++;
    }
    for (size_t i = 0; i < VLP_COUNT(kinds); i++) {
        const size_t len = strlen(kinds[i].prefix);
        if ((size_t)(end - s) < len || memcmp(s, kinds[i].prefix, len) != 0) continue;
        t->kind = kinds[i].kind;
        t->weight = (float)(sign * weight);
        *value = s + len;
        return true;
    }
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

enum vlp_status vlp_query_parse(struct vlp_query *out, struct vlp_arena *mem, const char *s,
                                size_t len, struct vlp_error *err)
{
    const char      *end = s + len, *at = s, *value;
    struct vlp_query q = {.name = vlp_arena_strndup(mem, s, len), .name_len = len};
    struct vlp_term  term;
    q.term =
        VLP_NEW_N(mem, struct vlp_term, len / 4 + 1); /* a term has at least "id:" and a space */
    while (at < end && is_space(*at)) at++;
    if (!term_begins(at, end, &term, &value))
        return vlp_fail(err, VLP_ERR_USAGE,
                        "query '%s': a term begins with text:, image: or id:, after a sign and a "
                        "weight if wanted",
                        q.name);
    while (at < end) {
        const char     *next = value, *following = NULL;
        struct vlp_term next_term = {0};
        for (; next < end; next++)
            if (is_space(next[0]) && next + 1 < end &&
                term_begins(next + 1, end, &next_term, &following))
                break;
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
