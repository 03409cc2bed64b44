/*
 * search_groups.c -- near-duplicates: what hangs together by pairs above a threshold, and by which
 * pair.
 *
 * Every pair is looked at once (tiles of a matrix product, candidates scored exactly). Of the edges
 * only a strongest spanning forest is kept: the forest of a forest and new edges is the forest of
 * all edges, so memory stays with the number of rows however dense the duplicates are. The weakest
 * edge of a group's tree is its weakest link.
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

struct found {
    struct edges *per_worker;
    int           q0;
};

static void keep_edge(void *ctx, int worker, int query, int64_t row, float score)
{
    const struct found *f = ctx;
    add(&f->per_worker[worker], (struct vlp_pair){f->q0 + query, (int)row, score});
}

/* The strongest spanning forest of all pairs >= threshold. */
static struct edges forest_of(const struct vlp_compute *c, bool cosine, const float *x, int n,
                              int dim, float threshold, int *parent)
{
    const int          threads = vlp_pool_threads(c->pool);
    struct edges       forest = {0};
    struct found       f = {vlp_calloc((size_t)threads, sizeof *f.per_worker), 0};
    float             *norms = vlp_malloc(CHUNK_QUERIES * sizeof *norms);
    float             *limit = vlp_malloc(CHUNK_QUERIES * sizeof *limit);
    int64_t           *after = vlp_malloc(CHUNK_QUERIES * sizeof *after);
    const size_t       stride = (size_t)dim * sizeof *x;
    const size_t       most = (size_t)vlp_max_i64(EDGES, 2 * (int64_t)n);
    struct vlp_compute alone = *c;
    alone.pool = NULL;
    for (int q0 = 0; q0 < n; q0 += CHUNK_QUERIES) {
        const int    nq = (int)vlp_min_i64(CHUNK_QUERIES, n - q0);
        const float *queries = x + (size_t)q0 * (size_t)dim;
        for (int q = 0; q < nq; q++) {
            const float *v = queries + (size_t)q * (size_t)dim;
            norms[q] = sqrtf(vlp_dot(&alone, v, v, dim)) * 1.001f;
            limit[q] = threshold;
            after[q] = q0 + q + 1; /* every pair once, the lower row first */
        }
        struct tiles t;
        tiles_open(&t, c, queries, norms, nq, dim);
        f.q0 = q0;
        for (int r0 = q0; r0 < n; r0 += CHUNK_ROWS) {
            const struct vlp_rows rows = {.data = x + (size_t)r0 * (size_t)dim,
                                          .stride = stride,
                                          .dtype = VLP_F32,
                                          .dim = dim,
                                          .n = (int)vlp_min_i64(CHUNK_ROWS, n - r0),
                                          .first = r0,
                                          .cosine = cosine};
            tiles_run(&t, &rows, limit, 0, after, keep_edge, &f);
            for (int w = 0; w < threads; w++) {
                for (size_t i = 0; i < f.per_worker[w].n; i++) add(&forest, f.per_worker[w].e[i]);
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
    return forest;
}

/* The two members least alike: each task finds a member's least alike later member. */
struct spread {
    struct vlp_compute compute;
    bool               cosine;
    const float       *x; /* the members' vectors, gathered */
    int                n, dim;
    struct vlp_pair   *worst; /* per member */
    float             *score; /* per worker, n */
};

static void spread_task(void *ctx, int a, int worker)
{
    const struct spread  *s = ctx;
    float                *score = s->score + (size_t)worker * (size_t)s->n;
    const float          *x = s->x + (size_t)a * (size_t)s->dim;
    const int             rest = s->n - 1 - a;
    const struct vlp_rows rows = {.data = x + s->dim,
                                  .stride = (size_t)s->dim * sizeof *x,
                                  .dtype = VLP_F32,
                                  .dim = s->dim,
                                  .n = rest,
                                  .cosine = s->cosine};
    score_rows(&s->compute, score, x, cosine_limit(&s->compute, x, s->dim), &rows, 0, rest);
    struct vlp_pair worst = {a, a + 1, score[0]};
    for (int i = 1; i < rest; i++)
        if (score[i] < worst.score) worst = (struct vlp_pair){a, a + 1 + i, score[i]};
    s->worst[a] = worst;
}

static struct vlp_pair weakest_pair(const struct vlp_compute *c, bool cosine, const float *vectors,
                                    int dim, const int *member, int n)
{
    const size_t  threads = (size_t)vlp_pool_threads(c->pool);
    struct spread s = {.compute = *c, .cosine = cosine, .n = n, .dim = dim};
    float        *x = vlp_malloc((size_t)n * (size_t)dim * sizeof *x);
    s.compute.pool = NULL;
    for (int i = 0; i < n; i++)
        memcpy(x + (size_t)i * (size_t)dim, vectors + (size_t)member[i] * (size_t)dim,
               (size_t)dim * sizeof *x);
    s.x = x;
    s.worst = vlp_malloc((size_t)n * sizeof *s.worst);
    s.score = vlp_malloc(threads * (size_t)n * sizeof *s.score);
    vlp_parallel(n > 64 ? c->pool : NULL, n - 1, spread_task, &s);
    struct vlp_pair worst = s.worst[0];
    for (int i = 1; i < n - 1; i++)
        if (s.worst[i].score < worst.score) worst = s.worst[i];
    worst.a = member[worst.a];
    worst.b = member[worst.b];
    free(x);
    free(s.worst);
    free(s.score);
    return worst;
}

void vlp_find_groups(struct vlp_groups *out, const struct vlp_compute *c, enum vlp_metric metric,
                     const float *vectors, int n, int dim, float threshold)
{
    const bool cosine = metric == VLP_COSINE;
    *out = (struct vlp_groups){0};
    vlp_arena_init(&out->mem);
    int         *parent = vlp_malloc(((size_t)n + 1) * sizeof *parent);
    struct edges forest = forest_of(c, cosine, vectors, n, dim, threshold, parent);

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
            weakest_pair(c, cosine, vectors, dim, out->group[g].member, out->group[g].n);
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
