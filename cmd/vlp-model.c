/*
 * vlp-model.c -- look at models, convert them, check them, and see what they see.
 */
#include <stddef.h>

#include "model_verbs.h"

static const char *const usage[] = {"VERB [OPTION]... [ARGUMENT]...", NULL};

static const struct cmd_option options[] = {CMD_COMMON_OPTIONS, CMD_LAST};

static const struct cmd_program *const verbs[] = {
    &cmd_model_import,     &cmd_model_inspect,  &cmd_model_verify,
    &cmd_model_convert,    &cmd_model_selftest, &cmd_model_tokenize,
    &cmd_model_preprocess, &cmd_model_compare,  NULL};

static const struct cmd_program program = {
    .name = "vlp-model",
    .summary = "look at models, convert them, check them, and see what they see",
    .usage = usage,
    .options = options,
    .notes = "'vlp-model VERB --help' tells the options of a verb.",
    .verbs = verbs,
};

int main(int argc, char **argv)
{
    return cmd_start_verb(&program, argc, argv);
}
