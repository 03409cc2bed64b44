/*
 * tar_internal.h -- members of a tar shard, between the file that unpacks and the file that pairs.
 */
#ifndef TAR_INTERNAL_H
#define TAR_INTERNAL_H

#include "data_internal.h"

struct tar_reader {
    struct stream    stream;
    struct archive  *archive;
    bool             begun, first;
    enum vlp_status  feed_status;
    struct vlp_error feed_error;
    int64_t          file_size;   /* of a plain file, which can be skipped in; else -1 */
    struct vlp_buf   name;        /* of the member in hand */
    int64_t          n;           /* members met */
    bool             no_end_mark; /* at the end: it came without tar's mark for it */
};
struct tar_member {
    const char *name; /* until the next */
    bool        regular, folder, unnamed;
    int64_t     mtime; /* nanoseconds; -1 unknown */
    int64_t     size;
    int64_t     offset; /* its bytes lie in the shard from here on, all of them; -1: they do not */
};
enum vlp_status tar_open(struct tar_reader *t, struct input *in, struct vlp_error *err);
void            tar_close(struct tar_reader *t);
/* VLP_ERR_FORMAT names the member before the damage and the offset. */
enum vlp_status tar_next(struct tar_reader *t, struct tar_member *m, bool *more,
                         struct vlp_error *err);
/* The bytes of the member, or, beyond `limit`, *too_long: the rest is skipped by the next tar_next.
 */
enum vlp_status tar_read(struct tar_reader *t, struct vlp_buf *out, size_t limit, bool *too_long,
                         struct vlp_error *err);

#endif
