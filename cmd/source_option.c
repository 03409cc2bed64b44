/*
 * source_option.c -- the options that say where records come from, and what becomes of bad ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vlp/search.h>

#include "cmd_internal.h"

struct cmd_source cmd_source;
const char       *cmd_failed_path;
int               cmd_on_error;
const char *const cmd_on_errors[] = {"skip", "stop", NULL};

bool cmd_take_shard(void *target, const char *value, char why[256])
{
    int *shard = target, i, n, end = 0;
    if (sscanf(value, "%9d/%9d%n", &i, &n, &end) != 2 || value[end] || n < 1 || i < 1 || i > n) {
        snprintf(why, 256, "wants I/N with I from 1 to N, not '%s'", value);
        return false;
    }
    shard[0] = i;
    shard[1] = n;
    return true;
}

bool cmd_in_shard(const char *id, size_t len)
{
    const int *shard = cmd_source.shard;
    return shard[1] == 0 || vlp_shard_of(id, len, shard[1]) == shard[0];
}

bool cmd_take_format(void *target, const char *value, char why[256])
{
    return cmd_one_of(vlp_source_formats, value, target, why);
}

static bool is_stopped(void *ctx)
{
    (void)ctx;
    return cmd_stopped() != 0;
}

static void say(void *ctx, const char *sentence)
{
    (void)ctx;
    cmd_warn("%s", sentence);
}

void cmd_source_options(struct vlp_source_options *out, char *const *paths, int n_paths)
{
    *out = (struct vlp_source_options){
        .paths = paths,
        .n_paths = n_paths,
        .recursive = cmd_source.recursive,
        .include = cmd_source.include.item,
        .exclude = cmd_source.exclude.item,
        .files_from = cmd_source.files_from,
        .nul = cmd_source.nul,
        .lines = cmd_source.lines,
        .id_is_text = cmd_source.id_is_text,
        .format = cmd_source.format,
        .image_column = cmd_source.image_column,
        .text_column = cmd_source.text_column,
        .id_column = cmd_source.id_column,
        .label_column = cmd_source.label_column,
        .captions = cmd_source.captions,
        .base_dir = cmd_source.base_dir,
        .shard = cmd_source.shard[0],
        .n_shards = cmd_source.shard[1],
        .limit = cmd_source.limit,
        .keep_going = true,
        .stop = is_stopped,
        .say = say,
    };
}

/* Is the file at `path` empty, or does its first line read like one of ours? */
static enum vlp_status is_failures_file(bool *out, const char *path, struct vlp_error *err)
{
    struct vlp_map m;
    bool           ours = false;
    VLP_TRY(vlp_map_open(&m, path, err));
    const char *p = (const char *)m.data, *end = memchr(p, '\n', m.size);
    const char *tab = end ? memchr(p, '\t', (size_t)(end - p)) : NULL;
    for (int s = VLP_OK + 1; tab && s < VLP_STATUS_COUNT; s++) {
        const char  *name = vlp_status_name((enum vlp_status)s);
        const size_t len = strlen(name);
        if ((size_t)(end - tab) > len + 1 && memcmp(tab + 1, name, len) == 0 &&
            tab[1 + len] == '\t')
            ours = true;
    }
    *out = ours || m.size == 0;
    vlp_map_close(&m);
    return VLP_OK;
}

/* Is it, by whatever name, the list of --files-from? */
static bool is_own_input(const char *path)
{
    struct stat a, b;
    return cmd_source.files_from && stat(path, &a) == 0 && stat(cmd_source.files_from, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

enum vlp_status cmd_failures_open(struct cmd_failures *f, const char *path, bool force,
                                  struct vlp_error *err)
{
    struct stat st;
    *f = (struct cmd_failures){.stop_at_first = cmd_on_error == 1};
    if (!path) return VLP_OK;
    f->is_read = is_own_input(path);
    if ((cmd_source.shard[1] > 0 || cmd_source.limit > 0) && f->is_read)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "--failed %s is the list that is read: with --shard or --limit its other "
                        "names would be lost",
                        path);
    if (strcmp(path, "-") != 0 && stat(path, &st) != 0) {
        /* Where there was nothing, not even where a link leads, it can be watched as it grows. */
        char *place = vlp_end_of_links(path);
        f->out.file = fopen(place, "wbx");
        if (!f->out.file) {
            free(place);
            return vlp_fail(err, VLP_ERR_IO, "%s: %m", path);
        }
        f->out.path = vlp_strdup(path);
        f->made = place;
        return VLP_OK;
    }
    if (strcmp(path, "-") != 0 && S_ISREG(st.st_mode) && !force)
        VLP_TRY(is_failures_file(&force, path, err));
    return vlp_output_open(&f->out, path, force, err);
}

enum vlp_status cmd_check_vector(struct cmd_failures *f, const char *id, size_t id_len,
                                 const float *x, int dim, bool *odd, struct vlp_error *err)
{
    *odd = !vlp_row_is_finite(x, dim);
    if (!*odd) return VLP_OK;
    cmd_failures_add(f, id, id_len, VLP_ERR_FORMAT, "its vector holds NaN or infinity");
    if (!f->stop_at_first) return VLP_OK;
    return vlp_fail(err, VLP_ERR_FORMAT, "stopped at '%s'", id);
}

void cmd_failures_add(struct cmd_failures *f, const char *id, size_t id_len, enum vlp_status why,
                      const char *detail)
{
    if (f->n++ == 0) f->first = why;
    f->cut |= f->is_read && strcmp(id, cmd_source.files_from) == 0;
    /* Most sentences begin with the name of what they are about: say it once. */
    const char *reason = vlp_without_name(detail, id, id_len);
    cmd_warn("%.*s: %s (%s)", (int)id_len, id, reason, f->stop_at_first ? "stopping" : "skipped");
    FILE *file = f->out.file;
    if (!file) return;
    cmd_put_tsv(file, id, id_len);
    fprintf(file, "\t%s\t", vlp_status_name(why));
    cmd_put_tsv(file, reason, strlen(reason));
    putc('\n', file);
    if (fflush(file) != 0 && !f->trouble) f->trouble = errno;
}

enum vlp_status cmd_nothing_used(const struct cmd_failures *f, const char *things,
                                 struct vlp_error *err)
{
    if (f->n == 0) return vlp_fail(err, VLP_ERR_IO, "no %s in the input", things);
    return vlp_fail(err, f->first, "no %s could be used (%lld skipped)", things, (long long)f->n);
}

void cmd_warn_of_damage(struct cmd_failures *f, const char *id, size_t id_len, const char *warning)
{
    if (!warning) return;
    f->damaged++;
    cmd_warn("%.*s: %s (used all the same)", (int)id_len, id, warning);
}

enum vlp_status cmd_failures_close(struct cmd_failures *f, struct vlp_error *err)
{
    cmd_note_damaged(f->damaged);
    if (!f->out.file) return VLP_OK;
    enum vlp_status s = VLP_OK;
    if ((!f->whole || f->cut) && (f->n == 0 || f->out.temp)) {
        if (f->made) unlink(f->made);
        vlp_output_abort(&f->out);
    } else if (f->trouble) {
        s = vlp_fail(err, VLP_ERR_IO, "%s: %s", f->out.path, strerror(f->trouble));
        vlp_output_abort(&f->out);
    } else {
        s = vlp_output_commit(&f->out, err);
    }
    if (s != VLP_OK && f->made) unlink(f->made); /* cut off it is no list */
    free(f->made);
    f->made = NULL;
    return s;
}
