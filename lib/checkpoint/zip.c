/*
 * zip.c -- the directory of a zip archive in memory, and its entries, in place or unpacked.
 *
 *   entries (header 30 + name + extra, data) | central directory | [zip64 end] | end record
 *
 * PyTorch stores tensors uncompressed so that they can be mapped; an archive that somebody packed
 * again is read too. Every range is checked against the file and no two entries may overlap, so an
 * archive cannot unpack to more than its bytes allow.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "checkpoint_internal.h"

enum {
    END_SIZE = 22,
    END_SEARCH = END_SIZE + 65535, /* the comment has at most 65535 bytes */
    END64_LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
};
#define SIG_END     0x06054b50u
#define SIG_END64   0x06064b50u
#define SIG_LOCATOR 0x07064b50u
#define SIG_CENTRAL 0x02014b50u
#define SIG_LOCAL   0x04034b50u

/* deflate cannot do better than 1032 : 1. */
#define DEFLATE_RATIO 1032
/* Unpacked entries together: weights hardly shrink, so more than this is no checkpoint. */
#define INFLATE_FACTOR 16
#define INFLATE_SMALL  ((size_t)64 << 20)

struct directory {
    uint64_t at, size, count;
};

static enum vlp_status bad(const struct vlp_bytes *f, struct vlp_error *err, const char *what)
{
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: zip archive: %s", f->name, what);
}

/* A 64-bit end record, where the 32-bit one says "look there". */
static enum vlp_status find_directory64(struct directory *d, const struct vlp_bytes *f,
                                        size_t end_at, struct vlp_error *err)
{
    if (end_at < END64_LOCATOR_SIZE ||
        vlp_load_u32(f->data + end_at - END64_LOCATOR_SIZE) != SIG_LOCATOR)
        return bad(f, err, "the zip64 end record is missing");
    const uint64_t at = vlp_load_u64(f->data + end_at - END64_LOCATOR_SIZE + 8);
    if (at > f->size || f->size - at < END64_SIZE || vlp_load_u32(f->data + at) != SIG_END64)
        return bad(f, err, "the zip64 end record is not where it should be");
    const uint8_t *p = f->data + at;
    *d = (struct directory){vlp_load_u64(p + 48), vlp_load_u64(p + 40), vlp_load_u64(p + 32)};
    return VLP_OK;
}

static enum vlp_status find_directory(struct directory *d, const struct vlp_bytes *f,
                                      struct vlp_error *err)
{
    if (f->size < END_SIZE) return bad(f, err, "truncated");
    const size_t lowest = f->size > END_SEARCH ? f->size - END_SEARCH : 0;
    size_t       at = f->size - END_SIZE;
    while (vlp_load_u32(f->data + at) != SIG_END ||
           vlp_load_u16(f->data + at + 20) != f->size - at - END_SIZE) {
        if (at == lowest) return bad(f, err, "no end record: truncated");
        at--;
    }
    const uint8_t *p = f->data + at;
    *d = (struct directory){vlp_load_u32(p + 16), vlp_load_u32(p + 12), vlp_load_u16(p + 10)};
    if (d->at == UINT32_MAX || d->size == UINT32_MAX || d->count == UINT16_MAX)
        VLP_TRY(find_directory64(d, f, at, err));
    if (d->at > at || d->size > at - d->at)
        return bad(f, err, "the directory is not inside the file");
    if (d->count > d->size / CENTRAL_SIZE)
        return vlp_fail(err, VLP_ERR_LIMIT,
                        "%s: zip archive: %llu entries cannot stand in a directory of %llu bytes",
                        f->name, (unsigned long long)d->count, (unsigned long long)d->size);
    return VLP_OK;
}

/* The zip64 extra field holds, in this order, those values that are 0xffffffff in the record. */
static bool read_zip64(const uint8_t *extra, size_t len, uint64_t *size, uint64_t *packed,
                       uint64_t *at)
{
    uint64_t *const want[] = {size, packed, at};
    bool            open = *size == UINT32_MAX || *packed == UINT32_MAX || *at == UINT32_MAX;
    while (open && len >= 4) {
        const size_t field = vlp_load_u16(extra + 2);
        if (field > len - 4) return false;
        if (vlp_load_u16(extra) == 1) {
            size_t used = 0;
            for (size_t i = 0; i < VLP_COUNT(want); i++) {
                if (*want[i] != UINT32_MAX) continue;
                if (field - used < 8) return false;
                *want[i] = vlp_load_u64(extra + 4 + used);
                used += 8;
            }
            open = false;
        }
        extra += 4 + field;
        len -= 4 + field;
    }
    return !open;
}

static enum vlp_status read_entry(struct vlp_zip_entry *e, struct vlp_arena *mem,
                                  const struct vlp_bytes *f, const struct directory *d,
                                  const uint8_t *p, size_t left, size_t *used,
                                  struct vlp_error *err)
{
    if (left < CENTRAL_SIZE || vlp_load_u32(p) != SIG_CENTRAL)
        return bad(f, err, "the directory is damaged");
    const size_t name_len = vlp_load_u16(p + 28), extra_len = vlp_load_u16(p + 30);
    *used = CENTRAL_SIZE + name_len + extra_len + vlp_load_u16(p + 32);
    if (*used > left) return bad(f, err, "the directory is damaged");
    const char *name = vlp_arena_strndup(mem, (const char *)p + CENTRAL_SIZE, name_len);
    uint64_t    packed = vlp_load_u32(p + 20), size = vlp_load_u32(p + 24);
    uint64_t    at = vlp_load_u32(p + 42);
    *e = (struct vlp_zip_entry){
        .name = name, .method = vlp_load_u16(p + 10), .crc = vlp_load_u32(p + 16)};
    if (strlen(name) != name_len ||
        !read_zip64(p + CENTRAL_SIZE + name_len, extra_len, &size, &packed, &at))
        return bad(f, err, "the directory is damaged");
    if (vlp_load_u16(p + 8) & 1)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: zip archive: '%.100s' is encrypted", f->name,
                        name);

    if (at > d->at || d->at - at < LOCAL_SIZE || vlp_load_u32(f->data + at) != SIG_LOCAL)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: zip archive: '%.100s' is not where it should be",
                        f->name, name);
    const uint64_t begin = at + LOCAL_SIZE + vlp_load_u16(f->data + at + 26) +
                           (uint64_t)vlp_load_u16(f->data + at + 28);
    if (begin > d->at || packed > d->at - begin)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: zip archive: '%.100s' claims %llu bytes beyond the file's end",
                        f->name, name, (unsigned long long)packed);
    if (e->method == 0 ? size != packed : size / DEFLATE_RATIO > packed)
        return vlp_fail(err, VLP_ERR_LIMIT,
                        "%s: zip archive: '%.100s' cannot unpack %llu bytes to %llu", f->name, name,
                        (unsigned long long)packed, (unsigned long long)size);
    e->data = f->data + begin;
    e->packed = (size_t)packed;
    e->size = (size_t)size;
    return VLP_OK;
}

static int by_place(const void *pa, const void *pb)
{
    const struct vlp_zip_entry *a = pa, *b = pb;
    return a->data < b->data ? -1 : a->data > b->data;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct vlp_zip_entry *)a)->name, ((const struct vlp_zip_entry *)b)->name);
}

/* Leaves the entries sorted by name. */
static enum vlp_status check_entries(struct vlp_zip *z, const struct vlp_bytes *f,
                                     struct vlp_error *err)
{
    if (z->n > 1) qsort(z->entry, z->n, sizeof *z->entry, by_place);
    for (size_t i = 1; i < z->n; i++)
        if (z->entry[i].data < z->entry[i - 1].data + z->entry[i - 1].packed + LOCAL_SIZE)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: zip archive: '%.100s' and '%.100s' overlap",
                            f->name, z->entry[i - 1].name, z->entry[i].name);
    if (z->n > 1) qsort(z->entry, z->n, sizeof *z->entry, by_name);
    for (size_t i = 1; i < z->n; i++)
        if (strcmp(z->entry[i].name, z->entry[i - 1].name) == 0)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: zip archive: '%.100s' is there twice",
                            f->name, z->entry[i].name);
    return VLP_OK;
}

enum vlp_status vlp_zip_open(struct vlp_zip *z, struct vlp_arena *mem, const struct vlp_bytes *file,
                             struct vlp_error *err)
{
    struct directory d = {0};
    VLP_TRY(find_directory(&d, file, err));
    *z = (struct vlp_zip){.name = file->name, .n = (size_t)d.count};
    z->inflate_limit = INFLATE_SMALL + INFLATE_FACTOR * file->size;
    z->entry = VLP_NEW_N(mem, struct vlp_zip_entry, z->n);
    const uint8_t *p = file->data + d.at;
    size_t         left = (size_t)d.size, used = 0;
    for (size_t i = 0; i < z->n; i++, p += used, left -= used)
        VLP_TRY(read_entry(&z->entry[i], mem, file, &d, p, left, &used, err));
    return check_entries(z, file, err);
}

struct vlp_zip_entry *vlp_zip_find(const struct vlp_zip *z, const char *name)
{
    const struct vlp_zip_entry key = {.name = name};
    return z->n ? bsearch(&key, z->entry, z->n, sizeof key, by_name) : NULL;
}

enum { STEP = 1 << 30 }; /* zlib counts in 32 bits */

uint32_t vlp_zip_crc(const uint8_t *data, size_t size)
{
    uLong crc = crc32(0, NULL, 0);
    for (size_t at = 0; at < size; at += STEP)
        crc = crc32(crc, data + at, (uInt)(size - at < STEP ? size - at : STEP));
    return (uint32_t)crc;
}

static bool unpack(uint8_t *out, const struct vlp_zip_entry *e)
{
    z_stream s = {0};
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK) return false;
    size_t in_left = e->packed, out_left = e->size;
    s.next_in = (Bytef *)e->data;
    s.next_out = out;
    int state = Z_OK;
    do {
        if (s.avail_in == 0) {
            s.avail_in = (uInt)(in_left < STEP ? in_left : STEP);
            in_left -= s.avail_in;
        }
        if (s.avail_out == 0) {
            s.avail_out = (uInt)(out_left < STEP ? out_left : STEP);
            out_left -= s.avail_out;
        }
        state = inflate(&s, Z_NO_FLUSH);
    } while (state == Z_OK && (s.avail_in || in_left) && (s.avail_out || out_left));
    /* A stream whose output is full may still owe its end marker. */
    if (state == Z_OK) state = inflate(&s, Z_FINISH);
    const bool whole = state == Z_STREAM_END && out_left == 0 && s.avail_out == 0;
    inflateEnd(&s);
    return whole && vlp_zip_crc(out, e->size) == e->crc;
}

enum vlp_status vlp_zip_read(struct vlp_zip *z, struct vlp_arena *mem, struct vlp_zip_entry *e,
                             struct vlp_error *err)
{
    if (e->method == 0) return VLP_OK;
    if (e->method != 8)
        return vlp_fail(
            err, VLP_ERR_SUPPORT,
            "%s: zip archive: '%.100s' is packed by method %d; only stored and deflated "
            "entries are read",
            z->name, e->name, e->method);
    if (e->size > z->inflate_limit - z->inflated)
        return vlp_fail(err, VLP_ERR_LIMIT,
                        "%s: zip archive: '%.100s' unpacks to %zu bytes, with the others more than "
                        "%zu: no checkpoint shrinks like that",
                        z->name, e->name, e->size, z->inflate_limit);
    z->inflated += e->size;
    uint8_t *out = vlp_arena_alloc(mem, e->size + 1);
    if (!unpack(out, e))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: zip archive: '%.100s' is damaged", z->name,
                        e->name);
    e->data = out;
    e->packed = e->size;
    e->method = 0;
    return VLP_OK;
}
