/*
 * source.c -- all inputs of a job as one sequence of records: paths, then the list, then the lines.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

struct vlp_source {
    struct vlp_source_options opt;
    struct input              input; /* kind NULL: between inputs */
    int                       at; /* inputs opened: paths, then 1 for the list, 1 for the lines */
    int64_t                   given;
    bool                      counting, over;
    bool                      passed; /* a good record of another shard */
};

/* A column by number is one that a row can have. */
static enum vlp_status check_columns(const struct vlp_source_options *o, struct vlp_error *err)
{
    enum { MOST = 100000 };
    for (int c = 0; c < COLUMN_COUNT; c++) {
        const char *option = column_option(o, (enum column)c);
        int64_t     number;
        if (option && vlp_parse_i64(option, &number) && (number < 1 || number > MOST))
            return vlp_fail(err, VLP_ERR_USAGE, "no column has the number %s", option);
    }
    return VLP_OK;
}

static enum vlp_status check_options(const struct vlp_source_options *o, struct vlp_error *err)
{
    int standard = 0;
    for (int i = 0; i < o->n_paths; i++) standard += strcmp(o->paths[i], "-") == 0;
    standard += o->files_from && strcmp(o->files_from, "-") == 0;
    standard += o->lines && strcmp(o->lines, "-") == 0;
    if (standard > 1) return vlp_fail(err, VLP_ERR_USAGE, "standard input can be read only once");
    if (o->n_shards < 0 || (o->n_shards > 0 && (o->shard < 1 || o->shard > o->n_shards)))
        return vlp_fail(err, VLP_ERR_USAGE, "shard %d of %d does not exist", o->shard, o->n_shards);
    if (o->n_paths == 0 && !o->files_from && !o->lines)
        return vlp_fail(err, VLP_ERR_USAGE, "no input was given");
    if (o->format && !input_has_format(o->format))
        return vlp_fail(err, VLP_ERR_USAGE, "no input format is called '%s'", o->format);
    return check_columns(o, err);
}

enum vlp_status vlp_source_open(struct vlp_source **out, const struct vlp_source_options *opt,
                                struct vlp_error *err)
{
    VLP_TRY(check_options(opt, err));
    struct vlp_source *s = vlp_calloc(1, sizeof *s);
    s->opt = *opt;
    *out = s;
    return VLP_OK;
}

/* Open the next input; false when there is none. */
static enum vlp_status next_input(struct vlp_source *s, bool *found, struct vlp_error *err)
{
    const struct vlp_source_options *o = &s->opt;
    *found = true;
    if (s->at < o->n_paths) return input_open(&s->input, o, o->paths[s->at++], s->counting, err);
    struct input in = {.opt = o, .counting = s->counting};
    int          extra = s->at++ - o->n_paths;
    if (o->files_from && extra-- == 0) {
        in.kind = &source_list;
        in.path = o->files_from;
    } else if (o->lines && extra == 0) {
        in.kind = &source_lines;
        in.path = o->lines;
    }
    *found = in.kind != NULL;
    if (!*found) return VLP_OK;
    s->input = in;
    return in.kind->open(&s->input, err);
}

/* What stands for more than its own id has news for every shard. */
static bool in_shard(const struct vlp_source *s, const struct vlp_item *it)
{
    return s->opt.n_shards == 0 || it->lost_input || it->of_many ||
           vlp_shard_of(it->id, it->id_len, s->opt.n_shards) == s->opt.shard;
}

enum vlp_status vlp_source_next(struct vlp_source *s, struct vlp_item *out, bool *more,
                                struct vlp_error *err)
{
    *more = false;
    while (!s->over && (s->opt.limit == 0 || s->given < s->opt.limit)) {
        bool             found = true, got = false;
        struct vlp_error why;
        enum vlp_status  status = s->input.kind ? VLP_OK : next_input(s, &found, &why);
        if (status == VLP_OK && !found) break;
        if (status == VLP_OK) status = s->input.kind->next(&s->input, out, &got, &why);
        if (status == VLP_OK && got && out->status == VLP_ERR_SHORTAGE) {
            status = vlp_fail(&why, VLP_ERR_SHORTAGE, "%s", out->reason);
            vlp_item_free(out);
        }
        if (status != VLP_OK) {
            *more = item_of_lost_input(out, &s->opt, s->input.path, status, &why);
            input_close(&s->input);
            if (*more) return VLP_OK;
            s->over = true;
            if (err) *err = why;
            return status;
        }
        if (!got) {
            input_close(&s->input);
        } else if (in_shard(s, out)) {
            s->given++;
            *more = true;
            return VLP_OK;
        } else {
            s->passed |= out->status == VLP_OK;
            vlp_item_free(out);
        }
    }
    s->over = true;
    return VLP_OK;
}

bool vlp_source_has_passed(const struct vlp_source *s)
{
    return s->passed;
}

void vlp_source_close(struct vlp_source *s)
{
    if (!s) return;
    input_close(&s->input);
    free(s);
}

/* ---- how many ---------------------------------------------------------------------- */

/* Can the input be read twice, and does that cost little? Not stdin, not tars. */
static bool countable(const struct vlp_source_options *o, const char *path)
{
    if (input_is_pipe(path)) return false;
    const struct source_kind *kind = kind_of(o, path);
    return kind != &source_tar;
}

int64_t vlp_source_expected(const struct vlp_source *s)
{
    enum { BUDGET = 1 }; /* seconds: a progress bar is not worth more */
    struct vlp_source_options o = s->opt;
    struct vlp_source        *count;
    o.keep_going = false;
    for (int i = 0; i < o.n_paths; i++)
        if (!countable(&o, o.paths[i])) return -1;
    if ((o.files_from && !input_is_regular(o.files_from)) ||
        (o.lines && !input_is_regular(o.lines)))
        return -1;
    if (vlp_source_open(&count, &o, NULL) != VLP_OK) return -1;
    count->counting = true;
    const double    begun = vlp_now();
    int64_t         n = 0;
    bool            more = true;
    struct vlp_item it;
    while (more) {
        const enum vlp_status status = vlp_source_next(count, &it, &more, NULL);
        const bool            late = (n & 255) == 255 && vlp_now() - begun > BUDGET;
        if (status != VLP_OK || late) n = -1;
        if (status == VLP_OK && more) vlp_item_free(&it);
        if (n < 0) break;
        n += more;
    }
    vlp_source_close(count);
    return n;
}
