/*
 * vlp-embed.c -- pictures and texts to vectors.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <vlp/classify.h>

#include "embed_job.h"

/* ---- what the user asked for ------------------------------------------------------- */

static const char *const only_names[] = {"both", "image", "text", NULL};
static const char *const truncate_names[] = {"cut", "error", NULL};
static const char *const layer_names[] = {"features", "penultimate", NULL};
static const char *const dtype_names[] = {"f32", "f16", "bf16", "i8", NULL};

static struct embed_options opt = {.normalize = true, .dtype = 0};

static bool take_output_format(void *target, const char *value, char why[256])
{
    for (int i = 0; vlp_embedding_formats[i]; i++)
        if (strcmp(vlp_embedding_formats[i], value) == 0) {
            *(const char **)target = vlp_embedding_formats[i];
            return true;
        }
    snprintf(why, 256, "'%s' is none of the formats that can be written", value);
    return false;
}

/* clang-format off */
static const struct cmd_option options[] = {
    CMD_SOURCE_OPTIONS,
    CMD_ROW(0, "only", "WHAT", CMD_CHOICE, &opt.only, "both",
            "of records with a picture and a text: both, image or text", .choices = only_names),
    CMD_ROW('t', "template", "TEXT", CMD_LIST, &opt.prompts, NULL,
            "put each text in place of {} in TEXT; may be repeated: the average is taken",
            .group = "Texts"),
    CMD_TEMPLATES_FROM(&opt.templates_file, "the same from FILE: one a line, or a JSON list"),
    CMD_ROW(0, "truncate", "WHAT", CMD_CHOICE, &opt.truncate, "cut",
            "a text longer than the model takes: cut it, or make it an error",
            .choices = truncate_names),
    CMD_MODEL_OPTIONS,
    CMD_ROW('b', "batch", "N", CMD_INT, &opt.batch, "chosen by the model",
            "records that a thread takes at a time", .min = 1, .max = 65536),
    CMD_ROW('o', "output", "FILE", CMD_STRING, &opt.output, "stdout",
            "write to FILE; an interrupted stream is continued", .group = "Output"),
    CMD_ROW('f', "force", NULL, CMD_FLAG, &opt.force, NULL,
            "overwrite FILE; write binary data to a terminal"),
    CMD_ROW(0, "add", NULL, CMD_FLAG, &opt.add, NULL,
            "add what is new or changed to FILE, complete or not; delete nothing"),
    CMD_ROW(0, "update", NULL, CMD_FLAG, &opt.update, NULL,
            "make FILE mirror these inputs: --add, and delete what they do not name"),
    CMD_ROW(0, "format", "NAME", CMD_CALL, &opt.format, "by the ending of FILE, else vle",
            "vle (the stream), npy, fvecs, tsv, jsonl or safetensors",
            .choices = vlp_embedding_formats, .call = take_output_format),
    CMD_ROW(0, "convert", NULL, CMD_FLAG, &opt.convert, NULL,
            "inputs are embedding files: write their records in another format or type"),
    CMD_ROW(0, "skip-damaged", NULL, CMD_FLAG, &opt.skip_damaged, NULL,
            "with --convert: step over damaged blocks of a stream, keep the sound ones"),
    CMD_ROW(0, "header", NULL, CMD_FLAG, &opt.header, NULL, "tsv: column names first"),
    CMD_ROW(0, "dtype", "NAME", CMD_CHOICE, &opt.dtype, "f32",
            "numbers in the stream: f32, f16, bf16 or i8", .choices = dtype_names),
    CMD_ROW(0, "normalize", NULL, CMD_FLAG, &opt.normalize, NULL,
            "scale vectors to unit length (the default)"),
    CMD_ROW(0, "no-normalize", NULL, CMD_UNFLAG, &opt.normalize, NULL,
            "leave vectors as the model gives them"),
    CMD_ROW(0, "layer", "NAME", CMD_CHOICE, &opt.layer, "features",
            "features, or penultimate: of pictures, before the last projection (linear probes)",
            .choices = layer_names),
    CMD_ROW(0, "max-time", "TIME", CMD_FLOAT, &opt.max_time, "none",
            "stop after TIME (seconds, or 90s, 45m, 2h) with status 6; the same command continues "
            "(-o FILE.vle)",
            .max = 1e12, .unit = 1),
    CMD_FAILURE_OPTIONS,
    CMD_COMMON_OPTIONS, CMD_LAST};
/* clang-format on */

static const char *const usage[] = {"[OPTION]... INPUT...", "[OPTION]... --files-from=LIST",
                                    "[OPTION]... --lines=FILE",
                                    "[OPTION]... --convert EMBEDDINGS...", NULL};

static const struct cmd_program program = {
    .name = "vlp-embed",
    .summary = "turn pictures and texts into vectors",
    .usage = usage,
    .options = options,
    .notes = "INPUT is a picture, a folder, a table (tsv, csv, json, jsonl), a tar file, or - for "
             "stdin.\nThe same command, run again, continues a job that was interrupted.",
};

/* ---- the run ----------------------------------------------------------------------- */

/* Prompts of --template, then those of --templates-from; NULL when there are none. */
static enum vlp_status read_templates(const char *const **out, struct vlp_arena *mem,
                                      struct vlp_error *err)
{
    struct cmd_list *all = &opt.prompts;
    if (opt.templates_file) {
        struct vlp_templates read;
        VLP_TRY(vlp_templates_read(&read, opt.templates_file, err));
        for (int i = 0; i < read.n; i++) cmd_list_add(all, vlp_arena_strdup(mem, read.text[i]));
        vlp_templates_free(&read);
    }
    *out = all->n > 0 ? all->item : NULL;
    return VLP_OK;
}

/* A conversion reads embedding files and knows no model: every other option is a mistake. */
static void check_convert(int n_inputs)
{
    static const char *const taken[] = {"convert",  "output",       "force",     "format",
                                        "dtype",    "header",       "normalize", "no-normalize",
                                        "shard",    "limit",        "quiet",     "verbose",
                                        "progress", "skip-damaged", "only"};
    for (const struct cmd_option *o = options; o->kind != CMD_END; o++) {
        bool known = !o->name || !cmd_given(o->name);
        for (size_t i = 0; i < VLP_COUNT(taken) && !known; i++)
            known = strcmp(taken[i], o->name) == 0;
        if (!known) cmd_usage_error("--%s does not go with --convert", o->name);
    }
    if (n_inputs == 0) cmd_usage_error("no input: --convert takes embedding files as arguments");
}

static void check_usage(char **inputs, int n_inputs)
{
    if (opt.convert) check_convert(n_inputs);
    if (n_inputs == 0 && !cmd_source.files_from && !cmd_source.lines)
        cmd_usage_error("no input: name pictures, folders, tables or tar files, or - for stdin");
    if (opt.skip_damaged && !opt.convert) cmd_usage_error("--skip-damaged goes with --convert");
    if (!opt.output) opt.output = "-";
    if (!opt.format) {
        const char *ext = vlp_path_ext(opt.output);
        opt.format = "vle";
        for (int i = 0; vlp_embedding_formats[i]; i++)
            if (strcmp(vlp_embedding_formats[i], ext) == 0) opt.format = vlp_embedding_formats[i];
        cmd_refuse_ending(opt.output, vlp_embedding_formats,
                          "; --format names one of them for any name");
    }
    const bool text = strcmp(opt.format, "tsv") == 0 || strcmp(opt.format, "jsonl") == 0;
    const bool to_stdout = strcmp(opt.output, "-") == 0;
    if (!text) cmd_refuse_terminal(opt.output, opt.force);
    const struct cmd_stream_use in[] = {
        {"-m", cmd_model.path},
        {"--templates-from", opt.templates_file},
        {"--files-from", cmd_source.files_from},
        {"--lines", cmd_source.lines},
        {"INPUT", cmd_stdin_among("INPUT", (const char *const *)inputs, n_inputs)}};
    const struct cmd_stream_use out[] = {{"-o", opt.output}, {"--failed", cmd_failed_path}};
    cmd_one_each("standard input", in, VLP_COUNT(in));
    cmd_one_each("standard output", out, VLP_COUNT(out));
    cmd_check_templates(&opt.prompts);
    if (opt.add && opt.update)
        cmd_usage_error("--add deletes nothing, --update what is gone: give one of them");
    if (embed_merges(&opt) && (to_stdout || strcmp(opt.format, "vle") != 0))
        cmd_usage_error("%s works on a stream in a file: -o FILE.vle", embed_merge_name(&opt));
    struct stat st;
    const bool  device = stat(opt.output, &st) == 0 && !S_ISREG(st.st_mode);
    if (opt.max_time > 0 && (to_stdout || device || strcmp(opt.format, "vle") != 0))
        cmd_usage_error("--max-time works on a stream in a file: -o FILE.vle");
    if (opt.max_time > 0 && opt.force && !embed_merges(&opt))
        cmd_usage_error("--max-time is for a job that is continued; -f would start over each time");
    if (opt.layer == 1 && opt.only == EMBED_TEXT)
        cmd_usage_error("the penultimate layer is one of pictures, not of texts");
    if (opt.layer == 1) opt.only = EMBED_IMAGE;
}

static void summary(const struct embed_job *j)
{
    const double   took = vlp_now() - j->start;
    struct vlp_buf b = {0};
    vlp_buf_printf(&b, "%" PRId64 " %s, %" PRId64 " %s in %.1f s (%.1f a second)", j->images,
                   j->images == 1 ? "picture" : "pictures", j->texts,
                   j->texts == 1 ? "text" : "texts", took,
                   (double)(j->images + j->texts) / fmax(took, 1e-9));
    if (j->resuming && !embed_merges(&opt))
        vlp_buf_printf(&b, "; %" PRId64 " were there already", j->held);
    if (j->deleted > 0) vlp_buf_printf(&b, "; %" PRId64 " deleted or replaced", j->deleted);
    if (j->cut > 0)
        vlp_buf_printf(&b, "; %" PRId64 " %s cut to %d ids", j->cut, j->cut == 1 ? "text" : "texts",
                       vlp_tokenizer_context(j->e.tokenizer));
    if (j->bad.n > 0)
        vlp_buf_printf(&b, "; %" PRId64 " %s skipped", j->bad.n,
                       j->bad.n == 1 ? "record" : "records");
    cmd_note("%s", b.data);
    vlp_buf_free(&b);
}

/* Leave the stream of a job that has not done all it was asked for. Without an end record it is to
 * be continued; one that was complete before is so whatever became of the additions. */
static enum vlp_status leave(struct embed_job *j, struct vlp_error *err)
{
    const bool changed = j->images + j->texts + j->deleted > 0;
    if (j->ended && changed) return vlp_embedding_writer_close(j->writer, err);
    const enum vlp_status s = vlp_embedding_flush(j->writer, err);
    vlp_embedding_writer_abandon(j->writer);
    return s;
}

/* Close the output as the run's end asks for; the exit status. */
static int finish(struct embed_job *j, enum vlp_status s, struct vlp_error *err)
{
    struct vlp_error late = {0};
    const int64_t    written = j->images + j->texts;
    const bool       stream = strcmp(opt.format, "vle") == 0;
    const bool       stopped = s == VLP_ERR_STOPPED;
    const bool       empty = written + j->held == 0 && cmd_source.shard[1] == 0;
    const bool       nothing = s == VLP_OK && (empty || j->nothing);
    if (stopped && stream) {
        if (leave(j, &late) != VLP_OK) return cmd_fail(&late);
    } else if (s != VLP_OK || nothing) {
        /* A file that is not ours any more is not ours to remove. */
        const bool ours = stream && leave(j, &late) == VLP_OK;
        if (!stream) vlp_embedding_writer_abandon(j->writer);
        if (ours && written == 0 && !j->resuming && !j->replaces) embed_remove(opt.output);
        if (nothing) {
            j->bad.whole = true;
            if (j->bad.n == 0) {
                embed_say_nothing(&opt, j->unwanted);
                return j->lost != VLP_OK ? cmd_exit_of(j->lost) : CMD_FAILED;
            }
            cmd_nothing_used(&j->bad, "records", err);
        }
        if (!stopped) return cmd_fail(err);
    } else if ((j->lost != VLP_OK || j->unfinished) && stream && strcmp(opt.output, "-") != 0) {
        /* Once the input is whole, the same command adds the rest, and so does the one that began
         * the file. */
        if (leave(j, &late) != VLP_OK) return cmd_fail(&late);
    } else if (vlp_embedding_writer_close(j->writer, &late) != VLP_OK) {
        return cmd_fail(&late);
    }
    /* What was not named is in the output now: an older list of failures may go. */
    j->bad.whole = !stopped;
    summary(j);
    if (stopped) {
        if (!stream)
            cmd_note("stopped; %s is written whole or not at all, so nothing was kept", opt.format);
        else if (strcmp(opt.output, "-") == 0)
            cmd_note("stopped; the stream is valid as far as it goes");
        else if (j->replaces && written == 0)
            cmd_note("stopped; %s is as it was", opt.output);
        else
            cmd_note("stopped; the same command%s continues %s",
                     opt.force && !embed_merges(&opt) ? " without -f" : "", opt.output);
        return embed_out_of_time(j) && !cmd_stopped() ? CMD_LIMIT : CMD_SIGNALLED + cmd_stopped();
    }
    if (j->broken_join)
        cmd_note("%s cannot become complete: a part that was joined into it had not finished; "
                 "vlp-embed --convert makes a complete file of what is there",
                 opt.output);
    else if (j->unfinished && j->unclaimed)
        cmd_note("%s is not complete: --update with all inputs that it was made from makes it so",
                 opt.output);
    else if (j->unfinished)
        cmd_note("%s is not complete: the command that began it continues it", opt.output);
    if (j->lost != VLP_OK) {
        if (stream && strcmp(opt.output, "-") != 0)
            cmd_note("an input could not be read to its end; the same command tries again");
        return cmd_exit_of(j->lost);
    }
    return j->bad.n > 0 ? CMD_SKIPPED : CMD_OK;
}

/* No file that is named to be read is written to, but a list of failures that is read as a list of
 * names. What lists and folders hold is not looked at. */
static enum vlp_status check_files(char **inputs, int n, struct vlp_error *err)
{
    const char *const      out[] = {opt.output, cmd_failed_path};
    const char *const      at_once[] = {opt.output, cmd_if_stdout(cmd_failed_path)};
    const char            *model = cmd_model_if_any();
    const struct cmd_reads in[] = {{"-m", &model, 1},
                                   {"--templates-from", &opt.templates_file, 1},
                                   {"--lines", &cmd_source.lines, 1},
                                   {"INPUT", (const char *const *)inputs, n}};
    const struct cmd_reads list = {"--files-from", &cmd_source.files_from, 1};
    VLP_TRY(cmd_one_place_each(out, VLP_COUNT(out), err));
    VLP_TRY(cmd_spare_inputs(out, VLP_COUNT(out), in, VLP_COUNT(in), err));
    return cmd_spare_inputs(at_once, VLP_COUNT(at_once), &list, 1, err);
}

static int embed(struct embed_job *j, char **inputs, int n)
{
    struct vlp_source_options from;
    struct vlp_source        *source;
    struct vlp_error          err = {0}, late = {0};
    const char *const        *templates = NULL;
    const char *const         outputs[] = {opt.output, cmd_failed_path};
    enum vlp_status           s = check_files(inputs, n, &err);
    if (s == VLP_OK) s = read_templates(&templates, &j->mem, &err);
    if (s != VLP_OK) return cmd_fail(&err);
    if ((s = cmd_model_open(&j->e, &err)) != VLP_OK) return cmd_fail(&err);
    cmd_detail("%s: %s, %d numbers, fingerprint %s; %s %s, %d threads", cmd_model_path(),
               j->e.model.family->name, j->e.model.embed_dim, j->e.fingerprint,
               vlp_cpu_name(j->e.compute.cpu), vlp_precision_name(j->e.compute.precision),
               vlp_pool_threads(j->e.compute.pool));
    cmd_source_options(&from, inputs, n);
    from.outputs = outputs;
    from.n_outputs = VLP_COUNT(outputs);
    from.text_fault = opt.only == EMBED_IMAGE ? VLP_FAULT_UNASKED : VLP_FAULT_APART;
    /* pictures take a label along that is there */
    from.label_fault = opt.only != EMBED_TEXT ? VLP_FAULT_APART : VLP_FAULT_UNASKED;
    from.loose_labels = true;
    if ((s = vlp_source_open(&source, &from, &err)) == VLP_OK) {
        s = embed_describe(j, inputs, n, templates, &err);
        if (s == VLP_OK) s = cmd_failures_open(&j->bad, cmd_failed_path, opt.force, &err);
        if (s == VLP_OK) s = embed_open_output(j, &err);
        int status;
        if (s != VLP_OK) {
            status = cmd_fail(&err);
        } else if (j->complete) {
            cmd_note("%s is complete: --update looks for changes, -f starts over", opt.output);
            status = CMD_OK;
        } else {
            cmd_stop_politely();
            s = embed_run(j, source, &from, templates, &err);
            status = finish(j, s, &err);
        }
        if (cmd_failures_close(&j->bad, &late) != VLP_OK) status = cmd_fail(&late);
        vlp_source_close(source);
        json_decref(j->header.about);
        vlp_encoder_close(&j->e);
        return status;
    }
    vlp_encoder_close(&j->e);
    return cmd_fail(&err);
}

int main(int argc, char **argv)
{
    const int        first = cmd_start(&program, argc, argv);
    struct embed_job j = {.o = &opt, .start = vlp_now()};
    check_usage(argv + first, argc - first);
    pthread_mutex_init(&j.lock, NULL);
    vlp_arena_init(&j.mem);
    embed_state_init(&j.state);
    const int status = opt.convert ? embed_convert(&opt, argv + first, argc - first)
                                   : embed(&j, argv + first, argc - first);
    embed_state_free(&j.state);
    free(j.unread.item);
    vlp_arena_free(&j.mem);
    pthread_mutex_destroy(&j.lock);
    return cmd_finish(status);
}
