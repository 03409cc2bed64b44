/*
 * match_join.c -- two sets matched with each other, and groups within one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/html.h>

#include "match.h"

struct two {
    struct vlp_set   a, b;
    struct vlp_join  join;
    int             *self; /* of a, then of b: whose a record is; NULL: nobody is left out */
    struct vlp_page *page;
};

/* Records of one id have the number of the first of them in B, or none. */
static void number_selves(struct two *t)
{
    struct vlp_id_table *ids = vlp_id_table_new(t->b.ids, t->b.id_lens, t->b.n);
    t->self = vlp_malloc(((size_t)t->a.n + (size_t)t->b.n + 1) * sizeof *t->self);
    for (int i = 0; i < t->a.n; i++) t->self[i] = vlp_id_find(ids, t->a.ids[i], t->a.id_lens[i]);
    for (int i = 0; i < t->b.n; i++)
        t->self[t->a.n + i] = vlp_id_find(ids, t->b.ids[i], t->b.id_lens[i]);
    vlp_id_table_free(ids);
    t->join.self_a = t->self;
    t->join.self_b = t->self + t->a.n;
}

static enum vlp_status open_two(struct two *t, struct match_job *job, struct vlp_error *err)
{
    VLP_TRY(match_read_set(job, &t->a, match.queries, match.query_only, err));
    if (match.join == JOIN_ANTI) /* where there is nothing, all of A is without a match */
        VLP_TRY(match_read_any(job, &t->b, job->paths[0], match.only, err));
    else
        VLP_TRY(match_read_set(job, &t->b, job->paths[0], match.only, err));
    if (t->b.n == 0) cmd_warn("%s: no %s in it", job->paths[0], match_kind(match.only));
    VLP_TRY(vlp_embedding_compatible(&t->b.header, job->paths[0], &t->a.header, match.queries,
                                     match.ignore_model, err));
    const enum vlp_metric metric = (enum vlp_metric)match.metric;
    t->join = (struct vlp_join){.metric = metric,
                                .A = vlp_set_vectors(&t->a, metric),
                                .B = vlp_set_vectors(&t->b, metric),
                                .na = t->a.n,
                                .nb = t->b.n,
                                .dim = t->a.header.dim,
                                .min_score = (float)match.min_score};
    if (match.no_self) number_selves(t);
    VLP_TRY(match_check_vectors(job, &t->a, t->join.A, err));
    return match_check_vectors(job, &t->b, t->join.B, err);
}

static void put_pair(struct match_job *job, const struct two *t, int a, int b, float score)
{
    const char             *text = match_text_of(t->b.metas[b], t->b.flags[b]);
    const struct match_line l = {.query = t->a.ids[a],
                                 .query_len = t->a.id_lens[a],
                                 .id = t->b.ids[b],
                                 .id_len = t->b.id_lens[b],
                                 .text = text,
                                 .text_len = text ? t->b.meta_lens[b] : 0,
                                 .is_text = t->b.flags[b] & VLP_RECORD_TEXT,
                                 .rank = 1,
                                 .score = score};
    if (!cmd_in_shard(t->a.ids[a], t->a.id_lens[a])) return;
    match_put_line(job, &l, false);
    match_page_record(t->page, t->a.ids[a], match_text_of(t->a.metas[a], t->a.flags[a]),
                      t->a.flags[a] & VLP_RECORD_TEXT, NULL);
    match_page_hit(t->page, &l, 1.0f);
}

/* A record of A that has no match of any score. */
static void put_alone(struct match_job *job, const struct two *t, int a)
{
    const struct match_line l = {
        .query = t->a.ids[a], .query_len = t->a.id_lens[a], .score = (float)NAN};
    if (!cmd_in_shard(t->a.ids[a], t->a.id_lens[a])) return;
    match_put_line(job, &l, false);
    match_page_record(t->page, t->a.ids[a], match_text_of(t->a.metas[a], t->a.flags[a]),
                      t->a.flags[a] & VLP_RECORD_TEXT, "nothing matches");
}

static int by_a(const void *x, const void *y)
{
    const struct vlp_pair *p = x, *q = y;
    return (p->a > q->a) - (p->a < q->a);
}

static enum vlp_status put_pairs(struct match_job *job, const struct two *t, struct vlp_error *err)
{
    const size_t     most = (size_t)(t->a.n < t->b.n ? t->a.n : t->b.n);
    struct vlp_pair *pair = vlp_malloc(most * sizeof *pair + 1);
    const int        n = (match.join == JOIN_MUTUAL ? vlp_join_mutual
                                                    : vlp_join_one_to_one)(&job->compute, &t->join, pair);
    if (n) qsort(pair, (size_t)n, sizeof *pair, by_a);
    const enum vlp_status s = match_open_output(job, err);
    if (s == VLP_OK) match_put_header(job, false);
    for (int i = 0; i < n && s == VLP_OK; i++)
        put_pair(job, t, pair[i].a, pair[i].b, pair[i].score);
    free(pair);
    return s;
}

/* Those of A whose best match, if any, does not reach the threshold, with that match. */
static enum vlp_status put_unmatched(struct match_job *job, const struct two *t,
                                     struct vlp_error *err)
{
    struct vlp_join any = t->join;
    any.min_score = -HUGE_VALF;
    VLP_TRY(match_open_output(job, err));
    match_put_header(job, false);
    struct vlp_hit *best = vlp_malloc(((size_t)any.na + 1) * sizeof *best);
    vlp_join_best(&job->compute, &any, best);
    for (int a = 0; a < any.na; a++) {
        const float *row = any.A + (size_t)a * (size_t)any.dim;
        if (best[a].row < 0 && vlp_row_is_finite(row, any.dim))
            put_alone(job, t, a);
        else if (best[a].row >= 0 && !(best[a].score >= t->join.min_score))
            put_pair(job, t, a, (int)best[a].row, best[a].score);
    }
    free(best);
    return VLP_OK;
}

enum vlp_status match_run_join(struct match_job *job, struct vlp_error *err)
{
    struct two      t = {0};
    enum vlp_status s = open_two(&t, job, err);
    if (s == VLP_OK) {
        t.page = match_page_open(match.join == JOIN_ANTI ? "Without a match" : "Pairs");
        s = match.join == JOIN_ANTI ? put_unmatched(job, &t, err) : put_pairs(job, &t, err);
    }
    if (s == VLP_OK)
        s = match_page_close(t.page, job, err);
    else
        vlp_page_close(t.page);
    free(t.self);
    vlp_set_free(&t.a);
    vlp_set_free(&t.b);
    return s;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void put_pair_tsv(FILE *f, const struct vlp_set *s, const struct vlp_pair *p)
{
    putc('\t', f);
    match_put_f32(f, p->score);
    putc('\t', f);
    cmd_put_tsv(f, s->ids[p->a], s->id_lens[p->a]);
    putc('\t', f);
    cmd_put_tsv(f, s->ids[p->b], s->id_lens[p->b]);
}

static void put_pair_json(FILE *f, const char *key, const struct vlp_set *s,
                          const struct vlp_pair *p)
{
    fprintf(f, ", \"%s\": {\"score\": ", key);
    match_put_f32(f, p->score);
    fputs(", \"ids\": [", f);
    cmd_put_json(f, s->ids[p->a], s->id_lens[p->a]);
    fputs(", ", f);
    cmd_put_json(f, s->ids[p->b], s->id_lens[p->b]);
    fputs("]}", f);
}

static void put_group(FILE *f, const struct vlp_set *s, const struct vlp_group *g, int number)
{
    if (match.json) {
        fprintf(f, "{\"group\": %d, \"ids\": [", number);
        for (int i = 0; i < g->n; i++) {
            if (i) fputs(", ", f);
            cmd_put_json(f, s->ids[g->member[i]], s->id_lens[g->member[i]]);
        }
        putc(']', f);
        put_pair_json(f, "weakest_link", s, &g->weakest_link);
        put_pair_json(f, "weakest_pair", s, &g->weakest_pair);
        fputs("}\n", f);
        return;
    }
    for (int i = 0; i < g->n; i++) {
        fprintf(f, "%d\t%d\t", number, g->n);
        cmd_put_tsv(f, s->ids[g->member[i]], s->id_lens[g->member[i]]);
        put_pair_tsv(f, s, &g->weakest_link);
        put_pair_tsv(f, s, &g->weakest_pair);
        putc('\n', f);
    }
}

/* Which pair decides: the note under a group's heading. */
static void page_group(struct vlp_page *p, const struct vlp_set *s, const struct vlp_group *g,
                       int number)
{
    const struct vlp_pair *link = &g->weakest_link, *pair = &g->weakest_pair;
    struct vlp_arena       mem;
    if (!p) return;
    vlp_arena_init(&mem);
    vlp_page_section(p, vlp_arena_printf(&mem, "Group %d: %d records", number, g->n), NULL,
                     vlp_arena_printf(&mem, "weakest link %.4f: %s, %s; weakest pair %.4f: %s, %s",
                                      (double)link->score, s->ids[link->a], s->ids[link->b],
                                      (double)pair->score, s->ids[pair->a], s->ids[pair->b]));
    for (int i = 0; i < g->n; i++) {
        const int m = g->member[i];
        match_page_member(p, s->ids[m], match_text_of(s->metas[m], s->flags[m]),
                          s->flags[m] & VLP_RECORD_TEXT);
    }
    vlp_arena_free(&mem);
}

static void put_groups(struct match_job *job, const struct vlp_set *set, const struct vlp_groups *g,
                       struct vlp_page *page)
{
    if (match.header)
        fputs("group\tsize\tid\tlink_score\tlink_a\tlink_b\tpair_score\tpair_a\tpair_b\n",
              job->out.file);
    int members = 0, groups = 0;
    for (int i = 0; i < g->n; i++) {
        const int first = g->group[i].member[0];
        if (!cmd_in_shard(set->ids[first], set->id_lens[first])) continue;
        put_group(job->out.file, set, &g->group[i], i + 1);
        page_group(page, set, &g->group[i], i + 1);
        members += g->group[i].n;
        groups++;
    }
    job->n_found = groups;
    cmd_note("%d of %d record%s in %d group%s", members, set->n, cmd_plural(set->n), groups,
             cmd_plural(groups));
}

enum vlp_status match_run_groups(struct match_job *job, struct vlp_error *err)
{
    struct vlp_set    set;
    struct vlp_groups g;
    VLP_TRY(match_read_set(job, &set, job->paths[0], match.only, err));
    const float    *x = vlp_set_vectors(&set, (enum vlp_metric)match.metric);
    enum vlp_status s = match_check_vectors(job, &set, x, err);
    if (s == VLP_OK) {
        vlp_find_groups(&g, &job->compute, (enum vlp_metric)match.metric, x, set.n, set.header.dim,
                        (float)match.groups);
        s = match_open_output(job, err);
        struct vlp_page *page = match_page_open("Groups");
        if (s == VLP_OK) put_groups(job, &set, &g, page);
        if (s == VLP_OK)
            s = match_page_close(page, job, err);
        else
            vlp_page_close(page);
        vlp_groups_free(&g);
    }
    vlp_set_free(&set);
    return s;
}
