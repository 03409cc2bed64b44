/*
 * embed_state.c -- a table of ids: what an embedding file holds already.
 */
#include <stdlib.h>
#include <string.h>

#include "embed_state.h"

void embed_state_init(struct embed_state *s)
{
    *s = (struct embed_state){0};
    vlp_arena_init(&s->mem);
}

void embed_state_free(struct embed_state *s)
{
    free(s->entry);
    vlp_strings_free(&s->ids);
    vlp_arena_free(&s->mem);
}

struct embed_entry *embed_state_find(struct embed_state *s, const char *id, size_t len)
{
    const int64_t i = vlp_strings_find(&s->ids, id, len);
    return i < 0 ? NULL : &s->entry[i];
}

struct embed_entry *embed_state_add(struct embed_state *s, const char *id, size_t len)
{
    const int64_t i = (int64_t)vlp_strings_add(&s->ids, &s->mem, id, len);
    if (i < s->n) return &s->entry[i];
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->entry = vlp_realloc(s->entry, (size_t)s->cap * sizeof *s->entry);
    }
    s->entry[s->n++] = (struct embed_entry){.id = s->ids.item[i].s, .id_len = len};
    return &s->entry[i];
}

/* Keep what the record was made from; false: the one before was made from something else. */
static bool take_meta(struct embed_state *s, const char **meta, size_t *len, const char *from,
                      size_t from_len)
{
    const bool alike =
        *meta && from ? *len == from_len && memcmp(*meta, from, from_len) == 0 : *meta == from;
    *meta = from ? vlp_arena_strndup(&s->mem, from, from_len) : NULL;
    *len = from ? from_len : 0;
    return alike;
}

static void take_record(struct embed_state *s, const struct vlp_embedding_block *b, int i)
{
    struct embed_entry *e = embed_state_add(s, b->ids[i], b->id_lens[i]);
    if (b->flags[i] & VLP_RECORD_DELETED) {
        e->images = e->texts = 0;
        e->made = s->open = NULL;
        e->differ = false;
    } else if (b->flags[i] & VLP_RECORD_TEXT) {
        const bool alike =
            take_meta(s, &e->text_meta, &e->text_meta_len, b->metas[i], b->meta_lens[i]);
        e->differ |= e->texts++ > 0 && !alike;
        embed_made_add(s, e, VLP_WANT_TEXT, embed_made_text(b->metas[i], b->meta_lens[i]));
    } else {
        const bool alike =
            take_meta(s, &e->image_meta, &e->image_meta_len, b->metas[i], b->meta_lens[i]) &&
            e->image_flags == b->flags[i];
        e->differ |= e->images++ > 0 && !alike;
        e->image_flags = b->flags[i];
        embed_made_add(s, e, VLP_WANT_IMAGE,
                       embed_made_image(b->flags[i], b->metas[i], b->meta_lens[i]));
    }
}

enum vlp_status embed_state_read(struct embed_state *s, struct vlp_embedding_reader *r,
                                 struct vlp_error *err)
{
    struct vlp_embedding_block b;
    for (;;) {
        VLP_TRY(vlp_embedding_next(r, &b, err));
        if (b.n == 0) return VLP_OK;
        for (int i = 0; i < b.n; i++) take_record(s, &b, i);
    }
}
