/*
 * unpacked_internal.h -- pictures that cannot be read where they lie, in a file without a name.
 */
#ifndef VLP_UNPACKED_H
#define VLP_UNPACKED_H

#include "train_internal.h"

/* Zeroed there is no such file yet. */
struct unpacked {
    char    *folder; /* NULL: no file */
    int      fd;
    int64_t  size, last; /* bytes; where the newest picture begins */
    uint64_t last_hash;
};
/* Append a picture; `folder` NULL: $TMPDIR, else /tmp. VLP_ERR_IO names the folder. */
enum vlp_status unpacked_add(struct unpacked *u, const char *folder, const uint8_t *bytes,
                             size_t len, int64_t *offset, struct vlp_error *err);
/* Are these the bytes of the newest picture? */
bool            unpacked_is_last(const struct unpacked *u, const uint8_t *bytes, size_t len);
enum vlp_status unpacked_read(const struct unpacked *u, int64_t offset, size_t size,
                              struct vlp_arena *mem, uint8_t **out, struct vlp_error *err);
void            unpacked_close(struct unpacked *u);

/* `size` bytes of an open file from `offset` on; `name` for the sentence. */
enum vlp_status read_piece(int fd, const char *name, int64_t offset, size_t size,
                           struct vlp_arena *mem, uint8_t **out, struct vlp_error *err);

#endif
