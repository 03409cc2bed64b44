/*
 * data.h -- where records come from: files, folders, lists, tables, JSON lines, tar shards.
 *
 * A source yields records in input order: the paths, then the list, then the lines. A pipe with a
 * name (a FIFO, what <(command) of a shell makes) is like stdin: seen by its bytes, read once. A
 * record has an id that travels with it to the last output, and a picture (a path, or bytes), a
 * text, or both (a pair). Sources are rows of a table; a source that cannot deliver one record says
 * so in the record, and goes on. Not thread-safe: one reader at a time.
 *
 * Ids. A picture file: its path as given. A row of a table: its id column; else its picture as the
 * row names it; else "TABLE:ROW", rows counted from 1 without the header (JSON lines: the line). A
 * tar member: "SHARD.tar!MEMBER" ("-!MEMBER" from stdin). A line: its number, from 1. A picture
 * with several captions is several consecutive records with the same picture, "ID#0", "ID#1", ...
 */
#ifndef VLP_DATA_H
#define VLP_DATA_H

#include <vlp/base.h>

struct vlp_item {
    const char    *id; /* bytes, none of them NUL */
    size_t         id_len;
    const char    *path;  /* of the picture, to be read by whoever decodes it; or NULL */
    const uint8_t *bytes; /* the picture itself (tar member, stdin); or NULL */
    size_t         bytes_len;
    const char    *shard; /* under `locate`: the picture is `size` bytes of this file, from `offset`
                             on, and not in memory; or NULL */
    int64_t        offset;
    const char    *text; /* caption, query or text; NULL when there is none */
    size_t         text_len;
    bool           text_unread; /* there is a caption, which cannot be read at present: a bad record
                                behind this one says why */
    const char *label; /* class, where the table has such a column and it is not empty; or NULL */
    bool        label_unread; /* there is a label, which cannot be read at present */
    int64_t mtime, size; /* of the file, for --update: nanoseconds since 1970, bytes; -1 unknown */
    enum vlp_status status; /* not VLP_OK: this record could not be read; `reason` says why */
    const char     *reason;
    bool lost_input; /* with a status: it stands for all that was to come of the input named `id`;
                        what is not there is such a one unless it is called like a picture, or
                        (not `recursive`) a name on a list. Of a shard that is cut off, also for
                        the members of the last stem: more of them may have followed */
    bool of_many;    /* with a status: it may stand for records of other ids as well, of a folder or
                        of the captions of a picture */
    struct vlp_arena mem; /* owns all of the above */
};
void vlp_item_free(struct vlp_item *it);

/* What becomes of a record when its caption, or its label, is there and cannot be used. */
enum vlp_fault {
    VLP_FAULT_WHOLE, /* it is a bad record: a pair is of no use without it */
    VLP_FAULT_APART, /* it comes without that part, and a bad one of the same id behind it says why;
                        where nothing is left of it, it is the bad one itself */
    VLP_FAULT_UNASKED /* it comes without that part, which nobody asked for */
};

struct vlp_source_options {
    char *const *paths; /* files, folders, tables, tars, "-" ; what each is is seen from its ending
                           and its first bytes */
    int          n_paths;
    bool         recursive; /* -r */
    const char *const *include,
        *const *exclude;    /* glob lists, NULL-terminated, matched on the base name or the path.
                            What is included need not end like a picture. In a folder .txt,
                            .caption and .json are it only by a pattern that ends so itself; in a
                            tar file they are no pictures, but go with theirs, or without one are
                            texts that any pattern chooses */
    const char *files_from; /* a list of paths: newline or (nul) NUL separated; "-" stdin */
    bool        nul;        /* -0 */
    const char *lines; /* one text per line from this file; ids are line numbers, or (id_is_text)
                          the text */
    bool        id_is_text;
    const char *format; /* force: one of vlp_source_formats; NULL: see */
    const char *image_column, *text_column, *id_column,
        *label_column; /* names, or 1-based numbers; NULL: usual names */
    enum vlp_fault text_fault, label_fault;
    bool           loose_labels; /* what only has a usual name for labels, and is not called by
                                    `label_column`, is no label where it cannot be one: no fault */
    bool captions; /* pair each picture with the .txt/.caption/.json of its stem, the first
                                that is there; what is no regular file cannot be read */
    bool locate;   /* say where a tar member lies instead of reading it, where that can be said:
                    in a plain tar file, not in a compressed one nor in a pipe */
    const char
        *base_dir; /* relative paths in tables count from here; NULL: the table's own folder */
    /* What is written meanwhile, a temporary file of it too: no folder gives these. NULL and "-"
     * are none. */
    const char *const *outputs;
    size_t             n_outputs;
    int     shard, n_shards; /* --shard i/n, i in 1..n; n = 0: all. By hash of the id; a record with
                            `lost_input` or `of_many` is in every shard, as what it stands for */
    int64_t limit;           /* 0: none */
    bool    keep_going; /* an input that is damaged or cannot be read or understood is a record with
                           `lost_input`, and the next input follows; else an error of
                           vlp_source_next */
    /* Asked before every read: true ends it with VLP_ERR_STOPPED, however long a line or a file
     * goes on. May be NULL. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
    /* Told what is odd about an input and no fault of any record: none of its JSON objects has the
     * key that an option names as a column. May be NULL. */
    void (*say)(void *ctx, const char *sentence);
    void *say_ctx;
};

extern const char *const vlp_source_formats[]; /* of `format`; NULL-terminated */
/* VLP_ERR_USAGE when the options make no sense together. What they point to must live as long as
 * the source. Inputs are opened when it is their turn. */
struct vlp_source;
enum vlp_status vlp_source_open(struct vlp_source **out, const struct vlp_source_options *opt,
                                struct vlp_error *err);
/* The next record, to be freed by vlp_item_free; *more false at the end. An error here ends the
 * source: a list, table or shard that is damaged (VLP_ERR_FORMAT, which names the line or offset)
 * or cannot be read, unless `keep_going`; VLP_ERR_USAGE when what it holds cannot be told (the
 * columns of a table), and there is no other input under `keep_going`; VLP_ERR_SHORTAGE, whatever
 * it was that could not be opened; VLP_ERR_STOPPED when a signal interrupted a read. On an error
 * and at the end `out` is untouched. */
enum vlp_status vlp_source_next(struct vlp_source *s, struct vlp_item *out, bool *more,
                                struct vlp_error *err);
/* Was a record that can be read passed over, being of another shard? */
bool vlp_source_has_passed(const struct vlp_source *s);
/* Known means counted beforehand, for at most a second: not for pipes, tar shards and huge folders.
 */
int64_t vlp_source_expected(
    const struct vlp_source *s); /* how many records are known to come; -1 unknown */
void vlp_source_close(struct vlp_source *s);

/*
 * Where the picture of a record lies, by its id: a file, the file behind "FILE#1" (a caption's
 * record), or "SHARD.tar!MEMBER" with that shard; under `base_dir` (NULL: here). NULL: nowhere.
 */
const char *vlp_picture_of_id(struct vlp_arena *mem, const char *base_dir, const char *id);
/* Does the name end as those of pictures do? Such a file is taken for one. */
bool vlp_name_is_picture(const char *path);
/* Does the name end as those of pictures, tables or tar files do? */
bool vlp_name_tells_kind(const char *path);
/* The length of SHARD in "SHARD!MEMBER" where SHARD is a file and the whole is none; else 0. */
size_t vlp_shard_length(const char *path);
/*
 * MEMBER of a record's id "SHARD!MEMBER", within `id`; NULL where '!' is part of a file's name. A
 * shard is known by being there, a file or a pipe, or, where its ids alone are left, by its ending.
 */
const char *vlp_member_of_id(const char *id);

/* The length of ID in "ID#1", the id of a caption's record, else of all. */
size_t vlp_stem_of_id(const char *id, size_t len);

/*
 * A list that is no source: one entry a line or, with `nul`, between NULs. A line that is too long
 * for what it is, or has a NUL in it, is a bad one.
 */
enum vlp_lines_kind { VLP_LINES_PATHS, VLP_LINES_TEXTS }; /* at most 64 KiB, 1 MiB */
struct vlp_line {
    char           *bytes; /* until the next; NUL-terminated, without line end; free to change */
    size_t          len;
    int64_t         number; /* from 1 */
    enum vlp_status status; /* VLP_ERR_LIMIT, VLP_ERR_FORMAT: `reason` says why */
    const char     *reason;
};
struct vlp_lines;
/* "-" is stdin. */
enum vlp_status vlp_lines_open(struct vlp_lines **out, const char *path, enum vlp_lines_kind kind,
                               bool nul, struct vlp_error *err);
/* *more false at the end. VLP_ERR_LIMIT when a line is longer than 1 GiB: then it is no list. */
enum vlp_status vlp_lines_next(struct vlp_lines *l, struct vlp_line *out, bool *more,
                               struct vlp_error *err);
void            vlp_lines_close(struct vlp_lines *l); /* fine on NULL */

/*
 * CSV in memory that is no source, cut as tables are: RFC 4180, lines that end in \n or \r\n, empty
 * ones passed over. The bytes must live as long as the reader; `name` is what faults name.
 */
struct vlp_csv;
struct vlp_csv *vlp_csv_open(const char *bytes, size_t len, const char *name);
/* *more false at the end. VLP_ERR_FORMAT: a quote that never closes; VLP_ERR_LIMIT: a row of more
 * than 16 MiB. */
enum vlp_status vlp_csv_next(struct vlp_csv *c, bool *more, struct vlp_error *err);
int64_t         vlp_csv_line(const struct vlp_csv *c); /* where the row begins, from 1 */
size_t          vlp_csv_fields(const struct vlp_csv *c);
/* Until the next row, not NUL-terminated; NULL beyond the last. */
const char *vlp_csv_field(const struct vlp_csv *c, size_t i, size_t *len);
void        vlp_csv_close(struct vlp_csv *c); /* fine on NULL */

/* The first field of a line of TSV as the programs write it (--failed, matches), its \t \n \r \\
 * undone in place: its length. A line without a tab is no such line and stays as it is. */
size_t vlp_first_field(char *line, size_t len);

/* 1 .. n of an id under --shard: XXH3-64 of its bytes modulo n, plus one. */
int vlp_shard_of(const char *id, size_t len, int n);

#endif
