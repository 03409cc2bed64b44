/*
 * embed_state.h -- what an embedding file holds already, so that a job can continue or update it.
 */
#ifndef EMBED_STATE_H
#define EMBED_STATE_H

#include "cmd.h"

/* Records of one id that are alive in the file, and what this run has seen of it. */
struct embed_entry {
    const char *id;
    size_t      id_len;
    int         images, texts;          /* records; counted down while continuing */
    const char *image_meta, *text_meta; /* of the last one; NULL: none */
    size_t      image_meta_len, text_meta_len;
    uint32_t    image_flags;
    bool        differ;      /* of its pictures, or of its texts, some are not like the others */
    bool        seen, stale; /* in the input; in another state than the file's record */
    bool        unreadable;  /* in the input, but it cannot be read at present */
    const char *refused;     /* why the file's records cannot be brought up to date, or NULL */
};

struct embed_state {
    struct embed_entry *entry;
    int64_t             n, cap;
    int64_t            *slot; /* hash table of entry numbers + 1 */
    int64_t             n_slots;
    struct vlp_arena    mem;
};

void                embed_state_init(struct embed_state *s);
void                embed_state_free(struct embed_state *s);
struct embed_entry *embed_state_find(struct embed_state *s, const char *id, size_t len);
struct embed_entry *embed_state_add(struct embed_state *s, const char *id,
                                    size_t len); /* or find */
/* All of the file that `r` reads. */
enum vlp_status embed_state_read(struct embed_state *s, struct vlp_embedding_reader *r,
                                 struct vlp_error *err);

#endif
