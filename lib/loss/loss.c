/*
 * loss.c -- the table of contrastive losses.
 */
#include <string.h>

#include "loss_internal.h"

const struct vlp_contrastive_loss *const vlp_contrastive_losses[] = {
    &vlp_loss_softmax,
    &vlp_loss_sigmoid,
    NULL,
};

const char *const vlp_contrastive_loss_names[] = {"softmax", "sigmoid", NULL};
_Static_assert(VLP_COUNT(vlp_contrastive_loss_names) == VLP_COUNT(vlp_contrastive_losses), "");

const struct vlp_contrastive_loss *vlp_contrastive_loss_find(const char *name)
{
    for (int i = 0; vlp_contrastive_losses[i]; i++)
        if (strcmp(vlp_contrastive_losses[i]->name, name) == 0) return vlp_contrastive_losses[i];
    return NULL;
}
