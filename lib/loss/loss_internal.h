/*
 * loss_internal.h -- the rows of the table, for the table.
 */
#ifndef VLP_LOSS_INTERNAL_H
#define VLP_LOSS_INTERNAL_H

#include <vlp/loss.h>

extern const struct vlp_contrastive_loss vlp_loss_softmax, vlp_loss_sigmoid;

#endif
