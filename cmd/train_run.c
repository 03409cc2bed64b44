/*
 * train_run.c -- the loop: batches, steps, metrics, evaluation, checkpoints, and the finished
 * model.
 *
 *   DIR/step-000000123.train  everything; the newest --keep of them, each whole or not there
 *   DIR/step-....damaged      one that a disk damaged, found when the run went on
 *   DIR/best.train            the one with the best validation figure
 *   DIR/metrics.jsonl         a line every --log-every steps and for every evaluation
 *   DIR/model.safetensors     the finished model, for -m of every program
 *
 * A run found in DIR goes on from its newest checkpoint that can be read. One process at a time
 * works in DIR: it holds a lock on the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train_cmd.h"

static struct train_options *const o = &train_options;

struct loop {
    struct train_run   *r;
    struct vlp_trainer *trainer;
    struct vlp_loader  *loader;
    FILE               *metrics;
    struct vlp_buf      path;
    int64_t             total, last_step; /* of the schedule; where this run ends */
    double              started, saved, best;
    double              loss_sum;
    int64_t             loss_count, skipped, own_steps;
    int                 requests, lock;
    bool                diverged;
    bool                leader;  /* rank 0 writes and speaks */
    int                 culprit; /* the process by which all failed together; -1: none did */
};

/* The same status in every process; the first that failed says why, the others keep silent. */
static enum vlp_status together(struct loop *l, enum vlp_status mine)
{
    return vlp_comm_agree(&l->r->comm, mine, &l->culprit);
}

static bool is_culprit(const struct loop *l)
{
    return l->culprit == l->r->comm.rank;
}

/* DIR/name; lives until the next call. */
static const char *in_dir(struct loop *l, const char *name)
{
    vlp_buf_clear(&l->path);
    vlp_buf_printf(&l->path, "%s/%s", o->output, name);
    return l->path.data;
}

/* ---- checkpoints ------------------------------------------------------------------- */

/* The entries of DIR went to their end; or the system cannot read it, for the reason `why`. */
static enum vlp_status listed(int why, struct vlp_error *err)
{
    return why ? vlp_fail(err, VLP_ERR_IO, "%s: %s", o->output, strerror(why)) : VLP_OK;
}

static void checkpoint_name(char name[64], int64_t step)
{
    snprintf(name, 64, "step-%09lld.train", (long long)step);
}

/* Steps of the checkpoints in DIR, newest first; the list is the caller's, NULL after a failure. */
static enum vlp_status list_checkpoints(int64_t **out, int *n, struct vlp_error *err)
{
    int64_t *list = NULL;
    int      count = 0, why = 0;
    DIR     *dir = opendir(o->output);
    if (!dir) why = errno;
    for (const struct dirent *d; dir && (d = vlp_next_entry(dir, &why));) {
        long long step;
        int       end = 0;
        if (sscanf(d->d_name, "step-%lld.train%n", &step, &end) != 1 || end == 0 || d->d_name[end])
            continue;
        char name[64];
        checkpoint_name(name, step);
        if (strcmp(name, d->d_name) != 0) continue; /* "step-5.train" is somebody else's */
        list = vlp_realloc(list, (size_t)(count + 1) * sizeof *list);
        int at = count++;
        for (; at > 0 && list[at - 1] < step; at--) list[at] = list[at - 1];
        list[at] = step;
    }
    if (dir) closedir(dir);
    if (why) {
        free(list);
        list = NULL;
        count = 0;
    }
    *out = list;
    *n = count;
    return listed(why, err);
}

static const char *checkpoint_path(struct loop *l, int64_t step)
{
    char name[64];
    checkpoint_name(name, step);
    return in_dir(l, name);
}

/* Of the checkpoints up to `step`, the one just saved, the --keep newest stay. One after it could
 * not be read when the run began: it is neither counted nor touched. */
static void prune(struct loop *l, int64_t step)
{
    int              n, kept = 0;
    int64_t         *list;
    struct vlp_error err;
    if (list_checkpoints(&list, &n, &err) != VLP_OK) cmd_warn("%s", err.text);
    for (int i = 0; i < n; i++)
        if (list[i] <= step && ++kept > o->keep) unlink(checkpoint_path(l, list[i]));
    free(list);
}

static enum vlp_status save(struct loop *l, struct vlp_error *err)
{
    const int64_t step = vlp_trainer_steps(l->trainer);
    l->saved = vlp_now();
    if (!l->leader) return VLP_OK;
    json_t *extra = json_pack("{s:f, s:f, s:I}", "best", isfinite(l->best) ? l->best : -1.0,
                              "loss_sum", l->loss_sum, "loss_count", (json_int_t)l->loss_count);
    const enum vlp_status s = vlp_trainer_save(l->trainer, checkpoint_path(l, step), extra, err);
    json_decref(extra);
    VLP_TRY(s);
    cmd_detail("saved after step %lld", (long long)step);
    prune(l, step);
    return VLP_OK;
}

static enum vlp_status save_best(struct loop *l, double figure, struct vlp_error *err)
{
    if (!(figure > l->best)) return VLP_OK;
    l->best = figure;
    return l->leader ? vlp_trainer_save(l->trainer, in_dir(l, "best.train"), NULL, err) : VLP_OK;
}

/* A damaged checkpoint gets a name that is no checkpoint's: its step will be saved anew. */
static void set_aside(struct loop *l, int64_t step)
{
    struct vlp_buf to = {0};
    const char    *from = checkpoint_path(l, step);
    vlp_buf_printf(&to, "%s.damaged", from);
    if (rename(from, to.data) == 0)
        cmd_warn("%s: renamed to %s", from, vlp_path_base(to.data));
    else
        cmd_warn("%s: cannot be renamed: %s", from, strerror(errno));
    vlp_buf_free(&to);
}

/* Entry i of the first process's list, in every process; -1 behind its end. A step is exact in f64.
 */
static int64_t leaders_step(struct loop *l, const int64_t *list, int n, int i)
{
    double step = !l->leader ? 0 : i < n ? (double)list[i] : -1;
    vlp_comm_sum_f64(&l->r->comm, &step, 1);
    return (int64_t)step;
}

static void take_extra(struct loop *l, const json_t *extra)
{
    const double best = json_number_value(json_object_get(extra, "best"));
    if (best >= 0) l->best = best;
    l->loss_sum = json_number_value(json_object_get(extra, "loss_sum"));
    l->loss_count = json_integer_value(json_object_get(extra, "loss_count"));
    if (l->leader) cmd_note("going on after step %lld", (long long)vlp_trainer_steps(l->trainer));
}

/*
 * A damaged newest checkpoint (a disk's fault, renames are whole) is named and the one before it
 * taken: by all processes, also when one of them alone cannot read it, for all must go on from the
 * same step. Only when there is one to take are the damaged ones set aside: without any, the next
 * try would find an empty folder and begin anew.
 */
static enum vlp_status resume(struct loop *l, struct vlp_error *err)
{
    int             n = 0, n_damaged = 0;
    int64_t        *list = NULL, step;
    enum vlp_status s = together(l, l->leader ? list_checkpoints(&list, &n, err) : VLP_OK);
    if (s != VLP_OK) return s;
    int64_t *damaged = vlp_calloc((size_t)n + 1, sizeof *damaged);
    for (int i = 0; (step = leaders_step(l, list, n, i)) >= 0; i++) {
        json_t               *extra = NULL;
        const enum vlp_status mine =
            vlp_trainer_load(l->trainer, checkpoint_path(l, step), &extra, err);
        s = together(l, mine);
        if (s == VLP_OK) take_extra(l, extra);
        json_decref(extra);
        if (s != VLP_ERR_FORMAT && s != VLP_ERR_IO) break;
        if (is_culprit(l)) cmd_warn("%s; trying the one before", err->text);
        if (l->leader && mine == VLP_ERR_FORMAT) damaged[n_damaged++] = step;
    }
    for (int i = 0; i < n_damaged && s == VLP_OK; i++) set_aside(l, damaged[i]);
    free(damaged);
    free(list);
    return s;
}

/* ---- metrics ----------------------------------------------------------------------- */

/* Lines of steps after the checkpoint belong to a future that did not happen. */
static enum vlp_status open_metrics(struct loop *l, struct vlp_error *err)
{
    if (!l->leader) return VLP_OK;
    const char    *path = in_dir(l, "metrics.jsonl");
    struct vlp_map m;
    if (vlp_file_exists(path)) {
        struct vlp_output out;
        VLP_TRY(vlp_map_open(&m, path, err));
        enum vlp_status s = vlp_output_open(&out, path, true, err);
        const char     *p = (const char *)m.data, *end = p + m.size;
        while (s == VLP_OK && p < end) {
            const char *stop = memchr(p, '\n', (size_t)(end - p));
            if (!stop) break; /* a torn last line */
            json_t *j = json_loadb(p, (size_t)(stop - p), 0, NULL);
            if (j &&
                json_integer_value(json_object_get(j, "step")) <= vlp_trainer_steps(l->trainer))
                s = vlp_output_write(&out, p, (size_t)(stop + 1 - p), err);
            json_decref(j);
            p = stop + 1;
        }
        vlp_map_close(&m);
        if (s == VLP_OK) s = vlp_output_commit(&out, err);
        vlp_output_abort(&out);
        VLP_TRY(s);
    }
    l->metrics = fopen(in_dir(l, "metrics.jsonl"), "a");
    if (!l->metrics) return vlp_fail(err, VLP_ERR_IO, "%s: %s", l->path.data, strerror(errno));
    return VLP_OK;
}

static enum vlp_status put_line(struct loop *l, json_t *line, struct vlp_error *err)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(line);
    const bool ok = fprintf(l->metrics, "%s\n", text) > 0 && fflush(l->metrics) == 0;
    free(text);
    return ok ? VLP_OK
              : vlp_fail(err, VLP_ERR_IO, "%s/metrics.jsonl: %s", o->output, strerror(errno));
}

static enum vlp_status log_step(struct loop *l, const struct vlp_step *s, struct vlp_error *err)
{
    const int64_t step = vlp_trainer_steps(l->trainer);
    l->own_steps++;
    if (s->skipped) {
        l->skipped++;
        if (l->leader)
            cmd_warn("step %lld: loss or gradient not finite; no update", (long long)step);
    } else {
        l->loss_sum += s->loss;
        l->loss_count++;
    }
    const bool due = step % o->log_every == 0 && !s->skipped;
    if ((!due && step != l->last_step) || l->loss_count == 0) return VLP_OK;
    const double loss = l->loss_sum / (double)l->loss_count;
    const double rate = (double)(l->own_steps * o->batch) / (vlp_now() - l->started);
    l->loss_sum = 0;
    l->loss_count = 0;
    if (!l->leader) return VLP_OK;
    char remark[96];
    snprintf(remark, sizeof remark, "loss %.4f, %.0f samples/s", loss, rate);
    cmd_progress_remark(remark);
    json_t *norm = isfinite(s->gradient_norm) ? json_real(s->gradient_norm) : json_null();
    return put_line(l,
                    json_pack("{s:I, s:f, s:f, s:f, s:o, s:f, s:f}", "step", (json_int_t)step,
                              "epoch", (double)step / (double)l->r->epoch_steps, "loss", loss, "lr",
                              s->lr, "gradient_norm", norm, "logit_scale", s->logit_scale,
                              "samples_per_second", rate),
                    err);
}

static enum vlp_status evaluate(struct loop *l, struct vlp_error *err)
{
    if (!l->r->eval || !l->leader) {
        vlp_comm_barrier(&l->r->comm);
        return VLP_OK;
    }
    json_t *figures = json_pack("{s:I}", "step", (json_int_t)vlp_trainer_steps(l->trainer));
    vlp_trainer_swap_average(l->trainer); /* what is kept in the end is what is judged */
    enum vlp_status s = train_eval_run(l->r->eval, l->r, figures, err);
    vlp_trainer_swap_average(l->trainer);
    const double top1 = json_number_value(json_object_get(figures, "val_top1"));
    const double recall = json_number_value(json_object_get(figures, "val_text_R@1")) +
                          json_number_value(json_object_get(figures, "val_image_R@1"));
    if (s == VLP_OK) {
        cmd_detail("step %lld: text R@1 %.3f, picture R@1 %.3f, top-1 %.3f",
                   (long long)vlp_trainer_steps(l->trainer),
                   json_number_value(json_object_get(figures, "val_text_R@1")),
                   json_number_value(json_object_get(figures, "val_image_R@1")), top1);
        s = put_line(l, json_incref(figures), err);
    }
    if (s == VLP_OK) s = save_best(l, top1 + recall, err);
    json_decref(figures);
    vlp_comm_barrier(&l->r->comm);
    return s;
}

/* ---- the loop ---------------------------------------------------------------------- */

/* Any process's wish to stop is everybody's, in the same step. */
static bool agreed(struct loop *l, bool mine)
{
    double wish = mine;
    vlp_comm_sum_f64(&l->r->comm, &wish, 1);
    return wish > 0;
}

static bool is_save_due(struct loop *l)
{
    const int64_t step = vlp_trainer_steps(l->trainer);
    const int     requests = cmd_status_requests();
    bool          due = o->save_every > 0 && step % o->save_every == 0;
    due |= o->save_minutes > 0 && vlp_now() - l->saved > 60 * o->save_minutes;
    due |= requests != l->requests;
    l->requests = requests;
    return due;
}

static enum vlp_status steps(struct loop *l, int *status, struct vlp_error *err)
{
    const int64_t every = o->eval_every > 0 ? o->eval_every : l->r->epoch_steps;
    const double  until = o->max_time > 0 ? l->started + 60 * o->max_time : INFINITY;
    *status = CMD_OK;
    while (vlp_trainer_steps(l->trainer) < l->last_step) {
        struct vlp_batch      batch;
        struct vlp_step       out;
        const enum vlp_status read = together(l, vlp_loader_next(l->loader, &batch, err));
        if (read != VLP_OK) {
            struct vlp_error late; /* the data are at fault, the steps made are good */
            if (save(l, &late) != VLP_OK) cmd_warn("%s", late.text);
            return read;
        }
        const enum vlp_status made = vlp_trainer_step(l->trainer, &batch, &out, err);
        l->diverged = made != VLP_OK;
        if (l->diverged) return made;
        VLP_TRY(log_step(l, &out, err));
        cmd_progress_add(1, 0);
        const int64_t step = vlp_trainer_steps(l->trainer);
        if (step % every == 0 || step == l->total) VLP_TRY(evaluate(l, err));
        const bool done = step == l->last_step;
        if (agreed(l, cmd_stopped() != 0) && !done) {
            *status = CMD_SIGNALLED + (cmd_stopped() ? cmd_stopped() : 15);
            break;
        }
        if (agreed(l, vlp_now() > until) && !done) {
            *status = CMD_LIMIT;
            break;
        }
        if (is_save_due(l) && !done) VLP_TRY(save(l, err));
    }
    if (*status == CMD_OK && l->last_step < l->total) *status = CMD_LIMIT;
    return save(l, err);
}

static enum vlp_status finish(struct loop *l, struct vlp_error *err)
{
    static const enum vlp_dtype dtype[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_Q8_0};
    const struct vlp_convert    how = {
           .layout = VLP_LAYOUT_VLP, .dtype = dtype[o->dtype], .force = true};
    if (!l->leader) return VLP_OK;
    json_t *training =
        json_pack("{s:I, s:I, s:s, s:I}", "steps", (json_int_t)vlp_trainer_steps(l->trainer),
                  "batch", (json_int_t)o->batch, "loss", l->r->options.loss->name, "pictures",
                  (json_int_t)vlp_dataset_size(l->r->data));
    enum vlp_status s = vlp_trainer_export(l->trainer, in_dir(l, "model.safetensors"), o->ema > 0,
                                           l->r->vocab, l->r->vocab_len, training, &how, err);
    json_decref(training);
    if (s == VLP_OK && o->plot)
        s = vlp_plot_metrics(in_dir(l, "metrics.jsonl"), o->plot, o->force, err);
    if (s == VLP_OK) cmd_note("%s: the finished model", in_dir(l, "model.safetensors"));
    return s;
}

/* ---- the folder -------------------------------------------------------------------- */

/* Is this what a killed process left of a file that it was writing? ("NAME.tmp-XXXXXX") */
static bool is_torn(const char *name)
{
    static const char *const ours[] = {"step-", "best.train.", "model.safetensors.",
                                       "metrics.jsonl."};
    const char              *mark = strstr(name, ".tmp-");
    if (!mark || strlen(mark) != strlen(".tmp-XXXXXX")) return false;
    for (size_t i = 0; i < VLP_COUNT(ours); i++)
        if (strncmp(name, ours[i], strlen(ours[i])) == 0) return true;
    return false;
}

static enum vlp_status remove_torn(struct loop *l, struct vlp_error *err)
{
    DIR *dir = opendir(o->output);
    int  why = dir ? 0 : errno;
    for (const struct dirent *d; dir && (d = vlp_next_entry(dir, &why));)
        if (is_torn(d->d_name)) unlink(in_dir(l, d->d_name));
    if (dir) closedir(dir);
    return listed(why, err);
}

/* Make it, and keep others out of it. A file system without locks lets everybody in. */
static enum vlp_status enter_folder(struct loop *l, struct vlp_error *err)
{
    if (mkdir(o->output, 0777) != 0 && errno != EEXIST)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", o->output, strerror(errno));
    l->lock = open(o->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->lock < 0) return vlp_fail(err, VLP_ERR_IO, "%s: %s", o->output, strerror(errno));
    if (flock(l->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return vlp_fail(err, VLP_ERR_IO, "%s: another vlp-train is at work in it", o->output);
    return remove_torn(l, err);
}

static enum vlp_status open_loop(struct loop *l, struct vlp_error *err)
{
    struct train_run *r = l->r;
    if (l->leader) VLP_TRY(enter_folder(l, err));
    vlp_comm_barrier(&r->comm);
    VLP_TRY(vlp_trainer_open(&l->trainer, &r->encoder.model, &r->encoder.compute, &r->comm,
                             &r->options, err));
    VLP_TRY(resume(l, err));
    VLP_TRY(open_metrics(l, err));
    l->total = r->options.schedule.total;
    if (vlp_trainer_steps(l->trainer) > l->total)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s: is at step %lld already, past the %lld of these options", o->output,
                        (long long)vlp_trainer_steps(l->trainer), (long long)l->total);
    l->last_step = o->max_steps > 0 && o->max_steps < l->total ? o->max_steps : l->total;
    const struct vlp_loader_options how = train_loader_options(r, vlp_trainer_steps(l->trainer));
    return vlp_loader_open(&l->loader, &how, err);
}

int train_loop(struct train_run *r)
{
    struct vlp_error err;
    struct loop      l = {
             .r = r, .best = -INFINITY, .lock = -1, .leader = r->comm.rank == 0, .culprit = -1};
    int status = CMD_FAILED;
    cmd_stop_politely();
    enum vlp_status s = open_loop(&l, &err);
    if (s == VLP_OK) {
        if (l.leader) {
            const int64_t n = vlp_dataset_size(r->data), words = vlp_dataset_captions(r->data);
            cmd_note("%lld picture%s, %lld caption%s; %lld step%s of %lld in %lld epoch%s",
                     (long long)n, cmd_plural(n), (long long)words, cmd_plural(words),
                     (long long)l.total, cmd_plural(l.total), (long long)o->batch,
                     (long long)o->epochs, cmd_plural(o->epochs));
            cmd_progress_start("steps", l.last_step);
            cmd_progress_add(vlp_trainer_steps(l.trainer), 0);
        }
        l.started = l.saved = vlp_now();
        s = steps(&l, &status, &err);
        cmd_progress_end();
    }
    if (s == VLP_OK && vlp_trainer_steps(l.trainer) == l.total) s = finish(&l, &err);
    if (s == VLP_OK && status != CMD_OK && l.leader)
        cmd_note("stopped after step %lld of %lld; the same command goes on",
                 (long long)vlp_trainer_steps(l.trainer), (long long)l.total);
    const bool held_out = r->eval && vlp_dataset_bad(train_eval_data(r->eval)); /* and left out */
    if (s == VLP_OK && status == CMD_OK &&
        (vlp_dataset_bad(r->data) || held_out || vlp_loader_bad(l.loader) || l.skipped))
        status = CMD_SKIPPED;
    if (s == VLP_OK) cmd_note_damaged(vlp_loader_damaged(l.loader));
    const bool silent = l.culprit >= 0 && !is_culprit(&l);
    if (s != VLP_OK) status = silent ? cmd_exit_of(s) : cmd_fail(&err);
    /* failed together: nobody ends the others before the reason is said and the steps are saved */
    if (l.culprit >= 0) vlp_comm_barrier(&r->comm);
    if (l.diverged) status = CMD_FAILED; /* no file is damaged */
    if (l.metrics && fclose(l.metrics) != 0 && status == CMD_OK) {
        cmd_error("%s/metrics.jsonl: %s", o->output, strerror(errno));
        status = CMD_FAILED;
    }
    vlp_loader_close(l.loader);
    vlp_trainer_close(l.trainer);
    vlp_buf_free(&l.path);
    if (l.lock >= 0) close(l.lock);
    return status;
}
