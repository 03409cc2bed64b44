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

/* compare --gradients: prints a line a tensor; *bad counts those that do not agree. */
enum vlp_status model_compare_gradients(const char *dir, const char *loss, double tolerance,
                                        int *bad, struct vlp_error *err);

#endif
