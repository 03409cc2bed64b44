/*
 * sample_store_internal.h -- where samples and their captions are, packed.
 */
#ifndef VLP_SAMPLE_STORE_H
#define VLP_SAMPLE_STORE_H

#include <sys/stat.h>

#include "train_internal.h"

enum sample_kind {
    SAMPLE_IN_FILE,  /* a file of its own */
    SAMPLE_IN_SHARD, /* a member of a tar file, to be read where it lies */
    SAMPLE_UNPACKED  /* in the file of unpacked pictures */
};

/* A tar file that was read: what it was then, so that another one in its place is noticed. */
struct sample_shard {
    char   *path;
    int64_t size, mtime;
};

static inline int64_t sample_mtime(const struct stat *st)
{
    return vlp_nanoseconds(st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* Zeroed it is empty. */
struct sample_store {
    char               **chunk;
    size_t               n_chunks, used, size; /* of the last chunk: bytes used, bytes there */
    uint64_t           **start;                /* chunk << 32 | byte, in pages */
    size_t               n;
    struct vlp_strings   folders; /* many pictures, few folders */
    struct sample_shard *shard;
    size_t               n_shards;
    size_t               bytes; /* of memory, folders aside */
    struct vlp_arena     mem;
};

struct sample_entry {
    enum sample_kind kind;
    const char      *place; /* the path; of a member its name in the newest shard; its id */
    const char      *id, *label;
    int64_t          offset, size;
    const char      *captions; /* each with its NUL */
    size_t           captions_size;
    int              n_captions;
};
void sample_store_add(struct sample_store *s, const struct sample_entry *e);
/* Members that come now are of this shard. */
void sample_store_shard(struct sample_store *s, const char *path, int64_t size, int64_t mtime);
/* The words that are put together live in `mem`, the others in the store. */
void sample_store_at(const struct sample_store *s, size_t i, struct vlp_arena *mem,
                     struct vlp_sample *out);
/* The bytes of a SAMPLE_IN_SHARD. */
enum vlp_status sample_store_read(const struct sample_store *s, const struct vlp_sample *x,
                                  struct vlp_arena *mem, uint8_t **out, struct vlp_error *err);
void            sample_store_free(struct sample_store *s);

#endif
