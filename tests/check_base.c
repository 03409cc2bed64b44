/*
 * check_base.c -- the base room: memory, numbers, hashes, files, threads.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vlp/base.h>

#include "base/base_internal.h"

START_TEST(arena_pieces_are_aligned_and_survive_growth)
{
    struct vlp_arena a = {0};
    unsigned char   *piece[200];
    for (int i = 0; i < 200; i++) {
        piece[i] = vlp_arena_alloc(&a, (size_t)i * 997 + 1);
        ck_assert_uint_eq((uintptr_t)piece[i] % 64, 0);
        memset(piece[i], i, (size_t)i * 997 + 1);
    }
    for (int i = 0; i < 200; i++)
        for (int j = 0; j <= i * 997; j += 331) ck_assert_int_eq(piece[i][j], i);
    vlp_arena_free(&a);
}
END_TEST

START_TEST(arena_rewind_reuses_memory_and_keeps_what_came_before)
{
    struct vlp_arena      a = {0};
    char                 *kept = vlp_arena_strdup(&a, "kept");
    struct vlp_arena_mark m = vlp_arena_mark(&a);
    size_t                peak = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 20; i++) memset(vlp_arena_alloc(&a, 100000), round, 100000);
        if (round == 0) peak = a.peak;
        vlp_arena_rewind(&a, m);
    }
    ck_assert_uint_eq(a.peak, peak);
    ck_assert_str_eq(kept, "kept");
    vlp_arena_free(&a);
}
END_TEST

START_TEST(arena_rewinds_to_its_empty_start)
{
    struct vlp_arena      a = {0};
    struct vlp_arena_mark m = vlp_arena_mark(&a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) memset(vlp_arena_alloc(&a, 3 << 20), 1, 3 << 20);
        vlp_arena_rewind(&a, m);
        ck_assert_uint_eq(a.used, 0);
    }
    vlp_arena_free(&a);
}
END_TEST

START_TEST(aligned_memory_is_aligned)
{
    for (size_t align = sizeof(void *); align <= 1 << 16; align *= 2) {
        char *p = vlp_malloc_aligned(align, 2 * align), *none = vlp_malloc_aligned(align, 0);
        ck_assert_uint_eq((uintptr_t)p % align, 0);
        ck_assert_uint_eq((uintptr_t)none % align, 0);
        memset(p, 1, 2 * align);
        free(p);
        free(none);
    }
}
END_TEST

START_TEST(f16_round_trips_every_value)
{
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = vlp_f16_to_f32((uint16_t)h);
        if (isnan(f)) {
            ck_assert(isnan(vlp_f16_to_f32(vlp_f32_to_f16(f))));
            continue;
        }
        ck_assert_uint_eq(vlp_f32_to_f16(f), h);
    }
}
END_TEST

/* Bit by bit, as the format defines it; also in rows that start and end anywhere, as vectors of a
 * processor do not. */
START_TEST(f16_widens_every_value_exactly)
{
    static uint8_t stored[2 * 65536 + 1];
    static float   row[65536];
    for (uint32_t h = 0; h < 65536; h++) vlp_store_u16(stored + 1 + 2 * h, (uint16_t)h);
    vlp_to_f32(row, stored + 1, VLP_F16, 65536);
    for (uint32_t h = 0; h < 65536; h++) {
        const int      exponent = h >> 10 & 31, fraction = h & 1023;
        const float    one = vlp_f16_to_f32((uint16_t)h);
        const float    size = exponent ? ldexpf((float)(1024 + fraction), exponent - 25)
                                       : ldexpf((float)fraction, -24);
        const uint32_t special = 0x7f800000u | (uint32_t)fraction << 13;
        uint32_t       expected, got;
        memcpy(&expected, &size, sizeof expected);
        expected = (exponent == 31 ? special : expected) | (h & 0x8000) << 16;
        memcpy(&got, &one, sizeof got);
        ck_assert_uint_eq(got, expected);
        memcpy(&got, &row[h], sizeof got);
        ck_assert_uint_eq(got, expected);
    }
    for (size_t from = 0; from < 65536 - 40; from += 997)
        for (size_t n = 0; n < 40; n++) {
            float part[40] = {[39] = 5.0f};
            vlp_to_f32(part, stored + 1 + 2 * from, VLP_F16, n);
            ck_assert_mem_eq(part, row + from, n * sizeof *part);
            ck_assert_float_eq(part[39], 5.0f);
        }
}
END_TEST

START_TEST(f16_rounds_to_nearest_even)
{
    /* The neighbours of every finite value: just below, at, and just above the midpoint. */
    for (uint32_t h = 0; h < 0x7bff; h++) {
        const float a = vlp_f16_to_f32((uint16_t)h), b = vlp_f16_to_f32((uint16_t)(h + 1));
        const float middle = (float)(((double)a + b) / 2);
        ck_assert_uint_eq(vlp_f32_to_f16(nextafterf(middle, 0.0f)), h);
        ck_assert_uint_eq(vlp_f32_to_f16(middle), h & 1 ? h + 1 : h);
        ck_assert_uint_eq(vlp_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
    }
    ck_assert_uint_eq(vlp_f32_to_f16(65519.996f), 0x7bff);
    ck_assert_uint_eq(vlp_f32_to_f16(65520.0f), 0x7c00);
}
END_TEST

START_TEST(bf16_rounds_to_nearest_even)
{
    ck_assert_uint_eq(vlp_f32_to_bf16(1.0f), 0x3f80);
    ck_assert_uint_eq(vlp_f32_to_bf16(1.00390625f), 0x3f80);  /* midpoint, even below */
    ck_assert_uint_eq(vlp_f32_to_bf16(1.01171875f), 0x3f82);  /* midpoint, even above */
    ck_assert_uint_eq(vlp_f32_to_bf16(1.003906369f), 0x3f81); /* just above the midpoint */
    ck_assert(isnan(vlp_bf16_to_f32(vlp_f32_to_bf16(NAN))));
}
END_TEST

START_TEST(a_q8_0_block_with_what_it_cannot_hold_is_no_number)
{
    static const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, 1e9f, -3e38f};
    for (size_t k = 0; k < VLP_COUNT(odd); k++) {
        float   x[64], y[64];
        uint8_t q[2 * VLP_Q8_0_BYTES];
        for (int i = 0; i < 64; i++) x[i] = 1.0f;
        x[5] = odd[k];
        vlp_from_f32(q, VLP_Q8_0, x, 64);
        vlp_to_f32(y, q, VLP_Q8_0, 64);
        for (int i = 0; i < 64; i++) ck_assert(i < 32 ? isnan(y[i]) : fabsf(y[i] - 1.0f) < 0.01f);
    }
}
END_TEST

START_TEST(q8_0_is_within_half_a_step)
{
    float          x[64], y[64];
    uint8_t        q[2 * VLP_Q8_0_BYTES];
    struct vlp_rng r;
    vlp_rng_seed(&r, 1, 2);
    for (int i = 0; i < 64; i++) x[i] = i < 32 ? (float)vlp_rng_normal(&r) : 0.0f;
    ck_assert_uint_eq(vlp_dtype_size(VLP_Q8_0, 64), sizeof q);
    vlp_from_f32(q, VLP_Q8_0, x, 64);
    vlp_to_f32(y, q, VLP_Q8_0, 64);
    float largest = 0;
    for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(x[i]));
    for (int i = 0; i < 64; i++)
        ck_assert_float_le(fabsf(x[i] - y[i]), i < 32 ? largest / 127 * 0.51f : 0.0f);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    ck_assert_uint_eq(vlp_dtype_size(VLP_F32, SIZE_MAX / 2), SIZE_MAX);
    ck_assert_uint_eq(vlp_dtype_size(VLP_Q8_0, SIZE_MAX), SIZE_MAX);
    ck_assert_uint_eq(vlp_dtype_size(VLP_F16, 10), 20);
}
END_TEST

START_TEST(fnv_and_xxh3_match_published_values)
{
    ck_assert_uint_eq(vlp_fnv1a(VLP_FNV_START, "foobar", 6), 0xbf9cf968u);
    ck_assert(vlp_hash64("", 0) == 0x2d06800538d394c2u);
    char               text[33];
    struct vlp_hasher *h = vlp_hasher_open();
    vlp_hasher_close(h, text);
    ck_assert_str_eq(text, "99aa06d3014798d86001c324468d497f");
}
END_TEST

START_TEST(strings_have_the_numbers_of_their_order)
{
    enum { N = 20000 };
    struct vlp_strings t = {0};
    struct vlp_arena   mem;
    char               s[16];
    vlp_arena_init(&mem);
    ck_assert_int_eq(vlp_strings_find(&t, "0", 1), -1);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++) {
            const size_t len = (size_t)snprintf(s, sizeof s, "%d", i);
            ck_assert_uint_eq(vlp_strings_add(&t, &mem, s, len), (size_t)i);
        }
    ck_assert_uint_eq(t.n, N);
    for (int i = 0; i < N; i++) {
        const size_t len = (size_t)snprintf(s, sizeof s, "%d", i);
        ck_assert_int_eq(vlp_strings_find(&t, s, len), i);
        ck_assert_str_eq(t.item[i].s, s);
        ck_assert_int_eq(vlp_strings_find(&t, strcat(s, "-"), len + 1), -1);
    }
    static const char own[] = "1\0"
                              "2"; /* any bytes, and none */
    ck_assert_uint_eq(vlp_strings_add(&t, NULL, own, 3), N);
    ck_assert_uint_eq(vlp_strings_add(&t, NULL, own, 0), N + 1);
    ck_assert_ptr_eq(t.item[N].s, own);
    ck_assert_int_eq(vlp_strings_find(&t,
                                      "1\0"
                                      "2",
                                      3),
                     N);
    ck_assert_int_eq(vlp_strings_find(&t,
                                      "1\0"
                                      "3",
                                      3),
                     -1);
    ck_assert_int_eq(vlp_strings_find(&t, "1", 1), 1);
    vlp_strings_free(&t);
    ck_assert_int_eq(vlp_strings_find(&t, "1", 1), -1);
    vlp_arena_free(&mem);
}
END_TEST

START_TEST(random_numbers_depend_on_seed_and_stream_only)
{
    struct vlp_rng a, b, c;
    vlp_rng_seed(&a, 7, 1);
    vlp_rng_seed(&b, 7, 1);
    vlp_rng_seed(&c, 7, 2);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        const uint64_t v = vlp_rng_next(&a);
        ck_assert(v == vlp_rng_next(&b));
        differs |= v != vlp_rng_next(&c);
    }
    ck_assert(differs);
}
END_TEST

START_TEST(random_numbers_have_the_moments_they_should)
{
    struct vlp_rng r;
    vlp_rng_seed(&r, 3, 0);
    const int n = 200000;
    double    sum = 0, square = 0, uniform = 0;
    int       bin[7] = {0};
    for (int i = 0; i < n; i++) {
        const double v = vlp_rng_normal(&r);
        sum += v;
        square += v * v;
        uniform += vlp_rng_uniform(&r);
        bin[vlp_rng_below(&r, 7)]++;
    }
    /* Five standard errors each. */
    ck_assert_double_le(fabs(sum / n), 5 / sqrt(n));
    ck_assert_double_le(fabs(square / n - 1), 5 * sqrt(2.0 / n));
    ck_assert_double_le(fabs(uniform / n - 0.5), 5 * sqrt(1.0 / 12 / n));
    for (int i = 0; i < 7; i++) ck_assert_double_le(fabs(bin[i] - n / 7.0), 5 * sqrt(n / 7.0));
}
END_TEST

struct count {
    _Atomic int hit[1000];
    _Atomic int strange;
};

static void count_one(void *ctx, int i, int worker)
{
    struct count *c = ctx;
    atomic_fetch_add(&c->hit[i], 1);
    if (worker < 0 || worker >= 4) atomic_fetch_add(&c->strange, 1);
}

START_TEST(parallel_runs_every_index_once)
{
    struct vlp_pool *p = vlp_pool_open(4);
    struct count     c = {0};
    for (int round = 1; round <= 2000; round++) {
        const int n = round % 7 == 0 ? 1000 : round % 11;
        vlp_parallel(p, n, count_one, &c);
        if (round % 500 == 0) usleep(20000); /* let the workers fall asleep */
    }
    int want = 0;
    for (int round = 1; round <= 2000; round++) want += round % 7 == 0 || 9 < round % 11;
    ck_assert_int_eq(c.hit[9], want);
    ck_assert_int_eq(c.strange, 0);
    vlp_pool_close(p);
}
END_TEST

struct nested {
    struct vlp_pool *pool;
    struct count     count;
};

static void nest(void *ctx, int i, int worker)
{
    struct nested *n = ctx;
    (void)i, (void)worker;
    vlp_parallel(n->pool, 10, count_one, &n->count);
}

START_TEST(parallel_inside_parallel_is_a_plain_loop)
{
    struct nested n = {.pool = vlp_pool_open(3)};
    vlp_parallel(n.pool, 20, nest, &n);
    for (int i = 0; i < 10; i++) ck_assert_int_eq(n.count.hit[i], 20);
    vlp_pool_close(n.pool);
}
END_TEST

struct places {
    _Atomic int arrived;
    cpu_set_t   allowed[CPU_SETSIZE]; /* of each worker */
    int         threads;
};

/* Every worker takes one: nobody leaves before all are here. */
static void take_place(void *ctx, int i, int worker)
{
    struct places *p = ctx;
    (void)i;
    pthread_getaffinity_np(pthread_self(), sizeof p->allowed[worker], &p->allowed[worker]);
    atomic_fetch_add(&p->arrived, 1);
    while (atomic_load(&p->arrived) < p->threads) sched_yield();
}

START_TEST(workers_of_a_pool_as_wide_as_the_machine_have_a_processor_each)
{
    static struct places places;
    cpu_set_t            before, after, taken;
    CPU_ZERO(&taken);
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    const int        other = _i, threads = CPU_COUNT(&before) + other;
    struct vlp_pool *p = vlp_pool_open(threads);
    for (int round = 0; round < 3; round++) {
        places = (struct places){.threads = threads};
        vlp_parallel(p, threads, take_place, &places);
        usleep(20000); /* asleep: the next round wakes them, and the caller comes home */
    }
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&before, &after));
    ck_assert(CPU_EQUAL(&before, &places.allowed[0]));
    for (int w = 1; w < threads; w++) {
        const cpu_set_t *own = &places.allowed[w];
        cpu_set_t        shared;
        CPU_AND(&shared, own, &taken);
        if (other)
            ck_assert(CPU_EQUAL(&before, own));
        else
            ck_assert(CPU_COUNT(own) == 1 && CPU_COUNT(&shared) == 0);
        CPU_OR(&taken, &taken, own);
    }
    vlp_pool_close(p);
}
END_TEST

/* A quota counts wherever it is on the way up; a container may see its own cgroup as the root. */
START_TEST(quotas_of_cgroups_limit_the_processors)
{
    static const struct {
        const char *self, *file, *text, *file2, *text2;
        int         cpus;
    } cases[] = {
        {"0::/\n", "cpu.max", "max 100000\n", NULL, NULL, 0},
        {"0::/\n", "cpu.max", "150000 100000\n", NULL, NULL, 2},
        {"0::/a/b\n", "a/b/cpu.max", "300000 100000\n", NULL, NULL, 3},
        {"0::/a/b\n", "a/cpu.max", "200000 100000\n", "a/b/cpu.max", "max 100000\n", 2},
        {"0::/a/b\n", "a/cpu.max", "200000 100000\n", "a/b/cpu.max", "50000 100000\n", 1},
        {"0::/of/the/host\n", "cpu.max", "400000 100000\n", NULL, NULL, 4},
        {"0::/../c\n", "a/cpu.max", "400000 100000\n", NULL, NULL, 0},
        {"0::/a\n", "a/b/cpu.max", "100000 100000\n", NULL, NULL, 0},
        {"4:memory:/a\n1:cpu:/a\n0::/\n", "cpu/a/cpu.cfs_quota_us", "250000\n",
         "cpu/a/cpu.cfs_period_us", "100000\n", 3},
        {"3:cpu,cpuacct:/\n", "cpu,cpuacct/cpu.cfs_quota_us", "-1\n",
         "cpu,cpuacct/cpu.cfs_period_us", "100000\n", 0},
        {"3:cpuset:/\n", "cpuset/cpu.cfs_quota_us", "100000\n", "cpuset/cpu.cfs_period_us",
         "100000\n", 0},
    };
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        char folder[] = "/tmp/vlp-check-XXXXXX", self[64], command[1024];
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(self, sizeof self, "%s/self", folder);
        snprintf(command, sizeof command,
                 "cd %s && mkdir -p a/b cpu/a cpu,cpuacct cpuset && printf %%s '%s' >self && "
                 "printf %%s '%s' >%s && printf %%s '%s' >%s",
                 folder, cases[i].self, cases[i].text, cases[i].file,
                 cases[i].file2 ? cases[i].text2 : "", cases[i].file2 ? cases[i].file2 : "none");
        ck_assert_int_eq(system(command), 0);
        ck_assert_msg(vlp_cgroup_cpus(self, folder) == cases[i].cpus, "%s: %d", command,
                      vlp_cgroup_cpus(self, folder));
        snprintf(command, sizeof command, "rm -r %s", folder);
        ck_assert_int_eq(system(command), 0);
    }
    ck_assert_int_eq(vlp_cgroup_cpus("/nowhere", "/nowhere"), 0);
    ck_assert_int_ge(vlp_cpu_count(), 1);
}
END_TEST

START_TEST(output_appears_whole_or_not_at_all)
{
    struct vlp_output o;
    struct vlp_error  err;
    char              path[] = "/tmp/vlp-check-XXXXXX";
    const int         fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(vlp_output_open(&o, path, false, &err), VLP_ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    unlink(path);

    ck_assert_int_eq(vlp_output_open(&o, path, false, &err), VLP_OK);
    ck_assert_int_eq(vlp_output_write(&o, "one", 3, &err), VLP_OK);
    ck_assert(!vlp_file_exists(path));
    vlp_output_abort(&o);
    ck_assert(!vlp_file_exists(path));

    ck_assert_int_eq(vlp_output_open(&o, path, false, &err), VLP_OK);
    ck_assert_int_eq(vlp_output_write(&o, "two", 3, &err), VLP_OK);
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_OK);
    struct vlp_map m;
    ck_assert_int_eq(vlp_map_open(&m, path, &err), VLP_OK);
    ck_assert_uint_eq(m.size, 3);
    ck_assert_mem_eq(m.data, "two", 3);
    vlp_map_close(&m);
    unlink(path);
}
END_TEST

/* As on a full disk that has room again before the end. */
START_TEST(an_output_that_lost_bytes_on_the_way_does_not_appear)
{
    struct vlp_output o;
    struct vlp_error  err;
    struct rlimit     whole, small;
    char              path[] = "/tmp/vlp-check-XXXXXX";
    const int         fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &whole), 0);
    small = (struct rlimit){.rlim_cur = 1, .rlim_max = whole.rlim_max};
    ck_assert_int_eq(vlp_output_open(&o, path, false, &err), VLP_OK);
    setvbuf(o.file, NULL, _IONBF, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    fprintf(o.file, "lost");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &whole), 0);
    fprintf(o.file, "there\n");
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert(!vlp_file_exists(path));
}
END_TEST

START_TEST(a_new_output_has_the_permissions_that_the_umask_leaves)
{
    char              path[] = "/tmp/vlp-check-XXXXXX";
    struct vlp_output o;
    struct vlp_error  err;
    struct stat       st;
    const int         fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path);
    umask(027);
    ck_assert_int_eq(vlp_output_open(&o, path, false, &err), VLP_OK);
    ck_assert_int_eq(fstat(fileno(o.file), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_OK);
    ck_assert_int_eq(chmod(path, 0602), 0); /* what is there keeps its own */
    ck_assert_int_eq(vlp_output_open(&o, path, true, &err), VLP_OK);
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0602);
    unlink(path);
}
END_TEST

/* The temporary name has an end of its own, but no more bytes than a name may have. */
START_TEST(an_output_may_have_the_longest_name)
{
    char              folder[] = "/tmp/vlp-check-XXXXXX", path[512];
    struct vlp_output o;
    struct vlp_error  err;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    int n = snprintf(path, sizeof path, "%s/", folder);
    for (int i = 0; i < NAME_MAX / 3; i++)
        n += snprintf(path + n, sizeof path - (size_t)n, "\u20ac");
    ck_assert_int_eq(NAME_MAX % 3, 0);
    ck_assert_int_eq(vlp_output_open(&o, path, false, &err), VLP_OK);
    DIR *dir = opendir(folder);
    for (const struct dirent *d; (d = readdir(dir));) { /* no half of a character */
        size_t bad;
        ck_assert(vlp_utf8_valid(d->d_name, strlen(d->d_name), &bad));
    }
    closedir(dir);
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_OK);
    ck_assert_int_eq(unlink(path), 0);
    strcat(path, "x"); /* one more is found at once, not when it is renamed */
    ck_assert_int_eq(vlp_output_open(&o, path, false, &err), VLP_ERR_IO);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* What ends a process without coming back to its outputs: a signal's thread, no more memory. */
START_TEST(an_end_in_the_middle_leaves_no_temporary_files)
{
    char folder[] = "/tmp/vlp-check-XXXXXX", done[64], begun[64], aborted[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(done, sizeof done, "%s/done", folder);
    snprintf(begun, sizeof begun, "%s/begun", folder);
    snprintf(aborted, sizeof aborted, "%s/aborted", folder);
    const pid_t child = fork();
    if (child == 0) {
        struct vlp_output o[4];
        struct vlp_error  err;
        if (!freopen("/dev/null", "w", stderr)) _exit(2);
        if (vlp_output_open(&o[0], begun, false, &err) != VLP_OK) _exit(2);
        if (vlp_output_open(&o[1], done, false, &err) != VLP_OK) _exit(2);
        if (vlp_output_open(&o[2], begun, false, &err) != VLP_OK) _exit(2);
        if (vlp_output_open(&o[3], aborted, false, &err) != VLP_OK) _exit(2);
        vlp_output_abort(&o[3]);
        if (vlp_output_commit(&o[1], &err) != VLP_OK) _exit(2);
        if (_i == 2) vlp_outputs_hold(); /* the memory may end in a step that others wait for */
        if (_i)
            vlp_no_memory(1);
        else
            vlp_outputs_remove();
        _exit(1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    ck_assert_int_eq(unlink(done), 0);
    ck_assert_int_eq(rmdir(folder), 0); /* it was the only one */
}
END_TEST

static void *remove_outputs(void *arg)
{
    vlp_outputs_remove();
    return arg;
}

/* Once they are being removed it is too late to keep one: who would, waits for the end. Else a file
 * of the user's could step aside under a name that is about to be removed. */
START_TEST(nobody_keeps_a_temporary_file_of_a_process_that_ends)
{
    char folder[] = "/tmp/vlp-check-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/begun", folder);
    const pid_t child = fork();
    if (child == 0) {
        struct vlp_output o;
        struct vlp_error  err;
        pthread_t         end;
        if (vlp_output_open(&o, path, false, &err) != VLP_OK) _exit(2);
        if (pthread_create(&end, NULL, remove_outputs, NULL) != 0) _exit(2);
        pthread_join(end, NULL);
        signal(SIGALRM, SIG_DFL);
        ualarm(100000, 0);
        vlp_temp_keep(o.temp);
        _exit(1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* Whatever makes a close fail, here that its descriptor is gone, no rename would tell. */
START_TEST(a_device_that_cannot_be_closed_is_an_error)
{
    struct vlp_output o;
    struct vlp_error  err;
    ck_assert_int_eq(vlp_output_open(&o, "/dev/null", true, &err), VLP_OK);
    ck_assert_int_eq(close(fileno(o.file)), 0);
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "/dev/null: Bad file descriptor"));
    vlp_output_abort(&o);
}
END_TEST

START_TEST(output_to_a_full_device_is_an_error)
{
    struct vlp_output o;
    struct vlp_error  err;
    char              block[4096] = {0};
    ck_assert_int_eq(vlp_output_open(&o, "/dev/full", true, &err), VLP_OK);
    enum vlp_status s = VLP_OK;
    for (int i = 0; i < 10 && s == VLP_OK; i++) s = vlp_output_write(&o, block, sizeof block, &err);
    if (s == VLP_OK) s = vlp_output_commit(&o, &err);
    vlp_output_abort(&o);
    ck_assert_int_eq(s, VLP_ERR_IO);
}
END_TEST

START_TEST(map_of_folder_and_of_nothing_are_errors)
{
    struct vlp_map   m;
    struct vlp_error err;
    ck_assert_int_eq(vlp_map_open(&m, "tests", &err), VLP_ERR_IO);
    ck_assert_int_eq(vlp_map_open(&m, "tests/no-such-file", &err), VLP_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-file"));
}
END_TEST

static size_t heap_in_use(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

START_TEST(an_empty_stream_leaves_no_memory_behind)
{
    struct vlp_map   m;
    struct vlp_error err;
    const size_t     before = heap_in_use();
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(vlp_map_open(&m, "/dev/null", &err), VLP_OK);
        ck_assert_uint_eq(m.size, 0);
        vlp_map_close(&m);
    }
    ck_assert_uint_le(heap_in_use(), before + 4096);
}
END_TEST

/* What a broken disk does, a descriptor closed under the reader does as well. */
START_TEST(a_folder_that_cannot_be_read_on_has_no_end)
{
    int  why = -1, n = 0;
    DIR *whole = opendir("/"), *broken = opendir("/");
    ck_assert_ptr_nonnull(whole);
    ck_assert_ptr_nonnull(broken);
    while (vlp_next_entry(whole, &why)) n++;
    ck_assert_int_eq(why, 0);
    ck_assert_int_gt(n, 2);
    closedir(whole);
    close(dirfd(broken));
    ck_assert_ptr_null(vlp_next_entry(broken, &why));
    ck_assert_int_eq(why, EBADF);
    closedir(broken);
}
END_TEST

START_TEST(numbers_read_back_as_they_were)
{
    static const float value[] = {0.1f, 1.0f / 3, 1e-45f, 3.4028235e38f, -0.0f, 123456789.0f};
    for (size_t i = 0; i < VLP_COUNT(value); i++) {
        char   text[32];
        double back;
        vlp_format_f32(text, value[i]);
        ck_assert(vlp_parse_f64(text, &back));
        ck_assert_mem_eq(&(float){(float)back}, &value[i], sizeof(float));
        float narrow;
        ck_assert(vlp_parse_f32(text, &narrow));
        ck_assert_mem_eq(&narrow, &value[i], sizeof(float));
    }
    /* just above the middle of two floats, of which the double next to it is the middle */
    float above;
    ck_assert(vlp_parse_f32("1.000000059604644775390625000001", &above));
    ck_assert_float_eq(above, 1.0000001192092896f);
    ck_assert(!vlp_parse_f32("", &above) && !vlp_parse_f32(" 1", &above) &&
              !vlp_parse_f32("1 ", &above));
    char text[32];
    vlp_format_f32(text, 0.1f);
    ck_assert_str_eq(text, "0.1");
    /* below the normal numbers few digits are enough */
    vlp_format_f32(text, -6.2878e-41f);
    ck_assert_str_eq(text, "-6.2878e-41");
    vlp_format_f32(text, 1e-45f);
    ck_assert_str_eq(text, "1e-45");
    vlp_format_f64(text, 5e-324);
    ck_assert_str_eq(text, "5e-324");
    int64_t n;
    ck_assert(vlp_parse_i64("-42", &n) && n == -42);
    static const char *const not_a_number[] = {"",   " 1",   "1 ",
                                               "1x", "0x10", "99999999999999999999"};
    for (size_t i = 0; i < VLP_COUNT(not_a_number); i++)
        ck_assert_msg(!vlp_parse_i64(not_a_number[i], &n), "'%s'", not_a_number[i]);
}
END_TEST

START_TEST(a_json_string_says_what_it_cannot_hold)
{
    struct vlp_buf b = {0};
    ck_assert(vlp_buf_add_json(&b, "a\"\\\n\t\r\x7f\0\xc3\xa9", 10));
    ck_assert_str_eq(b.data, "\"a\\\"\\\\\\n\\t\\u000d\\u007f\\u0000\xc3\xa9\"");
    vlp_buf_clear(&b);
    ck_assert(!vlp_buf_add_json(&b, "\xff\xe9z", 3));
    ck_assert_str_eq(b.data, "\"\\ufffd\\ufffdz\"");
    vlp_buf_clear(&b);
    ck_assert(vlp_buf_add_json(&b, "", 0));
    ck_assert_str_eq(b.data, "\"\"");
    vlp_buf_free(&b);
}
END_TEST

START_TEST(a_byte_order_mark_is_three_bytes_at_the_beginning)
{
    ck_assert_uint_eq(vlp_bom_length("\xef\xbb\xbfx", 4), 3);
    ck_assert_uint_eq(vlp_bom_length("\xef\xbb\xbf", 3), 3);
    ck_assert_uint_eq(vlp_bom_length("\xef\xbb", 2), 0);
    ck_assert_uint_eq(vlp_bom_length("x\xef\xbb\xbf", 4), 0);
    ck_assert_uint_eq(vlp_bom_length(NULL, 0), 0);
}
END_TEST

START_TEST(utf8_refuses_what_is_not_utf8)
{
    static const struct {
        const char *text;
        size_t      bad; /* SIZE_MAX: valid */
    } row[] = {
        {"caf\xc3\xa9", SIZE_MAX},
        {"\xf0\x9f\x98\x80", SIZE_MAX},
        {"ab\xc3", 2},
        {"a\xc0\x80", 1},
        {"\xed\xa0\x80", 0},
        {"\xf4\x90\x80\x80", 0},
        {"ok\xff", 2},
        {"\xe2\x82", 0},
        {"\x80", 0},
    };
    for (size_t i = 0; i < VLP_COUNT(row); i++) {
        size_t     bad = SIZE_MAX;
        const bool ok = vlp_utf8_valid(row[i].text, strlen(row[i].text), &bad);
        ck_assert_int_eq(ok, row[i].bad == SIZE_MAX);
        ck_assert_uint_eq(bad, row[i].bad);
    }
    for (uint32_t c = 1; c < 0x110000; c += 61) {
        if (c >= 0xd800 && c < 0xe000) continue;
        char        text[4];
        const int   n = vlp_utf8_put(text, c);
        const char *p = text;
        ck_assert_int_eq(vlp_utf8_next(&p, text + n), (int32_t)c);
        ck_assert_ptr_eq(p, text + n);
    }
}
END_TEST

START_TEST(messages_stay_on_one_line)
{
    struct vlp_error err;
    ck_assert_int_eq(vlp_fail(&err, VLP_ERR_FORMAT, "a\nb"), VLP_ERR_FORMAT);
    ck_assert_str_eq(err.text, "a?b");
    vlp_fail_in(&err, "file %d", 7);
    vlp_fail_in(NULL, "file %d", 7);
    ck_assert_int_eq(err.status, VLP_ERR_FORMAT);
    ck_assert_str_eq(err.text, "file 7: a?b");
}
END_TEST

START_TEST(a_name_can_be_taken_off_a_sentence)
{
    struct vlp_error err;
    vlp_fail(&err, VLP_ERR_IO, "%s: No such file", "a\nb");
    ck_assert_str_eq(vlp_without_name(err.text, "a\nb", 3), "No such file");
    ck_assert_str_eq(vlp_without_name(err.text, "a\n", 2), err.text);
    ck_assert_str_eq(vlp_without_name(err.text, "a\nb: No such file, or so", 24), err.text);
    ck_assert_str_eq(vlp_without_name("", "a", 1), "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");
    suite_add_tcase(s, t);
    tcase_add_test(t, arena_pieces_are_aligned_and_survive_growth);
    tcase_add_test(t, arena_rewind_reuses_memory_and_keeps_what_came_before);
    tcase_add_test(t, arena_rewinds_to_its_empty_start);
    tcase_add_test(t, aligned_memory_is_aligned);
    tcase_add_test(t, f16_round_trips_every_value);
    tcase_add_test(t, f16_widens_every_value_exactly);
    tcase_add_test(t, f16_rounds_to_nearest_even);
    tcase_add_test(t, bf16_rounds_to_nearest_even);
    tcase_add_test(t, a_q8_0_block_with_what_it_cannot_hold_is_no_number);
    tcase_add_test(t, q8_0_is_within_half_a_step);
    tcase_add_test(t, sizes_that_overflow_are_refused);
    tcase_add_test(t, fnv_and_xxh3_match_published_values);
    tcase_add_test(t, strings_have_the_numbers_of_their_order);
    tcase_add_test(t, random_numbers_depend_on_seed_and_stream_only);
    tcase_add_test(t, random_numbers_have_the_moments_they_should);
    tcase_add_test(t, parallel_runs_every_index_once);
    tcase_add_test(t, parallel_inside_parallel_is_a_plain_loop);
    tcase_add_loop_test(t, workers_of_a_pool_as_wide_as_the_machine_have_a_processor_each, 0, 2);
    tcase_add_test(t, quotas_of_cgroups_limit_the_processors);
    tcase_add_test(t, output_appears_whole_or_not_at_all);
    tcase_add_test(t, an_output_that_lost_bytes_on_the_way_does_not_appear);
    tcase_add_test(t, a_new_output_has_the_permissions_that_the_umask_leaves);
    tcase_add_test(t, an_output_may_have_the_longest_name);
    tcase_add_loop_test(t, an_end_in_the_middle_leaves_no_temporary_files, 0, 3);
    tcase_add_test(t, nobody_keeps_a_temporary_file_of_a_process_that_ends);
    tcase_add_test(t, output_to_a_full_device_is_an_error);
    tcase_add_test(t, a_device_that_cannot_be_closed_is_an_error);
    tcase_add_test(t, map_of_folder_and_of_nothing_are_errors);
    tcase_add_test(t, an_empty_stream_leaves_no_memory_behind);
    tcase_add_test(t, a_folder_that_cannot_be_read_on_has_no_end);
    tcase_add_test(t, numbers_read_back_as_they_were);
    tcase_add_test(t, a_json_string_says_what_it_cannot_hold);
    tcase_add_test(t, a_byte_order_mark_is_three_bytes_at_the_beginning);
    tcase_add_test(t, utf8_refuses_what_is_not_utf8);
    tcase_add_test(t, messages_stay_on_one_line);
    tcase_add_test(t, a_name_can_be_taken_off_a_sentence);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
