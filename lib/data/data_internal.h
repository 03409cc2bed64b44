/*
 * data_internal.h -- what the sources share: input bytes, records in the making, the table of
 * kinds.
 */
#ifndef DATA_INTERNAL_H
#define DATA_INTERNAL_H

#include <jansson.h>
#include <sys/stat.h>

#include <vlp/data.h>

/* ---- stream.c: the bytes of a file, of stdin or of memory, in order ---------------- */

enum { STREAM_BUFFER = 128 * 1024 };

struct stream {
    int                              fd;
    const char                      *memory; /* where there is no file: what is still to come */
    size_t                           memory_left;
    char                            *name;
    uint8_t                         *buf;
    size_t                           begin, end;
    bool                             eof;
    bool                             unended; /* the last line given had no delimiter */
    uint64_t                         offset;  /* of buf[begin] in the input */
    size_t                           step;    /* most bytes of a read; 0: STREAM_BUFFER */
    const struct vlp_source_options *opt;     /* whose `stop` is asked, or NULL */
};
/* "-" is stdin. Opening or reading that a signal ends is VLP_ERR_STOPPED. */
enum vlp_status stream_open(struct stream *s, const char *path, struct vlp_error *err);
void            stream_of_memory(struct stream *s, const char *bytes, size_t len, const char *name);
void            stream_close(struct stream *s);
/* Read more when the buffer holds fewer than `want` (<= STREAM_BUFFER) bytes. */
enum vlp_status stream_fill(struct stream *s, size_t want, struct vlp_error *err);
/* The next byte, or -1: at the end (*status VLP_OK) or failed. */
static inline int stream_byte(struct stream *s, enum vlp_status *status, struct vlp_error *err)
{
    if (s->begin == s->end && (*status = stream_fill(s, 1, err)) != VLP_OK) return -1;
    if (s->begin == s->end) return -1;
    s->offset++;
    return s->buf[s->begin++];
}
/*
 * Bytes up to `delimiter` (eaten, not stored) or the end into `out`, at most `limit` of them: a
 * longer line is eaten whole and *too_long set. *more false when nothing was left. VLP_ERR_LIMIT
 * beyond LINE_LIMIT: some devices never end.
 */
enum { LINE_LIMIT = 1 << 30 };
enum vlp_status stream_line(struct stream *s, int delimiter, size_t limit, struct vlp_buf *out,
                            bool *too_long, bool *more, struct vlp_error *err);

/* ---- lines.c: the lines of a list -------------------------------------------------- */

enum { PATH_LIMIT = 64 * 1024, TEXT_LIMIT = 1 << 20 };
/* Line `number` of a list; what it points to is in `b`. */
enum vlp_status line_read(struct stream *s, enum vlp_lines_kind kind, bool nul, int64_t number,
                          struct vlp_buf *b, struct vlp_line *out, bool *more,
                          struct vlp_error *err);

/* ---- item.c: records in the making ------------------------------------------------- */

void item_begin(struct vlp_item *it, const char *id, size_t id_len); /* copies the id */
void item_begin_at(struct vlp_item *it, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* an id made by printf */
void item_set_text(struct vlp_item *it, const char *text, size_t len);
/* "is a pipe", for a sentence; NULL: it is a regular file. */
const char *no_file_words(const struct stat *st);
/* The picture is the file at `path`. What is not there, or is no file, makes the record a bad one:
 * only devices that were `named` as an input are opened. */
void item_set_picture(struct vlp_item *it, const char *path, bool named);
void item_fail(struct vlp_item *it, enum vlp_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same id with "#k". */
void item_number_id(struct vlp_item *it, int k);
/* The input at `path` gave up with `s`, and the job goes on without the rest of it? Then the record
 * that says so. What would be wrong usage of a single input is a fault of one among several. */
bool item_of_lost_input(struct vlp_item *it, const struct vlp_source_options *o, const char *path,
                        enum vlp_status s, const struct vlp_error *err);

struct input;

/* ---- json_text.c: JSON as programs write it ---------------------------------------- */

/* An object or a list, a new reference; NULL: `e` says why. NaN and infinities are null. */
json_t *json_read(const char *text, size_t len, json_error_t *e);
/* "a number", for a sentence. */
const char *json_type_words(const json_t *v);

/* ---- captions.c: the texts of one picture ------------------------------------------ */

struct captions {
    char          **text;
    size_t         *len;
    int             n;
    char           *fault; /* why the captions, or the label, cannot be had, or NULL */
    enum vlp_status fault_status;
    bool            apart; /* a record of its own says so */
};
enum { CAPTION_FILE_LIMIT = 4 << 20 };
void captions_free(struct captions *c);
/* Forget all captions but the first n. */
void captions_cut(struct captions *c, int n);
void captions_add(struct captions *c, const char *text, size_t len);
/* Every line that is not empty is a caption. */
void captions_add_lines(struct captions *c, const char *text, size_t len);
/* An object with a caption, a list of them, or lists of either; `name` for the fault. */
void captions_add_json(struct captions *c, enum vlp_fault how, const char *text, size_t len,
                       const char *name);
/* The value of a caption's key: a string, or a list of them. What in it is neither and not null is
 * answered, and none of its captions is left. */
const json_t *captions_add_value(struct captions *c, const json_t *v);
/* The first is kept, but one of the whole record outweighs one apart. */
void captions_fault(struct captions *c, enum vlp_fault how, enum vlp_status s, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The first of PICTURE's stem + .txt, .caption, .json that exists. */
void captions_read_beside(struct captions *c, enum vlp_fault how, const char *picture);
/* Is `ext` an ending of caption files? */
bool captions_ending(const char *ext);
/* How many records the picture makes: one each caption, one without any, one for a fault apart. */
int captions_records(const struct captions *c);
/* Put caption k, or the fault, into the k-th of these records, which has its picture; ids get "#k"
 * when there are several captions. A fault that was told with a record needs none of its own. */
void captions_give(struct captions *c, int k, struct vlp_item *it);

/* ---- columns.c: what columns and keys are usually called --------------------------- */

enum column { COLUMN_IMAGE, COLUMN_TEXT, COLUMN_ID, COLUMN_LABEL, COLUMN_COUNT };
extern const char *const *const column_names[COLUMN_COUNT]; /* NULL-terminated, most usual first */
/* What the next of these keys, from the *at-th on, that is not null says, and its name; NULL: there
 * is none. */
const json_t *column_value(const json_t *object, enum column c, size_t *at, const char **name);
/* The option that names this column, or NULL. */
const char *column_option(const struct vlp_source_options *o, enum column c);
/* What it is that a field cannot be a label. */
enum vlp_fault column_label_fault(const struct vlp_source_options *o);

/* ---- record.c: a row of a table or an object, as a record -------------------------- */

struct field {
    const char *bytes; /* NULL: there is none */
    size_t      len;
};
enum {
    RECORD_LIMIT = 16 << 20 /* bytes of a row or an object */
};
/* A record from these fields of row `row` (from 1) of the input. The text is given by captions. */
void record_make(struct vlp_item *it, const struct input *in, const struct field f[COLUMN_COUNT],
                 int64_t row);
/* What is said of an input whose last record is not whole: it is damaged, and lost from there. */
extern const char ends_inside[];
/* A record without a picture and without text is a bad one. Call this last. */
void record_check(struct vlp_item *it);

/* ---- names.c: what a name tells ---------------------------------------------------- */

/* Of what was found in a folder or tar, not named: do the include and exclude lists let this path
 * in? Without an include list it needs a picture's ending; with one, that of captions must stand in
 * the pattern. */
bool name_is_wanted(const struct vlp_source_options *o, const char *path);
bool name_is_excluded(const struct vlp_source_options *o, const char *path);
/* Does any pattern of the include list match, or is there no list? For texts, whatever they end
 * with. */
bool name_is_included(const struct vlp_source_options *o, const char *path);

/* ---- the table of kinds ------------------------------------------------------------ */

struct input {
    const struct source_kind        *kind;
    const struct vlp_source_options *opt;
    const char                      *path;     /* "-" is stdin; lives as long as the input */
    char                            *owned;    /* `path`, where it is ours */
    const char                      *member;   /* of a tar: only this one; NULL: all */
    bool                             named;    /* by the user, not found in a folder */
    bool                             counting; /* only the number of records is wanted */
    struct stream                    ahead;    /* what was read of a pipe to see what it is */
    void                            *state;
};
/* The input's bytes from their beginning. */
enum vlp_status input_stream(struct input *in, struct stream *out, struct vlp_error *err);

struct source_kind {
    const char *name; /* of --format, or NULL */
    enum vlp_status (*open)(struct input *in, struct vlp_error *err);
    /* A record, whatever its status, or *more false. */
    enum vlp_status (*next)(struct input *in, struct vlp_item *out, bool *more,
                            struct vlp_error *err);
    void (*close)(struct input *in); /* fine after a failed open, with state NULL */
};
extern const struct source_kind source_picture, source_folder, source_list, source_lines,
    source_tsv, source_csv, source_jsonl, source_json, source_tar, source_pipe;

/* Open the input at `path` as what it is. */
enum vlp_status input_open(struct input *in, const struct vlp_source_options *opt, const char *path,
                           bool counting, struct vlp_error *err);
void            input_close(struct input *in);
/* Is `path` a member of the shard that a member of was given last? Then its records are the next.
 */
bool input_turn(struct input *in, const char *path);
/* source_tar.c: `in->member` is another. */
void tar_turn(struct input *in);
bool input_has_format(const char *name); /* of --input-format */
bool input_is_regular(const char *path);
/* stdin, or a pipe with a name: its bytes come once, and tell what they are. */
bool input_is_pipe(const char *path);
/* What is at `path`: by --format, its ending, its first bytes. */
const struct source_kind *kind_of(const struct vlp_source_options *opt, const char *path);

#endif
