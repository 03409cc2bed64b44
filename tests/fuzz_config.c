/*
 * fuzz_config.c -- any JSON as each configuration file that lies beside weights, and as vlp's own
 * document. The first byte chooses which; what is accepted must be valid, and a valid document can
 * be asked for its tensors and fingerprinted.
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a tiny model's shapes say. */
static const char derived[] =
    "{\"family\":\"clip\",\"source\":{\"layout\":\"hf\",\"file\":\"x\"},"
    "\"config\":{\"embed_dim\":32,"
    "\"vision\":{\"kind\":\"vit\",\"image_size\":32,\"patch_size\":8,\"width\":64,\"layers\":2,"
    "\"heads\":1,\"mlp\":256,\"ln_eps\":1e-05,\"interpolate\":\"none\"},"
    "\"text\":{\"context\":12,\"vocab\":600,\"width\":64,\"layers\":2,\"heads\":1,\"mlp\":256,"
    "\"ln_eps\":1e-05}}}";

static void count_one(void *ctx, const char *name, int ndim, const int64_t *dim, bool optional)
{
    (void)name, (void)ndim, (void)dim, (void)optional;
    ++*(size_t *)ctx;
}

/* Deep stacks make long lists; a few are enough. */
static void use_document(json_t *about)
{
    struct vlp_error err;
    if (vlp_about_validate(about, "input", &err) != VLP_OK) return;
    size_t n = 0;
    vlp_about_expect(about, count_one, &n);
    if (n == 0) abort();
    struct vlp_checkpoint c = {.about = about};
    char                  text[33];
    vlp_fingerprint_compute(&c, text);
}

static void use_merges(json_t *about, const uint8_t *data, size_t size)
{
    struct vlp_stored     t = {.name = "tokenizer.vocab",
                               .dtype = VLP_U8,
                               .ndim = 1,
                               .dim = {(int64_t)size},
                               .data = data,
                               .size = size};
    struct vlp_checkpoint c = {.about = about, .tensors = &t, .n_tensors = 1};
    struct vlp_merges     m;
    json_object_set_new(
        about, "tokenizer",
        json_pack("{s:s, s:s, s:s}", "kind", "clip_bpe", "cleaning", "hf", "tensor", t.name));
    if (vlp_merges_of(&m, &c, NULL) == VLP_OK) vlp_merges_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vlp_arena         mem;
    struct vlp_error         err;
    struct vlp_checkpoint    c = {0};
    struct vlp_origin        origin = {.path = "x", .file = "x", .folder = ".", .mem = &mem};
    const struct vlp_opening o = {.source = &origin, .out = &c, .err = &err};
    bool                     used;
    if (size < 1) return 0;
    vlp_arena_init(&mem);
    json_t *about = json_loads(derived, 0, NULL), *p = vlp_preprocess_default("hf", 32);
    json_object_set_new(about, "preprocess", p);
    json_t *in = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
    origin.is_folder = data[0] & 8;
    if (data[0] % 8 == 5) use_merges(about, data + 1, size - 1);
    if (in) {
        switch (data[0] % 8) {
        case 0:
            if (vlp_clip_config_hf(&o, about, in) == VLP_OK) use_document(about);
            break;
        case 1:
            if (vlp_clip_config_open_clip(&o, about, in, &used) == VLP_OK && used)
                use_document(about);
            break;
        case 2:
            if (vlp_preprocess_from_hf(p, in, "input", &err) == VLP_OK) use_document(about);
            break;
        case 3:
            if (vlp_preprocess_from_open_clip(p, in, "input", &err) == VLP_OK) use_document(about);
            break;
        case 4: use_document(in); break;
        default: vlp_own_keys_apply(about, in); break;
        }
    }
    json_decref(in);
    json_decref(about);
    vlp_arena_free(&mem);
    return 0;
}
