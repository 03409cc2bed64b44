/*
 * vle_layout.c -- the bytes of an embedding stream, as vlp-embedding(5) specifies them.
 *
 * All numbers are little-endian; every piece is a multiple of 64 bytes long. A stream is a header,
 * any number of blocks and end records. XXH3 is the 64-bit one with seed 0.
 *
 *   header                                block                              end record
 *     0  8  89 'VLE' 0D 0A 1A 0A            0  8  89 'VLEBLK' 0A               0  8  89 'VLEEND' 0A
 *     8  2  version: 1                      8  4  n, 1 .. 4096                 8  8  records since
 *    10  2  revision: 0                    12  4  flags (1: has deletions)           the header
 *    12  4  size of the header             16  4  size of the ids             16 40  0
 *    16  8  required features              20  4  size of the metas           56  8  XXH3 of 0..55
 *    24  8  optional features              24  8  size of the block
 *    32  4  dimension                      32  8  XXH3 of bytes 64 .. size
 *    36  4  bytes of a row                 40  8  records before it since the header
 *    40  1  f32 0, f16 1, bf16 2, i8 3     48  8  0
 *    41  1  modality                       56  8  XXH3 of bytes 0 .. 55
 *    42  1  normalised                     64     flags, 4 n
 *    43  1  metric                                ends of ids, 4 n
 *    44  4  size of the JSON text                 ends of metas, 4 n
 *    48 32  fingerprint                           ids, each with a NUL
 *    80 40  0                                     metas, each with a NUL; an absent one is empty
 *   120  8  XXH3 of the header with               zeros to a multiple of 64
 *           zeros in this place                   vectors, n rows
 *   128     JSON text, zeros                      zeros to a multiple of 64
 */
#include <string.h>

#include "embedding_internal.h"

const uint8_t vle_header_magic[] = {0x89, 'V', 'L', 'E', 0x0d, 0x0a, 0x1a, 0x0a};
const uint8_t vle_block_magic[] = {0x89, 'V', 'L', 'E', 'B', 'L', 'K', 0x0a};
const uint8_t vle_end_magic[] = {0x89, 'V', 'L', 'E', 'E', 'N', 'D', 0x0a};

enum { SUM_AT = 120, HEAD_SUM_AT = 56, FINGERPRINT_AT = 48, FINGERPRINT_BYTES = 32 };

static const enum vlp_dtype dtype_of_code[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};

static int code_of_dtype(enum vlp_dtype t)
{
    int code = 0;
    while (dtype_of_code[code] != t) code++;
    return code;
}

void vle_put_header(struct vlp_buf *out, const struct vlp_embedding_header *h)
{
    char        *about = h->about ? json_dumps(h->about, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    const size_t about_size = about ? strlen(about) : 0;
    const size_t size = vle_padded(VLE_HEADER_BYTES + about_size);
    const size_t at = out->len;
    vlp_buf_reserve(out, size);
    uint8_t *p = (uint8_t *)out->data + at;
    memset(p, 0, size + 1);
    memcpy(p, vle_header_magic, VLE_MAGIC_BYTES);
    vlp_store_u16(p + 8, 1);
    vlp_store_u32(p + 12, (uint32_t)size);
    vlp_store_u32(p + 32, (uint32_t)h->dim);
    vlp_store_u32(p + 36, (uint32_t)row_size(h->dtype, h->dim));
    p[40] = (uint8_t)code_of_dtype(h->dtype);
    p[41] = (uint8_t)h->modality;
    p[42] = h->normalized;
    p[43] = (uint8_t)h->metric;
    vlp_store_u32(p + 44, (uint32_t)about_size);
    memcpy(p + FINGERPRINT_AT, h->fingerprint, strnlen(h->fingerprint, FINGERPRINT_BYTES));
    if (about_size) memcpy(p + VLE_HEADER_BYTES, about, about_size);
    vlp_store_u64(p + SUM_AT, vlp_hash64(p, size));
    out->len += size;
    free(about);
}

size_t vle_header_size(const uint8_t *p)
{
    const size_t size = vlp_load_u32(p + 12);
    const bool   possible = memcmp(p, vle_header_magic, VLE_MAGIC_BYTES) == 0 &&
                          size >= VLE_HEADER_BYTES && size % VLE_ALIGN == 0 &&
                          size <= VLE_HEADER_BYTES + VLE_MAX_ABOUT;
    return possible ? size : 0;
}

bool vle_header_whole(const uint8_t *p, size_t size)
{
    struct vlp_buf copy = {0};
    vlp_buf_add(&copy, p, size);
    memset(copy.data + SUM_AT, 0, 8);
    const bool holds = vlp_hash64(copy.data, size) == vlp_load_u64(p + SUM_AT);
    vlp_buf_free(&copy);
    return holds;
}

/* What a checksum cannot tell: a header that was written wrong. NULL when all is right. */
static const char *impossible_field(const uint8_t *p, size_t size)
{
    const uint32_t dim = vlp_load_u32(p + 32);
    if (dim < 1 || dim > VLP_EMBEDDING_MAX_DIM) return "an impossible dimension";
    if (p[40] >= VLP_COUNT(dtype_of_code)) return "an unknown element type";
    if (vlp_load_u32(p + 36) != row_size(dtype_of_code[p[40]], (int)dim))
        return "a row size that is not that of its element type";
    if (p[41] > VLP_CLASS) return "an unknown modality";
    if (p[42] > 1) return "an impossible 'normalised'";
    if (p[43] > VLP_DOT) return "an unknown metric";
    if (vlp_load_u32(p + 44) > size - VLE_HEADER_BYTES) return "a text longer than itself";
    for (int i = 0, ended = 0; i < FINGERPRINT_BYTES; i++) {
        const char c = (char)p[FINGERPRINT_AT + i];
        ended |= c == '\0';
        if (ended ? c != '\0' : !strchr("0123456789abcdef", c))
            return "a fingerprint that is not hexadecimal";
    }
    return NULL;
}

enum vlp_status vle_get_header(struct vlp_embedding_header *h, const uint8_t *p, size_t size,
                               const char *name, uint64_t offset, struct vlp_error *err)
{
    const unsigned long long at = offset;
    if (!vle_header_whole(p, size))
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: the header at offset %llu is damaged (checksum differs)", name, at);
    if (vlp_load_u16(p + 8) != 1)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s: embedding stream of version %u; this program reads version 1", name,
                        vlp_load_u16(p + 8));
    const uint64_t unknown = vlp_load_u64(p + 16) & ~VLE_KNOWN_FEATURES;
    if (unknown)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s: needs feature bit %d of embedding streams, which this program does "
                        "not know",
                        name, __builtin_ctzll(unknown));
    const char *wrong = impossible_field(p, size);
    if (wrong)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: the header at offset %llu has %s", name, at,
                        wrong);
    *h = (struct vlp_embedding_header){.dim = (int)vlp_load_u32(p + 32),
                                       .dtype = dtype_of_code[p[40]],
                                       .modality = (enum vlp_modality)p[41],
                                       .normalized = p[42],
                                       .metric = (enum vlp_metric)p[43]};
    memcpy(h->fingerprint, p + FINGERPRINT_AT, FINGERPRINT_BYTES);
    const size_t about_size = vlp_load_u32(p + 44);
    if (about_size) {
        h->about = json_loadb((const char *)p + VLE_HEADER_BYTES, about_size, 0, NULL);
        if (!h->about)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "%s: the header at offset %llu has a text that is not JSON", name, at);
    }
    return VLP_OK;
}

const char *vle_headers_differ(const struct vlp_embedding_header *a,
                               const struct vlp_embedding_header *b)
{
    if (a->dim != b->dim) return "dimension";
    if (a->dtype != b->dtype) return "element type";
    if (strcmp(a->fingerprint, b->fingerprint) != 0) return "model";
    if (a->modality != b->modality) return "modality";
    if (a->normalized != b->normalized) return "normalisation";
    if (a->metric != b->metric) return "metric";
    return NULL;
}

/* ---- blocks ------------------------------------------------------------------------ */

void vle_put_block_head(uint8_t *p, const struct vle_block_head *b)
{
    memset(p, 0, VLE_RECORD_BYTES);
    memcpy(p, vle_block_magic, VLE_MAGIC_BYTES);
    vlp_store_u32(p + 8, b->n);
    vlp_store_u32(p + 12, b->flags);
    vlp_store_u32(p + 16, b->ids_size);
    vlp_store_u32(p + 20, b->metas_size);
    vlp_store_u64(p + 24, b->size);
    vlp_store_u64(p + 32, b->sum);
    vlp_store_u64(p + 40, b->first);
    vlp_store_u64(p + HEAD_SUM_AT, vlp_hash64(p, HEAD_SUM_AT));
}

uint64_t vle_vectors_at(const struct vle_block_head *b)
{
    return vle_padded(VLE_RECORD_BYTES + 12 * (uint64_t)b->n + b->ids_size + b->metas_size);
}

const char *vle_get_block_head(struct vle_block_head *b, const uint8_t *p, size_t row)
{
    b->whole = false;
    if (memcmp(p, vle_block_magic, VLE_MAGIC_BYTES) != 0) return "is no record of a stream";
    if (vlp_hash64(p, HEAD_SUM_AT) != vlp_load_u64(p + HEAD_SUM_AT))
        return "has a damaged head (checksum differs)";
    *b = (struct vle_block_head){.n = vlp_load_u32(p + 8),
                                 .flags = vlp_load_u32(p + 12),
                                 .ids_size = vlp_load_u32(p + 16),
                                 .metas_size = vlp_load_u32(p + 20),
                                 .size = vlp_load_u64(p + 24),
                                 .sum = vlp_load_u64(p + 32),
                                 .first = vlp_load_u64(p + 40),
                                 .whole = true};
    if (b->n < 1 || b->n > VLP_EMBEDDING_BLOCK) return "has an impossible number of records";
    if (b->size != vle_vectors_at(b) + vle_padded((uint64_t)b->n * row))
        return "has sizes that contradict each other";
    return NULL;
}

/* ---- end records ------------------------------------------------------------------- */

void vle_put_end(uint8_t *p, uint64_t count)
{
    memset(p, 0, VLE_RECORD_BYTES);
    memcpy(p, vle_end_magic, VLE_MAGIC_BYTES);
    vlp_store_u64(p + 8, count);
    vlp_store_u64(p + HEAD_SUM_AT, vlp_hash64(p, HEAD_SUM_AT));
}

const char *vle_get_end(uint64_t *count, const uint8_t *p)
{
    if (vlp_hash64(p, HEAD_SUM_AT) != vlp_load_u64(p + HEAD_SUM_AT))
        return "is a damaged end record (checksum differs)";
    *count = vlp_load_u64(p + 8);
    return NULL;
}
