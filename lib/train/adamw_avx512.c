/*
 * adamw_avx512.c -- AdamW's inner loop at the avx512 level.
 */
#include "adamw_internal.h"

void adamw_row_avx512(const struct adamw_row *r)
{
    adamw_row(r);
}
