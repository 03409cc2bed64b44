/*
 * embedding_internal.h -- what the files of this room share: the input window, the vle layout, the
 * table of formats.
 */
#ifndef EMBEDDING_INTERNAL_H
#define EMBEDDING_INTERNAL_H

#include <vlp/embedding.h>

/* ---- feed.c: the bytes of a file or a pipe, seen through a window ------------------ */

struct feed {
    char          *name;    /* for messages */
    bool           is_file; /* a regular one, by its name */
    struct vlp_map map;     /* such a file, whole */
    bool           mapped;  /* else a descriptor and a buffer */
    int            fd;
    uint8_t       *buf; /* 64-byte aligned */
    size_t         cap, begin, end;
    bool           eof;
    uint64_t       offset; /* of the window's first byte in the input */
};
/* "-" is stdin. */
enum vlp_status feed_open(struct feed *f, const char *path, struct vlp_error *err);
void            feed_close(struct feed *f);
/*
 * See `want` bytes from here on, or all that are left when they are fewer: *p and *have, valid
 * until the next call. Memory grows with what arrives, not with what is wanted.
 */
enum vlp_status feed_see(struct feed *f, size_t want, const uint8_t **p, size_t *have,
                         struct vlp_error *err);
/* Step over n bytes that were seen. */
void feed_step(struct feed *f, size_t n);
/* The next line without its end ("\n", "\r\n", or the end of the input), stepped over; *line NULL
 * at the end. The bytes live until the next call. VLP_ERR_LIMIT beyond `limit` bytes. */
enum vlp_status feed_line(struct feed *f, size_t limit, const char **line, size_t *len,
                          struct vlp_error *err);

/* ---- rows.c ------------------------------------------------------------------------ */

/* Bytes from one stored row to the next. */
size_t row_size(enum vlp_dtype t, int dim);
void   row_from_f32(void *row, enum vlp_dtype t, const float *x, int dim);
bool   dtype_can_be_stored(enum vlp_dtype t);

/* ---- npy.c ------------------------------------------------------------------------- */

/* Read the array in these bytes: `n->map` stays as it is, n->data points into them. */
enum vlp_status npy_parse(struct vlp_npy *n, const uint8_t *p, size_t size, const char *name,
                          struct vlp_error *err);
/* Add a header, padded to a multiple of 64 and to `at_least` bytes; false: no such element type. */
bool npy_put_header(struct vlp_buf *b, enum vlp_dtype dtype, int ndim, const int64_t *dim,
                    size_t at_least);

/* ---- text.c: where lines of text go ------------------------------------------------ */

/* Where the lines of a text format go, and the line in hand: `create` and `finish` of its row. */
struct text_writer {
    struct vlp_output out;
    struct vlp_buf    line;
};
enum vlp_status text_create(struct vlp_embedding_writer              *w,
                            const struct vlp_embedding_write_options *opt, struct vlp_error *err);
enum vlp_status text_finish(struct vlp_embedding_writer *w, bool commit, struct vlp_error *err);

/* ---- ids.c: the file of ids beside a file of vectors ------------------------------- */

/* Ids of rows that come from a format without any: from PATH.ids, else row numbers from 0. */
struct ids_file {
    struct feed    feed;
    bool           there;
    int64_t        next;
    struct vlp_buf text; /* of the block in hand */
};
/* `path` NULL: the vectors come from a pipe. A PATH.ids with too few lines is VLP_ERR_FORMAT when
 * they run out. */
enum vlp_status ids_open(struct ids_file *f, const char *path, struct vlp_error *err);
/* Ids of the next n rows into the reader's arrays. */
enum vlp_status ids_take(struct ids_file *f, struct vlp_embedding_reader *r, int n,
                         struct vlp_error *err);
/* After the last row: more lines than rows are VLP_ERR_FORMAT. */
enum vlp_status ids_end(struct ids_file *f, struct vlp_error *err);
void            ids_close(struct ids_file *f);

/*
 * The writing side: PATH.ids in step with PATH; nothing when PATH is stdout. ids_commit puts both
 * in their places: `vectors` is complete but for that. Between the one and the other, and for good
 * when the process is killed there, the ids are an empty file, which readers refuse: never those of
 * other vectors. VLP_ERR_IO when somebody else has put vectors there meanwhile. Whatever happens,
 * both are closed.
 */
struct ids_output {
    bool              there;
    struct vlp_output out;
};
/* For the vectors that go to `vectors`; none beside stdout, a pipe or a device. */
enum vlp_status ids_create(struct ids_output *o, const struct vlp_output *vectors,
                           const struct vlp_embedding_writer        *w,
                           const struct vlp_embedding_write_options *opt, struct vlp_error *err);
enum vlp_status ids_write(struct ids_output *o, const struct vlp_record *r, struct vlp_error *err);
enum vlp_status ids_commit(struct ids_output *o, struct vlp_output *vectors,
                           const struct vlp_embedding_writer *w, struct vlp_error *err);
void            ids_abort(struct ids_output *o);

/* ---- embedding.c ------------------------------------------------------------------- */

/* VLP_ERR_SUPPORT for an id or a meta that a format with a NUL after each cannot hold. */
enum vlp_status strings_check(const struct vlp_embedding_writer *w, const struct vlp_record *r,
                              struct vlp_error *err);
/* The block of n rows whose ids, flags and metas are in the reader's arrays. */
void reader_block(const struct vlp_embedding_reader *r, struct vlp_embedding_block *b, int n,
                  const void *raw, size_t row);

/* ---- plain.c: what the formats without deletions have in common -------------------- */

/* VLP_ERR_SUPPORT for a deletion, which only vle and jsonl can say. */
enum vlp_status plain_check(const struct vlp_embedding_writer *w, const struct vlp_record *r,
                            struct vlp_error *err);
/* How many rows of this size make a block, and room for them, 64-byte aligned. */
int   plain_rows(size_t row);
void *plain_room(size_t row);
/* reader_block of rows without flags or metas. */
void plain_block(struct vlp_embedding_reader *r, struct vlp_embedding_block *b, int n,
                 const void *raw, size_t row);
/*
 * An output whose beginning is written last: bytes go to the temporary file, or (stdout, pipes) to
 * an unnamed one that is copied at the end.
 */
struct late_output {
    struct vlp_output out;
    FILE             *file; /* write here */
    bool              copied;
};
enum vlp_status late_open(struct late_output *o, const struct vlp_embedding_writer *w,
                          const struct vlp_embedding_write_options *opt, size_t reserved,
                          struct vlp_error *err);
enum vlp_status late_write(struct late_output *o, const void *data, size_t len,
                           struct vlp_error *err);
/* Put `head` (as long as what was reserved) at the beginning: o->out lacks its commit only.
 * late_commit does that and commits. */
enum vlp_status late_complete(struct late_output *o, const void *head, size_t len,
                              struct vlp_error *err);
enum vlp_status late_commit(struct late_output *o, const void *head, size_t len,
                            struct vlp_error *err);
void            late_abort(struct late_output *o);

/* ---- vle_layout.c ------------------------------------------------------------------ */

enum {
    VLE_MAGIC_BYTES = 8,
    VLE_ALIGN = 64,
    VLE_HEADER_BYTES = 128, /* before the JSON text */
    VLE_RECORD_BYTES = 64,  /* head of a block; an end record */
    VLE_MAX_ABOUT = 1 << 20
};
extern const uint8_t vle_header_magic[VLE_MAGIC_BYTES], vle_block_magic[VLE_MAGIC_BYTES],
    vle_end_magic[VLE_MAGIC_BYTES];

#define VLE_KNOWN_FEATURES UINT64_C(0) /* required features of version 1 that we know: none yet */

static inline uint64_t vle_padded(uint64_t n)
{
    return (n + VLE_ALIGN - 1) / VLE_ALIGN * VLE_ALIGN;
}

void vle_put_header(struct vlp_buf *out, const struct vlp_embedding_header *h);
/* Size of the header that begins with these VLE_HEADER_BYTES; 0 when they cannot begin one. */
size_t vle_header_size(const uint8_t *p);
/* Is the checksum of these `size` bytes right, whatever they say? */
bool vle_header_whole(const uint8_t *p, size_t size);
/* A whole header, `size` bytes. h->about is a new reference. */
enum vlp_status vle_get_header(struct vlp_embedding_header *h, const uint8_t *p, size_t size,
                               const char *name, uint64_t offset, struct vlp_error *err);

struct vle_block_head {
    uint32_t n, flags, ids_size, metas_size;
    uint64_t size, sum, first;
    bool     whole; /* the head's checksum is right */
};
enum { VLE_BLOCK_DELETES = 1 }; /* some record of the block is a deletion */
void vle_put_block_head(uint8_t *p, const struct vle_block_head *b);
/* NULL when the 64 bytes are a sound head of a block of rows this wide; else what is wrong, and of
 * *b only `whole` tells. */
const char *vle_get_block_head(struct vle_block_head *b, const uint8_t *p, size_t row);
uint64_t    vle_vectors_at(const struct vle_block_head *b); /* from the block's start */

void        vle_put_end(uint8_t *p, uint64_t count);
const char *vle_get_end(uint64_t *count, const uint8_t *p);

/* Do two headers belong together in one file? NULL, or the name of what differs. */
const char *vle_headers_differ(const struct vlp_embedding_header *a,
                               const struct vlp_embedding_header *b);

/* ---- the table of formats ---------------------------------------------------------- */

struct vlp_embedding_writer {
    const struct format        *format;
    struct vlp_embedding_header header; /* about: a reference of its own */
    char                       *path;
    bool                        standard; /* goes to stdout */
    bool                        failed;   /* something could not be written */
    bool                        partial;  /* no end record, please */
    void                       *state;    /* of the format */
};

struct vlp_embedding_reader {
    const struct format              *format;
    struct vlp_embedding_header       header; /* about: a reference of its own */
    struct feed                       feed;
    struct vlp_embedding_read_options opt;
    bool                              torn, ended;
    bool                              broken_join; /* a stream before the last was not ended */
    json_t                           *last_about;  /* of the last one joined on, or NULL */
    bool                              bare;        /* set by `open`: there are no flags */
    int64_t                           damaged;     /* places stepped over */
    void                             *state;       /* of the format */
    /* The block in hand. */
    const char *ids[VLP_EMBEDDING_BLOCK], *metas[VLP_EMBEDDING_BLOCK];
    size_t      id_lens[VLP_EMBEDDING_BLOCK], meta_lens[VLP_EMBEDDING_BLOCK];
    uint32_t    flags[VLP_EMBEDDING_BLOCK];
};

struct format {
    const char *name;
    bool        binary; /* not for terminals */
    /* Could the input begin so? `have` bytes, at most FORMAT_SNIFF of them; `path` for its ending.
     */
    bool (*sniff)(const uint8_t *p, size_t have, const char *path);
    enum vlp_status (*open)(struct vlp_embedding_reader *r, struct vlp_error *err);
    enum vlp_status (*next)(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                            struct vlp_error *err);
    void (*close)(struct vlp_embedding_reader *r);

    enum vlp_status (*create)(struct vlp_embedding_writer              *w,
                              const struct vlp_embedding_write_options *opt, struct vlp_error *err);
    enum vlp_status (*write)(struct vlp_embedding_writer *w, const struct vlp_record *r,
                             struct vlp_error *err);
    enum vlp_status (*flush)(struct vlp_embedding_writer *w, struct vlp_error *err); /* or NULL */
    /* Complete what is being written, or (commit false) leave it; free the state either way. */
    enum vlp_status (*finish)(struct vlp_embedding_writer *w, bool commit, struct vlp_error *err);
};
enum { FORMAT_SNIFF = 4096 };
extern const struct format format_vle, format_npy, format_fvecs, format_tsv, format_jsonl,
    format_safetensors;

/* vle_write.c */
enum vlp_status vle_create(struct vlp_embedding_writer              *w,
                           const struct vlp_embedding_write_options *opt, struct vlp_error *err);
enum vlp_status vle_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                          struct vlp_error *err);
enum vlp_status vle_flush(struct vlp_embedding_writer *w, struct vlp_error *err);
enum vlp_status vle_finish(struct vlp_embedding_writer *w, bool commit, struct vlp_error *err);

/* The stream position after the last sound record, for whoever continues it. */
uint64_t vle_sound_end(const struct vlp_embedding_reader *r);
uint64_t vle_sound_count(const struct vlp_embedding_reader *r); /* records since the last header */

#endif
