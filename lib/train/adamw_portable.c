/*
 * adamw_portable.c -- AdamW's inner loop at the portable level.
 */
#include "adamw_internal.h"

void adamw_row_portable(const struct adamw_row *r)
{
    adamw_row(r);
}
