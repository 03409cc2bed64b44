/*
 * classify_internal.h -- what the files that draw share.
 */
#ifndef VLP_CLASSIFY_INTERNAL_H
#define VLP_CLASSIFY_INTERNAL_H

#include <vlp/classify.h>

enum { FONT_WIDTH = 5, FONT_HEIGHT = 7, FONT_STEP = 6 };

enum { FONT_ELLIPSIS = 0x2026 };

/* The columns of a character, lowest bit at the top. */
void font_glyph(uint8_t column[FONT_WIDTH], int32_t c);

#endif
