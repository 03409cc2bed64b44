/*
 * tar_internal.h -- members of a tar shard, between the files that unpack, pair and give.
 */
#ifndef TAR_INTERNAL_H
#define TAR_INTERNAL_H

#include "data_internal.h"

/* ---- gunzip.c: gzip data, held against its sums ---------------------------------------------- */

struct gunzip;
bool           gunzip_fits(const struct stream *s); /* do the bytes in hand begin gzip data? */
struct gunzip *gunzip_open(void);
void           gunzip_close(struct gunzip *g); /* fine on NULL */
/* The next bytes, until the next call; none: at the end, or *fault says what is wrong. */
enum vlp_status gunzip_next(struct gunzip *g, struct stream *s, const void **out, size_t *len,
                            const char **fault, struct vlp_error *err);

/* ---- tar_reader.c ---------------------------------------------------------------------------- */

struct tar_reader {
    struct stream    stream;
    struct gunzip   *gunzip; /* NULL: libarchive gets the bytes as they are */
    const char      *fault;  /* of the gzip data */
    struct archive  *archive;
    bool             begun, first;
    bool             in_member; /* whose bytes may still be ahead */
    const uint8_t   *fed;       /* what libarchive was given last, up to `fed_end` */
    int64_t          fed_len, fed_end;
    int64_t          due;       /* a header, or the mark for the end, is to begin there */
    int              due_zeros; /* met of it; */
    bool             due_used;  /* and something else */
    enum vlp_status  feed_status;
    struct vlp_error feed_error;
    int64_t          file_size; /* of a plain file, which can be skipped in; else -1 */
    int64_t          base;      /* where in it the reading began: see tar_restart */
    struct vlp_buf   name;      /* of the member in hand */
    int64_t          n;         /* members met */
    bool             end_mark;  /* tar's mark for the end was met, whatever is behind it */
};
struct tar_member {
    const char *name; /* until the next */
    bool        regular, folder;
    int64_t     mtime; /* nanoseconds; -1 unknown */
    int64_t     size;
    int64_t     header; /* where what stands before its bytes begins, once unpacked */
    int64_t     offset; /* its bytes lie in the shard from here on, all of them; -1: they do not */
};
enum vlp_status tar_open(struct tar_reader *t, struct input *in, struct vlp_error *err);
void            tar_close(struct tar_reader *t);
/* Read a plain file again, from a member's header on (a packed one: 0, the beginning, only). */
enum vlp_status tar_restart(struct tar_reader *t, int64_t header, struct vlp_error *err);
bool            tar_is_packed(const struct tar_reader *t); /* once a member has been met */
/* VLP_ERR_FORMAT names the member before the damage and the offset; or it is no tar file. */
enum vlp_status tar_next(struct tar_reader *t, struct tar_member *m, bool *more,
                         struct vlp_error *err);
/* The bytes of the member, or, beyond `limit`, *too_long: the rest is skipped by the next tar_next.
 */
enum vlp_status tar_read(struct tar_reader *t, struct vlp_buf *out, size_t limit, bool *too_long,
                         struct vlp_error *err);

/* ---- tar_group.c ----------------------------------------------------------------------------- */

/* What a member is; a group is called as the last in this order that it has. */
enum tar_part { LABEL, METADATA, WORDS, UNWANTED_PICTURE, PICTURE };

/* The members of one stem. */
struct tar_group {
    bool            open;
    struct vlp_buf  stem, name;
    int64_t         header; /* of its first member */
    enum tar_part   named_by;
    struct vlp_buf  bytes;
    int64_t         size, offset; /* offset -1: they are in `bytes`, else in the shard */
    int64_t         mtime;
    enum vlp_status status; /* of the picture */
    const char     *reason;
    struct captions captions, json; /* of .txt and .caption; of .json, until all have been met */
    struct vlp_buf  label;
    bool            large_label;       /* too large to be one */
    bool            label_unread;      /* it is there, but a link */
    bool            only_label_unread; /* and with the captions nothing is wrong */
    int             at;                /* records given */
    struct vlp_buf  text;              /* of the member that is being read */
};
/* Is the member, by its name and kind, one of a group, or passed over? */
bool tar_member_counts(const struct input *in, const struct tar_member *m);
bool tar_name_is_hidden(const char *name);
/* Does the member `name` belong to the group as well? */
bool tar_group_has(const struct tar_group *g, const struct input *in, const char *name);
/* Is the group, as far as it goes, one to be given: chosen by the patterns, or asked for by name?
 */
bool tar_group_is_wanted(const struct tar_group *g, const struct input *in);
/* Put the member in hand into the group. */
enum vlp_status tar_group_add(struct tar_group *g, const struct input *in, struct tar_reader *r,
                              const struct tar_member *m, struct vlp_error *err);
/* No more will be added. */
void tar_group_finish(struct tar_group *g, const struct input *in);
int  tar_group_records(const struct tar_group *g);
void tar_group_give(struct tar_group *g, const struct input *in, struct vlp_item *out);
void tar_group_empty(struct tar_group *g);
void tar_group_free(struct tar_group *g);

/* ---- tar_places.c ---------------------------------------------------------------------------- */

struct tar_place {
    uint64_t hash;
    int64_t  at; /* -1: no place */
};
struct tar_places {
    struct tar_place *slot;
    size_t            n, cap;
};
void    tar_places_put(struct tar_places *p, const char *name, size_t len, int64_t at);
int64_t tar_places_get(const struct tar_places *p, const char *name, size_t len); /* or -1 */
void    tar_places_free(struct tar_places *p);

#endif
