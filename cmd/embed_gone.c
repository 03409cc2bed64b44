/*
 * embed_gone.c -- what the file holds and the inputs name no more: --update deletes it, after a
 * look at whether the inputs are there.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <vlp/search.h>

#include "embed_job.h"

/* Folders, shards and captioned pictures, to be found by name in the ids of what belongs to them.
 */
struct parents {
    size_t              *len; /* without slashes at the end */
    struct vlp_id_table *by_name;
};

static void parents_open(struct parents *p, const struct cmd_list *names)
{
    p->len = vlp_malloc(((size_t)names->n + 1) * sizeof *p->len);
    for (int i = 0; i < names->n; i++) {
        p->len[i] = strlen(names->item[i]);
        while (p->len[i] > 1 && names->item[i][p->len[i] - 1] == '/') p->len[i]--;
    }
    p->by_name = vlp_id_table_new(names->item, p->len, names->n);
}

static void parents_close(struct parents *p)
{
    vlp_id_table_free(p->by_name);
    free(p->len);
}

/* Which of them does the record belong to, as far as its id tells? -1: none. */
static int parent_of(const struct parents *p, const struct embed_entry *e)
{
    for (size_t len = 1; len < e->id_len; len++) {
        const bool root = len == 1 && e->id[0] == '/';
        const bool ends = e->id[len] && strchr("/!#", e->id[len]);
        const int  found = root || ends ? vlp_id_find(p->by_name, e->id, len) : -1;
        if (found >= 0) return found;
    }
    return -1;
}

/* Does the file hold it, in the shard that was asked for, while the input does not name it? */
static bool is_gone(const struct embed_entry *e)
{
    return !e->seen && !e->unreadable && e->images + e->texts > 0 && cmd_in_shard(e->id, e->id_len);
}

/* A folder without a single record, of whatever shard. */
static bool is_empty_folder(const struct vlp_source_options *all, char *path)
{
    struct vlp_source_options from = *all;
    struct vlp_source        *source;
    struct vlp_item           it;
    bool                      any = false;
    if (!vlp_is_dir(path)) return false;
    from.paths = &path;
    from.n_paths = 1;
    from.files_from = from.lines = NULL;
    from.n_shards = 0;
    if (vlp_source_open(&source, &from, NULL) != VLP_OK) return false;
    const enum vlp_status s = vlp_source_next(source, &it, &any, NULL);
    if (any) vlp_item_free(&it);
    vlp_source_close(source);
    return s == VLP_OK && !any;
}

/* The empty ones of the folders that a list names. One that is no file can be read but once, and is
 * the run's; what cannot be read of it the run says. A name that the file has is a picture's. */
static void add_listed(struct embed_job *j, const struct vlp_source_options *from,
                       struct cmd_list *empty)
{
    struct stat       st;
    struct vlp_lines *list;
    struct vlp_line   line;
    const char       *path = from->files_from;
    bool              more = true;
    if (!path || strcmp(path, "-") == 0) return;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return;
    if (vlp_lines_open(&list, path, VLP_LINES_PATHS, from->nul, NULL) != VLP_OK) return;
    while (vlp_lines_next(list, &line, &more, NULL) == VLP_OK && more) {
        if (line.status != VLP_OK) continue;
        const size_t len = from->nul ? line.len : vlp_first_field(line.bytes, line.len);
        char        *name = line.bytes;
        name[len] = '\0';
        if (len > 0 && !embed_state_find(&j->state, name, len) && is_empty_folder(from, name))
            cmd_list_add(empty, vlp_arena_strndup(&j->mem, name, len));
    }
    vlp_lines_close(list);
}

enum vlp_status embed_check_folders(struct embed_job *j, const struct vlp_source_options *from,
                                    struct vlp_error *err)
{
    struct cmd_list empty = {0};
    struct parents  folders;
    int             lost = -1;
    if (j->o->force) return VLP_OK;
    for (int i = 0; i < from->n_paths; i++)
        if (is_empty_folder(from, from->paths[i])) cmd_list_add(&empty, from->paths[i]);
    add_listed(j, from, &empty);
    parents_open(&folders, &empty);
    for (int64_t i = 0; i < j->state.n && empty.n > 0 && lost < 0; i++)
        if (is_gone(&j->state.entry[i])) lost = parent_of(&folders, &j->state.entry[i]);
    const enum vlp_status s =
        lost < 0 ? VLP_OK
                 : vlp_fail(err, VLP_ERR_USAGE,
                            "no records in %s: --update would delete all that %s has of it "
                            "(-f does so)",
                            empty.item[lost], j->o->output);
    parents_close(&folders);
    free(empty.item);
    return s;
}

/* Has the run seen anything of use: written it, or found it in the file as it is? Of records of
 * other shards nobody knows whether they are, but where those of this one are not even wanted. */
static bool is_of_use(const struct embed_job *j)
{
    return j->kept || j->images + j->texts > 0 || (j->passed && j->unwanted == 0);
}

/* An input without anything of use is more often a disk that is not mounted, or a list whose writer
 * has died, than a wish. Sets j->nothing where there were records. */
static enum vlp_status check_use(struct embed_job *j, int64_t doomed, struct vlp_error *err)
{
    if (j->o->force || is_of_use(j)) return VLP_OK;
    if (j->bad.n + j->unwanted > 0)
        j->nothing = doomed > 0 || cmd_source.shard[1] == 0;
    else if (doomed > 0)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "no records in the input: --update would delete everything from %s "
                        "(-f does so)",
                        j->o->output);
    if (j->nothing && doomed > 0)
        cmd_note("%s keeps %" PRId64 " record%s that --update would delete (-f does so)",
                 j->o->output, doomed, cmd_plural(doomed));
    return VLP_OK;
}

/* Is it to be deleted? Counts in `kept` what is not because it may be in an input that could not be
 * read. */
static bool is_doomed(const struct embed_job *j, const struct parents *unread,
                      const struct embed_entry *e, int64_t *kept)
{
    if (e->spoilt) return true;
    if (cmd_source.limit > 0 || !is_gone(e)) return false;
    const bool may_be = j->lost != VLP_OK || parent_of(unread, e) >= 0;
    *kept += may_be;
    return !may_be;
}

enum vlp_status embed_forget_gone(struct embed_job *j, struct vlp_error *err)
{
    int64_t              kept = 0, n = 0;
    struct parents       unread;
    struct embed_entry **doomed = vlp_malloc(((size_t)j->state.n + 1) * sizeof *doomed);
    parents_open(&unread, &j->unread);
    for (int64_t i = 0; i < j->state.n; i++)
        if (is_doomed(j, &unread, &j->state.entry[i], &kept)) doomed[n++] = &j->state.entry[i];
    parents_close(&unread);
    enum vlp_status s = check_use(j, n, err);
    for (int64_t i = 0; i < n && s == VLP_OK && !j->nothing; i++)
        s = embed_forget(j, doomed[i]->id, doomed[i]->id_len, err);
    free(doomed);
    if (s == VLP_OK && kept > 0)
        cmd_note("%" PRId64 " %s kept: an input that may hold %s could not be read", kept,
                 kept == 1 ? "record is" : "records are", kept == 1 ? "it" : "them");
    return s;
}
