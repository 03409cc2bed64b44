/*
 * embed_state.h -- what an embedding file holds already, so that a job can continue or update it.
 */
#ifndef EMBED_STATE_H
#define EMBED_STATE_H

#include "cmd.h"

/* What one record of an input has left in the file: its picture and its text by a hash of what they
 * were made from, or one of these. */
#define EMBED_NONE    UINT64_C(0)
#define EMBED_UNKNOWN UINT64_C(1) /* nobody knows from what: of a picture */
#define EMBED_ANY     UINT64_C(2) /* are looked for */
#define EMBED_SOME    UINT64_C(3)
struct embed_made {
    struct embed_made *next;
    uint64_t           image, text;
};
struct embed_index;

/* Records of one id that are alive in the file, and what this run has seen of it. */
struct embed_entry {
    const char         *id;
    size_t              id_len;
    int                 images, texts; /* records */
    struct embed_made  *made;          /* in the order of the file; then used up */
    struct embed_made **made_end;
    int64_t             n_made;
    struct embed_index *index;  /* where there are many, once it was asked for; or NULL */
    int                 trying; /* rows of it that are being embedded while continuing */
    const char         *image_meta, *text_meta; /* of the last one; NULL: none */
    size_t              image_meta_len, text_meta_len;
    uint32_t            image_flags;
    bool                differ; /* of its pictures, or of its texts, some are not like the others */
    bool                seen, stale; /* in the input; in another state than the file's record */
    bool                spoilt;      /* in the input, where it cannot be used any more */
    bool                unreadable;  /* in the input, but it cannot be read at present */
    const char         *refused; /* why the file's records cannot be brought up to date, or NULL */
};

struct embed_state {
    struct embed_entry *entry; /* by the number of its id */
    int64_t             n, cap;
    struct vlp_strings  ids;
    bool                continued; /* to be set before reading when `made` is wanted */
    struct embed_made  *open; /* the last record of the file: a picture whose text may follow */
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

/* embed_rest.c: which records of the input does a file that is continued have already? */

/* Hashes for struct embed_made of what a stored picture, or text, says that it was made from. */
uint64_t embed_made_image(uint32_t flags, const char *meta, size_t len);
uint64_t embed_made_text(const char *text, size_t len);
/* The state is told of the file's records in order, then asked. */
void embed_made_add(struct embed_state *s, struct embed_entry *e, int part, uint64_t from);
/*
 * Find the parts of `row` among what the file has of its id, and use those up: they are the answer.
 * Texts are found by their wording, so that a record which could not be used does not pass for
 * another one of its id; pictures by the stamps of their files, or `loosely` whatever those are.
 * `used`: the row has turned out to be one that can be used.
 */
int embed_made_take(struct embed_state *s, struct embed_entry *e, const struct embed_made *row,
                    bool loosely, bool used);

#endif
