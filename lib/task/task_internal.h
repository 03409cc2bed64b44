/*
 * task_internal.h -- between the files of this room.
 */
#ifndef VLP_TASK_INTERNAL_H
#define VLP_TASK_INTERNAL_H

#include <vlp/task.h>

/* Ids of one text, or why not. */
enum vlp_status vlp_encoder_tokenize(struct vlp_encoder *e, struct vlp_tokens *out,
                                     struct vlp_arena *mem, const char *text, size_t len,
                                     struct vlp_error *err);
/* The file (`bytes` NULL) or the bytes of a picture to the u8 pixels that the model sees, and what
 * of it is damaged and was read over, or NULL. */
enum vlp_status vlp_encoder_picture(const struct vlp_encoder *e, struct vlp_arena *mem,
                                    const char *path, const void *bytes, size_t len,
                                    struct vlp_image **out, const char **warning,
                                    struct vlp_error *err);

extern const char vlp_not_finite[]; /* the sentence about a vector that is not */

#endif
