/*
 * source_folder.c -- the pictures of a folder, in the byte order of their paths.
 *
 * Hidden files and folders are passed over, pipes and devices as well. Links are followed, but
 * never back into a folder that is being walked; what is written meanwhile is no input. A folder
 * that cannot be read is a bad record, and so is a link to nothing: it may have led to one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data_internal.h"

struct entry {
    char *name; /* folders end in '/' */
    bool  is_dir;
    int   why; /* what is there cannot be seen, for this reason (errno); else 0 */
};

/* A folder on the way down to where we are. */
struct level {
    struct level *up;
    char         *path;
    dev_t         device;
    ino_t         inode;
    struct entry *entry;
    size_t        n, at;
    int           why; /* the entries end with this error, or 0 */
};

/* Where an output is, or will be. */
struct place {
    dev_t device; /* of its folder */
    ino_t inode;
    char *name;
};

struct folder {
    struct level *level;
    struct place *output;
    size_t        n_outputs;
    struct input  file; /* the picture in hand; kind NULL: none */
    char         *file_path;
};

static int entry_order(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static char *joined(const char *dir, const char *name)
{
    struct vlp_buf b = {0};
    const size_t   n = strlen(dir);
    vlp_buf_add(&b, dir, n);
    if (n && dir[n - 1] != '/') vlp_buf_add_char(&b, '/');
    vlp_buf_add_str(&b, name);
    return b.data;
}

static void free_level(struct level *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->entry[i].name);
    free(l->entry);
    free(l->path);
    free(l);
}

/* Are we inside this folder already? Where a file system numbers nothing, the system itself ends a
 * way of too many links. */
static bool is_open(const struct folder *f, const struct stat *st)
{
    if (st->st_ino == 0) return false;
    for (const struct level *l = f->level; l; l = l->up)
        if (l->device == st->st_dev && l->inode == st->st_ino) return true;
    return false;
}

static void read_entries(struct level *l, DIR *dir)
{
    size_t cap = 0;
    for (const struct dirent *d; (d = vlp_next_entry(dir, &l->why));) {
        if (d->d_name[0] == '.') continue;
        bool is_dir = d->d_type == DT_DIR, is_file = d->d_type == DT_REG;
        int  why = 0;
        if (d->d_type == DT_LNK || d->d_type == DT_UNKNOWN) {
            struct stat st;
            char       *path = joined(l->path, d->d_name);
            why = stat(path, &st) == 0 ? 0 : errno;
            is_dir = !why && S_ISDIR(st.st_mode);
            is_file = why || S_ISREG(st.st_mode);
            free(path);
        }
        if (!is_dir && !is_file) continue;
        if (l->n == cap) {
            cap = cap ? 2 * cap : 64;
            l->entry = vlp_realloc(l->entry, cap * sizeof *l->entry);
        }
        struct vlp_buf name = {0};
        vlp_buf_add_str(&name, d->d_name);
        if (is_dir) vlp_buf_add_char(&name, '/');
        l->entry[l->n++] = (struct entry){name.data, is_dir, why};
    }
    if (l->n) qsort(l->entry, l->n, sizeof *l->entry, entry_order);
}

/* Go down into `path`; 0, or the reason why not. A folder that we are in already is left out. */
static int descend(struct folder *f, const char *path)
{
    struct stat st;
    DIR        *dir = opendir(path);
    if (!dir) return errno;
    const int why = fstat(dirfd(dir), &st) == 0 ? 0 : errno;
    if (!why && !is_open(f, &st)) {
        struct level *l = vlp_calloc(1, sizeof *l);
        *l = (struct level){
            .up = f->level, .path = vlp_strdup(path), .device = st.st_dev, .inode = st.st_ino};
        read_entries(l, dir);
        f->level = l;
    }
    closedir(dir);
    return why;
}

static void add_output(struct folder *f, const char *path)
{
    struct stat    st;
    const char    *base = vlp_path_base(path);
    struct vlp_buf dir = {0};
    vlp_buf_add(&dir, path, (size_t)(base - path));
    vlp_buf_add_char(&dir, '.');
    if (stat(dir.data, &st) == 0)
        f->output[f->n_outputs++] = (struct place){st.st_dev, st.st_ino, vlp_strdup(base)};
    vlp_buf_free(&dir);
}

static void note_outputs(struct folder *f, const struct vlp_source_options *o)
{
    f->output = vlp_malloc((2 * o->n_outputs + 1) * sizeof *f->output);
    for (size_t i = 0; i < o->n_outputs; i++) {
        if (!o->outputs[i] || strcmp(o->outputs[i], "-") == 0) continue;
        char *end = vlp_end_of_links(o->outputs[i]);
        add_output(f, o->outputs[i]);
        add_output(f, end);
        free(end);
    }
}

/* Is the name in folder `l` that of an output or of its temporary file? */
static bool is_output(const struct folder *f, const struct level *l, const char *name)
{
    static const char temporary[] = ".tmp-";
    for (size_t i = 0; i < f->n_outputs; i++) {
        const struct place *p = &f->output[i];
        const size_t        len = strlen(p->name);
        if (p->device == l->device && p->inode == l->inode && strncmp(name, p->name, len) == 0 &&
            (!name[len] || strncmp(name + len, temporary, sizeof temporary - 1) == 0))
            return true;
    }
    return false;
}

static enum vlp_status folder_open(struct input *in, struct vlp_error *err)
{
    struct folder *f = vlp_calloc(1, sizeof *f);
    in->state = f;
    note_outputs(f, in->opt);
    const int why = descend(f, in->path);
    return why ? vlp_fail(err, vlp_status_of_errno(why), "%s: %s", in->path, strerror(why))
               : VLP_OK;
}

/* The next entry that is ours: a picture (true), or what is, or may be, a folder that we cannot
 * enter or read to its end (`why` set). */
static bool next_entry(struct folder *f, struct input *in, char **path, int *why)
{
    *why = 0;
    while (f->level) {
        struct level *l = f->level;
        if (l->at == l->n) {
            *path = vlp_strdup(l->path);
            *why = l->why;
            f->level = l->up;
            free_level(l);
            if (*why) return true;
            free(*path);
            continue;
        }
        const struct entry *e = &l->entry[l->at++];
        *path = joined(l->path, e->name);
        if (e->is_dir) {
            (*path)[strlen(*path) - 1] = '\0';
            if (in->opt->recursive && !name_is_excluded(in->opt, *path))
                if ((*why = descend(f, *path)) != 0) return true;
        } else if (is_output(f, l, e->name)) {
            /* no input */
        } else if (name_is_wanted(in->opt, *path)) {
            return true;
        } else if (e->why && in->opt->recursive && !name_is_excluded(in->opt, *path)) {
            *why = e->why;
            return true;
        }
        free(*path);
    }
    return false;
}

static enum vlp_status folder_next(struct input *in, struct vlp_item *out, bool *more,
                                   struct vlp_error *err)
{
    struct folder *f = in->state;
    for (;;) {
        if (f->file.kind) {
            VLP_TRY(f->file.kind->next(&f->file, out, more, err));
            if (*more) return VLP_OK;
            input_close(&f->file);
            free(f->file_path);
            f->file_path = NULL;
        }
        char *path;
        int   why;
        *more = next_entry(f, in, &path, &why);
        if (!*more) return VLP_OK;
        if (why) {
            item_begin(out, path, strlen(path));
            item_fail(out, vlp_status_of_errno(why), "%s: %s", path, strerror(why));
            out->of_many = true;
            free(path);
            return VLP_OK;
        }
        f->file_path = path;
        f->file = (struct input){
            .kind = &source_picture, .opt = in->opt, .path = path, .counting = in->counting};
        VLP_TRY(f->file.kind->open(&f->file, err));
    }
}

static void folder_close(struct input *in)
{
    struct folder *f = in->state;
    if (!f) return;
    input_close(&f->file);
    free(f->file_path);
    while (f->level) {
        struct level *l = f->level;
        f->level = l->up;
        free_level(l);
    }
    for (size_t i = 0; i < f->n_outputs; i++) free(f->output[i].name);
    free(f->output);
    free(f);
}

const struct source_kind source_folder = {NULL, folder_open, folder_next, folder_close};
