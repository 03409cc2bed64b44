/*
 * bench_process.c -- what a user waits for: one picture from start to vector, a folder from end to
 * end.
 *
 * Makes a ViT-B/32 model of random weights in BUILD, as `vlp-model import` would leave it and as
 * open_clip does, and a folder of links to one JPEG. Prints a line a figure: name, measured, must,
 * stretch, ok or BELOW, tab-separated.
 *
 * Of its own file a program believes fingerprint and vocabulary; of a foreign one it has to read
 * every weight for the fingerprint and to open the vocabulary first. Users wait for both.
 *
 *   bench_process BUILD
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vlp/task.h>

enum { PICTURES = 192, BATCH = 32, ROUNDS = 7 };

static const char picture[] = "tests/golden/image/jpeg-420.jpg";
static const char document[] =
    "{\"family\":\"clip\",\"config\":{\"embed_dim\":512,\"activation\":\"quick_gelu\",\"vision\":{"
    "\"kind\":"
    "\"vit\",\"image_size\":224,\"patch_size\":32,\"width\":768,\"layers\":12,\"heads\":12,\"mlp\":"
    "3072,"
    "\"ln_eps\":1e-5,\"interpolate\":\"none\"},\"text\":{\"context\":77,\"vocab\":49408,\"width\":"
    "512,"
    "\"layers\":12,\"heads\":8,\"mlp\":2048,\"ln_eps\":1e-5}},\"preprocess\":{\"flavour\":"
    "\"openai\","
    "\"resize\":\"shortest\",\"size\":[224,224],\"filter\":\"bicubic\",\"rgb_first\":false,"
    "\"crop_floor\":false,\"fill\":0,\"mean\":[0.48145466,0.4578275,0.40821073],\"std\":[0."
    "26862954,"
    "0.26130258,0.27577711]},\"source\":{\"layout\":\"open_clip\",\"file\":\"random\"}}";

static void must(enum vlp_status s, const struct vlp_error *err)
{
    if (s == VLP_OK) return;
    fprintf(stderr, "bench_process: %s\n", err->text);
    exit(1);
}

static void line(const char *name, double value, const char *limit, const char *stretch, int ok)
{
    printf("%s\t%.3f\t%s\t%s\t%s\n", name, value, limit, stretch,
           ok < 0 ? "-"
           : ok   ? "ok"
                  : "BELOW");
    fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

static void make_models(const char *own, const char *foreign)
{
    struct vlp_model      m;
    struct vlp_error      err;
    struct vlp_checkpoint c = {0};
    struct vlp_convert    how = {.layout = VLP_LAYOUT_OPEN_CLIP, .dtype = VLP_F32, .force = true};
    json_t               *about = json_loads(document, 0, NULL);
    must(vlp_model_new(&m, about, 1, &err), &err);
    c.about = about;
    c.n_tensors = (size_t)m.params.n;
    c.tensors = VLP_NEW_N(&c.mem, struct vlp_stored, c.n_tensors);
    for (int i = 0; i < m.params.n; i++) {
        const struct vlp_param *p = m.params.item[i];
        struct vlp_stored      *s = &c.tensors[i];
        *s = (struct vlp_stored){.name = p->name,
                                 .dtype = VLP_F32,
                                 .ndim = p->tensor.ndim,
                                 .data = p->tensor.data,
                                 .size = vlp_numel(&p->tensor) * sizeof(float)};
        for (int k = 0; k < s->ndim; k++) s->dim[k] = p->tensor.dim[k];
    }
    must(vlp_checkpoint_write(&c, foreign, &how, &err), &err);
    must(vlp_checkpoint_add_vocabulary(&c, "share/vlp", NULL, NULL, &err), &err);
    how.layout = VLP_LAYOUT_VLP;
    must(vlp_checkpoint_write(&c, own, &how, &err), &err);
    vlp_checkpoint_close(&c);
    vlp_model_close(&m);
}

/* A whole process for one picture: seconds, and its resident memory in bytes. */
static double one_process(const char *build, const char *model, double *resident)
{
    char program[4096];
    snprintf(program, sizeof program, "%s/vlp-embed", build);
    const double start = vlp_now();
    const pid_t  child = fork();
    if (child == 0) {
        execl(program, "vlp-embed", "-q", "-f", "-m", model, "-o", "/dev/null", "--format", "tsv",
              picture, (char *)NULL);
        _exit(127);
    }
    int           status;
    struct rusage use;
    if (child < 0 || wait4(child, &status, 0, &use) != child || status != 0) {
        fprintf(stderr, "bench_process: %s failed\n", program);
        exit(1);
    }
    *resident = (double)use.ru_maxrss * 1024;
    return vlp_now() - start;
}

struct decode {
    const struct vlp_preprocess *how;
    float                       *out; /* (PICTURES, 3, 224, 224) */
};

static void decode_one(void *ctx, int i, int worker)
{
    (void)worker;
    const struct decode *d = ctx;
    const size_t         size = 3 * (size_t)d->how->width * (size_t)d->how->height;
    struct vlp_arena     mem = {0};
    struct vlp_image     pic;
    struct vlp_error     err;
    must(vlp_image_read(&pic, &mem, picture, &err), &err);
    vlp_preprocess_normalize(d->out + (size_t)i * size, vlp_preprocess_u8(&mem, &pic, d->how),
                             d->how);
    vlp_arena_free(&mem);
}

static enum vlp_status take(void *ctx, const struct vlp_embedded *r, struct vlp_error *err)
{
    int *n = ctx;
    if (r->status != VLP_OK) return vlp_fail(err, r->status, "%s", r->reason);
    (*n)++;
    return VLP_OK;
}

static double end_to_end(struct vlp_encoder *e, const char *folder)
{
    struct vlp_source              *source;
    struct vlp_error                err;
    int                             n = 0;
    char                           *path[] = {(char *)folder};
    const struct vlp_source_options from = {.paths = path, .n_paths = 1};
    const struct vlp_embed_options  how = {
         .features = {.normalize = true}, .images = true, .take = take, .ctx = &n};
    must(vlp_source_open(&source, &from, &err), &err);
    const double start = vlp_now();
    must(vlp_embed_run(e, source, &how, &err), &err);
    const double took = vlp_now() - start;
    vlp_source_close(source);
    return n / took;
}

static void make_folder(const char *folder)
{
    char from[4096], to[4200];
    if (!realpath(picture, from)) exit(1);
    mkdir(folder, 0777);
    for (int i = 0; i < PICTURES; i++) {
        snprintf(to, sizeof to, "%s/%03d.jpg", folder, i);
        unlink(to);
        if (symlink(from, to) != 0) exit(1);
    }
}

static void bench_folder(const char *model, const char *folder)
{
    struct vlp_encoder               e;
    struct vlp_error                 err;
    const struct vlp_encoder_options how = {.no_orient = true, .cpu = getenv("VLP_CPU")};
    const struct vlp_features        unit = {.normalize = true};
    must(vlp_encoder_open(&e, model, &how, &err), &err);
    const size_t     size = 3 * (size_t)e.preprocess.width * (size_t)e.preprocess.height;
    struct vlp_arena mem = {0};
    struct decode    d = {&e.preprocess, vlp_malloc(PICTURES * size * sizeof(float))};
    float           *rows = vlp_malloc((size_t)PICTURES * (size_t)e.model.embed_dim * sizeof *rows);
    double           decode = 0, encode = 0, both = 0;
    for (int round = 0; round < 3; round++) { /* the first warms caches and packs weights */
        double start = vlp_now();
        vlp_parallel(e.compute.pool, PICTURES, decode_one, &d);
        decode = PICTURES / (vlp_now() - start);
        start = vlp_now();
        for (int at = 0; at < PICTURES; at += BATCH)
            vlp_encode_pixels(&e, &e.compute, &mem, d.out + (size_t)at * size, BATCH,
                              e.preprocess.height, e.preprocess.width, &unit, rows);
        encode = PICTURES / (vlp_now() - start);
        both = end_to_end(&e, folder);
    }
    const double slower = decode < encode ? decode : encode;
    line("JPEG to tensor, all threads, pictures/s", decode, "-", "-", -1);
    line("encode B/32 f32 batch 32, all threads, pictures/s", encode, "-", "-", -1);
    line("folder of JPEGs to vectors, pictures/s", both, "-", "-", -1);
    line("folder to vectors over the slower of decode and encode alone", both / slower, "0.85",
         "0.95", both / slower >= 0.85);
    free(rows);
    free(d.out);
    vlp_arena_free(&mem);
    vlp_encoder_close(&e);
}

/* One picture and its process; `weights` is the file of them in `model`, `which` says whose. */
static void bench_process(const char *build, const char *model, const char *weights,
                          const char *which)
{
    struct stat st;
    char        name[96];
    double      took[ROUNDS], resident = 0;
    if (stat(weights, &st) != 0) exit(1);
    one_process(build, model, &resident);
    for (int i = 0; i < ROUNDS; i++) took[i] = one_process(build, model, &resident);
    const double start = median(took, ROUNDS);
    snprintf(name, sizeof name, "whole process, one picture, B/32, %s, seconds", which);
    line(name, start, "0.25", "0.12", start <= 0.25);
    line("its resident memory over the weight file", resident / (double)st.st_size, "1.30", "1.15",
         resident <= 1.3 * (double)st.st_size);
}

int main(int argc, char **argv)
{
    const char *build = argc > 1 ? argv[1] : "build";
    char        own[4096], foreign[4096], weights[4200], folder[4096];
    snprintf(own, sizeof own, "%s/bench-b32.safetensors", build);
    snprintf(foreign, sizeof foreign, "%s/bench-b32-quickgelu", build);
    snprintf(weights, sizeof weights, "%s/open_clip_model.safetensors", foreign);
    snprintf(folder, sizeof folder, "%s/bench-pictures", build);
    make_models(own, foreign);
    make_folder(folder);
    bench_process(build, own, own, "imported file");
    bench_process(build, foreign, weights, "open_clip's folder");
    bench_folder(own, folder);
    return 0;
}
