/*
 * sample_store.c -- what millions of samples need in memory: a few bytes each, and their words.
 *
 * A sample is a run of bytes: numbers of seven bits a byte, lowest first, the eighth bit says that
 * more follow; words end in NUL.
 *
 *   kind, folder (of the folders' list; a shard's number), name, id (0: another word follows;
 *   k + 1: the place from its byte k on), label ("": none), for a picture inside a file its offset
 *   and size, the number of captions, the captions
 *
 * The runs lie behind each other in chunks, and no run lies in two; where they begin is a table of
 * 8 bytes a sample.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample_store_internal.h"
#include "unpacked_internal.h"

enum { CHUNK = 1 << 20, PAGE = 1 << 16 };

/* ---- runs of bytes ---- */

static void put_number(struct vlp_buf *b, uint64_t v)
{
    for (; v >= 128; v >>= 7) vlp_buf_add_char(b, (char)(v | 128));
    vlp_buf_add_char(b, (char)v);
}

static uint64_t take_number(const char **p)
{
    const uint8_t *at = (const uint8_t *)*p;
    uint64_t       v = 0;
    int            shift = 0;
    for (; *at & 128; at++, shift += 7) v |= (uint64_t)(*at & 127) << shift;
    v |= (uint64_t)*at++ << shift;
    *p = (const char *)at;
    return v;
}

static void put_word(struct vlp_buf *b, const char *s)
{
    vlp_buf_add(b, s, strlen(s) + 1);
}

static const char *take_word(const char **p)
{
    const char *s = *p;
    *p += strlen(s) + 1;
    return s;
}

/* A run of `len` bytes at the end of the store. */
static char *new_run(struct sample_store *s, size_t len)
{
    if (s->n_chunks == 0 || s->used + len > s->size) {
        s->size = len > CHUNK ? len : CHUNK;
        s->used = 0;
        s->chunk = vlp_realloc(s->chunk, (s->n_chunks + 1) * sizeof *s->chunk);
        s->chunk[s->n_chunks++] = vlp_malloc(s->size);
        s->bytes += s->size;
    }
    if (s->n % PAGE == 0) {
        s->start = vlp_realloc(s->start, (s->n / PAGE + 1) * sizeof *s->start);
        s->start[s->n / PAGE] = vlp_malloc(PAGE * sizeof **s->start);
        s->bytes += PAGE * sizeof **s->start;
    }
    s->start[s->n / PAGE][s->n % PAGE] = (uint64_t)(s->n_chunks - 1) << 32 | s->used;
    s->n++;
    s->used += len;
    return s->chunk[s->n_chunks - 1] + s->used - len;
}

/* ---- samples ---- */

/* How many bytes of `place` stand before `id`, if `place` ends in it; -1 if not. */
static int64_t id_within(const char *place, const char *id)
{
    const size_t n = strlen(place), m = strlen(id);
    return m <= n && memcmp(place + n - m, id, m) == 0 ? (int64_t)(n - m) : -1;
}

static char *place_of(struct vlp_arena *mem, const struct sample_store *s, enum sample_kind kind,
                      size_t folder, const char *name)
{
    switch (kind) {
    case SAMPLE_IN_SHARD: return vlp_arena_printf(mem, "%s!%s", s->shard[folder].path, name);
    case SAMPLE_UNPACKED: return vlp_arena_strdup(mem, name);
    default: return vlp_arena_printf(mem, "%s%s", s->folders.item[folder].s, name);
    }
}

void sample_store_add(struct sample_store *s, const struct sample_entry *e)
{
    struct vlp_buf   b = {0};
    struct vlp_arena scratch = {0};
    size_t           folder = e->kind == SAMPLE_IN_SHARD ? s->n_shards - 1 : 0;
    const char      *name = e->place;
    if (e->kind == SAMPLE_IN_FILE) {
        name = vlp_path_base(e->place);
        folder = vlp_strings_add(&s->folders, &s->mem, e->place, (size_t)(name - e->place));
    }
    const char   *place = place_of(&scratch, s, e->kind, folder, name);
    const int64_t within = id_within(place, e->id);
    put_number(&b, e->kind);
    put_number(&b, folder);
    put_word(&b, name);
    put_number(&b, (uint64_t)(within + 1));
    if (within < 0) put_word(&b, e->id);
    put_word(&b, e->label ? e->label : "");
    if (e->kind != SAMPLE_IN_FILE) {
        put_number(&b, (uint64_t)e->offset);
        put_number(&b, (uint64_t)e->size);
    }
    put_number(&b, (uint64_t)e->n_captions);
    vlp_buf_add(&b, e->captions, e->captions_size);
    memcpy(new_run(s, b.len), b.data, b.len);
    vlp_buf_free(&b);
    vlp_arena_free(&scratch);
}

void sample_store_shard(struct sample_store *s, const char *path, int64_t size, int64_t mtime)
{
    s->shard = vlp_realloc(s->shard, (s->n_shards + 1) * sizeof *s->shard);
    s->shard[s->n_shards++] =
        (struct sample_shard){.path = vlp_strdup(path), .size = size, .mtime = mtime};
}

void sample_store_at(const struct sample_store *s, size_t i, struct vlp_arena *mem,
                     struct vlp_sample *out)
{
    const uint64_t where = s->start[i / PAGE][i % PAGE];
    const char    *p = s->chunk[where >> 32] + (uint32_t)where;
    *out = (struct vlp_sample){.kind = (int)take_number(&p)};
    const enum sample_kind kind = (enum sample_kind)out->kind;
    const size_t           folder = take_number(&p);
    out->place = place_of(mem, s, kind, folder, take_word(&p));
    const uint64_t within = take_number(&p);
    out->id = within ? out->place + within - 1 : take_word(&p);
    out->label = take_word(&p);
    if (*out->label == '\0') out->label = NULL;
    if (kind != SAMPLE_IN_FILE) {
        out->shard = kind == SAMPLE_IN_SHARD ? (int64_t)folder : -1;
        out->offset = (int64_t)take_number(&p);
        out->size = (int64_t)take_number(&p);
    }
    out->n_captions = (int)take_number(&p);
    out->captions = p;
}

enum vlp_status sample_store_read(const struct sample_store *s, const struct vlp_sample *x,
                                  struct vlp_arena *mem, uint8_t **out, struct vlp_error *err)
{
    const struct sample_shard *shard = &s->shard[x->shard];
    struct stat                st;
    const int                  fd = open(shard->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return vlp_fail(err, vlp_status_of_errno(errno), "%s: %s", shard->path, strerror(errno));
    enum vlp_status status = VLP_OK;
    if (fstat(fd, &st) != 0 || st.st_size != shard->size || sample_mtime(&st) != shard->mtime)
        status = vlp_fail(err, VLP_ERR_MISMATCH, "%s: was changed since it was read at the start",
                          shard->path);
    if (status == VLP_OK)
        status = read_piece(fd, shard->path, x->offset, (size_t)x->size, mem, out, err);
    close(fd);
    return status;
}

void sample_store_free(struct sample_store *s)
{
    for (size_t i = 0; i < s->n_chunks; i++) free(s->chunk[i]);
    for (size_t i = 0; i < (s->n + PAGE - 1) / PAGE; i++) free(s->start[i]);
    for (size_t i = 0; i < s->n_shards; i++) free(s->shard[i].path);
    free(s->chunk);
    free(s->start);
    free(s->shard);
    vlp_strings_free(&s->folders);
    vlp_arena_free(&s->mem);
    *s = (struct sample_store){0};
}
