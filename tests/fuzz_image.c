/*
 * fuzz_image.c -- any bytes to the picture readers and on to a model's pixels; those of a PNG once
 * more with right checksums, so that what lies behind them is reached.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <vlp/image.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_picture(const uint8_t *data, size_t len)
{
    struct vlp_arena      mem = {0};
    struct vlp_error      err;
    struct vlp_image      im;
    const enum vlp_status s = vlp_image_decode(&im, &mem, data, len, "input", &err);
    if (s == VLP_OK && (im.orientation < 1 || im.orientation > 8)) abort();
    /* A large picture teaches nothing that a small one does not, and takes its time. */
    if (s == VLP_OK && (int64_t)im.width * im.height <= 1 << 20) {
        struct vlp_preprocess how;
        const size_t          which = len % 6;
        vlp_preprocess_flavour(&how, vlp_preprocess_flavours[which], 32);
        const struct vlp_image *out = vlp_preprocess_u8(&mem, &im, &how);
        volatile uint8_t        last = out->data[(size_t)out->width * out->height * 3 - 1];
        (void)last;
    }
    vlp_arena_free(&mem);
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Does any checksum change? */
static bool mend(uint8_t *p, size_t len)
{
    bool changed = false;
    for (size_t at = 8; len >= 12 && at <= len - 12;) {
        const size_t size = get_u32(p + at);
        if (size > len - at - 12) break;
        uint8_t       *end = p + at + 8 + size;
        const uint32_t sum = (uint32_t)crc32(0, p + at + 4, (uInt)size + 4);
        changed |= get_u32(end) != sum;
        for (int i = 0; i < 4; i++) end[i] = (uint8_t)(sum >> (24 - 8 * i));
        at += size + 12;
    }
    return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    read_picture(data, len);
    if (len < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0) return 0;
    uint8_t *copy = vlp_malloc(len);
    memcpy(copy, data, len);
    if (mend(copy, len)) read_picture(copy, len);
    free(copy);
    return 0;
}
