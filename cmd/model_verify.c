/*
 * model_verify.c -- vlp-model verify: is every number of a model what it should be?
 */
#include <inttypes.h>
#include <string.h>

#include "model_verbs.h"

struct findings {
    const char *path;
    int64_t     damaged, extra;
};

/* {"file": "...", "ok": */
static void put_file(const char *path)
{
    printf("{\"file\": ");
    cmd_put_json(stdout, path, strlen(path));
    printf(", \"ok\": ");
}

static void found(void *ctx, const char *what, const char *tensor, const char *sentence)
{
    struct findings *f = ctx;
    if (strcmp(what, "extra") == 0)
        f->extra++;
    else
        f->damaged++;
    if (!model_lines.json) {
        printf("%s\t%s\t%s\t%s\n", f->path, what, *tensor ? tensor : "-", sentence);
        return;
    }
    put_file(f->path);
    printf("false, \"kind\": \"%s\", \"tensor\": ", what);
    if (*tensor)
        cmd_put_json(stdout, tensor, strlen(tensor));
    else
        printf("null");
    printf(", \"detail\": ");
    cmd_put_json(stdout, sentence, strlen(sentence));
    printf("}\n");
}

/* A model whose own vocabulary makes other ids than it has rows for, or none, opens all the same:
 * it is good for pictures. */
static void check_vocabulary(const struct vlp_model *m, struct findings *f)
{
    struct vlp_tokenizer *t;
    struct vlp_error      err;
    const char           *name = vlp_vocabulary_tensor(m->about);
    if (!name) return;
    if (vlp_tokenizer_of(&t, &m->checkpoint, &err) == VLP_OK)
        vlp_tokenizer_close(t);
    else
        found(f, "tokenizer", name, err.text);
}

static int verify(const char *path)
{
    const struct vlp_checkpoint_options how = {.activation = cmd_model.activation};
    struct vlp_checkpoint               c;
    struct vlp_model                    m;
    struct vlp_error                    err;
    struct findings                     f = {.path = path};
    size_t                              checked = 0;
    if (vlp_checkpoint_open(&c, path, &how, &err) != VLP_OK) return cmd_fail(&err);
    const size_t n_tensors = c.n_tensors;
    vlp_checkpoint_verify(&c, &checked, found, &f);
    if (vlp_model_open(&m, &c, &err) != VLP_OK) {
        const int status = cmd_fail(&err);
        return f.damaged > 0 ? CMD_CORRUPT : status;
    }
    check_vocabulary(&m, &f);
    vlp_model_close(&m);
    if (f.damaged > 0) return CMD_CORRUPT;
    if (f.extra > 0) return CMD_MISMATCH;
    if (model_lines.json) {
        put_file(path);
        printf("true, \"tensors\": %zu, \"checksums\": %zu}\n", n_tensors, checked);
        return CMD_OK;
    }
    printf("%s\tok\t%zu tensors\t", path, n_tensors);
    if (checked)
        printf("%zu checksums\n", checked);
    else
        printf("no checksums to compare\n");
    return CMD_OK;
}

static int run(int argc, char **argv)
{
    int status = CMD_OK;
    model_check_operands("MODEL", argc, argv);
    model_begin_lines("file\tkind\ttensor\tdetail");
    if (argc < 2) return cmd_finish(verify(cmd_model_path()));
    for (int i = 1; i < argc; i++) {
        const int one = verify(argv[i]);
        if (one > status) status = one;
    }
    return cmd_finish(status);
}

static const struct cmd_option options[] = {MODEL_LINES_OPTIONS("finding"), CMD_MODEL_OPTION,
                                            CMD_COMMON_OPTIONS, CMD_LAST};

static const char *const usage[] = {"[OPTION]... [MODEL]...", NULL};

const struct cmd_program cmd_model_verify = {
    .name = "vlp-model verify",
    .summary = "checksums, NaN and infinity, missing and extra tensors, the vocabulary",
    .usage = usage,
    .options = options,
    .notes = "Prints a line per finding: file, kind, tensor, sentence. Kinds: checksum, nan, inf,\n"
             "fingerprint, tokenizer (status 5), extra (status 4). Missing tensors are an error\n"
             "(status 4).",
    .run = run,
};
