/*
 * vle_read.c -- embedding streams in: blocks in place where the file is mapped, damage told apart.
 *
 * Something cut off, or whose checksum differs, with nothing sound behind it is the torn tail of a
 * writer that was killed: the stream ends before it. With something sound behind it, it is damage:
 * an error, or a place to step over. Damage wherever it stands is what no killed writer leaves: a
 * piece whose checksum is right and which is wrong all the same, or does not follow what was read.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

/* Longer headers are not looked for after damage: each try costs a checksum of that length. */
enum { SOUGHT_HEADER = 64 * 1024 };

struct vle_reader {
    size_t   row;
    uint64_t count;   /* records since the last header */
    uint64_t blocks;  /* met so far, for messages */
    size_t   pending; /* bytes of the block in hand */
    uint64_t sound_end, sound_count;
    bool     over;
    bool     unsure;  /* after damage: `count` is not known until a block says it */
    void    *aligned; /* vectors that the input holds at an odd place */
    size_t   aligned_size;
    /* Under skip_damaged: struct given, of the blocks since the last header, by their places. */
    struct vlp_buf given;
};

/* A block that was handed out: its place in the stream, and the checksum of what it holds. */
struct given {
    uint64_t first, sum;
};

static bool vle_sniff(const uint8_t *p, size_t have, const char *path)
{
    (void)path;
    return have >= 4 && memcmp(p, vle_header_magic, have < 8 ? have : 8) == 0;
}

static enum vlp_status vle_open(struct vlp_embedding_reader *r, struct vlp_error *err)
{
    const uint8_t *p;
    size_t         have;
    const char    *name = r->feed.name;
    VLP_TRY(feed_see(&r->feed, VLE_HEADER_BYTES, &p, &have, err));
    const size_t size = have < VLE_HEADER_BYTES ? VLE_HEADER_BYTES : vle_header_size(p);
    if (!size) return vlp_fail(err, VLP_ERR_FORMAT, "%s: the header is damaged", name);
    VLP_TRY(feed_see(&r->feed, size, &p, &have, err));
    if (have < size)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: the header is cut off after %zu bytes", name,
                        have);
    VLP_TRY(vle_get_header(&r->header, p, size, name, 0, err));
    feed_step(&r->feed, size);
    struct vle_reader *v = vlp_calloc(1, sizeof *v);
    v->row = row_size(r->header.dtype, r->header.dim);
    v->sound_end = size;
    r->state = v;
    return VLP_OK;
}

/* ---- damage ------------------------------------------------------------------------ */

/* Does a sound piece begin here: the head of a block, an end record or a header whose checksum is
 * right? What it says does not matter; a stream of another width may have been joined. */
static enum vlp_status sound_here(struct vlp_embedding_reader *r, bool *sound,
                                  struct vlp_error *err)
{
    const uint8_t        *p;
    size_t                have;
    struct vle_block_head head;
    uint64_t              count;
    *sound = false;
    VLP_TRY(feed_see(&r->feed, VLE_HEADER_BYTES, &p, &have, err));
    if (have < VLE_RECORD_BYTES) return VLP_OK;
    if (memcmp(p, vle_end_magic, VLE_MAGIC_BYTES) == 0)
        *sound = !vle_get_end(&count, p);
    else if (memcmp(p, vle_block_magic, VLE_MAGIC_BYTES) == 0) {
        vle_get_block_head(&head, p, 0);
        *sound = head.whole;
    } else if (have >= VLE_HEADER_BYTES && memcmp(p, vle_header_magic, VLE_MAGIC_BYTES) == 0) {
        const size_t size = vle_header_size(p);
        if (!size || size > SOUGHT_HEADER) return VLP_OK;
        VLP_TRY(feed_see(&r->feed, size, &p, &have, err));
        *sound = have >= size && vle_header_whole(p, size);
    }
    return VLP_OK;
}

/* Step forward, at least one byte, to the next sound piece; *found false at the end of the input.
 */
static enum vlp_status seek_sound(struct vlp_embedding_reader *r, bool *found,
                                  struct vlp_error *err)
{
    const uint8_t *p;
    size_t         have;
    *found = false;
    VLP_TRY(feed_see(&r->feed, 1, &p, &have, err));
    if (have) feed_step(&r->feed, 1);
    for (;;) {
        VLP_TRY(feed_see(&r->feed, VLE_RECORD_BYTES, &p, &have, err));
        if (have < VLE_RECORD_BYTES) return VLP_OK;
        const uint8_t *at = memmem(p, have, vle_header_magic, 4);
        feed_step(&r->feed, at ? (size_t)(at - p) : have - 3);
        if (!at) continue;
        VLP_TRY(sound_here(r, found, err));
        if (*found) return VLP_OK;
        feed_step(&r->feed, 1);
    }
}

/* Damage at the piece that began at `at`: an error, or named and counted, and the piece itself kept
 * or skipped. */
static enum vlp_status name_damage(struct vlp_embedding_reader *r, uint64_t at, const char *what,
                                   bool kept, struct vlp_error *err)
{
    struct vle_reader *v = r->state;
    struct vlp_error   told;
    const char        *then = !r->opt.skip_damaged ? "" : kept ? " (kept)" : " (skipped)";
    vlp_fail(&told, VLP_ERR_FORMAT, "%s: block %llu at offset %llu %s%s", r->feed.name,
             (unsigned long long)v->blocks + 1, (unsigned long long)at, what, then);
    if (!r->opt.skip_damaged) {
        if (err) *err = told;
        v->over = true;
        return VLP_ERR_FORMAT;
    }
    if (r->opt.say) r->opt.say(r->opt.ctx, told.text);
    r->damaged++;
    r->ended = false;
    v->unsure = true;
    return VLP_OK;
}

/* The piece at the window cannot be used; `whole`: though its checksum is right. A torn tail, an
 * error, or something to step over. */
static enum vlp_status damaged(struct vlp_embedding_reader *r, uint64_t at, const char *what,
                               bool whole, struct vlp_error *err)
{
    struct vle_reader *v = r->state;
    bool               found;
    VLP_TRY(seek_sound(r, &found, err));
    if (!found && !whole) {
        r->torn = v->over = true;
        return VLP_OK;
    }
    VLP_TRY(name_damage(r, at, what, false, err));
    v->blocks++;
    return VLP_OK;
}

/* ---- pieces ------------------------------------------------------------------------ */

/* Do these bytes end with their first NUL? */
static bool one_string(const char *s, size_t size)
{
    return memchr(s, '\0', size) == s + size - 1;
}

/* Point the arrays of the reader into the block; NULL, or what is wrong with it. */
static const char *take_block(struct vlp_embedding_reader *r, const struct vle_block_head *h,
                              const uint8_t *p)
{
    const uint8_t *flags = p + VLE_RECORD_BYTES;
    const uint8_t *id_ends = flags + 4 * (size_t)h->n, *meta_ends = id_ends + 4 * (size_t)h->n;
    const char    *ids = (const char *)meta_ends + 4 * (size_t)h->n, *metas = ids + h->ids_size;
    uint32_t       id = 0, meta = 0;
    for (uint32_t i = 0; i < h->n; i++) {
        const uint32_t id_end = vlp_load_u32(id_ends + 4 * (size_t)i);
        const uint32_t meta_end = vlp_load_u32(meta_ends + 4 * (size_t)i);
        if (id_end <= id || id_end > h->ids_size || !one_string(ids + id, id_end - id) ||
            id_end - id > VLP_EMBEDDING_MAX_ID + 1)
            return "has an impossible id";
        if (meta_end < meta || meta_end > h->metas_size ||
            (meta_end > meta && !one_string(metas + meta, meta_end - meta)) ||
            meta_end - meta > VLP_EMBEDDING_MAX_META + 1)
            return "has an impossible meta";
        r->flags[i] = vlp_load_u32(flags + 4 * (size_t)i);
        r->ids[i] = ids + id;
        r->id_lens[i] = id_end - id - 1;
        r->metas[i] = meta_end > meta ? metas + meta : NULL;
        r->meta_lens[i] = meta_end > meta ? meta_end - meta - 1 : 0;
        id = id_end;
        meta = meta_end;
    }
    return id == h->ids_size && meta == h->metas_size ? NULL : "has bytes that belong to no record";
}

/* The vectors of a block where they lie, or (in a file whose pieces were cut) where they are
 * aligned.
 */
static const void *vectors_of(struct vle_reader *v, const struct vle_block_head *h,
                              const uint8_t *p)
{
    const uint8_t *raw = p + vle_vectors_at(h);
    if ((uintptr_t)raw % VLE_ALIGN == 0) return raw;
    const size_t size = (size_t)vle_padded((uint64_t)h->n * v->row);
    if (size > v->aligned_size) {
        free(v->aligned);
        v->aligned = vlp_malloc_aligned(VLE_ALIGN, size);
        v->aligned_size = size;
    }
    return memcpy(v->aligned, raw, (size_t)h->n * v->row);
}

static int given_order(const void *a, const void *b)
{
    const struct given *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Has this very block been handed out? One of other records that says the same place is another. */
static bool was_given(const struct vle_reader *v, const struct vle_block_head *h)
{
    const struct given key = {h->first, h->sum};
    if (v->given.len == 0) return false;
    const struct given *found =
        bsearch(&key, v->given.data, v->given.len / sizeof key, sizeof key, given_order);
    return found && found->sum == key.sum;
}

static void note_given(struct vle_reader *v, const struct vle_block_head *h)
{
    const struct given g = {h->first, h->sum};
    const size_t       n = v->given.len / sizeof g;
    if (n == 0 || ((const struct given *)(void *)v->given.data)[n - 1].first < g.first)
        vlp_buf_add(&v->given, &g, sizeof g);
}

/* A block that does not follow: its records are sound, and kept unless they were given already. */
static enum vlp_status read_astray(struct vlp_embedding_reader *r, const struct vle_block_head *h,
                                   bool *again, struct vlp_error *err)
{
    struct vle_reader *v = r->state;
    *again = was_given(v, h);
    VLP_TRY(name_damage(r, r->feed.offset,
                        "is not the one that follows: records are missing or doubled", !*again,
                        err));
    v->unsure = false;
    return VLP_OK;
}

static enum vlp_status read_block(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                  const uint8_t *p, struct vlp_error *err)
{
    struct vle_reader    *v = r->state;
    const uint64_t        at = r->feed.offset;
    struct vle_block_head h;
    const char           *wrong = vle_get_block_head(&h, p, v->row);
    size_t                have;
    if (wrong) return damaged(r, at, wrong, h.whole, err);
    VLP_TRY(feed_see(&r->feed, (size_t)h.size, &p, &have, err));
    if (have < h.size) return damaged(r, at, "is cut off", false, err);
    if (vlp_hash64(p + VLE_RECORD_BYTES, (size_t)h.size - VLE_RECORD_BYTES) != h.sum)
        return damaged(r, at, "is damaged (checksum differs)", false, err);
    wrong = take_block(r, &h, p);
    if (wrong) return damaged(r, at, wrong, true, err);
    bool again = false;
    if (h.first != v->count && !v->unsure) VLP_TRY(read_astray(r, &h, &again, err));
    v->blocks++;
    v->pending = (size_t)h.size;
    if (again) return VLP_OK;
    if (r->opt.skip_damaged) note_given(v, &h);
    v->unsure = false;
    v->count = h.first + h.n;
    v->sound_end = at + h.size;
    v->sound_count = v->count;
    reader_block(r, b, (int)h.n, vectors_of(v, &h, p), v->row);
    return VLP_OK;
}

static enum vlp_status read_end(struct vlp_embedding_reader *r, const uint8_t *p,
                                struct vlp_error *err)
{
    struct vle_reader *v = r->state;
    uint64_t           count;
    const uint64_t     at = r->feed.offset;
    const char        *wrong = vle_get_end(&count, p);
    if (wrong) return damaged(r, at, wrong, false, err);
    if (count != v->count && !v->unsure)
        VLP_TRY(name_damage(
            r, at, "is an end record that counts other records: some are missing or doubled", false,
            err));
    /* After damage the right count can no longer be told: an end, but not one that vouches. */
    r->ended = !r->damaged && !r->broken_join;
    feed_step(&r->feed, VLE_RECORD_BYTES);
    v->sound_end = r->feed.offset;
    v->sound_count = v->count;
    return VLP_OK;
}

/* The next stream of a concatenation. */
static enum vlp_status read_header(struct vlp_embedding_reader *r, struct vlp_error *err)
{
    struct vle_reader *v = r->state;
    const uint64_t     at = r->feed.offset;
    const uint8_t     *p;
    size_t             have, size;
    VLP_TRY(feed_see(&r->feed, VLE_HEADER_BYTES, &p, &have, err));
    size = have < VLE_HEADER_BYTES ? 0 : vle_header_size(p);
    if (!size) return damaged(r, at, "is a damaged header", false, err);
    VLP_TRY(feed_see(&r->feed, size, &p, &have, err));
    if (have < size) return damaged(r, at, "is a header that is cut off", false, err);
    struct vlp_embedding_header h;
    const enum vlp_status       s = vle_get_header(&h, p, size, r->feed.name, at, err);
    if (s == VLP_ERR_FORMAT) {
        const bool whole = vle_header_whole(p, size);
        return damaged(r, at, whole ? "is an impossible header" : "is a damaged header", whole,
                       err);
    }
    if (s != VLP_OK) return s;
    json_decref(r->last_about);
    r->last_about = h.about;
    const char *differs = vle_headers_differ(&r->header, &h);
    if (differs)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s: the stream at offset %llu has another %s than the first", r->feed.name,
                        (unsigned long long)at, differs);
    feed_step(&r->feed, size);
    v->count = 0;
    vlp_buf_clear(&v->given);
    v->unsure = false;
    v->sound_end = r->feed.offset;
    v->sound_count = 0;
    r->broken_join |= !r->ended; /* what is missing there no later end record brings back */
    r->ended = false;
    return VLP_OK;
}

static enum vlp_status vle_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                struct vlp_error *err)
{
    struct vle_reader *v = r->state;
    while (b->n == 0 && !v->over) {
        const uint8_t *p;
        size_t         have;
        feed_step(&r->feed, v->pending);
        v->pending = 0;
        VLP_TRY(feed_see(&r->feed, VLE_RECORD_BYTES, &p, &have, err));
        if (have == 0) break;
        if (have < VLE_RECORD_BYTES)
            VLP_TRY(damaged(r, r->feed.offset, "is cut off", false, err));
        else if (memcmp(p, vle_end_magic, VLE_MAGIC_BYTES) == 0)
            VLP_TRY(read_end(r, p, err));
        else if (memcmp(p, vle_header_magic, VLE_MAGIC_BYTES) == 0)
            VLP_TRY(read_header(r, err));
        else
            VLP_TRY(read_block(r, b, p, err));
    }
    return VLP_OK;
}

static void vle_close(struct vlp_embedding_reader *r)
{
    struct vle_reader *v = r->state;
    if (!v) return;
    free(v->aligned);
    vlp_buf_free(&v->given);
    free(v);
}

uint64_t vle_sound_end(const struct vlp_embedding_reader *r)
{
    return ((const struct vle_reader *)r->state)->sound_end;
}

uint64_t vle_sound_count(const struct vlp_embedding_reader *r)
{
    return ((const struct vle_reader *)r->state)->sound_count;
}

const struct format format_vle = {.name = "vle",
                                  .binary = true,
                                  .sniff = vle_sniff,
                                  .open = vle_open,
                                  .next = vle_next,
                                  .close = vle_close,
                                  .create = vle_create,
                                  .write = vle_write,
                                  .flush = vle_flush,
                                  .finish = vle_finish};
