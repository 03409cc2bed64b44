/*
 * fuzz_tar.c -- tar shards of any bytes, plain and compressed, members read and members located.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vlp/data.h>

static void read_all(const struct vlp_source_options *o, size_t size)
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
        vlp_item_free(&it);
    }
    vlp_source_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char       path[64], *paths[] = {path};
    if (fd < 0) fd = memfd_create("fuzz", 0);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct vlp_source_options o = {.paths = paths, .n_paths = 1, .format = "tar", .limit = 2000};
    read_all(&o, size);
    o.locate = true;
    read_all(&o, size);
    return 0;
}
