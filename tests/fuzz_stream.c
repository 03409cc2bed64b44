/*
 * fuzz_stream.c -- embedding files of any format, mapped and from a pipe's point of view, whole and
 * with damage stepped over; and npy arrays.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vlp/embedding.h>

static void read_all(const char *path, bool skip)
{
    struct vlp_embedding_reader      *r;
    struct vlp_embedding_block        b;
    struct vlp_embedding_read_options o = {.skip_damaged = skip};
    if (vlp_embedding_open_with(&r, path, &o, NULL) != VLP_OK) return;
    const struct vlp_embedding_header *h = vlp_embedding_header(r);
    float                             *x = vlp_malloc((size_t)h->dim * sizeof *x);
    uint64_t                           sum = 0;
    while (vlp_embedding_next(r, &b, NULL) == VLP_OK && b.n) {
        for (int i = 0; i < b.n; i++) {
            if (strnlen(b.ids[i], b.id_lens[i] + 1) > b.id_lens[i]) abort();
            sum += vlp_hash64(b.ids[i], b.id_lens[i]);
            if (b.metas[i]) sum += vlp_hash64(b.metas[i], b.meta_lens[i]);
            vlp_embedding_row_f32(h, &b, i, x);
            sum += vlp_hash64(x, (size_t)h->dim * sizeof *x);
        }
    }
    if (sum == 1) abort(); /* reads every byte that was promised */
    free(x);
    vlp_embedding_close(r);
}

/* Make the checksums of a stream right, so that what lies behind them is reached. */
static void mend(uint8_t *p, size_t size)
{
    for (size_t at = 0; at + 64 <= size; at += 64) {
        if (memcmp(p + at, "\x89VLE", 4) != 0) continue;
        if (p[at + 4] == 0x0d && at + 128 <= size) {
            const size_t n = vlp_load_u32(p + at + 12);
            if (n < 128 || n > size - at) continue;
            memset(p + at + 120, 0, 8);
            vlp_store_u64(p + at + 120, vlp_hash64(p + at, n));
        } else if (p[at + 4] == 'B') {
            const uint64_t n = vlp_load_u64(p + at + 24);
            if (n >= 64 && n <= size - at)
                vlp_store_u64(p + at + 32, vlp_hash64(p + at + 64, n - 64));
            vlp_store_u64(p + at + 56, vlp_hash64(p + at, 56));
        } else {
            vlp_store_u64(p + at + 56, vlp_hash64(p + at, 56));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char       path[64];
    if (fd < 0) fd = memfd_create("fuzz", 0);
    uint8_t *copy = vlp_malloc(size + 1);
    memcpy(copy, data, size);
    for (int mended = 0; mended < 2; mended++) {
        if (mended) mend(copy, size);
        if (ftruncate(fd, 0) != 0 || pwrite(fd, copy, size, 0) != (ssize_t)size) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        read_all(path, false);
        read_all(path, true);
        lseek(fd, 0, SEEK_SET);
        if (dup2(fd, STDIN_FILENO) < 0) abort();
        read_all("-", true);
    }
    struct vlp_npy n;
    if (vlp_npy_open(&n, path, NULL) == VLP_OK) vlp_npy_close(&n);
    struct vlp_embedding_set s;
    if (vlp_embedding_load(&s, path, NULL, NULL) == VLP_OK) vlp_embedding_set_free(&s);
    free(copy);
    return 0;
}
