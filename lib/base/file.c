/*
 * file.c -- files read by mapping, and files written so that they are there whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <vlp/base.h>

/* What is read of a device, which may never end (/dev/zero); pipes are read to their end. */
#define DEVICE_LIMIT ((size_t)64 << 20)

static const struct vlp_map nothing = {.data = (const uint8_t *)"", .size = 0, .mapped = false};

/* Not a regular file: its bytes come as they come; `limit` 0: to the end. */
static enum vlp_status read_stream(struct vlp_map *m, int fd, const char *path, size_t limit,
                                   struct vlp_error *err)
{
    FILE *f = fdopen(fd, "rb");
    if (!f) {
        const int why = errno;
        close(fd);
        return vlp_fail(err, vlp_status_of_errno(why), "%s: %s", path, strerror(why));
    }
    struct vlp_buf  b = {0};
    enum vlp_status s = vlp_read_all(&b, f, limit, path, err);
    fclose(f);
    if (s != VLP_OK || b.len == 0) {
        vlp_buf_free(&b);
        if (s == VLP_OK) *m = nothing;
        return s;
    }
    *m = (struct vlp_map){.data = (uint8_t *)b.data, .size = b.len, .mapped = false};
    return VLP_OK;
}

enum vlp_status vlp_map_open_within(struct vlp_map *m, const char *path, size_t pipe_limit,
                                    struct vlp_error *err)
{
    const bool standard = strcmp(path, "-") == 0;
    const int  fd =
        standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) return vlp_fail(err, vlp_status_of_errno(errno), "%s: %s", path, strerror(errno));
    const bool known = fstat(fd, &st) == 0;
    if (!known || S_ISDIR(st.st_mode)) {
        const int why = known ? EISDIR : errno;
        close(fd);
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(why));
    }
    const bool from_start = !standard || lseek(fd, 0, SEEK_CUR) == 0;
    if (!S_ISREG(st.st_mode) || !from_start)
        return read_stream(m, fd, path, S_ISCHR(st.st_mode) ? DEVICE_LIMIT : pipe_limit, err);
    if (st.st_size == 0) {
        close(fd);
        *m = nothing;
        return VLP_OK;
    }
    void     *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int why = errno;
    close(fd);
    /* ENOMEM too is a fact about this file, larger than the process may map, and no shortage. */
    if (p == MAP_FAILED) return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(why));
    *m = (struct vlp_map){.data = p, .size = (size_t)st.st_size, .mapped = true};
    return VLP_OK;
}

enum vlp_status vlp_map_open(struct vlp_map *m, const char *path, struct vlp_error *err)
{
    return vlp_map_open_within(m, path, 0, err);
}

void vlp_map_close(struct vlp_map *m)
{
    if (m->mapped)
        munmap((void *)m->data, m->size);
    else if (m->size)
        free((void *)m->data);
    *m = (struct vlp_map){0};
}

void vlp_map_forget(const void *p, size_t len)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)p + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)p + len) / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

enum vlp_status vlp_read_all(struct vlp_buf *out, FILE *f, size_t limit, const char *name,
                             struct vlp_error *err)
{
    const size_t before = out->len;
    for (;;) {
        const size_t step = 64 * 1024;
        vlp_buf_reserve(out, step);
        const size_t got = fread(out->data + out->len, 1, step, f);
        out->len += got;
        out->data[out->len] = '\0';
        if (limit && out->len - before > limit)
            return vlp_fail(err, VLP_ERR_LIMIT, "%s: longer than %zu bytes", name, limit);
        if (got < step) break;
    }
    if (ferror(f)) return vlp_fail(err, VLP_ERR_IO, "%s: %s", name, strerror(errno));
    return VLP_OK;
}

const struct dirent *vlp_next_entry(DIR *dir, int *why)
{
    errno = 0;
    const struct dirent *entry = readdir(dir);
    *why = entry ? 0 : errno;
    return entry;
}

bool vlp_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool vlp_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || errno == EIO || errno == ESTALE;
}

char *vlp_path_join(struct vlp_arena *a, const char *dir, const char *name)
{
    const size_t n = strlen(dir);
    if (name[0] == '/' || n == 0) return vlp_arena_strdup(a, name);
    return vlp_arena_printf(a, dir[n - 1] == '/' ? "%s%s" : "%s/%s", dir, name);
}

const char *vlp_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *vlp_path_ext(const char *path)
{
    const char *base = vlp_path_base(path), *dot = strrchr(base, '.');
    return dot && dot != base ? dot + 1 : "";
}

/* ---- writing ------------------------------------------------------------------------------ */

bool vlp_is_terminal(const char *path)
{
    struct stat st;
    if (strcmp(path, "-") == 0) return isatty(STDOUT_FILENO);
    if (stat(path, &st) != 0 || !S_ISCHR(st.st_mode)) return false;
    const int  fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    const bool is = fd >= 0 && isatty(fd);
    if (fd >= 0) close(fd);
    return is;
}

char *vlp_end_of_links(const char *path)
{
    enum { HOPS = 40 }; /* as many as the system follows */
    char *at = vlp_strdup(path);
    for (int i = 0; i < HOPS; i++) {
        char          to[PATH_MAX];
        const ssize_t n = readlink(at, to, sizeof to);
        if (n <= 0 || n == sizeof to) break;
        struct vlp_buf next = {0};
        if (to[0] != '/') vlp_buf_add(&next, at, (size_t)(vlp_path_base(at) - at));
        vlp_buf_add(&next, to, (size_t)n);
        free(at);
        at = next.data;
    }
    return at;
}

void vlp_sync_folder_of(const char *path)
{
    const char *base = vlp_path_base(path);
    char       *dir = base == path ? vlp_strdup(".") : vlp_strndup(path, (size_t)(base - path));
    const int   fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

/* The temporary files that there are, so that a process that ends early can remove them. Whoever
 * makes, renames, removes or keeps one holds the lock, and takes no memory meanwhile: to have none
 * calls vlp_outputs_remove. */
struct vlp_temp {
    struct vlp_temp *next;
    char            *place; /* where it will be */
    bool             stays; /* whatever ends early */
    char             path[];
};
static struct vlp_temp *temps;
static pthread_mutex_t  temps_lock = PTHREAD_MUTEX_INITIALIZER;
/* Taken before the other. Who holds it may run out of memory: then the end is its own. */
static pthread_mutex_t steps_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static void free_temp(struct vlp_temp *t)
{
    free(t->place);
    free(t);
}

/* Six letters or digits that nobody else is likely to have. */
static void put_unique(char *at)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    uint64_t          x;
    if (getrandom(&x, sizeof x, GRND_NONBLOCK) != sizeof x) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        x = (uint64_t)now.tv_nsec * 1000003 ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid() << 32;
    }
    for (int i = 0; i < 6; i++, x /= sizeof letters - 1) at[i] = letters[x % (sizeof letters - 1)];
}

/* The bytes of a name that its temporary one begins with: all of them, but not so many that there
 * would be no room for the end, nor a part of a character of UTF-8. */
static int kept_of_name(const char *base)
{
    enum { MOST = 128 };
    size_t n = strlen(base);
    if (n <= MOST) return (int)n;
    for (n = MOST; n > MOST - 4 && (base[n] & 0xc0) == 0x80;) n--;
    return (int)n;
}

/* A new file beside `place`, which it takes, open; -1 with errno. Its permissions are those of
 * `mode` that the umask leaves, as of any new file: to ask for the umask is to change it, for all
 * threads. */
static int make_temp(struct vlp_temp **out, char *place, mode_t mode)
{
    enum { TRIES = 100 };
    static const char unique[] = ".tmp-XXXXXX";
    const char       *base = vlp_path_base(place);
    const size_t      size = strlen(place) + sizeof unique;
    struct vlp_temp  *t = vlp_malloc(sizeof *t + size);
    const int         n = snprintf(t->path, size, "%.*s%.*s%s", (int)(base - place), place,
                                   kept_of_name(base), base, unique);
    t->place = place;
    t->stays = false;
    pthread_mutex_lock(&temps_lock);
    int fd = -1, why = EEXIST;
    for (int i = 0; i < TRIES && fd < 0 && why == EEXIST; i++) {
        put_unique(t->path + n - 6);
        fd = open(t->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        why = errno;
    }
    if (fd >= 0) {
        t->next = temps;
        temps = t;
    }
    pthread_mutex_unlock(&temps_lock);
    if (fd < 0) free_temp(t);
    *out = fd < 0 ? NULL : t;
    errno = why;
    return fd;
}

bool vlp_temp_end(struct vlp_temp *t, enum vlp_temp_end how)
{
    pthread_mutex_lock(&temps_lock);
    const bool ended = how != VLP_TEMP_PLACE || rename(t->path, t->place) == 0;
    const int  why = errno;
    if (how == VLP_TEMP_REMOVE) unlink(t->path);
    if (ended) {
        struct vlp_temp **at = &temps;
        while (*at != t) at = &(*at)->next;
        *at = t->next;
    }
    pthread_mutex_unlock(&temps_lock);
    if (ended && how == VLP_TEMP_PLACE) vlp_sync_folder_of(t->place);
    if (ended) free_temp(t);
    errno = why;
    return ended;
}

void vlp_outputs_hold(void)
{
    pthread_mutex_lock(&steps_lock);
}

void vlp_outputs_release(void)
{
    pthread_mutex_unlock(&steps_lock);
}

void vlp_outputs_remove(void)
{
    pthread_mutex_lock(&steps_lock); /* both for good */
    pthread_mutex_lock(&temps_lock);
    for (const struct vlp_temp *t = temps; t; t = t->next)
        if (!t->stays) unlink(t->path);
}

const char *vlp_temp_keep(struct vlp_temp *t)
{
    pthread_mutex_lock(&temps_lock);
    t->stays = true;
    pthread_mutex_unlock(&temps_lock);
    return t->path;
}

enum vlp_status vlp_temp_aside(struct vlp_temp **out, const char *path, struct vlp_error *err)
{
    struct stat st;
    *out = NULL;
    if (lstat(path, &st) != 0) return VLP_OK;
    if (S_ISDIR(st.st_mode)) return vlp_fail(err, VLP_ERR_IO, "%s: is a folder", path);
    const int fd = make_temp(out, vlp_strdup(path), 0600);
    if (fd < 0) return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(errno));
    close(fd);
    vlp_temp_keep(*out);
    if (rename(path, (*out)->path) == 0) {
        vlp_sync_folder_of(path);
        return VLP_OK;
    }
    const int why = errno;
    vlp_temp_end(*out, VLP_TEMP_REMOVE);
    *out = NULL;
    return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(why));
}

enum vlp_status vlp_output_open(struct vlp_output *o, const char *path, bool force,
                                struct vlp_error *err)
{
    *o = (struct vlp_output){0};
    if (strcmp(path, "-") == 0) {
        o->path = vlp_strdup("standard output");
        o->file = stdout;
        return VLP_OK;
    }
    struct stat st;
    const bool  there = stat(path, &st) == 0;
    if (!there && errno == ENAMETOOLONG) /* now: its temporary name may be short enough */
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(errno));
    if (there && S_ISDIR(st.st_mode)) return vlp_fail(err, VLP_ERR_IO, "%s: is a folder", path);
    if (there && S_ISREG(st.st_mode) && !force)
        return vlp_fail(err, VLP_ERR_EXISTS, "%s: exists (-f overwrites it)", path);
    if (there && !S_ISREG(st.st_mode)) { /* a pipe or a device: nothing to rename */
        o->file = fopen(path, "wb");
        if (!o->file) return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(errno));
        o->path = vlp_strdup(path);
        return VLP_OK;
    }
    struct vlp_temp *temp;
    const int fd = make_temp(&temp, vlp_end_of_links(path), there ? st.st_mode & 0777 : 0666);
    o->file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!o->file) {
        const int why = errno;
        if (fd >= 0) {
            close(fd);
            vlp_temp_end(temp, VLP_TEMP_REMOVE);
        }
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(why));
    }
    if (there) fchmod(fd, st.st_mode & 07777); /* past the umask */
    o->path = vlp_strdup(path);
    o->temp = temp;
    return VLP_OK;
}

enum vlp_status vlp_output_write(struct vlp_output *o, const void *data, size_t len,
                                 struct vlp_error *err)
{
    if (len && fwrite(data, 1, len, o->file) != len)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", o->path, strerror(errno));
    return VLP_OK;
}

static enum vlp_status cannot_write(const struct vlp_output *o, struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_IO, "%s: %s", o->path, strerror(errno));
}

enum vlp_status vlp_output_sync(struct vlp_output *o, struct vlp_error *err)
{
    if (fflush(o->file) != 0) return cannot_write(o, err);
    if (ferror(o->file)) /* before, and its reason is gone */
        return vlp_fail(err, VLP_ERR_IO, "%s: write failed", o->path);
    if (o->temp && fsync(fileno(o->file)) != 0) return cannot_write(o, err);
    return VLP_OK;
}

enum vlp_status vlp_output_commit(struct vlp_output *o, struct vlp_error *err)
{
    enum vlp_status s = vlp_output_sync(o, err);
    if (o->file != stdout) {
        if (fclose(o->file) != 0 && s == VLP_OK) s = cannot_write(o, err);
        o->file = NULL;
    }
    if (s == VLP_OK && o->temp) {
        if (vlp_temp_end(o->temp, VLP_TEMP_PLACE))
            o->temp = NULL;
        else
            s = cannot_write(o, err);
    }
    vlp_output_abort(o);
    return s;
}

void vlp_output_abort(struct vlp_output *o)
{
    if (o->file && o->file != stdout) fclose(o->file);
    if (o->temp) vlp_temp_end(o->temp, o->temp->stays ? VLP_TEMP_LEAVE : VLP_TEMP_REMOVE);
    free(o->path);
    *o = (struct vlp_output){0};
}
