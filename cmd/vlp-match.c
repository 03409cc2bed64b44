/*
 * vlp-match.c -- search embedding files: exact top-k, joins, groups, retrieval scores.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "match.h"

struct match_options match = {
    .k = 10, .min_score = -HUGE_VAL, .groups = -HUGE_VAL, .recall_at = "1,5,10"};

static const char *const metrics[] = {"cosine", "dot", NULL};
static const char *const modalities[] = {"both", "image", "text", NULL}; /* enum vlp_modality */
static const char *const joins[] = {"none", "topk", "mutual", "one-to-one", "anti", NULL};

/* --text, --image, --id, --query: kept in the order in which they come. */
static bool take_asked(void *target, const char *value, char why[256])
{
    if (*value == '\0') {
        snprintf(why, 256, "an empty query");
        return false;
    }
    match.asked = vlp_realloc(match.asked, ((size_t)match.n_asked + 1) * sizeof *match.asked);
    match.asked[match.n_asked++] = (struct match_asked){*(const int *)target, value, strlen(value)};
    return true;
}

static int kind_text = VLP_TERM_TEXT, kind_image = VLP_TERM_IMAGE, kind_id = VLP_TERM_ID;
static int kind_expression = MATCH_EXPRESSION;

/* clang-format off */
static const struct cmd_option options[] = {
    CMD_ROW(0, "text", "TEXT", CMD_CALL, &kind_text, NULL,
            "look for what TEXT says (needs a model)", .group = "Queries", .call = take_asked),
    CMD_ROW(0, "image", "FILE", CMD_CALL, &kind_image, NULL,
            "look for what the picture FILE shows (needs a model)", .call = take_asked),
    CMD_ROW(0, "id", "ID", CMD_CALL, &kind_id, NULL,
            "look for what is like the record ID of the index", .call = take_asked),
    CMD_ROW(0, "query", "EXPR", CMD_CALL, &kind_expression, NULL,
            "sums and differences: 'image:a.jpg +text:at night -0.5*id:b.jpg'", .call = take_asked),
    CMD_ROW('Q', "queries", "FILE", CMD_STRING, &match.queries, NULL,
            "every vector of this embedding file is a query"),
    CMD_ROW(0, "query-only", "WHAT", CMD_CHOICE, &match.query_only, "both",
            "of the records of -Q, take both, image or text", .choices = modalities),
    CMD_ROW(0, "lines", "LIST", CMD_STRING, &match.lines, NULL,
            "one text per line; - is stdin"),
    CMD_ROW(0, "files-from", "LIST", CMD_STRING, &match.files_from, NULL,
            "one picture's name per line; - is stdin"),
    CMD_ROW(0, "ids-from", "LIST", CMD_STRING, &match.ids_from, NULL,
            "one id per line; - is stdin"),
    CMD_ROW(0, "queries-from", "LIST", CMD_STRING, &match.queries_from, NULL,
            "one EXPR per line; - is stdin"),
    CMD_ROW('0', "null", NULL, CMD_FLAG, &match.nul, NULL,
            "entries of lists end with NUL instead of a newline"),
    CMD_ROW(0, "shard", "I/N", CMD_CALL, &cmd_source.shard, "all",
            "only queries of shard I of N, by a hash of their names", .call = cmd_take_shard),
    CMD_ROW('k', "top", "N", CMD_INT, &match.k, "10",
            "the N best matches of each query; 0: all", .group = "Search", .max = 1e9),
    CMD_ROW(0, "min-score", "S", CMD_FLOAT, &match.min_score, "none",
            "only matches with at least this score"),
    CMD_ROW(0, "only", "WHAT", CMD_CHOICE, &match.only, "both",
            "of the records of INDEX, take both, image or text", .choices = modalities),
    CMD_ROW('e', "exit-status", NULL, CMD_FLAG, &match.exit_status, NULL,
            "exit with 7 when nothing matches"),
    CMD_ROW(0, "no-self", NULL, CMD_FLAG, &match.no_self, NULL,
            "leave out the record whose id is the query's"),
    CMD_ROW(0, "metric", "NAME", CMD_CHOICE, &match.metric, "cosine",
            "cosine, or dot for the plain product of stored vectors", .choices = metrics),
    CMD_ROW(0, "rerank", "FILE", CMD_STRING, &match.rerank, NULL,
            "score the candidates again with the same records' vectors in FILE"),
    CMD_ROW(0, "rerank-depth", "N", CMD_INT, &match.rerank_depth, "10 times -k",
            "how many candidates to score again, at least -k", .min = 1, .max = 1e9),
    CMD_ROW(0, "ignore-model", NULL, CMD_FLAG, &match.ignore_model, NULL,
            "compare vectors of different models all the same"),
    CMD_ROW(0, "join", "HOW", CMD_CHOICE, &match.join, "none",
            "match -Q with INDEX as sets: topk, mutual, one-to-one or anti", .group = "Other answers",
            .choices = joins),
    CMD_ROW(0, "groups", "S", CMD_FLOAT, &match.groups, NULL,
            "groups of records that hang together by pairs scoring S or more"),
    CMD_ROW(0, "truth", "FILE", CMD_STRING, &match.truth, NULL,
            "right answers, query id and index id: print recall, ranks and mAP both ways"),
    CMD_ROW(0, "recall-at", "LIST", CMD_STRING, &match.recall_at, "1,5,10",
            "the cutoffs of recall"),
    CMD_ROW('o', "output", "FILE", CMD_STRING, &match.output, "-",
            "where results go", .group = "Output"),
    CMD_ROW('f', "force", NULL, CMD_FLAG, &match.force, NULL, "overwrite files and links"),
    CMD_ROW(0, "json", NULL, CMD_FLAG, &match.json, NULL, "one JSON object a line instead of TSV"),
    CMD_ROW(0, "header", NULL, CMD_FLAG, &match.header, NULL, "TSV: column names first"),
    CMD_ROW(0, "link-to", "DIR", CMD_STRING, &match.link_to, NULL,
            "put links to the matching files into DIR, named by rank"),
    CMD_ROW(0, "html", "FILE", CMD_STRING, &match.html, NULL,
            "write one page with thumbnails that needs nothing else"),
    CMD_ROW(0, "base-dir", "DIR", CMD_STRING, &match.base_dir, ".",
            "where ids that are names of pictures start"),
    CMD_MODEL_OPTIONS,
    CMD_FAILURE_OPTIONS,
    CMD_COMMON_OPTIONS,
    CMD_LAST
};
/* clang-format on */

static const char *const usage[] = {"[OPTION]... --text TEXT INDEX...",
                                    "[OPTION]... -Q QUERIES INDEX...",
                                    "[OPTION]... --join HOW -Q A B",
                                    "[OPTION]... --groups SCORE INDEX",
                                    "[OPTION]... --truth TRUTH -Q QUERIES INDEX",
                                    NULL};

static const struct cmd_program program = {
    .name = "vlp-match",
    .summary = "search embedding files exactly",
    .usage = usage,
    .options = options,
    .notes = "INDEX is an embedding file of vlp-embed (or .npy, .fvecs, TSV, JSON lines, "
             "safetensors); - is stdin.",
};

/* What would be taken and do nothing. */
static void refuse_idle(void)
{
    const bool groups = cmd_given("groups"), truth = match.truth, pairs = match.join > JOIN_TOPK;
    const bool search = !groups && !truth && !pairs;
    const bool lists = match.lines || match.files_from || match.ids_from || match.queries_from;
    const char of_queries[] =
        "is for matches of queries, not for --groups, --truth and the joins but topk";
    const char            whole[] = "is not for --groups and --truth";
    const struct cmd_need need[] = {
        {"query-only", match.queries, "chooses records of -Q"},
        {"null", lists, "is for entries of --lines, --files-from, --ids-from and --queries-from"},
        {"shard", !truth, "is not for --truth: its numbers do not add up"},
        {"top", search, of_queries},
        {"min-score", !groups && !truth, whole},
        {"exit-status", !truth, "is not for --truth: it has no matches"},
        {"no-self", !groups && !truth, whole},
        {"rerank", search, of_queries},
        {"rerank-depth", match.rerank, "is for --rerank"},
        {"ignore-model", !groups, "is not for --groups: its vectors are of one model"},
        {"recall-at", truth, "is for --truth"},
        {"header", !match.json, "is for TSV, not for --json"},
        {"link-to", search, of_queries},
        {"html", !truth, "is not for --truth: it has no page"},
        {"base-dir", match.link_to || match.html, "is for --link-to and --html"},
    };
    cmd_refuse_idle(need, VLP_COUNT(need));
}

/* "-" when a picture that is looked for comes from stdin, else NULL. */
static const char *stdin_picture(void)
{
    const char **picture = vlp_malloc(((size_t)match.n_asked + 1) * sizeof *picture);
    int          n = 0;
    for (int i = 0; i < match.n_asked; i++)
        if (match.asked[i].kind == VLP_TERM_IMAGE) picture[n++] = match.asked[i].value;
    const char *taken = cmd_stdin_among("--image", picture, n);
    free(picture);
    return taken;
}

static void check_usage(const char *const *paths, int n_paths)
{
    const bool groups = cmd_given("groups"), join = match.join != JOIN_NONE;
    const bool on_the_spot =
        match.n_asked || match.lines || match.files_from || match.ids_from || match.queries_from;
    if (n_paths < 1) cmd_usage_error("no embedding file to search");
    if (groups + join + (match.truth != NULL) > 1)
        cmd_usage_error("--join, --groups and --truth exclude one another");
    if (groups && (on_the_spot || match.queries)) cmd_usage_error("--groups takes no queries");
    if ((join || match.truth) && (!match.queries || on_the_spot))
        cmd_usage_error("--join and --truth need -Q, and take no other queries");
    if ((groups || join || match.truth) && n_paths != 1)
        cmd_usage_error("--join, --groups and --truth take one INDEX");
    if (match.join == JOIN_ANTI && !cmd_given("min-score"))
        cmd_usage_error("--join anti needs --min-score: what counts as a match");
    if (!groups && !match.queries && !on_the_spot)
        cmd_usage_error("nothing to look for: give --text, --image, --id, --query, -Q or a list");
    refuse_idle();
    if (match.rerank && match.k == 0) cmd_usage_error("--rerank needs -k");
    if (match.rerank_depth && match.rerank_depth < match.k)
        cmd_usage_error("--rerank-depth %lld is less than the %lld match%s of -k",
                        (long long)match.rerank_depth, (long long)match.k,
                        match.k == 1 ? "" : "es");
    const struct cmd_stream_use in[] = {{"-m", cmd_model.path},
                                        {"--image", stdin_picture()},
                                        {"-Q", match.queries},
                                        {"--lines", match.lines},
                                        {"--files-from", match.files_from},
                                        {"--ids-from", match.ids_from},
                                        {"--queries-from", match.queries_from},
                                        {"--rerank", match.rerank},
                                        {"--truth", match.truth},
                                        {"INDEX", cmd_stdin_among("INDEX", paths, n_paths)}};
    if (!match.output && match.html && strcmp(match.html, "-") == 0)
        match.output = "/dev/null"; /* the page is what is wanted */
    const struct cmd_stream_use out[] = {{"-o", match.output ? match.output : "-"},
                                         {"--html", match.html},
                                         {"--failed", cmd_failed_path}};
    cmd_one_each("standard input", in, VLP_COUNT(in));
    cmd_one_each("standard output", out, VLP_COUNT(out));
}

/* No file that is named to be read is written to, but a list of failures that is read as a list of
 * names. What lists and folders hold is not looked at. */
static enum vlp_status check_files(const struct match_job *job, struct vlp_error *err)
{
    const char *const      results = match.output ? match.output : "-";
    const char *const      out[] = {match.html, results, cmd_failed_path};
    const char *const      at_once[] = {match.html, results, cmd_if_stdout(cmd_failed_path)};
    const char            *model = cmd_model_if_any();
    const struct cmd_reads in[] = {{"-m", &model, 1},
                                   {"-Q", &match.queries, 1},
                                   {"--lines", &match.lines, 1},
                                   {"--ids-from", &match.ids_from, 1},
                                   {"--queries-from", &match.queries_from, 1},
                                   {"--rerank", &match.rerank, 1},
                                   {"--truth", &match.truth, 1},
                                   {"INDEX", job->paths, job->n_paths}};
    const struct cmd_reads list = {"--files-from", &match.files_from, 1};
    VLP_TRY(cmd_one_place_each(out, VLP_COUNT(out), err));
    VLP_TRY(cmd_spare_inputs(out, VLP_COUNT(out), in, VLP_COUNT(in), err));
    for (int i = 0; i < match.n_asked; i++) {
        const struct cmd_reads picture = {"--image", &match.asked[i].value, 1};
        if (match.asked[i].kind == VLP_TERM_IMAGE)
            VLP_TRY(cmd_spare_inputs(out, VLP_COUNT(out), &picture, 1, err));
    }
    VLP_TRY(cmd_spare_inputs(at_once, VLP_COUNT(at_once), &list, 1, err));
    /* the list of failures has rules of its own */
    return cmd_check_outputs(out, VLP_COUNT(out) - 1, match.force, err);
}

static enum vlp_status run(struct match_job *job, struct vlp_error *err)
{
    job->pool = vlp_pool_open(cmd_threads());
    VLP_TRY(vlp_compute_init(&job->compute, job->pool, getenv("VLP_CPU"), VLP_PRECISION_F32, err));
    VLP_TRY(check_files(job, err));
    if (match.link_to) VLP_TRY(cmd_check_folder(match.link_to, err));
    VLP_TRY(cmd_failures_open(&job->failures, cmd_failed_path, match.force, err));
    if (cmd_given("groups")) return match_run_groups(job, err);
    if (match.truth) return match_run_truth(job, err);
    if (match.join > JOIN_TOPK) return match_run_join(job, err);
    return match_run_search(job, err);
}

int main(int argc, char **argv)
{
    const int        first = cmd_start(&program, argc, argv);
    struct match_job job = {.paths = (const char *const *)argv + first, .n_paths = argc - first};
    struct vlp_error err = {0}, late = {0};
    check_usage(job.paths, job.n_paths);
    enum vlp_status s = run(&job, &err);
    if (s == VLP_OK) s = vlp_output_commit(&job.out, &err);
    vlp_output_abort(&job.out);
    if (s == VLP_OK) job.failures.whole = true;
    const enum vlp_status closed = cmd_failures_close(&job.failures, &late);
    if (s == VLP_OK && closed != VLP_OK) {
        s = closed;
        err = late;
    }
    if (job.has_encoder) vlp_encoder_close(&job.encoder);
    vlp_pool_close(job.pool);
    free(match.asked);
    if (s == VLP_ERR_STOPPED && cmd_stopped()) return cmd_finish(CMD_SIGNALLED + cmd_stopped());
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    if (job.failures.n || job.n_odd || job.skipped) return cmd_finish(CMD_SKIPPED);
    return cmd_finish(match.exit_status && job.n_found == 0 ? CMD_NO_MATCH : CMD_OK);
}
