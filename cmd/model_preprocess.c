/*
 * model_preprocess.c -- vlp-model preprocess: what the model sees of a picture.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vlp/classify.h>
#include <vlp/data.h>

#include "model_verbs.h"

static const char *output, *failed;
static bool        force;
static int64_t     size;
static int         format; /* index in formats */

static const char *const formats[] = {"auto", "png", "npy", "raw", NULL};
enum { AUTO, PNG, NPY, RAW };

/* Of files that are named; the first of a format, of those in a folder. */
static const struct ending {
    const char *ending;
    int         format;
} endings[] = {{"png", PNG}, {"npy", NPY}, {"rgb", RAW}, {"raw", RAW}};

/* The row of the ending of `path`, NULL: none of them. */
static const struct ending *find_ending(const char *path)
{
    for (size_t i = 0; path && i < VLP_COUNT(endings); i++)
        if (strcasecmp(vlp_path_ext(path), endings[i].ending) == 0) return &endings[i];
    return NULL;
}

/* A picture of another format would not be what its name says. */
static void refuse_ending(const char *path)
{
    const char *written[VLP_COUNT(endings) + 1] = {NULL};
    for (size_t i = 0; i < VLP_COUNT(endings); i++) written[i] = endings[i].ending;
    if (find_ending(path)) return;
    cmd_refuse_ending(path, written, "; --format names one of them for any name");
}

static const char *ending_of(int as)
{
    size_t i = 0;
    while (i < VLP_COUNT(endings) - 1 && endings[i].format != as) i++;
    return endings[i].ending;
}

static enum vlp_status settings(struct vlp_preprocess *p, struct vlp_error *err)
{
    const char *env = getenv("VLP_MODEL");
    if (cmd_model.path || (env && *env && !cmd_model.flavour)) {
        struct vlp_checkpoint c;
        VLP_TRY(cmd_verb_checkpoint(&c, cmd_model_path(), err));
        enum vlp_status s = vlp_preprocess_of(p, c.about, err);
        if (s != VLP_OK) vlp_fail_in(err, "%s", cmd_model_path());
        if (s == VLP_OK && cmd_model.flavour)
            s = vlp_preprocess_override(p, cmd_model.flavour, c.about, err);
        vlp_checkpoint_close(&c);
        VLP_TRY(s);
        if (size > 0) {
            p->width = p->height = (int)size;
            p->resize_width = p->resize_height = 0;
        }
    } else {
        const char *flavour = cmd_model.flavour ? cmd_model.flavour : "openai";
        const int   usual = strcmp(flavour, "vilt") == 0 ? 384 : 224;
        vlp_preprocess_flavour(p, flavour, size > 0 ? (int)size : usual);
    }
    p->orient = cmd_model.orient;
    p->grey16_sane = cmd_model.grey16;
    return VLP_OK;
}

static enum vlp_status put_png(struct vlp_output *o, const struct vlp_image *rgb,
                               struct vlp_error *err)
{
    struct vlp_buf  bytes = {0};
    enum vlp_status s = vlp_png_encode(&bytes, rgb, 6, err);
    if (s == VLP_OK) s = vlp_output_write(o, bytes.data, bytes.len, err);
    vlp_buf_free(&bytes);
    return s;
}

static enum vlp_status put_npy(struct vlp_output *o, struct vlp_arena *mem,
                               const struct vlp_image *rgb, const struct vlp_preprocess *how,
                               struct vlp_error *err)
{
    const int64_t dim[3] = {3, rgb->height, rgb->width};
    float        *x = VLP_NEW_N(mem, float, (size_t)(dim[0] * dim[1] * dim[2]));
    vlp_preprocess_normalize(x, rgb, how);
    return vlp_npy_write(o, VLP_F32, 3, dim, x, err);
}

/* What is wrong with the picture goes to `why`; what is wrong with the result to `err`. */
static enum vlp_status one(const char *in, const char *out, int as,
                           const struct vlp_preprocess *how, struct cmd_failures *bad,
                           struct vlp_error *err)
{
    struct vlp_arena  mem;
    struct vlp_image  image;
    struct vlp_error  why;
    struct vlp_output o;
    vlp_arena_init(&mem);
    enum vlp_status s = vlp_image_read(&image, &mem, in, &why);
    if (s == VLP_ERR_SHORTAGE) {
        vlp_arena_free(&mem);
        return vlp_fail(err, s, "%s", why.text);
    }
    if (s != VLP_OK) {
        cmd_failures_add(bad, in, strlen(in), s, why.text);
        vlp_arena_free(&mem);
        return bad->stop_at_first ? vlp_fail(err, s, "stopped at %s", in) : VLP_OK;
    }
    cmd_warn_of_damage(bad, in, strlen(in), image.warning);
    const struct vlp_image *rgb = vlp_preprocess_u8(&mem, &image, how);
    s = vlp_output_open(&o, out, force, err);
    if (s == VLP_OK) {
        const size_t size = 3 * (size_t)rgb->width * (size_t)rgb->height;
        s = as == NPY   ? put_npy(&o, &mem, rgb, how, err)
            : as == RAW ? vlp_output_write(&o, rgb->data, size, err)
                        : put_png(&o, rgb, err);
        if (s == VLP_OK)
            s = vlp_output_commit(&o, err);
        else
            vlp_output_abort(&o);
    }
    if (s == VLP_OK)
        cmd_detail("%s: %dx%d %s to %dx%d", in, image.width, image.height,
                   vlp_image_mode_name(image.mode), rgb->width, rgb->height);
    vlp_arena_free(&mem);
    return s;
}

static size_t stem_length(const char *base)
{
    const char *ext = vlp_path_ext(base);
    return strlen(base) - (*ext ? strlen(ext) + 1 : 0);
}

/* DIR/stem.png for each; the whole name instead of the stem where another input has the same stem.
 * Two that would still be one file are wrong usage. */
static const char **names_in_folder(struct vlp_arena *mem, char **in, int n)
{
    const char *const ending = ending_of(format);
    const char      **out = VLP_NEW_N(mem, const char *, (size_t)n);
    int              *stem = VLP_NEW_N(mem, int, (size_t)n);  /* number of its stem */
    int              *alike = VLP_NEW_N(mem, int, (size_t)n); /* inputs that have stem i */
    struct vlp_names *stems = vlp_names_new(), *taken = vlp_names_new();
    memset(alike, 0, (size_t)n * sizeof *alike);
    for (int i = 0; i < n; i++) {
        const char *base = vlp_path_base(in[i]);
        stem[i] = vlp_names_add(stems, vlp_arena_strndup(mem, base, stem_length(base)));
        alike[stem[i]]++;
    }
    for (int i = 0; i < n; i++) {
        const char  *base = vlp_path_base(in[i]);
        const size_t len = alike[stem[i]] == 1 ? stem_length(base) : strlen(base);
        out[i] = vlp_arena_printf(mem, "%s/%.*s.%s", output, (int)len, base, ending);
        const int first = vlp_names_add(taken, out[i]);
        if (first < i) cmd_usage_error("%s and %s would both be %s", in[first], in[i], out[i]);
    }
    vlp_names_free(stems);
    vlp_names_free(taken);
    return out;
}

/* The files in a folder that this shard's pictures would go to are not there. */
static enum vlp_status refuse_existing(char **in, const char *const *out, int n,
                                       struct vlp_error *err)
{
    for (int i = 0; i < n; i++)
        if (cmd_in_shard(in[i], strlen(in[i])))
            VLP_TRY(cmd_refuse_existing(&out[i], 1, force, err));
    return VLP_OK;
}

/* Nothing was written yet: no output is an input or another output. `out` NULL: one file. */
static enum vlp_status check_files(char **in, const char *const *out, int n, struct vlp_error *err)
{
    const char *const      files[] = {output ? output : "-", failed};
    const char            *model = cmd_model_if_any();
    const struct cmd_reads reads[] = {{"-m", &model, 1}, {"PICTURE", (const char *const *)in, n}};
    VLP_TRY(cmd_spare_inputs(&files[1], 1, reads, VLP_COUNT(reads), err));
    if (!out) {
        VLP_TRY(cmd_one_place_each(files, VLP_COUNT(files), err));
        return cmd_spare_inputs(files, 1, reads, VLP_COUNT(reads), err);
    }
    VLP_TRY(cmd_spare_inputs(out, (size_t)n, reads, VLP_COUNT(reads), err));
    return refuse_existing(in, out, n, err);
}

static enum vlp_status make_folder(bool *made, struct vlp_error *err)
{
    if (vlp_is_dir(output)) return VLP_OK;
    *made = mkdir(output, 0777) == 0;
    if (*made) return VLP_OK;
    return errno == EEXIST ? vlp_fail(err, VLP_ERR_IO, "%s: not a folder", output)
                           : vlp_fail(err, VLP_ERR_IO, "%s: %s", output, strerror(errno));
}

static void check_streams(int argc, char **argv)
{
    const struct cmd_stream_use out[] = {{"-o", output}, {"--failed", failed}};
    model_check_operands("PICTURE", argc, argv);
    cmd_one_each("standard output", out, VLP_COUNT(out));
}

static int run(int argc, char **argv)
{
    struct vlp_preprocess how;
    struct vlp_error      err;
    struct cmd_failures   bad;
    struct vlp_arena      names;
    const int             n = argc - 1;
    char                **in = argv + 1;
    const bool            folder = output && (n > 1 || vlp_is_dir(output));
    if (n == 0) cmd_usage_error("name a picture");
    check_streams(argc, argv);
    if (n > 1 && (!output || strcmp(output, "-") == 0))
        cmd_usage_error("several pictures go to a folder: -o DIR");
    if (n > 1 && !vlp_is_dir(output) && (find_ending(output) || vlp_name_is_picture(output)))
        cmd_usage_error("%s: several pictures go to a folder, and that is the name of one", output);
    if (format == AUTO && !folder) refuse_ending(output);
    const struct ending *named = folder ? NULL : find_ending(output);
    if (format == AUTO) format = named ? named->format : PNG;
    if (!folder) cmd_refuse_terminal(output, force);
    vlp_arena_init(&names);
    const char    **out = folder ? names_in_folder(&names, in, n) : NULL;
    enum vlp_status s = check_files(in, out, n, &err);
    if (s == VLP_OK) s = settings(&how, &err);
    bool made = false;
    if (s == VLP_OK && folder) s = make_folder(&made, &err);
    if (s == VLP_OK) s = cmd_failures_open(&bad, failed, force, &err);
    if (s != VLP_OK) {
        vlp_arena_free(&names);
        if (made) rmdir(output);
        return cmd_finish(cmd_fail(&err));
    }
    int tried = 0; /* of this shard */
    for (int i = 0; i < n && s == VLP_OK; i++) {
        if (!cmd_in_shard(in[i], strlen(in[i]))) continue;
        tried++;
        s = one(in[i], folder ? out[i] : output ? output : "-", format, &how, &bad, &err);
    }
    vlp_arena_free(&names);
    if (made) rmdir(output); /* where nothing is in it */
    struct vlp_error late;
    bad.whole = s == VLP_OK;
    const enum vlp_status closed = cmd_failures_close(&bad, &late);
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    if (closed != VLP_OK) return cmd_finish(cmd_fail(&late));
    if (bad.n == 0) return cmd_finish(CMD_OK);
    if (bad.n < tried) return cmd_finish(CMD_SKIPPED);
    cmd_nothing_used(&bad, "pictures", &err);
    return cmd_finish(cmd_fail(&err));
}

/* clang-format off */
static const struct cmd_option options[] = {
    CMD_ROW('o', "output", "PATH", CMD_STRING, &output, "stdout",
            "the file to write; for several pictures a folder, made if it is not there",
            .group = "Output"),
    CMD_ROW('f', "force", NULL, CMD_FLAG, &force, NULL,
            "overwrite it; write to a terminal"),
    CMD_ROW(0, "format", "NAME", CMD_CHOICE, &format, "by -o: .npy, .rgb or .raw (raw), else png",
            "png: the u8 pixels; npy: the normalised f32 tensor (3, height, width); raw: RGB bytes",
            .choices = formats),
    CMD_ROW(0, "failed", "FILE", CMD_STRING, &failed, NULL,
            "write pictures that could not be used to FILE: id, reason, detail"),
    CMD_ROW(0, "on-error", "WHAT", CMD_CHOICE, &cmd_on_error, "skip",
            "skip a picture that cannot be used, or stop at it", .choices = cmd_on_errors),
    CMD_ROW(0, "size", "N", CMD_INT, &size, "the model's, else 224 (vilt: 384)",
            "side of the result in pixels", .group = "Pictures", .min = 1, .max = 16384),
    CMD_SHARD_OPTION, CMD_PICTURE_OPTIONS, CMD_MODEL_OPTION_OR_NONE, CMD_COMMON_OPTIONS, CMD_LAST};
/* clang-format on */

static const char *const usage[] = {"[OPTION]... PICTURE [-o FILE]",
                                    "[OPTION]... PICTURE... -o DIR", NULL};

const struct cmd_program cmd_model_preprocess = {
    .name = "vlp-model preprocess",
    .summary = "what the model sees of a picture: PNG of the pixels, or npy of the tensor",
    .usage = usage,
    .options = options,
    .notes = "Without -m and $VLP_MODEL the preprocessing is that of --flavour (openai).",
    .run = run,
};
