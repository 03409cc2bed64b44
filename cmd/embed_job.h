/*
 * embed_job.h -- a run of vlp-embed: what was asked for, where the output stands, what was done.
 */
#ifndef EMBED_JOB_H
#define EMBED_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "embed_state.h"

enum { EMBED_BOTH, EMBED_IMAGE, EMBED_TEXT };

struct embed_options {
    const char     *output, *format, *templates_file;
    bool            force, update, add, normalize, header, convert, skip_damaged;
    struct cmd_list prompts;
    int             only, truncate, layer, dtype;
    int64_t         batch;
    double          max_time;
};

struct embed_job {
    const struct embed_options  *o;
    struct vlp_encoder           e;
    struct vlp_embedding_header  header;
    struct vlp_embedding_writer *writer;
    pthread_mutex_t              lock; /* of the state: one thread reads, another writes */
    struct embed_state           state;
    struct cmd_failures          bad;
    struct vlp_arena             mem;
    bool        resuming, complete; /* the file is continued; is finished already */
    bool        replaces;           /* the file stays until the first block is written */
    bool        ended;              /* the file was complete before */
    bool        unfinished;         /* another command's: its end is not ours to declare */
    bool        broken_join;        /* of which not even another command can */
    bool        unclaimed;          /* no command began it: it was put together by --convert */
    int64_t     expected, held;     /* records to come; records of the file before */
    int64_t     images, texts, cut, deleted, since_flush, block;
    int64_t     unwanted; /* records without what --only takes */
    bool        changed;  /* pictures are not those of the file that is continued */
    atomic_bool moved;    /* a record that the file did not have could be used */
    bool        kept;     /* a record of the input is in the file as it is, or in part */
    bool        passed;   /* the input has some of other shards */
    bool        nothing;  /* no record is of use, so --update has deleted nothing */
    double      start;
    /* What could not be read: the status of the first input that ended early, or VLP_OK; and the
     * names of all bad records, which may have been folders, when a file is updated. */
    enum vlp_status lost;
    struct cmd_list unread;
};

/* Is each record held against what the file has of its id? */
static inline bool embed_merges(const struct embed_options *o)
{
    return o->update || o->add;
}
static inline const char *embed_merge_name(const struct embed_options *o)
{
    return o->add ? "--add" : "--update";
}

/* embed_output.c: the stream's header, then the output: new, continued, updated or refused. */
enum vlp_status embed_describe(struct embed_job *j, char *const *paths, int n_paths,
                               const char *const *templates, struct vlp_error *err);
enum vlp_status embed_open_output(struct embed_job *j, struct vlp_error *err);
/* A file that we made and that holds nothing is in nobody's way. */
void embed_remove(const char *path);

/* Why nothing was written, without a failure: there were no records, or --only left these out. */
void embed_say_nothing(const struct embed_options *o, int64_t unwanted);

/* embed_convert.c: the live records of embedding files into another one; the exit status. */
int embed_convert(const struct embed_options *o, char **inputs, int n);

/* embed_job.c: read, encode, write until the source ends. */
enum vlp_status embed_run(struct embed_job *j, struct vlp_source *source,
                          const struct vlp_source_options *from, const char *const *templates,
                          struct vlp_error *err);
bool            embed_out_of_time(const struct embed_job *j);
/* Write down that what the file has of the id is deleted. */
enum vlp_status embed_forget(struct embed_job *j, const char *id, size_t len,
                             struct vlp_error *err);

/* embed_gone.c: what the inputs name no more. */

/* Before a run that deletes: VLP_ERR_USAGE when one of several folders, of a list's too that is a
 * file, is without a record while the output has some of it, unless -f. It is more often a disk
 * that is not mounted than a wish. */
enum vlp_status embed_check_folders(struct embed_job *j, const struct vlp_source_options *from,
                                    struct vlp_error *err);
/* After a run of --update: delete what was not seen, in the shard that was asked for, unless there
 * is a --limit, and what cannot be used any more. Nothing without -f where the whole input was of
 * no use: VLP_ERR_USAGE when it was without a record, else j->nothing is set. */
enum vlp_status embed_forget_gone(struct embed_job *j, struct vlp_error *err);

#endif
