/*
 * text_internal.h -- inside the text room: text as code points, cleaning steps, rows of the
 * tokenizer table.
 */
#ifndef VLP_TEXT_INTERNAL_H
#define VLP_TEXT_INTERNAL_H

#include <vlp/text.h>

/* ---- code points ---- */

/* A growing run of code points on the heap. Zero-initialise to start. */
struct vlp_runes {
    int32_t *at;
    size_t   n, cap;
};
void vlp_runes_free(struct vlp_runes *r);
void vlp_runes_reserve(struct vlp_runes *r, size_t more);
void vlp_runes_add(struct vlp_runes *r, int32_t c);
void vlp_runes_add_all(struct vlp_runes *r, const int32_t *at, size_t n);
void vlp_runes_add_utf8(struct vlp_runes *r, const char *s, size_t len);
void vlp_runes_swap(struct vlp_runes *a, struct vlp_runes *b);
/* VLP_ERR_FORMAT with the offset of the first byte that is not UTF-8. */
enum vlp_status vlp_runes_decode(struct vlp_runes *r, const char *s, size_t len,
                                 struct vlp_error *err);
void            vlp_runes_encode(struct vlp_buf *b, const int32_t *at, size_t n);
/* Every run of white space becomes one space; `trim` drops it at both ends. */
void vlp_runes_collapse(struct vlp_runes *r, bool trim);

/* ---- classes ---- */

/* The row of a sorted table that holds c, or `count`. Rows of `stride` bytes begin with the first
 * and the last code point, both int32_t. */
size_t vlp_range_of(const void *table, size_t count, size_t stride, int32_t c);
#define VLP_RANGE_OF(table, c) vlp_range_of(table, VLP_COUNT(table), sizeof *(table), c)

bool vlp_is_space(int32_t c);    /* White_Space: what \s is to regex engines */
bool vlp_is_py_space(int32_t c); /* str.isspace of Python: also U+001C .. U+001F */
/* 'L' letter, 'N' number, 'S' white space, 0 anything else. `only_16`: no letter younger than
 * Unicode 16. */
char vlp_class_of(int32_t c, bool only_16);
char vlp_younger_class(int32_t c, bool only_16);
bool vlp_is_digit(int32_t c); /* category Nd */
bool vlp_bert_is_punctuation(int32_t c);

/* ---- case and normal forms ---- */

void vlp_lower_python(struct vlp_runes *r); /* str.lower: special casing and the final sigma */
void vlp_lower_each(struct vlp_runes *r);   /* character by character, no context */
/*
 * Normal forms as a reference of that age has them, whatever libutf8proc knows: what came later has
 * no order among the marks, and is neither taken apart nor put together.
 */
enum vlp_unicode {
    VLP_UNICODE_9, /* the fast tokenizers of Hugging Face */
    VLP_UNICODE_14 /* Python 3.11 */
};
void vlp_nfd(struct vlp_runes *r, enum vlp_unicode u);
void vlp_nfc(struct vlp_runes *r, enum vlp_unicode u);
bool vlp_younger_mark(int32_t c, enum vlp_unicode u); /* such a one that came later */

/* ---- cleaning ---- */

struct vlp_entity {
    const char *name, *text;
};
extern const struct vlp_entity vlp_html_entities[], vlp_html_capitals[];
extern const size_t            vlp_html_entities_count, vlp_html_capitals_count;

void vlp_html_unescape(struct vlp_runes *r); /* html.unescape of Python */
/* Only references that end in a semicolon, also names in capitals; true when something changed. */
bool vlp_html_unescape_strict(struct vlp_runes *r, bool rescan);
/* What a numeric reference stands for; -1: nothing. */
int32_t vlp_html_number(uint32_t number);

void vlp_fix_text(struct vlp_runes *r);

void vlp_repair_openai(struct vlp_runes *r); /* all of OpenAI's cleaning but the lower case */
void vlp_clean_openai(struct vlp_runes *r);
void vlp_clean_hf(struct vlp_runes *r);
void vlp_clean_bert(struct vlp_runes *r);

/* ---- pieces ---- */

/* Piece texts of a vocabulary and the way back from a text to its id. */
struct vlp_pieces {
    struct vlp_buf text;  /* all pieces, each with its NUL */
    uint32_t      *start; /* offset of each piece in text */
    int            n, cap;
    int32_t       *slot; /* hash table of ids, -1 empty */
    uint32_t       mask;
};
void        vlp_pieces_free(struct vlp_pieces *p);
void        vlp_pieces_add(struct vlp_pieces *p, const char *s, size_t len);
bool        vlp_pieces_index(struct vlp_pieces *p, int *repeated); /* false: a text occurs twice */
const char *vlp_pieces_text(const struct vlp_pieces *p, int id);
int32_t     vlp_pieces_find(const struct vlp_pieces *p, const char *s, size_t len);
/* The same with the FNV-1a hash of the text at hand. */
int32_t vlp_pieces_find_hashed(const struct vlp_pieces *p, uint32_t hash, const char *head,
                               size_t head_len, const char *s, size_t len);

/* Ids being collected: those that fit are kept, all are counted. */
struct vlp_ids {
    int32_t *at;
    size_t   cap, count, limit;
};
void vlp_ids_add(struct vlp_ids *ids, int32_t id);

/* ---- the tokenizer table ---- */

struct vlp_tokenizer {
    const struct vlp_tokenizer_kind *kind;
    enum vlp_cleaning                cleaning;
    int                              context, vocab_size;
    int32_t                          start, end;
    struct vlp_pieces                pieces;
    void                            *own; /* what the kind keeps besides */
};

struct vlp_tokenizer_kind {
    const char *name;
    /* `vocab` is plain text here; fills start, end, pieces, own. */
    enum vlp_status (*open)(struct vlp_tokenizer *t, const char *vocab, size_t len,
                            struct vlp_error *err);
    void (*close)(struct vlp_tokenizer *t);
    /* Clean, split and look up `text`, which is consumed. */
    void (*encode)(const struct vlp_tokenizer *t, struct vlp_runes *text, struct vlp_ids *ids);
    bool (*continues)(const char *piece); /* the piece belongs to the word before it */
};
extern const struct vlp_tokenizer_kind vlp_clip_bpe, vlp_bert_uncased, vlp_bert_clipa;

/* The next line of a vocabulary, without its line end; false when there is none. */
bool vlp_vocab_line(const char **at, const char *end, const char **line, size_t *len);
/* `vocab` inflated when it is gzip, else a copy. */
enum vlp_status vlp_vocab_inflate(struct vlp_buf *out, const void *vocab, size_t len,
                                  struct vlp_error *err);

#endif
