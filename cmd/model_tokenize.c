/*
 * model_tokenize.c -- vlp-model tokenize: what ids a text becomes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model_verbs.h"

static bool        as_json, pad;
static const char *lines;
static int64_t     context;
static int         kind; /* index in kinds */

static const char *const kinds[] = {"model", "clip", "clip-hf", "bert", NULL};

/* A document that says just enough for a tokenizer, by name. The context is the family's usual one.
 */
static const struct {
    const char *family, *cleaning;
    int         context, vocab;
} described[] = {{NULL, NULL, 0, 0},
                 {"clip", "openai", 77, 49408},
                 {"clip", "hf", 77, 49408},
                 {"albef", "bert", 512, 30522}};

static enum vlp_status open_by_name(struct vlp_tokenizer **t, struct vlp_error *err)
{
    struct vlp_checkpoint c = {0};
    vlp_arena_init(&c.mem);
    c.about =
        json_pack("{s:s, s:{s:{s:i, s:i}}, s:{s:s}}", "family", described[kind].family, "config",
                  "text", "context", context > 0 ? (int)context : described[kind].context, "vocab",
                  described[kind].vocab, "tokenizer", "cleaning", described[kind].cleaning);
    enum vlp_status s = vlp_checkpoint_add_vocabulary(&c, cmd_share_dir(), NULL, NULL, err);
    if (s == VLP_OK) s = vlp_tokenizer_of(t, &c, err);
    if (s == VLP_ERR_SUPPORT)
        s = vlp_fail(err, VLP_ERR_IO, "no vocabulary in %s (set VLP_SHARE to where it is)",
                     cmd_share_dir() ? cmd_share_dir() : "share/vlp");
    json_decref(c.about);
    vlp_arena_free(&c.mem);
    return s;
}

static enum vlp_status open_of_model(struct vlp_tokenizer **t, struct vlp_error *err)
{
    struct vlp_checkpoint c;
    VLP_TRY(cmd_verb_checkpoint(&c, cmd_model_path(), err));
    json_t *text = json_object_get(json_object_get(c.about, "config"), "text");
    if (context > 0) json_object_set_new(text, "context", json_integer(context));
    json_t *tokenizer = json_object_get(c.about, "tokenizer");
    if (cmd_model.cleaning && tokenizer)
        json_object_set_new(tokenizer, "cleaning", json_string(cmd_model.cleaning));
    const enum vlp_status s = vlp_tokenizer_of(t, &c, err);
    if (s != VLP_OK) vlp_fail_in(err, "%s", cmd_model_path());
    vlp_checkpoint_close(&c);
    return s;
}

static void print_json(const struct vlp_tokenizer *t, const char *text, size_t len,
                       const struct vlp_tokens *k)
{
    printf("{\"text\": ");
    cmd_put_json(stdout, text, len);
    printf(", \"ids\": [");
    for (int i = 0; i < k->n; i++) printf("%s%" PRId32, i ? ", " : "", k->ids[i]);
    printf("], \"pieces\": [");
    for (int i = 0; i < k->n; i++) {
        const char *piece = vlp_token_piece(t, k->ids[i]);
        if (i) printf(", ");
        cmd_put_json(stdout, piece ? piece : "", piece ? strlen(piece) : 0);
    }
    printf("], \"truncated\": %s", k->full > k->n ? "true" : "false");
    if (k->full > k->n) printf(", \"length\": %d", k->full);
    printf("}\n");
}

struct counts {
    int64_t             n, cut;
    struct cmd_failures bad;
};

/* Its line stays, so that line n of the output is line n of the input. */
static void refuse(const char *text, size_t len, enum vlp_status s, const char *why,
                   struct counts *count)
{
    char      name[32];
    const int name_len = snprintf(name, sizeof name, "text %" PRId64, count->n);
    cmd_failures_add(&count->bad, name, (size_t)name_len, s, why);
    if (!as_json) {
        putchar('\n');
        return;
    }
    printf("{\"text\": ");
    cmd_put_json(stdout, text, len);
    printf(", \"error\": ");
    cmd_put_json(stdout, why, strlen(why));
    printf("}\n");
}

static void tokenize(const struct vlp_tokenizer *t, struct vlp_arena *mem, const char *text,
                     size_t len, struct counts *count)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    struct vlp_tokens           k;
    struct vlp_error            err;
    count->n++;
    if (vlp_tokenize(&k, mem, t, text, len, &err) != VLP_OK) {
        refuse(text, len, err.status, err.text, count);
    } else {
        count->cut += k.full > k.n;
        if (as_json) {
            print_json(t, text, len, &k);
        } else {
            for (int i = 0; i < k.n; i++) printf("%s%" PRId32, i ? " " : "", k.ids[i]);
            for (int i = k.n; pad && i < vlp_tokenizer_context(t); i++) printf(" 0");
            putchar('\n');
        }
    }
    vlp_arena_rewind(mem, mark);
}

/* What is printed goes into none of the files that are read. */
static enum vlp_status check_files(const char *texts, struct vlp_error *err)
{
    const char *const      out = "-";
    const struct cmd_reads in[] = {{"-m", &cmd_model.path, 1}, {"--lines", &texts, 1}};
    return cmd_spare_inputs(&out, 1, in, VLP_COUNT(in), err);
}

static enum vlp_status tokenize_lines(const struct vlp_tokenizer *t, struct vlp_arena *mem,
                                      const char *path, struct counts *count, struct vlp_error *err)
{
    struct vlp_lines *l;
    struct vlp_line   line;
    enum vlp_status   s;
    bool              more;
    VLP_TRY(vlp_lines_open(&l, path, VLP_LINES_TEXTS, false, err));
    while ((s = vlp_lines_next(l, &line, &more, err)) == VLP_OK && more) {
        if (line.status == VLP_OK) {
            tokenize(t, mem, line.bytes, line.len, count);
        } else {
            count->n++;
            refuse("", 0, line.status, line.reason, count);
        }
    }
    vlp_lines_close(l);
    return s;
}

static int run(int argc, char **argv)
{
    struct vlp_tokenizer *t;
    struct vlp_error      err;
    struct vlp_arena      mem;
    struct counts         count = {0};
    const char           *env = getenv("VLP_MODEL");
    const char           *from = argc > 1 ? NULL : lines ? lines : "-";
    if (lines && argc > 1) cmd_usage_error("texts as arguments, or --lines, not both");
    const struct cmd_stream_use in[] = {{"-m", cmd_model.path}, {"--lines", from}};
    cmd_one_each("standard input", in, VLP_COUNT(in));
    if (kind > 0 && (cmd_model.path || cmd_model.cleaning))
        cmd_usage_error("%s or --tokenizer=%s, not both", cmd_model.path ? "-m" : "--cleaning",
                        kinds[kind]);
    /* Without a name there need not be a model: CLIP's tokenizer is the same for all of CLIP. */
    if (!cmd_model.path && !(env && *env) && !cmd_given("tokenizer"))
        kind = cmd_model.cleaning && strcmp(cmd_model.cleaning, "hf") == 0 ? 2 : 1;
    enum vlp_status s = check_files(from, &err);
    if (s == VLP_OK) s = kind > 0 ? open_by_name(&t, &err) : open_of_model(&t, &err);
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    vlp_arena_init(&mem);
    for (int i = 1; i < argc; i++) tokenize(t, &mem, argv[i], strlen(argv[i]), &count);
    if (from) s = tokenize_lines(t, &mem, from, &count, &err);
    if (count.cut > 0)
        cmd_note("%" PRId64 " of %" PRId64 " texts cut to %d ids", count.cut, count.n,
                 vlp_tokenizer_context(t));
    vlp_arena_free(&mem);
    vlp_tokenizer_close(t);
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    if (count.bad.n == 0) return cmd_finish(CMD_OK);
    if (count.bad.n < count.n) return cmd_finish(CMD_SKIPPED);
    cmd_nothing_used(&count.bad, "texts", &err);
    return cmd_finish(cmd_fail(&err));
}

/* clang-format off */
static const struct cmd_option options[] = {
    CMD_ROW(0, "lines", "FILE", CMD_STRING, &lines, "stdin when there is no TEXT",
            "read one text per line from FILE; - is stdin", .group = "Input"),
    CMD_ROW(0, "tokenizer", "NAME", CMD_CHOICE, &kind, "model with -m or $VLP_MODEL, else clip",
            "whose ids: model (that of -m), clip, clip-hf or bert", .group = "Tokenizer",
            .choices = kinds),
    CMD_CLEANING_OPTION,
    CMD_ROW(0, "context", "N", CMD_INT, &context, "the model's; 77 for CLIP, 512 for BERT",
            "ids per text at most, start and end included", .min = 2, .max = 65536),
    CMD_ROW(0, "json", NULL, CMD_FLAG, &as_json, NULL,
            "one JSON object per text: text, ids, pieces, truncated", .group = "Output"),
    CMD_ROW(0, "pad", NULL, CMD_FLAG, &pad, NULL, "fill lines up to the context with zeros"),
    CMD_MODEL_OPTION_OR_NONE, CMD_COMMON_OPTIONS, CMD_LAST};
/* clang-format on */

static const char *const usage[] = {"[OPTION]... [TEXT]...", NULL};

const struct cmd_program cmd_model_tokenize = {
    .name = "vlp-model tokenize",
    .summary = "texts to ids, one line each, start and end included",
    .usage = usage,
    .options = options,
    .run = run,
};
