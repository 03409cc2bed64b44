/*
 * golden_npy.c -- small .npy arrays of the golden data as doubles, read apart from the library.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden_npy.h"

static void stop(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    abort();
}

double *golden_npy(const char *path, int *rows, int *cols)
{
    FILE         *f = fopen(path, "rb");
    unsigned char start[10];
    if (!f || fread(start, 1, 10, f) != 10 || memcmp(start, "\x93NUMPY\x01", 7) != 0)
        stop(path, "not an npy file of version 1");
    const size_t len = start[8] | (size_t)start[9] << 8;
    char        *head = calloc(1, len + 1);
    if (fread(head, 1, len, f) != len) stop(path, "short header");
    const char *type = strchr(strstr(head, "'descr':") + 8, '\'') + 2;
    const int   fortran = strstr(head, "'fortran_order': True") != NULL;
    int         shape[2] = {1, 1};
    if (sscanf(strstr(head, "'shape':"), "'shape': (%d, %d", &shape[0], &shape[1]) < 1)
        stop(path, "no shape");
    const size_t n = (size_t)shape[0] * (size_t)shape[1];
    double      *out = malloc((n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const size_t r = fortran ? i % (size_t)shape[0] : i / (size_t)shape[1];
        const size_t c = fortran ? i / (size_t)shape[0] : i % (size_t)shape[1];
        double      *at = out + r * (size_t)shape[1] + c;
        float        f4;
        int64_t      i8;
        size_t       got = 0;
        if (strncmp(type, "f4", 2) == 0) {
            got = fread(&f4, sizeof f4, 1, f);
            *at = (double)f4;
        } else if (strncmp(type, "f8", 2) == 0) {
            got = fread(at, sizeof *at, 1, f);
        } else if (strncmp(type, "i8", 2) == 0) {
            got = fread(&i8, sizeof i8, 1, f);
            *at = (double)i8;
        }
        if (got != 1) stop(path, "short, or of another type");
    }
    fclose(f);
    free(head);
    *rows = shape[0];
    *cols = shape[1];
    return out;
}

float *golden_npy_f32(const char *path, int *rows, int *cols)
{
    double      *d = golden_npy(path, rows, cols);
    const size_t n = (size_t)*rows * (size_t)*cols;
    float       *f = malloc((n + 1) * sizeof *f);
    for (size_t i = 0; i < n; i++) f[i] = (float)d[i];
    free(d);
    return f;
}
