/*
 * train_selftest.c -- --selftest resume: kill a run again and again, and compare with the straight
 * one.
 *
 * Makes a small data set and configuration in a temporary folder, trains once without a break, then
 * once killed with SIGKILL at arbitrary moments and started again until it is done. The two models
 * must be the same bytes. The child processes are this program itself, so what is tested is what
 * users run.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "train_cmd.h"

enum { PICTURES = 48, SIDE = 40, MAX_STARTS = 200 };

static const char *const colours[] = {"red", "green", "blue", "yellow"};
static const char *const shapes[] = {"disc", "bar", "square"};

static bool inside(int shape, int x, int y)
{
    const int dx = x - SIDE / 2, dy = y - SIDE / 2;
    switch (shape) {
    case 0: return dx * dx + dy * dy < SIDE * SIDE / 9;
    case 1: return abs(dy) < SIDE / 8;
    default: return abs(dx) < SIDE / 4 && abs(dy) < SIDE / 4;
    }
}

static enum vlp_status write_file(const char *dir, const char *name, const void *data, size_t len,
                                  struct vlp_error *err)
{
    struct vlp_output o;
    struct vlp_buf    path = {0};
    vlp_buf_printf(&path, "%s/%s", dir, name);
    enum vlp_status s = vlp_output_open(&o, path.data, true, err);
    if (s == VLP_OK) {
        s = vlp_output_write(&o, data, len, err);
        if (s == VLP_OK) s = vlp_output_commit(&o, err);
        vlp_output_abort(&o);
    }
    vlp_buf_free(&path);
    return s;
}

/* Coloured shapes on noise, each with two captions. */
static enum vlp_status make_data(const char *dir, struct vlp_error *err)
{
    static const uint8_t rgb[4][3] = {{220, 40, 30}, {30, 160, 60}, {40, 70, 200}, {230, 210, 50}};
    static uint8_t       pixel[SIDE * SIDE * 3];
    struct vlp_buf       table = {0}, png = {0};
    enum vlp_status      s = VLP_OK;
    for (int i = 0; i < PICTURES && s == VLP_OK; i++) {
        struct vlp_rng r;
        vlp_rng_seed(&r, 1, (uint64_t)i);
        for (int p = 0; p < SIDE * SIDE; p++)
            for (int c = 0; c < 3; c++)
                pixel[3 * p + c] = inside(i % 3, p % SIDE, p / SIDE)
                                       ? rgb[i % 4][c]
                                       : (uint8_t)(180 + vlp_rng_below(&r, 60));
        const struct vlp_image pic = {
            .width = SIDE, .height = SIDE, .mode = VLP_IMAGE_RGB, .orientation = 1, .data = pixel};
        char name[32];
        snprintf(name, sizeof name, "%02d.png", i);
        vlp_buf_clear(&png);
        s = vlp_png_encode(&png, &pic, 1, err);
        if (s == VLP_OK) s = write_file(dir, name, png.data, png.len, err);
        vlp_buf_printf(&table, "{\"image\": \"%s\", \"captions\": [\"a %s %s\", \"%s, %s\"]}\n",
                       name, colours[i % 4], shapes[i % 3], shapes[i % 3], colours[i % 4]);
    }
    if (s == VLP_OK) s = write_file(dir, "data.jsonl", table.data, table.len, err);
    vlp_buf_free(&table);
    vlp_buf_free(&png);
    return s;
}

static enum vlp_status make_config(const char *dir, struct vlp_error *err)
{
    static const char text[] =
        "{\"model\": {\"family\": \"clip\", \"config\": {\"embed_dim\": 32, \"activation\": "
        "\"gelu\",\n"
        "  \"vision\": {\"kind\": \"vit\", \"image_size\": 32, \"patch_size\": 8, \"width\": 64, "
        "\"layers\": 2,\n   \"heads\": 2, \"mlp\": 128, \"ln_eps\": 1e-5, \"interpolate\": "
        "\"none\"},\n"
        "  \"text\": {\"context\": 16, \"vocab\": 49408, \"width\": 64, \"layers\": 1, \"heads\": "
        "2,\n"
        "   \"mlp\": 128, \"ln_eps\": 1e-5}},\n"
        " \"preprocess\": {\"flavour\": \"openai\", \"resize\": \"shortest\", \"size\": [32, 32],\n"
        "  \"filter\": \"bicubic\", \"rgb_first\": false, \"crop_floor\": false, \"fill\": 0,\n"
        "  \"mean\": [0.48145466, 0.4578275, 0.40821073],\n"
        "  \"std\": [0.26862954, 0.26130258, 0.27577711]}},\n"
        " \"train\": {\"batch\": 12, \"micro-batch\": 4, \"epochs\": 15, \"warmup\": 5, \"lr\": "
        "0.001,\n"
        "  \"ema\": 0.9, \"crop-min\": 0.5, \"flip\": 0.5, \"save-every\": 2, \"keep\": 3,\n"
        "  \"log-every\": 1}}\n";
    return write_file(dir, "config.json", text, sizeof text - 1, err);
}

/* This program, as a child; kill_after < 0: let it live. Returns the wait status, or -1. */
static int run(const char *dir, const char *out, long kill_after, const char *threads)
{
    struct vlp_buf config = {0}, data = {0}, output = {0};
    vlp_buf_printf(&config, "%s/config.json", dir);
    vlp_buf_printf(&data, "%s/data.jsonl", dir);
    vlp_buf_printf(&output, "%s/%s", dir, out);
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "vlp-train", "-qq", "-j", threads, "--precision",
              cmd_precisions[cmd_model.precision], "--config", config.data, "-o", output.data,
              data.data, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    if (child > 0 && kill_after >= 0) {
        usleep((useconds_t)kill_after);
        kill(child, SIGKILL);
    }
    if (child > 0) waitpid(child, &status, 0);
    vlp_buf_free(&config);
    vlp_buf_free(&data);
    vlp_buf_free(&output);
    return status;
}

static bool same_model(const char *dir, struct vlp_error *err)
{
    struct vlp_map a, b;
    struct vlp_buf path = {0};
    bool           same = false;
    vlp_buf_printf(&path, "%s/straight/model.safetensors", dir);
    if (vlp_map_open(&a, path.data, err) == VLP_OK) {
        vlp_buf_clear(&path);
        vlp_buf_printf(&path, "%s/killed/model.safetensors", dir);
        if (vlp_map_open(&b, path.data, err) == VLP_OK) {
            same = a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
            if (!same) vlp_fail(err, VLP_ERR_MISMATCH, "the two models differ");
            vlp_map_close(&b);
        }
        vlp_map_close(&a);
    }
    vlp_buf_free(&path);
    return same;
}

static void remove_folder(const char *dir)
{
    const pid_t child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", "--", dir, (char *)NULL);
        _exit(127);
    }
    if (child > 0) waitpid(child, NULL, 0);
}

int train_selftest_resume(void)
{
    struct vlp_error err;
    struct vlp_buf   dir = {0};
    const char      *tmp = getenv("TMPDIR");
    vlp_buf_printf(&dir, "%s/vlp-train-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(dir.data)) {
        cmd_error("%s: %s", dir.data, strerror(errno));
        vlp_buf_free(&dir);
        return CMD_FAILED;
    }
    bool      ok = make_data(dir.data, &err) == VLP_OK && make_config(dir.data, &err) == VLP_OK;
    long long took = 0;
    if (ok) {
        const double start = vlp_now();
        const int    status = run(dir.data, "straight", -1, "1");
        took = (long long)((vlp_now() - start) * 1e6);
        ok = status == 0;
        if (!ok) vlp_fail(&err, VLP_ERR_IO, "the straight run failed (wait status %d)", status);
    }
    int            kills = 0, status = 1;
    struct vlp_rng r;
    vlp_rng_seed(&r, (uint64_t)getpid(), 0);
    while (ok && status != 0 && kills < MAX_STARTS) {
        /* Most kills fall somewhere in the run; the chance of a quiet end grows. */
        const long after = (long)(vlp_rng_uniform(&r) * (double)took * (0.3 + 0.05 * kills));
        status = run(dir.data, "killed", after, "2");
        if (status == 0) break;
        ok = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (!ok) vlp_fail(&err, VLP_ERR_IO, "a continued run failed (wait status %d)", status);
        kills++;
    }
    if (ok) ok = same_model(dir.data, &err);
    if (ok)
        printf("resume\tok\t%d kills, the same bytes\n", kills);
    else
        printf("resume\tFAILED\t%s\n", err.text);
    remove_folder(dir.data);
    vlp_buf_free(&dir);
    return ok ? CMD_OK : CMD_FAILED;
}
