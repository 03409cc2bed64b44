/*
 * embed_rest.c -- which records of the input a file that is continued has already.
 *
 * Ids may repeat, and what could not be used left nothing: so it is not enough to count the records
 * of an id. What a record of the input left stands together, a picture and behind it its text, and
 * tells what it was made from.
 *
 * The few records of an ordinary id are a list. One id of many has an index, for its rows may come
 * in another order than its records.
 */
#include <stdlib.h>
#include <string.h>

#include "embed_state.h"

enum { LIST_MAX = 16 }; /* records of an id; more than an ordinary one has, few to walk over */

/* A hash that is none of the values with a meaning. */
static uint64_t told(uint64_t hash)
{
    return hash > EMBED_SOME ? hash : ~hash;
}

/* Beside a label there is but a hash of the stamp, among the flags. */
uint64_t embed_made_image(uint32_t flags, const char *meta, size_t len)
{
    return meta ? told(vlp_hash64(meta, len) ^ flags) : EMBED_UNKNOWN;
}

uint64_t embed_made_text(const char *text, size_t len)
{
    return told(vlp_hash64(text ? text : "", text ? len : 0));
}

void embed_made_add(struct embed_state *s, struct embed_entry *e, int part, uint64_t from)
{
    if (!s->continued) return;
    struct embed_made *m = s->open;
    const bool         image = part == VLP_WANT_IMAGE;
    if (!e->made) {
        e->made_end = &e->made;
        e->n_made = 0;
    }
    const bool joins = m && !image && e->made && e->made_end == &m->next;
    if (!joins) {
        m = VLP_NEW(&s->mem, struct embed_made);
        *e->made_end = m;
        e->made_end = &m->next;
        e->n_made++;
    }
    *(image ? &m->image : &m->text) = from;
    s->open = image ? m : NULL;
}

/* What is looked for: a record with these. EMBED_ANY for whatever text, and whatever picture or
 * none; EMBED_SOME for whatever picture. */
struct sought {
    uint64_t text, image;
};

static bool fits(const struct embed_made *m, struct sought w)
{
    const bool image = w.image == EMBED_ANY    ? true
                       : w.image == EMBED_SOME ? m->image != EMBED_NONE
                                               : m->image == w.image;
    return image && (w.text == EMBED_ANY || m->text == w.text);
}

/* Chains in the order of the file, a record in each by which it can be found. Where a part of it
 * was used up since, it does not fit any more, and is dropped when somebody comes by; the other
 * part goes to the head. */
struct place {
    struct place      *next;
    struct sought      as;
    struct embed_made *made;
};
struct embed_index {
    uint64_t      mask;
    struct place *chain[];
};

static struct place **chain_of(struct embed_index *x, struct sought w)
{
    return &x->chain[vlp_hash64(&w, sizeof w) & x->mask];
}

static void index_add(struct embed_state *s, struct embed_index *x, struct embed_made *m)
{
    const struct sought as[] = {{m->text, EMBED_ANY},
                                {m->text, m->image},
                                {m->text, EMBED_SOME},
                                {EMBED_ANY, m->image},
                                {EMBED_ANY, EMBED_SOME}};
    const size_t        n = m->image == EMBED_NONE ? 2 : VLP_COUNT(as);
    for (size_t i = 0; i < n; i++) {
        struct place **at = chain_of(x, as[i]), *p = VLP_NEW(&s->mem, struct place);
        *p = (struct place){*at, as[i], m};
        *at = p;
    }
}

/* The last record first, for each goes to the head of its chains. */
static void index_build(struct embed_state *s, struct embed_entry *e)
{
    struct embed_made **all = vlp_malloc((size_t)e->n_made * sizeof *all);
    size_t              n = 0, n_chains = 1;
    for (struct embed_made *m = e->made; m; m = m->next) all[n++] = m;
    while (n_chains < 4 * n) n_chains *= 2;
    e->index = vlp_arena_calloc(&s->mem, 1, sizeof *e->index + n_chains * sizeof *e->index->chain);
    e->index->mask = n_chains - 1;
    while (n > 0) index_add(s, e->index, all[--n]);
    free(all);
}

static struct embed_made *index_find(struct embed_index *x, struct sought w)
{
    for (struct place **at = chain_of(x, w), *p; (p = *at) != NULL;) {
        const bool same = p->as.text == w.text && p->as.image == w.image;
        if (same && fits(p->made, w)) return p->made;
        if (same)
            *at = p->next;
        else
            at = &p->next;
    }
    return NULL;
}

/* The first record of the id that fits. */
static struct embed_made *find(struct embed_state *s, struct embed_entry *e, uint64_t text,
                               uint64_t image)
{
    const struct sought w = {text, image};
    if (e->n_made > LIST_MAX && !e->index) index_build(s, e);
    if (e->index) return index_find(e->index, w);
    for (struct embed_made *m = e->made; m; m = m->next)
        if (fits(m, w)) return m;
    return NULL;
}

/* The same, with a picture that may be the row's. */
static struct embed_made *find_image(struct embed_state *s, struct embed_entry *e, uint64_t text,
                                     uint64_t image)
{
    if (image == EMBED_UNKNOWN) return find(s, e, text, EMBED_SOME);
    struct embed_made *m = find(s, e, text, image);
    return m ? m : find(s, e, text, EMBED_UNKNOWN);
}

/* Use up what `m` has of the parts. */
static int take(struct embed_state *s, struct embed_entry *e, struct embed_made *m, int parts)
{
    if (!m) return 0;
    const int found = parts & ((m->image ? VLP_WANT_IMAGE : 0) | (m->text ? VLP_WANT_TEXT : 0));
    if (found & VLP_WANT_IMAGE) m->image = EMBED_NONE;
    if (found & VLP_WANT_TEXT) m->text = EMBED_NONE;
    if (e->index && (m->image || m->text)) index_add(s, e->index, m);
    return found;
}

/* The text of `row`, and the picture beside it where that is not another one. A text alone is that
 * of a row with a picture where this stands alone too, for nothing is left of one whose picture
 * cannot be used; or `surely`, when it has been used. */
static int take_text(struct embed_state *s, struct embed_entry *e, const struct embed_made *row,
                     bool loosely, bool surely)
{
    const uint64_t image = loosely ? EMBED_UNKNOWN : row->image;
    if (!row->image) return take(s, e, find(s, e, row->text, EMBED_ANY), VLP_WANT_TEXT);
    struct embed_made *m = find_image(s, e, row->text, image);
    if (!m && (surely || find_image(s, e, EMBED_NONE, image)))
        m = find(s, e, row->text, EMBED_NONE);
    return take(s, e, m, VLP_WANT_TEXT | VLP_WANT_IMAGE);
}

/* Its picture, beside `text`. */
static int take_image(struct embed_state *s, struct embed_entry *e, const struct embed_made *row,
                      uint64_t text, bool loosely)
{
    const uint64_t image = loosely ? EMBED_UNKNOWN : row->image;
    return take(s, e, find_image(s, e, text, image), VLP_WANT_IMAGE);
}

int embed_made_take(struct embed_state *s, struct embed_entry *e, const struct embed_made *row,
                    bool loosely, bool used)
{
    int found = 0;
    for (int way = 0; way <= (int)loosely; way++) {
        const bool last = way == (int)loosely;
        if (row->text && !(found & VLP_WANT_TEXT)) found |= take_text(s, e, row, way, used && last);
        if (row->image && !(found & VLP_WANT_IMAGE))
            found |= take_image(s, e, row, EMBED_NONE, way);
    }
    /* a picture whose text cannot be read any more */
    for (int way = 0; way <= (int)loosely; way++)
        if (row->image && !row->text && !found) found |= take_image(s, e, row, EMBED_ANY, way);
    return found;
}
