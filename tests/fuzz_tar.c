/*
 * fuzz_tar.c -- tar shards of any bytes, plain and compressed, members read, located and asked for
 * by name; once more with right checksums of their headers, so that what lies behind them is
 * reached.
 */
#include <string.h>

#include <vlp/data.h>

#include "fuzz.h"

enum { BLOCK = 512, MEMBERS = 2000, ASKED = 8 };

/* The first ids of a shard, each with a NUL. */
struct ids {
    struct vlp_buf text;
    size_t         at[ASKED];
    int            n;
};

static void note(struct ids *ids, const struct vlp_item *it)
{
    if (!ids || it->lost_input || ids->n == ASKED) return;
    ids->at[ids->n++] = ids->text.len;
    vlp_buf_add(&ids->text, it->id, it->id_len + 1);
}

static void read_all(const struct vlp_source_options *o, size_t size, struct ids *ids)
{
    struct vlp_source *s;
    if (vlp_source_open(&s, o, NULL) != VLP_OK) return;
    for (;;) {
        struct vlp_item it;
        bool            more;
        if (vlp_source_next(s, &it, &more, NULL) != VLP_OK || !more) break;
        if (it.id[it.id_len] != '\0') abort();
        if (it.bytes && it.bytes_len && vlp_hash64(it.bytes, it.bytes_len) == 1) abort();
        if (it.status != VLP_OK && !it.reason) abort();
        if (it.shard && (!o->locate || it.offset < 0 || it.size < 0 ||
                         (uint64_t)it.offset + (uint64_t)it.size > size))
            abort();
        note(ids, &it);
        vlp_item_free(&it);
    }
    vlp_source_close(s);
}

/* The last first, and the first twice: the shard is gone back in. */
static void ask_by_name(const struct ids *ids, bool locate, size_t size)
{
    static int  fd = -1;
    static char path[64];
    if (fd < 0) fd = fuzz_file(path);
    struct vlp_buf list = {0};
    for (int i = ids->n; i >= 0; i--) {
        const char *id = ids->text.data + ids->at[i % ids->n];
        vlp_buf_add(&list, id, strlen(id) + 1);
    }
    fuzz_put(fd, list.data, list.len);
    vlp_buf_free(&list);
    const struct vlp_source_options o = {
        .files_from = path, .nul = true, .limit = MEMBERS, .locate = locate};
    read_all(&o, size, NULL);
}

/* Does any checksum of a header change? */
static bool mend(uint8_t *p, size_t size)
{
    bool changed = false;
    for (; size >= BLOCK; p += BLOCK, size -= BLOCK) {
        unsigned sum = 0;
        char     text[8];
        if (memcmp(p + 257, "ustar", 5) != 0) continue;
        for (int i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : p[i];
        snprintf(text, sizeof text, "%06o", sum);
        text[7] = ' ';
        changed |= memcmp(p + 148, text, sizeof text) != 0;
        memcpy(p + 148, text, sizeof text);
    }
    return changed;
}

static void read_shard(int fd, const char *path, const uint8_t *data, size_t size)
{
    static const char *const  pictures[] = {"*.png", "*.txt", NULL};
    const uint64_t            choice = vlp_hash64(data, size);
    struct ids                ids = {0};
    char                     *paths[] = {(char *)path};
    struct vlp_source_options o = {.paths = paths,
                                   .n_paths = 1,
                                   .format = "tar",
                                   .limit = MEMBERS,
                                   .include = choice & 1 ? pictures : NULL,
                                   .keep_going = choice & 2};
    if (choice & 4) o.text_fault = o.label_fault = VLP_FAULT_APART;
    fuzz_put(fd, data, size);
    read_all(&o, size, &ids);
    o.locate = true;
    read_all(&o, size, NULL);
    if (ids.n) ask_by_name(&ids, choice & 8, size);
    vlp_buf_free(&ids.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int  fd = -1;
    static char path[64];
    if (fd < 0) fd = fuzz_file(path);
    read_shard(fd, path, data, size);
    uint8_t *copy = vlp_malloc(size + 1);
    memcpy(copy, data, size);
    if (mend(copy, size)) read_shard(fd, path, copy, size);
    free(copy);
    return 0;
}
