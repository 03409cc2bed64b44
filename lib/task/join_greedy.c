/*
 * join_greedy.c -- one-to-one: the best pair of all is taken and its rows leave, again and again.
 *
 * Equal rows of A, of which there can be very many, are a crowd. Each crowd keeps a list of the
 * best b; a heap holds, for every crowd, its next pair: the best b that is still free, with the
 * lowest a of the crowd that may have it. A crowd whose list does not tell its next pair is dry: it
 * stands in the heap with the score of the list's last entry, which that pair cannot exceed. When
 * it comes to the root, all that are dry by then are searched anew together, among the rows that
 * are still free, of equal ones the lowest for all. Lists grow while there is room for them in all,
 * so that sets in which everybody wants the same rows take more searches, not more memory than the
 * sets themselves.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

enum {
    QUERIES_AT_ONCE = 4096,
    FIRST_LIST = 16,
    HITS_OF_EACH = 32,    /* entries of lists that there is room for: so many for every a, */
    HITS_OF_ALL = 1 << 22 /* and these */
};

/* Equal rows of A that have no partner yet, and the best b that were free when it was searched. */
struct crowd {
    int             first;  /* the lowest, -1: all have partners; the others follow in greedy.a */
    int             before; /* whom the first one of another record follows, if there is one */
    struct vlp_hit *hit;    /* best first */
    int             n, k;   /* k: as many were asked for */
    bool            all;    /* no more exist */
    int             at;     /* in hit: those before it are taken; */
    int             own_at; /* taken, or of the first one's record */
    struct vlp_pair next;   /* b -1: dry */
};

struct greedy {
    const struct vlp_compute *c;
    const struct vlp_join    *j;
    struct distinct           a, b;
    struct crowd             *crowd; /* at its lowest row in A */
    int                      *n_own; /* rows of B by record; NULL: all may be pairs */
    int64_t                   hits;  /* of all lists */
    bool                     *taken; /* of b */
    int                      *heap;  /* crowds, best pair at the root */
    int                       n_heap;
    int                      *dry, n_dry;     /* crowds to be searched */
    int                      *head;           /* of b that are the first of equal: who is free */
    int                      *free_row;       /* all those, rising, while a search runs */
    float                    *queries, *rows; /* copied together for a search */
};

static void drop(struct greedy *g, struct crowd *l)
{
    g->hits -= l->n;
    free(l->hit);
    l->hit = NULL;
    l->n = l->at = l->own_at = 0;
}

/* The lowest that is of another record than the first, or -1. */
static int first_other(const struct greedy *g, struct crowd *l)
{
    const int *self = g->j->self_a, *next = g->a.next;
    while (next[l->before] >= 0 && self[next[l->before]] == self[l->first])
        l->before = next[l->before];
    return next[l->before];
}

/* a, the first or the first other, has a partner. */
static void leave(struct greedy *g, struct crowd *l, int a)
{
    const int *self = g->j->self_a, next = g->a.next[a];
    if (a != l->first) {
        g->a.next[l->before] = next;
        return;
    }
    if (l->before == a) l->before = next;
    if (next >= 0 && self && self[next] != self[a]) l->own_at = l->at;
    l->first = next;
}

/* The next pair, past what others have taken. False when the crowd has no b left. */
static bool settle(struct greedy *g, struct crowd *l)
{
    const struct vlp_hit *hit = l->hit;
    while (l->at < l->n && g->taken[hit[l->at].row]) l->at++;
    if (l->own_at < l->at) l->own_at = l->at;
    while (l->own_at < l->n &&
           (g->taken[hit[l->own_at].row] || join_is_self(g->j, l->first, (int)hit[l->own_at].row)))
        l->own_at++;
    const struct vlp_hit *last = l->n ? &hit[l->n - 1] : NULL;
    const struct vlp_hit *best = l->at < l->n ? &hit[l->at] : NULL;
    const struct vlp_hit *own = l->own_at < l->n ? &hit[l->own_at] : NULL; /* for the first */
    int                   a = l->first;
    if (best != own) { /* others may have the best, unless the first has one as good or could */
        const struct vlp_hit *rival = own || l->all ? own : last;
        const int             other = rival && rival->score == best->score ? -1 : first_other(g, l);
        if (other >= 0) {
            a = other;
            own = best;
        }
    }
    l->next = own ? (struct vlp_pair){a, (int)own->row, own->score}
                  : (struct vlp_pair){a, -1, last ? last->score : 0.0f};
    return own || !l->all;
}

static bool pair_before(const struct greedy *g, int x, int y)
{
    const struct vlp_pair *p = &g->crowd[x].next, *q = &g->crowd[y].next;
    return p->score > q->score || (p->score == q->score && p->a < q->a);
}

static void sift(struct greedy *g, int i)
{
    const int x = g->heap[i];
    for (;;) {
        int child = 2 * i + 1;
        if (child >= g->n_heap) break;
        if (child + 1 < g->n_heap && pair_before(g, g->heap[child + 1], g->heap[child])) child++;
        if (!pair_before(g, g->heap[child], x)) break;
        g->heap[i] = g->heap[child];
        i = child;
    }
    g->heap[i] = x;
}

/* The free row after b that is equal to it, or -1; those in between leave the chain. */
static int next_free(struct greedy *g, int b)
{
    int next = g->b.next[b];
    while (next >= 0 && g->taken[next]) next = g->b.next[next];
    return g->b.next[b] = next;
}

/* Of equal rows that are free the lowest stands for all; returns how many there are. */
static int list_free(struct greedy *g)
{
    int n = 0;
    for (int b = 0; b < g->j->nb; b++) {
        int *head = &g->head[g->b.first[b]];
        if (*head == b && g->taken[b]) *head = next_free(g, b);
        if (*head == b) g->free_row[n++] = b;
    }
    return n;
}

/* How many rows the first may not have. */
static int count_own(const struct greedy *g, const struct crowd *l)
{
    const int self = g->n_own ? g->j->self_a[l->first] : -1;
    return self < 0 ? 0 : g->n_own[self];
}

/* The best of what was found, with the rows equal to it: k that the first may have. */
static void fill_list(struct greedy *g, struct crowd *l, const struct vlp_hit *hit, int n, int k,
                      bool all)
{
    struct shortlist s;
    shortlist_init(&s, (int)vlp_min_i64((int64_t)k + count_own(g, l), INT32_MAX), g->j->min_score);
    for (int i = 0; i < n; i++) {
        for (int b = g->free_row[hit[i].row]; b >= 0; b = next_free(g, b)) {
            const struct vlp_hit x = {b, hit[i].score};
            if (s.n == s.k && !hit_before(&x, s.hit)) break;
            shortlist_offer(&s, b, x.score);
        }
    }
    if (s.n) qsort(s.hit, (size_t)s.n, sizeof *s.hit, hit_order);
    l->hit = s.hit;
    l->k = k;
    l->all = all && s.n < s.k;
    const bool shared = g->n_own && first_other(g, l) >= 0;
    for (int i = 0; i < s.n; i++)
        if (shared || !join_is_self(g->j, l->first, (int)s.hit[i].row)) l->hit[l->n++] = s.hit[i];
    g->hits += l->n;
}

/* New lists of k entries for the dry crowds. */
static void search_dry(struct greedy *g, int k)
{
    const size_t dim = (size_t)g->j->dim;
    const int    n_free = list_free(g);
    for (int d0 = 0; d0 < g->n_dry; d0 += QUERIES_AT_ONCE) {
        const int *dry = g->dry + d0, n = (int)vlp_min_i64(QUERIES_AT_ONCE, g->n_dry - d0);
        int        own = 0;
        for (int i = 0; i < n; i++) {
            memcpy(g->queries + (size_t)i * dim, g->j->A + (size_t)dry[i] * dim,
                   dim * sizeof *g->queries);
            own = (int)vlp_max_i64(own, count_own(g, &g->crowd[dry[i]]));
        }
        const int          most = (int)vlp_min_i64((int64_t)k + own, INT32_MAX);
        struct vlp_search *s =
            vlp_search_open(g->c, g->queries, n, g->j->dim, most, g->j->min_score);
        search_gathered(s, g->j->metric, g->j->B, g->free_row, n_free, g->j->dim, g->rows);
        for (int i = 0; i < n; i++) {
            const struct vlp_hit *hit;
            const int             found = vlp_search_hits(s, i, &hit);
            fill_list(g, &g->crowd[dry[i]], hit, found, k, found < most);
        }
        vlp_search_close(s);
    }
}

/* Every crowd of the heap is settled, those that nothing is left for go. */
static void settle_all(struct greedy *g)
{
    int n = 0;
    for (int i = 0; i < g->n_heap; i++) {
        struct crowd *l = &g->crowd[g->heap[i]];
        if (settle(g, l))
            g->heap[n++] = g->heap[i];
        else
            drop(g, l);
    }
    g->n_heap = n;
}

/* The dry ones are searched; the heap is in order again. */
static void refill(struct greedy *g)
{
    int longest = FIRST_LIST / 4;
    g->n_dry = 0;
    settle_all(g);
    for (int i = 0; i < g->n_heap; i++) {
        struct crowd *l = &g->crowd[g->heap[i]];
        if (l->next.b >= 0) continue;
        g->dry[g->n_dry++] = g->heap[i];
        if (l->k > longest) longest = l->k;
        drop(g, l);
    }
    const int64_t room = (int64_t)HITS_OF_EACH * g->j->na + HITS_OF_ALL - g->hits;
    const int64_t k = vlp_min_i64(vlp_min_i64(4 * (int64_t)longest, g->j->nb), room / g->n_dry);
    search_dry(g, (int)vlp_max_i64(FIRST_LIST, k));
    settle_all(g);
    for (int i = g->n_heap / 2 - 1; i >= 0; i--) sift(g, i);
}

/* The root's pair, or false after a list was filled instead. */
static bool take_best(struct greedy *g, struct vlp_pair *out)
{
    struct crowd *l = &g->crowd[g->heap[0]];
    if (l->next.b < 0) {
        refill(g);
        return false;
    }
    const bool found = !g->taken[l->next.b];
    if (found) {
        g->taken[l->next.b] = true;
        *out = l->next;
        leave(g, l, l->next.a);
    }
    if (l->first < 0 || !settle(g, l)) {
        drop(g, l);
        g->heap[0] = g->heap[--g->n_heap];
    }
    if (g->n_heap) sift(g, 0);
    return found;
}

/* How many rows of B each record has. */
static int *count_records(const struct vlp_join *j)
{
    if (!j->self_b) return NULL;
    int *n = vlp_calloc((size_t)j->nb + 1, sizeof *n);
    for (int b = 0; b < j->nb; b++) {
        assert(0 <= j->self_b[b] && j->self_b[b] < j->nb);
        n[j->self_b[b]]++;
    }
    return n;
}

int vlp_join_one_to_one(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_pair *out)
{
    struct greedy g = {.c = c, .j = j};
    const size_t  size = (size_t)j->dim * sizeof(float), na = (size_t)j->na, nb = (size_t)j->nb;
    int           n = 0;
    distinct_open(&g.a, j->A, j->na, j->dim);
    distinct_open(&g.b, j->B, j->nb, j->dim);
    g.n_own = count_records(j);
    g.crowd = vlp_calloc(na + 1, sizeof *g.crowd);
    g.taken = vlp_calloc(nb + 1, sizeof *g.taken);
    g.heap = vlp_malloc((na + 1) * sizeof *g.heap);
    g.dry = vlp_malloc((na + 1) * sizeof *g.dry);
    g.head = vlp_malloc((nb + 1) * sizeof *g.head);
    g.free_row = vlp_malloc((nb + 1) * sizeof *g.free_row);
    g.queries = vlp_malloc((size_t)vlp_min_i64(j->na, QUERIES_AT_ONCE) * size + 1);
    g.rows = vlp_malloc((size_t)vlp_min_i64(j->nb, GATHER_ROWS) * size + 1);
    for (int b = 0; b < j->nb; b++) g.head[b] = b;
    for (int i = 0; i < g.a.n; i++) {
        const int a = g.heap[g.n_heap++] = g.a.row[i];
        g.crowd[a].first = g.crowd[a].before = a;
    }
    if (j->na) refill(&g);
    while (g.n_heap) n += take_best(&g, &out[n]);
    distinct_close(&g.a);
    distinct_close(&g.b);
    free(g.n_own);
    free(g.crowd);
    free(g.taken);
    free(g.heap);
    free(g.dry);
    free(g.head);
    free(g.free_row);
    free(g.queries);
    free(g.rows);
    return n;
}
