/*
 * bench_peers.c -- the same work by vlp and by PyTorch, ONNX Runtime and torchvision, round about.
 *
 * Each row is a ratio of medians: the peer's seconds over ours, on the same threads. Where a peer
 * is not installed its rows are left out, and said so. VLP_PYTHON names the Python that has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "towers.h"

enum { ROUNDS = 7 };

struct row {
    const char        *name, *tower;
    enum vlp_precision precision;
    int                batch;
    bool               padded; /* texts: all 77 positions, as the peer computes them */
    const char        *peer;   /* request, %d for the threads */
    double             must, stretch;
    enum vlp_cpu       from; /* bounds are stated for this level and those above */
};

/* ONNX Runtime and PyTorch are to be left behind in every row; bounds above that are the speed
 * table's. */
static const struct row rows[] = {
    {"image f32 batch 1, over PyTorch", "image", VLP_PRECISION_F32, 1, false,
     "torch image f32 1 %d", 1, 1.5, VLP_CPU_PORTABLE},
    {"image f32 batch 32, over PyTorch", "image", VLP_PRECISION_F32, 32, false,
     "torch image f32 32 %d", 1, 1.5, VLP_CPU_PORTABLE},
    {"image f32 batch 1, over ONNX Runtime", "image", VLP_PRECISION_F32, 1, false,
     "ort image f32 1 %d", 1, 1.5, VLP_CPU_PORTABLE},
    {"image f32 batch 32, over ONNX Runtime", "image", VLP_PRECISION_F32, 32, false,
     "ort image f32 32 %d", 1, 1.5, VLP_CPU_PORTABLE},
    {"image bf16 batch 32, over PyTorch bf16", "image", VLP_PRECISION_BF16, 32, false,
     "torch image bf16 32 %d", 1.5, 2.5, VLP_CPU_AMX},
    {"image int8 batch 1, over ONNX Runtime int8", "image", VLP_PRECISION_INT8, 1, false,
     "ort image int8 1 %d", 1, 1.5, VLP_CPU_PORTABLE},
    {"image int8 batch 32, over ONNX Runtime int8", "image", VLP_PRECISION_INT8, 32, false,
     "ort image int8 32 %d", 1, 1.5, VLP_CPU_PORTABLE},
    {"text f32 batch 32 of 77, over PyTorch", "text", VLP_PRECISION_F32, 32, true,
     "torch text f32 32 %d", 1, 1.5, VLP_CPU_PORTABLE},
    {"text f32 batch 32 of 10-16, over PyTorch's 77", "text", VLP_PRECISION_F32, 32, false,
     "torch text f32 32 %d", 1, 1.5, VLP_CPU_PORTABLE},
};

static double ours(struct tower *w, const struct vlp_compute *c, const struct row *r)
{
    return strcmp(r->tower, "image") == 0
               ? tower_image_seconds(w, c, r->batch, tower_sizes[TOWER_B32].image_size, NULL)
               : tower_text_seconds(w, c, r->batch, r->padded);
}

static void bench_row(const struct row *r, struct tower *w, struct vlp_pool *pool,
                      struct peer *peer)
{
    const struct vlp_compute c = tower_compute(pool, r->precision);
    char                     request[96];
    double                   us[ROUNDS], them[ROUNDS];
    snprintf(request, sizeof request, r->peer, vlp_cpu_count());
    if (peer_seconds(peer, request) == 0) {
        printf("%s: no such peer here\n", r->name);
        return;
    }
    ours(w, &c, r);
    for (int i = 0; i < ROUNDS; i++) {
        us[i] = ours(w, &c, r);
        them[i] = peer_seconds(peer, request);
    }
    const double ratio = tower_median(them, ROUNDS) / tower_median(us, ROUNDS);
    const bool   bounded = c.cpu >= r->from;
    printf("%s\t%.3g\t%g\t%g\t%s\n", r->name, ratio, bounded ? r->must : 0,
           bounded ? r->stretch : 0,
           !bounded           ? "-"
           : ratio >= r->must ? "ok"
                              : "BELOW");
    fflush(stdout);
}

int main(void)
{
    struct peer *peer = peer_open();
    if (!peer) {
        printf("no Python with PyTorch or ONNX Runtime here (VLP_PYTHON): no peers\n");
        return 0;
    }
    struct vlp_pool         *pool = vlp_pool_open(0);
    static const char *const towers[] = {"image", "text"};
    for (size_t t = 0; t < VLP_COUNT(towers); t++) {
        struct tower w;
        tower_open(&w, &tower_sizes[TOWER_B32], towers[t]);
        for (size_t i = 0; i < VLP_COUNT(rows); i++)
            if (strcmp(rows[i].tower, towers[t]) == 0) bench_row(&rows[i], &w, pool, peer);
        tower_close(&w);
    }
    vlp_pool_close(pool);
    peer_close(peer);
    return 0;
}
