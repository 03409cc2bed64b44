/*
 * embed_job.c -- what vlp-embed does with each record: leave out what is there, write what comes.
 */
#include <inttypes.h>
#include <string.h>

#include "embed_job.h"

/*
 * A block is closed every so many records, so that little is lost when the machine dies: few where
 * a record is much work. Not by the clock: the same job writes the same bytes.
 */
static int records_a_block(const struct vlp_encoder *e)
{
    return (int)vlp_max_i64(16, vlp_min_i64(256, 4 * vlp_embed_batch(e)));
}

bool embed_out_of_time(const struct embed_job *j)
{
    return j->o->max_time > 0 && vlp_now() - j->start >= j->o->max_time;
}

void embed_say_nothing(const struct embed_options *o, int64_t unwanted)
{
    const char *const choice[] = {"", "--only image", "--only text"};
    if (unwanted == 0)
        cmd_error("no records in the input");
    else
        cmd_error("%s leaves nothing of the input's %" PRId64 " record%s",
                  o->layer == 1 ? "--layer penultimate" : choice[o->only], unwanted,
                  cmd_plural(unwanted));
}

/* Out of time, but never before something was added to the file: however short the time, slow the
 * start and many the records that cannot be used, the same command, run often enough, ends. */
static bool should_stop(void *ctx)
{
    struct embed_job *j = ctx;
    return cmd_stopped() || (atomic_load(&j->moved) && embed_out_of_time(j));
}

static void reading(void *ctx, bool begins)
{
    (void)ctx;
    cmd_reading(begins);
}

/* "mtime:size" of the picture's file; "" when nobody knows. */
static size_t stamp_of(const struct vlp_item *it, char out[64])
{
    out[0] = '\0';
    if (it->mtime < 0 || it->size < 0) return 0;
    return (size_t)snprintf(out, 64, "%" PRId64 ":%" PRId64, it->mtime, it->size);
}

/* What is left of the stamp beside a label, among the flags of a record; 0 when nobody knows. */
static uint32_t stamp_flags(const char *stamp, size_t len)
{
    const uint32_t bits = (uint32_t)(vlp_hash64(stamp, len) >> (32 + VLP_RECORD_STAMP_SHIFT));
    return len == 0 ? 0 : (bits ? bits : 1) << VLP_RECORD_STAMP_SHIFT;
}

/* What is written of the picture but its vector; `stamp` is used by the result. */
static struct vlp_record image_record(const struct vlp_item *it, char stamp[64])
{
    const size_t      len = stamp_of(it, stamp);
    struct vlp_record r = {.id = it->id, .id_len = it->id_len};
    if (it->label) {
        r.flags = VLP_RECORD_LABEL | stamp_flags(stamp, len);
        r.meta = it->label;
        r.meta_len = strlen(it->label);
    } else if (len > 0) {
        r.meta = stamp;
        r.meta_len = len;
    }
    return r;
}

static bool same_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* A label that cannot be read at present is taken for that of the file. */
static bool label_is_same(const struct embed_entry *e, const struct vlp_item *it)
{
    return it->label_unread ||
           same_bytes(it->label, strlen(it->label), e->image_meta, e->image_meta_len);
}

static bool picture_is_same(const struct embed_entry *e, const struct vlp_item *it)
{
    char         stamp[64];
    const size_t len = stamp_of(it, stamp);
    if (e->images == 0) return false;
    if (it->label || (it->label_unread && (e->image_flags & VLP_RECORD_LABEL)))
        return label_is_same(e, it) &&
               (len == 0 || stamp_flags(stamp, len) >> VLP_RECORD_STAMP_SHIFT ==
                                e->image_flags >> VLP_RECORD_STAMP_SHIFT);
    return len == 0 || same_bytes(stamp, len, e->image_meta, e->image_meta_len);
}

static bool text_is_same(const struct embed_entry *e, const struct vlp_item *it)
{
    return e->texts > 0 && same_bytes(it->text, it->text_len, e->text_meta, e->text_meta_len);
}

/* Does the file have a wanted part of the record in another state than the input? */
static bool has_changed(const struct embed_entry *e, const struct vlp_item *it, int parts)
{
    return ((parts & VLP_WANT_IMAGE) && e->images > 0 && !picture_is_same(e, it)) ||
           ((parts & VLP_WANT_TEXT) && e->texts > 0 && !text_is_same(e, it));
}

/* Has the file a picture or a text of the record that the input has no more, of what is asked for?
 * A caption that cannot be read at present is not gone. */
static bool part_is_gone(const struct embed_job *j, const struct embed_entry *e,
                         const struct vlp_item *it, int parts)
{
    if (j->o->add) return false;
    return (j->o->only != EMBED_TEXT && e->images > 0 && !(parts & VLP_WANT_IMAGE)) ||
           (j->o->only != EMBED_IMAGE && e->texts > 0 && !(parts & VLP_WANT_TEXT) &&
            !it->text_unread);
}

/* Has the file several captions of a picture whose captions cannot be read at present? They stay,
 * with the picture beside each. */
static bool has_captions(struct embed_job *j, const struct vlp_item *it)
{
    struct vlp_buf first = {0};
    if (!it->text_unread) return false;
    vlp_buf_add(&first, it->id, it->id_len);
    vlp_buf_add_str(&first, "#0");
    const struct embed_entry *e = embed_state_find(&j->state, first.data, first.len);
    vlp_buf_free(&first);
    return e && e->images + e->texts > 0;
}

/* A record of a file that is being updated: 0 when the file has it as it is. What replaces a record
 * comes after a deletion, which forgets all records of its id, so these are written again or none.
 */
static int want_update(struct embed_job *j, const struct vlp_item *it, int parts)
{
    if (has_captions(j, it)) {
        j->kept |= parts != 0;
        return 0;
    }
    struct embed_entry *e = embed_state_add(&j->state, it->id, it->id_len);
    if (e->seen) return VLP_WANT_NEWS;
    const bool gone = part_is_gone(j, e, it, parts);
    if (gone && !parts) return 0; /* nothing is left of it: forget_gone */
    e->seen = true;
    const bool image = parts & VLP_WANT_IMAGE, text = parts & VLP_WANT_TEXT;
    const bool partial = (e->images > 0 && !image) || (e->texts > 0 && !text);
    const bool doubled = (e->images > 1 || e->texts > 1) && !e->differ && !partial;
    const int  absent =
        parts & ((e->images > 0 ? 0 : VLP_WANT_IMAGE) | (e->texts > 0 ? 0 : VLP_WANT_TEXT));
    if (!has_changed(e, it, parts) && !doubled && !gone && (!absent || !partial || j->o->add)) {
        j->kept |= absent != parts;
        return absent;
    }
    if (e->differ)
        e->refused = "the output has several records of its id, which differ: which is it?";
    else if (partial && j->o->add)
        e->refused = "the output has a picture and a text of its id: --add replaces both or none";
    e->stale = !e->refused;
    return e->refused ? VLP_WANT_NEWS : parts;
}

/* Do records of one id have one picture, whenever its file was touched? It is certain where the id
 * is `all` of its path, and not the end. */
static bool id_names_picture(const struct vlp_item *it, bool *all)
{
    *all = !it->path && vlp_member_of_id(it->id);
    if (!it->path) return *all;
    const size_t len = vlp_stem_of_id(it->id, it->id_len), path_len = strlen(it->path);
    *all = len == path_len;
    return len <= path_len && memcmp(it->path + path_len - len, it->id, len) == 0;
}

/* The parts of a row, of which the file may have some; `unseen`: it has not been tried. */
static struct embed_row row_of(const struct vlp_item *it, int parts, bool unseen)
{
    char                    stamp[64];
    const struct vlp_record image = image_record(it, stamp);
    return (struct embed_row){
        .image = parts & VLP_WANT_IMAGE ? embed_made_image(image.flags, image.meta, image.meta_len)
                                        : EMBED_NONE,
        .text = parts & VLP_WANT_TEXT ? embed_made_text(it->text, it->text_len) : EMBED_NONE,
        .path = it->path,
        .unseen = unseen};
}

/* Which parts of the record are to be tried? Where the file lacks some, what it has may be of
 * another row, if this one's picture cannot be used. Nor is it known, while a picture of the id is
 * tried, which of the file's are taken. */
static int want_rest(struct embed_job *j, const struct vlp_item *it, int parts)
{
    struct embed_entry *e = embed_state_find(&j->state, it->id, it->id_len);
    if (!e || !e->made) return parts;
    struct embed_row row = row_of(it, parts, true);
    bool             all;
    row.loosely = id_names_picture(it, &all) || (j->changed && !e->trying);
    if (embed_made_has(&j->state, e, &row, all))
        parts &= ~embed_made_take(&j->state, e, &row, NULL);
    if (parts) e->trying++;
    return parts;
}

static int want(void *ctx, const struct vlp_item *it)
{
    struct embed_job *j = ctx;
    int parts = (it->path || it->bytes) && j->o->only != EMBED_TEXT ? VLP_WANT_IMAGE : 0;
    if (it->text && j->o->only != EMBED_IMAGE) parts |= VLP_WANT_TEXT;
    pthread_mutex_lock(&j->lock);
    j->unwanted += !parts;
    if (embed_merges(j->o))
        parts = want_update(j, it, parts);
    else if (j->resuming)
        parts = want_rest(j, it, parts);
    if (!parts && j->expected > 0) cmd_progress_total(--j->expected);
    pthread_mutex_unlock(&j->lock);
    return parts;
}

enum vlp_status embed_forget(struct embed_job *j, const char *id, size_t len, struct vlp_error *err)
{
    const struct vlp_record r = {.id = id, .id_len = len, .flags = VLP_RECORD_DELETED};
    j->deleted++;
    return vlp_embedding_write(j->writer, &r, err);
}

/* A record of the file that is about to be replaced goes first. */
static enum vlp_status forget_stale(struct embed_job *j, const struct vlp_item *it,
                                    struct vlp_error *err)
{
    pthread_mutex_lock(&j->lock);
    struct embed_entry *e = embed_state_find(&j->state, it->id, it->id_len);
    const bool          stale = e && e->stale;
    if (stale) {
        e->stale = e->spoilt = false;
        e->images = e->texts = 0;
    }
    pthread_mutex_unlock(&j->lock);
    return stale ? embed_forget(j, it->id, it->id_len, err) : VLP_OK;
}

static enum vlp_status put_image(struct embed_job *j, const struct vlp_embedded *r,
                                 struct vlp_error *err)
{
    char              stamp[64];
    struct vlp_record out = image_record(r->item, stamp);
    out.vector = r->image;
    j->images++;
    return vlp_embedding_write(j->writer, &out, err);
}

static enum vlp_status put_text(struct embed_job *j, const struct vlp_embedded *r,
                                struct vlp_error *err)
{
    const struct vlp_item  *it = r->item;
    const struct vlp_record out = {.id = it->id,
                                   .id_len = it->id_len,
                                   .flags = VLP_RECORD_TEXT | (r->cut ? VLP_RECORD_TRUNCATED : 0u),
                                   .meta = it->text,
                                   .meta_len = it->text_len,
                                   .vector = r->text};
    j->texts++;
    j->cut += r->cut;
    return vlp_embedding_write(j->writer, &out, err);
}

/* What the file has of a bad record goes as well, unless it may be the disk that is bad; but not
 * before it is known that others are good. */
static void judge_old(struct embed_job *j, const struct vlp_item *it, enum vlp_status why)
{
    const bool goes = why != VLP_ERR_IO && !j->o->add;
    cmd_list_add(&j->unread, vlp_arena_strndup(&j->mem, it->id, it->id_len));
    pthread_mutex_lock(&j->lock);
    struct embed_entry *e = embed_state_find(&j->state, it->id, it->id_len);
    if (e && goes) e->spoilt = e->stale;
    if (e && !goes) e->unreadable = true;
    pthread_mutex_unlock(&j->lock);
}

static enum vlp_status skip(struct embed_job *j, const struct vlp_item *it, enum vlp_status why,
                            const char *reason, struct vlp_error *err)
{
    cmd_failures_add(&j->bad, it->id, it->id_len, why, reason);
    if (it->lost_input && j->lost == VLP_OK) j->lost = why;
    cmd_progress_add(0, 1);
    if (j->bad.stop_at_first)
        return vlp_fail(err, why, "stopped at the first record that cannot be used");
    return VLP_OK;
}

static enum vlp_status take_bad(struct embed_job *j, const struct vlp_embedded *r,
                                struct vlp_error *err)
{
    if (embed_merges(j->o)) judge_old(j, r->item, r->status);
    return skip(j, r->item, r->status, r->reason, err);
}

/* A record that could be embedded, but was not wanted: what the file has of its id stays. */
static enum vlp_status take_news(struct embed_job *j, const struct vlp_item *it,
                                 struct vlp_error *err)
{
    pthread_mutex_lock(&j->lock);
    const char *refused = embed_state_find(&j->state, it->id, it->id_len)->refused;
    pthread_mutex_unlock(&j->lock);
    if (refused) return skip(j, it, VLP_ERR_MISMATCH, refused, err);
    char why[128];
    snprintf(why, sizeof why, "its id occurs twice in the input: %s needs ids that differ",
             embed_merge_name(j->o));
    return skip(j, it, VLP_ERR_FORMAT, why, err);
}

/* Is a caption in the file, under --add, where the input's is of no use? Then it stays, and so does
 * the picture beside it. */
static bool keeps_caption(struct embed_job *j, const struct vlp_item *it)
{
    if (!j->o->add) return false;
    pthread_mutex_lock(&j->lock);
    const struct embed_entry *e = embed_state_find(&j->state, it->id, it->id_len);
    const bool                keeps = e && e->stale && e->texts > 0;
    pthread_mutex_unlock(&j->lock);
    return keeps;
}

/* Was the picture of a row that was left out a good one? If not, the row is named now, and what it
 * took is there again. */
static enum vlp_status look_again(struct embed_job *j, struct embed_entry *e, struct embed_made *m,
                                  struct vlp_error *err)
{
    const struct vlp_item of_id = {.id = e->id, .id_len = e->id_len};
    struct vlp_arena      mem;
    struct vlp_image      picture;
    struct vlp_error      why;
    vlp_arena_init(&mem);
    const enum vlp_status s = vlp_image_read(&picture, &mem, m->path, &why);
    vlp_arena_free(&mem);
    if (s == VLP_ERR_SHORTAGE) {
        *err = why;
        return s;
    }
    embed_made_sure(&j->state, e, m, s == VLP_OK);
    if (s == VLP_OK) return VLP_OK;
    if (j->expected > 0) cmd_progress_total(++j->expected);
    return skip(j, &of_id, s, why.text, err);
}

/* What of a good record is not in the file yet? It was tried because the file's picture of its id
 * has another stamp: that may have been made for a later record, if this one had been bad. It was
 * not: so pictures have changed since, and their stamps tell nothing from here on. */
static enum vlp_status find_news(struct embed_job *j, struct vlp_embedded *r, struct vlp_error *err)
{
    if (embed_merges(j->o) || !j->resuming) return VLP_OK;
    struct embed_entry *e = embed_state_find(&j->state, r->item->id, r->item->id_len);
    if (!e || !e->made) return VLP_OK;
    struct embed_row row =
        row_of(r->item, (r->image ? VLP_WANT_IMAGE : 0) | (r->text ? VLP_WANT_TEXT : 0), false);
    bool moved = false;
    row.loosely = true;
    enum vlp_status    s = VLP_OK;
    struct embed_made *m;
    pthread_mutex_lock(&j->lock);
    while (s == VLP_OK && (m = embed_made_doubt(&j->state, e, &row)) != NULL)
        s = look_again(j, e, m, err);
    const int found = embed_made_take(&j->state, e, &row, &moved);
    if (moved) j->changed = true;
    pthread_mutex_unlock(&j->lock);
    if (found & VLP_WANT_IMAGE) r->image = NULL;
    if (found & VLP_WANT_TEXT) r->text = NULL;
    return s;
}

/* What was wanted of the rest of a file has been tried. */
static void end_trying(struct embed_job *j, const struct vlp_item *it)
{
    if (embed_merges(j->o) || !j->resuming || it->status != VLP_OK) return;
    pthread_mutex_lock(&j->lock);
    struct embed_entry *e = embed_state_find(&j->state, it->id, it->id_len);
    if (e && e->made) e->trying--;
    pthread_mutex_unlock(&j->lock);
}

static enum vlp_status take(void *ctx, const struct vlp_embedded *result, struct vlp_error *err)
{
    struct embed_job      *j = ctx;
    struct vlp_embedded    copy = *result, *r = &copy;
    const struct vlp_item *it = r->item;
    const bool             good = r->status == VLP_OK && (r->image || r->text);
    if (good) VLP_TRY(find_news(j, r, err));
    const bool held = good && !r->image && !r->text;
    end_trying(j, it);
    if (good && !held) atomic_store(&j->moved, true);
    if (r->status != VLP_OK) return take_bad(j, r, err);
    if (!good) return take_news(j, it, err);
    if (held) {
        if (r->text_status != VLP_OK) return skip(j, it, r->text_status, r->text_reason, err);
        cmd_progress_add(1, 0);
        return VLP_OK;
    }
    const bool alone = r->text_status != VLP_OK;
    if (alone && keeps_caption(j, it)) return skip(j, it, r->text_status, r->text_reason, err);
    if (embed_merges(j->o)) VLP_TRY(forget_stale(j, it, err));
    cmd_warn_of_damage(&j->bad, it->id, it->id_len, r->warning);
    if (r->image) VLP_TRY(put_image(j, r, err));
    if (r->text) VLP_TRY(put_text(j, r, err));
    if (alone)
        VLP_TRY(skip(j, it, r->text_status, r->text_reason, err));
    else
        cmd_progress_add(1, 0);
    if (strcmp(j->o->format, "vle") == 0 && ++j->since_flush >= j->block) {
        VLP_TRY(vlp_embedding_flush(j->writer, err));
        j->since_flush = 0;
    }
    return VLP_OK;
}

enum vlp_status embed_run(struct embed_job *j, struct vlp_source *source,
                          const struct vlp_source_options *from, const char *const *templates,
                          struct vlp_error *err)
{
    if (j->o->update && cmd_source.limit == 0) VLP_TRY(embed_check_folders(j, from, err));
    j->expected = vlp_source_expected(source);
    j->block = records_a_block(&j->e);
    const struct vlp_embed_options how = {
        .expected = j->expected,
        .batch = (int)j->o->batch,
        .features = {.normalize = j->o->normalize, .penultimate = j->o->layer == 1},
        .templates = templates,
        .refuse_long = j->o->truncate == 1,
        .images = j->o->only != EMBED_TEXT,
        .texts = j->o->only != EMBED_IMAGE,
        .want = want,
        .take = take,
        .stop = should_stop,
        .reading = reading,
        .ctx = j,
    };
    cmd_progress_start("records", j->expected);
    enum vlp_status s = vlp_embed_run(&j->e, source, &how, err);
    cmd_progress_end();
    j->passed = vlp_source_has_passed(source);
    if (s == VLP_OK && j->o->update) s = embed_forget_gone(j, err);
    return s;
}
