/*
 * output.c -- stdout as a place for data: checked to the end, escaped where a format needs it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vlp/data.h>
#include <vlp/embedding.h>

#include "cmd_internal.h"

void cmd_refuse_terminal(const char *path, bool force)
{
    if (!force && vlp_is_terminal(path ? path : "-"))
        cmd_usage_error("binary data would go to the terminal: give a file, a pipe, or -f");
}

/* A file's name, not stdout or none. */
static bool is_named(const char *path)
{
    return path && strcmp(path, "-") != 0;
}

enum vlp_status cmd_refuse_existing(const char *const *path, size_t n, bool force,
                                    struct vlp_error *err)
{
    struct stat st;
    for (size_t i = 0; i < n && !force; i++)
        if (is_named(path[i]) && stat(path[i], &st) == 0 && S_ISREG(st.st_mode))
            return vlp_fail(err, VLP_ERR_EXISTS, "%s: exists (-f overwrites it)", path[i]);
    return VLP_OK;
}

/* Or a pipe: what is written as it is, without a rename. */
static bool is_device(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* Tried, for that alone says whether it will do; but a pipe's reader would see it end. */
static enum vlp_status check_output(const char *path, bool force, struct vlp_error *err)
{
    struct vlp_output o;
    if (is_device(path))
        return access(path, W_OK) == 0 ? VLP_OK : vlp_fail(err, VLP_ERR_IO, "%s: %m", path);
    VLP_TRY(vlp_output_open(&o, path, force, err));
    vlp_output_abort(&o);
    return VLP_OK;
}

/* The folder that a file is in, behind links, and its name there. */
static char *name_in_folder(const char *path, struct stat *folder)
{
    char *place = vlp_end_of_links(path), *slash = strrchr(place, '/');
    char *name = vlp_strdup(slash ? slash + 1 : place);
    if (slash) slash[1] = '\0';
    if (stat(slash ? place : ".", folder) != 0) folder->st_ino = 0;
    free(place);
    return name;
}

/* One file, however the two are spelled? */
static bool is_one_place(const char *a, const char *b)
{
    struct stat in_a, in_b;
    char       *x = name_in_folder(a, &in_a), *y = name_in_folder(b, &in_b);
    const bool  one = strcmp(x, y) == 0 && in_a.st_ino && in_a.st_ino == in_b.st_ino &&
                     in_a.st_dev == in_b.st_dev;
    free(x);
    free(y);
    return one;
}

enum vlp_status cmd_one_place_each(const char *const *path, size_t n, struct vlp_error *err)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i && is_named(path[i]) && !is_device(path[i]); k++)
            if (is_named(path[k]) && is_one_place(path[k], path[i]))
                return vlp_fail(err, VLP_ERR_USAGE, "%s: named for two outputs", path[i]);
    return VLP_OK;
}

/* ---- no output is an input --------------------------------------------------------- */

/* Regular files that are there, in the order of their numbers. */
struct file {
    dev_t       device;
    ino_t       inode;
    const char *name;
};
struct files {
    struct file *file;
    size_t       n;
};

static int file_order(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
    return (x->device > y->device) - (x->device < y->device);
}

/* `standard` is the descriptor that "-" stands for. */
static bool is_file(struct file *f, const char *path, int standard)
{
    struct stat st;
    const int   failed = is_named(path) ? stat(path, &st) : fstat(standard, &st);
    if (failed || !S_ISREG(st.st_mode)) return false;
    *f = (struct file){st.st_dev, st.st_ino, path};
    return true;
}

/* What belongs to `path`: the file, or the shard that it is in, and the ids beside bare vectors.
 * The answer is how many of them are there. */
static int files_of(struct file out[2], const char *path, int standard)
{
    if (!path) return 0;
    int          n = 0;
    const char  *ext = vlp_path_ext(path);
    const size_t shard = vlp_shard_length(path);
    char        *first = vlp_strndup(path, shard ? shard : strlen(path));
    n += is_file(&out[n], first, standard);
    if (strcmp(ext, "npy") == 0 || strcmp(ext, "fvecs") == 0) {
        struct vlp_buf ids = {0};
        char          *place = vlp_end_of_links(path);
        vlp_buf_printf(&ids, "%s.ids", place);
        n += is_file(&out[n], ids.data, standard);
        free(place);
        vlp_buf_free(&ids);
    }
    for (int i = 0; i < n; i++) out[i].name = path;
    free(first);
    return n;
}

static enum vlp_status spare(const struct files *outputs, const char *option, const char *path,
                             struct vlp_error *err)
{
    struct file read[2];
    for (int i = files_of(read, path, STDIN_FILENO); i-- > 0;) {
        const struct file *f =
            bsearch(&read[i], outputs->file, outputs->n, sizeof *outputs->file, file_order);
        if (f && is_named(f->name))
            return vlp_fail(err, VLP_ERR_USAGE, "%s: named for an output and for %s", f->name,
                            option);
        if (f)
            return vlp_fail(err, VLP_ERR_USAGE, "%s: named for %s, and standard output goes there",
                            is_named(path) ? path : "standard input", option);
    }
    return VLP_OK;
}

const char *cmd_if_stdout(const char *path)
{
    return path && !is_named(path) ? path : NULL;
}

enum vlp_status cmd_spare_inputs(const char *const *out, size_t n_out, const struct cmd_reads *in,
                                 size_t n_in, struct vlp_error *err)
{
    struct files    outputs = {.file = vlp_malloc((2 * n_out + 1) * sizeof *outputs.file)};
    enum vlp_status s = VLP_OK;
    for (size_t i = 0; i < n_out; i++)
        outputs.n += (size_t)files_of(&outputs.file[outputs.n], out[i], STDOUT_FILENO);
    if (outputs.n) qsort(outputs.file, outputs.n, sizeof *outputs.file, file_order);
    for (size_t i = 0; i < n_in && outputs.n; i++)
        for (int k = 0; k < in[i].n && s == VLP_OK; k++)
            s = spare(&outputs, in[i].option, in[i].path[k], err);
    free(outputs.file);
    return s;
}

enum vlp_status cmd_check_outputs(const char *const *path, size_t n, bool force,
                                  struct vlp_error *err)
{
    VLP_TRY(cmd_refuse_existing(path, n, force, err));
    for (size_t i = 0; i < n; i++)
        if (is_named(path[i])) VLP_TRY(check_output(path[i], force, err));
    return VLP_OK;
}

enum vlp_status cmd_check_folder(const char *dir, struct vlp_error *err)
{
    if (mkdir(dir, 0777) == 0) {
        rmdir(dir);
        return VLP_OK;
    }
    if (errno == EEXIST && !vlp_is_dir(dir))
        return vlp_fail(err, VLP_ERR_IO, "%s: not a folder", dir);
    if (errno == EEXIST && access(dir, W_OK | X_OK) == 0) return VLP_OK;
    return vlp_fail(err, VLP_ERR_IO, "%s: %m", dir);
}

/* Said here, for no system says more of it than that nothing is there. */
static void refuse_empty(const char *what, const char *path)
{
    if (!*path) cmd_usage_error("'' is no name: %s wants one", what);
}

const char *cmd_stdin_among(const char *what, const char *const *paths, int n)
{
    const char *taken = NULL;
    for (int i = 0; i < n; i++) {
        refuse_empty(what, paths[i]);
        if (strcmp(paths[i], "-") != 0) continue;
        if (taken) cmd_usage_error("%s is - twice: both want standard input", what);
        taken = paths[i];
    }
    return taken;
}

void cmd_one_each(const char *stream, const struct cmd_stream_use *use, size_t n)
{
    const char *taken = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!use[i].path) continue;
        refuse_empty(use[i].option, use[i].path);
        if (strcmp(use[i].path, "-") != 0) continue;
        if (taken) cmd_usage_error("%s and %s both want %s", taken, use[i].option, stream);
        taken = use[i].option;
    }
}

static bool is_known_ending(const char *path)
{
    static const char *const others[] = {"csv", "html", "json", "npz", "tar", "txt", NULL};
    const char *const *const lists[] = {others, vlp_embedding_formats};
    bool                     known = vlp_name_is_picture(path);
    for (size_t l = 0; l < VLP_COUNT(lists); l++)
        for (const char *const *e = lists[l]; *e; e++)
            known |= strcasecmp(vlp_path_ext(path), *e) == 0;
    return known;
}

void cmd_refuse_ending(const char *path, const char *const *written, const char *otherwise)
{
    char   list[256];
    size_t len = 0;
    if (!path || !is_known_ending(path)) return;
    for (const char *const *e = written; *e && len < sizeof list; e++)
        if (strcmp(vlp_path_ext(path), *e) == 0) return;
    for (const char *const *e = written; *e && len < sizeof list; e++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s.%s", len ? ", " : "", *e);
    cmd_usage_error("%s: not an ending of what is written: %s%s", path, list, otherwise);
}

int cmd_finish(int status)
{
    cmd_progress_end();
    errno = 0;
    const bool bad = fflush(stdout) != 0 || ferror(stdout);
    const int  why = errno;
    /* Somebody may have closed it before us: nothing was written then, and nothing is lost. */
    if ((fclose(stdout) != 0 && errno != EBADF) || bad) {
        const char *reason = bad && why ? strerror(why) : errno ? strerror(errno) : "write failed";
        /* A job that failed has said why; most often it was this. */
        if (status != CMD_FAILED) cmd_error("standard output: %s", reason);
        if (status == CMD_OK || status == CMD_SKIPPED || status == CMD_NO_MATCH) return CMD_FAILED;
    }
    return status;
}

void cmd_put_tsv(FILE *f, const char *s, size_t len)
{
    struct vlp_buf b = {0};
    vlp_buf_add_tsv(&b, s, len);
    if (b.len) fwrite(b.data, 1, b.len, f); /* of nothing there is no data */
    vlp_buf_free(&b);
}

void cmd_put_json(FILE *f, const char *s, size_t len)
{
    struct vlp_buf b = {0};
    vlp_buf_add_json(&b, s, len);
    fwrite(b.data, 1, b.len, f);
    vlp_buf_free(&b);
}
