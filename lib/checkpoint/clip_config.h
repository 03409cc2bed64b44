/*
 * clip_config.h -- counts in the configuration files of both layouts, and how they are held against
 * the tensors.
 */
#ifndef VLP_CLIP_CONFIG_H
#define VLP_CLIP_CONFIG_H

#include "checkpoint_internal.h"

struct config_file {
    const struct vlp_opening *o;
    const char               *file; /* for sentences */
};
/* The count at `key`: 1 .. VLP_MAX_COUNT; `missing` where there is none, or null. */
enum vlp_status config_count(const struct config_file *c, const json_t *object, const char *key,
                             json_int_t missing, json_int_t *out);
/* VLP_ERR_MISMATCH unless what is said as `theirs` is tower[ours], which the tensors have. */
enum vlp_status config_agree_with(const struct config_file *c, const json_t *tower,
                                  const char *ours, const char *theirs, json_int_t said);
/* The same with the count at `theirs` of `object`. */
enum vlp_status config_agree(const struct config_file *c, const json_t *tower, const char *ours,
                             const json_t *object, const char *theirs, json_int_t missing);
/* VLP_ERR_SUPPORT where so many rows were published with a vocabulary that is not here, which only
 * a configuration would name. */
enum vlp_status config_check_vocabulary(const struct vlp_opening *o, const json_t *about);

#endif
