/*
 * fuzz_checkpoint.c -- any bytes as one file of a checkpoint whose other files are sound: weights,
 * an index of shards, a configuration, a vocabulary. The first byte chooses which. What opens is
 * looked at as the programs do, and what they write of it must be what it was.
 */
#include <dirent.h>
#include <string.h>

#include "checkpoint/checkpoint_internal.h"
#include "fuzz.h"

/* A small model, of which the sound files are made. */
static const char model[] = "tests/fuzz_seeds/checkpoint.safetensors";

static const struct {
    const char *name;      /* the file that is made of the input */
    const char *folder;    /* whose other files lie beside it: "hf", "open_clip", or NULL: none */
    const char *left_out;  /* of these, what `name` stands for */
    bool        is_folder; /* opened by the folder's name */
} cases[] = {
    {"model.safetensors", NULL, NULL, false},
    {"model.pt", NULL, NULL, false},
    {"model.safetensors", "hf", NULL, true},
    {"model.safetensors.index.json", "hf", "model.safetensors", true},
    {"config.json", "hf", NULL, true},
    {"preprocessor_config.json", "hf", NULL, true},
    {"vocab.json", "hf", NULL, true},
    {"merges.txt", "hf", NULL, true},
    {"tokenizer.json", "hf", NULL, true},
    {"tokenizer.json", "hf", "merges.txt", true},
    {"tokenizer_config.json", "hf", NULL, true},
    {"open_clip_config.json", "open_clip", NULL, true},
    {"open_clip_model.safetensors", "open_clip", NULL, true},
    {"open_clip_config.json", "open_clip", NULL, false}, /* by the name of the weights */
};

static char       *opened[VLP_COUNT(cases)]; /* a folder or a file */
static const char *written;                  /* where what opened goes */
static char        file[64];
static int         fd = -1;

static void must(enum vlp_status s, const struct vlp_error *err)
{
    if (s == VLP_OK) return;
    fprintf(stderr, "%s\n", err->text);
    abort();
}

static void make_folder(const char *name, enum vlp_layout layout)
{
    struct vlp_checkpoint    c;
    struct vlp_error         err;
    const struct vlp_convert how = {.layout = layout, .keep_dtype = true, .force = true};
    char                    *path = fuzz_name(name, "");
    must(vlp_checkpoint_open(&c, model, NULL, &err), &err);
    must(vlp_checkpoint_write(&c, path, &how, &err), &err);
    vlp_checkpoint_close(&c);
    free(path);
}

/* The files of a sound folder, but for the one that the input is and those it stands for. */
static void link_rest(size_t i, const char *sub)
{
    char *from = fuzz_name(cases[i].folder, "");
    DIR  *d = opendir(from);
    if (!d) abort();
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, cases[i].name) == 0) continue;
        char *target = fuzz_name(cases[i].folder, e->d_name);
        if (!cases[i].left_out || strcmp(e->d_name, cases[i].left_out) != 0)
            free(fuzz_link(target, sub, e->d_name));
        else if (strstr(cases[i].name, "index")) /* the shards that it may name */
            free(fuzz_link(target, sub, "a")), free(fuzz_link(target, sub, "b"));
        free(target);
    }
    closedir(d);
    free(from);
}

static void make_folders(void)
{
    fd = fuzz_file(file);
    make_folder("hf", VLP_LAYOUT_HF);
    make_folder("open_clip", VLP_LAYOUT_OPEN_CLIP);
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        char sub[16];
        snprintf(sub, sizeof sub, "%zu", i);
        char *path = fuzz_link(file, sub, cases[i].name);
        if (cases[i].folder) link_rest(i, sub);
        opened[i] = cases[i].is_folder ? fuzz_name(sub, "")
                    : cases[i].folder  ? fuzz_name(sub, "open_clip_model.safetensors")
                                       : vlp_strdup(path);
        free(path);
    }
    written = fuzz_name("written", "model.safetensors");
}

static void listen(void *ctx, const char *sentence)
{
    (void)ctx;
    if (strlen(sentence) == SIZE_MAX) abort();
}

static void hear(void *ctx, const char *what, const char *tensor, const char *sentence)
{
    (void)ctx;
    if (strlen(what) + strlen(tensor) + strlen(sentence) == SIZE_MAX) abort();
}

/* The same model must come back from the file that we write of it. */
static void write_and_read(const struct vlp_checkpoint *c, const char *fingerprint)
{
    struct vlp_checkpoint    again;
    struct vlp_error         err;
    char                     text[33];
    const struct vlp_convert how = {.layout = VLP_LAYOUT_VLP, .keep_dtype = true, .force = true};
    size_t                   size = 0;
    for (size_t i = 0; i < c->n_tensors; i++) size += c->tensors[i].size;
    if (size > 1 << 18 || vlp_checkpoint_write(c, written, &how, &err) != VLP_OK) return;
    must(vlp_checkpoint_open(&again, written, NULL, &err), &err);
    must(vlp_checkpoint_check(&again, 0, &err), &err);
    vlp_fingerprint_compute(&again, text);
    if (strcmp(text, fingerprint) != 0) abort();
    vlp_checkpoint_close(&again);
}

static void use(const struct vlp_checkpoint *c)
{
    struct vlp_merges m;
    struct vlp_buf    pieces = {0};
    struct vlp_error  err;
    size_t            checked;
    char              text[33];
    vlp_checkpoint_verify(c, &checked, hear, NULL);
    if (!c->about) return;
    must(vlp_about_validate(c->about, "what was opened", &err), &err);
    vlp_fingerprint_compute(c, text);
    if (vlp_merges_of(&m, c, NULL) == VLP_OK) vlp_merges_free(&m);
    if (vlp_own_pieces_of(&pieces, c, NULL) == VLP_OK) vlp_buf_free(&pieces);
    write_and_read(c, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vlp_checkpoint c;
    struct vlp_error      err;
    if (size == 0) return 0;
    if (fd < 0) make_folders();
    const size_t                        which = data[0] % 16 % VLP_COUNT(cases);
    const struct vlp_checkpoint_options o = {
        .activation = data[0] & 16 ? "gelu" : NULL, .raw = data[0] & 32, .say = listen};
    fuzz_put(fd, data + 1, size - 1);
    if (vlp_checkpoint_open(&c, opened[which], &o, &err) != VLP_OK) return 0;
    use(&c);
    vlp_checkpoint_close(&c);
    return 0;
}
