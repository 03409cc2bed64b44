/* scratch.c -- memory that a thread keeps for its kernels, so that no product waits for the system.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tensor_internal.h"

enum { HUGE = 2 << 20 };

struct pieces {
    void  *data[VLP_SCRATCH_COUNT];
    size_t size[VLP_SCRATCH_COUNT];
};

static pthread_key_t                key;
static pthread_once_t               once = PTHREAD_ONCE_INIT;
static _Thread_local struct pieces *mine;

static void release(void *p)
{
    struct pieces *s = p;
    for (int i = 0; i < VLP_SCRATCH_COUNT; i++) free(s->data[i]);
    free(s);
    mine = NULL;
}

static void make_key(void)
{
    if (pthread_key_create(&key, release) != 0) abort();
}

void *vlp_aligned(size_t size)
{
    const size_t align = size >= HUGE ? HUGE : 64;
    void        *p = NULL;
    if (size == 0) size = 64;
    if (posix_memalign(&p, align, size) != 0) {
        vlp_no_memory(size);
        abort();
    }
    /* Whole huge pages only: the rest of the last one would be memory that nobody uses. */
    if (size >= HUGE) madvise(p, size / HUGE * HUGE, MADV_HUGEPAGE);
    return p;
}

void *vlp_scratch(enum vlp_scratch_use use, size_t size)
{
    if (!mine) {
        pthread_once(&once, make_key);
        mine = vlp_calloc(1, sizeof *mine);
        pthread_setspecific(key, mine);
    }
    if (mine->size[use] < size) {
        free(mine->data[use]);
        mine->data[use] = NULL;
        mine->size[use] = 0;
        mine->data[use] = vlp_aligned(size + size / 4);
        mine->size[use] = size + size / 4;
    }
    return mine->data[use];
}
