/*
 * search_groups.c -- near-duplicates: what hangs together by pairs above a threshold, and by which
 * pair.
 *
 * Every pair is looked at once (tiles of a matrix product, candidates scored exactly). Of the edges
 * only a strongest spanning forest is kept: the forest of a forest and new edges is the forest of
 * all edges, so memory stays with the number of rows however dense the duplicates are. The weakest
 * edge of a group's tree is its weakest link.
 *
 * Of equal rows only the first is looked at. In the forest of all rows the others are leaves, each
 * at its strongest edge: in the order of edges that of the first comes before every weaker one.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

enum { CHUNK_QUERIES = 512, CHUNK_ROWS = 2048, EDGES = 1 << 20 };

struct edges {
    struct vlp_pair *e;
    size_t           n, cap;
};

static void add(struct edges *l, struct vlp_pair e)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->e = vlp_realloc(l->e, l->cap * sizeof *l->e);
    }
    l->e[l->n++] = e;
}

/* Strongest first; equal ones by their rows: a total order, so the forest is unique. */
static int edge_order(const void *x, const void *y)
{
    const struct vlp_pair *p = x, *q = y;
    if (p->score != q->score) return p->score > q->score ? -1 : 1;
    if (p->a != q->a) return p->a < q->a ? -1 : 1;
    return (p->b > q->b) - (p->b < q->b);
}

static int root_of(int *parent, int i)
{
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

/* Kruskal: sorts the edges and keeps those that join two trees. */
static void keep_forest(struct edges *l, int *parent, int n)
{
    for (int i = 0; i < n; i++) parent[i] = i;
    if (l->n) qsort(l->e, l->n, sizeof *l->e, edge_order);
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        const int a = root_of(parent, l->e[i].a), b = root_of(parent, l->e[i].b);
        if (a == b) continue;
        parent[a < b ? b : a] = a < b ? a : b; /* the lowest row is the root */
        l->e[kept++] = l->e[i];
    }
    l->n = kept;
}

/* The score of row i with its copies. */
static float own_score(const struct vlp_compute *alone, enum vlp_metric metric,
                       const struct distinct *d, int i)
{
    const float          *x = d->x + (size_t)i * (size_t)d->dim;
    const struct vlp_rows row = vlp_rows_of(metric, x, 1, d->dim);
    float                 score;
    score_rows(alone, &score, x, cosine_limit(alone, x, d->dim), &row, 0, 1);
    return score;
}

struct found {
    struct edges *per_worker;
    int           q0;
};

static void keep_edge(void *ctx, int worker, int query, int64_t row, float score)
{
    const struct found *f = ctx;
    add(&f->per_worker[worker], (struct vlp_pair){f->q0 + query, (int)row, score});
}

/* Is the edge from a row to `row` its strongest so far? Of equal ones that to the lowest row is. */
static void keep_strongest(struct vlp_hit *best, int64_t row, float score)
{
    const struct vlp_hit hit = {row, score};
    if (best->row < 0 || hit_before(&hit, best)) *best = hit;
}

/* The strongest spanning forest of all pairs of distinct rows >= threshold, as numbers of these;
 * and of each the strongest edge. */
static struct edges distinct_forest(const struct vlp_compute *c, enum vlp_metric metric,
                                    const struct distinct *d, float threshold, int *parent,
                                    struct vlp_hit *strongest)
{
    const int    threads = vlp_pool_threads(c->pool), n = d->n, dim = d->dim;
    struct edges forest = {0};
    struct found f = {vlp_calloc((size_t)threads, sizeof *f.per_worker), 0};
    float       *norms = vlp_malloc(CHUNK_QUERIES * sizeof *norms);
    float       *limit = vlp_malloc(CHUNK_QUERIES * sizeof *limit);
    int64_t     *after = vlp_malloc(CHUNK_QUERIES * sizeof *after);
    const size_t most = (size_t)vlp_max_i64(EDGES, 2 * (int64_t)n);
    float       *queries_room = vlp_malloc((size_t)CHUNK_QUERIES * (size_t)dim * sizeof(float));
    float       *rows_room = vlp_malloc((size_t)CHUNK_ROWS * (size_t)dim * sizeof(float));
    struct vlp_compute alone = *c;
    alone.pool = NULL;
    for (int i = 0; i < n; i++) strongest[i].row = -1;
    for (int q0 = 0; q0 < n; q0 += CHUNK_QUERIES) {
        const int    nq = (int)vlp_min_i64(CHUNK_QUERIES, n - q0);
        const float *queries = gather_rows(queries_room, d->x, d->row + q0, nq, dim);
        for (int q = 0; q < nq; q++) {
            const float *v = queries + (size_t)q * (size_t)dim;
            norms[q] = length_bound(&alone, v, dim);
            limit[q] = threshold;
            after[q] = q0 + q + 1; /* every pair once, the lower row first */
        }
        struct tiles t;
        tiles_open(&t, c, queries, norms, nq, dim);
        f.q0 = q0;
        for (int r0 = q0; r0 < n; r0 += CHUNK_ROWS) {
            const int       nr = (int)vlp_min_i64(CHUNK_ROWS, n - r0);
            const float    *x = gather_rows(rows_room, d->x, d->row + r0, nr, dim);
            struct vlp_rows rows = vlp_rows_of(metric, x, nr, dim);
            rows.first = r0;
            tiles_run(&t, &rows, limit, 0, after, keep_edge, &f);
            for (int w = 0; w < threads; w++) {
                for (size_t i = 0; i < f.per_worker[w].n; i++) {
                    const struct vlp_pair e = f.per_worker[w].e[i];
                    keep_strongest(&strongest[e.a], e.b, e.score);
                    keep_strongest(&strongest[e.b], e.a, e.score);
                    add(&forest, e);
                }
                f.per_worker[w].n = 0;
            }
            if (forest.n > most) keep_forest(&forest, parent, n);
        }
        tiles_close(&t);
    }
    keep_forest(&forest, parent, n);
    for (int w = 0; w < threads; w++) free(f.per_worker[w].e);
    free(f.per_worker);
    free(norms);
    free(limit);
    free(after);
    free(queries_room);
    free(rows_room);
    return forest;
}

/* The strongest spanning forest of all pairs of rows >= threshold. */
static struct edges forest_of(const struct vlp_compute *c, enum vlp_metric metric,
                              const struct distinct *d, int n, float threshold, int *parent)
{
    struct vlp_hit    *strongest = vlp_malloc(((size_t)d->n + 1) * sizeof *strongest);
    struct edges       forest = distinct_forest(c, metric, d, threshold, parent, strongest);
    struct vlp_compute alone = *c;
    alone.pool = NULL;
    for (size_t e = 0; e < forest.n; e++) {
        forest.e[e].a = d->row[forest.e[e].a];
        forest.e[e].b = d->row[forest.e[e].b];
    }
    for (int i = 0; i < d->n; i++) {
        int copy = d->next[d->row[i]];
        if (copy < 0) continue;
        const float own = own_score(&alone, metric, d, d->row[i]);
        if (own >= threshold) keep_strongest(&strongest[i], i, own);
        if (strongest[i].row < 0) continue;
        const int to = d->row[strongest[i].row];
        for (; copy >= 0; copy = d->next[copy])
            add(&forest, (struct vlp_pair){copy < to ? copy : to, copy < to ? to : copy,
                                           strongest[i].score});
    }
    keep_forest(&forest, parent, n);
    free(strongest);
    return forest;
}

/* The two members least alike: each task finds, for one distinct member, whom of itself and the
 * later ones it is least like. */
struct spread {
    struct vlp_compute     compute;
    enum vlp_metric        metric;
    const struct distinct *all;
    const int             *row;   /* of the distinct members, rising */
    const float           *x;     /* and their vectors */
    int                    n;     /* as many */
    struct vlp_pair       *worst; /* of each, as rows; a -1: there is nobody left */
    float                 *score; /* per worker, n */
};

static void spread_task(void *ctx, int i, int worker)
{
    const struct spread  *s = ctx;
    const int             dim = s->all->dim, rest = s->n - 1 - i;
    const int             a = s->row[i], copy = s->all->next[a];
    float                *score = s->score + (size_t)worker * (size_t)s->n;
    const float          *x = s->x + (size_t)i * (size_t)dim;
    const struct vlp_rows rows = vlp_rows_of(s->metric, x + dim, rest, dim);
    struct vlp_pair       worst = {-1, -1, 0.0f};
    if (copy >= 0) worst = (struct vlp_pair){a, copy, own_score(&s->compute, s->metric, s->all, a)};
    if (rest > 0)
        score_rows(&s->compute, score, x, cosine_limit(&s->compute, x, dim), &rows, 0, rest);
    for (int k = 0; k < rest; k++) {
        const int  b = s->row[i + 1 + k];
        const bool lower = score[k] < worst.score || (score[k] == worst.score && b < worst.b);
        if (worst.a < 0 || lower) worst = (struct vlp_pair){a, b, score[k]};
    }
    s->worst[i] = worst;
}

static struct vlp_pair weakest_pair(const struct vlp_compute *c, enum vlp_metric metric,
                                    const struct distinct *d, const int *member, int n)
{
    const size_t  threads = (size_t)vlp_pool_threads(c->pool);
    struct spread s = {.compute = *c, .metric = metric, .all = d};
    int          *row = vlp_malloc((size_t)n * sizeof *row);
    s.compute.pool = NULL;
    for (int i = 0; i < n; i++)
        if (d->first[member[i]] == member[i]) row[s.n++] = member[i];
    float *room = vlp_malloc((size_t)s.n * (size_t)d->dim * sizeof *room);
    s.x = gather_rows(room, d->x, row, s.n, d->dim);
    s.row = row;
    s.worst = vlp_malloc((size_t)s.n * sizeof *s.worst);
    s.score = vlp_malloc(threads * (size_t)s.n * sizeof *s.score);
    vlp_parallel(s.n > 64 ? c->pool : NULL, s.n, spread_task, &s);
    struct vlp_pair worst = s.worst[0]; /* of two members and more, the first has one */
    for (int i = 1; i < s.n; i++)
        if (s.worst[i].a >= 0 && s.worst[i].score < worst.score) worst = s.worst[i];
    free(row);
    free(room);
    free(s.worst);
    free(s.score);
    return worst;
}

void vlp_find_groups(struct vlp_groups *out, const struct vlp_compute *c, enum vlp_metric metric,
                     const float *vectors, int n, int dim, float threshold)
{
    *out = (struct vlp_groups){0};
    vlp_arena_init(&out->mem);
    struct distinct d;
    distinct_open(&d, vectors, n, dim);
    int         *parent = vlp_malloc(((size_t)n + 1) * sizeof *parent);
    struct edges forest = forest_of(c, metric, &d, n, threshold, parent);

    int *size = vlp_calloc((size_t)n + 1, sizeof *size); /* of the group whose lowest row is i */
    int *number = vlp_malloc(((size_t)n + 1) * sizeof *number);
    for (int i = 0; i < n; i++) size[root_of(parent, i)]++;
    for (int i = 0; i < n; i++)
        if (size[i] > 1) number[i] = out->n++;
    out->group = VLP_NEW_N(&out->mem, struct vlp_group, out->n ? (size_t)out->n : 1);
    int **member = vlp_malloc(((size_t)out->n + 1) * sizeof *member);
    for (int i = 0; i < n; i++)
        if (size[i] > 1) member[number[i]] = VLP_NEW_N(&out->mem, int, (size_t)size[i]);
    for (int i = 0; i < n; i++) {
        const int root = root_of(parent, i);
        if (size[root] < 2) continue;
        struct vlp_group *g = &out->group[number[root]];
        g->member = member[number[root]];
        member[number[root]][g->n++] = i;
    }
    for (size_t e = 0; e < forest.n; e++) /* strongest first: the last one written is the weakest */
        out->group[number[root_of(parent, forest.e[e].a)]].weakest_link = forest.e[e];
    for (int g = 0; g < out->n; g++)
        out->group[g].weakest_pair =
            weakest_pair(c, metric, &d, out->group[g].member, out->group[g].n);
    distinct_close(&d);
    free(parent);
    free(size);
    free(number);
    free(member);
    free(forest.e);
}

void vlp_groups_free(struct vlp_groups *g)
{
    vlp_arena_free(&g->mem);
    *g = (struct vlp_groups){0};
}
