/*
 * match_queries.c -- what is looked for: texts, pictures, ids, sums of them, stored vectors.
 *
 * All of it becomes a list of expressions; their terms' vectors are found together (one pass over
 * the index for ids, batches for texts), then composed.
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/image.h>

#include "match.h"

enum { TEXTS_AT_ONCE = 256 };

struct gathering {
    struct match_queries *q;
    struct match_job     *job;
    struct vlp_query     *query;  /* parsed, in order */
    int                  *number; /* of each among those given */
    bool                 *dead;   /* a term could not be used: told, left out */
    int                   n, cap;
    struct vlp_term     **term; /* all terms of all queries */
    int                  *of;   /* their queries */
    float                *vector;
    uint32_t             *flags; /* of the terms that are ids */
    int                   n_terms;
};

static void add_query(struct gathering *g, const struct vlp_query *q, int number)
{
    if (g->n == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 64;
        g->query = vlp_realloc(g->query, (size_t)g->cap * sizeof *g->query);
        g->number = vlp_realloc(g->number, (size_t)g->cap * sizeof *g->number);
    }
    g->query[g->n] = *q;
    g->number[g->n++] = number;
}

static enum vlp_status add_asked(struct gathering *g, const struct match_asked *a,
                                 struct vlp_error *err)
{
    struct vlp_query q = {.n = 1};
    const int        number = g->q->n_given++;
    if (a->kind == MATCH_EXPRESSION) {
        VLP_TRY(vlp_query_parse(&q, &g->q->mem, a->value, a->len, err));
    } else {
        q.name = vlp_arena_strndup(&g->q->mem, a->value, a->len);
        q.name_len = a->len;
        q.term = VLP_NEW(&g->q->mem, struct vlp_term);
        *q.term = (struct vlp_term){(enum vlp_term_kind)a->kind, 1.0f, q.name, a->len};
    }
    add_query(g, &q, number);
    return VLP_OK;
}

/* One entry of a list. A malformed expression is a query that cannot be used, no wrong usage. */
static enum vlp_status add_entry(struct gathering *g, const struct match_asked *a,
                                 struct vlp_error *err)
{
    struct vlp_error why;
    if (add_asked(g, a, &why) == VLP_OK) return VLP_OK;
    char *name = vlp_arena_strndup(&g->q->mem, a->value, a->len);
    cmd_failures_add(&g->job->failures, name, a->len, why.status, why.text);
    if (!g->job->failures.stop_at_first) return VLP_OK;
    return vlp_fail(err, why.status, "stopped at query '%s'", name);
}

/* It cannot even be named by what it says. */
static enum vlp_status refuse_line(struct gathering *g, const char *path,
                                   const struct vlp_line *line, struct vlp_error *err)
{
    char *id = vlp_arena_printf(&g->q->mem, "%s:%lld", path, (long long)line->number);
    char *why = vlp_arena_printf(&g->q->mem, "line %lld %s", (long long)line->number, line->reason);
    cmd_failures_add(&g->job->failures, id, strlen(id), line->status, why);
    if (!g->job->failures.stop_at_first) return VLP_OK;
    return vlp_fail(err, line->status, "stopped at query '%s'", id);
}

static enum vlp_status add_list(struct gathering *g, const char *path, int kind,
                                struct vlp_error *err)
{
    /* Names and ids may come from TSV of ours, --failed for one: the first column counts. */
    const bool        columns = !match.nul && (kind == VLP_TERM_IMAGE || kind == VLP_TERM_ID);
    const bool        texts = kind == VLP_TERM_TEXT || kind == MATCH_EXPRESSION;
    struct vlp_lines *l;
    struct vlp_line   line;
    bool              more;
    if (!path) return VLP_OK;
    VLP_TRY(vlp_lines_open(&l, path, texts ? VLP_LINES_TEXTS : VLP_LINES_PATHS, match.nul, err));
    enum vlp_status s;
    while ((s = vlp_lines_next(l, &line, &more, err)) == VLP_OK && more) {
        if (line.status != VLP_OK) {
            s = refuse_line(g, path, &line, err);
        } else {
            const size_t len = columns ? vlp_first_field(line.bytes, line.len) : line.len;
            if (len || kind == VLP_TERM_TEXT) /* an empty text is one; nobody is called so */
                s = add_entry(g, &(struct match_asked){kind, line.bytes, len}, err);
        }
        if (s != VLP_OK) break;
    }
    vlp_lines_close(l);
    return s;
}

static enum vlp_status give_up(struct gathering *g, int i, enum vlp_status why, const char *detail,
                               struct vlp_error *err)
{
    if (g->dead[i]) return VLP_OK;
    if (why == VLP_ERR_SHORTAGE) return why; /* no fault of the query; `err` says it already */
    g->dead[i] = true;
    cmd_failures_add(&g->job->failures, g->query[i].name, g->query[i].name_len, why, detail);
    if (g->job->failures.stop_at_first)
        return vlp_fail(err, why, "stopped at query '%s'", g->query[i].name);
    return VLP_OK;
}

static void list_terms(struct gathering *g)
{
    for (int i = 0; i < g->n; i++) g->n_terms += g->query[i].n;
    const size_t n = (size_t)g->n_terms;
    g->term = VLP_NEW_N(&g->q->mem, struct vlp_term *, n + 1);
    g->of = VLP_NEW_N(&g->q->mem, int, n + 1);
    g->dead = VLP_NEW_N(&g->q->mem, bool, (size_t)g->n + 1);
    g->flags = VLP_NEW_N(&g->q->mem, uint32_t, n + 1);
    g->vector = vlp_calloc(n * (size_t)g->q->dim + 1, sizeof *g->vector);
    for (int i = 0, t = 0; i < g->n; i++)
        for (int j = 0; j < g->query[i].n; j++, t++) {
            g->term[t] = &g->query[i].term[j];
            g->of[t] = i;
        }
    for (int i = 0; i < g->n; i++) /* another shard's: nobody here has to be told */
        g->dead[i] = !cmd_in_shard(g->query[i].name, g->query[i].name_len);
}

static enum vlp_status find_ids(struct gathering *g, struct vlp_index *ix, struct vlp_error *err)
{
    const size_t dim = (size_t)g->q->dim, most = (size_t)g->n_terms + 1;
    const char **id = VLP_NEW_N(&g->q->mem, const char *, most);
    size_t      *len = VLP_NEW_N(&g->q->mem, size_t, most);
    int         *at = VLP_NEW_N(&g->q->mem, int, most), n = 0;
    for (int t = 0; t < g->n_terms; t++) {
        if (g->term[t]->kind != VLP_TERM_ID || g->dead[g->of[t]]) continue;
        id[n] = g->term[t]->value;
        len[n] = g->term[t]->len;
        at[n++] = t;
    }
    if (!n) return VLP_OK;
    g->q->walked = true;
    float          *x = vlp_malloc((size_t)n * dim * sizeof *x);
    uint32_t       *flags = VLP_NEW_N(&g->q->mem, uint32_t, (size_t)n);
    bool           *found = VLP_NEW_N(&g->q->mem, bool, (size_t)n);
    enum vlp_status s =
        vlp_index_lookup(ix, (enum vlp_metric)match.metric, id, len, n, x, flags, found, err);
    for (int i = 0; i < n && s == VLP_OK; i++) {
        g->flags[at[i]] = flags[i];
        if (found[i])
            memcpy(g->vector + (size_t)at[i] * dim, x + (size_t)i * dim, dim * sizeof *x);
        else
            s = give_up(g, g->of[at[i]], VLP_ERR_USAGE, "no record of the index has this id", err);
    }
    free(x);
    return s;
}

/* A batch of texts; one that cannot be encoded does not take the others with it. */
static enum vlp_status encode_texts(struct gathering *g, const int *at, int n,
                                    struct vlp_error *err)
{
    const size_t dim = (size_t)g->q->dim;
    const char  *text[TEXTS_AT_ONCE];
    bool         cut[TEXTS_AT_ONCE];
    float       *x = vlp_malloc((size_t)n * dim * sizeof *x);
    for (int i = 0; i < n; i++) text[i] = g->term[at[i]]->value;
    enum vlp_status s = vlp_encode_strings(&g->job->encoder, text, n, x, cut, err);
    const bool      alone = s == VLP_ERR_FORMAT || s == VLP_ERR_LIMIT;
    if (alone) s = VLP_OK;
    for (int i = 0; i < n && s == VLP_OK; i++) {
        float *row = x + (size_t)i * dim;
        if (alone && vlp_encode_string(&g->job->encoder, text[i], row, &cut[i], err) != VLP_OK) {
            s = give_up(g, g->of[at[i]], err->status, err->text, err);
            continue;
        }
        if (cut[i]) cmd_warn("%s: longer than the model's context, cut", text[i]);
        memcpy(g->vector + (size_t)at[i] * dim, row, dim * sizeof *row);
    }
    free(x);
    return s;
}

/* A picture that was asked for; "-" is kept, for the page shows it. */
static enum vlp_status encode_picture(struct gathering *g, const struct vlp_term *term, float *out,
                                      struct vlp_error *err)
{
    struct vlp_map *standard = &g->q->standard, file = {0};
    char           *warning = NULL;
    if (strcmp(term->value, "-") == 0) {
        if (!standard->data)
            VLP_TRY(vlp_map_open_within(standard, term->value, VLP_IMAGE_MAX_BYTES, err));
        file = *standard;
    }
    const enum vlp_status s = vlp_encode_picture_file(&g->job->encoder, term->value, file.data,
                                                      file.size, out, &warning, err);
    cmd_warn_of_damage(&g->job->failures, term->value, term->len, warning);
    free(warning);
    return s;
}

static enum vlp_status encode(struct gathering *g, const struct vlp_embedding_header *h,
                              const char *h_name, struct vlp_error *err)
{
    int             batch[TEXTS_AT_ONCE], n = 0;
    enum vlp_status s = VLP_OK;
    for (int t = 0; t < g->n_terms && s == VLP_OK; t++) {
        const struct vlp_term *term = g->term[t];
        if (term->kind == VLP_TERM_ID || g->dead[g->of[t]]) continue;
        s = match_open_encoder(g->job, h, h_name, err);
        if (s != VLP_OK) break;
        if (term->kind == VLP_TERM_IMAGE) {
            float *out = g->vector + (size_t)t * (size_t)g->q->dim;
            if (encode_picture(g, term, out, err) != VLP_OK)
                s = give_up(g, g->of[t], err->status, err->text, err);
            continue;
        }
        VLP_TRY(vlp_encoder_texts(&g->job->encoder, err));
        batch[n++] = t;
        if (n < TEXTS_AT_ONCE) continue;
        s = encode_texts(g, batch, n, err);
        n = 0;
    }
    if (s == VLP_OK && n) s = encode_texts(g, batch, n, err);
    return s;
}

/* The query's own vector from those of its terms; a single stored vector keeps its length under
 * the plain product. */
static enum vlp_status compose(struct gathering *g, int i, int first_term, float *out,
                               struct vlp_error *err)
{
    const struct vlp_query *q = &g->query[i];
    const size_t            dim = (size_t)g->q->dim;
    const float            *x = g->vector + (size_t)first_term * dim;
    if (q->n == 1 && q->term->weight == 1.0f) {
        memcpy(out, x, dim * sizeof *out);
        return VLP_OK;
    }
    const float **term = vlp_malloc((size_t)q->n * sizeof *term);
    for (int j = 0; j < q->n; j++) term[j] = x + (size_t)j * dim;
    enum vlp_status s = vlp_query_compose(out, q, term, (int)dim, err);
    free(term);
    if (s == VLP_ERR_USAGE) s = give_up(g, i, s, err->text, err);
    return s;
}

static enum vlp_status settle(struct gathering *g, struct vlp_error *err)
{
    struct match_queries *q = g->q;
    const size_t dim = (size_t)q->dim, stored = (size_t)q->set.n, most = (size_t)g->n + stored;
    q->x = vlp_malloc(most * dim * sizeof *q->x + 1);
    q->number = VLP_NEW_N(&q->mem, int, most + 1);
    q->name = VLP_NEW_N(&q->mem, const char *, most + 1);
    q->name_len = VLP_NEW_N(&q->mem, size_t, most + 1);
    q->picture = VLP_NEW_N(&q->mem, const char *, most + 1);
    q->text = VLP_NEW_N(&q->mem, const char *, most + 1);
    q->is_id = VLP_NEW_N(&q->mem, bool, most + 1);
    q->is_text = VLP_NEW_N(&q->mem, bool, most + 1);
    for (int i = 0, t = 0; i < g->n; t += g->query[i++].n) {
        const struct vlp_term *term = g->query[i].term;
        const bool             single = g->query[i].n == 1;
        float                 *x = q->x + (size_t)q->n * dim;
        if (!g->dead[i]) VLP_TRY(compose(g, i, t, x, err));
        if (!g->dead[i])
            VLP_TRY(cmd_check_vector(&g->job->failures, g->query[i].name, g->query[i].name_len, x,
                                     q->dim, &g->dead[i], err));
        if (g->dead[i]) continue;
        q->number[q->n] = g->number[i];
        q->name[q->n] = g->query[i].name;
        q->name_len[q->n] = g->query[i].name_len;
        q->is_id[q->n] = single && term->kind == VLP_TERM_ID;
        q->is_text[q->n] = g->flags[t] & VLP_RECORD_TEXT;
        if (single && term->kind == VLP_TERM_IMAGE) q->picture[q->n] = term->value;
        q->n++;
    }
    if (!stored) return VLP_OK;
    const float *x = vlp_set_vectors(&q->set, (enum vlp_metric)match.metric);
    for (int i = 0; i < q->set.n; i++) {
        const float *row = x + (size_t)i * dim;
        const int    number = q->n_given++;
        if (!cmd_in_shard(q->set.ids[i], q->set.id_lens[i])) continue;
        bool odd;
        VLP_TRY(cmd_check_vector(&g->job->failures, q->set.ids[i], q->set.id_lens[i], row, q->dim,
                                 &odd, err));
        if (odd) continue;
        memcpy(q->x + (size_t)q->n * dim, row, dim * sizeof *row);
        q->number[q->n] = number;
        q->name[q->n] = q->set.ids[i];
        q->name_len[q->n] = q->set.id_lens[i];
        q->text[q->n] = match_text_of(q->set.metas[i], q->set.flags[i]);
        q->is_text[q->n] = q->set.flags[i] & VLP_RECORD_TEXT;
        q->is_id[q->n++] = true;
    }
    return VLP_OK;
}

enum vlp_status match_gather(struct match_queries *q, struct match_job *job, struct vlp_index *ix,
                             struct vlp_error *err)
{
    const struct vlp_embedding_header *h = vlp_index_header(ix);
    const char                        *name = vlp_index_model(ix);
    struct gathering                   g = {.q = q, .job = job};
    *q = (struct match_queries){.dim = h->dim};
    vlp_arena_init(&q->mem);
    enum vlp_status s = VLP_OK;
    for (int i = 0; i < match.n_asked && s == VLP_OK; i++) s = add_asked(&g, &match.asked[i], err);
    if (s == VLP_OK) s = add_list(&g, match.lines, VLP_TERM_TEXT, err);
    if (s == VLP_OK) s = add_list(&g, match.files_from, VLP_TERM_IMAGE, err);
    if (s == VLP_OK) s = add_list(&g, match.ids_from, VLP_TERM_ID, err);
    if (s == VLP_OK) s = add_list(&g, match.queries_from, MATCH_EXPRESSION, err);
    if (s == VLP_OK) {
        list_terms(&g);
        s = find_ids(&g, ix, err);
    }
    if (s == VLP_OK) s = encode(&g, h, name, err);
    if (s == VLP_OK && match.queries) {
        s = match_read_set(job, &q->set, match.queries, match.query_only, err);
        if (s == VLP_OK)
            s = vlp_embedding_compatible(h, name, &q->set.header, match.queries, match.ignore_model,
                                         err);
    }
    if (s == VLP_OK) s = settle(&g, err);
    free(g.query);
    free(g.number);
    free(g.vector);
    if (s != VLP_OK) match_queries_free(q);
    return s;
}

void match_queries_free(struct match_queries *q)
{
    vlp_map_close(&q->standard);
    vlp_set_free(&q->set);
    free(q->x);
    vlp_arena_free(&q->mem);
    *q = (struct match_queries){0};
}
