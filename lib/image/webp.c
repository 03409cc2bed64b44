/*
 * webp.c -- WebP files, lossy and lossless, with or without alpha; of an animation the first frame.
 */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image_internal.h"

static bool sniff(const uint8_t *data, size_t len)
{
    return len >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

static const char *status_text(VP8StatusCode s)
{
    switch (s) {
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that is not known";
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the data ends early";
    default: return "the picture data is wrong";
    }
}

static enum vlp_status damaged(const uint8_t *data, size_t len, const char *name, const char *what,
                               struct vlp_error *err)
{
    const uint64_t claimed = (uint64_t)vlp_load_u32(data + 4) + 8;
    if (claimed > len)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: truncated WebP: %zu bytes of %llu are there",
                        name, len, (unsigned long long)claimed);
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged WebP: %s", name, what);
}

static int orientation(const WebPDemuxer *demux)
{
    WebPChunkIterator chunk;
    int               found = 0;
    if (WebPDemuxGetChunk(demux, "EXIF", 1, &chunk)) {
        found = exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    if (!found && WebPDemuxGetChunk(demux, "XMP ", 1, &chunk)) {
        found = xmp_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    return found ? found : 1;
}

/* The first frame at its place on the canvas; transparent black around it. */
static VP8StatusCode read_frame(struct vlp_image *out, struct vlp_arena *mem,
                                const WebPIterator *frame)
{
    const int         ch = vlp_image_mode_bytes(out->mode);
    const size_t      stride = (size_t)out->width * ch, size = stride * out->height;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return VP8_STATUS_INVALID_PARAM;
    const VP8StatusCode s =
        WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input);
    if (s != VP8_STATUS_OK) return s;
    const int w = config.input.width, h = config.input.height;
    if (w < 1 || h < 1 || frame->x_offset < 0 || frame->y_offset < 0 ||
        w > out->width - frame->x_offset || h > out->height - frame->y_offset)
        return VP8_STATUS_BITSTREAM_ERROR;

    const bool whole = w == out->width && h == out->height;
    out->data = whole ? vlp_arena_alloc(mem, size) : vlp_arena_calloc(mem, size, 1);
    const size_t at = stride * frame->y_offset + (size_t)frame->x_offset * ch;
    config.output.colorspace = out->mode == VLP_IMAGE_RGBA ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->data + at;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = size - at;
    return WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
}

static enum vlp_status read_file(struct vlp_image *out, struct vlp_arena *mem, const uint8_t *data,
                                 size_t len, const char *name, struct vlp_error *err)
{
    WebPBitstreamFeatures features;
    VP8StatusCode         s = WebPGetFeatures(data, len, &features);
    if (s != VP8_STATUS_OK) return damaged(data, len, name, status_text(s), err);
    VLP_TRY(image_check_size(features.width, features.height, name, err));
    out->mode = features.has_alpha ? VLP_IMAGE_RGBA : VLP_IMAGE_RGB;
    out->width = features.width;
    out->height = features.height;

    WebPDemuxer *demux = WebPDemux(&(WebPData){data, len});
    if (!demux) return damaged(data, len, name, "its chunks do not fit together", err);
    enum vlp_status status = VLP_OK;
    WebPIterator    frame;
    if ((int)WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH) != out->width ||
        (int)WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT) != out->height) {
        status = damaged(data, len, name, "two sizes for one canvas", err);
    } else if (!WebPDemuxGetFrame(demux, 1, &frame)) {
        status = damaged(data, len, name, "no frame", err);
    } else {
        s = read_frame(out, mem, &frame);
        if (s == VP8_STATUS_OUT_OF_MEMORY)
            status = vlp_fail(err, VLP_ERR_SHORTAGE, "%s: no memory to decode it", name);
        else if (s != VP8_STATUS_OK)
            status = damaged(data, len, name, status_text(s), err);
        out->orientation = orientation(demux);
        WebPDemuxReleaseIterator(&frame);
    }
    WebPDemuxDelete(demux);
    return status;
}

const struct image_format image_format_webp = {"webp", sniff, read_file};
