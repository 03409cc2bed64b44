/*
 * fuzz_stream.c -- embedding files of any format, mapped and from a pipe's point of view, whole and
 * with damage stepped over, with a file of ids beside them and without, and continued; npy arrays;
 * classifiers. What follows the mark in an input is the file of ids.
 */
#include <math.h>
#include <string.h>

#include <vlp/classify.h>
#include <vlp/embedding.h>

#include "fuzz.h"

static const char ids_mark[] = "\n--ids--\n";

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
            if (b.id_lens[i] > VLP_EMBEDDING_MAX_ID) abort();
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

/* Records of a stream, and whether the last is of this id; -1: it cannot be read. */
static int64_t count(const char *path, const char *last, bool *is_last)
{
    struct vlp_embedding_reader      *r;
    struct vlp_embedding_block        b;
    struct vlp_embedding_read_options o = {.format = "vle"};
    int64_t                           n = 0;
    enum vlp_status                   s;
    *is_last = false;
    if (vlp_embedding_open_with(&r, path, &o, NULL) != VLP_OK) return -1;
    while ((s = vlp_embedding_next(r, &b, NULL)) == VLP_OK && b.n) {
        n += b.n;
        *is_last = strcmp(b.ids[b.n - 1], last) == 0;
    }
    vlp_embedding_close(r);
    return s == VLP_OK ? n : -1;
}

/* A stream that another program left is continued: all that could be read is kept. */
static void append(const char *path)
{
    static const char                        id[] = "the last";
    struct vlp_embedding_reader             *r;
    struct vlp_embedding_writer             *w;
    const struct vlp_embedding_read_options  o = {.format = "vle"};
    const struct vlp_embedding_write_options how = {.format = "vle", .append = true};
    bool                                     is_last;
    if (vlp_embedding_open_with(&r, path, &o, NULL) != VLP_OK) return;
    struct vlp_embedding_header h = *vlp_embedding_header(r);
    json_incref(h.about);
    vlp_embedding_close(r);
    float                  *x = vlp_calloc((size_t)h.dim, sizeof *x);
    const struct vlp_record record = {.id = id, .id_len = sizeof id - 1, .vector = x};
    const int64_t           n = count(path, id, &is_last);
    const bool              opened = vlp_embedding_writer_open(&w, path, &h, &how, NULL) == VLP_OK;
    if (opened != (n >= 0)) abort();
    if (opened) {
        if (vlp_embedding_write(w, &record, NULL) != VLP_OK) abort();
        if (vlp_embedding_writer_close(w, NULL) != VLP_OK) abort();
        if (count(path, id, &is_last) != n + 1 || !is_last) abort();
    }
    free(x);
    json_decref(h.about);
}

static void read_classifier(const char *path)
{
    struct vlp_classifier c;
    if (vlp_classifier_read(&c, path, NULL) != VLP_OK) return;
    if (c.n < 1 || !(c.scale > 0.0f) || !isfinite(c.scale)) abort();
    for (int i = 0; i < c.n; i++)
        if (!c.name[i] || (c.bias && !isfinite(c.bias[i]))) abort();
    vlp_classifier_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int  fd = -1, ids = -1;
    static char file[64], ids_file[64], *with_ids;
    if (fd < 0) {
        fd = fuzz_file(file);
        ids = fuzz_file(ids_file);
        with_ids = fuzz_link(file, "stream", "vectors");
        free(fuzz_link(ids_file, "stream", "vectors.ids"));
    }
    const size_t   m = sizeof ids_mark - 1;
    const uint8_t *mark = memmem(data, size, ids_mark, m);
    if (mark) fuzz_put(ids, mark + m, (size_t)(data + size - mark) - m);
    if (mark) size = (size_t)(mark - data);
    uint8_t *copy = vlp_malloc(size + 1);
    memcpy(copy, data, size);
    for (int mended = 0; mended < 2; mended++) {
        if (mended) mend(copy, size);
        fuzz_put(fd, copy, size);
        read_all(file, false);
        read_all(file, true);
        if (mark) read_all(with_ids, false);
        lseek(fd, 0, SEEK_SET);
        if (dup2(fd, STDIN_FILENO) < 0) abort();
        read_all("-", true);
    }
    struct vlp_npy n;
    if (vlp_npy_open(&n, file, NULL) == VLP_OK) vlp_npy_close(&n);
    struct vlp_embedding_set s;
    if (vlp_embedding_load(&s, file, NULL, NULL) == VLP_OK) vlp_embedding_set_free(&s);
    read_classifier(file);
    append(file);
    free(copy);
    return 0;
}
