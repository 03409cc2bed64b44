/*
 * pool.c -- a pool of threads that stays, and the parallel loop that runs on it.
 *
 * One job at a time. A worker enters a job through its gate, a word that holds the job's number,
 * whether it is still open, and how many are inside; so one that wakes late finds the gate closed
 * and nobody waits for it. Workers spin for a moment between jobs (a transformer has hundreds of
 * short loops), then sleep on a condition.
 *
 * A pool as wide as the machine gives each worker a processor of its own: after a sleep the kernel
 * may wake two threads on one processor and take many milliseconds to part them. The caller keeps
 * its freedom, but comes home to the processor that no worker has before it wakes sleepers.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/base.h>

enum { SPINS = 4000, MAX_THREADS = 1024 };

#define GATE_OPEN         (1ull << 31)
#define GATE_JOB(gate)    ((uint32_t)((gate) >> 32))
#define GATE_INSIDE(gate) ((gate) & (GATE_OPEN - 1))

struct worker {
    struct vlp_pool *pool;
    pthread_t        thread;
    int              index;
};

struct vlp_pool {
    int             threads;
    bool            started;
    struct worker  *workers; /* threads - 1: the caller is worker 0 */
    int             home;    /* the caller's processor, -1 where nobody is bound */
    pthread_mutex_t mutex;
    pthread_cond_t  wake;

    _Atomic uint64_t gate; /* job number << 32 | OPEN | workers inside */
    _Atomic int      next; /* index to take */
    _Atomic bool     closing;
    int              sleepers; /* under mutex */
    int              n;
    vlp_task        *task;
    void            *ctx;
};

static _Thread_local const struct vlp_pool *inside; /* the pool this thread is running a task of */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Take indices until none is left. */
static void work(struct vlp_pool *p, int worker)
{
    const struct vlp_pool *outer = inside;
    inside = p;
    for (;;) {
        const int i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= p->n) break;
        p->task(p->ctx, i, worker);
    }
    inside = outer;
}

/* Is there something for a worker that has seen job `seen`? */
static bool is_news(struct vlp_pool *p, uint32_t seen, uint64_t *gate)
{
    *gate = atomic_load_explicit(&p->gate, memory_order_acquire);
    return GATE_JOB(*gate) != seen || atomic_load_explicit(&p->closing, memory_order_relaxed);
}

/* Wait for a job newer than `seen`: spin, then sleep. */
static uint64_t wait_for_news(struct vlp_pool *p, uint32_t seen)
{
    uint64_t gate;
    for (int i = 0; i < SPINS; i++) {
        if (is_news(p, seen, &gate)) return gate;
        relax();
    }
    pthread_mutex_lock(&p->mutex);
    p->sleepers++;
    while (!is_news(p, seen, &gate)) pthread_cond_wait(&p->wake, &p->mutex);
    p->sleepers--;
    pthread_mutex_unlock(&p->mutex);
    return gate;
}

/* Step inside unless the gate has closed or shows another job by now. */
static bool enter(struct vlp_pool *p, uint64_t gate)
{
    const uint32_t job = GATE_JOB(gate);
    while (GATE_JOB(gate) == job && (gate & GATE_OPEN))
        if (atomic_compare_exchange_weak_explicit(&p->gate, &gate, gate + 1, memory_order_acquire,
                                                  memory_order_acquire))
            return true;
    return false;
}

static void *worker_main(void *arg)
{
    struct worker   *w = arg;
    struct vlp_pool *p = w->pool;
    uint32_t         seen = 0;
    for (;;) {
        const uint64_t gate = wait_for_news(p, seen);
        if (GATE_JOB(gate) == seen) return NULL; /* closing */
        seen = GATE_JOB(gate);
        if (!enter(p, gate)) continue;
        work(p, w->index);
        atomic_fetch_sub_explicit(&p->gate, 1, memory_order_release);
    }
}

/* Bind `thread` to one processor; where that is refused it runs where the kernel likes. */
static void bind_to(pthread_t thread, int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(thread, sizeof one, &one);
}

/*
 * Give each worker one of the caller's processors, the caller the one it is on. Only when there are
 * as many threads as processors: several narrower pools, of this process or of others, would all
 * choose the same ones.
 */
static void bind_workers(struct vlp_pool *p)
{
    cpu_set_t allowed;
    p->home = -1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    if (CPU_COUNT(&allowed) != p->threads) return;
    const int here = sched_getcpu();
    if (here < 0 || !CPU_ISSET(here, &allowed)) return;
    p->home = here;
    int cpu = here;
    for (int i = 1; i < p->threads; i++) {
        do cpu = (cpu + 1) % CPU_SETSIZE;
        while (!CPU_ISSET(cpu, &allowed));
        bind_to(p->workers[i - 1].thread, cpu);
    }
}

/* Move the calling thread to its processor without keeping it there. */
static void come_home(const struct vlp_pool *p)
{
    cpu_set_t allowed;
    if (p->home < 0 || sched_getcpu() == p->home) return;
    if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0) return;
    bind_to(pthread_self(), p->home);
    pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
}

struct vlp_pool *vlp_pool_open(int threads)
{
    struct vlp_pool *p = vlp_calloc(1, sizeof *p);
    if (threads <= 0) threads = vlp_cpu_count();
    p->threads = threads > MAX_THREADS ? MAX_THREADS : threads;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    return p;
}

/* Threads that cannot be had are done without: the results are the same. */
static void start(struct vlp_pool *p)
{
    p->started = true;
    p->workers = vlp_calloc((size_t)p->threads, sizeof *p->workers);
    for (int i = 1; i < p->threads; i++) {
        struct worker *w = &p->workers[i - 1];
        *w = (struct worker){.pool = p, .index = i};
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
            p->threads = i;
            break;
        }
    }
    bind_workers(p);
}

void vlp_pool_close(struct vlp_pool *p)
{
    if (!p) return;
    if (p->started) {
        pthread_mutex_lock(&p->mutex);
        atomic_store(&p->closing, true);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->mutex);
        for (int i = 1; i < p->threads; i++) pthread_join(p->workers[i - 1].thread, NULL);
    }
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->wake);
    free(p->workers);
    free(p);
}

int vlp_pool_threads(const struct vlp_pool *p)
{
    return p ? p->threads : 1;
}

void vlp_parallel(struct vlp_pool *p, int n, vlp_task *task, void *ctx)
{
    if (!p || p->threads == 1 || n <= 1 || inside == p) {
        for (int i = 0; i < n; i++) task(ctx, i, 0);
        return;
    }
    if (!p->started) start(p);
    p->n = n;
    p->task = task;
    p->ctx = ctx;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    uint32_t job = GATE_JOB(atomic_load_explicit(&p->gate, memory_order_relaxed)) + 1;
    /*
     * Nobody sleeps through it: a worker counts itself a sleeper and looks at the gate once more
     * under the mutex (wait_for_news). If it did so before we hold the mutex, we wake it; if
     * it does so after, the mutex has brought it the new gate, whatever the order of its load.
     */
    atomic_store(&p->gate, (uint64_t)job << 32 | GATE_OPEN);
    pthread_mutex_lock(&p->mutex);
    const bool asleep = p->sleepers > 0;
    if (asleep) pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    if (asleep) come_home(p);

    work(p, 0);
    uint64_t gate = atomic_fetch_and_explicit(&p->gate, ~GATE_OPEN, memory_order_acq_rel);
    for (int i = 0; GATE_INSIDE(gate) > 0; i++) {
        if (i < SPINS)
            relax();
        else
            sched_yield();
        gate = atomic_load_explicit(&p->gate, memory_order_acquire);
    }
}
