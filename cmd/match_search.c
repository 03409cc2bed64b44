/*
 * match_search.c -- queries against the index, a batch of them a pass.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/html.h>

#include "match.h"

/* Hits of this many queries are held at once, fewer where these take more room. */
enum { QUERIES_A_PASS = 4096, ROOM_FOR_HITS = 128 << 20 };

struct searching {
    struct match_job    *job;
    struct vlp_index    *ix;
    struct match_queries q;
    struct vlp_page     *page;
    struct vlp_set       better; /* --rerank */
    struct vlp_better   *again;
    int64_t candidates, unknown; /* of all queries, for --rerank; without a vector there */
};

static bool stop(void *ctx, int64_t rows)
{
    (void)ctx;
    (void)rows;
    return cmd_stopped() != 0;
}

static enum vlp_status answer(struct searching *s, int q0, const struct vlp_matches *m,
                              struct vlp_error *err)
{
    const bool with_file = s->job->n_paths > 1;
    for (int i = 0; i < m->n; i++) {
        const int q = q0 + i;
        match_page_query(s->page, &s->q, q, m->count[i]);
        for (int r = 0; r < m->count[i]; r++) {
            const struct vlp_match *x = &m->match[i][r];
            const char             *text = match_text_of(x->meta, x->flags);
            const struct match_line l = {.query = s->q.name[q],
                                         .query_len = s->q.name_len[q],
                                         .id = x->id,
                                         .id_len = x->id_len,
                                         .text = text,
                                         .text_len = text ? x->meta_len : 0,
                                         .is_text = x->flags & VLP_RECORD_TEXT,
                                         .file = vlp_index_path(s->ix, x->file),
                                         .rank = r + 1,
                                         .score = x->score};
            match_put_line(s->job, &l, with_file);
            match_page_hit(s->page, &l, m->match[i][0].score);
            VLP_TRY(match_link(s->job, s->q.number[q], s->q.n_given, r + 1, x->id, err));
        }
    }
    return VLP_OK;
}

/* Once the index was walked through. */
static void warn_of_ends(struct searching *s)
{
    for (int i = 0; i < s->job->n_paths; i++)
        if (cmd_warn_of_end(vlp_index_path(s->ix, i), vlp_index_ending(s->ix, i)))
            s->job->skipped = true;
}

/* Of nothing comes nothing, which is no error: of a set in many files some may have no texts. */
static void warn_of_none(const struct searching *s)
{
    const bool one = s->job->n_paths == 1;
    cmd_warn("%s%sno %s in %s", one ? s->job->paths[0] : "", one ? ": " : "",
             match_kind(match.only), one ? "it" : "the index");
}

/* What --rerank leaves out is missing from the answers. */
static void warn_of_unknown(const struct searching *s)
{
    if (s->unknown)
        cmd_warn("%lld of %lld candidate%s %s no vector in %s", (long long)s->unknown,
                 (long long)s->candidates, cmd_plural(s->candidates),
                 s->unknown == 1 ? "has" : "have", match.rerank);
}

/* Look again at the candidates m of some queries. */
static enum vlp_status rerank(struct searching *s, struct vlp_matches *m, const float *queries,
                              struct vlp_error *err)
{
    if (!s->again) return VLP_OK;
    for (int q = 0; q < m->n; q++) s->candidates += m->count[q];
    VLP_TRY(vlp_matches_rerank(m, s->ix, &s->job->compute, queries, s->again, (int)match.k,
                               (float)match.min_score, err));
    s->unknown += m->n_unknown;
    return VLP_OK;
}

/* How many queries to ask after n of which these were answered: more if most of the room was left.
 */
static int next_pass(const struct vlp_matches *m, int n)
{
    size_t size = 0;
    for (int q = 0; q < m->n; q++) size += (size_t)m->count[q] * sizeof *m->match[q];
    if (m->n < n || size > ROOM_FOR_HITS / 4) return m->n;
    return (int)vlp_min_i64(2 * (int64_t)n, QUERIES_A_PASS);
}

static enum vlp_status search(struct searching *s, struct vlp_error *err)
{
    const struct vlp_compute *c = &s->job->compute;
    const char              **skip = NULL;
    if (match.no_self) {
        skip = VLP_NEW_N(&s->q.mem, const char *, (size_t)s->q.n + 1);
        for (int i = 0; i < s->q.n; i++) skip[i] = s->q.is_id[i] ? s->q.name[i] : NULL;
    }
    struct vlp_search_options opt = {.k = (int)match.k,
                                     .min_score = (float)match.min_score,
                                     .metric = (enum vlp_metric)match.metric,
                                     .only = (enum vlp_modality)match.only,
                                     .room = ROOM_FOR_HITS,
                                     .stop = stop};
    if (match.rerank) {
        opt.k =
            (int)(match.rerank_depth ? match.rerank_depth : vlp_min_i64(10 * match.k, INT32_MAX));
        opt.min_score = -HUGE_VALF;
    }
    bool none = false;
    int  at_once = QUERIES_A_PASS;
    cmd_progress_start("queries", s->q.n);
    for (int q0 = 0, n; q0 < s->q.n; q0 += n) {
        n = (int)vlp_min_i64(at_once, s->q.n - q0);
        const float       *x = s->q.x + (size_t)q0 * (size_t)s->q.dim;
        struct vlp_matches m;
        opt.skip_ids = skip ? skip + q0 : NULL;
        opt.skip_lens = s->q.name_len + q0;
        VLP_TRY(vlp_search_index(&m, s->ix, c, x, n, &opt, err));
        at_once = next_pass(&m, n);
        n = m.n;
        s->job->n_odd = vlp_max_i64(s->job->n_odd, m.n_odd);
        none = m.n_live == 0;
        enum vlp_status status = rerank(s, &m, x, err);
        if (status == VLP_OK) status = answer(s, q0, &m, err);
        vlp_matches_free(&m);
        if (status != VLP_OK) return status;
        cmd_progress_add(n, 0);
    }
    cmd_progress_end();
    if (s->job->n_odd)
        cmd_warn("%lld record%s of the index hold%s NaN or infinity: no score is a number",
                 (long long)s->job->n_odd, cmd_plural(s->job->n_odd),
                 s->job->n_odd == 1 ? "s" : "");
    if (none) warn_of_none(s);
    warn_of_unknown(s);
    warn_of_ends(s);
    return VLP_OK;
}

static enum vlp_status open_better(struct searching *s, struct vlp_error *err)
{
    if (!match.rerank) return VLP_OK;
    VLP_TRY(match_read_set(s->job, &s->better, match.rerank, VLP_ANY, err));
    VLP_TRY(vlp_embedding_compatible(vlp_index_header(s->ix), vlp_index_model(s->ix),
                                     &s->better.header, match.rerank, match.ignore_model, err));
    s->again = vlp_better_open(&s->better, &s->job->compute, (enum vlp_metric)match.metric);
    return VLP_OK;
}

enum vlp_status match_run_search(struct match_job *job, struct vlp_error *err)
{
    struct searching s = {.job = job};
    enum vlp_status  status =
        vlp_index_open(&s.ix, job->paths, job->n_paths, match.ignore_model, err);
    if (status == VLP_OK && match.only != VLP_ANY && vlp_index_bare(s.ix))
        status = match_refuse_bare(vlp_index_bare(s.ix), err);
    if (status == VLP_OK) status = open_better(&s, err);
    if (status == VLP_OK) status = match_gather(&s.q, job, s.ix, err);
    if (status == VLP_OK && s.q.n == 0 && cmd_source.shard[1] == 0) {
        job->failures.whole = true;
        status = cmd_nothing_used(&job->failures, "queries", err);
        if (s.q.walked) warn_of_ends(&s);
        if (s.q.walked && job->skipped) /* an id may have stood in what is missing */
            err->status = status = VLP_ERR_FORMAT;
    }
    /* -f takes old links away: not before there is somewhere to write */
    if (status == VLP_OK) status = match_open_output(job, err);
    if (status == VLP_OK) status = match_links_open(&s.q, err);
    if (status == VLP_OK) {
        cmd_stop_politely();
        s.page = match_page_open("Matches");
        if (s.page && s.q.standard.data)
            vlp_page_keep(s.page, "-", s.q.standard.data, s.q.standard.size);
        match_put_header(job, job->n_paths > 1);
        status = search(&s, err);
        if (status == VLP_OK)
            status = match_page_close(s.page, job, err);
        else
            vlp_page_close(s.page);
    }
    match_queries_free(&s.q);
    vlp_better_close(s.again);
    vlp_set_free(&s.better);
    vlp_index_close(s.ix);
    return status;
}
