/*
 * model_verbs.h -- the verbs of vlp-model, one file each.
 */
#ifndef MODEL_VERBS_H
#define MODEL_VERBS_H

#include "cmd.h"

extern const struct cmd_program cmd_model_import, cmd_model_inspect, cmd_model_verify,
    cmd_model_convert, cmd_model_selftest, cmd_model_tokenize, cmd_model_preprocess,
    cmd_model_compare;

/* The model that a verb works on: its only operand, or what -m stands for. */
const char *cmd_verb_model(int argc, char **argv);
/* Open it as a checkpoint, with a vocabulary from share/vlp when it has none. */
enum vlp_status cmd_verb_checkpoint(struct vlp_checkpoint *c, const char *path,
                                    struct vlp_error *err);

/* Wrong usage when one of the operands, each called `what`, or -m is no name, or two of them are
 * "-": both want standard input. */
void model_check_operands(const char *what, int argc, char **argv);

/* How the verbs that print lines of TSV print them: rows for their tables. */
extern struct model_lines {
    bool json, header;
} model_lines;
/* clang-format off */
#define MODEL_LINES_OPTIONS(thing)                                                                 \
    CMD_ROW(0, "json", NULL, CMD_FLAG, &model_lines.json, NULL, "one JSON object per " thing,      \
            .group = "Output"),                                                                    \
    CMD_ROW(0, "header", NULL, CMD_FLAG, &model_lines.header, NULL, "TSV: column names first")
/* clang-format on */
/* Print `columns`, separated by tabs, if they are asked for; wrong usage beside --json. */
void model_begin_lines(const char *columns);
/* compare: what became of an expected tensor; `trouble` is "" where there are numbers. */
void model_put_verdict(const char *name, double absolute, double relative, const char *trouble,
                       bool good);
/* compare: the ids of inputs.safetensors' texts, i64 or i32 (n, T), n and T >= 1; VLP_ERR_MISMATCH
 * where the model does not take them. */
enum vlp_status model_read_texts(int32_t **ids, struct vlp_arena *mem, const struct vlp_stored *in,
                                 const struct vlp_model *m, struct vlp_error *err);
/* compare --gradients: prints a line a tensor; *bad counts those that do not agree. */
enum vlp_status model_compare_gradients(const char *dir, const char *loss, double tolerance,
                                        int *bad, struct vlp_error *err);

#endif
