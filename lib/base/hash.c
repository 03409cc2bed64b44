/*
 * hash.c -- FNV-1a-32 for the references' tables, XXH3 for checksums and fingerprints.
 */
#include <stdlib.h>
#include <xxhash.h>

#include <vlp/base.h>

uint32_t vlp_fnv1a(uint32_t state, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) state = (state ^ p[i]) * 16777619u;
    return state;
}

uint64_t vlp_hash64(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

struct vlp_hasher {
    XXH3_state_t *state;
};

struct vlp_hasher *vlp_hasher_open(void)
{
    struct vlp_hasher *h = vlp_malloc(sizeof *h);
    h->state = XXH3_createState();
    if (!h->state) {
        vlp_no_memory(sizeof *h);
        abort();
    }
    XXH3_128bits_reset(h->state);
    return h;
}

void vlp_hasher_add(struct vlp_hasher *h, const void *data, size_t len)
{
    XXH3_128bits_update(h->state, data, len);
}

void vlp_hasher_close(struct vlp_hasher *h, char text[33])
{
    const XXH128_hash_t d = XXH3_128bits_digest(h->state);
    snprintf(text, 33, "%016llx%016llx", (unsigned long long)d.high64, (unsigned long long)d.low64);
    XXH3_freeState(h->state);
    free(h);
}
