/*
 * source_option.c -- the options that say where records come from, and what becomes of bad ones.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd_internal.h"

struct cmd_source cmd_source;
const char *const cmd_input_formats[] = {"tsv", "csv", "jsonl", "json", "tar", "image", NULL};
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

bool cmd_take_format(void *target, const char *value, char why[256])
{
    for (int i = 0; cmd_input_formats[i]; i++)
        if (strcmp(cmd_input_formats[i], value) == 0) {
            *(const char **)target = cmd_input_formats[i];
            return true;
        }
    snprintf(why, 256, "'%s' is none of tsv, csv, jsonl, json, tar, image", value);
    return false;
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
    };
}

enum vlp_status cmd_failures_open(struct cmd_failures *f, const char *path, struct vlp_error *err)
{
    *f = (struct cmd_failures){.path = path, .stop_at_first = cmd_on_error == 1};
    if (!path) return VLP_OK;
    f->file = fopen(path, "wb");
    if (!f->file) return vlp_fail(err, VLP_ERR_IO, "%s: cannot be written: %m", path);
    return VLP_OK;
}

void cmd_failures_add(struct cmd_failures *f, const char *id, size_t id_len, enum vlp_status why,
                      const char *detail)
{
    f->n++;
    /* Most sentences begin with the name of what they are about: say it once. */
    const bool named = strncmp(detail, id, id_len) == 0 && detail[id_len] == ':';
    if (named)
        cmd_warn("%s (%s)", detail, f->stop_at_first ? "stopping" : "skipped");
    else
        cmd_warn("%.*s: %s (%s)", (int)id_len, id, detail,
                 f->stop_at_first ? "stopping" : "skipped");
    if (!f->file) return;
    const char *reason = named ? detail + id_len + 1 + strspn(detail + id_len + 1, " ") : detail;
    cmd_put_tsv(f->file, id, id_len);
    fprintf(f->file, "\t%s\t", vlp_status_name(why));
    cmd_put_tsv(f->file, reason, strlen(reason));
    putc('\n', f->file);
    fflush(f->file);
}

enum vlp_status cmd_failures_close(struct cmd_failures *f, struct vlp_error *err)
{
    if (!f->file) return VLP_OK;
    const bool bad = ferror(f->file) != 0;
    if (fclose(f->file) != 0 || bad) {
        f->file = NULL;
        return vlp_fail(err, VLP_ERR_IO, "%s: writing failed: %m", f->path);
    }
    f->file = NULL;
    return VLP_OK;
}
