/*
 * sniff.c -- what a file is that is no picture we read, by its first bytes, for the error message.
 */
#include <string.h>
#include <strings.h>

#include "image_internal.h"

/* `len` bytes `magic` at offset `at`. A length of its own because magics hold zeros. */
static const struct {
    int         at, len;
    const char *magic, *kind;
} magics[] = {
    {0, 6, "GIF87a", "a GIF picture"},
    {0, 6, "GIF89a", "a GIF picture"},
    {0, 4, "II*\0", "a TIFF picture"},
    {0, 4, "MM\0*", "a TIFF picture"},
    {0, 4, "II+\0", "a BigTIFF picture"},
    {0, 4, "MM\0+", "a BigTIFF picture"},
    {4, 8, "ftypavif", "an AVIF picture"},
    {4, 8, "ftypavis", "an AVIF picture"},
    {4, 8, "ftypheic", "a HEIC picture"},
    {4, 8, "ftypheix", "a HEIC picture"},
    {4, 8, "ftyphevc", "a HEIC picture"},
    {4, 8, "ftypheim", "a HEIC picture"},
    {4, 8, "ftypmif1", "a HEIF picture"},
    {4, 8, "ftypmsf1", "a HEIF picture"},
    {4, 8, "ftypcrx ", "a Canon raw photo"},
    {4, 4, "ftyp", "an MP4 or QuickTime video"},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"},
    {0, 4, "\xff\x4f\xff\x51", "a JPEG 2000 picture"},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"},
    {0, 2, "\xff\x0a", "a JPEG XL picture"},
    {0, 4, "\x00\x00\x01\x00", "a Windows icon"},
    {0, 4, "\x00\x00\x02\x00", "a Windows cursor"},
    {0, 4, "8BPS", "a Photoshop document"},
    {0, 4, "qoif", "a QOI picture"},
    {0, 4, "DDS ", "a DDS texture"},
    {0, 4, "\x76\x2f\x31\x01", "an OpenEXR picture"},
    {0, 10, "#?RADIANCE", "a Radiance picture"},
    {0, 9, "gimp xcf ", "a GIMP document"},
    {0, 4, "\x59\xa6\x6a\x95", "a Sun raster picture"},
    {0, 2, "\x01\xda", "an SGI picture"},
    {0, 5, "%PDF-", "a PDF document"},
    {0, 4, "%!PS", "a PostScript document"},
    {0, 4, "\xc5\xd0\xd3\xc6", "an EPS document"},
    {0, 4, "PK\x03\x04", "a ZIP archive"},
    {0, 2, "\x1f\x8b", "gzip data"},
    {0, 4, "\x28\xb5\x2f\xfd", "Zstandard data"},
    {0, 3, "BZh", "bzip2 data"},
    {0, 6,
     "\xfd"
     "7zXZ\0",
     "xz data"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
    {0, 4, "Rar!", "a RAR archive"},
    {257, 5, "ustar", "a tar archive"},
    {0, 4, "\x1a\x45\xdf\xa3", "a Matroska or WebM video"},
    {8, 4, "AVI ", "an AVI video"},
    {8, 4, "WAVE", "a WAV sound"},
    {0, 4, "OggS", "an Ogg stream"},
    {0, 3, "ID3", "an MP3 sound"},
    {0, 4, "fLaC", "a FLAC sound"},
    {0, 4,
     "\x7f"
     "ELF",
     "an ELF program"},
    {0, 6, "\x93NUMPY", "a NumPy array"},
};

/* Markup after optional byte order mark and white space, any case. */
static const struct {
    const char *tag, *kind;
} markup[] = {
    {"<!doctype html", "an HTML page"},  {"<html", "an HTML page"},    {"<head", "an HTML page"},
    {"<body", "an HTML page"},           {"<script", "an HTML page"},  {"<svg", "an SVG picture"},
    {"<!doctype svg", "an SVG picture"}, {"<?xml", "an XML document"},
};

static bool has(const uint8_t *data, size_t len, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= len; i++)
        if (strncasecmp((const char *)data + i, text, n) == 0) return true;
    return false;
}

static const char *looks_like_markup(const uint8_t *data, size_t len)
{
    size_t i = vlp_bom_length(data, len);
    while (i < len && strchr(" \t\r\n", data[i]) && data[i] != '\0') i++;
    for (size_t k = 0; k < VLP_COUNT(markup); k++) {
        const size_t n = strlen(markup[k].tag);
        if (len - i < n || strncasecmp((const char *)data + i, markup[k].tag, n) != 0) continue;
        if (strcmp(markup[k].tag, "<?xml") != 0) return markup[k].kind;
        const size_t near = len - i < 1024 ? len - i : 1024;
        if (has(data + i, near, "<svg")) return "an SVG picture";
        if (has(data + i, near, "<html")) return "an HTML page";
        return markup[k].kind;
    }
    return NULL;
}

/* A BMP has a header of a known size; two letters alone are too common. */
static bool looks_like_bmp(const uint8_t *data, size_t len)
{
    return len >= 18 && data[0] == 'B' && data[1] == 'M' && data[15] == 0 && data[16] == 0 &&
           data[17] == 0 && data[14] >= 12 && data[14] <= 124;
}

/* P1 .. P7 and white space: the netpbm family. */
static bool looks_like_pnm(const uint8_t *data, size_t len)
{
    return len >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '7' &&
           (data[2] == '\n' || data[2] == ' ' || data[2] == '\r' || data[2] == '\t');
}

const char *image_looks_like(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < VLP_COUNT(magics); i++)
        if (len >= (size_t)(magics[i].at + magics[i].len) &&
            memcmp(data + magics[i].at, magics[i].magic, magics[i].len) == 0)
            return magics[i].kind;
    if (looks_like_bmp(data, len)) return "a BMP picture";
    if (looks_like_pnm(data, len)) return "a PNM picture";
    return looks_like_markup(data, len);
}
