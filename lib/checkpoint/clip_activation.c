/*
 * clip_activation.c -- QuickGELU or GELU, which no weight tells.
 *
 * In this order: the user's option, a configuration file, the layout (OpenAI's archives are
 * QuickGELU), the tag in the file's name, the layout's default, which is said loudly.
 */
#include <ctype.h>
#include <string.h>

#include "checkpoint_internal.h"

/* `name` lower-cased, with every separator an underscore. */
static void normalise(char out[256], const char *name)
{
    size_t n = 0;
    for (; name[n] && n < 255; n++) {
        const unsigned char c = (unsigned char)name[n];
        out[n] = isalnum(c) ? (char)tolower(c) : '_';
    }
    out[n] = '\0';
}

/* The names that may carry a tag, the file's first. */
static void tagged_names(char out[2][256], const struct vlp_origin *s)
{
    char   folder[256];
    size_t n = strlen(s->folder);
    while (n && s->folder[n - 1] == '/') n--;
    size_t from = n;
    while (from && s->folder[from - 1] != '/') from--;
    snprintf(folder, sizeof folder, "%.*s", (int)(n - from), s->folder + from);
    normalise(out[0], vlp_path_base(s->file));
    normalise(out[1], folder);
}

bool vlp_tag_has(const struct vlp_origin *s, const char *tag)
{
    char name[2][256];
    tagged_names(name, s);
    return strstr(name[0], tag) || strstr(name[1], tag);
}

/* "metaclip*400m" is in metaclip_400m and in metaclip_b32_400m. */
static bool has_tag(const char *name, const char *tag)
{
    const char *star = strchr(tag, '*');
    if (!star) return strstr(name, tag);
    char first[32];
    snprintf(first, sizeof first, "%.*s", (int)(star - tag), tag);
    const char *at = strstr(name, first);
    return at && strstr(at + strlen(first), star + 1);
}

/* The published models by tag; the first row that fits counts. */
static const struct {
    const char *tag;
    bool        only_b32; /* vision width 768, patch 32 */
    const char *activation;
} tags[] = {
    {"quickgelu", false, "quick_gelu"},
    {"openai", false, "quick_gelu"},
    {"laion400m", true, "quick_gelu"},
    {"laion400m", false, "gelu"},
    {"yfcc15m", false, "quick_gelu"},
    {"cc12m", false, "quick_gelu"},
    {"metaclip*altogether", false, "gelu"},
    {"metaclip*400m", false, "quick_gelu"},
    {"metaclip*fullcc", false, "quick_gelu"},
    {"dfn2b_s39b", false, "gelu"},
    {"dfn2b", false, "quick_gelu"},
    {"dfn5b", false, "quick_gelu"},
    {"laion2b", false, "gelu"},
    {"datacomp", false, "gelu"},
    {"commonpool", false, "gelu"},
};

static bool is_b32(const json_t *about)
{
    const json_t *vision = json_object_get(json_object_get(about, "config"), "vision");
    return json_integer_value(json_object_get(vision, "width")) == 768 &&
           json_integer_value(json_object_get(vision, "patch_size")) == 32;
}

static const char *by_tag(const struct vlp_opening *o, const json_t *about, const char **tag)
{
    char name[2][256];
    tagged_names(name, o->source);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < VLP_COUNT(tags); i++) {
            if (!has_tag(name[k], tags[i].tag) || (tags[i].only_b32 && !is_b32(about))) continue;
            *tag = tags[i].tag;
            return tags[i].activation;
        }
    }
    return NULL;
}

static void set(json_t *about, const char *activation, const char *from)
{
    json_t *config = json_object_get(about, "config");
    json_object_set_new(config, "activation", json_string(activation));
    if (strcmp(from, "option") == 0) { /* for both towers */
        json_object_del(json_object_get(config, "vision"), "activation");
        json_object_del(json_object_get(config, "text"), "activation");
    }
    json_object_set_new(json_object_get(about, "source"), "activation_from", json_string(from));
}

enum vlp_status vlp_clip_activation(const struct vlp_opening *o, json_t *about, const char *said,
                                    const char *said_by, const char *fallback)
{
    const char *file = o->source->file, *tag = NULL, *found;
    const char *option = o->opt ? o->opt->activation : NULL;
    if (option) {
        if (strcmp(option, "gelu") != 0 && strcmp(option, "quick_gelu") != 0)
            return vlp_fail(o->err, VLP_ERR_USAGE, "'%s' is no activation: gelu or quick_gelu",
                            option);
        if (said && strcmp(option, said) != 0)
            vlp_opening_say(o, "%s: activation %s as asked for, though the %s says %s", file,
                            option, said_by, said);
        set(about, option, "option");
    } else if (said) {
        if (strcmp(said_by, "layout") == 0)
            vlp_opening_say(o, "%s: activation %s, as in all of OpenAI's archives", file, said);
        set(about, said, said_by);
    } else if ((found = by_tag(o, about, &tag))) {
        vlp_opening_say(o, "%s: activation %s, by the tag '%s' in its name", file, found, tag);
        set(about, found, "tag");
    } else {
        vlp_opening_say(o,
                        "%s: WARNING: nothing says whether its activation is gelu or quick_gelu; "
                        "taking %s, and with the wrong one the results are wrong (--activation "
                        "decides)",
                        file, fallback);
        set(about, fallback, "default");
    }
    return VLP_OK;
}
