/*
 * input.c -- what a path stands for: by the user's word, its ending, or its first bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_internal.h"

/* Those that can be asked for; and their names, in the same order. */
static const struct source_kind *const kinds[] = {&source_tsv,  &source_csv, &source_jsonl,
                                                  &source_json, &source_tar, &source_picture};

const char *const vlp_source_formats[] = {"tsv", "csv", "jsonl", "json", "tar", "image", NULL};
_Static_assert(VLP_COUNT(vlp_source_formats) == VLP_COUNT(kinds) + 1, "");

static const struct {
    const char               *ending;
    const struct source_kind *kind;
} endings[] = {
    {".tsv", &source_tsv},      {".csv", &source_csv},      {".jsonl", &source_jsonl},
    {".ndjson", &source_jsonl}, {".json", &source_json},    {".tar", &source_tar},
    {".tar.gz", &source_tar},   {".tgz", &source_tar},      {".tar.zst", &source_tar},
    {".tzst", &source_tar},     {".tar.zstd", &source_tar}, {".tar.xz", &source_tar},
    {".txz", &source_tar},      {".tar.bz2", &source_tar},  {".tbz2", &source_tar},
    {".tbz", &source_tar},      {".tar.lz4", &source_tar},
};

static const struct source_kind *kind_named(const char *name)
{
    for (size_t i = 0; i < VLP_COUNT(kinds); i++)
        if (kinds[i]->name && strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

bool input_has_format(const char *name)
{
    return kind_named(name) != NULL;
}

static bool is_pipe(const struct stat *st)
{
    return S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode);
}

bool input_is_pipe(const char *path)
{
    struct stat st;
    return strcmp(path, "-") == 0 || (stat(path, &st) == 0 && is_pipe(&st));
}

bool input_is_regular(const char *path)
{
    struct stat st;
    return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const struct source_kind *by_ending(const char *path)
{
    const size_t len = strlen(path);
    for (size_t i = 0; i < VLP_COUNT(endings); i++) {
        const size_t n = strlen(endings[i].ending);
        if (len > n && strcasecmp(path + len - n, endings[i].ending) == 0) return endings[i].kind;
    }
    return vlp_name_is_picture(path) ? &source_picture : NULL;
}

bool vlp_name_tells_kind(const char *path)
{
    return by_ending(path) != NULL;
}

/* Pictures have control bytes in their first few. */
static bool is_text(const uint8_t *p, size_t have)
{
    for (size_t i = 0; i < have; i++)
        if (p[i] < 0x20 && !(p[i] >= '\t' && p[i] <= '\r')) return false;
    return have > 0;
}

/* What a shard may be packed with begins like this. */
static const struct {
    size_t  at, len;
    uint8_t magic[8];
} packers[] = {
    {0, 2, {0x1f, 0x8b}},                     /* gzip */
    {0, 4, {0x28, 0xb5, 0x2f, 0xfd}},         /* zstd */
    {0, 6, {0xfd, '7', 'z', 'X', 'Z', 0}},    /* xz */
    {0, 4, {0x04, 0x22, 0x4d, 0x18}},         /* lz4 */
    {4, 6, {'1', 'A', 'Y', '&', 'S', 'Y'}},   /* bzip2, after "BZh" and a digit */
    {4, 6, {0x17, 'r', 'E', '8', 'P', 0x90}}, /* bzip2 of nothing */
};

static bool is_packed(const uint8_t *p, size_t have)
{
    for (size_t i = 0; i < VLP_COUNT(packers); i++)
        if (have >= packers[i].at + packers[i].len &&
            memcmp(p + packers[i].at, packers[i].magic, packers[i].len) == 0)
            return packers[i].at == 0 || memcmp(p, "BZh", 3) == 0;
    return false;
}

/* What `have` bytes at the beginning say; a picture when nothing else does: its reader names it. */
static const struct source_kind *by_bytes(const uint8_t *p, size_t have)
{
    size_t i = vlp_bom_length(p, have);
    if (have >= 262 && memcmp(p + 257, "ustar", 5) == 0) return &source_tar;
    if (is_packed(p, have)) return &source_tar;
    while (i < have && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n')) i++;
    if (i < have && p[i] == '{') return &source_jsonl;
    if (i < have && p[i] == '[') return &source_json;
    const uint8_t *end = have ? memchr(p, '\n', have) : NULL;
    if (is_text(p, have) && memchr(p, '\t', end ? (size_t)(end - p) : have)) return &source_tsv;
    return &source_picture;
}

const struct source_kind *kind_of(const struct vlp_source_options *opt, const char *path)
{
    struct stat st = {0};
    const bool  standard = strcmp(path, "-") == 0;
    if (!standard && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return &source_folder;
    if (opt->format) return kind_named(opt->format);
    if (standard || is_pipe(&st)) return &source_pipe;
    const struct source_kind *kind = by_ending(path);
    if (kind) return kind;
    uint8_t      p[512];
    FILE        *f = S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
    const size_t have = f ? fread(p, 1, sizeof p, f) : 0;
    if (f) fclose(f);
    return by_bytes(p, have);
}

/* ---- pipes: seen when they are read ------------------------------------------------ */

static enum vlp_status pipe_open(struct input *in, struct vlp_error *err)
{
    struct stream s;
    VLP_TRY(stream_open(&s, in->path, err));
    s.opt = in->opt;
    const enum vlp_status status = stream_fill(&s, 512, err);
    if (status != VLP_OK) {
        stream_close(&s);
        return status;
    }
    const struct source_kind *kind = by_bytes(s.buf, s.end);
    in->ahead = s;
    if (s.end == 0) return VLP_OK; /* nothing: no records */
    if (kind == &source_picture && is_text(s.buf, vlp_min_i64(s.end, 512)))
        return vlp_fail(err, VLP_ERR_USAGE,
                        "%s is text: a list of files (--files-from %s), a text a line "
                        "(--lines %s), or a table (--input-format csv)?",
                        in->ahead.name, in->path, in->path);
    in->kind = kind;
    return kind->open(in, err);
}

static enum vlp_status pipe_next(struct input *in, struct vlp_item *out, bool *more,
                                 struct vlp_error *err)
{
    (void)in;
    (void)out;
    (void)err;
    *more = false;
    return VLP_OK;
}

static void pipe_close(struct input *in)
{
    stream_close(&in->ahead);
}

const struct source_kind source_pipe = {NULL, pipe_open, pipe_next, pipe_close};

/* ------------------------------------------------------------------------------------ */

enum vlp_status input_stream(struct input *in, struct stream *out, struct vlp_error *err)
{
    if (!in->ahead.buf) {
        VLP_TRY(stream_open(out, in->path, err));
        out->opt = in->opt;
        return VLP_OK;
    }
    *out = in->ahead;
    in->ahead = (struct stream){0};
    return VLP_OK;
}

size_t vlp_shard_length(const char *path)
{
    const char *mark = path;
    if (vlp_file_exists(path)) return 0;
    while ((mark = strchr(mark, '!')) != NULL) {
        char      *shard = vlp_strndup(path, (size_t)(mark - path));
        const bool is_shard = input_is_regular(shard);
        free(shard);
        if (is_shard) return (size_t)(mark - path);
        mark++;
    }
    return 0;
}

/* A folder may end in a mark as well: "x.tar!/a.png" is a member only of a shard that is there. */
static bool is_shard(const char *path, char after_mark)
{
    if (input_is_regular(path) || input_is_pipe(path)) return true;
    return by_ending(path) == &source_tar && after_mark != '/';
}

const char *vlp_member_of_id(const char *id)
{
    const char *mark = strchr(id, '!');
    if (!mark || vlp_file_exists(id)) return NULL;
    for (; mark; mark = strchr(mark + 1, '!')) {
        char      *shard = vlp_strndup(id, (size_t)(mark - id));
        const bool found = is_shard(shard, mark[1]);
        free(shard);
        if (found) return mark + 1;
    }
    return NULL;
}

const char *vlp_picture_of_id(struct vlp_arena *mem, const char *base_dir, const char *id)
{
    char *path = base_dir ? vlp_path_join(mem, base_dir, id) : vlp_arena_strdup(mem, id);
    if (vlp_file_exists(path)) return vlp_is_dir(path) ? NULL : path;
    if (vlp_shard_length(path)) return path;
    const size_t len = strlen(path), stem = vlp_stem_of_id(path, len);
    if (stem == len) return NULL;
    path[stem] = '\0';
    return vlp_file_exists(path) && !vlp_is_dir(path) ? path : NULL;
}

enum vlp_status input_open(struct input *in, const struct vlp_source_options *opt, const char *path,
                           bool counting, struct vlp_error *err)
{
    *in = (struct input){.opt = opt, .path = path, .named = true, .counting = counting};
    if (counting && input_is_pipe(path))
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: is not counted", path);
    const size_t shard = strcmp(path, "-") == 0 ? 0 : vlp_shard_length(path);
    if (shard) {
        in->kind = &source_tar;
        in->path = in->owned = vlp_strndup(path, shard);
        in->member = path + shard + 1;
    } else {
        in->kind = kind_of(opt, path);
    }
    return in->kind->open(in, err);
}

bool input_turn(struct input *in, const char *path)
{
    if (!in->member || strncmp(path, in->path, strlen(in->path)) != 0) return false;
    const size_t shard = vlp_shard_length(path);
    if (shard != strlen(in->path)) return false;
    in->member = path + shard + 1;
    tar_turn(in);
    return true;
}

void input_close(struct input *in)
{
    if (in->kind) in->kind->close(in);
    stream_close(&in->ahead);
    free(in->owned);
    *in = (struct input){0};
}
