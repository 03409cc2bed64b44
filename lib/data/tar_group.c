/*
 * tar_group.c -- neighbouring members of a tar shard with one stem belong together.
 *
 * A picture and its .txt, .caption or .json neighbours make a pair, .cls its label; .json counts
 * where the others say nothing. Captions without a picture are texts. Folders, what is hidden and
 * members of other endings are passed over; a picture that the patterns leave out takes what
 * belongs to it along. A link cannot be read, for its bytes are elsewhere, and is named.
 */
#include <string.h>
#include <strings.h>

#include <vlp/image.h>

#include "tar_internal.h"

void tar_group_empty(struct tar_group *g)
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
bool tar_name_is_hidden(const char *name)
{
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        const size_t dots = strspn(at, ".");
        if (dots > 2 || (dots > 0 && at[dots] && at[dots] != '/')) return true;
    }
    return false;
}

static enum tar_part part_of(const struct input *in, const char *name)
{
    const char *ext = vlp_path_ext(name);
    if (strcasecmp(ext, "cls") == 0) return LABEL;
    if (strcasecmp(ext, "json") == 0) return METADATA;
    if (captions_ending(ext)) return WORDS;
    return name_is_wanted(in->opt, name) ? PICTURE : UNWANTED_PICTURE;
}

bool tar_member_counts(const struct input *in, const struct tar_member *m)
{
    if (m->folder || tar_name_is_hidden(m->name)) return false;
    const enum tar_part part = part_of(in, m->name);
    if (part == UNWANTED_PICTURE) return vlp_name_is_picture(m->name);
    return part == PICTURE || !name_is_excluded(in->opt, m->name);
}

bool tar_group_has(const struct tar_group *g, const struct input *in, const char *name)
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
static bool asked_for(const struct input *in, const struct tar_group *g)
{
    if (!in->member) return true;
    const size_t n = g->name.len, len = strlen(in->member);
    return (len == n || vlp_stem_of_id(in->member, len) == n) &&
           memcmp(in->member, g->name.data, n) == 0;
}

/* Whoever asks for a group by its name gets it; else the patterns decide. */
bool tar_group_is_wanted(const struct tar_group *g, const struct input *in)
{
    if (in->member) return asked_for(in, g);
    return g->named_by == PICTURE ||
           (g->named_by != UNWANTED_PICTURE && name_is_included(in->opt, g->name.data));
}

/* May it become one that was asked for, whatever members follow? */
static bool may_be_asked_for(const struct input *in, const struct tar_group *g)
{
    return !in->member || strncmp(in->member, g->stem.data, g->stem.len) == 0;
}

/* The text of the member `name`, a label or captions. */
static void add_words(const struct input *in, struct tar_group *g, const char *name,
                      enum tar_part part, bool too_long)
{
    const char          *text = g->text.data;
    const size_t         len = g->text.len;
    const enum vlp_fault how = in->opt->text_fault;
    const bool           json = part == METADATA;
    if (part == LABEL) {
        const size_t bom = vlp_bom_length(text, len);
        if (too_long)
            g->large_label = true;
        else
            vlp_buf_add(&g->label, text + bom, trimmed(text + bom, len - bom));
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

static enum vlp_status add_picture(const struct input *in, struct tar_group *g,
                                   struct tar_reader *r, const struct tar_member *m,
                                   struct vlp_error *err)
{
    bool too_long = false;
    g->mtime = m->mtime;
    g->status = VLP_OK;
    if (!m->regular) {
        g->status = VLP_ERR_SUPPORT;
        g->reason = not_plain;
        return VLP_OK;
    }
    g->offset = in->opt->locate ? m->offset : -1;
    if (g->offset < 0 && tar_group_is_wanted(g, in))
        VLP_TRY(tar_read(r, &g->bytes, VLP_IMAGE_MAX_BYTES, &too_long, err));
    g->size = g->offset < 0 ? (int64_t)g->bytes.len : m->size;
    if (too_long || g->size > VLP_IMAGE_MAX_BYTES) {
        g->status = VLP_ERR_LIMIT;
        g->reason = "is larger than 256 MiB";
    }
    return VLP_OK;
}

/* A label or captions whose bytes are not in this member. */
static void add_link(const struct input *in, struct tar_group *g, const char *name,
                     enum tar_part part)
{
    if (part == LABEL)
        g->label_unread = true;
    else
        captions_fault(part == METADATA ? &g->json : &g->captions, in->opt->text_fault, VLP_ERR_IO,
                       "%s: %s", name, not_plain);
}

enum vlp_status tar_group_add(struct tar_group *g, const struct input *in, struct tar_reader *r,
                              const struct tar_member *m, struct vlp_error *err)
{
    const enum tar_part part = part_of(in, m->name);
    bool                too_long = false;
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
    if (part >= UNWANTED_PICTURE) return names ? add_picture(in, g, r, m, err) : VLP_OK;
    if (!m->regular) {
        add_link(in, g, m->name, part);
    } else if (may_be_asked_for(in, g)) {
        VLP_TRY(tar_read(r, &g->text, CAPTION_FILE_LIMIT, &too_long, err));
        add_words(in, g, m->name, part, too_long);
    }
    return VLP_OK;
}

/* Metadata say once more what a .txt neighbour says, whichever of the two stands first. */
void tar_group_finish(struct tar_group *g, const struct input *in)
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

int tar_group_records(const struct tar_group *g)
{
    return captions_records(&g->captions);
}

void tar_group_give(struct tar_group *g, const struct input *in, struct vlp_item *out)
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

void tar_group_free(struct tar_group *g)
{
    tar_group_empty(g);
    vlp_buf_free(&g->stem);
    vlp_buf_free(&g->name);
    vlp_buf_free(&g->bytes);
    vlp_buf_free(&g->label);
    vlp_buf_free(&g->text);
}
