/*
 * search_score.c -- the score of a query and a stored row: one definition for all who search.
 *
 *   dot      q . r                  as vlp_scan_rows adds it up
 *   cosine   (q . r) scale          within [-1, 1]; 1 where r is q, and there only; NaN where the
 *                                   sum is no finite number
 */
#include "search_internal.h"

float cosine_limit(const struct vlp_compute *alone, const float *query, int dim)
{
    const float square = vlp_dot(alone, query, query, dim);
    const bool  unit = square > 0.5f && square < 2.0f;
    return (unit ? fminf(square, 1.0f) : 1.0f) - 2.0f * score_margin(dim) - 0x1p-20f;
}

/* Equal but for what bringing the one or the other to unit length has rounded: some units in the
 * last place of each element. The same from either side. */
static bool is_near(const float *query, const float *row, int n, float scale)
{
    for (int c = 0; c < n; c++) {
        const float x = row[c] * scale, y = query[c];
        if (!(fabsf(x - y) <= 0x1p-21f * fmaxf(fabsf(x), fabsf(y)))) return false;
    }
    return true;
}

/* Part by part, on the stack: a set of copies comes here with every row. */
enum { PART = 128 };

static bool is_query(const float *query, const struct vlp_rows *rows, int i)
{
    const float scale = rows->scale ? rows->scale[i] : 1.0f;
    bool        equal = true;
    for (int from = 0; equal && from < rows->dim; from += PART) {
        float     part[PART];
        const int n = (int)vlp_min_i64(PART, rows->dim - from);
        rows_part_f32(rows, i, from, n, part);
        equal = is_near(query + from, part, n, scale);
    }
    return equal;
}

/* What a sum near or beyond the ends of what cosines are, or no number, is told as. */
static float cosine_of(float sum, const float *query, const struct vlp_rows *rows, int i)
{
    if (!isfinite(sum)) return NAN;
    if (sum < 0.0f) return fmaxf(sum, -1.0f);
    return is_query(query, rows, i) ? 1.0f : fminf(sum, 0x1.fffffep-1f);
}

void score_rows(const struct vlp_compute *alone, float *score, const float *query, float again,
                const struct vlp_rows *rows, int i0, int n)
{
    vlp_scan_rows(alone, score, query, (const uint8_t *)rows->data + (size_t)i0 * rows->stride,
                  rows->stride, rows->dtype, rows->dim, n);
    if (rows->scale)
        for (int i = 0; i < n; i++) score[i] *= rows->scale[i0 + i];
    if (!rows->cosine) return;
    for (int i = 0; i < n; i++)
        if (!(score[i] > -1.0f && score[i] < again))
            score[i] = cosine_of(score[i], query, rows, i0 + i);
}
