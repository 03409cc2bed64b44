/*
 * match_output.c -- matches as TSV and JSON lines, as links in a folder, and as a page.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vlp/html.h>

#include "match.h"

const char *match_text_of(const char *meta, uint32_t flags)
{
    return flags & (VLP_RECORD_TEXT | VLP_RECORD_LABEL) ? meta : NULL;
}

void match_put_f32(FILE *f, float v)
{
    char text[32];
    if (match.json && !isfinite(v)) /* JSON has no such numbers */
        fputs("null", f);
    else
        fwrite(text, 1, (size_t)vlp_format_f32(text, v), f);
}

void match_put_header(struct match_job *job, bool with_file)
{
    if (match.header)
        fprintf(job->out.file, "query\trank\tscore\tid\ttext%s\n", with_file ? "\tfile" : "");
}

static void put_json(FILE *f, const struct match_line *l, bool with_file)
{
    fputs("{\"query\": ", f);
    cmd_put_json(f, l->query, l->query_len);
    fprintf(f, ", \"rank\": %d, \"score\": ", l->rank);
    match_put_f32(f, l->score);
    fputs(", \"id\": ", f);
    if (l->id)
        cmd_put_json(f, l->id, l->id_len);
    else
        fputs("null", f);
    if (l->text) {
        fputs(", \"text\": ", f);
        cmd_put_json(f, l->text, l->text_len);
    }
    if (with_file) {
        fputs(", \"file\": ", f);
        cmd_put_json(f, l->file, strlen(l->file));
    }
    fputs("}\n", f);
}

void match_put_line(struct match_job *job, const struct match_line *l, bool with_file)
{
    FILE *f = job->out.file;
    job->n_found++;
    if (match.json) {
        put_json(f, l, with_file);
        return;
    }
    cmd_put_tsv(f, l->query, l->query_len);
    fprintf(f, "\t%d\t", l->rank);
    match_put_f32(f, l->score);
    putc('\t', f);
    if (l->id) cmd_put_tsv(f, l->id, l->id_len);
    putc('\t', f);
    if (l->text) cmd_put_tsv(f, l->text, l->text_len);
    if (with_file) {
        putc('\t', f);
        cmd_put_tsv(f, l->file, strlen(l->file));
    }
    putc('\n', f);
}

/* ---- links ----------------------------------------------------------------------------------- */

/* What is longer after the last dot is no suffix of a picture. */
enum { SUFFIX_MAX = 16 };

/* The number that a name of ours begins with, 0 for other names. */
static int64_t link_number(const char *name)
{
    char    digits[20];
    size_t  n = strspn(name, "0123456789");
    int64_t number;
    if (n < 4 || n >= sizeof digits || name[n] != '-') return 0;
    memcpy(digits, name, n);
    digits[n] = '\0';
    return vlp_parse_i64(digits, &number) ? number : 0;
}

/* Links of earlier results: among new ones they would pass for matches. */
static enum vlp_status clear_links(DIR *d, const struct match_queries *q, struct vlp_error *err)
{
    const bool      shard = cmd_source.shard[1] != 0;
    bool           *mine = vlp_calloc((size_t)q->n_given + 1, sizeof *mine);
    enum vlp_status s = VLP_OK;
    for (int i = 0; i < q->n; i++) mine[q->number[i]] = true;
    int why = 0;
    for (const struct dirent *e; s == VLP_OK && (e = vlp_next_entry(d, &why)) != NULL;) {
        const int64_t number = link_number(e->d_name);
        struct stat   st;
        if (number < 1 || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (!S_ISLNK(st.st_mode)) continue;
        const bool other = q->n_given > 1 ? number > q->n_given || !mine[number - 1] : q->n == 0;
        if (shard && other) continue;
        if (!match.force)
            s = vlp_fail(err, VLP_ERR_EXISTS,
                         "%s: links of earlier results exist (-f replaces them)", match.link_to);
        else if (unlinkat(dirfd(d), e->d_name, 0) != 0)
            s = vlp_fail(err, VLP_ERR_IO, "%s/%s: %s", match.link_to, e->d_name, strerror(errno));
    }
    free(mine);
    if (s == VLP_OK && why) s = vlp_fail(err, VLP_ERR_IO, "%s: %s", match.link_to, strerror(why));
    return s;
}

enum vlp_status match_links_open(const struct match_queries *q, struct vlp_error *err)
{
    if (!match.link_to) return VLP_OK;
    if (mkdir(match.link_to, 0777) != 0 && errno != EEXIST)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", match.link_to, strerror(errno));
    if (!vlp_is_dir(match.link_to))
        return vlp_fail(err, VLP_ERR_IO, "%s: not a folder", match.link_to);
    if (access(match.link_to, W_OK | X_OK) != 0)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", match.link_to, strerror(errno));
    DIR *d = opendir(match.link_to);
    if (!d) return vlp_fail(err, VLP_ERR_IO, "%s: %s", match.link_to, strerror(errno));
    const enum vlp_status s = clear_links(d, q, err);
    closedir(d);
    return s;
}

/* "0001-name.jpg", or "0002-0001-name.jpg" where there are several queries: names sort by rank. A
 * name too long for the folder is cut before its suffix, between characters. */
static char *link_name(struct vlp_arena *mem, int query, int n_given, int rank, const char *base)
{
    const char  *number = n_given > 1 ? vlp_arena_printf(mem, "%04d-%04d-", query + 1, rank)
                                      : vlp_arena_printf(mem, "%04d-", rank);
    const long   most = pathconf(match.link_to, _PC_NAME_MAX);
    const size_t room = most > 0 ? (size_t)most : SIZE_MAX, taken = strlen(number);
    const char  *suffix = strrchr(base, '.');
    size_t       stem = strlen(base);
    if (taken + stem <= room) return vlp_arena_printf(mem, "%s%s", number, base);
    if (!suffix || strlen(suffix) > SUFFIX_MAX) suffix = "";
    const size_t kept = taken + strlen(suffix);
    stem = room > kept ? room - kept : 0;
    while (stem > 0 && ((unsigned char)base[stem] & 0xc0) == 0x80) stem--;
    return vlp_arena_printf(mem, "%s%.*s%s", number, (int)stem, base, suffix);
}

/* No link, named; other links may do better, unless the folder or its disk is to blame. */
static enum vlp_status no_link(struct match_job *job, struct vlp_arena *mem, const char *id,
                               const char *link, int why, struct vlp_error *err)
{
    static const int of_one[] = {EEXIST, ENAMETOOLONG, EILSEQ, EINVAL};
    bool             alone = false;
    enum vlp_status  status = why == EEXIST ? VLP_ERR_EXISTS : VLP_ERR_IO;
    for (size_t i = 0; i < VLP_COUNT(of_one); i++) alone = alone || why == of_one[i];
    if (!alone) return vlp_fail(err, status, "%s: %s", link, strerror(why));
    const char *detail = vlp_arena_printf(mem, "no link %s: %s", link, strerror(why));
    cmd_failures_add(&job->failures, id, strlen(id), status, detail);
    if (job->failures.stop_at_first) return vlp_fail(err, status, "%s: %s", link, strerror(why));
    return VLP_OK;
}

enum vlp_status match_link(struct match_job *job, int query, int n_given, int rank, const char *id,
                           struct vlp_error *err)
{
    if (!match.link_to) return VLP_OK;
    struct vlp_arena mem;
    enum vlp_status  s = VLP_OK;
    vlp_arena_init(&mem);
    const char *path = vlp_picture_of_id(&mem, match.base_dir, id);
    char       *target = path && !vlp_shard_length(path) ? realpath(path, NULL) : NULL;
    const char *name = link_name(&mem, query, n_given, rank, vlp_path_base(id));
    const char *link = vlp_path_join(&mem, match.link_to, name);
    if (!target) {
        cmd_failures_add(&job->failures, id, strlen(id), VLP_ERR_IO, "no such file to link to");
        if (job->failures.stop_at_first) s = vlp_fail(err, VLP_ERR_IO, "%s: no such file", id);
    } else {
        struct stat st;
        /* -f replaces links, never files */
        if (match.force && lstat(link, &st) == 0 && S_ISLNK(st.st_mode)) unlink(link);
        if (symlink(target, link) != 0) s = no_link(job, &mem, id, link, errno, err);
    }
    free(target);
    vlp_arena_free(&mem);
    return s;
}

/* ---- the page -------------------------------------------------------------------------------- */

struct vlp_page *match_page_open(const char *title)
{
    return match.html ? vlp_page_open(title, NULL) : NULL;
}

void match_page_record(struct vlp_page *p, const char *id, const char *text, bool is_text,
                       const char *word)
{
    struct vlp_arena mem;
    if (!p) return;
    vlp_arena_init(&mem);
    const char *picture = cmd_page_picture(&mem, match.base_dir, id, is_text);
    vlp_page_section(p, id, picture, word ? word : text);
    vlp_arena_free(&mem);
}

void match_page_member(struct vlp_page *p, const char *id, const char *text, bool is_text)
{
    struct vlp_arena mem;
    if (!p) return;
    vlp_arena_init(&mem);
    const char *picture = cmd_page_picture(&mem, match.base_dir, id, is_text);
    vlp_page_card(p, &(struct vlp_page_card){.picture = picture, .title = id, .text = text});
    vlp_arena_free(&mem);
}

void match_page_query(struct vlp_page *p, const struct match_queries *q, int i, int n_hits)
{
    struct vlp_arena mem;
    if (!p) return;
    vlp_arena_init(&mem);
    const char *picture = q->picture[i];
    if (!picture && q->is_id[i])
        picture = cmd_page_picture(&mem, match.base_dir, q->name[i], q->is_text[i]);
    const char *note = n_hits ? q->text[i] : "nothing matches";
    vlp_page_section(p, q->name[i], picture, note);
    vlp_arena_free(&mem);
}

/* The bar is the share of the query's best score: cosines of good matches may all be small. */
void match_page_hit(struct vlp_page *p, const struct match_line *l, float best)
{
    struct vlp_arena mem;
    char             score[32];
    if (!p) return;
    vlp_arena_init(&mem);
    const char               *picture = cmd_page_picture(&mem, match.base_dir, l->id, l->is_text);
    const struct vlp_page_bar bar = {vlp_arena_printf(&mem, "%d", l->rank), score,
                                     best > 0.0f ? (double)(l->score / best) : 0.0};
    snprintf(score, sizeof score, "%.4f", (double)l->score);
    vlp_page_card(
        p, &(struct vlp_page_card){
               .picture = picture, .title = l->id, .text = l->text, .bar = &bar, .n_bars = 1});
    vlp_arena_free(&mem);
}

enum vlp_status match_page_close(struct vlp_page *p, struct match_job *job, struct vlp_error *err)
{
    if (!p) return VLP_OK;
    const enum vlp_status s =
        cmd_write_page(p, job->compute.pool, match.html, match.force, &job->failures, err);
    vlp_page_close(p);
    return s;
}
