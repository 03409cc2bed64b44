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
static bool matches(const char *glob, const char *path)
{
    return fnmatch(glob, strchr(glob, '/') ? path : vlp_path_base(path), 0) == 0;
}

static bool matches_any(const char *const *globs, const char *path)
{
    for (; globs && *globs; globs++)
        if (matches(*globs, path)) return true;
    return false;
}

bool name_is_excluded(const struct vlp_source_options *o, const char *path)
{
    return matches_any(o->exclude, path);
}

/* Whatever is called so is meant, but a caption only by a pattern that has its whole ending. */
static bool is_included(const char *const *globs, const char *path)
{
    const char *ext = vlp_path_ext(path);
    const bool  any = !captions_ending(ext);
    for (; *globs; globs++)
        if (matches(*globs, path) && (any || strcasecmp(vlp_path_ext(*globs), ext) == 0))
            return true;
    return false;
}

bool name_is_included(const struct vlp_source_options *o, const char *path)
{
    return !o->include || !*o->include || matches_any(o->include, path);
}

bool name_is_wanted(const struct vlp_source_options *o, const char *path)
{
    if (name_is_excluded(o, path)) return false;
    if (o->include && *o->include) return is_included(o->include, path);
    return vlp_name_is_picture(path);
}
