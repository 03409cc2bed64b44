/*
 * checkpoint_internal.h -- how the files of this room see each other.
 *
 *   container   safetensors, PyTorch zip, PyTorch legacy: bytes -> a list of named tensors
 *   source      a file or a folder: which container, which shards -> one list
 *   layout      whose names these are; name map -> canonical tensors
 *   document    configuration files or the tensors' shapes -> `about`
 *   writers     the way back
 */
#ifndef VLP_CHECKPOINT_INTERNAL_H
#define VLP_CHECKPOINT_INTERNAL_H

#include <vlp/checkpoint.h>

/* ---- tensors --------------------------------------------------------------------------------- */

struct vlp_stored_list {
    struct vlp_stored *item;
    size_t             n, cap;
};
void vlp_stored_list_free(struct vlp_stored_list *l);
/* A copy of `t` at the end; its name and data are not copied. */
struct vlp_stored *vlp_stored_list_add(struct vlp_stored_list *l, const struct vlp_stored *t);
void               vlp_stored_sort(struct vlp_stored *item, size_t n); /* by name */
/* In a sorted array. */
struct vlp_stored *vlp_stored_find(const struct vlp_stored *item, size_t n, const char *name);
/* Elements, or SIZE_MAX when the product overflows or a dimension is negative. */
size_t vlp_stored_numel(const struct vlp_stored *t);
bool   vlp_stored_shape_is(const struct vlp_stored *t, int ndim, const int64_t *dim);
/* "[49408, 512]", "[]". */
const char *vlp_shape_text(char out[128], int ndim, const int64_t *dim);
/* What the address of an element is a multiple of: 8 for F64 and I64, 2 for Q8_0. */
size_t vlp_dtype_align(enum vlp_dtype t);
/* Can weights have this type? */
bool vlp_dtype_is_real(enum vlp_dtype t);
/* The value of a scalar, whatever its type. */
double vlp_stored_scalar(const struct vlp_stored *t);
/* VLP_ERR_SUPPORT with what it is, when it is odd. */
enum vlp_status vlp_stored_not_odd(const struct vlp_stored *t, const char *file,
                                   struct vlp_error *err);
/* Add ", name" to a sentence; after six names "..." once. *n counts them. */
void vlp_name_list_add(struct vlp_buf *b, size_t *n, const char *name);

/* ---- containers ------------------------------------------------------------------------------ */

struct vlp_bytes {
    const uint8_t *data;
    size_t         size;
    const char    *name; /* for sentences */
    bool           mapped;
};

/* Appends the tensors of a safetensors file; *metadata is a new reference (an object). `list` may
 * have grown on failure. */
enum vlp_status vlp_safetensors_parse(struct vlp_stored_list *list, json_t **metadata,
                                      struct vlp_arena *mem, const struct vlp_bytes *file,
                                      struct vlp_error *err);
/* One file of a zip archive, where it lies. */
struct vlp_zip_entry {
    const char    *name;
    const uint8_t *data;         /* as stored */
    size_t         packed, size; /* bytes in the archive, bytes once unpacked */
    uint32_t       crc;
    uint16_t       method; /* 0 stored, 8 deflated */
};
struct vlp_zip {
    struct vlp_zip_entry *entry; /* by name */
    size_t                n;
    size_t                inflated, inflate_limit; /* bytes so far and at most */
    const char           *name;
};
/* Entries' names are taken from `mem`; nothing to close. */
enum vlp_status vlp_zip_open(struct vlp_zip *z, struct vlp_arena *mem, const struct vlp_bytes *file,
                             struct vlp_error *err);
struct vlp_zip_entry *vlp_zip_find(const struct vlp_zip *z, const char *name);
/* Make `e` a stored entry: as it is, or unpacked into `mem`. Then e->data has e->size bytes. */
enum vlp_status vlp_zip_read(struct vlp_zip *z, struct vlp_arena *mem, struct vlp_zip_entry *e,
                             struct vlp_error *err);
/* What the entry's `crc` should be. A stored entry is not held against it by vlp_zip_read: that
 * would read every weight of a file that is mapped in to be read where it is needed. */
uint32_t vlp_zip_crc(const uint8_t *data, size_t size);

/* What torch.save or torch.jit.save wrote, in either container. */
enum vlp_torch_kind { VLP_TORCH_STATE_DICT, VLP_TORCH_SCRIPT };
bool            vlp_torch_is_zip(const struct vlp_bytes *file);
bool            vlp_torch_is_legacy(const struct vlp_bytes *file);
enum vlp_status vlp_torch_zip_parse(struct vlp_stored_list *list, enum vlp_torch_kind *kind,
                                    struct vlp_arena *mem, const struct vlp_bytes *file,
                                    struct vlp_error *err);
enum vlp_status vlp_torch_legacy_parse(struct vlp_stored_list *list, struct vlp_arena *mem,
                                       const struct vlp_bytes *file, struct vlp_error *err);

/* ---- sources: what a path stands for --------------------------------------------------------- */

enum vlp_container { VLP_CONTAINER_SAFETENSORS, VLP_CONTAINER_STATE_DICT, VLP_CONTAINER_SCRIPT };

struct vlp_origin {
    const char            *path;      /* as the user gave it */
    const char            *file;      /* the file (the first of several) that holds the weights */
    const char            *folder;    /* where its configuration would be */
    bool                   is_folder; /* `path` is one, so what is in it belongs together */
    enum vlp_container     container;
    json_t                *metadata; /* of safetensors; NULL otherwise */
    struct vlp_stored_list list;     /* foreign names, no two alike, sorted */
    struct vlp_map        *map;
    size_t                 n_maps;
    struct vlp_arena      *mem;
};
/* Under these names (NULL-terminated) the weights of a folder are looked for, in this order. */
extern const char *const vlp_weight_files[];
enum vlp_status vlp_origin_open(struct vlp_origin *s, struct vlp_arena *mem, const char *path,
                                struct vlp_error *err);
void            vlp_origin_close(struct vlp_origin *s); /* not the arena */
const struct vlp_stored *vlp_origin_find(const struct vlp_origin *s, const char *name);
/* The tensors of one file in memory, whatever container it is. */
enum vlp_status vlp_container_parse(struct vlp_stored_list *list, enum vlp_container *kind,
                                    json_t **metadata, struct vlp_arena *mem,
                                    const struct vlp_bytes *file, struct vlp_error *err);
/* A JSON file of at most 64 MiB; NULL in *out and VLP_OK when there is none of that name. */
enum vlp_status vlp_json_beside(json_t **out, const struct vlp_origin *s, const char *name,
                                struct vlp_error *err);

/* ---- names ----------------------------------------------------------------------------------- */

enum vlp_map_action {
    VLP_MAP_KEEP,      /* as it is */
    VLP_MAP_TRANSPOSE, /* a matrix, rows and columns exchanged */
    VLP_MAP_Q,         /* one of three that are stacked in this order */
    VLP_MAP_K,
    VLP_MAP_V,
    VLP_MAP_DROP,  /* buffers of no meaning to us */
    VLP_MAP_REFUSE /* part of another architecture */
};
/* In `from`, # matches a decimal number and * any text; `to` puts them back in this order. */
struct vlp_name_rule {
    const char         *from, *to;
    enum vlp_map_action action;
};
bool vlp_name_match(char *out, size_t out_size, const char *from, const char *to, const char *name);
/* What a canonical name is in the layout of the rules: itself where they keep it, or without rules;
 * else in `room`. */
const char *vlp_foreign_name(char *room, size_t size, const struct vlp_name_rule *rules,
                             const char *name);
/* The first rule that matches counts; a name that no rule matches is kept and marked extra. Rules
 * end with a row of NULLs. */
enum vlp_status vlp_map_names(struct vlp_stored_list *out, struct vlp_arena *mem,
                              const struct vlp_stored_list *in, const struct vlp_name_rule *rules,
                              const char *file, struct vlp_error *err);

/* ---- layouts --------------------------------------------------------------------------------- */

/* A checkpoint being opened. */
struct vlp_opening {
    struct vlp_origin                   *source;
    const struct vlp_checkpoint_options *opt;
    struct vlp_checkpoint               *out; /* tensors are canonical when `describe` is called */
    struct vlp_error                    *err;
    const struct vlp_name_rule          *rules; /* that made them so; NULL: they were */
};
/* Say something that was chosen rather than read. */
void vlp_opening_say(const struct vlp_opening *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct vlp_foreign_layout {
    const char                 *name, *family;
    const char *const          *has; /* names (NULL-terminated) that all must be there */
    const struct vlp_name_rule *rules;
    /* Fill about.config, preprocess, tokenizer and source. */
    enum vlp_status (*describe)(struct vlp_opening *o, json_t *about);
};
extern const struct vlp_foreign_layout *const vlp_foreign_layouts[];
extern const struct vlp_foreign_layout        vlp_layout_clip_openai, vlp_layout_clip_hf;

enum vlp_status vlp_clip_describe_openai(struct vlp_opening *o, json_t *about);
enum vlp_status vlp_clip_describe_hf(struct vlp_opening *o, json_t *about);

/* Every tensor that a model of this document has, in canonical names. */
typedef void vlp_expected(void *ctx, const char *name, int ndim, const int64_t *dim, bool optional);
void         vlp_clip_expect(const json_t *config, vlp_expected *expected, void *ctx);

#define VLP_MAX_COUNT (1 << 24) /* of anything in a foreign configuration: rows, units */

#define VLP_FILE_VERSION "1"

/* The tensors of the family that `about` (valid) describes. */
void vlp_about_expect(const json_t *about, vlp_expected *expected, void *ctx);

/* ---- the document ---------------------------------------------------------------------------- */

/* What the shapes of canonical CLIP tensors say: the whole config but "activation"; heads are
 * guesses: width / 64, or the known exceptions. */
enum vlp_status vlp_clip_derive(json_t **config, const struct vlp_opening *o);
/* Set config.activation and source.activation_from: the user's option, else `said` (what a
 * configuration file or the layout says, and which of the two), else the tag, else `fallback`. */
enum vlp_status vlp_clip_activation(const struct vlp_opening *o, json_t *about, const char *said,
                                    const char *said_by, const char *fallback);
/* What config.json and open_clip_config.json say, checked against about.config as derived. *used is
 * false where the file describes another model that it merely lies beside. */
enum vlp_status vlp_clip_config_hf(const struct vlp_opening *o, json_t *about, const json_t *top);
enum vlp_status vlp_clip_config_open_clip(const struct vlp_opening *o, json_t *about,
                                          const json_t *top, bool *used);
/* Does the file's name (or its folder's) carry this tag ("laion400m")? Case and - _ . do not count.
 */
bool vlp_tag_has(const struct vlp_origin *s, const char *tag);
/* Preprocessing: CLIP's constants for this side; then what a preprocess_cfg, a
 * preprocessor_config.json or, without either, the file's tag says. */
json_t *vlp_preprocess_default(const char *flavour, int64_t size);
void    vlp_preprocess_by_tag(const struct vlp_opening *o, json_t *about);
/* What CLIPA's models were published with. */
void vlp_preprocess_clipa(json_t *preprocess);
/* Is the last position of a padded text pooled, as CLIPA does it? Its ids are BERT's. */
bool            vlp_pools_last(const json_t *about);
enum vlp_status vlp_preprocess_from_open_clip(json_t *preprocess, const json_t *cfg,
                                              const char *file, struct vlp_error *err);
enum vlp_status vlp_preprocess_from_hf(json_t *preprocess, const json_t *cfg, const char *file,
                                       struct vlp_error *err);
/* What foreign configuration files cannot say: our own writer adds it to them under a key of its
 * own, so that nothing is lost on the way back. */
json_t *vlp_own_keys_of(const struct vlp_checkpoint *c);
/* The way back. A cleaning is left in about.tokenizer, for vlp_vocabulary_import to complete or to
 * drop. */
void vlp_own_keys_apply(json_t *about, const json_t *own);
/* merges.txt, vocab.json, tokenizer.json of the folder, when there are any: adds the tensor
 * "tokenizer.vocab" and about.tokenizer. */
enum vlp_status vlp_vocabulary_import(struct vlp_opening *o, json_t *about, bool hf);
/* Do tokenizer.json and vocab.json of the folder, where they are, give the ids that the merges in
 * `text` (with their header) give here? Merges behind those that make pieces there are taken out.
 * VLP_ERR_SUPPORT names what differs. `merges`: they come from merges.txt. */
enum vlp_status vlp_vocabulary_check(const struct vlp_opening *o, struct vlp_buf *text,
                                     bool merges);

/* ---- vocabulary ------------------------------------------------------------------------------ */

/* The ids of CLIP's vocabulary before its merges, 256 bytes and the same at the end of a word, and
 * behind them: start and end of text. */
enum { VLP_BPE_BYTE_IDS = 2 * 256, VLP_BPE_SPECIAL_IDS = 2 };
/* The merges that the model uses: lines without header and without a last newline. */
struct vlp_merges {
    char  *text; /* NULL when the checkpoint carries none */
    size_t len, n;
};
enum vlp_status vlp_merges_of(struct vlp_merges *m, const struct vlp_checkpoint *c,
                              struct vlp_error *err);
void            vlp_merges_free(struct vlp_merges *m);
/* Are they those of the vocabulary that CLIP was released with, all of them? */
bool vlp_merges_are_released(const struct vlp_merges *m);
/* Of "header\na b\nc d\n...", at most `most` merges: no header, no trailing newline. */
void vlp_merges_cut(struct vlp_merges *m, const struct vlp_buf *text, size_t most);
/* An object from each piece to its id: bytes, merges, start and end, in this order. */
json_t *vlp_vocabulary_of(const struct vlp_merges *m);
/* Those that CLIP was released with: how many, and vlp_hash64 of the text above. */
#define VLP_CLIP_MERGES      48894
#define VLP_CLIP_MERGES_HASH UINT64_C(0xa301521285214fb4)
/* The pieces of bert_clipa or bert_uncased that the checkpoint carries, without a last newline,
 * appended to an empty `out`: nothing where there are none or they are those that BERT was released
 * with. */
enum vlp_status vlp_own_pieces_of(struct vlp_buf *out, const struct vlp_checkpoint *c,
                                  struct vlp_error *err);
/* vlp_hash64 of the latter. */
#define VLP_BERT_PIECES_HASH UINT64_C(0x726fe8d88589eb79)

/* The pieces of a fingerprint, for values that are made as they go: all tensors in order of names
 * between open and close. */
struct vlp_fingerprint;
struct vlp_fingerprint *vlp_fingerprint_open(const struct vlp_checkpoint *c);
void                    vlp_fingerprint_add(struct vlp_fingerprint *f, const struct vlp_stored *t);
void vlp_fingerprint_close(struct vlp_fingerprint *f, const struct vlp_checkpoint *c,
                           char text[33]);
/* Always from the values, whatever the document says. */
void vlp_fingerprint_compute(const struct vlp_checkpoint *c, char text[33]);

#endif
