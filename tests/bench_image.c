/*
 * bench_image.c -- JPEG bytes to the normalised tensor on one core, and the same by others.
 *
 * The yardsticks are scripts/bench_pil.py (PIL and numpy, whose tensor must have our bits) and
 * torchvision (scripts/bench_peers.py), both under $VLP_PYTHON (python3); those that cannot run are
 * left out. Rounds alternate and the median counts, because the machine's speed drifts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vlp/image.h>

#include "peer.h"

#define PICTURE "tests/golden/image/jpeg-420.jpg"

enum { ROUNDS = 7, PICTURES = 60 };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

/* Seconds this thread has computed: other work on the machine does not count. */
static double cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds per picture of each stage. */
struct stages {
    double decode, pixels, tensor;
};

static void check(enum vlp_status s, const struct vlp_error *err)
{
    if (s == VLP_OK) return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static struct stages run(const struct vlp_map *file, const struct vlp_preprocess *how, float *out)
{
    struct vlp_arena mem = {0};
    struct stages    s = {0};
    struct vlp_error err;
    for (int i = 0; i < PICTURES; i++) {
        struct vlp_arena_mark m = vlp_arena_mark(&mem);
        struct vlp_image      im, *u8;
        const double          t0 = cpu_time();
        check(vlp_image_decode(&im, &mem, file->data, file->size, PICTURE, &err), &err);
        const double t1 = cpu_time();
        u8 = vlp_preprocess_u8(&mem, &im, how);
        const double t2 = cpu_time();
        vlp_preprocess_normalize(out, u8, how);
        const double t3 = cpu_time();
        s.decode += (t1 - t0) / PICTURES;
        s.pixels += (t2 - t1) / PICTURES;
        s.tensor += (t3 - t2) / PICTURES;
        vlp_arena_rewind(&mem, m);
    }
    vlp_arena_free(&mem);
    return s;
}

/* Pictures a second of the yardstick and the hash of its pixels; 0 where it cannot run. */
static double yardstick(uint32_t *hash)
{
    const char *python = getenv("VLP_PYTHON");
    char        command[512], line[128] = "";
    snprintf(command, sizeof command, "'%s' scripts/bench_pil.py %s %d 2>/dev/null",
             python ? python : "python3", PICTURE, PICTURES);
    FILE *p = popen(command, "r");
    if (!p) return 0;
    double rate = 0;
    if (!fgets(line, sizeof line, p) || sscanf(line, "%lf\t%x", &rate, hash) != 2) rate = 0;
    pclose(p);
    return rate;
}

static void print_ratio(const char *peer, double ratio)
{
    printf("JPEG to tensor, one core, over %s\t%.2f\t2.5\t3.5\t%s\n", peer, ratio,
           ratio >= 2.5 ? "ok" : "BELOW");
}

int main(void)
{
    struct vlp_map        file;
    struct vlp_error      err;
    struct vlp_preprocess how;
    if (vlp_map_open(&file, PICTURE, &err) != VLP_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    vlp_preprocess_flavour(&how, "openai", 224);
    float *out = vlp_calloc(3 * 224 * 224, sizeof *out);

    struct peer *peer = peer_open();
    char         request[128];
    snprintf(request, sizeof request, "pixels %s %d", PICTURE, PICTURES);
    const bool torchvision = peer_seconds(peer, request) > 0;

    double rate[ROUNDS], ratio[ROUNDS], over_torchvision[ROUNDS], decode[ROUNDS], pixels[ROUNDS],
        tensor[ROUNDS];
    uint32_t hash = 0;
    bool     compared = true;
    run(&file, &how, out); /* warm */
    for (int r = 0; r < ROUNDS; r++) {
        const struct stages s = run(&file, &how, out);
        decode[r] = s.decode;
        pixels[r] = s.pixels;
        tensor[r] = s.tensor;
        rate[r] = 1 / (s.decode + s.pixels + s.tensor);
        const double theirs = compared ? yardstick(&hash) : 0;
        compared = compared && theirs > 0;
        ratio[r] = compared ? rate[r] / theirs : 0;
        over_torchvision[r] = torchvision ? rate[r] * peer_seconds(peer, request) / PICTURES : 0;
    }
    peer_close(peer);
    printf("JPEG 640x427: decode %.3f ms, resize and crop %.3f ms, tensor %.3f ms\n",
           1e3 * median(decode, ROUNDS), 1e3 * median(pixels, ROUNDS),
           1e3 * median(tensor, ROUNDS));
    printf("JPEG to tensor, one core, pictures/s\t%.0f\t-\t-\t-\n", median(rate, ROUNDS));
    if (compared) {
        const uint32_t ours = vlp_fnv1a(VLP_FNV_START, out, 3 * 224 * 224 * sizeof *out);
        if (ours != hash)
            printf("the yardstick's tensor has other bits: %08x, ours %08x\n", hash, ours);
        print_ratio("PIL and numpy", median(ratio, ROUNDS));
    } else {
        printf("no python3 with PIL and numpy here: no yardstick for JPEG to tensor\n");
    }
    if (torchvision)
        print_ratio("PIL and torchvision", median(over_torchvision, ROUNDS));
    else
        printf("no torchvision here: no yardstick of its own\n");
    free(out);
    vlp_map_close(&file);
    return 0;
}
