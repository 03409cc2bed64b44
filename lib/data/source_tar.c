/*
 * source_tar.c -- records from a tar shard: neighbouring members with one stem belong together.
 *
 * A picture and its .txt, .caption or .json neighbours make a pair, .cls its label; .json counts
 * where the others say nothing. Captions without a picture are texts. Folders, what is hidden and
 * members of other endings are passed over; a picture that the patterns leave out takes what
 * belongs to it along. A link cannot be read, for its bytes are elsewhere, and is named.
 *
 * A group is known to be whole when another member follows, or tar's mark for the end. The one that
 * a damaged shard leaves open is not given: what it lost would pass for what it never had.
 *
 * When a single member is asked for, the bytes of others are passed over; and where it is told what
 * other members are asked for after it (--files-from), the shard is walked through once.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vlp/image.h>

#include "tar_internal.h"

/* What a member is; a group is called as the last in this order that it has. */
enum part { LABEL, METADATA, WORDS, UNWANTED_PICTURE, PICTURE };

/* The members of one stem. */
struct group {
    bool            open;
    struct vlp_buf  stem, name;
    int64_t         header; /* of its first member */
    enum part       named_by;
    struct vlp_buf  bytes;
    int64_t         size, offset; /* offset -1: they are in `bytes`, else in the shard */
    int64_t         mtime;
    enum vlp_status status; /* of the picture */
    const char     *reason;
    struct captions captions, json; /* of .txt and .caption; of .json, until all have been met */
    struct vlp_buf  label;
    bool            large_label; /* too large to be one */
    bool            label_unread, only_label_unread;
    int             at; /* records given */
};

struct tar {
    struct tar_reader reader;
    struct group      group;
    struct tar_member member; /* met, not yet in a group */
    struct vlp_buf    text;
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

static void empty_group(struct group *g)
{
    captions_free(&g->captions);
    captions_free(&g->json);
    vlp_buf_clear(&g->stem);
    vlp_buf_clear(&g->name);
    vlp_buf_clear(&g->bytes);
    vlp_buf_clear(&g->label);
    g->open = g->large_label = g->label_unread = g->only_label_unread = false;
    g->named_by = LABEL;
    g->status = VLP_OK;
    g->at = 0;
}

static size_t stem_length(const char *name)
{
    const char *ext = vlp_path_ext(name);
    return strlen(name) - strlen(ext) - (*ext != '\0');
}

/* As in a folder: the name, or that of a folder in it, begins with a dot. */
static bool is_hidden(const char *name)
{
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        const size_t dots = strspn(at, ".");
        if (dots > 2 || (dots > 0 && at[dots] && at[dots] != '/')) return true;
    }
    return false;
}

static enum part part_of(const struct input *in, const char *name)
{
    const char *ext = vlp_path_ext(name);
    if (strcasecmp(ext, "cls") == 0) return LABEL;
    if (strcasecmp(ext, "json") == 0) return METADATA;
    if (captions_ending(ext)) return WORDS;
    return name_is_wanted(in->opt, name) ? PICTURE : UNWANTED_PICTURE;
}

static bool is_ours(const struct input *in, const struct tar_member *m)
{
    if (m->folder || is_hidden(m->name)) return false;
    const enum part part = part_of(in, m->name);
    if (part == UNWANTED_PICTURE) return vlp_name_is_picture(m->name);
    return part == PICTURE || !name_is_excluded(in->opt, m->name);
}

static bool belongs(const struct input *in, const struct group *g, const char *name)
{
    const size_t len = stem_length(name);
    return len == g->stem.len && memcmp(g->stem.data, name, len) == 0 &&
           !(g->named_by == PICTURE && part_of(in, name) == PICTURE);
}

static size_t trimmed(const char *text, size_t len)
{
    while (len && strchr(" \t\r\n", text[len - 1])) len--;
    return len;
}

/* Is this group one that the caller asked for? */
static bool asked_for(const struct input *in, const struct group *g)
{
    if (!in->member) return true;
    const size_t n = g->name.len, len = strlen(in->member);
    return (len == n || vlp_stem_of_id(in->member, len) == n) &&
           memcmp(in->member, g->name.data, n) == 0;
}

/* Whoever asks for a group by its name gets it; else the patterns decide. */
static bool is_chosen(const struct input *in, const struct group *g)
{
    if (in->member) return asked_for(in, g);
    return g->named_by == PICTURE ||
           (g->named_by != UNWANTED_PICTURE && name_is_included(in->opt, g->name.data));
}

/* May it become one that was asked for, whatever members follow? */
static bool may_be_asked_for(const struct input *in, const struct group *g)
{
    return !in->member || strncmp(in->member, g->stem.data, g->stem.len) == 0;
}

/* The text of the member `name`, a label or captions. */
static void add_words(const struct input *in, struct group *g, const char *name, enum part part,
                      bool too_long)
{
    const struct tar    *t = in->state;
    const char          *text = t->text.data;
    const size_t         len = t->text.len;
    const enum vlp_fault how = in->opt->text_fault;
    const bool           json = part == METADATA;
    if (part == LABEL) {
        if (too_long)
            g->large_label = true;
        else
            vlp_buf_add(&g->label, text, trimmed(text, len));
    } else if (too_long) {
        captions_fault(json ? &g->json : &g->captions, how, VLP_ERR_LIMIT,
                       "%s: is larger than 4 MiB", name);
    } else if (json) {
        captions_add_json(&g->json, how, text, len, name);
    } else {
        captions_add_lines(&g->captions, text, len);
    }
}

static const char not_plain[] =
    "is no plain file inside the tar file, but a link, a pipe or a device";

static void add_picture(const struct input *in, struct group *g)
{
    struct tar              *t = in->state;
    const struct tar_member *m = &t->member;
    bool                     too_long = false;
    g->mtime = m->mtime;
    g->status = VLP_OK;
    if (!m->regular) {
        g->status = VLP_ERR_SUPPORT;
        g->reason = not_plain;
        return;
    }
    g->offset = in->opt->locate ? m->offset : -1;
    if (g->offset < 0 && is_chosen(in, g))
        t->status = tar_read(&t->reader, &g->bytes, VLP_IMAGE_MAX_BYTES, &too_long, &t->error);
    g->size = g->offset < 0 ? (int64_t)g->bytes.len : m->size;
    if (too_long || g->size > VLP_IMAGE_MAX_BYTES) {
        g->status = VLP_ERR_LIMIT;
        g->reason = "is larger than 256 MiB";
    }
}

/* A label or captions whose bytes are not in this member. */
static void add_link(const struct input *in, struct group *g, const char *name, enum part part)
{
    if (part == LABEL)
        g->label_unread = true;
    else
        captions_fault(part == METADATA ? &g->json : &g->captions, in->opt->text_fault, VLP_ERR_IO,
                       "%s: %s", name, not_plain);
}

/* Put the member in hand into the group. What damages the shard is kept for after the group. */
static void add_member(const struct input *in, struct group *g)
{
    struct tar              *t = in->state;
    const struct tar_member *m = &t->member;
    const enum part          part = part_of(in, m->name);
    bool                     too_long = false;
    if (!g->open) {
        vlp_buf_add(&g->stem, m->name, stem_length(m->name));
        g->header = m->header;
    }
    const bool names = !g->open || part > g->named_by;
    if (names) {
        vlp_buf_clear(&g->name);
        vlp_buf_add_str(&g->name, m->name);
        g->named_by = part;
    }
    g->open = true;
    if (part >= UNWANTED_PICTURE) {
        if (names) add_picture(in, g);
    } else if (!m->regular) {
        add_link(in, g, m->name, part);
    } else if (may_be_asked_for(in, g)) {
        t->status = tar_read(&t->reader, &t->text, CAPTION_FILE_LIMIT, &too_long, &t->error);
        if (t->status == VLP_OK) add_words(in, g, m->name, part, too_long);
    }
}

/* Metadata say once more what a .txt neighbour says, whichever of the two stands first. */
static void choose_captions(const struct input *in, struct group *g)
{
    if (!g->captions.n && !g->captions.fault) {
        captions_free(&g->captions);
        g->captions = g->json;
        g->json = (struct captions){0};
    }
    g->only_label_unread = g->label_unread && !g->captions.fault;
    if (g->label_unread)
        captions_fault(&g->captions, in->opt->label_fault, VLP_ERR_IO, "%s: its label %s",
                       g->name.data, not_plain);
    if (g->large_label)
        captions_fault(&g->captions, in->opt->label_fault, VLP_ERR_LIMIT,
                       "%s: its label is larger than 4 MiB", g->name.data);
    if (g->label.len && memchr(g->label.data, '\0', g->label.len)) {
        captions_fault(&g->captions, in->opt->label_fault, VLP_ERR_FORMAT,
                       "%s: its label holds a NUL byte", g->name.data);
        vlp_buf_clear(&g->label);
    }
}

/* The group is complete: it was followed by the member in hand, or by nothing. */
static void note_place(const struct input *in, const struct group *g)
{
    struct tar *t = in->state;
    if (!in->member || t->whole || g->header < t->seen) return;
    tar_places_put(&t->places, g->name.data, g->name.len, g->header);
    if (t->ended) return;
    t->seen = t->member.header;
    t->n = t->reader.n - 1;
}

/* Nobody knows what else belonged to the group that was open when the shard ended. */
static void hold_back(struct tar *t, struct group *g)
{
    vlp_buf_clear(&t->held);
    vlp_buf_printf(&t->held, "'%s' is left out, for more of it may have followed", g->name.data);
    empty_group(g);
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
    struct tar   *t = in->state;
    struct group *g = &t->group;
    empty_group(g);
    while (t->status == VLP_OK && !t->ended) {
        if (!t->pending) {
            bool more;
            t->status = tar_next(&t->reader, &t->member, &more, &t->error);
            t->ended = t->status == VLP_OK && !more;
            if (t->status != VLP_OK || t->ended || !is_ours(in, &t->member)) continue;
        }
        t->pending = g->open && !belongs(in, g, t->member.name);
        if (t->pending) note_place(in, g);
        if (t->pending && is_chosen(in, g)) return;
        if (t->pending) empty_group(g);
        t->pending = false;
        add_member(in, g);
    }
    const bool marked = t->reader.end_mark;
    if (t->ended && g->open && marked) note_place(in, g);
    if (g->open && !is_chosen(in, g)) empty_group(g);
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
    empty_group(&t->group);
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
    choose_captions(in, &t->group);
}

/* ---- records ----------------------------------------------------------------------- */

static void give(const struct input *in, struct group *g, struct vlp_item *out)
{
    item_begin_at(out, "%s!%s", in->path, g->name.data);
    if (g->label.len) out->label = vlp_arena_strndup(&out->mem, g->label.data, g->label.len);
    if (g->status != VLP_OK) {
        item_fail(out, g->status, "%s", g->reason);
    } else if (g->named_by >= UNWANTED_PICTURE) {
        if (g->offset < 0) {
            out->bytes = (uint8_t *)vlp_arena_strndup(&out->mem, g->bytes.data, g->bytes.len);
            out->bytes_len = g->bytes.len;
        } else {
            out->shard = vlp_arena_strdup(&out->mem, in->path);
            out->offset = g->offset;
        }
        out->size = g->size;
        out->mtime = g->mtime;
    }
    captions_give(&g->captions, g->at++, out);
    out->label_unread = g->label_unread && out->status == VLP_OK;
    if (g->only_label_unread) out->text_unread = false;
    record_check(out);
}

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
                  is_hidden(in->member) ? " that is not hidden" : "");
    }
    return t->unmarked.len || in->member;
}

static enum vlp_status source_next(struct input *in, struct vlp_item *out, bool *more,
                                   struct vlp_error *err)
{
    struct tar *t = in->state;
    *more = true;
    if (!t->group.open || t->group.at == captions_records(&t->group.captions)) {
        if ((in->member && t->found) || (t->ended && !t->pending))
            empty_group(&t->group);
        else
            next_group(in);
    }
    if (t->group.open) {
        t->found = true;
        give(in, &t->group, out);
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
    empty_group(&t->group);
    vlp_buf_free(&t->group.stem);
    vlp_buf_free(&t->group.name);
    vlp_buf_free(&t->group.bytes);
    vlp_buf_free(&t->group.label);
    vlp_buf_free(&t->text);
    vlp_buf_free(&t->held);
    vlp_buf_free(&t->unmarked);
    free(t);
}

const struct source_kind source_tar = {"tar", source_open, source_next, source_close};
