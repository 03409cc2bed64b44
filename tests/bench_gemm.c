/*
 * bench_gemm.c -- the matrix kernels over this machine's own peaks, measured in the same run.
 *
 *   bench_gemm [NAME]      only workloads whose name contains NAME; VLP_CPU chooses the level
 *
 * A figure is the median of rounds in which the workload and its yardstick take turns.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vlp/tensor.h>

#include "peer.h"

enum { ROUNDS = 7 };

static const char *only;

static bool wanted(const char *name)
{
    return !only || strstr(name, only);
}

static void report(const char *name, double value, double must, double stretch)
{
    /* must above stretch: the smaller the better */
    const bool ok = must <= stretch ? value >= must : value <= must;
    printf("%s\t%.3f\t%.2f\t%.2f\t%s\n", name, value, must, stretch, ok ? "ok" : "BELOW");
    fflush(stdout);
}

static void figure(const char *name, double value)
{
    printf("%s\t%.2f\t-\t-\t-\n", name, value);
    fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* In huge pages where there are any: the programs' arenas ask for them, and so do the peaks. */
static float *random_floats(size_t n, float scale)
{
    enum { HUGE_PAGE = 2 << 20 };
    const size_t size = n * sizeof(float);
    float       *p = NULL;
    if (posix_memalign((void **)&p, size < HUGE_PAGE ? 64 : HUGE_PAGE, size + 64) != 0)
        vlp_no_memory(size);
    if (size >= HUGE_PAGE) madvise(p, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    struct vlp_rng r;
    vlp_rng_seed(&r, 1, n);
    for (size_t i = 0; i < n; i++) p[i] = scale * ((float)vlp_rng_uniform(&r) - 0.5f);
    return p;
}

/* ---- products ---------------------------------------------------------------------- */

struct shape {
    const char *model;
    int         M, N, K;
};

/* tokens x (qkv, projection, first and second layer of the MLP), one picture or text and 32 */
static const struct shape shapes[] = {
    {"B/32 b1", 50, 2304, 768},    {"B/32 b1", 50, 768, 768},     {"B/32 b1", 50, 3072, 768},
    {"B/32 b1", 50, 768, 3072},    {"B/32 b32", 1600, 2304, 768}, {"B/32 b32", 1600, 768, 768},
    {"B/32 b32", 1600, 3072, 768}, {"B/32 b32", 1600, 768, 3072}, {"B/16 b1", 197, 2304, 768},
    {"B/16 b1", 197, 768, 768},    {"B/16 b1", 197, 3072, 768},   {"B/16 b1", 197, 768, 3072},
    {"B/16 b32", 6304, 2304, 768}, {"L/14 b1", 257, 3072, 1024},  {"L/14 b1", 257, 1024, 1024},
    {"L/14 b1", 257, 4096, 1024},  {"L/14 b1", 257, 1024, 4096},  {"L/14 b32", 8224, 1024, 1024},
    {"text b1", 77, 1536, 512},    {"text b1", 77, 512, 512},     {"text b1", 77, 2048, 512},
    {"text b1", 77, 512, 2048},    {"text b32", 2464, 1536, 512}, {"text b32", 2464, 2048, 512},
};

struct work {
    struct vlp_compute  c;
    const struct shape *s;
    float              *x, *y, *w, *bias;
    struct vlp_packed  *packed;
    int                 repeat;
};

static void work_open(struct work *k, const struct vlp_compute *c, const struct shape *s,
                      enum vlp_precision p)
{
    *k = (struct work){.c = *c, .s = s};
    k->x = random_floats((size_t)s->M * s->K, 1.0f);
    k->w = random_floats((size_t)s->N * s->K, 0.1f);
    k->y = random_floats((size_t)s->M * s->N, 1.0f);
    k->bias = random_floats((size_t)s->N, 1.0f);
    k->packed = vlp_pack(c, k->w, VLP_F32, s->N, s->K, p);
    k->repeat = (int)(1.5e9 / (2.0 * s->M * s->N * s->K)) + 1;
}

static void work_close(struct work *k)
{
    free(k->x);
    free(k->w);
    free(k->y);
    free(k->bias);
    vlp_packed_free(k->packed);
}

/* Operations a second, in units of 10^9. */
static double work_run(const struct work *k, const struct vlp_epilogue *e)
{
    const struct shape *s = k->s;
    const double        t = vlp_now();
    for (int i = 0; i < k->repeat; i++)
        vlp_gemm_packed(&k->c, k->y, s->N, k->x, s->K, s->M, k->packed, 0, s->N, e);
    return 2e-9 * s->M * s->N * s->K * k->repeat / (vlp_now() - t);
}

static void bench_products(const struct vlp_compute *c, enum vlp_precision p)
{
    const int threads = vlp_pool_threads(c->pool);
    char      name[128];
    for (size_t i = 0; i < VLP_COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        snprintf(name, sizeof name, "gemm %s %s %dx%dx%d %dT over peak", vlp_precision_name(p),
                 s->model, s->M, s->N, s->K, threads);
        if (!wanted(name)) continue;
        struct work k;
        double      ratio[ROUNDS];
        work_open(&k, c, s, p);
        work_run(&k, NULL);
        for (int r = 0; r < ROUNDS; r++) {
            const double peak = vlp_peak_flops(c, p);
            ratio[r] = work_run(&k, NULL) / peak;
        }
        if (p == VLP_PRECISION_F32)
            report(name, median(ratio, ROUNDS), threads > 1 ? 0.70 : 0.75,
                   threads > 1 ? 0.80 : 0.88);
        else
            figure(name, median(ratio, ROUNDS));
        work_close(&k);
    }
}

/* A faster precision over f32 of the same run. */
static void bench_precision(const struct vlp_compute *c, enum vlp_precision p, double must,
                            double stretch)
{
    const struct shape s = {"", 1600, 3072, 768};
    char               name[128];
    snprintf(name, sizeof name, "gemm %s over f32, 1600x3072x768 %dT", vlp_precision_name(p),
             vlp_pool_threads(c->pool));
    if (!wanted(name)) return;
    struct work a, b;
    double      ratio[ROUNDS];
    work_open(&a, c, &s, p);
    work_open(&b, c, &s, VLP_PRECISION_F32);
    for (int r = 0; r < ROUNDS; r++) ratio[r] = work_run(&a, NULL) / work_run(&b, NULL);
    report(name, median(ratio, ROUNDS), must, stretch);
    work_close(&a);
    work_close(&b);
}

static void bench_epilogue(const struct vlp_compute *c)
{
    static const struct shape cases[] = {{"b1", 50, 3072, 768}, {"b32", 1600, 3072, 768}};
    char                      name[128];
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        snprintf(name, sizeof name, "bias and gelu over plain, %s %dT", cases[i].model,
                 vlp_pool_threads(c->pool));
        if (!wanted(name)) continue;
        struct work k;
        double      ratio[2 * ROUNDS + 1];
        work_open(&k, c, &cases[i], VLP_PRECISION_F32);
        const struct vlp_epilogue e = {.bias = k.bias, .act = VLP_ACT_GELU};
        for (size_t r = 0; r < VLP_COUNT(ratio); r++)
            ratio[r] = work_run(&k, NULL) / work_run(&k, &e);
        report(name, median(ratio, (int)VLP_COUNT(ratio)), 1.08, 1.03);
        work_close(&k);
    }
}

typedef void sgemm(int order, int ta, int tb, int M, int N, int K, float alpha, const float *A,
                   int lda, const float *B, int ldb, float beta, float *C, int ldc);

/* Batch 1 over OpenBLAS where it is installed, geometric mean; each warms up before it counts. */
static void bench_openblas(const struct vlp_compute *c)
{
    const int threads = vlp_pool_threads(c->pool);
    char      name[128];
    snprintf(name, sizeof name, "gemm at batch 1 over OpenBLAS %dT", threads);
    if (!wanted(name)) return;
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW);
    if (!lib) {
        printf("%s\tnot installed\t1.15\t1.30\t-\n", name);
        return;
    }
    sgemm *cblas_sgemm;
    void (*set_threads)(int);
    *(void **)&cblas_sgemm = dlsym(lib, "cblas_sgemm");
    *(void **)&set_threads = dlsym(lib, "openblas_set_num_threads");
    if (!cblas_sgemm || !set_threads) return;
    set_threads(threads);
    enum { ROW_MAJOR = 101, PLAIN = 111, TURNED = 112 };
    double logs = 0.0;
    int    n = 0;
    for (size_t i = 0; i < VLP_COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        if (!strstr(s->model, "b1")) continue;
        struct work k;
        double      ratio[ROUNDS];
        work_open(&k, c, s, VLP_PRECISION_F32);
        for (int r = 0; r < ROUNDS; r++) {
            double ours = 0.0, seconds = 0.0;
            peer_rest();
            for (int warm = 0; warm < 2; warm++) ours = work_run(&k, NULL);
            peer_rest();
            for (int warm = 0; warm < 2; warm++) {
                const double t = vlp_now();
                for (int j = 0; j < k.repeat; j++)
                    cblas_sgemm(ROW_MAJOR, PLAIN, TURNED, s->M, s->N, s->K, 1.0f, k.x, s->K, k.w,
                                s->K, 0.0f, k.y, s->N);
                seconds = vlp_now() - t;
            }
            ratio[r] = ours * seconds / (2e-9 * s->M * s->N * s->K * k.repeat);
        }
        logs += log(median(ratio, ROUNDS));
        n++;
        work_close(&k);
    }
    report(name, exp(logs / n), threads > 1 ? 1.4 : 1.15, threads > 1 ? 1.8 : 1.3);
    dlclose(lib);
}

/* Both operands packed on the fly, the shapes of a training step. */
static void bench_general(const struct vlp_compute *c)
{
    static const struct {
        const char *form;
        bool        ta, tb;
        int         M, N, K;
    } cases[] = {{"NT", false, true, 1600, 3072, 768},
                 {"NN", false, false, 1600, 768, 3072},
                 {"TN", true, false, 3072, 768, 1600},
                 {"TT", true, true, 768, 768, 1600}};
    char name[128];
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        const int M = cases[i].M, N = cases[i].N, K = cases[i].K;
        snprintf(name, sizeof name, "general gemm %s %dx%dx%d %dT over peak", cases[i].form, M, N,
                 K, vlp_pool_threads(c->pool));
        if (!wanted(name)) continue;
        float *A = random_floats((size_t)M * K, 1.0f), *B = random_floats((size_t)N * K, 1.0f);
        float *C = random_floats((size_t)M * N, 1.0f);
        double ratio[ROUNDS];
        for (int r = 0; r < ROUNDS; r++) {
            const double peak = vlp_peak_flops(c, VLP_PRECISION_F32), t = vlp_now();
            vlp_gemm(c, VLP_PRECISION_F32, cases[i].ta, cases[i].tb, M, N, K, 1.0f, A,
                     cases[i].ta ? M : K, B, cases[i].tb ? K : N, true, C, N);
            ratio[r] = 2e-9 * M * N * K / (vlp_now() - t) / peak;
        }
        report(name, median(ratio, ROUNDS), 0.65, 0.80);
        free(A);
        free(B);
        free(C);
    }
}

/* One row: the weight passes through once. */
static void bench_one_row(const struct vlp_compute *c)
{
    const struct shape s = {"", 1, 8192, 4096};
    char               name[128];
    snprintf(name, sizeof name, "one row 1x8192x4096 %dT over read bandwidth",
             vlp_pool_threads(c->pool));
    if (!wanted(name)) return;
    struct work k;
    double      ratio[ROUNDS];
    work_open(&k, c, &s, VLP_PRECISION_F32);
    k.repeat = 3;
    for (int r = 0; r < ROUNDS; r++) {
        const double peak = vlp_peak_read(c);
        ratio[r] = work_run(&k, NULL) * 2.0 / peak; /* four bytes for two operations */
    }
    report(name, median(ratio, ROUNDS), 0.75, 0.90);
    work_close(&k);
}

/* ---- the others -------------------------------------------------------------------- */

static void bench_attention(const struct vlp_compute *c)
{
    static const struct {
        const char *model;
        int         T, heads, D, n_seq;
        bool        causal;
        double      must, stretch;
    } cases[] = {{"B/16", 197, 12, 64, 1, false, 0.55, 0.70},
                 {"L/14", 257, 16, 64, 1, false, 0.55, 0.70},
                 {"L/14@336", 577, 16, 64, 1, false, 0.55, 0.70},
                 {"H/14", 257, 16, 80, 1, false, 0.55, 0.70},
                 {"B/32", 50, 12, 64, 32, false, 0.35, 0.45},
                 {"text", 77, 8, 64, 32, true, 0.25, 0.35},
                 {"captions", 12, 8, 64, 64, true, 0.10, 0.15}};
    char name[128];
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        const int T = cases[i].T, C = cases[i].heads * cases[i].D, n = cases[i].n_seq;
        snprintf(name, sizeof name, "attention %s %d tokens x %d %dT over peak", cases[i].model, T,
                 n, vlp_pool_threads(c->pool));
        if (!wanted(name)) continue;
        float *qkv = random_floats((size_t)n * T * 3 * C, 2.0f),
              *y = random_floats((size_t)n * T * C, 1);
        int *start = vlp_malloc(sizeof *start * (size_t)(n + 1));
        for (int s = 0; s <= n; s++) start[s] = s * T;
        struct vlp_attention_args a = {.y = y,
                                       .q = qkv,
                                       .k = qkv + C,
                                       .v = qkv + 2 * C,
                                       .ldy = C,
                                       .ldq = 3 * C,
                                       .ldk = 3 * C,
                                       .ldv = 3 * C,
                                       .heads = cases[i].heads,
                                       .head_dim = cases[i].D,
                                       .n_seq = n,
                                       .q_start = start,
                                       .k_start = start,
                                       .scale = 0.125f,
                                       .causal = cases[i].causal};
        /* what a causal mask hides is not counted */
        const double pairs = cases[i].causal ? 0.5 * T * (T + 1.0) : (double)T * T;
        const double ops = 4.0 * pairs * C * n;
        const int    repeat = (int)(5e8 / ops) + 1;
        double       ratio[ROUNDS];
        vlp_attention_forward(c, &a);
        for (int r = 0; r < ROUNDS; r++) {
            const double peak = vlp_peak_flops(c, VLP_PRECISION_F32), t = vlp_now();
            for (int j = 0; j < repeat; j++) vlp_attention_forward(c, &a);
            ratio[r] = 1e-9 * ops * repeat / (vlp_now() - t) / peak;
        }
        report(name, median(ratio, ROUNDS), cases[i].must, cases[i].stretch);
        free(qkv);
        free(y);
        free(start);
    }
}

enum { ROWS = 64000, DIM = 512, READ_PARTS = 64 };

static void read_part(void *ctx, int i, int worker)
{
    const uint64_t   *p = (const uint64_t *)ctx + (size_t)i * (ROWS / READ_PARTS * DIM / 2);
    volatile uint64_t sink;
    uint64_t          sum[4] = {0};
    (void)worker;
    for (size_t k = 0; k < ROWS / READ_PARTS * DIM / 2; k += 4)
        for (int j = 0; j < 4; j++) sum[j] += p[k + j];
    sink = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
    (void)sink;
}

static void bench_scan(const struct vlp_compute *c)
{
    static const struct {
        enum vlp_dtype dtype;
        size_t         stride;
        double         must, stretch;
    } cases[] = {{VLP_F32, 2048, 0.80, 0.93}, {VLP_F16, 1024, 1.7, 1.95}, {VLP_I8, 516, 2.8, 3.7}};
    const int threads = vlp_pool_threads(c->pool);
    char      name[128];
    uint8_t  *rows[3];
    float    *q = random_floats(DIM, 1.0f), *out = random_floats(ROWS, 1.0f);
    double    ratio[3][ROUNDS];
    for (int i = 0; i < 3; i++) {
        rows[i] = aligned_alloc(64, cases[i].stride * ROWS); /* as in a file's map */
        if (!rows[i]) exit(2);
        memset(rows[i], 1, cases[i].stride * ROWS);
    }
    for (int r = 0; r < ROUNDS && wanted("exact search"); r++) {
        double time[3];
        double t = vlp_now();
        vlp_parallel(c->pool, READ_PARTS, read_part, rows[0]);
        const double read = vlp_now() - t;
        for (int i = 0; i < 3; i++) {
            t = vlp_now();
            vlp_scan_rows(c, out, q, rows[i], cases[i].stride, cases[i].dtype, DIM, ROWS);
            time[i] = vlp_now() - t;
            ratio[i][r] = (i ? time[0] : read) / time[i];
        }
    }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "exact search %s rows %dT over %s",
                 vlp_dtype_name(cases[i].dtype), threads, i ? "f32 rows" : "reading them");
        if (wanted("exact search"))
            report(name, median(ratio[i], ROUNDS), cases[i].must, cases[i].stretch);
        free(rows[i]);
    }
    free(q);
    free(out);
}

/* The weights of ViT-B/32's image tower, twelve times these four; the best of three. */
static void bench_packing(const struct vlp_compute *c)
{
    static const enum vlp_dtype types[] = {VLP_F32, VLP_F16};
    static const int            nk[4][2] = {{2304, 768}, {768, 768}, {3072, 768}, {768, 3072}};
    char                        name[128];
    for (size_t t = 0; t < VLP_COUNT(types); t++) {
        snprintf(name, sizeof name, "packing B/32's image tower from %s %dT, ms",
                 vlp_dtype_name(types[t]), vlp_pool_threads(c->pool));
        if (!wanted(name)) continue;
        uint8_t           *w[48];
        struct vlp_packed *p[48];
        double             best = INFINITY;
        for (int i = 0; i < 48; i++) {
            const size_t size = vlp_dtype_size(types[t], (size_t)nk[i % 4][0] * nk[i % 4][1]);
            w[i] = vlp_malloc(size);
            memset(w[i], 1, size);
        }
        for (int r = 0; r < 3; r++) {
            const double t0 = vlp_now();
            for (int i = 0; i < 48; i++)
                p[i] = vlp_pack(c, w[i], types[t], nk[i % 4][0], nk[i % 4][1], VLP_PRECISION_F32);
            best = fmin(best, vlp_now() - t0);
            for (int i = 0; i < 48; i++) vlp_packed_free(p[i]);
        }
        figure(name, best * 1e3);
        for (int i = 0; i < 48; i++) free(w[i]);
    }
}

static void bench_level(struct vlp_pool *pool)
{
    struct vlp_compute c;
    struct vlp_error   err;
    char               name[128];
    if (vlp_compute_init(&c, pool, getenv("VLP_CPU"), VLP_PRECISION_F32, &err) != VLP_OK) {
        fprintf(stderr, "bench_gemm: %s\n", err.text);
        exit(2);
    }
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        snprintf(name, sizeof name, "peak %s %s %dT, G/s", vlp_cpu_name(c.cpu),
                 vlp_precision_name((enum vlp_precision)p), vlp_pool_threads(pool));
        if (wanted(name)) figure(name, vlp_peak_flops(&c, (enum vlp_precision)p));
    }
    snprintf(name, sizeof name, "peak read %dT, GB/s", vlp_pool_threads(pool));
    if (wanted(name)) figure(name, vlp_peak_read(&c));
    snprintf(name, sizeof name, "peak triad %dT, GB/s", vlp_pool_threads(pool));
    if (wanted(name)) figure(name, vlp_peak_triad(&c));
    bench_products(&c, VLP_PRECISION_F32);
    bench_openblas(&c);
    bench_epilogue(&c);
    bench_products(&c, VLP_PRECISION_BF16);
    bench_products(&c, VLP_PRECISION_INT8);
    bench_precision(&c, VLP_PRECISION_INT8, c.cpu == VLP_CPU_AMX ? 4.0 : 1.5,
                    c.cpu == VLP_CPU_AMX ? 12.0 : 1.8);
    if (c.cpu == VLP_CPU_AMX) bench_precision(&c, VLP_PRECISION_BF16, 7.0, 12.0);
    bench_general(&c);
    bench_one_row(&c);
    bench_attention(&c);
    bench_scan(&c);
    bench_packing(&c);
}

int main(int argc, char **argv)
{
    only = argc > 1 ? argv[1] : NULL;
    bench_level(NULL);
    struct vlp_pool *pool = vlp_pool_open(0);
    if (vlp_pool_threads(pool) > 1) bench_level(pool);
    vlp_pool_close(pool);
    return 0;
}
