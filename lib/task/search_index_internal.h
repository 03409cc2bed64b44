/*
 * search_index_internal.h -- how the files of an index are walked, for those who search it.
 */
#ifndef VLP_SEARCH_INDEX_INTERNAL_H
#define VLP_SEARCH_INDEX_INTERNAL_H

#include "search_internal.h"

struct index_file {
    char          *path;
    bool           in_memory;
    bool           bare; /* does not tell texts from pictures */
    struct vlp_set set;  /* in_memory */

    enum vlp_ending ending; /* as it was seen last */

    /* what the file deletes: complete once `known` */
    bool                 known;
    int                  n_deletions;
    char               **deletion_id;
    size_t              *deletion_len;
    int64_t             *deletion_row;
    struct vlp_id_table *deleted;
};

struct vlp_index {
    struct index_file          *file;
    int                         n_files;
    struct vlp_embedding_header header; /* the first file's, but for the fingerprint */
    const char                 *model;  /* path of the file that names the model */

    /* the walk */
    int                          at;
    int                          given; /* records of file `at`, where it is in memory */
    int64_t                      row;
    struct vlp_embedding_reader *reader;
};

struct index_block {
    int                                file;
    int64_t                            first; /* number of its first record */
    const struct vlp_embedding_header *header;
    struct vlp_embedding_block         records; /* n = 0: the end */
};

void            index_rewind(struct vlp_index *ix);
enum vlp_status index_next(struct vlp_index *ix, struct index_block *b, struct vlp_error *err);
/* Write down the deletions of a block; when the walk has ended, use them from now on: true when
 * there were new ones, so that this walk's results do not hold. */
void index_note_deletions(struct vlp_index *ix, const struct index_block *b);
bool index_learn_deletions(struct vlp_index *ix);
/* Is record i a deletion, or deleted later on as far as is known? */
bool index_is_dead(const struct vlp_index *ix, const struct index_block *b, int i);

/* Records that are hits at the moment, kept beyond their block. */
struct keeper;
struct keeper *keeper_open(void);
void           keeper_close(struct keeper *k);
/* Keep what of this block is a hit of `s` now. */
void keeper_take(struct keeper *k, struct vlp_search *s, const struct index_block *b);
/* Fill in a match's record by its row; its strings live as long as the keeper. */
void keeper_give(const struct keeper *k, struct vlp_match *m);

#endif
