/*
 * clip_config.c -- a count that a configuration file says, and whether the tensors have it.
 */
#include "clip_config.h"

enum vlp_status config_count(const struct config_file *c, const json_t *object, const char *key,
                             json_int_t missing, json_int_t *out)
{
    const json_t *v = json_object_get(object, key);
    *out = missing;
    if (!v || json_is_null(v)) return VLP_OK;
    *out = json_integer_value(v);
    if (json_is_integer(v) && *out >= 1 && *out <= VLP_MAX_COUNT) return VLP_OK;
    return vlp_fail(c->o->err, VLP_ERR_FORMAT, "%s: '%s' has an impossible value", c->file, key);
}

enum vlp_status config_agree_with(const struct config_file *c, const json_t *tower,
                                  const char *ours, const char *theirs, json_int_t said)
{
    const json_int_t real = json_integer_value(json_object_get(tower, ours));
    if (said == real) return VLP_OK;
    return vlp_fail(c->o->err, VLP_ERR_MISMATCH,
                    "%s: '%s' is %lld, but the tensors of %s have %lld", c->file, theirs,
                    (long long)said, c->o->source->file, (long long)real);
}

enum vlp_status config_agree(const struct config_file *c, const json_t *tower, const char *ours,
                             const json_t *object, const char *theirs, json_int_t missing)
{
    json_int_t said;
    VLP_TRY(config_count(c, object, theirs, missing, &said));
    return config_agree_with(c, tower, ours, theirs, said);
}
