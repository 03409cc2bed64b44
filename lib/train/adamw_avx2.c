/*
 * adamw_avx2.c -- AdamW's inner loop at the avx2 level.
 */
#include "adamw_internal.h"

#if defined(__x86_64__)
void adamw_row_avx2(const struct adamw_row *r)
{
    adamw_row(r);
}
#endif
