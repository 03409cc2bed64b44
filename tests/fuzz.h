/*
 * fuzz.h -- what the fuzzers of whole files share: a folder of their own, and in it names that all
 * lead to one file in memory, whose bytes are the input.
 */
#ifndef VLP_TESTS_FUZZ_H
#define VLP_TESTS_FUZZ_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory; its path, which has no ending, is in `path`. */
static inline int fuzz_file(char path[64])
{
    const int fd = memfd_create("fuzz", 0);
    if (fd < 0) abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static inline void fuzz_put(int fd, const void *data, size_t size)
{
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
}

/* A folder under TMPDIR, which whoever runs fuzzers takes away (scripts/fuzz.sh). */
static inline const char *fuzz_folder(void)
{
    static char folder[2048];
    const char *under = getenv("TMPDIR");
    if (folder[0]) return folder;
    snprintf(folder, sizeof folder, "%s/vlp-fuzz-XXXXXX", under ? under : "/tmp");
    if (!mkdtemp(folder)) abort();
    return folder;
}

/* FOLDER/NAME, whose name it is from now on; a folder in it is made where there is none. */
static inline char *fuzz_name(const char *sub, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", fuzz_folder(), sub) < 0) abort();
    if (mkdir(path, 0777) != 0 && errno != EEXIST) abort();
    free(path);
    if (asprintf(&path, "%s/%s/%s", fuzz_folder(), sub, name) < 0) abort();
    return path;
}

/* The same, as a link to `target`. */
static inline char *fuzz_link(const char *target, const char *sub, const char *name)
{
    char *path = fuzz_name(sub, name);
    if (symlink(target, path) != 0) abort();
    return path;
}

#endif
