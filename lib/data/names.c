/*
 * names.c -- what a file's name tells: is it a picture, is it wanted.
 */
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "data_internal.h"

/* Endings of pictures, those that we cannot decode among them: they are named, not passed over. */
static const char *const picture_endings[] = {"jpg",  "jpeg", "jpe",  "jfif", "png",
                                              "webp", "gif",  "bmp",  "tif",  "tiff",
                                              "avif", "heic", "heif", "jp2",  "ppm"};

bool vlp_name_is_picture(const char *path)
{
    const char *ext = vlp_path_ext(path);
    for (size_t i = 0; i < VLP_COUNT(picture_endings); i++)
        if (strcasecmp(ext, picture_endings[i]) == 0) return true;
    return false;
}

/* A pattern with a slash is matched on the path, one without on the base name. */
static bool matches(const char *const *globs, const char *path)
{
    for (; globs && *globs; globs++)
        if (fnmatch(*globs, strchr(*globs, '/') ? path : vlp_path_base(path), 0) == 0) return true;
    return false;
}

bool name_is_excluded(const struct vlp_source_options *o, const char *path)
{
    return matches(o->exclude, path);
}

bool name_is_included(const struct vlp_source_options *o, const char *path)
{
    return !o->include || !*o->include || matches(o->include, path);
}

bool name_is_wanted(const struct vlp_source_options *o, const char *path)
{
    if (name_is_excluded(o, path)) return false;
    if (o->include && *o->include) return matches(o->include, path);
    return vlp_name_is_picture(path);
}
