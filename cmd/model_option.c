/*
 * model_option.c -- what -m stands for: a path, the environment, the model that came with us.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd_internal.h"

#ifndef VLP_SHARE_DIR
#define VLP_SHARE_DIR "/usr/local/share/vlp"
#endif

struct cmd_model  cmd_model = {.orient = true};
const char *const cmd_precisions[] = {"f32", "bf16", "int8", NULL};
const char *const cmd_activations[] = {"gelu", "quick_gelu", NULL};

const char *const cmd_cleanings[] = {"openai", "hf", NULL};

bool cmd_take_activation(void *target, const char *value, char why[256])
{
    return cmd_one_of(cmd_activations, value, target, why);
}

bool cmd_take_cleaning(void *target, const char *value, char why[256])
{
    return cmd_one_of(cmd_cleanings, value, target, why);
}

bool cmd_take_flavour(void *target, const char *value, char why[256])
{
    return cmd_one_of(vlp_preprocess_flavours, value, target, why);
}

const char *cmd_share_dir(void)
{
    static char        dir[4096 + 32];
    static const char *found;
    if (found) return found;
    const char *env = getenv("VLP_SHARE");
    if (env && *env) return found = env;
    char          self[4096];
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len > 0) {
        self[len] = '\0';
        /* PREFIX/bin/vlp-x, build/vlp-x, build/san/vlp-x: share/vlp is one or two folders up. */
        for (int up = 0; up < 3; up++) {
            char *slash = strrchr(self, '/');
            if (!slash) break;
            *slash = '\0';
            if (up == 0) continue;
            snprintf(dir, sizeof dir, "%s/share/vlp", self);
            if (vlp_is_dir(dir)) return found = dir;
        }
    }
    if (vlp_is_dir(VLP_SHARE_DIR)) return found = VLP_SHARE_DIR;
    return NULL;
}

const char *cmd_model_if_any(void)
{
    static char path[4200];
    if (cmd_model.path) return cmd_model.path;
    const char *env = getenv("VLP_MODEL");
    if (env && *env) return env;
    const char *share = cmd_share_dir();
    if (share) {
        snprintf(path, sizeof path, "%s/default.safetensors", share);
        if (vlp_file_exists(path)) return path;
    }
    return NULL;
}

const char *cmd_model_path(void)
{
    const char *path = cmd_model_if_any();
    if (!path) cmd_usage_error("no model: give one with -m, or set VLP_MODEL");
    return path;
}

int cmd_threads(void)
{
    return cmd_model.threads > 0 ? (int)cmd_model.threads : vlp_cpu_count();
}

static void say(void *ctx, const char *sentence)
{
    (void)ctx;
    cmd_note("%s", sentence);
}

enum vlp_status cmd_model_open(struct vlp_encoder *e, struct vlp_error *err)
{
    const struct vlp_encoder_options opt = {
        .activation = cmd_model.activation,
        .flavour = cmd_model.flavour,
        .cleaning = cmd_model.cleaning,
        .no_orient = !cmd_model.orient,
        .grey16_sane = cmd_model.grey16,
        .threads = (int)cmd_model.threads,
        .precision = (enum vlp_precision)cmd_model.precision,
        .cpu = getenv("VLP_CPU"),
        .share_dir = cmd_share_dir(),
        .say = say,
    };
    return vlp_encoder_open(e, cmd_model_path(), &opt, err);
}
