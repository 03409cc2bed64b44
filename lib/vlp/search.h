/*
 * search.h -- vectors against vectors: exact top-k, sets, joins, groups, retrieval scores.
 *
 * One definition of a score holds everywhere: the dot product as vlp_scan_rows adds it up, in f32
 * and in one order, times 1/|row| where rows are not of unit length and the metric is the cosine.
 * So a score does not depend on threads, on the other queries, or on how the file was cut into
 * blocks. A cosine is 1 when the two vectors are equal but for rounding, and then only, whatever
 * rounding makes of their lengths: it lies in [-1, 1], and is NaN where one of them holds infinity.
 * Hits come by falling score; equal scores by rising row. A score that is not a number never
 * matches.
 */
#ifndef VLP_SEARCH_H
#define VLP_SEARCH_H

#include <vlp/embedding.h>
#include <vlp/tensor.h>

/* ---- the engine: rows go by, the best stay --------------------------------------------------- */

struct vlp_hit {
    int64_t row;
    float   score;
};

/* Rows of an index somewhere in memory, as stored. */
struct vlp_rows {
    const void    *data; /* n rows `stride` bytes apart, laid out as in the embedding stream */
    size_t         stride;
    enum vlp_dtype dtype; /* F32, F16, BF16, I8 */
    int            dim, n;
    const float   *scale;  /* (n) factor of each row's score, or NULL: 1 */
    int64_t        first;  /* number of row 0 */
    bool           cosine; /* rows (times scale) and queries have unit length: scores are cosines */
};

struct vlp_search;
/*
 * Look for the k best rows (k = 0: every row) with score >= min_score for each of n queries
 * (n, dim), copied. Memory: threads * n * k hits.
 */
struct vlp_search *vlp_search_open(const struct vlp_compute *c, const float *queries, int n,
                                   int dim, int k, float min_score);
void               vlp_search_close(struct vlp_search *s);
/* Rows may come in pieces of any size, in order or not; their numbers should differ. */
void vlp_search_rows(struct vlp_search *s, const struct vlp_rows *rows);
/* The hits of query q so far, best first; lives until the next call on `s`. Returns how many. */
int vlp_search_hits(struct vlp_search *s, int q, const struct vlp_hit **hits);
/* Rows so far that hold NaN or infinity: what they score is no number, and NaN is no hit. */
int64_t vlp_search_odd(const struct vlp_search *s);
/*
 * Visit the rows >= `first` that are hits at the moment, in no order, possibly twice: what a
 * caller must remember of rows that are about to leave memory. With k = 0 only those not visited
 * before.
 */
void vlp_search_recent(struct vlp_search *s, int64_t first, void (*visit)(void *ctx, int64_t row),
                       void *ctx);

/* scale[i] = 1/|row i|, in double, 0 for a zero row: makes dot products with unit queries cosines.
 */
void vlp_rows_inverse_norm(const struct vlp_compute *c, const struct vlp_rows *rows, float *scale);
/* Row i as f32; I8 rows times their scale. */
void vlp_rows_f32(const struct vlp_rows *rows, int i, float *out);
/* Vectors (n, dim), of unit length under VLP_COSINE, as rows 0 .. n-1. */
struct vlp_rows vlp_rows_of(enum vlp_metric metric, const float *x, int n, int dim);

/* No NaN, no infinity among x[0 .. dim-1]? A vector with a NaN compares as nothing, and takes with
 * it what it is averaged with. */
bool vlp_row_is_finite(const float *x, int dim);

/* Is a record of this file what is wanted: a picture, or a text (VLP_ANY: either)? */
bool vlp_record_is(enum vlp_modality wanted, const struct vlp_embedding_header *h, uint32_t flags);

/* x / |x|, in double; a zero vector stays zero. */
void vlp_unit_length(float *x, int dim);

/* ---- a set: one embedding file in memory ----------------------------------------------------- */

struct vlp_set {
    struct vlp_embedding_header header; /* this and the arrays belong to `file` */
    int                         n;
    const char                **ids;
    size_t                     *id_lens;
    uint32_t                   *flags;
    const char                **metas; /* NULL where there is none */
    size_t                     *meta_lens;
    float                      *f32; /* vlp_set_vectors's */
    enum vlp_ending             ending;
    struct vlp_embedding_set    file; /* rows as stored, in place where they are mapped */
};

/* Read the live records of `path` ("-": stdin): those that no later record of the file deletes. */
enum vlp_status vlp_set_read(struct vlp_set *out, const char *path, struct vlp_error *err);
void            vlp_set_free(struct vlp_set *s);
/* Leave only the pictures, or the texts (VLP_ANY: all), in the set; how many records went. Before
 * its vectors are asked for. A file of bare vectors (vlp_embedding_bare) has pictures only. */
int vlp_set_only(struct vlp_set *s, enum vlp_modality wanted);
/* The same of the records of a file. */
void vlp_records_only(struct vlp_embedding_set *f, enum vlp_modality wanted);
/* All vectors widened to f32 (n, dim), made when first asked for; unit length under VLP_COSINE
 * unless the header says that they are. */
const float *vlp_set_vectors(struct vlp_set *s, enum vlp_metric metric);
/* The records from `first` on whose rows lie side by side, as a block; its n. */
int vlp_set_run(const struct vlp_set *s, int first, struct vlp_embedding_block *b);

/*
 * Records of a set as a search of its file scores them, to the bit: rows as stored, with the
 * inverse of their lengths, in runs that are scored together. Their numbers are the places in the
 * list.
 */
struct vlp_candidates {
    int              n, n_runs;
    struct vlp_rows *run;
    struct vlp_arena mem;
};
/* The records record[0 .. n-1] of the set (NULL: the first n), which must live as long. */
void vlp_candidates_open(struct vlp_candidates *out, const struct vlp_compute *c,
                         const struct vlp_set *s, enum vlp_metric metric, const int *record, int n);
void vlp_candidates_close(struct vlp_candidates *c);

/* Ids to row numbers; of equal ids the first. */
struct vlp_id_table;
struct vlp_id_table *vlp_id_table_new(const char *const *ids, const size_t *lens, int n);
void                 vlp_id_table_free(struct vlp_id_table *t);
int vlp_id_find(const struct vlp_id_table *t, const char *id, size_t len); /* -1: not there */

/* ---- an index: embedding files read as one, block by block ----------------------------------- */

struct vlp_index;
/*
 * Files are numbered and searched in the order given; "-" is read into memory. VLP_ERR_MISMATCH
 * when two of them cannot be compared (dimension; model, unless ignored).
 */
enum vlp_status vlp_index_open(struct vlp_index **out, const char *const *paths, int n,
                               bool ignore_model, struct vlp_error *err);
void            vlp_index_close(struct vlp_index *ix);
/* The first file's, with the fingerprint of the first file that has one; and that file's path. */
const struct vlp_embedding_header *vlp_index_header(const struct vlp_index *ix);
const char                        *vlp_index_model(const struct vlp_index *ix);
const char                        *vlp_index_path(const struct vlp_index *ix, int file);
/* The first file that does not tell texts from pictures, or NULL. */
const char *vlp_index_bare(const struct vlp_index *ix);
/* After a search. */
enum vlp_ending vlp_index_ending(const struct vlp_index *ix, int file);
/* Find records by id: vectors (n_ids, dim) unit length under VLP_COSINE, and flags; found[i] says
 * which. One pass. */
enum vlp_status vlp_index_lookup(struct vlp_index *ix, enum vlp_metric metric,
                                 const char *const *ids, const size_t *id_lens, int n_ids,
                                 float *out, uint32_t *flags, bool *found, struct vlp_error *err);

struct vlp_match {
    const char *id, *meta; /* meta NULL where there is none */
    size_t      id_len, meta_len;
    uint32_t    flags;
    int         file;
    int64_t     row; /* of the whole index: all files' records, deleted ones too, from 0 */
    float       score;
};
struct vlp_matches {
    int                n; /* queries */
    int               *count;
    struct vlp_match **match;  /* match[q][0 .. count[q]-1], best first */
    int64_t            n_live; /* records that could have matched */
    int64_t            n_odd;  /* records that hold NaN or infinity: what they score is no number */
    int64_t            n_unknown; /* matches that vlp_matches_rerank had no vector for */
    struct vlp_arena   mem;
    struct keeper     *keeper; /* of ids and metas */
};

struct vlp_search_options {
    int               k; /* 0: every match */
    float             min_score;
    enum vlp_metric   metric;
    enum vlp_modality only; /* pictures, or texts; VLP_ANY: both */
    /* Per query, an id that is left out (a query that is itself in the index), or NULL. */
    const char *const *skip_ids;
    const size_t      *skip_lens;
    size_t             room; /* bytes that hits may take; 0: any number of them */
    /* Asked between blocks; true ends the search with VLP_ERR_STOPPED. May be NULL. */
    bool (*stop)(void *ctx, int64_t rows_done);
    void *ctx;
};

/* n queries (n, dim), of unit length under VLP_COSINE, against the whole index in one pass (two
 * where records were deleted). When there is no room for the hits of all, out->n of them, the
 * first, are answered: one at least. On failure `out` is untouched. */
enum vlp_status vlp_search_index(struct vlp_matches *out, struct vlp_index *ix,
                                 const struct vlp_compute *c, const float *queries, int n,
                                 const struct vlp_search_options *opt, struct vlp_error *err);
void            vlp_matches_free(struct vlp_matches *m);

/* Better vectors of records of an index, from a set that must live as long. */
struct vlp_better;
struct vlp_better *vlp_better_open(const struct vlp_set *set, const struct vlp_compute *c,
                                   enum vlp_metric metric);
void               vlp_better_close(struct vlp_better *b);
/*
 * Score the matches again with better vectors of the same records, order them and keep the k best
 * with score >= min_score: after a first pass over small rows. The same record is the one with this
 * id that is a text, or a picture, as well (where both files tell); of several the first, second
 * ... of the set for the first, second ... of the index, which costs a walk through it. A match
 * without such a vector is left out and counted. Fails as reading the index does.
 */
enum vlp_status vlp_matches_rerank(struct vlp_matches *m, struct vlp_index *ix,
                                   const struct vlp_compute *c, const float *queries,
                                   const struct vlp_better *b, int k, float min_score,
                                   struct vlp_error *err);

/* ---- queries written as text ----------------------------------------------------------------- */

enum vlp_term_kind { VLP_TERM_TEXT, VLP_TERM_IMAGE, VLP_TERM_ID };
struct vlp_term {
    enum vlp_term_kind kind;
    float              weight;
    const char        *value; /* text, path or id */
    size_t             len;
};
struct vlp_query {
    const char      *name; /* the expression itself */
    size_t           name_len;
    int              n;
    struct vlp_term *term;
};
/*
 * "text:a red car", "image:a.jpg +text:at night -0.5*id:foo": terms begin at the start or after
 * space with an optional sign, an optional number and '*', then text:, image: or id:, and reach to
 * the next term. Blanks may stand after the sign and around the '*'. VLP_ERR_USAGE when it begins
 * with anything else, a term is empty, or what stands before one is nearly a sign or weight.
 */
enum vlp_status vlp_query_parse(struct vlp_query *out, struct vlp_arena *mem, const char *s,
                                size_t len, struct vlp_error *err);
/* out = unit(sum weight_i v_i) where v are the terms' unit vectors; VLP_ERR_USAGE when it is zero.
 */
enum vlp_status vlp_query_compose(float *out, const struct vlp_query *q,
                                  const float *const *vectors, int dim, struct vlp_error *err);

/* ---- joins of two sets, groups in one -------------------------------------------------------- */

struct vlp_pair {
    int   a, b;
    float score;
};
/*
 * Two sets of vectors, of unit length under VLP_COSINE on both sides: so a pair has one score,
 * whichever of the two asks. Rows a and b are a pair where they score min_score or more, unless
 * they are one record: self_a[a] == self_b[b]. Records of B have numbers from 0 to nb - 1, such as
 * their first rows'; those of A the same or, where B has none of the record, -1.
 */
struct vlp_join {
    enum vlp_metric metric;
    const float    *A, *B; /* (na, dim), (nb, dim) */
    int             na, nb, dim;
    float           min_score;
    const int *self_a, *self_b; /* (na), (nb): whose the rows are; both NULL: all may be pairs */
};
/* The best b of every a (equal scores: the lower), row -1 where there is none; `best` has na. */
void vlp_join_best(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_hit *best);
/*
 * Pairs that choose each other: b is a's best and a is b's best (equal scores: lower row). By
 * rising a. Returns how many; `out` has room for min(na, nb).
 */
int vlp_join_mutual(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_pair *out);
/*
 * One-to-one, greedy: of all pairs the best (equal scores: lower a, then lower b) is taken, its two
 * rows leave, and so on. In that order. `out` has room for min(na, nb).
 */
int vlp_join_one_to_one(const struct vlp_compute *c, const struct vlp_join *j,
                        struct vlp_pair *out);

/*
 * Groups of rows connected by pairs with score >= threshold (single linkage). Why a group holds
 * together is told by its weakest link: the weakest pair of the strongest tree that connects it
 * (without pairs as weak as that one it would fall apart); how far it has spread, by the weakest
 * pair: the two members least alike.
 */
struct vlp_group {
    int             n;
    const int      *member; /* rising */
    struct vlp_pair weakest_link, weakest_pair;
};
struct vlp_groups {
    int               n; /* groups of two and more, by lowest member */
    struct vlp_group *group;
    struct vlp_arena  mem;
};
void vlp_find_groups(struct vlp_groups *out, const struct vlp_compute *c, enum vlp_metric metric,
                     const float *vectors, int n, int dim, float threshold);
void vlp_groups_free(struct vlp_groups *g);

/* ---- retrieval ------------------------------------------------------------------------------- */

#define VLP_RETRIEVAL_MAX_K 8
struct vlp_retrieval {
    int    n_k, k[VLP_RETRIEVAL_MAX_K]; /* in: the cutoffs, e.g. 1 5 10 */
    double recall[VLP_RETRIEVAL_MAX_K]; /* share of queries with a right answer in the first k */
    double median_rank, mean_rank;      /* of the best right answer, from 1 */
    double map10;                       /* mAP@10: see below */
    int    n;                           /* queries that have a right answer; others are left out */
};
/*
 * Queries (nq, dim), of unit length where scores are cosines; the candidates are the rows of n_runs
 * (1 or more) runs, numbered from 0 without a gap.
 * rank of candidate j = candidates with a strictly higher score, plus those with an equal score and
 * a lower number. One whose score is NaN ranks last, behind all others, and is no hit.
 * AP@10 = sum over right answers among the first ten of the precision there, divided by min(right
 * answers, 10). truth of query q: candidates truth[start[q]] .. truth[start[q+1]-1], rising.
 */
void vlp_retrieval_score(struct vlp_retrieval *r, const struct vlp_compute *c, const float *queries,
                         int nq, const struct vlp_rows *run, int n_runs, const int *start,
                         const int *truth);

#endif
