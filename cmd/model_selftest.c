/*
 * model_selftest.c -- vlp-model selftest: golden numbers on this machine's processors.
 */
#include <stdlib.h>

#include "model_verbs.h"

static void say(void *ctx, bool good, const char *level, const char *sentence)
{
    int *failures = ctx;
    if (!good) ++*failures;
    if (model_lines.json)
        printf("{\"level\": \"%s\", \"ok\": %s, \"detail\": \"%s\"}\n", level,
               good ? "true" : "false", sentence);
    else
        printf("%s\t%s\t%s\n", good ? "ok" : "FAILED", level, sentence);
}

static int run(int argc, char **argv)
{
    struct vlp_error err;
    int              failures = 0;
    if (argc > 1) cmd_usage_error("selftest takes no argument ('%s')", argv[1]);
    model_begin_lines("verdict\tlevel\tdetail");
    const char           *cpu = getenv("VLP_CPU");
    const enum vlp_status s =
        vlp_selftest(cpu && *cpu ? cpu : NULL, (int)cmd_model.threads, say, &failures, &err);
    return cmd_finish(s == VLP_OK ? CMD_OK : cmd_fail(&err));
}

/* clang-format off */
static const struct cmd_option options[] = {
    MODEL_LINES_OPTIONS("check"), CMD_THREADS_OPTION, CMD_COMMON_OPTIONS, CMD_LAST};
/* clang-format on */

static const char *const usage[] = {"[OPTION]...", NULL};

const struct cmd_program cmd_model_selftest = {
    .name = "vlp-model selftest",
    .summary = "compute known numbers on every instruction-set level of this machine",
    .usage = usage,
    .options = options,
    .run = run,
};
