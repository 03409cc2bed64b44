/*
 * embedding.h -- the embedding stream (.vle): how the programs talk, and what they leave behind.
 *
 * The format is specified in vlp-embedding(5), byte for byte; vle_layout.c repeats the layout at
 * its top. In short: a header (magic, version, feature bits, dimension, dtype, modality,
 * normalised, metric, model fingerprint, JSON provenance, checksum), then independent blocks of up
 * to 4096 records (ids, flags, meta, vectors, each block with its own checksum, vectors 64-byte
 * aligned in the file), then an end record with the count. Streams with equal headers (`about`
 * apart) may be concatenated; a torn tail is cut off; a deleted record is a record with
 * VLP_RECORD_DELETED and no meaning but "forget every record of that id before this one". So an
 * update is a deletion followed by the new record.
 */
#ifndef VLP_EMBEDDING_H
#define VLP_EMBEDDING_H

#include <jansson.h>
#include <vlp/base.h>

enum vlp_modality {
    VLP_ANY,
    VLP_IMAGE,
    VLP_TEXT,
    VLP_CLASS
}; /* CLASS: rows of a saved classifier */

enum vlp_metric { VLP_COSINE, VLP_DOT }; /* what the vectors are made for, or compared by */

struct vlp_embedding_header {
    int               dim;      /* 1 .. VLP_EMBEDDING_MAX_DIM */
    enum vlp_dtype    dtype;    /* F32, F16, BF16 or I8 (I8: an f32 scale before each row) */
    enum vlp_modality modality; /* ANY: each record says its own */
    bool              normalized;
    enum vlp_metric   metric;
    char              fingerprint[33]; /* of the model; "" unknown (imported vectors) */
    json_t *about; /* provenance: {"command":..., "version":..., "orient":true, "logit_scale":100.0,
                      ...} */
};

#define VLP_EMBEDDING_MAX_DIM  65536
#define VLP_EMBEDDING_MAX_ID   65536     /* bytes of an id */
#define VLP_EMBEDDING_MAX_META (1 << 20) /* bytes of a meta */
#define VLP_EMBEDDING_BLOCK    4096      /* records in a block */

enum {
    VLP_RECORD_DELETED = 1,
    VLP_RECORD_TEXT = 2,
    VLP_RECORD_TRUNCATED = 4,
    VLP_RECORD_LABEL = 8
};
/* Where the meta is a label, these flags hold 24 bits of a hash of the source stamp that it would
 * be else, so that a file that changed under its label is seen; 0: unknown. */
#define VLP_RECORD_STAMP_SHIFT 8

struct vlp_record {
    const char  *id; /* bytes, NUL-terminated, at most 64 KiB */
    size_t       id_len;
    uint32_t     flags;
    const char  *meta; /* a caption, a label or a source stamp ("mtime:size"); may be NULL */
    size_t       meta_len;
    const float *vector; /* dim values; NULL for a deleted record */
};

/* ---- writing ----------------------------------------------------------------------- */

struct vlp_embedding_writer;
struct stat;

struct vlp_embedding_write_options {
    const char
        *format; /* a row of the table: "vle", "npy", "fvecs", "tsv", "jsonl", "safetensors" */
    bool force;  /* overwrite */
    bool
        append; /* continue `path`: headers must agree (VLP_ERR_MISMATCH), a torn tail is cut off */
    bool header; /* tsv: column names first */
    bool whole;  /* vle: through a temporary file as well; not with append */
    const struct stat
        *seen; /* vle: the file as it was before the caller read it, if it did; NULL */
};
extern const char *const vlp_embedding_formats[]; /* NULL-terminated */

/*
 * "-" is stdout. vle goes block by block into `path` itself, so that a killed job can continue
 * (rename would lose it), unless `whole`; a file that it replaces stays until the first block, or
 * the end, has been written. The others go through a temporary file. npy and fvecs put ids into
 * PATH.ids (where PATH is a link: beside what it leads to), one a line, escaped (\t \n \r \\);
 * metas and flags are kept by vle, jsonl and safetensors, deletions by vle and jsonl
 * (VLP_ERR_SUPPORT elsewhere).
 *
 * VLP_ERR_EXISTS    `path` is there, neither force nor append
 * VLP_ERR_MISMATCH  append: the file has another header; both are named
 * VLP_ERR_FORMAT    append: the file is damaged (more than torn)
 * VLP_ERR_IO        cannot be created, or (vle) another program is writing to it, with force too,
 *                   or has since it was `seen`
 * VLP_ERR_USAGE     no such format; binary data for a terminal without force; append to another
 *                   format than vle
 */
enum vlp_status vlp_embedding_writer_open(struct vlp_embedding_writer **out, const char *path,
                                          const struct vlp_embedding_header        *h,
                                          const struct vlp_embedding_write_options *opt,
                                          struct vlp_error                         *err);
enum vlp_status vlp_embedding_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                                    struct vlp_error *err);
/* Write the block that is being filled (after it, what was written survives kill -9). VLP_ERR_IO,
 * here and at the end, also when the file was removed or replaced meanwhile. */
enum vlp_status vlp_embedding_flush(struct vlp_embedding_writer *w, struct vlp_error *err);
/* End record, flush, close; the writer is gone whatever the answer. */
enum vlp_status vlp_embedding_writer_close(struct vlp_embedding_writer *w, struct vlp_error *err);
/* The same, but what was written is not all that it was to be: a stream gets no end record. */
enum vlp_status vlp_embedding_writer_close_partial(struct vlp_embedding_writer *w,
                                                   struct vlp_error            *err);
/* Leave without an end record: the stream can be continued. */
void vlp_embedding_writer_abandon(struct vlp_embedding_writer *w);

/* ---- reading ----------------------------------------------------------------------- */

struct vlp_embedding_reader;

/* `path` "-" is stdin; the format is recognised (vle, npy, fvecs, tsv, jsonl, safetensors).
 * A torn vle tail ends the stream with vlp_embedding_torn() true; damage in the middle, and a gap
 * anywhere, is VLP_ERR_FORMAT and names the block and its offset; a stream that needs a feature or
 * version that we do not know is VLP_ERR_MISMATCH, as are streams in one file whose headers differ.
 */
enum vlp_status vlp_embedding_open(struct vlp_embedding_reader **out, const char *path,
                                   struct vlp_error *err);

struct vlp_embedding_read_options {
    const char *format; /* instead of recognising it */
    bool skip_damaged;  /* step over damaged blocks to the next sound one instead of failing */
    void (*say)(void *ctx, const char *sentence); /* told of each damaged place, and whether what
                                                     is there is kept or skipped, and of a foreign
                                                     fingerprint that is not used; may be NULL */
    void *ctx;
};
enum vlp_status vlp_embedding_open_with(struct vlp_embedding_reader **out, const char *path,
                                        const struct vlp_embedding_read_options *opt,
                                        struct vlp_error                        *err);
void            vlp_embedding_close(struct vlp_embedding_reader *r);
const struct vlp_embedding_header *vlp_embedding_header(const struct vlp_embedding_reader *r);
bool                               vlp_embedding_torn(const struct vlp_embedding_reader *r);
/* Saw a valid end record with the right count after every header: what each stream was begun for is
 * done, and blocks behind its end were added since. */
bool vlp_embedding_ended(const struct vlp_embedding_reader *r);
/* A stream that another was joined to had no end record: whatever is added, the whole is not ended.
 */
bool vlp_embedding_broken_join(const struct vlp_embedding_reader *r);
/* Of the last stream that was joined on, whose job may go on; else the header's. Belongs to `r`. */
const json_t *vlp_embedding_last_about(const struct vlp_embedding_reader *r);
/* How the file was seen to end, as it is told. */
enum vlp_ending {
    VLP_ENDED,
    VLP_UNFINISHED,  /* no end record */
    VLP_BROKEN_JOIN, /* none before a stream that was joined on */
    VLP_TORN         /* within a block */
};
enum vlp_ending vlp_embedding_ending(const struct vlp_embedding_reader *r);

/* Nothing but ids and vectors (npy, fvecs, tsv): which records are texts is not known. */
bool    vlp_embedding_bare(const struct vlp_embedding_reader *r);
int64_t vlp_embedding_damaged(const struct vlp_embedding_reader *r); /* places skipped so far */

/*
 * The next block of records: ids, flags, metas and vectors in parallel arrays that live until the
 * next call. Rows come as stored (`raw`, `row_size` bytes apart, in place when the file is mapped);
 * vlp_embedding_row_f32 widens one. n = 0 at the end.
 */
struct vlp_embedding_block {
    int                n;
    const char *const *ids;
    const size_t      *id_lens;
    const uint32_t    *flags;
    const char *const *metas; /* entries may be NULL */
    const size_t      *meta_lens;
    const void        *raw;
    size_t             row_size;
};
enum vlp_status vlp_embedding_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                   struct vlp_error *err);
void            vlp_embedding_row_f32(const struct vlp_embedding_header *h,
                                      const struct vlp_embedding_block *b, int i, float *out);

/* Nothing to continue in the file: it is not there, or its writer did not get past the header. */
bool vlp_embedding_is_blank(const char *path);

/* ---- everything at once ------------------------------------------------------------ */

/*
 * All live records of a file: those that no later record of the file deletes. Rows, ids and metas
 * stay in the mapped file where they can; only deletions cost a table. Row i of `header.dtype` is
 * at row[i]; vlp_embedding_set_f32 widens it.
 */
struct vlp_embedding_set {
    struct vlp_embedding_header  header; /* about: owned by the set */
    int64_t                      n;
    const void                 **row;
    const char                 **ids;
    size_t                      *id_lens;
    uint32_t                    *flags;
    const char                 **metas; /* entries may be NULL */
    size_t                      *meta_lens;
    bool                         torn;
    struct vlp_arena             mem;
    struct vlp_embedding_reader *reader; /* keeps the file mapped */
};
/* `opt` may be NULL. What vlp_embedding_open_with and vlp_embedding_next answer. */
enum vlp_status vlp_embedding_load(struct vlp_embedding_set *out, const char *path,
                                   const struct vlp_embedding_read_options *opt,
                                   struct vlp_error                        *err);
void            vlp_embedding_set_free(struct vlp_embedding_set *s);
/* Bytes of a stored row. */
size_t vlp_embedding_row_size(const struct vlp_embedding_header *h);
void   vlp_embedding_set_f32(const struct vlp_embedding_set *s, int64_t i, float *out);

/* May vectors under `a` be compared with vectors under `b`? Dimension and fingerprint; both named
 * if not. */
enum vlp_status vlp_embedding_compatible(const struct vlp_embedding_header *a, const char *a_name,
                                         const struct vlp_embedding_header *b, const char *b_name,
                                         bool ignore_model, struct vlp_error *err);

/* ---- npy --------------------------------------------------------------------------- */

/* An .npy array of any of our dtypes, C order (Fortran order is VLP_ERR_SUPPORT), mapped. */
struct vlp_npy {
    enum vlp_dtype dtype;
    int            ndim;
    int64_t        dim[8];
    const void    *data;
    struct vlp_map map;
};
enum vlp_status vlp_npy_open(struct vlp_npy *out, const char *path, struct vlp_error *err);
void            vlp_npy_close(struct vlp_npy *n);
enum vlp_status vlp_npy_write(struct vlp_output *o, enum vlp_dtype dtype, int ndim,
                              const int64_t *dim, const void *data, struct vlp_error *err);

#endif
