/*
 * younger.c -- letters and numbers that came after Unicode 15, which is what libutf8proc may know.
 *
 * The reference's two splitters are of different ages: one knows Unicode 16, the other all of
 * these.
 */
#include "text_internal.h"

static const struct {
    int32_t first, last;
    char    kind;
    bool    in_16;
} younger[] = {
    {0x558, 0x558, 'L', false},     {0x58b, 0x58c, 'L', false},     {0x88f, 0x88f, 'L', false},
    {0xc5c, 0xc5c, 'L', false},     {0xcdc, 0xcdc, 'L', false},     {0x1c89, 0x1c8a, 'L', true},
    {0x208f, 0x208f, 'L', false},   {0x209d, 0x209f, 'L', false},   {0xa7cb, 0xa7cd, 'L', true},
    {0xa7ce, 0xa7cf, 'L', false},   {0xa7d2, 0xa7d2, 'L', false},   {0xa7d4, 0xa7d4, 'L', false},
    {0xa7da, 0xa7dc, 'L', true},    {0xa7dd, 0xa7dd, 'L', false},   {0xa7e2, 0xa7e2, 'L', false},
    {0xa7f1, 0xa7f1, 'L', false},   {0xab6c, 0xab6d, 'L', false},   {0x105c0, 0x105f3, 'L', true},
    {0x107bb, 0x107bf, 'L', false}, {0x10940, 0x10959, 'L', false}, {0x10d40, 0x10d49, 'N', true},
    {0x10d4a, 0x10d65, 'L', true},  {0x10d6f, 0x10d85, 'L', true},  {0x10ec2, 0x10ec4, 'L', true},
    {0x10ec5, 0x10ec7, 'L', false}, {0x10ed9, 0x10eee, 'L', false}, {0x11380, 0x11389, 'L', true},
    {0x1138b, 0x1138b, 'L', true},  {0x1138e, 0x1138e, 'L', true},  {0x11390, 0x113b5, 'L', true},
    {0x113b7, 0x113b7, 'L', true},  {0x113d1, 0x113d1, 'L', true},  {0x113d3, 0x113d3, 'L', true},
    {0x116d0, 0x116e3, 'N', true},  {0x11b0a, 0x11b0a, 'L', false}, {0x11bc0, 0x11be0, 'L', true},
    {0x11bf0, 0x11bf9, 'N', true},  {0x11db0, 0x11ddb, 'L', false}, {0x11de0, 0x11de9, 'N', false},
    {0x11df1, 0x11df1, 'L', false}, {0x1246f, 0x1246f, 'N', false}, {0x12475, 0x1247f, 'N', false},
    {0x12550, 0x12686, 'N', false}, {0x13460, 0x143fa, 'L', true},  {0x16100, 0x1611d, 'L', true},
    {0x16130, 0x16139, 'N', true},  {0x16d40, 0x16d6c, 'L', true},  {0x16d70, 0x16d79, 'N', true},
    {0x16ea0, 0x16eb8, 'L', false}, {0x16ebb, 0x16ed3, 'L', false}, {0x16ff2, 0x16ff3, 'L', false},
    {0x16ff4, 0x16ff6, 'N', false}, {0x187f8, 0x187ff, 'L', false}, {0x18cd6, 0x18cda, 'L', false},
    {0x18cff, 0x18cff, 'L', true},  {0x18d09, 0x18d20, 'L', false}, {0x18d80, 0x18df2, 'L', false},
    {0x18e00, 0x19191, 'L', false}, {0x191a0, 0x191d2, 'L', false}, {0x1b123, 0x1b128, 'L', false},
    {0x1b168, 0x1b168, 'L', false}, {0x1ccf0, 0x1ccf9, 'N', true},  {0x1d6a6, 0x1d6a6, 'L', false},
    {0x1df1f, 0x1df24, 'L', false}, {0x1df2b, 0x1df81, 'L', false}, {0x1df90, 0x1df96, 'L', false},
    {0x1dfcd, 0x1dfff, 'L', false}, {0x1e5d0, 0x1e5ed, 'L', true},  {0x1e5f0, 0x1e5f0, 'L', true},
    {0x1e5f1, 0x1e5fa, 'N', true},  {0x1e6c0, 0x1e6de, 'L', false}, {0x1e6e0, 0x1e6e2, 'L', false},
    {0x1e6e4, 0x1e6e5, 'L', false}, {0x1e6e7, 0x1e6ed, 'L', false}, {0x1e6f0, 0x1e6f4, 'L', false},
    {0x1e6fe, 0x1e6ff, 'L', false}, {0x2b73a, 0x2b73f, 'L', false}, {0x2b81e, 0x2b81e, 'L', false},
    {0x2cea2, 0x2cead, 'L', false}, {0x2ebf0, 0x2ee5d, 'L', true},  {0x323b0, 0x33479, 'L', false},
    {0x3d000, 0x3fc3f, 'L', false}};

char vlp_younger_class(int32_t c, bool only_16)
{
    size_t low = 0, high = VLP_COUNT(younger);
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (c > younger[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == VLP_COUNT(younger) || c < younger[low].first) return 0;
    return only_16 && !younger[low].in_16 ? 0 : younger[low].kind;
}
