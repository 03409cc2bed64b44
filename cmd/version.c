/*
 * version.c -- what -V prints: the version, the CPU level, the libraries, whether MPI is built in.
 */
#include <stdio.h>

#include <archive.h>
#include <jansson.h>
#include <png.h>
#include <stdlib.h>
#include <utf8proc.h>
#include <webp/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <jpeglib.h>
#include <xxhash.h>

#include "cmd_internal.h"

#define TEXT(x)  TEXT_(x)
#define TEXT_(x) #x

void cmd_version(void)
{
    const int          webp = WebPGetDecoderVersion();
    struct vlp_compute c;
    struct vlp_error   err;
    const char        *forced = getenv("VLP_CPU");
    const enum vlp_cpu best = vlp_cpu_best();
    printf("%s %s\n", cmd_program_name(), VLP_VERSION);
    if (vlp_compute_init(&c, NULL, forced, VLP_PRECISION_F32, &err) == VLP_OK)
        printf("CPU level: %s%s (best here: %s), %d processors\n", vlp_cpu_name(c.cpu),
               forced && *forced ? " (by VLP_CPU)" : "", vlp_cpu_name(best), vlp_cpu_count());
    else
        printf("CPU level: %s (%s)\n", vlp_cpu_name(best), err.text);
#ifdef LIBJPEG_TURBO_VERSION
    printf("Libraries: libjpeg-turbo %s", TEXT(LIBJPEG_TURBO_VERSION));
#else
    printf("Libraries: libjpeg %d", JPEG_LIB_VERSION);
#endif
    printf(", libpng %s, libwebp %d.%d.%d, zlib %s, zstd %s, jansson %s,\n"
           "           utf8proc %s, libarchive %s, xxhash %u.%u.%u\n",
           png_get_libpng_ver(NULL), webp >> 16, webp >> 8 & 255, webp & 255, zlibVersion(),
           ZSTD_versionString(), jansson_version_str(), utf8proc_version(),
           archive_version_string() + sizeof "libarchive", XXH_VERSION_MAJOR, XXH_VERSION_MINOR,
           XXH_VERSION_RELEASE);
#ifdef VLP_HAVE_MPI
    printf("MPI: yes\n");
#else
    printf("MPI: no\n");
#endif
    exit(cmd_finish(CMD_OK));
}
