/*
 * fuzz_table.c -- tables, JSON, lists, lines and captions beside a picture, of any bytes. The first
 * byte chooses the reader and its options.
 */
#include <string.h>

#include <vlp/data.h>

#include "fuzz.h"

enum { LIMIT = 5000 };

/* What is known to come must come (whether a picture is there nobody looks beforehand, and a fault
 * apart may be one with that), and what comes must be as the contract says. */
static void read_all(const struct vlp_source_options *o)
{
    struct vlp_source *s;
    if (vlp_source_open(&s, o, NULL) != VLP_OK) return;
    const bool    apart = o->text_fault == VLP_FAULT_APART;
    const int64_t expected = vlp_source_expected(s);
    int64_t       n = 0;
    bool          more = true, fine = true;
    for (;; n++) {
        struct vlp_item it;
        fine = vlp_source_next(s, &it, &more, NULL) == VLP_OK;
        if (!fine || !more) break;
        if (strnlen(it.id, it.id_len + 1) > it.id_len || it.id[it.id_len] != '\0') abort();
        if (it.text && it.text[it.text_len] != '\0') abort();
        if (it.label && !*it.label) abort();
        if (it.status != VLP_OK && !it.reason) abort();
        vlp_item_free(&it);
    }
    if (fine && !apart && expected >= 0 && n != expected) abort();
    vlp_source_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int               fd = -1;
    static const char *const format[] = {"tsv", "csv", "jsonl", "json", NULL, NULL, NULL, NULL};
    static const char *const caption[] = {"txt", "caption", "json", "json"};
    static char              path[64], *folder[VLP_COUNT(caption)];
    if (size == 0) return 0;
    if (fd < 0) {
        fd = fuzz_file(path);
        for (size_t i = 0; i < VLP_COUNT(caption) - 1; i++) {
            char name[16];
            snprintf(name, sizeof name, "a.%s", caption[i]);
            free(fuzz_link(path, caption[i], "a.png"));
            free(fuzz_link(path, caption[i], name));
        }
        for (size_t i = 0; i < VLP_COUNT(caption); i++) folder[i] = fuzz_name(caption[i], "");
    }
    fuzz_put(fd, data + 1, size - 1);
    const int                 which = data[0] & 7;
    const bool                apart = data[0] & 128;
    char                     *paths[] = {path};
    struct vlp_source_options o = {.format = format[which], .nul = data[0] & 16, .limit = LIMIT};
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
    o.captions = which == 7 && o.nul;
    if (o.captions) paths[0] = folder[data[0] >> 5 & 3];
    if (data[0] & 32 && !o.captions) o.text_column = "2";
    if (data[0] & 64 && !o.captions) o.image_column = "1";
    if (apart) o.text_fault = o.label_fault = VLP_FAULT_APART;
    if (apart && which < 4) o.label_column = "3";
    o.keep_going = apart;
    read_all(&o);
    return 0;
}
