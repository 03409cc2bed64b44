/*
 * vlp-classify.c -- pictures or their vectors to classes: zero-shot, saved, neighbours, probes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vlp/html.h>

#include "classify_parts.h"

struct classify_options classify = {.neighbours = 20,
                                    .temperature = 0.07,
                                    .C = 0.316,
                                    .holdout = 0.2,
                                    .k = 1,
                                    .unknown = -HUGE_VAL,
                                    .unknown_name = "unknown"};

static bool take_scale(void *target, const char *value, char why[256])
{
    double *scale = target;
    if (strcmp(value, "model") == 0) {
        *scale = -1.0;
        return true;
    }
    if (vlp_parse_f64(value, scale) && *scale > 0.0 && isfinite(*scale)) return true;
    snprintf(why, 256, "'%s' is neither a positive number nor 'model'", value);
    return false;
}

/* enum classify_only */
static const char *const modalities[] = {"image", "text", "both", NULL};

static const char *const scale_words[] = {"model", NULL}; /* beside numbers */

/* clang-format off */
static const struct cmd_option options[] = {
    CMD_ROW('l', "labels", "NAMES", CMD_STRING, &classify.labels, NULL,
            "the classes, separated by commas", .group = "Classes"),
    CMD_ROW(0, "labels-from", "FILE", CMD_STRING, &classify.labels_from, NULL,
            "the classes, one a line ('name|other name'), or as JSON with prompts"),
    CMD_ROW('t', "template", "TEXT", CMD_LIST, &classify.templates, VLP_DEFAULT_TEMPLATE,
            "what is said of a class, {} being its name; may be repeated"),
    CMD_TEMPLATES_FROM(&classify.templates_from, "templates, one a line, or a JSON list"),
    CMD_ROW('C', "classifier", "FILE", CMD_STRING, &classify.classifier, NULL,
            "use a saved classifier"),
    CMD_ROW(0, "save-classifier", "FILE", CMD_STRING, &classify.save, NULL,
            "save the classifier: an embedding file, a record a class"),
    CMD_ROW(0, "logit-scale", "S", CMD_CALL, &classify.logit_scale, "100",
            "what cosines are multiplied with: a number, or 'model' for the learned one",
            .choices = scale_words, .call = take_scale),
    CMD_ROW(0, "knn", "FILE", CMD_STRING, &classify.knn, NULL,
            "vote of the nearest labelled records of this embedding file", .group = "Neighbours"),
    CMD_ROW(0, "neighbours", "N", CMD_INT, &classify.neighbours, "20", "how many of them",
            .min = 1, .max = 1e8),
    CMD_ROW(0, "temperature", "T", CMD_FLOAT, &classify.temperature, "0.07",
            "a neighbour's vote weighs exp(score / T)", .min = 1e-6, .max = 1e6),
    CMD_ROW(0, "fit", "FILE", CMD_STRING, &classify.fit, NULL,
            "fit a linear probe to the labelled records of this embedding file",
            .group = "Linear probe"),
    CMD_ROW(0, "C", "C", CMD_FLOAT, &classify.C, "0.316",
            "weight of the data against the penalty, as in scikit-learn (of two classes: its 2 C)",
            .min = 1e-12, .max = 1e12),
    CMD_ROW(0, "lambda", "L", CMD_FLOAT, &classify.lambda, "1 / C", "the penalty instead of C",
            .min = 1e-12, .max = 1e12),
    CMD_ROW(0, "sweep", NULL, CMD_FLAG, &classify.sweep, NULL,
            "find the penalty on held-out records, then fit to all"),
    CMD_ROW(0, "validation", "FILE", CMD_STRING, &classify.validation, NULL,
            "the held-out records"),
    CMD_ROW(0, "holdout", "SHARE", CMD_FLOAT, &classify.holdout, "0.2",
            "without --validation, this share of the records is held out", .min = 0.01, .max = 0.9),
    CMD_ROW(0, "tolerance", "G", CMD_FLOAT, &classify.tolerance, "1e-8",
            "stop when no entry of the gradient is larger than G * C * records", .min = 1e-14,
            .max = 1),
    CMD_ROW(0, "max-iterations", "N", CMD_INT, &classify.max_iterations, "1000",
            "stop after N steps", .min = 1, .max = 1e7),
    CMD_ROW(0, "penultimate", NULL, CMD_FLAG, &classify.penultimate, NULL,
            "the vectors are what the last projection sees: remember it with the probe"),
    CMD_ROW('E', "embeddings", "FILE", CMD_LIST, &classify.embeddings, NULL,
            "classify the vectors of this embedding file; - is stdin; may be repeated", .group = "Vectors"),
    CMD_ROW(0, "only", "WHAT", CMD_CHOICE, &classify.only, "image",
            "of the records of -E, --knn and --fit, take image, text or both",
            .choices = modalities),
    CMD_ROW(0, "ignore-model", NULL, CMD_FLAG, &classify.ignore_model, NULL,
            "take vectors of another model all the same"),
    CMD_SOURCE_OPTIONS,
    CMD_ROW('b', "batch", "N", CMD_INT, &classify.batch, "chosen by the model",
            "pictures encoded at once", .min = 1, .max = 4096),
    CMD_ROW('k', "top", "K", CMD_INT, &classify.k, "1", "print the K best classes; 0: all",
            .group = "Output", .max = 1e9),
    CMD_ROW(0, "score", "KIND", CMD_CHOICE, &classify.score, "softmax",
            "softmax, sigmoid, cosine, margin or logit", .choices = vlp_score_names),
    CMD_ROW(0, "unknown", "S", CMD_FLOAT, &classify.unknown, "none",
            "records whose best score is below S are of no class"),
    CMD_ROW(0, "unknown-name", "NAME", CMD_STRING, &classify.unknown_name, "unknown",
            "what is printed for them"),
    CMD_ROW(0, "truth", "FILE", CMD_STRING, &classify.truth, NULL,
            "right labels by id: TSV, CSV, JSON, JSON lines, or .npy of numbers"),
    CMD_ROW(0, "folder-labels", NULL, CMD_FLAG, &classify.folder_labels, NULL,
            "a record's right label is the folder that it lies in"),
    CMD_ROW(0, "report", "FILE", CMD_STRING, &classify.report, NULL,
            "accuracy, classes and confusion as JSON; -: stdout, instead of predictions"),
    CMD_ROW(0, "confusion", "FILE", CMD_STRING, &classify.confusion, NULL,
            "the confusion matrix: a picture if FILE ends in .png, else TSV"),
    CMD_ROW('o', "output", "FILE", CMD_STRING, &classify.output, "-", "where results go"),
    CMD_ROW('f', "force", NULL, CMD_FLAG, &classify.force, NULL, "overwrite files"),
    CMD_ROW(0, "json", NULL, CMD_FLAG, &classify.json, NULL, "one JSON object a line instead of TSV"),
    CMD_ROW(0, "header", NULL, CMD_FLAG, &classify.header, NULL, "TSV: column names first"),
    CMD_ROW(0, "html", "FILE", CMD_STRING, &classify.html, NULL,
            "write one page with thumbnails that needs nothing else"),
    CMD_MODEL_OPTIONS,
    CMD_FAILURE_OPTIONS,
    CMD_COMMON_OPTIONS,
    CMD_LAST
};
/* clang-format on */

static const char *const usage[] = {"[OPTION]... -l LIST PICTURE...",
                                    "[OPTION]... -C CLASSIFIER [-E VECTORS | PICTURE...]",
                                    "[OPTION]... --knn LABELLED [-E VECTORS | PICTURE...]",
                                    "[OPTION]... --fit LABELLED --save-classifier FILE", NULL};

static const struct cmd_program program = {
    .name = "vlp-classify",
    .summary = "say which class pictures or vectors belong to",
    .usage = usage,
    .options = options,
    .notes = "PICTURE is a picture, a folder (with -r), a table, JSON lines or a tar file. A file "
             "ending in .vle, .npy or .fvecs is taken as -E.",
};

static bool is_vectors(const char *path)
{
    const char *ext = vlp_path_ext(path);
    return strcasecmp(ext, "vle") == 0 || strcasecmp(ext, "npy") == 0 ||
           strcasecmp(ext, "fvecs") == 0;
}

static bool has_pictures(int n_paths)
{
    return n_paths > 0 || cmd_source.files_from;
}

/* Does something other than results go to stdout? They give way unless -o names their place. */
static bool stdout_is_taken(void)
{
    const char *const files[] = {classify.save, classify.report, classify.confusion, classify.html};
    for (size_t i = 0; i < VLP_COUNT(files); i++)
        if (files[i] && strcmp(files[i], "-") == 0) return true;
    return false;
}

/* NULL: there are none, or they are not wanted. */
static const char *place_of_results(int n_paths)
{
    const bool any = classify.embeddings.n || has_pictures(n_paths) || classify.fit;
    if (classify.output) return classify.output;
    return any && !stdout_is_taken() ? "-" : NULL;
}

static void check_streams(int n_paths, char **paths)
{
    const struct cmd_stream_use in[] = {
        {"-m", cmd_model.path},
        {"--labels-from", classify.labels_from},
        {"--templates-from", classify.templates_from},
        {"-C", classify.classifier},
        {"--knn", classify.knn},
        {"--fit", classify.fit},
        {"--validation", classify.validation},
        {"--truth", classify.truth},
        {"-E", cmd_stdin_among("-E", classify.embeddings.item, classify.embeddings.n)},
        {"--files-from", cmd_source.files_from},
        {"PICTURE", cmd_stdin_among("PICTURE", (const char *const *)paths, n_paths)}};
    const struct cmd_stream_use out[] = {
        {"-o", place_of_results(n_paths)}, {"--save-classifier", classify.save},
        {"--report", classify.report},     {"--confusion", classify.confusion},
        {"--html", classify.html},         {"--failed", cmd_failed_path}};
    cmd_one_each("standard input", in, VLP_COUNT(in));
    cmd_one_each("standard output", out, VLP_COUNT(out));
    if (classify.save) cmd_refuse_terminal(classify.save, classify.force);
}

/* May records bring a right label with them? Folders and pictures have none. */
static bool may_have_labels(int n_paths, char **paths)
{
    bool may = classify.embeddings.n > 0 || cmd_source.files_from || cmd_source.format;
    for (int i = 0; i < n_paths; i++)
        may |=
            vlp_shard_length(paths[i]) || (!vlp_is_dir(paths[i]) && !vlp_name_is_picture(paths[i]));
    return may;
}

/* Operands that are files of vectors all are what -E takes. */
static void take_vectors(int *n_paths, char **paths)
{
    int n = 0;
    for (int i = 0; i < *n_paths; i++) n += is_vectors(paths[i]);
    for (int i = 0; n > 0 && n < *n_paths && i < *n_paths; i++)
        if (is_vectors(paths[i]))
            cmd_usage_error("%s is no picture but vectors: those go with -E, apart from pictures",
                            paths[i]);
    if (n == 0) return;
    for (int i = 0; i < n; i++) cmd_list_add(&classify.embeddings, paths[i]);
    *n_paths = 0;
}

/* What would be taken and do nothing. */
static void refuse_idle(bool zero_shot, bool inputs)
{
    const bool fit = classify.fit, knn = classify.knn;
    const char made[] = "is for -l and --labels-from: other classes are not made from words";
    const char told[] = "is about what is classified: give pictures or -E";
    const struct cmd_need need[] = {
        {"template", zero_shot, made},
        {"templates-from", zero_shot, made},
        {"templates", zero_shot, made},
        {"logit-scale", zero_shot || classify.classifier, "is for -l, --labels-from and -C"},
        {"score", !knn, "is not for --knn: its scores are shares of votes"},
        {"neighbours", knn, "is for --knn"},
        {"temperature", knn, "is for --knn"},
        {"C", fit, "is for --fit"},
        {"lambda", fit, "is for --fit"},
        {"sweep", fit, "is for --fit"},
        {"tolerance", fit, "is for --fit"},
        {"max-iterations", fit, "is for --fit"},
        {"penultimate", fit, "is for --fit"},
        {"validation", classify.sweep, "is for --sweep"},
        {"holdout", classify.sweep && !classify.validation, "is for --sweep without --validation"},
        {"only", classify.embeddings.n || knn || fit, "chooses records of -E, --knn and --fit"},
        {"folder-labels", !classify.truth, "is not for --truth, which says all labels"},
        {"report", inputs, told},
        {"confusion", inputs, told},
        {"html", inputs, told},
        {"output", inputs || fit, told},
        {"top", inputs, told},
        {"score", inputs, told},
        {"unknown", inputs, told},
        {"unknown-name", inputs, told},
        {"unknown-name", cmd_given("unknown") || classify.confusion,
         "is for --unknown and --confusion"},
        {"header", inputs || fit, told},
        {"header", !classify.json, "is for TSV, not for --json"},
    };
    cmd_refuse_idle(need, VLP_COUNT(need));
}

static void check_usage(int *n_paths, char **paths)
{
    const bool zero_shot = classify.labels || classify.labels_from;
    const int  ways =
        zero_shot + (classify.classifier != NULL) + (classify.knn != NULL) + (classify.fit != NULL);
    take_vectors(n_paths, paths);
    if (ways == 0) cmd_usage_error("no classes: give -l, --labels-from, -C, --knn or --fit");
    if (ways > 1) cmd_usage_error("-l, -C, --knn and --fit exclude one another");
    if (classify.labels && classify.labels_from) cmd_usage_error("-l and --labels-from together");
    if (classify.templates.n && classify.templates_from)
        cmd_usage_error("--template and --templates-from together");
    cmd_check_templates(&classify.templates);
    if (cmd_source.lines) cmd_usage_error("--lines gives texts; pictures are classified");
    if (classify.embeddings.n && has_pictures(*n_paths))
        cmd_usage_error("pictures and -E together");
    if (!classify.embeddings.n && !has_pictures(*n_paths) && !classify.save && !classify.fit)
        cmd_usage_error("nothing to classify: give pictures or -E");
    if ((classify.report || classify.confusion) && !classify.truth && !classify.folder_labels &&
        has_pictures(*n_paths) && !may_have_labels(*n_paths, paths))
        cmd_usage_error("no record has a right label: give --truth or --folder-labels");
    cmd_refuse_ending(classify.save, (const char *const[]){"vle", NULL}, ", an embedding stream");
    if (classify.save && classify.knn)
        cmd_usage_error("neighbours cannot be saved as a classifier");
    if (cmd_given("C") && cmd_given("lambda")) cmd_usage_error("--C and --lambda together");
    if (classify.sweep && (cmd_given("C") || cmd_given("lambda")))
        cmd_usage_error("--sweep finds the penalty itself: no --C and --lambda");
    if (cmd_given("lambda")) classify.C = 1.0 / classify.lambda;
    refuse_idle(zero_shot, classify.embeddings.n || has_pictures(*n_paths));
    check_streams(*n_paths, paths);
}

/* No file that is named to be read is written to, but a list of failures that is read as a list of
 * names. What lists and folders hold is not looked at. */
static enum vlp_status check_files(const struct classify_job *job, char **paths, int n_paths,
                                   struct vlp_error *err)
{
    const char *const     *out = job->files;
    const char *const      failures = cmd_if_stdout(cmd_failed_path);
    const char            *model = cmd_model_if_any();
    const struct cmd_reads in[] = {
        {"-m", &model, 1},
        {"--labels-from", &classify.labels_from, 1},
        {"--templates-from", &classify.templates_from, 1},
        {"--knn", &classify.knn, 1},
        {"--fit", &classify.fit, 1},
        {"--validation", &classify.validation, 1},
        {"--truth", &classify.truth, 1},
        {"-E", classify.embeddings.item, classify.embeddings.n},
        {"PICTURE", (const char *const *)paths, n_paths},
    };
    const struct cmd_reads list = {"--files-from", &cmd_source.files_from, 1};
    const struct cmd_reads classifier = {"-C", &classify.classifier, 1};
    VLP_TRY(cmd_one_place_each(out, CLASSIFY_FILES, err));
    VLP_TRY(cmd_spare_inputs(out, CLASSIFY_FILES, in, VLP_COUNT(in), err));
    /* --save-classifier, the first, is written after the classifier was read */
    VLP_TRY(cmd_spare_inputs(out + 1, CLASSIFY_FILES - 1, &classifier, 1, err));
    VLP_TRY(cmd_spare_inputs(out, CLASSIFY_FILES - 1, &list, 1, err));
    VLP_TRY(cmd_spare_inputs(&failures, 1, &list, 1, err));
    /* the list of failures has rules of its own */
    return cmd_check_outputs(out, CLASSIFY_FILES - 1, classify.force, err);
}

static enum vlp_status run(struct classify_job *job, char **paths, int n_paths,
                           struct vlp_error *err)
{
    const bool inputs = classify.embeddings.n || has_pictures(n_paths);
    job->pool = vlp_pool_open(cmd_threads());
    VLP_TRY(vlp_compute_init(&job->compute, job->pool, getenv("VLP_CPU"), VLP_PRECISION_F32, err));
    VLP_TRY(check_files(job, paths, n_paths, err));
    VLP_TRY(cmd_failures_open(&job->failures, cmd_failed_path, classify.force, err));
    job->silent = !classify.output && stdout_is_taken();
    if (classify.truth) VLP_TRY(vlp_truth_read(&job->truth, classify.truth, err));
    VLP_TRY(classify.fit ? classify_fit(job, !inputs, err) : classify_prepare(job, err));
    if (!inputs) return VLP_OK;
    VLP_TRY(classify_check_unknown(job, err));
    VLP_TRY(classify_expect_truth(job, err));
    VLP_TRY(classify_open_output(job, err));
    cmd_stop_politely(); /* until here nothing was begun that would have to be ended */
    classify_put_header(job);
    for (int i = 0; i < classify.embeddings.n && !classify_enough(job); i++)
        VLP_TRY(classify_vectors(job, classify.embeddings.item[i], err));
    if (!classify.embeddings.n) VLP_TRY(classify_pictures(job, paths, n_paths, err));
    if (job->n_done == 0) {
        job->failures.whole = true; /* all are named */
        return cmd_nothing_used(&job->failures, "records", err);
    }
    VLP_TRY(vlp_output_commit(&job->out, err)); /* whole, whatever becomes of what is made of it */
    job->failures.whole = true;
    return classify_finish(job, err);
}

static void close_job(struct classify_job *job)
{
    vlp_output_abort(&job->out);
    vlp_page_close(job->page);
    vlp_evaluation_free(&job->evaluation);
    vlp_truth_free(job->truth);
    vlp_names_free(job->classes);
    if (job->has_classifier) vlp_classifier_free(&job->classifier);
    if (job->has_knn) {
        vlp_candidates_close(&job->knn.rows);
        vlp_set_free(&job->knn.set);
        free(job->knn.class_of_row);
    }
    free(job->logits);
    free(job->scores);
    free(job->order);
    if (job->has_encoder) vlp_encoder_close(&job->encoder);
    vlp_pool_close(job->pool);
}

int main(int argc, char **argv)
{
    const int        first = cmd_start(&program, argc, argv);
    int              n_paths = argc - first;
    struct vlp_error err = {0}, late = {0};
    check_usage(&n_paths, argv + first);
    struct classify_job job = {.files = {classify.save, classify.report, classify.confusion,
                                         classify.html, place_of_results(n_paths),
                                         cmd_failed_path}};
    enum vlp_status     s = run(&job, argv + first, n_paths, &err);
    if (s == VLP_OK && job.out.file) s = vlp_output_commit(&job.out, &err);
    if (s == VLP_OK) job.failures.whole = true;
    const enum vlp_status closed = cmd_failures_close(&job.failures, &late);
    if (s == VLP_OK && closed != VLP_OK) {
        s = closed;
        err = late;
    }
    const bool skipped = job.failures.n > 0 || job.cut;
    close_job(&job);
    if (s == VLP_ERR_STOPPED && cmd_stopped()) return cmd_finish(CMD_SIGNALLED + cmd_stopped());
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    if (job.lost != VLP_OK) return cmd_finish(cmd_exit_of(job.lost));
    return cmd_finish(skipped ? CMD_SKIPPED : CMD_OK);
}
