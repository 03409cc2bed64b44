/*
 * base.h -- what every other room stands on: status, memory, bytes, files, threads, random numbers.
 *
 * The library never prints and never exits (the one exception is vlp_no_memory below). Besides
 * tables and scratch memory that no caller sees, it keeps two things for the whole process:
 * vlp_no_memory and the outputs that are open. What has an _open or _init has its _close or _free;
 * nobody frees an argument.
 */
#ifndef VLP_BASE_H
#define VLP_BASE_H

#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VLP_VERSION "0.1.0"

/* ---- status ------------------------------------------------------------------------------- */

/* Where the library meets the world it answers with one of these; lib/README.md maps them to exits.
 */
enum vlp_status {
    VLP_OK = 0,
    VLP_ERR_IO,       /* the system refused: open, read, write, rename, full disk */
    VLP_ERR_FORMAT,   /* damaged, truncated, or not what it claims to be */
    VLP_ERR_LIMIT,    /* well formed, but larger than we are willing to handle */
    VLP_ERR_SUPPORT,  /* well formed, but of a kind that we do not know */
    VLP_ERR_MISMATCH, /* two things that do not belong together: model, dimension, version */
    VLP_ERR_USAGE,    /* the caller's request makes no sense */
    VLP_ERR_EXISTS,   /* would overwrite without being told to */
    VLP_ERR_STOPPED,  /* a signal or a limit of our own ended it; what was written is valid */
    VLP_ERR_SHORTAGE, /* the process may have no more files or memory: the fault of no record */
    VLP_STATUS_COUNT
};

struct vlp_error {
    enum vlp_status status;
    char            text[512]; /* one sentence: the file, the place in it, what was wrong */
};

/* A short word for a status ("format", "io", ...): the reason code of --failed files. */
const char *vlp_status_name(enum vlp_status s);

/* VLP_ERR_SHORTAGE or VLP_ERR_IO: what an errno of opening a file or a folder says. */
enum vlp_status vlp_status_of_errno(int why);

/* Fill `err` (may be NULL) and return `s`, so that a failing function ends in `return
 * vlp_fail(...)`. */
enum vlp_status vlp_fail(struct vlp_error *err, enum vlp_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "prefix: " before the sentence in `err` (may be NULL); the status stays what it was. */
void vlp_fail_in(struct vlp_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What follows "name: " in a sentence that begins so, else all of it: for who says the name first.
 */
const char *vlp_without_name(const char *sentence, const char *name, size_t len);

/* Forward a failure to our own caller. For functions that have nothing to clean up. */
#define VLP_TRY(call)                                                                              \
    do {                                                                                           \
        enum vlp_status vlp_try_ = (call);                                                         \
        if (vlp_try_ != VLP_OK) return vlp_try_;                                                   \
    } while (0)

/* ---- memory ------------------------------------------------------------------------------- */

/*
 * Called when memory cannot be had, with the size wanted; must not return. The default prints one
 * line on stderr and exits 1; a handler of one's own calls vlp_outputs_remove as it does. So that
 * JSON does not go wrong in silence, a program gives jansson vlp_malloc (json_set_alloc_funcs).
 */
extern void (*vlp_no_memory)(size_t wanted);

/* malloc, calloc, realloc and strdup that call vlp_no_memory instead of returning NULL. */
void *vlp_malloc(size_t size);
void *vlp_calloc(size_t count, size_t size); /* checks the product */
void *vlp_realloc(void *p, size_t size);
/* At a multiple of `align`, a power of two that divides `size`; for free(). */
void *vlp_malloc_aligned(size_t align, size_t size);
char *vlp_strdup(const char *s);
char *vlp_strndup(const char *s, size_t len);

/*
 * An arena hands out 64-byte aligned pieces that live until it is rewound past them or freed.
 * Chunks of 2 MiB and more are aligned to and advised as huge pages. Not shared between threads.
 */
struct vlp_arena_chunk;
struct vlp_arena {
    struct vlp_arena_chunk *chunk; /* newest first */
    size_t                  peak;  /* most bytes ever in use at once */
    size_t                  used;
};
struct vlp_arena_mark {
    struct vlp_arena_chunk *chunk;
    size_t                  chunk_used, used;
};

void  vlp_arena_init(struct vlp_arena *a);
void  vlp_arena_free(struct vlp_arena *a);               /* fine on a zeroed arena */
void *vlp_arena_alloc(struct vlp_arena *a, size_t size); /* contents undefined */
void *vlp_arena_calloc(struct vlp_arena *a, size_t count, size_t size);
char *vlp_arena_strdup(struct vlp_arena *a, const char *s);
char *vlp_arena_strndup(struct vlp_arena *a, const char *s, size_t len);
char *vlp_arena_printf(struct vlp_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
struct vlp_arena_mark vlp_arena_mark(const struct vlp_arena *a);
void vlp_arena_rewind(struct vlp_arena *a, struct vlp_arena_mark m); /* keeps chunks for reuse */

#define VLP_NEW(arena, type)      ((type *)vlp_arena_calloc((arena), 1, sizeof(type)))
#define VLP_NEW_N(arena, type, n) ((type *)vlp_arena_calloc((arena), (n), sizeof(type)))

/* A growing run of bytes on the heap. Zero-initialise to start; always NUL-terminated once written.
 */
struct vlp_buf {
    char  *data;
    size_t len, cap;
};
void vlp_buf_free(struct vlp_buf *b);
void vlp_buf_clear(struct vlp_buf *b); /* len = 0, memory kept */
void vlp_buf_reserve(struct vlp_buf *b, size_t more);
void vlp_buf_add(struct vlp_buf *b, const void *data, size_t len);
void vlp_buf_add_str(struct vlp_buf *b, const char *s);
void vlp_buf_add_char(struct vlp_buf *b, char c);
void vlp_buf_printf(struct vlp_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A field of TSV: tab, newline, carriage return and backslash as \t \n \r \\; and back, in place,
 * giving the new length. */
void   vlp_buf_add_tsv(struct vlp_buf *b, const char *s, size_t len);
size_t vlp_tsv_unescape(char *s, size_t len);
/* A JSON string with its quotes. What is not UTF-8 becomes U+FFFD, a byte each: then false. */
bool vlp_buf_add_json(struct vlp_buf *b, const char *s, size_t len);

/* ---- numbers in storage ------------------------------------------------------------------- */

#define VLP_MAX_DIM 5 /* dimensions of a tensor, stored or computed */

/* Element types as files know them. Q8_0 is a block of 32 weights: f16 scale, then 32 int8. */
enum vlp_dtype {
    VLP_F32,
    VLP_F16,
    VLP_BF16,
    VLP_F64,
    VLP_Q8_0,
    VLP_I64,
    VLP_I32,
    VLP_I16,
    VLP_I8,
    VLP_U8,
    VLP_BOOL,
    VLP_DTYPE_COUNT
};
#define VLP_Q8_0_BLOCK 32
#define VLP_Q8_0_BYTES 34

const char *vlp_dtype_name(enum vlp_dtype t); /* "f32", "f16", ... */
/* Bytes of n elements; for Q8_0 n is rounded up to whole blocks. SIZE_MAX when it would overflow.
 */
size_t vlp_dtype_size(enum vlp_dtype t, size_t n);

float    vlp_f16_to_f32(uint16_t h);
uint16_t vlp_f32_to_f16(float f); /* round to nearest even, overflow to infinity */
float    vlp_bf16_to_f32(uint16_t h);
uint16_t vlp_f32_to_bf16(float f); /* round to nearest even, NaN stays NaN */
/* n elements from or to f32. Q8_0 rows are whole blocks: n is a multiple of 32; a block with a NaN,
 * an infinity or more than 8.3 million in it comes back as NaN. */
void vlp_to_f32(float *out, const void *in, enum vlp_dtype t, size_t n);
void vlp_from_f32(void *out, enum vlp_dtype t, const float *in, size_t n);

/* Little-endian loads and stores at any alignment. */
uint16_t vlp_load_u16(const void *p);
uint32_t vlp_load_u32(const void *p);
uint64_t vlp_load_u64(const void *p);
void     vlp_store_u16(void *p, uint16_t v);
void     vlp_store_u32(void *p, uint32_t v);
void     vlp_store_u64(void *p, uint64_t v);

/* ---- hashes ------------------------------------------------------------------------------- */

#define VLP_FNV_START 2166136261u
uint32_t vlp_fnv1a(uint32_t state, const void *data, size_t len); /* FNV-1a-32 */
uint64_t vlp_hash64(const void *data, size_t len);                /* XXH3, 64 bits, seed 0 */

/* XXH3 with 128 bits, fed in pieces; the model fingerprint. `text` becomes 32 hex digits and NUL.
 */
struct vlp_hasher;
struct vlp_hasher *vlp_hasher_open(void);
void               vlp_hasher_add(struct vlp_hasher *h, const void *data, size_t len);
void               vlp_hasher_close(struct vlp_hasher *h, char text[33]);

/* ---- tables of strings -------------------------------------------------------------------- */

/*
 * Strings, which may hold any bytes, and their numbers, from 0 in the order in which they were
 * added; fewer than 2^31. Zero-initialise to start. To look for one changes nothing: threads may
 * share it.
 */
struct vlp_strings {
    struct vlp_string {
        const char *s;
        size_t      len;
    } * item; /* by number */
    size_t    n, cap, n_slots;
    uint64_t *slot;
};
/* The number of `s`, new or not. A new one is copied to `mem`; NULL: its bytes stay where they are
 * as long as the table is used. */
size_t  vlp_strings_add(struct vlp_strings *t, struct vlp_arena *mem, const char *s, size_t len);
int64_t vlp_strings_find(const struct vlp_strings *t, const char *s, size_t len); /* -1: none */
void    vlp_strings_free(struct vlp_strings *t);

/* ---- random numbers ----------------------------------------------------------------------- */

/*
 * xoshiro256++ seeded by SplitMix64. `stream` separates uses of one seed (a sample, a layer, a
 * step): the numbers depend on (seed, stream) alone, never on threads. The state is plain data to
 * save.
 */
struct vlp_rng {
    uint64_t s[4];
};
void     vlp_rng_seed(struct vlp_rng *r, uint64_t seed, uint64_t stream);
uint64_t vlp_rng_next(struct vlp_rng *r);
uint32_t vlp_rng_below(struct vlp_rng *r, uint32_t n); /* 0 .. n-1, unbiased; n > 0 */
double   vlp_rng_uniform(struct vlp_rng *r);           /* [0, 1), 53 bits */
double   vlp_rng_normal(struct vlp_rng *r);            /* mean 0, deviation 1 (polar method) */

/* ---- files -------------------------------------------------------------------------------- */

/* A file mapped for reading, whole. An empty file has size 0 and data that must not be read. */
struct vlp_map {
    const uint8_t *data;
    size_t         size;
    bool           mapped; /* false: read into memory (a pipe, a special file) */
};
/* "-" is stdin. VLP_ERR_IO when it cannot be opened or read, or is a directory; VLP_ERR_LIMIT when
 * a device gives more than 64 MiB, for some never end. On failure `m` is untouched. */
enum vlp_status vlp_map_open(struct vlp_map *m, const char *path, struct vlp_error *err);
/* The same; VLP_ERR_LIMIT also when a pipe gives more than `pipe_limit` bytes (0: any number). */
enum vlp_status vlp_map_open_within(struct vlp_map *m, const char *path, size_t pipe_limit,
                                    struct vlp_error *err);
void            vlp_map_close(struct vlp_map *m);
/* The pages under [p, p+len) are not wanted soon: give their memory back (the file keeps them). */
void vlp_map_forget(const void *p, size_t len);

/* All of `f` (until its end) appended to `out`; VLP_ERR_LIMIT beyond `limit` bytes (0: none). */
enum vlp_status vlp_read_all(struct vlp_buf *out, FILE *f, size_t limit, const char *name,
                             struct vlp_error *err);

/*
 * readdir, whose NULL has two meanings: the next entry of `dir`, or NULL at the end of the folder,
 * with *why 0, and where the system cannot read on, with *why an errno.
 */
const struct dirent *vlp_next_entry(DIR *dir, int *why);

bool vlp_is_dir(const char *path);
/* Also where a disk does not say: whoever opens it hears why. */
bool vlp_file_exists(const char *path);
/* "dir/name" from the arena; name alone when it is absolute. */
char *vlp_path_join(struct vlp_arena *a, const char *dir, const char *name);
/* The part after the last slash; the part after its last dot, or "" (".tar.gz" gives "gz"). */
const char *vlp_path_base(const char *path);
const char *vlp_path_ext(const char *path);

/* What `path` leads to if it is a link, or a link to one, there already or not; else `path`. The
 * caller frees it. */
char *vlp_end_of_links(const char *path);
/* A new name must survive a power cut: sync its folder; a refusal there is no failure. */
void vlp_sync_folder_of(const char *path);

/* Does what is written to `path` ("-" is stdout) end on a terminal? */
bool vlp_is_terminal(const char *path);

struct vlp_temp;

/*
 * A file being written. Bytes go to a temporary file beside `path`, or what that leads to as a
 * link, that vlp_output_commit renames into place after fsync and close; vlp_output_abort removes
 * it. Not committed means not there. A pipe or a device is written as it is, no rename, but every
 * write and the close are checked. So is
 * "-", stdout, up to its last flush: it is the program's to close.
 */
struct vlp_output {
    FILE            *file;
    char            *path;
    struct vlp_temp *temp; /* NULL for stdout, a pipe and a device */
};
/* VLP_ERR_EXISTS when `path` exists and force is false; VLP_ERR_IO when it cannot be created. */
enum vlp_status vlp_output_open(struct vlp_output *o, const char *path, bool force,
                                struct vlp_error *err);
enum vlp_status vlp_output_write(struct vlp_output *o, const void *data, size_t len,
                                 struct vlp_error *err);
/* What is written so far is on the disk: of several files, before the first takes its place. A
 * write to `file` that failed is found out here and by vlp_output_commit. */
enum vlp_status vlp_output_sync(struct vlp_output *o, struct vlp_error *err);
enum vlp_status vlp_output_commit(struct vlp_output *o, struct vlp_error *err);
void            vlp_output_abort(struct vlp_output *o); /* fine after a commit or on a zeroed one */
/*
 * For who ends the process in the middle of things: the temporary files of all outputs that are
 * open are removed, and nothing is opened, kept, committed or aborted any more: who tries waits for
 * the end. Takes no memory; not for a signal handler.
 */
void vlp_outputs_remove(void);
/* For steps that belong together, as several files that take their places: who would end the
 * process waits in vlp_outputs_remove meanwhile, unless it is this thread itself. Not for what may
 * last. */
void vlp_outputs_hold(void);
void vlp_outputs_release(void);

/* What an output waits as is left where it cannot be committed, whatever ends early; its name. */
const char *vlp_temp_keep(struct vlp_temp *t);
/*
 * What is at `path` (a link: it, not what it leads to) steps aside under a temporary name, which
 * stays until vlp_temp_end. *t is NULL when nothing is there or an error is returned; a folder is
 * one.
 */
enum vlp_status vlp_temp_aside(struct vlp_temp **t, const char *path, struct vlp_error *err);
enum vlp_temp_end { VLP_TEMP_REMOVE, VLP_TEMP_PLACE, VLP_TEMP_LEAVE };
/* Removed, (back) in its place, or left as it is called; false (errno) when it cannot be renamed:
 * then it still waits. */
bool vlp_temp_end(struct vlp_temp *t, enum vlp_temp_end how);

/* ---- threads ------------------------------------------------------------------------------ */

int vlp_cpu_count(void); /* processors this process may run on (affinity, cgroup quota), >= 1 */

/*
 * A pool of threads that stays. The caller is worker 0. Not entered twice: a task that calls
 * vlp_parallel on the pool it runs in gets a plain loop. Idle workers spin briefly, then sleep.
 * A pool with a thread for each processor that the caller may run on binds its workers, one to a
 * processor; the caller's own affinity is never left changed.
 */
struct vlp_pool;
struct vlp_pool *vlp_pool_open(int threads); /* 0: vlp_cpu_count(); threads are created lazily */
void             vlp_pool_close(struct vlp_pool *p);         /* NULL is fine */
int              vlp_pool_threads(const struct vlp_pool *p); /* 1 for NULL */

/*
 * Run task(ctx, i, worker) for each i in 0 .. n-1, in any order, on any worker 0 .. threads-1, and
 * return when all are done. A NULL pool runs them here. Tasks own what they write, so the result
 * cannot depend on who ran what.
 */
typedef void vlp_task(void *ctx, int i, int worker);
void         vlp_parallel(struct vlp_pool *p, int n, vlp_task *task, void *ctx);

/* ---- small things ------------------------------------------------------------------------- */

double vlp_now(void); /* seconds, monotonic */
/* Of a file's time since 1970: nanoseconds; -1 where 64 bits do not hold them (1678 to 2262). */
int64_t vlp_nanoseconds(int64_t seconds, int64_t nanoseconds);

/* Whole-string numbers, C locale whatever the user's; false when the text is anything else. */
bool vlp_parse_i64(const char *s, int64_t *out);
bool vlp_parse_f64(const char *s, double *out);
bool vlp_parse_f32(const char *s, float *out); /* in one rounding */
/* The value, rounded to as few digits as read back as the same; returns the length. */
int vlp_format_f32(char out[32], float v);
int vlp_format_f64(char out[32], double v);

/* How many bytes of a text are a byte order mark at its beginning, which is no part of it: 3 or 0.
 */
size_t vlp_bom_length(const void *text, size_t len);
/* Valid UTF-8 (no surrogates, no overlong forms, <= U+10FFFF)? The offset of the first fault in
 * `bad`. */
bool vlp_utf8_valid(const char *s, size_t len, size_t *bad);
/* The code point at *s (before end) and step over it; -1 and one byte for anything invalid. */
int32_t vlp_utf8_next(const char **s, const char *end);
/* Write code point c as UTF-8, return 1..4. */
int vlp_utf8_put(char out[4], uint32_t c);

static inline int64_t vlp_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t vlp_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#define VLP_COUNT(array) (sizeof(array) / sizeof *(array))

#endif
