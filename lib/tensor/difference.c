/*
 * difference.c -- how far numbers are from those that were expected.
 */
#include "tensor_internal.h"

struct vlp_difference vlp_differ(const float *got, const float *want, size_t n)
{
    struct vlp_difference d = {0};
    for (size_t i = 0; i < n; i++) {
        d.error = vlp_worse(d.error, fabs((double)got[i] - (double)want[i]));
        d.largest = vlp_worse(d.largest, fabs((double)want[i]));
    }
    return d;
}
