/*
 * embed_internal.h -- a unit of embedding work: a few records and what became of them.
 */
#ifndef VLP_EMBED_INTERNAL_H
#define VLP_EMBED_INTERNAL_H

#include "task_internal.h"

struct vlp_unit {
    int                  n, cap;
    struct vlp_item     *item;   /* owned */
    int                 *want;   /* VLP_WANT_ bits */
    struct vlp_embedded *result; /* result[i].item is &item[i] */
    struct vlp_arena     mem;    /* vectors and reasons */
};

struct vlp_unit *vlp_unit_new(int cap);
void             vlp_unit_free(struct vlp_unit *u); /* NULL is fine */
/* The unit owns the item from here on. */
void vlp_unit_add(struct vlp_unit *u, const struct vlp_item *item, int want);
/* Fill the results. A bad record is a result; an error here ends the run. */
enum vlp_status vlp_unit_encode(struct vlp_unit *u, struct vlp_encoder *e,
                                const struct vlp_compute *c, struct vlp_arena *mem,
                                const struct vlp_embed_options *o, struct vlp_error *err);

#endif
