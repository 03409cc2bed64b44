/*
 * younger_marks.c -- marks and composed characters that came after Unicode 9, which is what the
 * fast tokenizers know, or after Unicode 14, which is what Python 3.11 knows.
 *
 * In the table: what has a combining class or a canonical decomposition, and the parts that make a
 * composed character of them young.
 */
#include "text_internal.h"

static const struct {
    int32_t first, last;
    bool    in_14;
} younger[] = {{0x5c8, 0x5c9, false},     {0x7fd, 0x7fd, true},      {0x897, 0x897, false},
               {0x898, 0x89f, true},      {0x8ca, 0x8d3, true},      {0x9fe, 0x9fe, true},
               {0xc3c, 0xc3c, true},      {0xd3b, 0xd3c, true},      {0xeba, 0xeba, true},
               {0x1715, 0x1715, true},    {0x1abf, 0x1ace, true},    {0x1acf, 0x1af0, false},
               {0x1df6, 0x1dfa, true},    {0xa82c, 0xa82c, true},    {0x105c9, 0x105c9, false},
               {0x105d2, 0x105d2, false}, {0x105da, 0x105da, false}, {0x105e4, 0x105e4, false},
               {0x10d24, 0x10d27, true},  {0x10d69, 0x10d6d, false}, {0x10eab, 0x10eac, true},
               {0x10ecb, 0x10ecf, false}, {0x10ef0, 0x10efb, false}, {0x10efd, 0x10eff, false},
               {0x10f46, 0x10f50, true},  {0x10f82, 0x10f85, true},  {0x11070, 0x11070, true},
               {0x1133b, 0x1133b, true},  {0x11382, 0x11385, false}, {0x1138b, 0x1138b, false},
               {0x1138e, 0x1138e, false}, {0x11390, 0x11391, false}, {0x113c2, 0x113c2, false},
               {0x113c5, 0x113c5, false}, {0x113c7, 0x113c8, false}, {0x113ce, 0x113d0, false},
               {0x1145e, 0x1145e, true},  {0x11839, 0x1183a, true},  {0x11935, 0x11935, true},
               {0x11938, 0x11938, true},  {0x1193d, 0x1193e, true},  {0x11943, 0x11943, true},
               {0x119e0, 0x119e0, true},  {0x11a34, 0x11a34, true},  {0x11a47, 0x11a47, true},
               {0x11a99, 0x11a99, true},  {0x11d42, 0x11d42, true},  {0x11d44, 0x11d45, true},
               {0x11d97, 0x11d97, true},  {0x11f41, 0x11f42, false}, {0x1611e, 0x1611e, false},
               {0x16121, 0x16129, false}, {0x1612f, 0x1612f, false}, {0x16d63, 0x16d63, false},
               {0x16d67, 0x16d6a, false}, {0x16ff0, 0x16ff1, true},  {0x1d127, 0x1d128, false},
               {0x1d250, 0x1d252, false}, {0x1d25b, 0x1d25c, false}, {0x1d25f, 0x1d25f, false},
               {0x1d280, 0x1d281, false}, {0x1e08f, 0x1e08f, false}, {0x1e130, 0x1e136, true},
               {0x1e2ae, 0x1e2ae, true},  {0x1e2ec, 0x1e2ef, true},  {0x1e4ec, 0x1e4ef, false},
               {0x1e5ee, 0x1e5ef, false}, {0x1e6e3, 0x1e6e3, false}, {0x1e6e6, 0x1e6e6, false},
               {0x1e6ee, 0x1e6ef, false}, {0x1e6f5, 0x1e6f5, false}};

bool vlp_younger_mark(int32_t c, enum vlp_unicode u)
{
    if (c < younger[0].first) return false;
    const size_t i = VLP_RANGE_OF(younger, c);
    return i < VLP_COUNT(younger) && !(u == VLP_UNICODE_14 && younger[i].in_14);
}
