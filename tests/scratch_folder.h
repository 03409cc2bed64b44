/*
 * scratch_folder.h -- a folder that a test has to itself, and files in it.
 */
#ifndef VLP_TESTS_SCRATCH_H
#define VLP_TESTS_SCRATCH_H

#include <stddef.h>

/* As a fixture: make the folder and work in it; come back and remove it with all that is in it,
 * whatever its permissions. */
void scratch_enter(void);
void scratch_leave(void);
/* A file of these bytes there, new or overwritten. */
void scratch_put(const char *path, const void *data, size_t len);
void scratch_put_text(const char *path, const char *text);

#endif
