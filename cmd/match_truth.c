/*
 * match_truth.c -- recall, ranks and mAP of two sets by a table of right answers, both ways.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vlp/classify.h>
#include <vlp/data.h>

#include "match.h"

/*
 * One side: what is ranked there, and who asks. A picture with several captions stands in its file
 * once for each, as x#0, x#1 ...; it is one candidate, else its copies would push the others down.
 */
struct side {
    struct vlp_set       *set;
    const float          *x;             /* (n, dim), who asks */
    float                *own;           /* x where pictures came together, else NULL */
    struct vlp_candidates rows;          /* (n), who is ranked */
    int                   n, *candidate; /* of each record of the set */
    size_t               *stem_len;      /* of x in x#N; of other ids all */
    struct vlp_id_table  *ids, *stems;
    const char           *name; /* in the results */
};

static void side_open(struct side *s, struct vlp_set *set, const struct vlp_compute *c)
{
    const size_t dim = (size_t)set->header.dim, n = (size_t)set->n;
    const float *x = vlp_set_vectors(set, (enum vlp_metric)match.metric);
    const bool   bare = vlp_embedding_bare(set->file.reader);
    *s = (struct side){.set = set, .x = x};
    int *record = vlp_malloc((n + 1) * sizeof *record); /* of each candidate the first */
    s->candidate = vlp_malloc((n + 1) * sizeof *s->candidate);
    s->stem_len = vlp_malloc((n + 1) * sizeof *s->stem_len);
    for (int i = 0; i < set->n; i++) {
        const bool picture = !bare && vlp_record_is(VLP_IMAGE, &set->header, set->flags[i]);
        s->stem_len[i] = picture ? vlp_stem_of_id(set->ids[i], set->id_lens[i]) : set->id_lens[i];
    }
    s->ids = vlp_id_table_new(set->ids, set->id_lens, set->n);
    s->stems = vlp_id_table_new(set->ids, s->stem_len, set->n);
    for (int i = 0; i < set->n; i++) {
        /* the number alone could be part of a name: the same picture has the same vector */
        const int    first = vlp_id_find(s->stems, set->ids[i], s->stem_len[i]);
        const bool   numbered = s->stem_len[i] < set->id_lens[i];
        const float *row = x + (size_t)i * dim;
        if (numbered && first < i && s->stem_len[first] < set->id_lens[first] &&
            memcmp(row, x + (size_t)first * dim, dim * sizeof *x) == 0) {
            s->candidate[i] = s->candidate[first];
            if (!s->own) {
                s->own = vlp_malloc(n * dim * sizeof *x);
                memcpy(s->own, x, (size_t)s->n * dim * sizeof *x);
            }
            continue;
        }
        if (s->own) memcpy(s->own + (size_t)s->n * dim, row, dim * sizeof *x);
        record[s->n] = i;
        s->candidate[i] = s->n++;
    }
    if (s->own) s->x = s->own;
    vlp_candidates_open(&s->rows, c, set, (enum vlp_metric)match.metric, record, s->n);
    free(record);
}

static void side_close(struct side *s)
{
    vlp_id_table_free(s->ids);
    vlp_id_table_free(s->stems);
    free(s->candidate);
    free(s->stem_len);
    free(s->own);
    vlp_candidates_close(&s->rows);
}

/* The candidate of an id, or of the x of x#0, x#1 ... of one picture; -1: there is none. */
static int side_find(const struct side *s, const char *id)
{
    int row = vlp_id_find(s->ids, id, strlen(id));
    if (row < 0) row = vlp_id_find(s->stems, id, strlen(id));
    return row < 0 ? -1 : s->candidate[row];
}

/* Right answers that name what is not there: this many are named. */
enum { UNKNOWN_TOLD = 3 };

/* Right answers as pairs of candidates (query, index). */
struct pairs {
    int *a, *b;
    int  n, unknown;
    int  first_unknown[UNKNOWN_TOLD]; /* which right answers */
};

static void resolve(struct pairs *p, const struct vlp_truth *t, const struct side *a,
                    const struct side *b, bool swapped)
{
    p->n = p->unknown = 0;
    for (int i = 0; i < vlp_truth_count(t); i++) {
        const char *first, *second;
        vlp_truth_entry(t, i, &first, &second);
        if (swapped) {
            const char *x = first;
            first = second;
            second = x;
        }
        const int ra = side_find(a, first), rb = side_find(b, second);
        if (ra < 0 || rb < 0) {
            if (p->unknown < UNKNOWN_TOLD) p->first_unknown[p->unknown] = i;
            p->unknown++;
            continue;
        }
        p->a[p->n] = ra;
        p->b[p->n++] = rb;
    }
}

/* `a` is the side of the truth's first column. */
static void warn_of_unknown(const struct pairs *p, const struct vlp_truth *t, const struct side *a)
{
    struct vlp_buf names = {0};
    for (int i = 0; i < p->unknown && i < UNKNOWN_TOLD; i++) {
        const char *first, *second;
        vlp_truth_entry(t, p->first_unknown[i], &first, &second);
        vlp_buf_printf(&names, "%s%s", i ? ", " : "", side_find(a, first) < 0 ? first : second);
    }
    const int n = vlp_truth_count(t);
    cmd_warn("%s: %d of %d pair%s %s: %s%s", match.truth, p->unknown, n, cmd_plural(n),
             p->unknown == 1 ? "names a record that is not there"
                             : "name records that are not there",
             names.data, p->unknown > UNKNOWN_TOLD ? " ..." : "");
    vlp_buf_free(&names);
}

/* What a side holds: as its header says or as was chosen. */
static enum vlp_modality kind_of(const struct vlp_set *s, int only)
{
    return only != VLP_ANY ? (enum vlp_modality)only : s->header.modality;
}

/* Columns that say which is which decide; then the order in which more ids are known. True: the
 * first column is of `b`. */
static bool resolve_either_way(struct pairs *p, const struct vlp_truth *t, const struct side *a,
                               const struct side *b)
{
    const char *column_a, *column_b;
    vlp_truth_columns(t, &column_a, &column_b);
    const enum vlp_modality kind = kind_of(a->set, match.query_only);
    const bool              swapped =
        column_b && ((kind == VLP_IMAGE && strncasecmp(column_b, "image", 5) == 0) ||
                     (kind == VLP_TEXT && strncasecmp(column_b, "text", 4) == 0));
    resolve(p, t, a, b, swapped);
    const int unknown = p->unknown;
    if (unknown == 0) return swapped;
    resolve(p, t, a, b, !swapped);
    if (p->unknown < unknown) return !swapped;
    resolve(p, t, a, b, swapped);
    return swapped;
}

static const char *side_name(const struct vlp_set *s, int only, const char *column,
                             const char *otherwise)
{
    if (kind_of(s, only) == VLP_IMAGE) return "image";
    if (kind_of(s, only) == VLP_TEXT) return "text";
    return column ? column : otherwise;
}

static void name_sides(struct side *a, struct side *b, const struct vlp_truth *t, bool swapped)
{
    const char *first, *second;
    vlp_truth_columns(t, &first, &second);
    a->name = side_name(a->set, match.query_only, swapped ? second : first, "query");
    b->name = side_name(b->set, match.only, swapped ? first : second, "index");
}

static int rising(const void *x, const void *y)
{
    const int a = *(const int *)x, b = *(const int *)y;
    return (a > b) - (a < b);
}

/* Answers of each `from` candidate, rising, each once, in the form that vlp_retrieval_score wants.
 */
static void lists(const struct pairs *p, const int *from, const int *to, int n_from, int **start,
                  int **truth)
{
    int *s = vlp_calloc((size_t)n_from + 2, sizeof *s);
    int *t = vlp_malloc(((size_t)p->n + 1) * sizeof *t);
    for (int i = 0; i < p->n; i++) s[from[i] + 2]++;
    for (int i = 0; i <= n_from; i++) s[i + 1] += s[i];
    for (int i = 0; i < p->n; i++) t[s[from[i] + 1]++] = to[i];
    /* s[r] .. s[r+1] are row r's now; sort and squeeze */
    int n = 0;
    for (int r = 0; r < n_from; r++) {
        const int begin = s[r], end = s[r + 1], kept = n;
        if (begin < end) qsort(t + begin, (size_t)(end - begin), sizeof *t, rising);
        s[r] = kept;
        for (int i = begin; i < end; i++)
            if (n == kept || t[n - 1] != t[i]) t[n++] = t[i];
    }
    s[n_from] = n;
    *start = s;
    *truth = t;
}

static void put_f64(FILE *f, double v)
{
    char text[32];
    fwrite(text, 1, (size_t)vlp_format_f64(text, v), f);
}

static void put(FILE *f, const char *from, const char *to, const struct vlp_retrieval *r)
{
    char   name[VLP_RETRIEVAL_MAX_K + 4][24];
    double value[VLP_RETRIEVAL_MAX_K + 4];
    int    n = 0;
    for (int i = 0; i < r->n_k; i++) {
        snprintf(name[n], sizeof name[n], "R@%d", r->k[i]);
        value[n++] = r->recall[i];
    }
    const struct {
        const char *name;
        double      value;
    } rest[] = {{"median_rank", r->median_rank},
                {"mean_rank", r->mean_rank},
                {"mAP@10", r->map10},
                {"queries", r->n}};
    for (size_t i = 0; i < VLP_COUNT(rest); i++) {
        snprintf(name[n], sizeof name[n], "%s", rest[i].name);
        value[n++] = rest[i].value;
    }
    if (match.json) {
        fputs("{\"direction\": \"", f);
        fprintf(f, "%s_to_%s\"", from, to);
    }
    for (int i = 0; i < n; i++) {
        fprintf(f, match.json ? ", \"%s\": " : "%s_to_%s\t%s\t", match.json ? name[i] : from, to,
                name[i]);
        put_f64(f, value[i]);
        if (!match.json) putc('\n', f);
    }
    if (match.json) fputs("}\n", f);
}

/* A cutoff that is there already is as good as none. */
static bool add_cutoff(struct vlp_retrieval *r, int k)
{
    for (int i = 0; i < r->n_k; i++)
        if (r->k[i] == k) return true;
    if (r->n_k == VLP_RETRIEVAL_MAX_K) return false;
    r->k[r->n_k++] = k;
    return true;
}

static enum vlp_status parse_cutoffs(struct vlp_retrieval *r, struct vlp_error *err)
{
    char *list = vlp_strdup(match.recall_at), *at = list, *one;
    bool  fine = true;
    while (fine && (one = strsep(&at, ",")) != NULL) {
        int64_t k;
        fine = vlp_parse_i64(one, &k) && k > 0 && k < INT32_MAX && add_cutoff(r, (int)k);
    }
    free(list);
    return fine ? VLP_OK
                : vlp_fail(err, VLP_ERR_USAGE, "--recall-at '%s' is not a list of 1 to %d numbers",
                           match.recall_at, VLP_RETRIEVAL_MAX_K);
}

/* One direction; `from` and `to` are the pairs' candidates on either side. */
static void score_way(struct match_job *job, const struct vlp_retrieval *cutoffs,
                      const struct side *queries, const struct side *index, const struct pairs *p,
                      const int *from, const int *to)
{
    struct vlp_retrieval r = *cutoffs;
    int                 *start, *truth;
    lists(p, from, to, queries->n, &start, &truth);
    vlp_retrieval_score(&r, &job->compute, queries->x, queries->n, index->rows.run,
                        index->rows.n_runs, start, truth);
    put(job->out.file, queries->name, index->name, &r);
    free(start);
    free(truth);
}

static enum vlp_status score(struct match_job *job, struct vlp_set *set_a, struct vlp_set *set_b,
                             const struct vlp_truth *t, struct vlp_error *err)
{
    const size_t         most = (size_t)vlp_truth_count(t) + 1;
    struct vlp_retrieval cutoffs = {0};
    struct side          a, b;
    enum vlp_status      s = VLP_OK;
    VLP_TRY(parse_cutoffs(&cutoffs, err));
    struct pairs p = {.a = vlp_malloc(most * sizeof(int)), .b = vlp_malloc(most * sizeof(int))};
    side_open(&a, set_a, &job->compute);
    side_open(&b, set_b, &job->compute);
    const bool swapped = resolve_either_way(&p, t, &a, &b);
    name_sides(&a, &b, t, swapped);
    if (p.n == 0) {
        s = vlp_fail(err, VLP_ERR_MISMATCH, "%s: no pair of ids is in %s and %s", match.truth,
                     match.queries, job->paths[0]);
    } else {
        if (p.unknown) warn_of_unknown(&p, t, swapped ? &b : &a);
        job->skipped |= p.unknown > 0;
        score_way(job, &cutoffs, &a, &b, &p, p.a, p.b);
        score_way(job, &cutoffs, &b, &a, &p, p.b, p.a);
    }
    job->n_found = p.n;
    side_close(&a);
    side_close(&b);
    free(p.a);
    free(p.b);
    return s;
}

/* Pictures and captions as candidates side by side are seldom what was meant. */
static void warn_of_both(const struct vlp_set *s, const char *path, const char *option)
{
    int texts = 0;
    for (int i = 0; i < s->n; i++) texts += vlp_record_is(VLP_TEXT, &s->header, s->flags[i]);
    if (texts && texts < s->n)
        cmd_warn("%s: pictures and texts are scored together; %s takes one of them", path, option);
}

/* What holds NaN or infinity finds nothing and is found last: it is named. */
static enum vlp_status check_vectors(struct match_job *job, struct vlp_set *s,
                                     struct vlp_error *err)
{
    return match_check_vectors(job, s, vlp_set_vectors(s, (enum vlp_metric)match.metric), err);
}

enum vlp_status match_run_truth(struct match_job *job, struct vlp_error *err)
{
    struct vlp_set    a = {0}, b = {0};
    struct vlp_truth *t = NULL;
    enum vlp_status   s = vlp_truth_read(&t, match.truth, err);
    if (s == VLP_OK) s = match_read_set(job, &a, match.queries, match.query_only, err);
    if (s == VLP_OK) s = match_read_set(job, &b, job->paths[0], match.only, err);
    if (s == VLP_OK)
        s = vlp_embedding_compatible(&b.header, job->paths[0], &a.header, match.queries,
                                     match.ignore_model, err);
    if (s == VLP_OK) s = check_vectors(job, &a, err);
    if (s == VLP_OK) s = check_vectors(job, &b, err);
    if (s == VLP_OK) {
        warn_of_both(&a, match.queries, "--query-only");
        warn_of_both(&b, job->paths[0], "--only");
        s = match_open_output(job, err);
    }
    if (s == VLP_OK) {
        if (match.header) fputs("direction\tmeasure\tvalue\n", job->out.file);
        s = score(job, &a, &b, t, err);
    }
    vlp_truth_free(t);
    vlp_set_free(&a);
    vlp_set_free(&b);
    return s;
}
