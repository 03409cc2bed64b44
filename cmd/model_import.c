/*
 * model_import.c -- vlp-model import and convert: any checkpoint in, one of ours or theirs out.
 */
#include <stdlib.h>
#include <string.h>

#include "model_verbs.h"

static const char *output;
static bool        force;
static int         dtype, layout;

/* In the order of enum vlp_layout. */
static const char *const    layouts[] = {"vlp", "open_clip", "hf", NULL};
static const char *const    dtypes[] = {"keep", "f32", "f16", "bf16", "q8_0", NULL};
static const enum vlp_dtype dtype_of[] = {VLP_F32, VLP_F32, VLP_F16, VLP_BF16, VLP_Q8_0};

void model_check_operands(const char *what, int argc, char **argv)
{
    const struct cmd_stream_use in[] = {
        {"-m", cmd_model.path},
        {what, cmd_stdin_among(what, (const char *const *)(argv + 1), argc - 1)}};
    cmd_one_each("standard input", in, VLP_COUNT(in));
}

static void check_output(void)
{
    const struct cmd_stream_use out[] = {{"-o", output}};
    cmd_one_each("standard output", out, VLP_COUNT(out));
}

const char *cmd_verb_model(int argc, char **argv)
{
    if (argc > 2) cmd_usage_error("one model at a time");
    model_check_operands("MODEL", argc, argv);
    if (argc == 2 && cmd_model.path) cmd_usage_error("two models: '%s' and -m", argv[1]);
    return argc == 2 ? argv[1] : cmd_model_path();
}

static void say(void *ctx, const char *sentence)
{
    (void)ctx;
    cmd_note("%s", sentence);
}

enum vlp_status cmd_verb_checkpoint(struct vlp_checkpoint *c, const char *path,
                                    struct vlp_error *err)
{
    const struct vlp_checkpoint_options how = {.activation = cmd_model.activation, .say = say};
    VLP_TRY(vlp_checkpoint_open(c, path, &how, err));
    const enum vlp_status s = vlp_checkpoint_add_vocabulary(c, cmd_share_dir(), say, NULL, err);
    if (s != VLP_OK) vlp_checkpoint_close(c);
    return s;
}

/* "dir/ViT-B-32.pt" and "dir/ViT-B-32/" become "ViT-B-32.safetensors", here. */
static char *own_name(const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    char       *whole = vlp_strndup(path, len);
    const char *base = vlp_path_base(whole), *ext = vlp_path_ext(whole);
    size_t      stem = strlen(base);
    if (*ext && !vlp_is_dir(whole)) stem -= strlen(ext) + 1;
    struct vlp_buf name = {0};
    vlp_buf_printf(&name, "%.*s.safetensors", (int)stem, base);
    free(whole);
    return name.data;
}

static int write_model(const char *in, const char *out, const struct vlp_convert *how)
{
    struct vlp_checkpoint c;
    struct vlp_error      err;
    cmd_refuse_terminal(out, force);
    enum vlp_status s = how->layout == VLP_LAYOUT_VLP ? cmd_check_outputs(&out, 1, how->force, &err)
                                                      : cmd_check_folder(out, &err);
    if (s == VLP_OK) s = cmd_verb_checkpoint(&c, in, &err);
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    /* What is written has sums that fit, whatever it holds. */
    s = vlp_checkpoint_check(&c, 0, &err);
    if (s == VLP_OK) s = vlp_checkpoint_write(&c, out, how, &err);
    vlp_checkpoint_close(&c);
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    cmd_note("wrote %s", out);
    return cmd_finish(CMD_OK);
}

static struct vlp_convert conversion(void)
{
    return (struct vlp_convert){.layout = (enum vlp_layout)layout,
                                .dtype = dtype_of[dtype],
                                .keep_dtype = dtype == 0,
                                .force = force};
}

static int run_import(int argc, char **argv)
{
    if (argc != 2) cmd_usage_error("name one checkpoint to import: a file or a folder");
    model_check_operands("IN", argc, argv);
    check_output();
    const struct vlp_convert how = conversion();
    char                    *name = output ? NULL : own_name(argv[1]);
    const int                status = write_model(argv[1], output ? output : name, &how);
    free(name);
    return status;
}

static int run_convert(int argc, char **argv)
{
    if (!output) cmd_usage_error("say where the result goes: -o");
    check_output();
    if (layout != VLP_LAYOUT_VLP && dtype_of[dtype] == VLP_Q8_0)
        cmd_usage_error("q8_0 exists in vlp's own files only");
    const struct vlp_convert how = conversion();
    return write_model(cmd_verb_model(argc, argv), output, &how);
}

/* clang-format off */
static const struct cmd_option import_options[] = {
    CMD_ROW('o', "output", "FILE", CMD_STRING, &output, "IN's name, ending in .safetensors, here",
            "the file to write", .group = "Output"),
    CMD_ROW('f', "force", NULL, CMD_FLAG, &force, NULL, "overwrite it"),
    CMD_ROW(0, "dtype", "NAME", CMD_CHOICE, &dtype, "keep",
            "storage of the matrices: keep, f32, f16, bf16 or q8_0", .choices = dtypes),
    CMD_ROW(0, "activation", "NAME", CMD_CALL, &cmd_model.activation, "what the checkpoint says",
            "gelu or quick_gelu, where the weights cannot tell", .group = "Model",
            .choices = cmd_activations, .call = cmd_take_activation),
    CMD_COMMON_OPTIONS, CMD_LAST};

static const struct cmd_option convert_options[] = {
    CMD_ROW('o', "output", "PATH", CMD_STRING, &output, NULL,
            "the file to write (vlp), or the folder (open_clip, hf)", .group = "Output"),
    CMD_ROW('f', "force", NULL, CMD_FLAG, &force, NULL, "overwrite it"),
    CMD_ROW(0, "dtype", "NAME", CMD_CHOICE, &dtype, "keep",
            "storage of the matrices: keep, f32, f16, bf16 or q8_0", .choices = dtypes),
    CMD_ROW(0, "to", "LAYOUT", CMD_CHOICE, &layout, "vlp",
            "who is to read it: vlp, open_clip or hf", .choices = layouts),
    CMD_MODEL_OPTION, CMD_COMMON_OPTIONS, CMD_LAST};
/* clang-format on */

static const char *const import_usage[] = {"[OPTION]... IN", NULL};
static const char *const convert_usage[] = {"[OPTION]... -o OUT [MODEL]", NULL};

const struct cmd_program cmd_model_import = {
    .name = "vlp-model import",
    .summary = "read a released checkpoint, write one file with all that belongs to it",
    .usage = import_usage,
    .options = import_options,
    .run = run_import,
};
const struct cmd_program cmd_model_convert = {
    .name = "vlp-model convert",
    .summary = "store a model in another type, or as others read it",
    .usage = convert_usage,
    .options = convert_options,
    .run = run_convert,
};
