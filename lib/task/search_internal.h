/*
 * search_internal.h -- the shortlist of one query, shared by the files that search.
 */
#ifndef VLP_SEARCH_INTERNAL_H
#define VLP_SEARCH_INTERNAL_H

#include <assert.h>
#include <math.h>

#include <vlp/search.h>

/* The best k hits so far as a heap, worst at the root; with k = 0 a list of all in order of
 * arrival. */
struct shortlist {
    struct vlp_hit *hit;
    int             n, cap, k;
    int             visited; /* k = 0: how many vlp_search_recent has shown */
    float           min_score;
};

/*
 * Times this a length is not below the true one: vlp_dot has at least 16 sums side by side, so that
 * of VLP_EMBEDDING_MAX_DIM squares is right to 4096 * 2^-24, and its root to half of that.
 */
#define NOT_BELOW 1.001f

static inline float length_bound(const struct vlp_compute *c, const float *x, int dim)
{
    return sqrtf(vlp_dot(c, x, x, dim)) * NOT_BELOW;
}

/* a stands before b in the result */
static inline bool hit_before(const struct vlp_hit *a, const struct vlp_hit *b)
{
    return a->score > b->score || (a->score == b->score && a->row < b->row);
}

/* Scores below this need not be offered. */
static inline float shortlist_threshold(const struct shortlist *s)
{
    return s->k && s->n == s->k ? s->hit[0].score : s->min_score;
}

void shortlist_init(struct shortlist *s, int k, float min_score);
void shortlist_free(struct shortlist *s);
void shortlist_offer(struct shortlist *s, int64_t row, float score);
/* qsort's order of hits: best first */
int hit_order(const void *a, const void *b);

/* k = 0: no hit is ever pushed out */
bool search_keeps_all(const struct vlp_search *s);
/* Bytes that the hits so far take, as vlp_search_index gives them too. */
size_t search_size(const struct vlp_search *s);
/* Only the first n queries go on. */
void search_narrow(struct vlp_search *s, int n);
/* The hits of query q are not asked for again. */
void search_forget(struct vlp_search *s, int q);

/*
 * How far two f32 sums of the same n products can be apart, per |q| |r|: each is within n u/(1-n u)
 * of the exact value whatever its order; some operations more for scales and conversions.
 */
static inline float score_margin(int n)
{
    const double nu = (n + 8) * 0x1p-24;
    return (float)(2.02 * nu / (1.0 - nu));
}

/*
 * From where on a cosine is looked at again: equal vectors of the query's length score at least
 * this. Its length is 1 but for rounding, of the stored type where that is small.
 */
float cosine_limit(const struct vlp_compute *alone, const float *query, int dim);
/*
 * The scores, as search.h defines them, of a query and rows i0 .. i0+n-1: whoever scores asks here.
 * `again` is the query's cosine_limit, of no account where scores are no cosines.
 */
void score_rows(const struct vlp_compute *alone, float *score, const float *query, float again,
                const struct vlp_rows *rows, int i0, int n);
/* Elements from .. from+n-1 of row i. */
void rows_part_f32(const struct vlp_rows *rows, int i, int from, int n, float *out);
/*
 * The rows from `i` on, before `end`, that can be scored together: as they are stored, or, where
 * its length or scale would leave f32, a single one at unit length in `unit` (dim). How many.
 */
int rows_run(struct vlp_rows *run, const struct vlp_rows *rows, int i, int end, float *unit);

/* Are rows a and b of a join, either way round, one record? */
static inline bool join_is_self(const struct vlp_join *j, int a, int b)
{
    if (!j->self_a) return false;
    assert(j->self_a[a] >= 0 || j->self_b[b] >= 0);
    return j->self_a[a] == j->self_b[b];
}

/* Of rows x (n, dim) that are equal the first is looked at for all. */
struct distinct {
    const float *x;
    int          dim;
    int          n, *row; /* those that are looked at, rising */
    int         *first;   /* of every row: the lowest that is equal to it, itself maybe */
    int         *next;    /* and the one after it, or -1 */
};
void distinct_open(struct distinct *d, const float *x, int n, int dim);
void distinct_close(struct distinct *d);

/* Rows row[0 .. n-1] of x, rising, one behind the other: where they lie, or copied to `room` (n,
 * dim). */
const float *gather_rows(float *room, const float *x, const int *row, int n, int dim);
/* The queries of s against such rows, a piece at a time, with room for GATHER_ROWS of them; hits
 * count in row[]. */
enum { GATHER_ROWS = 4096 };
void search_gathered(struct vlp_search *s, enum vlp_metric metric, const float *x, const int *row,
                     int n, int dim, float *room);

/*
 * Approximate products of many queries with tiles of rows: the matrix product finds who could be a
 * hit, score_rows then gives the score. `keep` is called for every (query, row, score) with
 * score >= thresholds[query], on the worker given; it may raise its worker's thresholds
 * (worker * n + query).
 */
struct tiles {
    struct vlp_compute compute; /* without pool: used inside tasks */
    struct vlp_pool   *pool;
    const float       *queries; /* (n, dim) */
    const float       *norms;   /* (n) length_bound */
    struct vlp_packed *packed;
    int                n, dim, threads;
    float             *again;   /* (n) cosine_limit */
    int64_t           *odd;     /* per worker: rows without a finite length */
    float             *scratch; /* per worker */
    size_t             scratch_len;
};
typedef void tile_keep(void *ctx, int worker, int query, int64_t row, float score);

void tiles_open(struct tiles *t, const struct vlp_compute *c, const float *queries,
                const float *norms, int n, int dim);
void tiles_close(struct tiles *t);
/* Rows with a number below first_row[query] are passed over; NULL: none are. */
void tiles_run(struct tiles *t, const struct vlp_rows *rows, const float *thresholds,
               size_t worker_stride, const int64_t *first_row, tile_keep *keep, void *ctx);

#endif
