/*
 * cmd.h -- what the programs share: options as a table, messages, progress, signals, exit statuses.
 *
 * A program is a table of options and a main:
 *
 *     int main(int argc, char **argv)
 *     {
 *         int first = cmd_start(&program, argc, argv);   parses, or prints help or an error, exits
 *         ...
 *         return cmd_finish(status);                     checks stdout, gives the exit status
 *     }
 *
 * One table feeds the parser, --help, shell completion and the test that compares it with the
 * manual. Messages go to stderr as "vlp-embed: sentence"; stdout carries data only.
 */
#ifndef VLP_CMD_H
#define VLP_CMD_H

#include <vlp/base.h>
#include <vlp/data.h>
#include <vlp/task.h>

/* ---- exit statuses (design of the programs; the same for all) ------------------------------- */

enum cmd_exit {
    CMD_OK = 0,
    CMD_FAILED = 1,     /* I/O, memory */
    CMD_USAGE = 2,      /* nothing was started */
    CMD_SKIPPED = 3,    /* finished; some inputs were skipped and named */
    CMD_MISMATCH = 4,   /* model, dimension, version or layout do not fit together */
    CMD_CORRUPT = 5,    /* corrupt or truncated file */
    CMD_LIMIT = 6,      /* stopped at --max-time and the like; rerun continues */
    CMD_NO_MATCH = 7,   /* -e: ran well, nothing above the threshold */
    CMD_SIGNALLED = 128 /* plus the signal */
};
int cmd_exit_of(enum vlp_status s);
/* An embedding file that is not whole: say so, and true, for then the status is CMD_SKIPPED. */
bool cmd_warn_of_end(const char *path, enum vlp_ending ending);

/* ---- options -------------------------------------------------------------------------------- */

enum cmd_kind {
    CMD_END,    /* closes a table */
    CMD_FLAG,   /* bool: true when given */
    CMD_UNFLAG, /* bool: false when given (--no-...) */
    CMD_COUNT,  /* int: one more each time (-vv) */
    CMD_STRING, /* const char * */
    CMD_INT,    /* int64_t in [min, max]; min == max == 0: any */
    CMD_FLOAT,  /* double in [min, max]; min == max == 0: any */
    CMD_CHOICE, /* int (or enum): index in `choices`, a NULL-terminated list */
    CMD_LIST,   /* struct cmd_list: may be given often */
    CMD_CALL,   /* call(target, value, why) decides; false: `why` (256 bytes) says what is wrong */
    CMD_HELP,
    CMD_VERSION,
    CMD_COMPLETION
};

struct cmd_list {
    const char **item; /* NULL-terminated once something was added; NULL before */
    int          n;
};
void cmd_list_add(struct cmd_list *l, const char *value); /* keeps the pointer */
/* The entry of a NULL-terminated list that is `value`, into *out; or `why`: "'x' is none of ..." */
bool cmd_one_of(const char *const *list, const char *value, const char **out, char why[256]);

struct cmd_option {
    char          letter; /* 0: none */
    const char   *name;   /* long name; NULL: none */
    const char   *arg;    /* name of the argument in --help; NULL: takes none */
    enum cmd_kind kind;
    void         *target;
    const char
        *preset; /* the default, as text for --help and the manual; NULL: none worth telling */
    const char        *help;  /* no capital, no full stop */
    const char        *group; /* heading; NULL: the one before */
    const char *const *choices;
    double             min, max;
    double unit; /* of a CMD_FLOAT that is a time: seconds; a value may end in s, m, h */
    bool (*call)(void *target, const char *value, char why[256]);
};

/* A row of a table; what is seldom said follows by name: .group, .choices and those after it. */
/* The versions of clang-format set braces in macros differently. */
/* clang-format off */
#define CMD_ROW(letter_, name_, arg_, kind_, target_, preset_, ...)                                \
    {.letter = letter_, .name = name_, .arg = arg_, .kind = kind_, .target = target_,              \
     .preset = preset_, .help = __VA_ARGS__}
#define CMD_LAST {.kind = CMD_END}
/* clang-format on */

struct cmd_program {
    const char        *name;    /* "vlp-embed", or "vlp-model inspect" for a verb */
    const char        *summary; /* one line, for --help and the manual's NAME */
    const char *const *usage; /* NULL-terminated: what follows the name, "[OPTION]... [INPUT]..." */
    const struct cmd_option         *options; /* ends with CMD_END; NULL for a program of verbs */
    const char                      *notes;   /* last paragraph of --help; may be NULL */
    const struct cmd_program *const *verbs;   /* NULL-terminated; or NULL */
    int (*run)(int argc, char **argv);        /* a verb's main: argv[1..] are operands */
};

/*
 * Set up signals and messages, parse; the index in argv of the first operand (argv is permuted:
 * operands come last). --help, --version, --completion-data and wrong usage end the process.
 */
int cmd_start(const struct cmd_program *p, int argc, char **argv);
/* Set up messages alone: for who has errors to tell before cmd_start, which does it too. */
void cmd_begin(const struct cmd_program *p);
/* The value that cmd_start will find for this long option, the last one given, however it is
 * abbreviated; NULL: none. For what must be known before; what is wrong is left to cmd_start. */
const char *cmd_value_of(const struct cmd_program *p, int argc, char *const *argv,
                         const char *name);
/* cmd_start for a program of verbs: parses the verb's options, runs it, returns its answer. */
int cmd_start_verb(const struct cmd_program *p, int argc, char **argv);
/* Wrong usage found after parsing: one line, "Try 'vlp-x --help'.", exit 2. */
_Noreturn void cmd_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Wrong usage when one of these templates has no {} in it. */
void cmd_check_templates(const struct cmd_list *l);
/* Was this long option given on the command line? */
bool cmd_given(const char *name);
/* Wrong usage when one of these was given and could do nothing, since what it needs is not there:
 * "--OPTION WHY", where `why` says what it is for. */
struct cmd_need {
    const char *option; /* its long name */
    bool        met;
    const char *why;
};
void cmd_refuse_idle(const struct cmd_need *need, size_t n);
/* The same said as a warning, where a job that was begun so must go on. */
void cmd_warn_of_idle(const struct cmd_need *need, size_t n);
/* And of every option but these, a NULL-terminated list of long names, and those of messages. */
void cmd_warn_of_all_but(const char *const *used, const char *why);

/* Tables that several programs contain: put the macro among the rows. */

/* -q -v --progress -h -V, and the hidden --completion-data */
struct cmd_common {
    int  quiet, verbose;
    bool progress;
};
extern struct cmd_common cmd_common;
/* clang-format off */
#define CMD_COMMON_OPTIONS                                                                         \
    CMD_ROW('q', "quiet", NULL, CMD_COUNT, &cmd_common.quiet, NULL,                                \
            "no progress, no summary; twice: no warnings either", .group = "Messages"),            \
    CMD_ROW('v', "verbose", NULL, CMD_COUNT, &cmd_common.verbose, NULL,                            \
            "say more; may be repeated"),                                                          \
    CMD_ROW(0, "progress", NULL, CMD_FLAG, &cmd_common.progress, NULL,                             \
            "show progress even when stderr is not a terminal"),                                   \
    CMD_ROW('h', "help", NULL, CMD_HELP, NULL, NULL, "print this help"),                           \
    CMD_ROW('V', "version", NULL, CMD_VERSION, NULL, NULL,                                         \
            "print the version, the CPU level and the libraries"),                                 \
    CMD_ROW(0, "completion-data", NULL, CMD_COMPLETION, NULL, NULL, NULL)
/* clang-format on */

/* -m and what goes with it; opened by cmd_model_open */
struct cmd_model {
    const char *path;       /* -m */
    const char *activation; /* --activation */
    const char *flavour;    /* --flavour */
    const char *cleaning;   /* --cleaning */
    int         precision;  /* enum vlp_precision */
    int64_t     threads;    /* -j */
    bool        orient;     /* --no-orient clears it */
    bool        grey16;     /* --scale-grey16 */
};
extern struct cmd_model  cmd_model;
extern const char *const cmd_precisions[];  /* "f32", "bf16", "int8" */
extern const char *const cmd_activations[]; /* "gelu", "quick_gelu" */
extern const char *const cmd_cleanings[];   /* "openai", "hf" */
bool                     cmd_take_cleaning(void *target, const char *value, char why[256]);
bool                     cmd_take_activation(void *target, const char *value, char why[256]);
bool                     cmd_take_flavour(void *target, const char *value, char why[256]);
/* clang-format off */
#define CMD_MODEL_OPTION         CMD_MODEL_ROWS("$VLP_MODEL, else the installed model")
#define CMD_MODEL_OPTION_OR_NONE CMD_MODEL_ROWS("$VLP_MODEL, else none")
#define CMD_MODEL_ROWS(absent)                                                                     \
    CMD_ROW('m', "model", "MODEL", CMD_STRING, &cmd_model.path, absent,                            \
            "the model: vlp's own file, or a foreign checkpoint's file or folder",                 \
            .group = "Model"),                                                                     \
    CMD_ROW(0, "activation", "NAME", CMD_CALL, &cmd_model.activation, "what the checkpoint says",  \
            "gelu or quick_gelu, where the weights cannot tell",                                   \
            .choices = cmd_activations, .call = cmd_take_activation)
#define CMD_CLEANING_OPTION                                                                        \
    CMD_ROW(0, "cleaning", "NAME", CMD_CALL, &cmd_model.cleaning, "the model's",                   \
            "what happens to a text before it is split: openai or hf",                             \
            .choices = cmd_cleanings, .call = cmd_take_cleaning)
#define CMD_PICTURE_OPTIONS                                                                        \
    CMD_ROW(0, "flavour", "NAME", CMD_CALL, &cmd_model.flavour, "the model's",                     \
            "preprocessing of pictures: openai, hf, squash, longest, square or vilt",              \
            .choices = vlp_preprocess_flavours, .call = cmd_take_flavour),                         \
    CMD_ROW(0, "no-orient", NULL, CMD_UNFLAG, &cmd_model.orient, NULL,                             \
            "do not turn pictures by their EXIF orientation (the reference does not)"),            \
    CMD_ROW(0, "scale-grey16", NULL, CMD_FLAG, &cmd_model.grey16, NULL,                            \
            "16-bit grey pictures by their high byte (the reference clamps them to white)")
#define CMD_THREADS_OPTION                                                                         \
    CMD_ROW('j', "threads", "N", CMD_INT, &cmd_model.threads, "0", "threads; 0: all cores",        \
            .max = 4096)
#define CMD_MODEL_OPTIONS                                                                          \
    CMD_MODEL_OPTION, CMD_PICTURE_OPTIONS, CMD_CLEANING_OPTION,                                    \
    CMD_ROW(0, "precision", "NAME", CMD_CHOICE, &cmd_model.precision, "f32",                       \
            "arithmetic of linear layers: f32, bf16 or int8", .choices = cmd_precisions),          \
    CMD_THREADS_OPTION
/* clang-format on */

/* Templates from a file; what the option was called in one program is understood by all. */
/* clang-format off */
#define CMD_TEMPLATES_FROM(target, help)                                                           \
    CMD_ROW(0, "templates-from", "FILE", CMD_STRING, target, NULL, help),                          \
    CMD_ROW(0, "templates", "FILE", CMD_STRING, target, NULL, NULL)
/* clang-format on */

/* Where records come from; cmd_source_options turns it into vlp_source_options */
struct cmd_source {
    bool            recursive, nul, captions, id_is_text;
    struct cmd_list include, exclude;
    const char     *files_from, *lines, *format;
    const char     *image_column, *text_column, *id_column, *label_column, *base_dir;
    int             shard[2]; /* i, n */
    int64_t         limit;
};
extern struct cmd_source cmd_source;
bool                     cmd_take_shard(void *target, const char *value, char why[256]);
/* Does --shard let this id through? */
bool cmd_in_shard(const char *id, size_t len);
bool cmd_take_format(void *target, const char *value, char why[256]);
/* clang-format off */
#define CMD_SHARD_OPTION                                                                           \
    CMD_ROW(0, "shard", "I/N", CMD_CALL, &cmd_source.shard, "all",                                 \
            "only records of shard I of N, by a hash of the id", .call = cmd_take_shard)
#define CMD_SOURCE_OPTIONS                                                                         \
    CMD_ROW('r', "recursive", NULL, CMD_FLAG, &cmd_source.recursive, NULL, "descend into folders", \
            .group = "Input"),                                                                     \
    CMD_ROW(0, "include", "GLOB", CMD_LIST, &cmd_source.include, "every known picture",            \
            "of folders and tar files, only names that match; may be repeated"),                                 \
    CMD_ROW(0, "exclude", "GLOB", CMD_LIST, &cmd_source.exclude, NULL,                             \
            "of folders and tar files, no names that match; may be repeated"),                                   \
    CMD_ROW(0, "files-from", "LIST", CMD_STRING, &cmd_source.files_from, NULL,                     \
            "read names of pictures from LIST, one a line; - is stdin"),                           \
    CMD_ROW('0', "null", NULL, CMD_FLAG, &cmd_source.nul, NULL,                                    \
            "names in LIST end with NUL instead of a newline"),                                    \
    CMD_ROW(0, "lines", "FILE", CMD_STRING, &cmd_source.lines, NULL,                               \
            "read one text per line from FILE; - is stdin"),                                       \
    CMD_ROW(0, "id-is-text", NULL, CMD_FLAG, &cmd_source.id_is_text, NULL,                         \
            "the id of a line is the text itself instead of its number"),                          \
    CMD_ROW(0, "input-format", "NAME", CMD_CALL, &cmd_source.format,                               \
            "seen from name and first bytes",                                                      \
            "what the inputs are: tsv, csv, jsonl, json, tar or image",                            \
            .choices = vlp_source_formats, .call = cmd_take_format),                               \
    CMD_ROW(0, "image-column", "COLUMN", CMD_STRING, &cmd_source.image_column, "the usual names",  \
            "column of pictures in tables: a name, or a number from 1"),                           \
    CMD_ROW(0, "text-column", "COLUMN", CMD_STRING, &cmd_source.text_column, "the usual names",    \
            "column of texts in tables"),                                                          \
    CMD_ROW(0, "id-column", "COLUMN", CMD_STRING, &cmd_source.id_column, "the usual names",        \
            "column of ids in tables"),                                                            \
    CMD_ROW(0, "label-column", "COLUMN", CMD_STRING, &cmd_source.label_column, "the usual names",  \
            "column of labels in tables"),                                                         \
    CMD_ROW(0, "base-dir", "DIR", CMD_STRING, &cmd_source.base_dir, "the table's folder",          \
            "where relative names in tables start"),                                               \
    CMD_ROW(0, "captions", NULL, CMD_FLAG, &cmd_source.captions, NULL,                             \
            "pair each picture with the text file of its stem"),                                   \
    CMD_SHARD_OPTION,                                                                              \
    CMD_ROW(0, "limit", "N", CMD_INT, &cmd_source.limit, "0", "at most N records; 0: all",         \
            .max = 9e15)
/* clang-format on */
void cmd_source_options(struct vlp_source_options *out, char *const *paths, int n_paths);

/* ---- the model behind -m -------------------------------------------------------------------- */

/*
 * The folder of vocabularies and the default model: $VLP_SHARE, else share/vlp beside the program's
 * own folder, else the installed one. NULL when there is none. Valid for the life of the process.
 */
const char *cmd_share_dir(void);
/* The path that -m stands for: -m, $VLP_MODEL, the default model; ends the process when there is
 * none. */
const char *cmd_model_path(void);
const char *cmd_model_if_any(void); /* the same, but NULL when there is none */
/* Open it with everything; says what was chosen rather than read. */
enum vlp_status cmd_model_open(struct vlp_encoder *e, struct vlp_error *err);
/* Threads that -j asks for (0 resolved). */
int cmd_threads(void);

/* ---- messages (thread-safe; a progress line is erased first) --------------------------------- */

void cmd_error(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* always */
void cmd_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));  /* unless -qq */
void cmd_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));  /* unless -q */
void cmd_note_damaged(int64_t n); /* how many damaged pictures were used, unless none was */
void cmd_detail(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* with -v */
/* What a noun behind this number ends with: "" or "s". */
const char *cmd_plural(int64_t n);
/* Print the sentence in `err`, of wrong usage with "Try 'vlp-x --help'." as cmd_usage_error does,
 * and give the exit status that it maps to. */
int cmd_fail(const struct vlp_error *err);

/*
 * Progress: `unit` is what is counted ("pictures"); total -1 when unknown. A line on a terminal (or
 * with --progress) at most six times a second; without a terminal, one plain line now and then with
 * -v. SIGUSR1 prints the state at any time. set and add may be called from any thread.
 */
void cmd_progress_start(const char *unit, int64_t total);
void cmd_progress_total(int64_t total);
void cmd_progress_add(int64_t done, int64_t failed);
/* A few words at the end of the line: the loss, say. */
void cmd_progress_remark(const char *text);
void cmd_progress_end(void);

/* ---- signals -------------------------------------------------------------------------------- */

/*
 * From here on the first SIGINT, SIGTERM, SIGHUP or SIGXCPU only makes cmd_stopped() answer its
 * number (before that: 0); finish what is being written and return cmd_finish(128 + it). A SIGINT
 * or SIGTERM after that ends the process at once. A program that never calls this is ended by the
 * first.
 */
void cmd_stop_politely(void);
int  cmd_stopped(void);
/* How often SIGUSR1 came: it prints the state, and a training run saves besides. */
int cmd_status_requests(void);
/* This thread is about to wait for input, or has got it: stopping interrupts a wait (EINTR). */
void cmd_reading(bool begins);

/* ---- output --------------------------------------------------------------------------------- */

/* Binary data to `path` (NULL or "-": stdout): ends the process with wrong usage when that is a
 * terminal and not `force`. */
void cmd_refuse_terminal(const char *path, bool force);
/* VLP_ERR_EXISTS for the first of these (NULL: none) that is a file already: before hours of work,
 * not after. */
enum vlp_status cmd_refuse_existing(const char *const *path, size_t n, bool force,
                                    struct vlp_error *err);
/* The same, and VLP_ERR_IO for the first that could not be written, since its folder is not there
 * or lets nothing in: for what is written at the end of a job. Nothing is left behind. */
enum vlp_status cmd_check_outputs(const char *const *path, size_t n, bool force,
                                  struct vlp_error *err);
/* VLP_ERR_USAGE when two of these, which may be NULL or "-", are one file under any names. */
enum vlp_status cmd_one_place_each(const char *const *path, size_t n, struct vlp_error *err);
/* VLP_ERR_USAGE when one of these outputs, which may be NULL, is the file of one of these inputs,
 * under any names: it would be lost. Nor do stdout, "-" among the outputs, and stdin, "-" among the
 * inputs, go to and come from such a file: what is read while it is written to has no end. Their
 * ids beside vectors are theirs. */
struct cmd_reads {
    const char        *option; /* for the message */
    const char *const *path;   /* any may be NULL or "-" */
    int                n;
};
enum vlp_status cmd_spare_inputs(const char *const *out, size_t n_out, const struct cmd_reads *in,
                                 size_t n_in, struct vlp_error *err);
/* "-", or NULL: an output that takes no file's place at the end, but is written to at once. */
const char *cmd_if_stdout(const char *path);
/* VLP_ERR_IO when no file can be put into this folder, which need not be there yet. */
enum vlp_status cmd_check_folder(const char *dir, struct vlp_error *err);
/* "-" when one of these, called `what`, is, else NULL; wrong usage when two of them are,
 * or one is empty. */
const char *cmd_stdin_among(const char *what, const char *const *paths, int n);
/* Wrong usage when `path`, whose ending is none of those that are written (NULL-terminated), ends
 * like a file of another known format, which it would not be; `otherwise` says what helps. */
void cmd_refuse_ending(const char *path, const char *const *written, const char *otherwise);
/* Wrong usage when two of these are "-": they would read from or write to one stream; and when one
 * is empty. */
struct cmd_stream_use {
    const char *option, *path;
};
void cmd_one_each(const char *stream, const struct cmd_stream_use *use, size_t n);
/* Flush and close stdout: a full disk or a closed pipe is an error too. Returns `status`, or 1. */
int cmd_finish(int status);

/* A field of TSV: tab, newline, carriage return and backslash as \t \n \r \\. */
void cmd_put_tsv(FILE *f, const char *s, size_t len);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void cmd_put_json(FILE *f, const char *s, size_t len);

/*
 * --failed FILE and the count behind exit status 3: records that could not be used. The file is TSV
 * (id, reason code, detail) and can be fed back with --files-from. A file that an earlier run left
 * is replaced at the end, so that it may be this run's list; any other needs `force`
 * (VLP_ERR_EXISTS). Such a list is not to be read in parts, --shard or --limit (VLP_ERR_USAGE).
 */
struct cmd_failures {
    struct vlp_output out; /* no file: not asked for */
    int64_t           n;
    enum vlp_status   first;         /* why the first of them could not be used */
    int64_t           damaged;       /* pictures that were used although something is amiss */
    char             *made;          /* the file that was not there before, behind links; or NULL */
    bool              whole;         /* to be set when the job has come to the end of its input */
    bool              is_read, cut;  /* it is the list of --files-from; that could not be read */
    int               trouble;       /* errno of the first write that failed */
    bool              stop_at_first; /* --on-error stop */
};
enum vlp_status cmd_failures_open(struct cmd_failures *f, const char *path /* may be NULL */,
                                  bool force, struct vlp_error *err);
/* Name it on stderr ("id: reason (skipped)"), write it down, count it. */
void cmd_failures_add(struct cmd_failures *f, const char *id, size_t id_len, enum vlp_status why,
                      const char *detail);
/* Where none of the `things` (plural) could be used: what that is as an error. The status is that
 * of the first which was named, so that one fault has one exit status in all programs; VLP_ERR_IO
 * where there was none. */
enum vlp_status cmd_nothing_used(const struct cmd_failures *f, const char *things,
                                 struct vlp_error *err);
/* A picture that was used as its decoder repaired it, if `warning` says that there was something to
 * repair (vlp_image's; NULL: sound): name it on stderr, count it. It is no failed record. */
void cmd_warn_of_damage(struct cmd_failures *f, const char *id, size_t id_len, const char *warning);
/* A stored vector with NaN or infinity (*odd) is such a record; fails when that ends the job. */
enum vlp_status cmd_check_vector(struct cmd_failures *f, const char *id, size_t id_len,
                                 const float *x, int dim, bool *odd, struct vlp_error *err);
/* Says how many damaged pictures were used (a note).
 * A job that is not `whole` leaves a list that was there as it was, for that may name what this run
 * has not come to; and no list where there was none, unless it named something; nor is there one
 * that could not be written to its end. */
enum vlp_status cmd_failures_close(struct cmd_failures *f, struct vlp_error *err);
/* The page of --html to `path`; pictures that it cannot show are failures of the job. */
struct vlp_page;
enum vlp_status cmd_write_page(struct vlp_page *p, struct vlp_pool *pool, const char *path,
                               bool force, struct cmd_failures *f, struct vlp_error *err);
/* The picture to show for the record of this id (vlp_picture_of_id): the id itself where there
 * is none, so that the page names it, but NULL for a text, which need not have one, and for "-" and
 * its members "-!...": it was standard input then and is another now. */
const char *cmd_page_picture(struct vlp_arena *mem, const char *base_dir, const char *id,
                             bool is_text);
/* That of a record with a picture that has just been read: where it lies or, if it cannot be read
 * again from there, its id, under which the page keeps it. */
const char *cmd_page_item(struct vlp_page *p, struct vlp_item *it);
/* Rows for it: one table per program holds them. */
extern const char       *cmd_failed_path;
extern int               cmd_on_error; /* 0 skip, 1 stop */
extern const char *const cmd_on_errors[];
/* clang-format off */
#define CMD_FAILURE_OPTIONS                                                                        \
    CMD_ROW(0, "failed", "FILE", CMD_STRING, &cmd_failed_path, NULL,                               \
            "write records that could not be used to FILE: id, reason, detail",                    \
            .group = "Bad input"),                                                                 \
    CMD_ROW(0, "on-error", "WHAT", CMD_CHOICE, &cmd_on_error, "skip",                              \
            "skip a record that cannot be used, or stop at it", .choices = cmd_on_errors)
/* clang-format on */

#endif
