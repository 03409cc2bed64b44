/*
 * golden_npy.h -- small .npy arrays of the golden data as doubles, for tests.
 */
#ifndef VLP_TESTS_GOLDEN_NPY_H
#define VLP_TESTS_GOLDEN_NPY_H

#include <stddef.h>

/* The array at `path`, row by row whatever its order in the file; aborts the test when it is not
 * one of f4, f8, i8 in one or two dimensions. The caller frees it. */
double *golden_npy(const char *path, int *rows, int *cols);
float  *golden_npy_f32(const char *path, int *rows, int *cols);

#endif
