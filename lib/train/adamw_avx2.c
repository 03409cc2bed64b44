/*
 * adamw_avx2.c -- AdamW's inner loop at the avx2 level.
 */
#include "adamw_internal.h"

void adamw_row_avx2(const struct adamw_row *r)
{
    adamw_row(r);
}
