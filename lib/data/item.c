/*
 * item.c -- one record: its id, its picture, its text, or what was wrong with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data_internal.h"

void vlp_item_free(struct vlp_item *it)
{
    vlp_arena_free(&it->mem);
    *it = (struct vlp_item){0};
}

void item_begin(struct vlp_item *it, const char *id, size_t id_len)
{
    *it = (struct vlp_item){.mtime = -1, .size = -1};
    it->id = vlp_arena_strndup(&it->mem, id, id_len);
    it->id_len = id_len;
}

static const char *print_into(struct vlp_arena *mem, const char *fmt, va_list ap)
{
    char *text;
    if (vasprintf(&text, fmt, ap) < 0) {
        vlp_no_memory(0);
        abort();
    }
    const char *kept = vlp_arena_strdup(mem, text);
    free(text);
    return kept;
}

void item_begin_at(struct vlp_item *it, const char *fmt, ...)
{
    va_list ap;
    *it = (struct vlp_item){.mtime = -1, .size = -1};
    va_start(ap, fmt);
    it->id = print_into(&it->mem, fmt, ap);
    va_end(ap);
    it->id_len = strlen(it->id);
}

void item_set_text(struct vlp_item *it, const char *text, size_t len)
{
    it->text = vlp_arena_strndup(&it->mem, text, len);
    it->text_len = len;
}

const char *no_file_words(const struct stat *st)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFREG: return NULL;
    case S_IFDIR: return "is a folder";
    case S_IFIFO: return "is a pipe";
    case S_IFSOCK: return "is a socket";
    }
    return "is a device";
}

void item_set_picture(struct vlp_item *it, const char *path, bool named)
{
    struct stat st;
    it->path = vlp_arena_strdup(&it->mem, path);
    if (stat(path, &st) != 0) {
        item_fail(it, vlp_status_of_errno(errno), "%s: %s", path, strerror(errno));
    } else if (no_file_words(&st) && !(named && S_ISCHR(st.st_mode))) {
        item_fail(it, VLP_ERR_IO, "%s: %s", path, no_file_words(&st));
    } else if (S_ISREG(st.st_mode)) {
        it->mtime = vlp_nanoseconds(st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        it->size = st.st_size;
    }
}

void item_fail(struct vlp_item *it, enum vlp_status s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    it->reason = print_into(&it->mem, fmt, ap);
    va_end(ap);
    it->status = s;
}

void item_number_id(struct vlp_item *it, int k)
{
    char         number[16];
    const size_t n = (size_t)snprintf(number, sizeof number, "#%d", k);
    char        *id = vlp_arena_alloc(&it->mem, it->id_len + n + 1);
    memcpy(id, it->id, it->id_len);
    memcpy(id + it->id_len, number, n + 1);
    it->id = id;
    it->id_len += n;
}

size_t vlp_stem_of_id(const char *id, size_t len)
{
    size_t n = len;
    while (n > 0 && id[n - 1] >= '0' && id[n - 1] <= '9') n--;
    return n > 1 && n < len && id[n - 1] == '#' ? n - 1 : len;
}

bool item_of_lost_input(struct vlp_item *it, const struct vlp_source_options *o, const char *path,
                        enum vlp_status s, const struct vlp_error *err)
{
    const bool alone = o->n_paths == 1 && !o->files_from && !o->lines;
    if (!o->keep_going || s == VLP_ERR_STOPPED || s == VLP_ERR_SHORTAGE ||
        (s == VLP_ERR_USAGE && alone))
        return false;
    if (s == VLP_ERR_USAGE) s = VLP_ERR_FORMAT;
    item_begin(it, path, strlen(path));
    item_fail(it, s, "%s", err->text);
    it->lost_input = true;
    return true;
}

int vlp_shard_of(const char *id, size_t len, int n)
{
    return (int)(vlp_hash64(id, len) % (uint64_t)n) + 1;
}
