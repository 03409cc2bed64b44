/*
 * gunzip.c -- gzip data unpacked and held against its sums: CRC-32 and length of every member.
 *
 * libarchive's filter steps over both, and a turned bit in a picture is then a picture. Members
 * follow one another as cat leaves them; zeros after the last are what tapes are filled up with.
 */
#include <stdlib.h>
#include <zlib.h>

#include "tar_internal.h"

enum { GUNZIP_BUFFER = 256 * 1024, WITH_GZIP_HEADER = 16 };

struct gunzip {
    z_stream    z;
    uint8_t    *out;
    bool        between; /* members */
    const char *fault;   /* for the next call: what was unpacked before it is given out first */
};

bool gunzip_fits(const struct stream *s)
{
    return s->end - s->begin >= 2 && s->buf[s->begin] == 0x1f && s->buf[s->begin + 1] == 0x8b;
}

struct gunzip *gunzip_open(void)
{
    struct gunzip *g = vlp_calloc(1, sizeof *g);
    g->out = vlp_malloc(GUNZIP_BUFFER);
    if (inflateInit2(&g->z, MAX_WBITS + WITH_GZIP_HEADER) != Z_OK) {
        vlp_no_memory(0);
        abort();
    }
    return g;
}

void gunzip_close(struct gunzip *g)
{
    if (!g) return;
    inflateEnd(&g->z);
    free(g->out);
    free(g);
}

static void take(struct stream *s, size_t n)
{
    s->begin += n;
    s->offset += n;
}

/* Unpack from the buffer of `s`, which holds something. */
static void unpack(struct gunzip *g, struct stream *s)
{
    g->z.next_in = s->buf + s->begin;
    g->z.avail_in = (uInt)(s->end - s->begin);
    const int r = inflate(&g->z, Z_NO_FLUSH);
    take(s, s->end - s->begin - g->z.avail_in);
    if (r == Z_MEM_ERROR) {
        vlp_no_memory(0);
        abort();
    }
    g->between = r == Z_STREAM_END;
    if (r == Z_OK || r == Z_STREAM_END) return;
    g->fault = g->z.msg ? g->z.msg : "not gzip data";
}

enum vlp_status gunzip_next(struct gunzip *g, struct stream *s, const void **out, size_t *len,
                            const char **fault, struct vlp_error *err)
{
    g->z.next_out = g->out;
    g->z.avail_out = GUNZIP_BUFFER;
    *len = 0;
    while (!g->fault && g->z.avail_out == GUNZIP_BUFFER) {
        VLP_TRY(stream_fill(s, 1, err));
        const bool end = s->begin == s->end;
        if (end && g->between) break;
        if (end) {
            g->fault = "truncated gzip data";
        } else if (!g->between) {
            unpack(g, s);
        } else if (s->buf[s->begin] == 0) {
            take(s, 1);
        } else {
            inflateReset(&g->z);
            unpack(g, s);
        }
    }
    *out = g->out;
    *len = GUNZIP_BUFFER - g->z.avail_out;
    if (*len == 0) *fault = g->fault;
    return VLP_OK;
}
