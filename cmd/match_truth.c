/*
 * match_truth.c -- recall, ranks and mAP of two sets by a table of right answers, both ways.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vlp/classify.h>

#include "match.h"

/* Right answers as pairs of rows (query, index). */
struct pairs {
    int *a, *b;
    int  n, unknown;
};

static void resolve(struct pairs *p, const struct vlp_truth *t, const struct vlp_id_table *a,
                    const struct vlp_id_table *b, bool swapped)
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
        const int ra = vlp_id_find(a, first, strlen(first));
        const int rb = vlp_id_find(b, second, strlen(second));
        if (ra < 0 || rb < 0) {
            p->unknown++;
            continue;
        }
        p->a[p->n] = ra;
        p->b[p->n++] = rb;
    }
}

/* What a side holds: as its header says or as was chosen. */
static enum vlp_modality kind_of(const struct vlp_set *s, int only)
{
    return only != VLP_ANY ? (enum vlp_modality)only : s->header.modality;
}

static const char *side_name(const struct vlp_set *s, int only, const char *column,
                             const char *otherwise)
{
    if (kind_of(s, only) == VLP_IMAGE) return "image";
    if (kind_of(s, only) == VLP_TEXT) return "text";
    return column ? column : otherwise;
}

/* Answers of each `from` row, rising, each once, in the form that vlp_retrieval_score wants. */
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
        for (int i = begin + 1; i < end; i++)
            for (int j = i; j > begin && t[j - 1] > t[j]; j--) {
                const int x = t[j];
                t[j] = t[j - 1];
                t[j - 1] = x;
            }
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

static enum vlp_status parse_cutoffs(struct vlp_retrieval *r, struct vlp_error *err)
{
    char *list = vlp_strdup(match.recall_at), *at = list, *one;
    bool  fine = true;
    while (fine && (one = strsep(&at, ",")) != NULL) {
        int64_t k;
        fine = r->n_k < VLP_RETRIEVAL_MAX_K && vlp_parse_i64(one, &k) && k > 0 && k < INT32_MAX;
        if (fine) r->k[r->n_k++] = (int)k;
    }
    free(list);
    return fine ? VLP_OK
                : vlp_fail(err, VLP_ERR_USAGE, "--recall-at '%s' is not a list of 1 to %d numbers",
                           match.recall_at, VLP_RETRIEVAL_MAX_K);
}

static enum vlp_status score(struct match_job *job, struct vlp_set *a, struct vlp_set *b,
                             const struct vlp_truth *t, struct vlp_error *err)
{
    const size_t         most = (size_t)vlp_truth_count(t) + 1;
    struct pairs         p = {vlp_malloc(most * sizeof(int)), vlp_malloc(most * sizeof(int)), 0, 0};
    struct vlp_id_table *ids_a = vlp_id_table_new(a->ids, a->id_lens, a->n);
    struct vlp_id_table *ids_b = vlp_id_table_new(b->ids, b->id_lens, b->n);
    const char          *column_a, *column_b;
    vlp_truth_columns(t, &column_a, &column_b);
    /* columns that say which is which decide; then the order in which more ids are known */
    const enum vlp_modality kind = kind_of(a, match.query_only);
    bool swapped = column_b && ((kind == VLP_IMAGE && strncasecmp(column_b, "image", 5) == 0) ||
                                (kind == VLP_TEXT && strncasecmp(column_b, "text", 4) == 0));
    resolve(&p, t, ids_a, ids_b, swapped);
    if (p.unknown) {
        const int before = p.unknown;
        resolve(&p, t, ids_a, ids_b, !swapped);
        if (p.unknown < before)
            swapped = !swapped;
        else
            resolve(&p, t, ids_a, ids_b, swapped);
    }
    if (swapped) {
        const char *x = column_a;
        column_a = column_b;
        column_b = x;
    }
    vlp_id_table_free(ids_a);
    vlp_id_table_free(ids_b);
    enum vlp_status s = VLP_OK;
    if (p.n == 0)
        s = vlp_fail(err, VLP_ERR_MISMATCH, "%s: no pair of ids is in %s and %s", match.truth,
                     match.queries, job->paths[0]);
    if (s == VLP_OK && p.unknown)
        cmd_warn("%s: %d of %d pairs name records that are not there", match.truth, p.unknown,
                 vlp_truth_count(t));
    for (int way = 0; way < 2 && s == VLP_OK; way++) {
        struct vlp_retrieval  r = {0};
        const struct vlp_set *from = way ? b : a, *to = way ? a : b;
        const char           *name_a = side_name(a, match.query_only, column_a, "query");
        const char           *name_b = side_name(b, match.only, column_b, "index");
        int                  *start, *truth;
        s = parse_cutoffs(&r, err);
        if (s != VLP_OK) break;
        lists(&p, way ? p.b : p.a, way ? p.a : p.b, from->n, &start, &truth);
        vlp_retrieval_score(&r, &job->compute, from->f32, from->n, to->f32, to->n, a->header.dim,
                            start, truth);
        put(job->out.file, way ? name_b : name_a, way ? name_a : name_b, &r);
        free(start);
        free(truth);
    }
    job->n_found = p.n;
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

enum vlp_status match_run_truth(struct match_job *job, struct vlp_error *err)
{
    struct vlp_set    a = {0}, b = {0};
    struct vlp_truth *t = NULL;
    enum vlp_status   s = vlp_truth_read(&t, match.truth, err);
    if (s == VLP_OK) s = match_read_set(&a, match.queries, match.query_only, err);
    if (s == VLP_OK) s = match_read_set(&b, job->paths[0], match.only, err);
    if (s == VLP_OK)
        s = vlp_embedding_compatible(&b.header, job->paths[0], &a.header, match.queries,
                                     match.ignore_model, err);
    if (s == VLP_OK) {
        warn_of_both(&a, match.queries, "--query-only");
        warn_of_both(&b, job->paths[0], "--only");
        vlp_set_vectors(&a, (enum vlp_metric)match.metric);
        vlp_set_vectors(&b, (enum vlp_metric)match.metric);
        s = match_open_output(job, err);
    }
    if (s == VLP_OK) {
        if (match.header && !match.json) fputs("direction\tmeasure\tvalue\n", job->out.file);
        s = score(job, &a, &b, t, err);
    }
    vlp_truth_free(t);
    vlp_set_free(&a);
    vlp_set_free(&b);
    return s;
}
