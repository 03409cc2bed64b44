/*
 * scratch_folder.c -- a folder that a test has to itself.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scratch_folder.h"

static char folder[64], home[4096];

void scratch_enter(void)
{
    strcpy(folder, "/tmp/vlp-check-XXXXXX");
    ck_assert_ptr_nonnull(getcwd(home, sizeof home));
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

void scratch_leave(void)
{
    char command[192];
    ck_assert_int_eq(chdir(home), 0);
    snprintf(command, sizeof command, "chmod -R u+rwx '%s'; rm -rf '%s'", folder, folder);
    ck_assert_int_eq(system(command), 0);
}

void scratch_put(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

void scratch_put_text(const char *path, const char *text)
{
    scratch_put(path, text, strlen(text));
}
