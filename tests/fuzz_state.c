/*
 * fuzz_state.c -- any bytes as the state of a training run that a trainer is to go on with, as they
 * are and with the right sum over the header, so that what lies behind it is reached.
 */
#include <string.h>

#include <vlp/train.h>

#include "fuzz.h"

static const char document[] =
    "{\"family\":\"clip\",\"source\":{\"layout\":\"hf\",\"file\":\"x\"},"
    "\"config\":{\"embed_dim\":2,\"activation\":\"gelu\","
    "\"vision\":{\"kind\":\"vit\",\"image_size\":4,\"patch_size\":2,\"width\":2,\"layers\":1,"
    "\"heads\":1,\"mlp\":2,\"ln_eps\":1e-05,\"interpolate\":\"none\"},"
    "\"text\":{\"context\":2,\"vocab\":4,\"width\":2,\"layers\":1,\"heads\":1,\"mlp\":2,"
    "\"ln_eps\":1e-05}},\"preprocess\":{\"flavour\":\"openai\",\"resize\":\"shortest\","
    "\"size\":[4,4],\"filter\":\"bicubic\",\"rgb_first\":false,\"crop_floor\":false,\"fill\":0,"
    "\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}}";

static const char vocabulary[] = "#version: 0.2\na b\n";

static void must(enum vlp_status s, const struct vlp_error *err)
{
    if (s == VLP_OK) return;
    fprintf(stderr, "%s\n", err->text);
    abort();
}

static struct vlp_trainer *open_trainer(void)
{
    static struct vlp_model   model;
    static struct vlp_compute compute;
    struct vlp_trainer       *t;
    struct vlp_error          err;
    json_t                   *about = json_loads(document, 0, NULL);
    struct vlp_train_options  o = {
         .loss = vlp_contrastive_loss_find("softmax"),
         .schedule = {"cosine", 0.5, 0, 1, 2, 8},
         .adamw = {0.5f, 0.75f, 0.0625f, 0.25f},
         .ema_decay = 0.5f,
         .layer_decay = 1,
         .image_rate = 1,
         .text_rate = 1,
         .run = json_pack("{s:i}", "batch", 2),
         .vocab = vocabulary,
         .vocab_len = sizeof vocabulary - 1,
    };
    must(vlp_compute_init(&compute, vlp_pool_open(1), NULL, VLP_PRECISION_F32, &err), &err);
    must(vlp_model_new(&model, about, 1, &err), &err);
    must(vlp_trainer_open(&t, &model, &compute, NULL, &o, &err), &err);
    json_decref(about);
    return t;
}

static void load(struct vlp_trainer *t, const char *path)
{
    json_t          *extra = NULL;
    struct vlp_error err;
    if (vlp_trainer_load(t, path, &extra, &err) == VLP_OK && vlp_trainer_steps(t) < 0) abort();
    json_decref(extra);
}

/* Does the sum over the header change? */
static bool mend(uint8_t *p, size_t size, const char *path)
{
    static const char      key[] = "\"vlp.train.sum\":\"";
    struct vlp_safetensors f;
    char                   sum[33];
    uint8_t               *at = memmem(p, size, key, sizeof key - 1);
    if (!at || (size_t)(p + size - at) < sizeof key - 1 + 32) return false;
    if (vlp_safetensors_open(&f, path, NULL) != VLP_OK) return false;
    const char *state = json_string_value(json_object_get(f.metadata, "vlp.train"));
    bool        changed = false;
    if (state) {
        vlp_state_sum(f.tensors, f.n_tensors, state, sum);
        changed = memcmp(at + sizeof key - 1, sum, 32) != 0;
        memcpy(at + sizeof key - 1, sum, 32);
    }
    vlp_safetensors_close(&f);
    return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vlp_trainer *t;
    static int                 fd = -1;
    static char                path[64];
    if (!t) t = open_trainer();
    if (fd < 0) fd = fuzz_file(path);
    fuzz_put(fd, data, size);
    load(t, path);
    uint8_t *copy = vlp_malloc(size + 1);
    memcpy(copy, data, size);
    if (mend(copy, size, path)) {
        fuzz_put(fd, copy, size);
        load(t, path);
    }
    free(copy);
    return 0;
}
