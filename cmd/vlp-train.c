/*
 * vlp-train.c -- train a model: which job the options ask for.
 */
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "train_cmd.h"

static struct train_options *const o = &train_options;

/* The plot is none of the files that are read. */
static enum vlp_status check_plot(char *const *data, int n, struct vlp_error *err)
{
    struct vlp_buf metrics = {0};
    vlp_buf_printf(&metrics, "%s/metrics.jsonl", o->output);
    const char *const      of_run = metrics.data;
    const struct cmd_reads in[] = {
        {"the metrics of -o", &of_run, 1}, {"-m", &cmd_model.path, 1},
        {"--config", &o->config, 1},       {"--validation", &o->validation, 1},
        {"--classes", &o->classes, 1},     {"DATA", (const char *const *)data, n},
    };
    const enum vlp_status s = cmd_spare_inputs(&o->plot, 1, in, VLP_COUNT(in), err);
    vlp_buf_free(&metrics);
    return s == VLP_OK ? vlp_plot_refuse_existing(o->plot, o->force, err) : s;
}

static int draw(void)
{
    struct vlp_error err;
    struct vlp_buf   path = {0};
    vlp_buf_printf(&path, "%s/metrics.jsonl", o->output);
    enum vlp_status s = check_plot(NULL, 0, &err);
    if (s == VLP_OK) s = vlp_plot_metrics(path.data, o->plot, o->force, &err);
    vlp_buf_free(&path);
    return cmd_finish(s == VLP_OK ? CMD_OK : cmd_fail(&err));
}

int main(int argc, char **argv)
{
    /* A step frees and asks again for the same large pieces: keep them, fresh pages cost a tenth.
     */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    struct train_run run = {0};
    struct vlp_error err;
    train_read_config(&argc, &argv);
    const int first = cmd_start(&train_program, argc, argv);
    if (cmd_model.precision == VLP_PRECISION_INT8)
        cmd_usage_error("--precision: training takes f32 or bf16");
    if (o->selftest) {
        if (strcmp(o->selftest, "resume") != 0)
            cmd_usage_error("--selftest: there is 'resume', not '%s'", o->selftest);
        cmd_warn_of_all_but((const char *const[]){"selftest", "precision", NULL},
                            "is not for --selftest");
        return cmd_finish(train_selftest_resume());
    }
    int          n;
    char *const *data = train_data_list(argc, argv, first, &n);
    if (o->plot && n == 0 && !o->config && !cmd_model.path) {
        if (!o->output) cmd_usage_error("--plot wants the folder of the run, -o DIR");
        cmd_warn_of_all_but((const char *const[]){"plot", "output", "force", NULL},
                            "is not for --plot alone");
        return draw();
    }
    if (n == 0) cmd_usage_error("no training data given");
    if (!o->output && !o->check && !o->plan) cmd_usage_error("no -o DIR for the run given");
    if (!o->config && !cmd_model.path)
        cmd_usage_error("neither --config (a new model) nor -m (a model to go on with) given");
    if (o->crop_min > o->crop_max) cmd_usage_error("--crop-min is larger than --crop-max");
    if (o->check && o->plan) cmd_usage_error("--check and --plan exclude one another");
    cmd_check_templates(&o->templates);

    const struct cmd_stream_use in[] = {
        {"-m", cmd_model.path},
        {"--config", o->config},
        {"--validation", o->validation},
        {"--classes", o->classes},
        {"DATA", cmd_stdin_among("DATA", (const char *const *)data, n)}};
    cmd_one_each("standard input", in, VLP_COUNT(in));
    const bool trains = !o->check && !o->plan;
    if (o->plot && trains && check_plot(data, n, &err) != VLP_OK) return cmd_finish(cmd_fail(&err));

    int        status;
    const bool opened = train_open(&run, data, n, &err) == VLP_OK &&
                        (!o->validation || train_eval_open(&run.eval, &run, &err) == VLP_OK);
    malloc_trim(0); /* what reading the data needed for a moment */
    if (!opened)
        status = cmd_fail(&err);
    else if (o->check)
        status = train_check(&run);
    else if (o->plan)
        status = train_plan(&run);
    else
        status = train_loop(&run);
    const bool ended =
        status == CMD_OK || status == CMD_SKIPPED || status == CMD_LIMIT || status > CMD_SIGNALLED;
    if (!ended) vlp_comm_abort(&run.comm, status);
    train_eval_close(run.eval);
    train_close(&run);
    return cmd_finish(status);
}
