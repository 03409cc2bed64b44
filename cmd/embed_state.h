/*
 * embed_state.h -- what an embedding file holds already, so that a job can continue or update it.
 */
#ifndef EMBED_STATE_H
#define EMBED_STATE_H

#include "cmd.h"

/* What one record of an input has left in the file: its picture and its text by a hash of what they
 * were made from, or one of these; and what was taken of it for a row of this run's input. */
#define EMBED_NONE    UINT64_C(0)
#define EMBED_UNKNOWN UINT64_C(1) /* nobody knows from what: of a picture */
#define EMBED_ANY     UINT64_C(2) /* these are looked for */
#define EMBED_SOME    UINT64_C(3)
#define EMBED_HAD     UINT64_C(4)
#define EMBED_UNSEEN  UINT64_C(5)
struct embed_made {
    struct embed_made *next;
    uint64_t           image, text; /* EMBED_NONE: taken, or never there */
    uint64_t           had;         /* the picture that was taken */
    uint64_t           with;        /* the text that the same row took */
    const char        *path; /* of the row's picture, where that was not looked at; or NULL */
};
/* A row of the input. */
struct embed_row {
    uint64_t    image, text;
    const char *path;    /* of its picture; or NULL */
    bool        unseen;  /* it has not been tried: its picture may be a bad one, and is to be
                           remembered unless the id is its path */
    bool        loosely; /* its picture may have been touched since: a picture of another stamp is
                            taken for it, if there is none of its own */
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
/* Is all of the row there still, a picture and its text side by side, or the picture alone where
 * that is `enough`? Not, where a row with another picture's file took one of this stamp unseen. */
bool embed_made_has(struct embed_state *s, struct embed_entry *e, const struct embed_row *row,
                    bool enough);
/*
 * Take the parts of the row of what the file has of its id: they are the answer. Where it is
 * `unseen`, a text goes only with the picture. *moved (may be NULL): the picture taken has another
 * stamp.
 *
 * Texts are found by their wording, pictures by the stamps of their files; what stood side by side
 * is preferred, no more: a row whose text was bad left its picture beside the next one's.
 */
int embed_made_take(struct embed_state *s, struct embed_entry *e, const struct embed_row *row,
                    bool *moved);
/* What a row took unseen that should be looked at before `row` is written: a picture of this stamp,
 * with another path, or the text, of which there is no more. NULL: nothing. Then: that picture is
 * good; or it is not, and what its row took is there again. */
struct embed_made *embed_made_doubt(struct embed_state *s, struct embed_entry *e,
                                    const struct embed_row *row);
void embed_made_sure(struct embed_state *s, struct embed_entry *e, struct embed_made *m, bool good);

#endif
