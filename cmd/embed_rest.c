/*
 * embed_rest.c -- which records of the input a file that is continued has already.
 *
 * Ids may repeat, and what could not be used left nothing: so it is not enough to count the records
 * of an id. They tell what they were made from: a row is left out, without a look at it, when the
 * file has all of it. Any other is tried, and what came of it written, unless the file has that. So
 * each picture and each text that the input has is there as often as it would have been, whoever's
 * it was taken for.
 *
 * That holds as long as a picture is known by its stamp. Two files of one id may have the same:
 * when that turns out, a row that was left out is looked at after all. What cannot be known is
 * whether a good picture whose stamp the file does not have is new or was touched since, where the
 * file has others of its id and no text tells: it is taken for one that was touched.
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
    return hash > EMBED_UNSEEN ? hash : ~hash;
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
 * none; EMBED_SOME for whatever picture; as the text, EMBED_HAD for one of which the picture was
 * taken, EMBED_UNSEEN where that was for a row that was not looked at, as the picture for one that
 * took this text. */
struct sought {
    uint64_t text, image;
};

static bool fits(const struct embed_made *m, struct sought w)
{
    if (w.text == EMBED_HAD) return m->had == w.image;
    if (w.text == EMBED_UNSEEN) return m->path && m->had == w.image;
    if (w.image == EMBED_UNSEEN) return m->path && m->with == w.text;
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
    const struct sought as[] = {{m->text, EMBED_ANY},    {m->text, m->image},
                                {m->text, EMBED_SOME},   {EMBED_ANY, m->image},
                                {EMBED_ANY, EMBED_SOME}, {EMBED_HAD, m->had},
                                {EMBED_UNSEEN, m->had},  {m->with, EMBED_UNSEEN}};
    for (size_t i = 0; i < VLP_COUNT(as); i++) {
        const bool of_image = as[i].image != EMBED_NONE && as[i].image != EMBED_ANY;
        if (!fits(m, as[i]) || (as[i].text <= EMBED_UNSEEN && !of_image)) continue;
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

/* Has the file, or had it before it was taken, a picture with this stamp? */
static bool had(struct embed_state *s, struct embed_entry *e, uint64_t image)
{
    return find_image(s, e, EMBED_ANY, image) || find(s, e, EMBED_HAD, image);
}

/* A row with another picture's file took one of this stamp unseen. */
static struct embed_made *rival(struct embed_state *s, struct embed_entry *e,
                                const struct embed_row *row)
{
    struct embed_made *m = row->image ? find(s, e, EMBED_UNSEEN, row->image) : NULL;
    return m && (!row->path || strcmp(m->path, row->path) != 0) ? m : NULL;
}

struct embed_made *embed_made_doubt(struct embed_state *s, struct embed_entry *e,
                                    const struct embed_row *row)
{
    struct embed_made *m = rival(s, e, row);
    if (m || !row->text || find(s, e, row->text, EMBED_ANY)) return m;
    return find(s, e, row->text, EMBED_UNSEEN);
}

/* The picture of the row, with its text, with none, with whichever. */
static struct embed_made *find_picture(struct embed_state *s, struct embed_entry *e,
                                       const struct embed_row *row, bool *moved)
{
    struct embed_made *m = NULL;
    const bool         anew = row->loosely && !had(s, e, row->image);
    *moved = false;
    if (row->text) m = find_image(s, e, row->text, row->image);
    if (!m) m = find_image(s, e, EMBED_NONE, row->image);
    if (!m) m = find_image(s, e, EMBED_ANY, row->image);
    if (m || !anew) return m;
    *moved = true;
    if (row->text) m = find(s, e, row->text, EMBED_SOME);
    if (!m) m = find(s, e, EMBED_NONE, EMBED_SOME);
    /* a picture whose text cannot be read any more */
    return m || row->text ? m : find(s, e, EMBED_ANY, EMBED_SOME);
}

/* Its text, beside that picture if it is there. */
static struct embed_made *find_text(struct embed_state *s, struct embed_entry *e, uint64_t text,
                                    struct embed_made *beside)
{
    if (beside && beside->text == text) return beside;
    struct embed_made *m = find(s, e, text, EMBED_NONE);
    return m ? m : find(s, e, text, EMBED_ANY);
}

bool embed_made_has(struct embed_state *s, struct embed_entry *e, const struct embed_row *row,
                    bool enough)
{
    bool moved;
    if (!row->image) return find(s, e, row->text, EMBED_ANY);
    const struct embed_made *m = find_picture(s, e, row, &moved);
    return m && (enough || !row->text || m->text == row->text) && !rival(s, e, row);
}

/* To be found as what it is now. */
static void changed(struct embed_state *s, struct embed_entry *e, struct embed_made *m)
{
    if (e->index) index_add(s, e->index, m);
}

/* The path of a picture that has not been looked at, unless the id tells. */
static const char *path_of(struct embed_state *s, const struct embed_entry *e,
                           const struct embed_row *row)
{
    if (!row->unseen || !row->path) return NULL;
    const size_t len = vlp_stem_of_id(e->id, e->id_len);
    if (strncmp(row->path, e->id, len) != 0 || row->path[len])
        return vlp_arena_strdup(&s->mem, row->path);
    return len == e->id_len ? e->id : NULL;
}

int embed_made_take(struct embed_state *s, struct embed_entry *e, const struct embed_row *row,
                    bool *moved)
{
    bool               other = false;
    struct embed_made *image = row->image ? find_picture(s, e, row, &other) : NULL, *text = NULL;
    if (moved) *moved = image && other;
    if (row->text && (image || !row->image || !row->unseen))
        text = find_text(s, e, row->text, image);
    if (image) {
        image->had = image->image;
        image->image = EMBED_NONE;
        image->with = text ? row->text : EMBED_NONE;
        image->path = path_of(s, e, row);
    }
    if (text) text->text = EMBED_NONE;
    if (image) changed(s, e, image);
    if (text && text != image) changed(s, e, text);
    return (image ? VLP_WANT_IMAGE : 0) | (text ? VLP_WANT_TEXT : 0);
}

void embed_made_sure(struct embed_state *s, struct embed_entry *e, struct embed_made *m, bool good)
{
    m->path = NULL;
    if (good) return;
    m->image = m->had;
    if (m->with && m->text) { /* its own has not been taken: that was another's */
        struct embed_made *alone = VLP_NEW(&s->mem, struct embed_made);
        alone->text = m->with;
        *e->made_end = alone;
        e->made_end = &alone->next;
        e->n_made++;
        changed(s, e, alone);
    } else if (m->with) {
        m->text = m->with;
    }
    changed(s, e, m);
}
