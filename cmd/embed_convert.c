/*
 * embed_convert.c -- vlp-embed --convert: embedding files into one of another format or type.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <vlp/search.h>

#include "embed_job.h"

/* A damaged place that --skip-damaged steps over, or goes on behind; what an input says in vain. */
static void say(void *ctx, const char *sentence)
{
    (void)ctx;
    cmd_warn("%s", sentence);
}

/* An input may be a pipe that lets us wait. */
static enum vlp_status load(struct vlp_embedding_set *out, const char *path,
                            const struct vlp_embedding_read_options *how, struct vlp_error *err)
{
    cmd_reading(true);
    const enum vlp_status s = vlp_embedding_load(out, path, how, err);
    cmd_reading(false);
    return s;
}

/* Is there a value that the type asked for would make infinite? */
static enum vlp_status check_range(const struct vlp_record *r, enum vlp_dtype t, int dim,
                                   struct vlp_error *err)
{
    if (t != VLP_F16 && t != VLP_BF16) return VLP_OK;
    for (int c = 0; c < dim; c++) {
        const float x = r->vector[c];
        uint16_t    narrow;
        float       back;
        if (!(fabsf(x) > 65504.0f) || isinf(x)) continue; /* fits both: the largest f16 */
        vlp_from_f32(&narrow, t, &x, 1);
        vlp_to_f32(&back, &narrow, t, 1);
        if (isinf(back))
            return vlp_fail(err, VLP_ERR_SUPPORT, "'%.*s': %s cannot hold the value %.9g",
                            (int)r->id_len, r->id, vlp_dtype_name(t), (double)x);
    }
    return VLP_OK;
}

/* Of a set the records that --shard and --limit let through. */
static enum vlp_status write_set(struct vlp_embedding_writer *w, enum vlp_dtype dtype,
                                 const struct vlp_embedding_set *set, bool unit, int64_t *written,
                                 struct vlp_error *err)
{
    const int       dim = set->header.dim;
    const int64_t   limit = cmd_source.limit;
    float          *x = vlp_malloc((size_t)dim * sizeof *x);
    enum vlp_status s = VLP_OK;
    for (int64_t i = 0; i < set->n && s == VLP_OK && (limit == 0 || *written < limit); i++) {
        if (cmd_stopped()) s = vlp_fail(err, VLP_ERR_STOPPED, "stopped");
        if (s != VLP_OK || !cmd_in_shard(set->ids[i], set->id_lens[i])) continue;
        const uint32_t          kind = set->header.modality == VLP_TEXT ? VLP_RECORD_TEXT : 0;
        const struct vlp_record r = {.id = set->ids[i],
                                     .id_len = set->id_lens[i],
                                     .flags = set->flags[i] | kind, /* the header may not stay */
                                     .meta = set->metas[i],
                                     .meta_len = set->metas[i] ? set->meta_lens[i] : 0,
                                     .vector = x};
        vlp_embedding_set_f32(set, i, x);
        if (unit && !set->header.normalized) vlp_unit_length(x, dim);
        s = check_range(&r, dtype, dim, err);
        if (s == VLP_OK) s = vlp_embedding_write(w, &r, err);
        ++*written;
    }
    free(x);
    return s;
}

/* What the inputs have in common, as far as they were seen. */
struct common {
    struct vlp_embedding_header header; /* what holds for the records of all */
    struct vlp_embedding_header first;  /* with the fingerprint of the first input that has one */
    const char                 *model;  /* the name of that input, else of the first */
};

/* The header of what is written, from what the headers of all inputs say alike. */
static struct vlp_embedding_header header_for(const struct embed_options *o,
                                              const struct common *common, bool unit)
{
    static const enum vlp_dtype dtypes[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};
    struct vlp_embedding_header h = common->header;
    if (cmd_given("dtype")) h.dtype = dtypes[o->dtype];
    if (h.dtype != VLP_F32 && h.dtype != VLP_F16 && h.dtype != VLP_BF16 && h.dtype != VLP_I8)
        h.dtype = VLP_F32;
    if (unit) h.normalized = true;
    if (o->only != EMBED_BOTH) h.modality = o->only;
    return h;
}

/* What holds for the records of both inputs; `next` NULL: it cannot be known yet. */
static void narrow(struct vlp_embedding_header *h, const struct vlp_embedding_header *next)
{
    if (!next || next->modality != h->modality) h->modality = VLP_ANY;
    if (!next || next->dtype != h->dtype) h->dtype = VLP_F32; /* holds what any type has */
    if (next && !next->normalized) h->normalized = false;
    if (next && !next->fingerprint[0]) h->fingerprint[0] = '\0';
}

static const char *name_of(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* May the records of the input at `path` stand with those before it? */
static enum vlp_status agree(struct common *c, const char *first, const char *path,
                             const struct vlp_embedding_header *h, struct vlp_error *err)
{
    static const char *const made_for[] = {[VLP_COSINE] = "cosines", [VLP_DOT] = "dot products"};
    VLP_TRY(vlp_embedding_compatible(&c->first, name_of(c->model), h, name_of(path), false, err));
    if (c->first.metric != h->metric)
        return vlp_fail(err, VLP_ERR_MISMATCH, "%s is made for %s, %s for %s", name_of(first),
                        made_for[c->first.metric], name_of(path), made_for[h->metric]);
    if (c->first.fingerprint[0]) return VLP_OK;
    memcpy(c->first.fingerprint, h->fingerprint, sizeof h->fingerprint);
    c->model = path;
    return VLP_OK;
}

/* Before anything is written: do the headers of the files to come agree, and what have all in
 * common? What can be read only once is asked when its turn comes. */
static enum vlp_status check_headers(struct common *common, char **inputs, int n,
                                     struct vlp_error *err)
{
    enum vlp_status s = VLP_OK;
    for (int i = 1; i < n && s == VLP_OK; i++) {
        struct vlp_embedding_reader *r;
        struct stat                  st;
        const bool                   there = stat(inputs[i], &st) == 0;
        if (strcmp(inputs[i], "-") == 0 || (there && !S_ISREG(st.st_mode))) {
            narrow(&common->header, NULL);
            continue;
        }
        VLP_TRY(vlp_embedding_open(&r, inputs[i], err));
        s = agree(common, inputs[0], inputs[i], vlp_embedding_header(r), err);
        narrow(&common->header, vlp_embedding_header(r));
        vlp_embedding_close(r);
    }
    return s;
}

/* A conversion under way. */
struct conversion {
    const struct embed_options       *o;
    struct vlp_embedding_read_options how;
    const char                       *first; /* the name of the first input */
    bool                              unit;  /* rows are scaled to unit length */
    struct common                     common;
    struct vlp_embedding_header       header; /* of what is written */
    struct vlp_embedding_writer      *writer;
    int64_t                           seen, written, damaged; /* records; places */
    int64_t                           unwanted;               /* records that --only left out */
    bool                              cut;                    /* an input is not whole */
    bool partial; /* and what it lacks may still come: so is the result not complete */
};

/* May the records of `set` stand under the header that is written? */
static enum vlp_status check_set(struct conversion *c, const char *path,
                                 const struct vlp_embedding_set *set, struct vlp_error *err)
{
    VLP_TRY(agree(&c->common, c->first, path, &set->header, err));
    if (c->header.normalized && !c->unit && !set->header.normalized)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s has vectors of any length, %s of unit length; --normalize scales them",
                        name_of(path), name_of(c->first));
    if (c->header.fingerprint[0] && !set->header.fingerprint[0])
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s does not say which model made its vectors, as %s does: name it first, "
                        "or as a file",
                        name_of(path), name_of(c->first));
    return VLP_OK;
}

static enum vlp_status convert_set(struct conversion *c, const char *path,
                                   struct vlp_embedding_set *set, struct vlp_error *err)
{
    const enum vlp_modality only = c->o->only; /* both, image, text in either */
    const int64_t           damaged = vlp_embedding_damaged(set->reader);
    const enum vlp_ending   ending = vlp_embedding_ending(set->reader);
    /* where places were skipped, those have been named */
    if (set->torn || damaged == 0) c->cut |= cmd_warn_of_end(path, ending);
    c->partial |= damaged > 0 || ending == VLP_TORN || ending == VLP_UNFINISHED;
    if (only != VLP_ANY && vlp_embedding_bare(set->reader))
        return vlp_fail(err, VLP_ERR_USAGE,
                        "%s does not tell texts from pictures: nothing to choose", path);
    c->unwanted += set->n;
    vlp_records_only(set, only);
    c->unwanted -= set->n;
    c->seen += set->n;
    c->damaged += damaged;
    VLP_TRY(check_set(c, path, set, err));
    return write_set(c->writer, c->header.dtype, set, c->unit, &c->written, err);
}

/* The provenance of the first input, without the command where that would not make the result: lest
 * the same command take it for all of its own. */
static json_t *about_for(const struct embed_options *o, const struct vlp_embedding_set *first,
                         int n_inputs)
{
    json_t    *about = json_deep_copy(first->header.about);
    const bool chosen = cmd_source.shard[1] > 0 || cmd_source.limit > 0 || o->only != EMBED_BOTH;
    if (n_inputs > 1 || chosen || vlp_embedding_broken_join(first->reader))
        json_object_del(about, "command");
    return about;
}

/* `first` is open already. */
static enum vlp_status convert_all(struct conversion *c, struct vlp_embedding_set *first,
                                   char **inputs, int n, struct vlp_error *err)
{
    const struct vlp_embedding_write_options how = {
        .format = c->o->format, .force = c->o->force, .header = c->o->header, .whole = true};
    c->common = (struct common){.header = first->header, .first = first->header, .model = c->first};
    VLP_TRY(check_headers(&c->common, inputs, n, err));
    c->header = header_for(c->o, &c->common, c->unit);
    c->header.about = about_for(c->o, first, n);
    enum vlp_status s = vlp_embedding_writer_open(&c->writer, c->o->output, &c->header, &how, err);
    json_decref(c->header.about);
    c->header.about = NULL;
    VLP_TRY(s);
    cmd_stop_politely(); /* to say that it begins anew */
    s = convert_set(c, inputs[0], first, err);
    for (int i = 1; i < n && s == VLP_OK; i++) {
        struct vlp_embedding_set next;
        VLP_TRY(load(&next, inputs[i], &c->how, err));
        s = convert_set(c, inputs[i], &next, err);
        vlp_embedding_set_free(&next);
    }
    return s;
}

/* What came of it, told; the exit status. */
static int report(const struct conversion *c, enum vlp_status s, const struct vlp_error *err)
{
    if (s != VLP_OK && cmd_stopped()) {
        cmd_note("stopped; a conversion begins anew");
        return CMD_SIGNALLED + cmd_stopped();
    }
    if (s != VLP_OK) return cmd_fail(err);
    if (c->seen == 0) {
        embed_say_nothing(c->o, c->unwanted);
        return CMD_FAILED;
    }
    const char *records = c->written == 1 ? "record" : "records";
    if (c->damaged > 0)
        cmd_note("%" PRId64 " %s converted; %" PRId64 " damaged %s", c->written, records,
                 c->damaged, c->damaged == 1 ? "place" : "places");
    else
        cmd_note("%" PRId64 " %s converted", c->written, records);
    if (c->partial && strcmp(c->o->format, "vle") == 0)
        cmd_note("the result is not complete, as its input is not");
    return c->damaged > 0 || c->cut ? CMD_SKIPPED : CMD_OK;
}

int embed_convert(const struct embed_options *o, char **inputs, int n)
{
    const char *const        at_once = cmd_if_stdout(o->output); /* a file is read, then replaced */
    const struct cmd_reads   reads = {"INPUT", (const char *const *)inputs, n};
    struct conversion        c = {.o = o,
                                  .how = {.skip_damaged = o->skip_damaged, .say = say},
                                  .first = inputs[0],
                                  .unit = cmd_given("normalize") && o->normalize};
    struct vlp_embedding_set first;
    struct vlp_error         err;
    enum vlp_status          s = cmd_spare_inputs(&at_once, 1, &reads, 1, &err);
    if (s == VLP_OK) s = vlp_embedding_load(&first, inputs[0], &c.how, &err);
    if (s != VLP_OK) return cmd_fail(&err);
    s = convert_all(&c, &first, inputs, n, &err);
    vlp_embedding_set_free(&first);
    if (s == VLP_OK && c.seen > 0)
        s = c.partial ? vlp_embedding_writer_close_partial(c.writer, &err)
                      : vlp_embedding_writer_close(c.writer, &err);
    else if (c.writer)
        vlp_embedding_writer_abandon(c.writer);
    return report(&c, s, &err);
}
