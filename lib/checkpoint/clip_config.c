/*
 * clip_config.c -- a count that a configuration file says, and whether the tensors have it; counts
 * that say whose vocabulary is meant.
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

enum vlp_status config_check_vocabulary(const struct vlp_opening *o, const json_t *about)
{
    static const struct {
        json_int_t  rows;
        const char *whose;
    } others[] = {{901629, "XLM-V"}, {250100, "mT5"}}; /* MetaCLIP 2, worldwide */
    const json_t *text = json_object_get(json_object_get(about, "config"), "text");
    for (size_t i = 0; i < VLP_COUNT(others); i++)
        if (json_integer_value(json_object_get(text, "vocab")) == others[i].rows)
            return vlp_fail(o->err, VLP_ERR_SUPPORT,
                            "%s: its %lld tokens are those of the tokenizer of %s, which is not "
                            "here",
                            o->source->file, (long long)others[i].rows, others[i].whose);
    return VLP_OK;
}
