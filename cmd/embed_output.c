/*
 * embed_output.c -- where vlp-embed writes: a new file, one to be continued, one to be updated.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embed_job.h"

/* Keys of the provenance that decide over the vectors: streams that differ in them do not mix. */
static const char *const settings[] = {"flavour",   "cleaning", "orient",    "scale_grey16",
                                       "precision", "layer",    "templates", "truncate"};

/* A name without anything behind it and without an ending that tells: of a folder, most likely, and
 * its pictures may be here when the command is given again. */
static bool is_absent_folder(const char *path)
{
    return strcmp(path, "-") != 0 && !vlp_file_exists(path) && !vlp_name_tells_kind(path) &&
           !vlp_member_of_id(path);
}

/* Does every input name pictures, as far as can be seen without opening it? */
static bool only_pictures(char *const *paths, int n)
{
    if (cmd_source.lines || cmd_source.captions) return false;
    if (cmd_source.format) return strcmp(cmd_source.format, "image") == 0;
    if (cmd_source.files_from && n == 0) return true;
    for (int i = 0; i < n; i++) {
        const char *p = paths[i];
        if (!vlp_is_dir(p) && !vlp_name_is_picture(p) && !is_absent_folder(p)) return false;
    }
    return n > 0 || cmd_source.files_from;
}

static enum vlp_modality modality(const struct embed_options *o, char *const *paths, int n)
{
    if (o->only == EMBED_IMAGE || o->layer == 1) return VLP_IMAGE;
    if (o->only == EMBED_TEXT) return VLP_TEXT;
    if (cmd_source.lines && n == 0 && !cmd_source.files_from) return VLP_TEXT;
    return only_pictures(paths, n) ? VLP_IMAGE : VLP_ANY;
}

/* What was asked for, without what does not change the result (threads, batch, where it goes). */
static char *command(const struct embed_options *o, char *const *paths, int n)
{
    struct vlp_buf b = {0};
    const struct {
        const char *name, *value;
    } texts[] = {{"only", o->only == EMBED_IMAGE  ? "image"
                          : o->only == EMBED_TEXT ? "text"
                                                  : NULL},
                 {"lines", cmd_source.lines},
                 {"files-from", cmd_source.files_from},
                 {"input-format", cmd_source.format},
                 {"image-column", cmd_source.image_column},
                 {"text-column", cmd_source.text_column},
                 {"id-column", cmd_source.id_column},
                 {"label-column", cmd_source.label_column},
                 {"base-dir", cmd_source.base_dir},
                 /* by its older name, which the streams there are say */
                 {"templates", o->templates_file}};
    const struct {
        const char            *name;
        const struct cmd_list *list;
    } lists[] = {{"include", &cmd_source.include},
                 {"exclude", &cmd_source.exclude},
                 {"template", &o->prompts}};
    vlp_buf_add_str(&b, "vlp-embed");
    if (cmd_source.recursive) vlp_buf_add_str(&b, " -r");
    if (cmd_source.captions) vlp_buf_add_str(&b, " --captions");
    if (cmd_source.id_is_text) vlp_buf_add_str(&b, " --id-is-text");
    if (cmd_source.shard[1] > 0)
        vlp_buf_printf(&b, " --shard=%d/%d", cmd_source.shard[0], cmd_source.shard[1]);
    if (cmd_source.limit > 0) vlp_buf_printf(&b, " --limit=%lld", (long long)cmd_source.limit);
    for (size_t i = 0; i < VLP_COUNT(texts); i++)
        if (texts[i].value) vlp_buf_printf(&b, " --%s=%s", texts[i].name, texts[i].value);
    for (size_t i = 0; i < VLP_COUNT(lists); i++)
        for (int k = 0; k < lists[i].list->n; k++)
            vlp_buf_printf(&b, " --%s=%s", lists[i].name, lists[i].list->item[k]);
    /* A thousand names are remembered by what they hash to. */
    enum { NAMES_IN_FULL = 16 };
    uint64_t hash = 0;
    for (int i = 0; i < n; i++) {
        if (n <= NAMES_IN_FULL)
            vlp_buf_printf(&b, " %s", paths[i]);
        else
            hash = hash * 1099511628211u + vlp_hash64(paths[i], strlen(paths[i]));
    }
    if (n > NAMES_IN_FULL) vlp_buf_printf(&b, " (%d inputs, %016llx)", n, (unsigned long long)hash);
    return b.data;
}

/* Bytes that are not UTF-8 (a folder's name) cannot stand in JSON. */
static json_t *json_text(const char *s)
{
    struct vlp_buf b = {0};
    const char    *end = s + strlen(s);
    while (s < end) {
        char          utf8[4];
        const int32_t c = vlp_utf8_next(&s, end);
        vlp_buf_add(&b, utf8, (size_t)vlp_utf8_put(utf8, c < 0 ? 0xfffd : (uint32_t)c));
    }
    json_t *text = json_string(b.data ? b.data : "");
    vlp_buf_free(&b);
    return text;
}

static json_t *describe(const struct embed_job *j, char *const *paths, int n,
                        const char *const *templates)
{
    const struct embed_options *o = j->o;
    json_t                     *about = json_object(), *list = json_array();
    char                       *asked = command(o, paths, n);
    for (int i = 0; templates && templates[i]; i++)
        json_array_append_new(list, json_text(templates[i]));
    json_object_set_new(about, "program", json_string("vlp-embed"));
    json_object_set_new(about, "version", json_string(VLP_VERSION));
    json_object_set_new(about, "command", json_text(asked));
    json_object_set_new(about, "model", json_text(vlp_path_base(cmd_model_path())));
    json_object_set_new(about, "family", json_string(j->e.model.family->name));
    json_object_set_new(about, "flavour",
                        json_string(cmd_model.flavour ? cmd_model.flavour : "model"));
    json_object_set_new(about, "cleaning",
                        json_string(cmd_model.cleaning ? cmd_model.cleaning : "model"));
    json_object_set_new(about, "orient", json_boolean(cmd_model.orient));
    json_object_set_new(about, "scale_grey16", json_boolean(cmd_model.grey16));
    json_object_set_new(about, "precision", json_string(cmd_precisions[cmd_model.precision]));
    json_object_set_new(about, "layer", json_string(o->layer ? "penultimate" : "features"));
    json_object_set_new(about, "templates", list);
    json_object_set_new(about, "truncate", json_string(o->truncate ? "error" : "cut"));
    if (j->e.model.logit_scale)
        json_object_set_new(about, "logit_scale",
                            json_real(exp((double)vlp_param_f32(j->e.model.logit_scale)[0])));
    free(asked);
    return about;
}

enum vlp_status embed_describe(struct embed_job *j, char *const *paths, int n_paths,
                               const char *const *templates, struct vlp_error *err)
{
    static const enum vlp_dtype dtypes[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};
    const struct vlp_features   f = {j->o->normalize, j->o->layer == 1};
    VLP_TRY(vlp_features_dim(&j->e, &f, &j->header.dim, err));
    j->header.dtype = dtypes[j->o->dtype];
    j->header.modality = modality(j->o, paths, n_paths);
    j->header.normalized = j->o->normalize;
    vlp_features_fingerprint(&j->e, &f, j->header.fingerprint);
    j->header.about = describe(j, paths, n_paths, templates);
    return VLP_OK;
}

/* ---- a file that is there ---------------------------------------------------------- */

static enum vlp_status same_settings(const struct embed_job *j, const json_t *theirs,
                                     struct vlp_error *err)
{
    for (size_t i = 0; i < VLP_COUNT(settings); i++) {
        const json_t *a = json_object_get(theirs, settings[i]);
        if (a && !json_equal(a, json_object_get(j->header.about, settings[i])))
            return vlp_fail(err, VLP_ERR_MISMATCH,
                            "%s was made with another setting of %s (-f starts over)", j->o->output,
                            settings[i]);
    }
    return VLP_OK;
}

static enum vlp_status same_kind(const struct embed_job *j, const struct vlp_embedding_header *h,
                                 struct vlp_error *err)
{
    static const char *const kinds[] = {[VLP_ANY] = "pictures and texts",
                                        [VLP_IMAGE] = "pictures alone",
                                        [VLP_TEXT] = "texts alone",
                                        [VLP_CLASS] = "classes"};
    VLP_TRY(
        vlp_embedding_compatible(h, j->o->output, &j->header, "what would be added", false, err));
    if (h->dtype != j->header.dtype || h->normalized != j->header.normalized)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s holds another type of vectors than would be added (-f starts over)",
                        j->o->output);
    if (h->modality != j->header.modality)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s holds %s, and these inputs would add %s (-f starts over)", j->o->output,
                        kinds[h->modality], kinds[j->header.modality]);
    return same_settings(j, h->about, err);
}

static bool same_command(const struct embed_job *j, const json_t *theirs)
{
    return json_equal(json_object_get(theirs, "command"),
                      json_object_get(j->header.about, "command"));
}

/* Pictures and texts are welcome where both are, and the file's own command is whatever inputs it
 * finds; but --update with --only would delete what it does not ask for. */
static bool takes_any(const struct embed_job *j, const struct vlp_embedding_header *h)
{
    return j->o->add || (j->o->update && j->o->only == EMBED_BOTH) || same_command(j, h->about);
}

/* When this run is through, is the file what its inputs are, whoever began it? */
static bool mirrors(const struct embed_options *o)
{
    return o->update && cmd_source.shard[1] == 0 && cmd_source.limit == 0;
}

/* All records of the file; where some are damaged, how to go on without them. */
static enum vlp_status read_records(struct embed_job *j, struct vlp_embedding_reader *r,
                                    struct vlp_error *err)
{
    struct vlp_error      why;
    const enum vlp_status s = embed_state_read(&j->state, r, &why);
    if (s == VLP_ERR_FORMAT)
        return vlp_fail(err, s,
                        "%.400s; vlp-embed --convert --skip-damaged -f -o %s %s keeps the sound "
                        "ones, and the same command adds the others",
                        why.text, j->o->output, j->o->output);
    if (s != VLP_OK) *err = why;
    return s;
}

/* Read the file that is to be continued or updated; decides which. */
static enum vlp_status read_output(struct embed_job *j, struct vlp_error *err)
{
    struct vlp_embedding_reader *r;
    struct vlp_error             why;
    if (vlp_embedding_open(&r, j->o->output, &why) != VLP_OK)
        return vlp_fail(err, VLP_ERR_EXISTS,
                        "%s exists and cannot be continued (%.300s); -f "
                        "overwrites it",
                        j->o->output, why.text);
    const struct vlp_embedding_header *h = vlp_embedding_header(r);
    if (h->modality == VLP_ANY && takes_any(j, h)) j->header.modality = VLP_ANY;
    enum vlp_status s = same_kind(j, h, err);
    j->state.continued = !embed_merges(j->o);
    if (s == VLP_OK) s = read_records(j, r, err);
    const bool torn = vlp_embedding_torn(r), ours = same_command(j, h->about);
    j->ended = vlp_embedding_ended(r);
    j->broken_join = vlp_embedding_broken_join(r);
    j->unclaimed = !json_object_get(vlp_embedding_last_about(r), "command");
    /* An end record speaks for the last of the streams that were joined. */
    j->unfinished = j->broken_join ||
                    (!j->ended && !mirrors(j->o) && !same_command(j, vlp_embedding_last_about(r)));
    if (s == VLP_OK && j->ended && !embed_merges(j->o)) {
        if (ours)
            j->complete = !torn;
        else
            s = vlp_fail(err, VLP_ERR_EXISTS,
                         "%s exists and is complete: --add adds these inputs, --update also "
                         "deletes what they "
                         "do not name, -f overwrites it",
                         j->o->output);
    }
    if (s == VLP_OK && torn)
        cmd_note("%s: its last block was cut off and is dropped", j->o->output);
    vlp_embedding_close(r);
    for (int64_t i = 0; i < j->state.n; i++)
        j->held += j->state.entry[i].images + j->state.entry[i].texts;
    return s;
}

void embed_remove(const char *path)
{
    struct stat st;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return;
    char *place = vlp_end_of_links(path);
    unlink(place);
    free(place);
}

enum vlp_status embed_open_output(struct embed_job *j, struct vlp_error *err)
{
    const struct embed_options        *o = j->o;
    struct vlp_embedding_write_options how = {
        .format = o->format, .force = o->force, .header = o->header};
    struct stat st;
    const bool  stream = strcmp(o->format, "vle") == 0;
    const bool  there =
        strcmp(o->output, "-") != 0 && stat(o->output, &st) == 0 && S_ISREG(st.st_mode);
    const bool keeps = there && (embed_merges(o) || !o->force);
    if (keeps) how.seen = &st; /* before the lock is ours, another may begin and even end */
    if (there && st.st_size == 0) how.force = true; /* nothing to lose */
    if (keeps && stream && st.st_size > 0) {
        if (!vlp_embedding_is_blank(o->output)) VLP_TRY(read_output(j, err));
        if (j->complete) return VLP_OK;
        j->resuming = how.append = true;
    }
    j->replaces = there && !how.append;
    return vlp_embedding_writer_open(&j->writer, o->output, &j->header, &how, err);
}
