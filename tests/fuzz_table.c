/*
 * fuzz_table.c -- tables, JSON, lists and lines of any bytes. The first byte chooses the reader.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vlp/data.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int               fd = -1;
    static const char *const format[] = {"tsv", "csv", "jsonl", "json", NULL, NULL, NULL, NULL};
    char                     path[64], *paths[] = {path};
    if (size == 0) return 0;
    if (fd < 0) fd = memfd_create("fuzz", 0);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data + 1, size - 1, 0) != (ssize_t)size - 1) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int                 which = data[0] & 7;
    struct vlp_source_options o = {.format = format[which], .nul = data[0] & 16, .limit = 5000};
    if (which < 4 || which == 7) {
        o.paths = paths;
        o.n_paths = 1;
    } else if (which == 4) {
        o.files_from = path;
        o.format = "image"; /* whatever files the bytes name are only looked up */
    } else {
        o.lines = path;
        o.id_is_text = which == 6;
    }
    if (data[0] & 32) o.text_column = "2";
    if (data[0] & 64) o.image_column = "1";
    struct vlp_source *s;
    if (vlp_source_open(&s, &o, NULL) != VLP_OK) return 0;
    for (;;) {
        struct vlp_item it;
        bool            more;
        if (vlp_source_next(s, &it, &more, NULL) != VLP_OK || !more) break;
        if (strnlen(it.id, it.id_len + 1) > it.id_len || it.id[it.id_len] != '\0') abort();
        if (it.text && it.text[it.text_len] != '\0') abort();
        if (it.status != VLP_OK && !it.reason) abort();
        vlp_item_free(&it);
    }
    vlp_source_close(s);
    return 0;
}
