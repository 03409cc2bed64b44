/*
 * source_tar.c -- records from a tar shard, a group of neighbouring members after the other.
 *
 * A group is known to be whole when another member follows, or tar's mark for the end. The one that
 * a damaged shard leaves open is not given: what it lost would pass for what it never had.
 *
 * When a single member is asked for, the bytes of others are passed over; and where it is told what
 * other members are asked for after it (--files-from), the shard is walked through once.
 */
#include <stdlib.h>
#include <string.h>

#include "tar_internal.h"

struct tar {
    struct tar_reader reader;
    struct tar_group  group;
    struct tar_member member; /* met, not yet in a group */
    bool              pending, ended, told, found;
    enum vlp_status   status; /* what ends the shard, after the group in hand */
    struct vlp_error  error;
    struct vlp_buf    held; /* what was not given at its end, a sentence; or empty */

    /* where single members are asked for */
    struct tar_places places;        /* of the groups before `seen`, or (whole) of all */
    int64_t           seen, n;       /* where a group begins; the members before it */
    bool              whole, jumped; /* jumped: to one of the places */
    struct vlp_buf    unmarked;      /* whole, and without tar's mark for the end: a sentence */
};

static enum vlp_status source_open(struct input *in, struct vlp_error *err)
{
    if (in->counting) return vlp_fail(err, VLP_ERR_SUPPORT, "%s: is not counted", in->path);
    struct tar *t = vlp_calloc(1, sizeof *t);
    in->state = t;
    return tar_open(&t->reader, in, err);
}

/* ---- groups ------------------------------------------------------------------------ */

/* The group is complete: it was followed by the member in hand, or by nothing. */
static void note_place(const struct input *in, const struct tar_group *g)
{
    struct tar *t = in->state;
    if (!in->member || t->whole || g->header < t->seen) return;
    tar_places_put(&t->places, g->name.data, g->name.len, g->header);
    if (t->ended) return;
    t->seen = t->member.header;
    t->n = t->reader.n - 1;
}

/* Nobody knows what else belonged to the group that was open when the shard ended. */
static void hold_back(struct tar *t, struct tar_group *g)
{
    vlp_buf_clear(&t->held);
    vlp_buf_printf(&t->held, "'%s' is left out, for more of it may have followed", g->name.data);
    tar_group_empty(g);
}

static void note_missing_mark(const struct input *in)
{
    struct tar *t = in->state;
    vlp_buf_printf(&t->unmarked, "%s: ends after member '%s' without tar's end mark: cut off?%s%s",
                   in->path, t->reader.n ? t->reader.name.data : "", t->held.len ? " " : "",
                   t->held.len ? t->held.data : "");
}

static void collect_group(struct input *in)
{
    struct tar       *t = in->state;
    struct tar_group *g = &t->group;
    tar_group_empty(g);
    while (t->status == VLP_OK && !t->ended) {
        if (!t->pending) {
            bool more;
            t->status = tar_next(&t->reader, &t->member, &more, &t->error);
            t->ended = t->status == VLP_OK && !more;
            if (t->status != VLP_OK || t->ended || !tar_member_counts(in, &t->member)) continue;
        }
        t->pending = g->open && !tar_group_has(g, in, t->member.name);
        if (t->pending) note_place(in, g);
        if (t->pending && tar_group_is_wanted(g, in)) return;
        if (t->pending) tar_group_empty(g);
        t->pending = false;
        t->status = tar_group_add(g, in, &t->reader, &t->member, &t->error);
    }
    const bool marked = t->reader.end_mark;
    if (t->ended && g->open && marked) note_place(in, g);
    if (g->open && !tar_group_is_wanted(g, in)) tar_group_empty(g);
    if (g->open && !marked) hold_back(t, g);
    if (t->ended && !t->whole && !marked) note_missing_mark(in);
    t->whole |= t->ended;
}

/* Go on at a place with the groups that follow it. */
static void restart(struct tar *t, int64_t at, int64_t n)
{
    t->pending = t->ended = false;
    t->status = tar_restart(&t->reader, at, &t->error);
    t->reader.n = n;
}

void tar_turn(struct input *in)
{
    struct tar   *t = in->state;
    const size_t  len = strlen(in->member), stem = vlp_stem_of_id(in->member, len);
    int64_t       at = tar_places_get(&t->places, in->member, len);
    const int64_t other = stem < len ? tar_places_get(&t->places, in->member, stem) : -1;
    const bool    packed = tar_is_packed(&t->reader);
    if (at < 0 || (other >= 0 && other < at)) at = other;
    tar_group_empty(&t->group);
    t->told = t->found = false;
    t->jumped = at >= 0;
    if (t->jumped)
        restart(t, packed ? 0 : at, 0);
    else if (t->whole)
        t->ended = true, t->pending = false;
    else if (!packed && !(t->pending && t->member.header >= t->seen))
        restart(t, t->seen, t->n);
}

/* Fill the group with the next members of one stem; not open: there are none. */
static void next_group(struct input *in)
{
    struct tar *t = in->state;
    collect_group(in);
    if (t->jumped && !t->group.open) { /* another name with the same hash, or a changed file */
        t->jumped = false;
        restart(t, 0, 0);
        collect_group(in);
    }
    tar_group_finish(&t->group, in);
}

/* ---- records ----------------------------------------------------------------------- */

/* Something to say at the end of the shard that is no reason to stop. */
static bool last_word(struct input *in, struct vlp_item *out)
{
    struct tar *t = in->state;
    if (t->told || (in->member && t->found)) return false;
    t->told = true;
    if (t->unmarked.len) {
        item_begin(out, in->path, strlen(in->path));
        item_fail(out, VLP_ERR_FORMAT, "%s", t->unmarked.data);
        out->lost_input = true; /* one that never had the mark looks the same as half a shard */
    } else if (in->member) {
        item_begin_at(out, "%s!%s", in->path, in->member);
        item_fail(out, VLP_ERR_IO, "%s: has no member '%s'%s", in->path, in->member,
                  tar_name_is_hidden(in->member) ? " that is not hidden" : "");
    }
    return t->unmarked.len || in->member;
}

static enum vlp_status source_next(struct input *in, struct vlp_item *out, bool *more,
                                   struct vlp_error *err)
{
    struct tar *t = in->state;
    *more = true;
    if (!t->group.open || t->group.at == tar_group_records(&t->group)) {
        if ((in->member && t->found) || (t->ended && !t->pending))
            tar_group_empty(&t->group);
        else
            next_group(in);
    }
    if (t->group.open) {
        t->found = true;
        tar_group_give(&t->group, in, out);
        return VLP_OK;
    }
    if (t->status != VLP_OK)
        return vlp_fail(err, t->status, "%s%s%s", t->error.text, t->held.len ? "; " : "",
                        t->held.len ? t->held.data : "");
    *more = last_word(in, out);
    return VLP_OK;
}

static void source_close(struct input *in)
{
    struct tar *t = in->state;
    if (!t) return;
    tar_close(&t->reader);
    tar_places_free(&t->places);
    tar_group_free(&t->group);
    vlp_buf_free(&t->held);
    vlp_buf_free(&t->unmarked);
    free(t);
}

const struct source_kind source_tar = {"tar", source_open, source_next, source_close};
