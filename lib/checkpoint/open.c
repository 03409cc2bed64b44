/*
 * open.c -- a path to a checkpoint: read the source, tell the layout by its names, give the tensors
 * their canonical names, describe them, and compare with what the description promises.
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

void vlp_opening_say(const struct vlp_opening *o, const char *fmt, ...)
{
    if (!o->opt || !o->opt->say) return;
    char    text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    o->opt->say(o->opt->ctx, text);
}

const struct vlp_stored *vlp_checkpoint_find(const struct vlp_checkpoint *c, const char *name)
{
    return vlp_stored_find(c->tensors, c->n_tensors, name);
}

static void set_tensors(struct vlp_checkpoint *c, const struct vlp_stored *item, size_t n)
{
    c->tensors = VLP_NEW_N(&c->mem, struct vlp_stored, n + 1);
    if (n) memcpy(c->tensors, item, n * sizeof *item);
    c->n_tensors = n;
    vlp_stored_sort(c->tensors, n);
}

void vlp_checkpoint_add(struct vlp_checkpoint *c, const struct vlp_stored *t)
{
    const struct vlp_stored *old = c->tensors;
    const size_t             n = c->n_tensors;
    struct vlp_stored       *item = VLP_NEW_N(&c->mem, struct vlp_stored, n + 1);
    size_t                   kept = 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(old[i].name, t->name) != 0) item[kept++] = old[i];
    item[kept++] = *t;
    set_tensors(c, item, kept);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* What wrappers (several GPUs, compilation, recomputation) leave in names, at any depth. */
static const char *const wrappers[] = {"module", "_orig_mod", "_fsdp_wrapped_module",
                                       "_checkpoint_wrapped_module"};

static bool is_wrapper(const char *part, size_t len)
{
    for (size_t i = 0; i < VLP_COUNT(wrappers); i++)
        if (strlen(wrappers[i]) == len && memcmp(wrappers[i], part, len) == 0) return true;
    return false;
}

/* "module.visual._orig_mod.proj" -> "visual.proj"; the last part always stays. */
static const char *without_wrappers(struct vlp_arena *mem, const char *name)
{
    char       *out = NULL;
    size_t      n = 0;
    const char *p = name, *dot;
    for (; (dot = strchr(p, '.')); p = dot + 1) {
        const size_t len = (size_t)(dot - p);
        if (is_wrapper(p, len)) {
            if (!out) {
                out = vlp_arena_strdup(mem, name);
                n = (size_t)(p - name);
            }
        } else if (out) {
            memcpy(out + n, p, len + 1);
            n += len + 1;
        }
    }
    if (!out) return name;
    memcpy(out + n, p, strlen(p) + 1);
    return out;
}

/* Are all names of the layout there behind the `len` bytes that `name` begins with? */
static bool has_all(const struct vlp_origin *s, const char *const *names, const char *name,
                    size_t len)
{
    char full[1024];
    for (; *names; names++) {
        if (snprintf(full, sizeof full, "%.*s%s", (int)len, name, *names) >= (int)sizeof full ||
            !vlp_origin_find(s, full))
            return false;
    }
    return true;
}

/* Where the model stands among the tensors: what all its names begin with, "" for the most part. */
struct place {
    const struct vlp_foreign_layout *layout;
    const char                      *prefix; /* not ended: `len` bytes */
    size_t                           len;
    int                              n; /* models that are there */
};

static void look_for(struct place *best, const struct vlp_origin *s,
                     const struct vlp_foreign_layout *layout)
{
    const char  *first = layout->has[0]; /* of the names, the end of a tensor's */
    const size_t m = strlen(first);
    for (size_t i = 0; i < s->list.n; i++) {
        const char  *name = s->list.item[i].name;
        const size_t n = strlen(name), len = n - m;
        if (n < m || strcmp(name + len, first) != 0 || (len && name[len - 1] != '.')) continue;
        if (!has_all(s, layout->has, name, len)) continue;
        if (!best->n++ || len < best->len) {
            best->layout = layout;
            best->prefix = name;
            best->len = len;
        }
    }
}

static struct place find_model(const struct vlp_opening *o)
{
    struct place best = {0};
    const char  *family = o->opt ? o->opt->family : NULL;
    for (const struct vlp_foreign_layout *const *l = vlp_foreign_layouts; *l; l++)
        if (!family || strcmp((*l)->family, family) == 0) look_for(&best, o->source, *l);
    return best;
}

/* Leave the model's tensors, without its prefix. */
static void take_out(const struct vlp_opening *o, const struct place *p)
{
    struct vlp_stored_list *l = &o->source->list;
    struct vlp_buf          names = {0};
    size_t                  n = 0, kept = 0;
    if (!p->len) return;
    const char *prefix = vlp_arena_strndup(&o->out->mem, p->prefix, p->len);
    for (size_t i = 0; i < l->n; i++) {
        if (strncmp(l->item[i].name, prefix, p->len) != 0) {
            vlp_name_list_add(&names, &n, l->item[i].name);
            continue;
        }
        l->item[kept] = l->item[i];
        l->item[kept++].name += p->len;
    }
    l->n = kept;
    vlp_stored_sort(l->item, l->n);
    if (p->n > 1)
        vlp_opening_say(o, "%s: %d models are in it; taking the one named '%.100s'",
                        o->source->file, p->n, prefix);
    if (n)
        vlp_opening_say(o, "%s: not part of '%.100s', %zu tensor%s passed over: %s",
                        o->source->file, prefix, n, n == 1 ? " is" : "s are", names.data);
    vlp_buf_free(&names);
}

/* What is often taken for a model that is read, by how a tensor's name begins that it has, and one
 * that it has not. */
static const struct {
    const char *has, *has_not, *what;
} strangers[] = {
    {"visual.trunk.", NULL, "its tower of pictures is one of timm's"},
    {"vision_model.head.", NULL, "it is a SigLIP"},
    {"text_encoder.", NULL, "its tower of texts is not CLIP's"}, /* BLIP, ALBEF */
    {"vision_model.", "text_model.", "it has a tower of pictures, but none of texts"},
    {"text_model.", "vision_model.", "it has a tower of texts, but none of pictures"},
};

static const char *find_prefix(const struct vlp_stored_list *l, const char *prefix)
{
    for (size_t i = 0; prefix && i < l->n; i++)
        if (strncmp(l->item[i].name, prefix, strlen(prefix)) == 0) return l->item[i].name;
    return NULL;
}

static enum vlp_status name_what_it_is_not(const struct vlp_opening *o)
{
    struct vlp_buf names = {0};
    size_t         n = 0;
    for (size_t i = 0; i < VLP_COUNT(strangers); i++) {
        const char *has = find_prefix(&o->source->list, strangers[i].has);
        if (has && !find_prefix(&o->source->list, strangers[i].has_not))
            return vlp_fail(o->err, VLP_ERR_SUPPORT, "%s: %s ('%.100s'), which is not read here",
                            o->source->file, strangers[i].what, has);
    }
    for (size_t i = 0; i < o->source->list.n && n < 7; i++)
        vlp_name_list_add(&names, &n, o->source->list.item[i].name);
    const enum vlp_status s =
        vlp_fail(o->err, VLP_ERR_SUPPORT,
                 "%s: its tensors (%zu: %.300s) are not those of a model that is known",
                 o->source->file, o->source->list.n, names.data);
    vlp_buf_free(&names);
    return s;
}

/* ---- what the description promises ----------------------------------------------------------- */

struct comparison {
    struct vlp_checkpoint      *c;
    const struct vlp_name_rule *rules; /* of a foreign layout, or NULL */
    struct vlp_buf              missing, misshapen;
    size_t                      n_missing, n_misshapen;

    const struct vlp_stored *odd; /* the first */
};

static bool shape_fits(const struct vlp_stored *t, int ndim, const int64_t *dim)
{
    if (t->ndim != ndim) return false;
    for (int i = 0; i < ndim; i++)
        if (t->dim[i] < 1 || (dim[i] >= 0 && t->dim[i] != dim[i])) return false;
    return true;
}

static void compare(void *ctx, const char *name, int ndim, const int64_t *dim, bool optional)
{
    struct comparison *k = ctx;
    struct vlp_stored *t = vlp_stored_find(k->c->tensors, k->c->n_tensors, name);
    if (!t) {
        char room[256];
        if (!optional)
            vlp_name_list_add(&k->missing, &k->n_missing,
                              vlp_foreign_name(room, sizeof room, k->rules, name));
        return;
    }
    if (ndim == 0 && t->ndim == 1 && t->dim[0] == 1) t->ndim = 0; /* some store scalars as [1] */
    t->extra = false;
    if (t->odd) {
        if (!k->odd) k->odd = t;
        return;
    }
    char have[128], want[128], text[400];
    if (!vlp_dtype_is_real(t->dtype))
        snprintf(text, sizeof text, "%.80s of type %s", name, vlp_dtype_name(t->dtype));
    else if (!shape_fits(t, ndim, dim))
        snprintf(text, sizeof text, "%.80s %s instead of %s", name,
                 vlp_shape_text(have, t->ndim, t->dim), vlp_shape_text(want, ndim, dim));
    else
        return;
    vlp_name_list_add(&k->misshapen, &k->n_misshapen, text);
}

static enum vlp_status check_promise(struct vlp_checkpoint *c, const struct vlp_name_rule *rules,
                                     const char *file, struct vlp_error *err)
{
    struct comparison k = {.c = c, .rules = rules};
    const char       *vocabulary = vlp_vocabulary_tensor(c->about);
    for (size_t i = 0; i < c->n_tensors; i++)
        c->tensors[i].extra = !vocabulary || strcmp(c->tensors[i].name, vocabulary) != 0;
    vlp_about_expect(c->about, compare, &k);
    if (vocabulary && !vlp_checkpoint_find(c, vocabulary))
        vlp_name_list_add(&k.missing, &k.n_missing, vocabulary);

    enum vlp_status s = k.odd ? vlp_stored_not_odd(k.odd, file, err) : VLP_OK;
    if (s == VLP_OK && k.n_missing)
        s = vlp_fail(err, VLP_ERR_MISMATCH, "%s: %zu tensor%s missing: %s", file, k.n_missing,
                     k.n_missing == 1 ? " is" : "s are", k.missing.data);
    else if (s == VLP_OK && k.n_misshapen)
        s = vlp_fail(err, VLP_ERR_MISMATCH, "%s: %zu tensor%s the configuration: %s", file,
                     k.n_misshapen, k.n_misshapen == 1 ? " contradicts" : "s contradict",
                     k.misshapen.data);
    vlp_buf_free(&k.missing);
    vlp_buf_free(&k.misshapen);
    return s;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* What is passed over is not passed over in silence. */
static void say_extras(const struct vlp_opening *o)
{
    struct vlp_buf names = {0};
    size_t         n = 0;
    for (size_t i = 0; i < o->out->n_tensors; i++)
        if (o->out->tensors[i].extra) vlp_name_list_add(&names, &n, o->out->tensors[i].name);
    if (n)
        vlp_opening_say(o, "%s: %zu tensor%s passed over: %s", o->source->file, n,
                        n == 1 ? " that the model does not use is"
                               : "s that the model does not use are",
                        names.data);
    vlp_buf_free(&names);
}

/* Nobody is to look for their values. */
static void drop_odd(struct vlp_checkpoint *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n_tensors; i++)
        if (!c->tensors[i].odd) c->tensors[kept++] = c->tensors[i];
    c->n_tensors = kept;
}

static enum vlp_status open_foreign(struct vlp_opening *o)
{
    struct vlp_checkpoint  *c = o->out;
    struct vlp_stored_list *list = &o->source->list;
    for (size_t i = 0; i < list->n; i++)
        list->item[i].name = without_wrappers(&c->mem, list->item[i].name);
    vlp_stored_sort(list->item, list->n);
    const struct place               place = find_model(o);
    const struct vlp_foreign_layout *layout = place.layout;
    if (!layout) return name_what_it_is_not(o);
    take_out(o, &place);
    o->rules = layout->rules;

    struct vlp_stored_list canonical = {0};
    enum vlp_status        s = vlp_map_names(&canonical, &c->mem, &o->source->list, layout->rules,
                                             o->source->file, o->err);
    set_tensors(c, canonical.item, canonical.n);
    vlp_stored_list_free(&canonical);
    if (s != VLP_OK) return s;
    c->about = json_pack("{s:s, s:{s:s, s:s}}", "family", layout->family, "source", "layout",
                         layout->name, "file", vlp_path_base(o->source->file));
    if (!c->about)
        return vlp_fail(o->err, VLP_ERR_FORMAT, "%s: the file's name is not UTF-8",
                        o->source->file);
    VLP_TRY(layout->describe(o, c->about));
    VLP_TRY(vlp_about_validate(c->about, o->source->file, o->err));
    VLP_TRY(check_promise(c, layout->rules, o->source->file, o->err));
    say_extras(o);
    drop_odd(c);
    return VLP_OK;
}

/* --activation wins over what our own file says, of the model and of each tower. */
static enum vlp_status apply_activation(struct vlp_opening *o)
{
    json_t       *about = o->out->about;
    const char   *option = o->opt ? o->opt->activation : NULL;
    const json_t *config = json_object_get(about, "config");
    if (!option || strcmp(json_string_value(json_object_get(about, "family")), "clip") != 0)
        return VLP_OK;
    const char *said = json_string_value(json_object_get(config, "activation"));
    if (strcmp(option, said) == 0 &&
        !json_object_get(json_object_get(config, "vision"), "activation") &&
        !json_object_get(json_object_get(config, "text"), "activation"))
        return VLP_OK;
    VLP_TRY(vlp_clip_activation(o, about, said, "file", option));
    json_object_del(about, "fingerprint");
    return VLP_OK;
}

/* Our own file says everything itself. */
static enum vlp_status open_own(struct vlp_opening *o, const char *about)
{
    struct vlp_checkpoint *c = o->out;
    const char            *file = o->source->file;
    const char *version = json_string_value(json_object_get(o->source->metadata, "vlp.version"));
    if (!version || strcmp(version, VLP_FILE_VERSION) != 0)
        return vlp_fail(o->err, VLP_ERR_MISMATCH,
                        "%s: version '%.20s' of vlp's model file; this program reads version %s",
                        file, version ? version : "", VLP_FILE_VERSION);
    json_error_t where;
    c->about = json_loads(about, JSON_REJECT_DUPLICATES, &where);
    if (!c->about)
        return vlp_fail(o->err, VLP_ERR_FORMAT, "%s: metadata 'vlp.about', line %d: %s", file,
                        where.line, where.text);
    set_tensors(c, o->source->list.item, o->source->list.n);
    VLP_TRY(vlp_about_validate(c->about, file, o->err));
    VLP_TRY(check_promise(c, NULL, file, o->err));
    return apply_activation(o);
}

/* The state of a training run as the model in it: weights, or their averaged copy. */
static enum vlp_status open_state(struct vlp_opening *o, const char *text)
{
    struct vlp_checkpoint        *c = o->out;
    const struct vlp_stored_list *all = &o->source->list;
    const char                   *file = o->source->file;
    static const char             weight[] = "weight.";
    json_t                       *state = json_loads(text, 0, NULL);
    c->about = json_deep_copy(json_object_get(state, "model"));
    json_decref(state);
    if (!c->about)
        return vlp_fail(o->err, VLP_ERR_FORMAT, "%s: metadata 'vlp.train' names no model", file);
    json_object_del(c->about, "fingerprint"); /* of the weights that the run began with */
    struct vlp_stored *item = VLP_NEW_N(&c->mem, struct vlp_stored, all->n + 1);
    size_t             n = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct vlp_stored *t = &all->item[i], *averaged = NULL;
        const char              *name = t->name;
        if (strcmp(name, VLP_VOCABULARY_TENSOR) != 0) {
            if (strncmp(name, weight, sizeof weight - 1) != 0) continue;
            name += sizeof weight - 1;
            averaged =
                vlp_stored_find(all->item, all->n, vlp_arena_printf(&c->mem, "ema.%s", name));
        }
        item[n] = averaged ? *averaged : *t;
        item[n].name = name;
        n++;
    }
    set_tensors(c, item, n);
    VLP_TRY(vlp_about_validate(c->about, file, o->err));
    VLP_TRY(check_promise(c, NULL, file, o->err));
    return apply_activation(o);
}

enum vlp_status vlp_checkpoint_open(struct vlp_checkpoint *out, const char *path,
                                    const struct vlp_checkpoint_options *opt, struct vlp_error *err)
{
    struct vlp_checkpoint c = {0};
    struct vlp_origin    *source = vlp_calloc(1, sizeof *source);
    struct vlp_opening    o = {.source = source, .opt = opt, .out = &c, .err = err};
    vlp_arena_init(&c.mem);
    enum vlp_status s = vlp_origin_open(source, &c.mem, path, err);
    if (s != VLP_OK) {
        free(source);
        vlp_arena_free(&c.mem);
        return s;
    }
    c.internal = source;
    const char *about = json_string_value(json_object_get(source->metadata, "vlp.about"));
    const char *state = json_string_value(json_object_get(source->metadata, "vlp.train"));
    if (opt && opt->raw)
        set_tensors(&c, source->list.item, source->list.n);
    else
        s = about ? open_own(&o, about) : state ? open_state(&o, state) : open_foreign(&o);
    source->mem = NULL; /* the arena moves with the structure */
    if (s != VLP_OK)
        vlp_checkpoint_close(&c);
    else
        *out = c;
    return s;
}

void vlp_checkpoint_close(struct vlp_checkpoint *c)
{
    if (c->internal) vlp_origin_close(c->internal);
    free(c->internal);
    json_decref(c->about);
    vlp_arena_free(&c->mem);
    *c = (struct vlp_checkpoint){0};
}
