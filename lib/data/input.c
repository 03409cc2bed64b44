/*
 * input.c -- what a path stands for: by the user's word, its ending, or its first bytes.
 */
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_internal.h"

static const struct source_kind *const kinds[] = {&source_picture, &source_list};

static const struct source_kind *kind_named(const char *name)
{
    for (size_t i = 0; i < VLP_COUNT(kinds); i++)
        if (kinds[i]->name && strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

bool input_is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

const struct source_kind *kind_of(const struct vlp_source_options *opt, const char *path)
{
    if (strcmp(path, "-") != 0 && vlp_is_dir(path)) return &source_folder;
    if (opt->format) return kind_named(opt->format);
    return &source_picture;
}

enum vlp_status input_open(struct input *in, const struct vlp_source_options *opt, const char *path,
                           bool counting, struct vlp_error *err)
{
    *in = (struct input){.opt = opt, .path = path, .counting = counting};
    in->kind = kind_of(opt, path);
    if (!in->kind)
        return vlp_fail(err, VLP_ERR_USAGE, "no input format is called '%s'", opt->format);
    return in->kind->open(in, err);
}

void input_close(struct input *in)
{
    if (in->kind) in->kind->close(in);
    *in = (struct input){0};
}
