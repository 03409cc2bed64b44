/*
 * checkpoint_build.c -- small files of weights made by hand, for the tests of the checkpoint room.
 */
#include "checkpoint_build.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static void add_u16(struct vlp_buf *b, unsigned v)
{
    uint8_t p[2];
    vlp_store_u16(p, (uint16_t)v);
    vlp_buf_add(b, p, sizeof p);
}

static void add_u32(struct vlp_buf *b, size_t v)
{
    uint8_t p[4];
    vlp_store_u32(p, (uint32_t)v);
    vlp_buf_add(b, p, sizeof p);
}

static void add_u64(struct vlp_buf *b, uint64_t v)
{
    uint8_t p[8];
    vlp_store_u64(p, v);
    vlp_buf_add(b, p, sizeof p);
}

void build_safetensors(struct vlp_buf *out, const char *header, size_t data_size)
{
    add_u64(out, strlen(header));
    vlp_buf_add_str(out, header);
    for (size_t i = 0; i < data_size; i++) vlp_buf_add_char(out, (char)i);
}

static void deflate_all(struct vlp_buf *out, const void *data, size_t size)
{
    z_stream s = {0};
    deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    vlp_buf_reserve(out, deflateBound(&s, size) + 1);
    s.next_in = (Bytef *)data;
    s.avail_in = (uInt)size;
    s.next_out = (Bytef *)out->data;
    s.avail_out = (uInt)(out->cap - 1);
    deflate(&s, Z_FINISH);
    out->len = s.total_out;
    deflateEnd(&s);
}

void build_zip_add(struct build_zip *z, const char *name, const void *data, size_t size,
                   bool deflate)
{
    const size_t   at = z->out.len;
    const uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), data, (uInt)size);
    const unsigned method = deflate ? 8 : 0;
    struct vlp_buf packed = {0};
    if (deflate)
        deflate_all(&packed, data, size);
    else
        vlp_buf_add(&packed, data, size);
    add_u32(&z->out, 0x04034b50);
    add_u16(&z->out, 20);
    add_u16(&z->out, 0);
    add_u16(&z->out, method);
    add_u32(&z->out, 0);
    add_u32(&z->out, crc);
    add_u32(&z->out, packed.len);
    add_u32(&z->out, size);
    add_u16(&z->out, (unsigned)strlen(name));
    /* an extra field so that the data are aligned to 64 bytes, as PyTorch does it */
    const size_t   data_at = z->out.len + 2 + strlen(name);
    const unsigned pad = (unsigned)((64 - (data_at + 4) % 64) % 64);
    add_u16(&z->out, pad + 4);
    vlp_buf_add_str(&z->out, name);
    add_u16(&z->out, 0x4246);
    add_u16(&z->out, pad);
    for (unsigned i = 0; i < pad; i++) vlp_buf_add_char(&z->out, 'Z');
    vlp_buf_add(&z->out, packed.data, packed.len);

    add_u32(&z->directory, 0x02014b50);
    add_u16(&z->directory, 20);
    add_u16(&z->directory, 20);
    add_u16(&z->directory, 0);
    add_u16(&z->directory, method);
    add_u32(&z->directory, 0);
    add_u32(&z->directory, crc);
    add_u32(&z->directory, UINT32_MAX); /* both sizes and the place in the zip64 field */
    add_u32(&z->directory, UINT32_MAX);
    add_u16(&z->directory, (unsigned)strlen(name));
    add_u16(&z->directory, 28);
    add_u16(&z->directory, 0);
    add_u32(&z->directory, 0);
    add_u32(&z->directory, 0);
    add_u32(&z->directory, UINT32_MAX);
    vlp_buf_add_str(&z->directory, name);
    add_u16(&z->directory, 1);
    add_u16(&z->directory, 24);
    add_u64(&z->directory, size);
    add_u64(&z->directory, packed.len);
    add_u64(&z->directory, at);
    vlp_buf_free(&packed);
    z->n++;
}

void build_zip_end(struct build_zip *z, bool zip64)
{
    const size_t at = z->out.len;
    vlp_buf_add(&z->out, z->directory.data, z->directory.len);
    if (zip64) {
        const size_t end = z->out.len;
        add_u32(&z->out, 0x06064b50);
        add_u64(&z->out, 44);
        add_u16(&z->out, 45);
        add_u16(&z->out, 45);
        add_u32(&z->out, 0);
        add_u32(&z->out, 0);
        add_u64(&z->out, (uint64_t)z->n);
        add_u64(&z->out, (uint64_t)z->n);
        add_u64(&z->out, z->directory.len);
        add_u64(&z->out, at);
        add_u32(&z->out, 0x07064b50);
        add_u32(&z->out, 0);
        add_u64(&z->out, end);
        add_u32(&z->out, 1);
    }
    add_u32(&z->out, 0x06054b50);
    add_u32(&z->out, 0);
    add_u16(&z->out, zip64 ? UINT16_MAX : (unsigned)z->n);
    add_u16(&z->out, zip64 ? UINT16_MAX : (unsigned)z->n);
    add_u32(&z->out, zip64 ? UINT32_MAX : z->directory.len);
    add_u32(&z->out, zip64 ? UINT32_MAX : at);
    add_u16(&z->out, 0);
}

void build_zip_free(struct build_zip *z)
{
    vlp_buf_free(&z->out);
    vlp_buf_free(&z->directory);
    z->n = 0;
}

void build_raw(struct vlp_buf *b, const char *opcodes)
{
    vlp_buf_add_str(b, opcodes);
}

void build_text(struct vlp_buf *b, const char *text)
{
    vlp_buf_add_char(b, 'X');
    add_u32(b, strlen(text));
    vlp_buf_add_str(b, text);
}

void build_int(struct vlp_buf *b, int64_t v)
{
    vlp_buf_add_str(b, "\x8a\x08");
    add_u64(b, (uint64_t)v);
}

void build_global(struct vlp_buf *b, const char *module, const char *name)
{
    vlp_buf_printf(b, "c%s\n%s\n", module, name);
}

void build_ordered_dict(struct vlp_buf *b)
{
    build_global(b, "collections", "OrderedDict");
    build_raw(b, ")R");
}

void build_tensor(struct vlp_buf *b, const char *cls, const char *key, int64_t numel,
                  int64_t offset, int ndim, const int64_t *size, const int64_t *stride)
{
    build_global(b, "torch._utils", "_rebuild_tensor_v2");
    build_raw(b, "((");
    build_text(b, "storage");
    build_global(b, "torch", cls);
    build_text(b, key);
    build_text(b, "cuda:0");
    build_int(b, numel);
    build_raw(b, "tQ");
    build_int(b, offset);
    build_raw(b, "(");
    for (int i = 0; i < ndim; i++) build_int(b, size[i]);
    build_raw(b, "t(");
    for (int i = 0; i < ndim; i++) build_int(b, stride[i]);
    build_raw(b, "t\x89");
    build_ordered_dict(b);
    build_raw(b, "tR");
}

void build_file(char path[4096], const char *name, const void *data, size_t size)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, 4096, "%s/vlp-check-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(path)) abort();
    const size_t n = strlen(path);
    snprintf(path + n, 4096 - n, "/%s", name);
    FILE *f = fopen(path, "wb");
    if (!f || (size && fwrite(data, 1, size, f) != size) || fclose(f) != 0) abort();
}

void build_remove(const char *path)
{
    char dir[4096], file[8192];
    snprintf(dir, sizeof dir, "%.*s", (int)(vlp_path_base(path) - path), path);
    DIR           *d = opendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        snprintf(file, sizeof file, "%s%s", dir, e->d_name);
        unlink(file);
    }
    if (d) closedir(d);
    rmdir(dir);
}
