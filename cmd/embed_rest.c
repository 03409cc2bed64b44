/*
 * embed_rest.c -- which records of the input a file that is continued has already.
 *
 * Ids may repeat, and what could not be used left nothing: so it is not enough to count the records
 * of an id. What a record of the input left stands together, a picture and behind it its text, and
 * tells what it was made from.
 */
#include <string.h>

#include "embed_state.h"

/* Of a stamp the size alone: a file that was touched is the same. Beside a label there is but a hash
 * of both, among the flags. */
uint64_t embed_made_image(uint32_t flags, const char *meta, size_t len)
{
    if (!meta) return 0;
    const char *colon = flags & VLP_RECORD_LABEL ? NULL : memchr(meta, ':', len);
    const char *from = colon ? colon : meta;
    return vlp_hash64(from, (size_t)(meta + len - from)) ^ flags;
}

uint64_t embed_made_text(const char *text, size_t len)
{
    return vlp_hash64(text ? text : "", text ? len : 0);
}

void embed_made_add(struct embed_state *s, struct embed_entry *e, int part, uint64_t from)
{
    if (!s->continued) return;
    struct embed_made *m = s->open;
    const bool         image = part == VLP_WANT_IMAGE;
    if (!e->made) e->made_end = &e->made;
    const bool joins = m && !image && e->made && e->made_end == &m->next;
    if (!joins) {
        m = VLP_NEW(&s->mem, struct embed_made);
        *e->made_end = m;
        e->made_end = &m->next;
    }
    m->parts |= part;
    *(image ? &m->image : &m->text) = from;
    s->open = image ? m : NULL;
}

static bool is_one_image(const struct embed_made *a, const struct embed_made *b)
{
    return !a->image || !b->image || a->image == b->image;
}

/* Is the text of `row` in `m`, and the picture beside it not another one? */
static bool has_text(const struct embed_made *m, const struct embed_made *row, bool loosely)
{
    if (!(m->parts & VLP_WANT_TEXT) || m->text != row->text) return false;
    return loosely || !(m->parts & row->parts & VLP_WANT_IMAGE) || is_one_image(m, row);
}

/* Its picture; `alone`: that stands without a text. */
static bool has_image(const struct embed_made *m, const struct embed_made *row, bool alone,
                      bool loosely)
{
    return (m->parts & VLP_WANT_IMAGE) && (!alone || !(m->parts & VLP_WANT_TEXT)) &&
           (loosely || is_one_image(m, row));
}

/* Use up what `*at` has of `row`. */
static int take(struct embed_made **at, int parts)
{
    struct embed_made *m = *at;
    const int          found = m->parts & parts;
    m->parts &= ~found;
    if (!m->parts) *at = m->next;
    return found;
}

static int take_text(struct embed_entry *e, const struct embed_made *row, bool loosely)
{
    for (struct embed_made **at = &e->made; *at; at = &(*at)->next)
        if (has_text(*at, row, loosely)) return take(at, row->parts);
    return 0;
}

static int take_image(struct embed_entry *e, const struct embed_made *row, bool alone, bool loosely)
{
    for (struct embed_made **at = &e->made; *at; at = &(*at)->next)
        if (has_image(*at, row, alone, loosely)) return take(at, VLP_WANT_IMAGE);
    return 0;
}

int embed_made_take(struct embed_entry *e, const struct embed_made *row, bool loosely)
{
    const bool image = row->parts & VLP_WANT_IMAGE, text = row->parts & VLP_WANT_TEXT;
    int        found = 0;
    for (int way = 0; way <= (int)loosely; way++) {
        if (text && !(found & VLP_WANT_TEXT)) found |= take_text(e, row, way);
        if (image && !(found & VLP_WANT_IMAGE)) found |= take_image(e, row, true, way);
    }
    /* a picture whose text cannot be read any more */
    for (int way = 0; way <= (int)loosely; way++)
        if (image && !text && !found) found |= take_image(e, row, false, way);
    return found;
}
