/*
 * fuzz_image.c -- any bytes to the picture readers and on to a model's pixels.
 */
#include <stddef.h>
#include <stdint.h>

#include <vlp/image.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct vlp_arena      mem = {0};
    struct vlp_error      err;
    struct vlp_image      im;
    const enum vlp_status s = vlp_image_decode(&im, &mem, data, len, "input", &err);
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
    return 0;
}
