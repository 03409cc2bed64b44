/*
 * match.h -- the parts of vlp-match: what was asked, the queries, the ways to answer.
 */
#ifndef VLP_CMD_MATCH_H
#define VLP_CMD_MATCH_H

#include <vlp/search.h>

#include "cmd.h"

enum match_join { JOIN_NONE, JOIN_TOPK, JOIN_MUTUAL, JOIN_ONE_TO_ONE, JOIN_ANTI };

/* A query as it was given: what kind, and where it came from. */
struct match_asked {
    int         kind; /* enum vlp_term_kind, or MATCH_EXPRESSION */
    const char *value;
    size_t      len;
};
enum { MATCH_EXPRESSION = 100 };

struct match_options {
    struct match_asked *asked; /* in the order of the command line */
    int                 n_asked;
    const char         *queries;                                      /* -Q */
    const char         *lines, *files_from, *ids_from, *queries_from; /* lists */
    bool                nul;
    int64_t             k;
    double              min_score;
    int                 metric;           /* enum vlp_metric */
    int                 only, query_only; /* enum vlp_modality */
    bool                no_self, ignore_model, exit_status;
    const char         *rerank;
    int64_t             rerank_depth;
    int                 join; /* enum match_join */
    double              groups;
    const char         *truth, *recall_at;
    const char         *output, *link_to, *html, *base_dir;
    bool                force, json, header;
};
extern struct match_options match;

/* Everything a way of answering needs. */
struct match_job {
    const char *const  *paths; /* of the index */
    int                 n_paths;
    struct vlp_encoder  encoder;
    bool                has_encoder;
    struct vlp_pool    *pool; /* ours, when there is no encoder */
    struct vlp_compute  compute;
    struct vlp_output   out;
    struct cmd_failures failures;
    int64_t             n_found;
    int64_t             n_odd; /* records of the index that hold NaN or infinity */
    bool skipped;              /* a file was not whole, right answers named nobody: said already */
};

/* ---- match_session.c: what every way begins with ------------------------------------------- */

/* Open the model behind -m and compute with its pool; refuses one that does not fit `h`. */
enum vlp_status match_open_encoder(struct match_job *job, const struct vlp_embedding_header *h,
                                   const char *h_name, struct vlp_error *err);
/* Where results go: opened when there is something to write, so that ending the program while it
 * computes leaves nothing behind. */
enum vlp_status match_open_output(struct match_job *job, struct vlp_error *err);
/* What --only takes, in one word. */
const char *match_kind(int only);
/* A set, or its pictures or texts only, which may be none. */
enum vlp_status match_read_any(struct match_job *job, struct vlp_set *s, const char *path, int only,
                               struct vlp_error *err);
/* The same; refuses one that has none. */
enum vlp_status match_read_set(struct match_job *job, struct vlp_set *s, const char *path, int only,
                               struct vlp_error *err);
/* Vectors x (n, dim) of a set that hold NaN or infinity are named; --on-error stop fails there. */
enum vlp_status match_check_vectors(struct match_job *job, const struct vlp_set *s, const float *x,
                                    struct vlp_error *err);
/* --only for a file of bare vectors is wrong usage. */
enum vlp_status match_refuse_bare(const char *path, struct vlp_error *err);

/* ---- queries ------------------------------------------------------------------------------- */

struct match_queries {
    int              n, dim;
    int              n_given; /* with those of other shards and those that cannot be used */
    int             *number;  /* among these, from 0 */
    float           *x;       /* (n, dim) */
    const char     **name;
    size_t          *name_len;
    const char     **picture;  /* path, of queries that are one picture; or NULL */
    const char     **text;     /* stored text of the query's record, or NULL */
    bool            *is_id;    /* the name is the id of a record, */
    bool            *is_text;  /* which is a text */
    bool             walked;   /* ids were looked for, through all of the index */
    struct vlp_map   standard; /* the picture on standard input, which can be read once */
    struct vlp_set   set;      /* -Q */
    struct vlp_arena mem;
};
/* Gather and encode everything that was asked for. What cannot be used goes to job->failures. */
enum vlp_status match_gather(struct match_queries *q, struct match_job *job, struct vlp_index *ix,
                             struct vlp_error *err);
void            match_queries_free(struct match_queries *q);

/* ---- answers ------------------------------------------------------------------------------- */

enum vlp_status match_run_search(struct match_job *job, struct vlp_error *err);
enum vlp_status match_run_join(struct match_job *job, struct vlp_error *err);
enum vlp_status match_run_groups(struct match_job *job, struct vlp_error *err);
enum vlp_status match_run_truth(struct match_job *job, struct vlp_error *err);

/* One line of results. `text` and `file` may be NULL; `id` is where nothing matches, rank 0. */
struct match_line {
    const char *query, *id, *text, *file;
    size_t      query_len, id_len, text_len;
    bool        is_text; /* what was found is a text; `text` is a picture's label otherwise */
    int         rank;    /* from 1 */
    float       score;
};
void match_put_header(struct match_job *job, bool with_file);
void match_put_line(struct match_job *job, const struct match_line *l, bool with_file);
/* A note that is a caption or a label, not a stamp; NULL otherwise. */
const char *match_text_of(const char *meta, uint32_t flags);
void        match_put_f32(FILE *f, float v);

/* --link-to: links to pictures named by rank; --html: the page. Both see every line. The number of
 * a query is that among those given, so that shards link into one folder. */
/* Is the folder ready? Links of earlier results there are refused, or with -f removed; with --shard
 * only those of the queries answered here. */
enum vlp_status match_links_open(const struct match_queries *q, struct vlp_error *err);
enum vlp_status match_link(struct match_job *job, int query, int n_given, int rank, const char *id,
                           struct vlp_error *err);

struct vlp_page;
struct vlp_page *match_page_open(const char *title); /* NULL without --html */
/* A stored record as a heading (with a word about it, or NULL), and one as a card with no score. */
void match_page_record(struct vlp_page *p, const char *id, const char *text, bool is_text,
                       const char *word);
void match_page_member(struct vlp_page *p, const char *id, const char *text, bool is_text);
void match_page_query(struct vlp_page *p, const struct match_queries *q, int i, int n_hits);
void match_page_hit(struct vlp_page *p, const struct match_line *l, float best);
enum vlp_status match_page_close(struct vlp_page *p, struct match_job *job, struct vlp_error *err);

#endif
