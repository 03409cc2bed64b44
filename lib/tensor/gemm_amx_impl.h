/*
 * gemm_amx_impl.h -- 32 rows by 32 columns in eight tile registers of 16 rows by 64 bytes.
 *
 *   0 1   sums        4   rows 0 .. 15 of a     6 7   columns 0 .. 15, 16 .. 31 of b
 *   2 3               5   rows 16 .. 31
 *
 * A register of a is 16 rows of 16 units as they lie; one of b is 16 units, each 16 columns of four
 * bytes: the layout of a panel. The tile instructions are named by macros so that a test can give
 * them another meaning: TILE_ZERO(t), TILE_LOAD(t, at, stride), TILE_STORE(t, at, stride),
 * TILE_DOT(c, a, b). Included with AMX_NAME defined as the function's name.
 */
#include "tensor_internal.h"

static void AMX_NAME(int rows, int units, const void *a, const void *b, void *c, bool add,
                     const void *next)
{
    enum { COLS = 32, ROW = COLS * 4, A_ROW = VLP_A_STRIDE * 4, HALF = 16 };
    const char *at = a, *panel = b, *ahead = next;
    const bool  two = rows > HALF;
    const int   lines = two ? 16 : 32; /* a lone tile of rows asks for all of the next panel */
    char       *sums = c;
    if (add) {
        TILE_LOAD(0, sums, ROW);
        TILE_LOAD(1, sums + 64, ROW);
        if (two) {
            TILE_LOAD(2, sums + HALF * ROW, ROW);
            TILE_LOAD(3, sums + HALF * ROW + 64, ROW);
        }
    } else {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    }
    for (int k = 0; k < units; k += 16, at += 64, panel += 16 * ROW, ahead += lines * 64) {
        for (int i = 0; i < lines; i++) __builtin_prefetch(ahead + i * 64, 0, 2);
        TILE_LOAD(6, panel, ROW);
        TILE_LOAD(4, at, A_ROW);
        TILE_LOAD(7, panel + 64, ROW);
        TILE_DOT(0, 4, 6);
        TILE_DOT(1, 4, 7);
        if (two) {
            TILE_LOAD(5, at + HALF * A_ROW, A_ROW);
            TILE_DOT(2, 5, 6);
            TILE_DOT(3, 5, 7);
        }
    }
    TILE_STORE(0, sums, ROW);
    TILE_STORE(1, sums + 64, ROW);
    if (two) {
        TILE_STORE(2, sums + HALF * ROW, ROW);
        TILE_STORE(3, sums + HALF * ROW + 64, ROW);
    }
}
