/*
 * emit.h -- tensors on their way out: cast, transposed or split one at a time, so that a model of
 * many gigabytes needs memory for its largest tensor only.
 */
#ifndef VLP_EMIT_H
#define VLP_EMIT_H

#include "checkpoint_internal.h"

struct vlp_emit {
    struct vlp_stored        head; /* what the file will say; data is NULL */
    const struct vlp_stored *from;
    bool                     transpose;
    int part; /* 0, 1, 2: a third of `from` along its first dimension; -1: all */
};
struct vlp_emit_list {
    struct vlp_emit  *item;
    size_t            n, cap;
    struct vlp_arena *names;
    struct vlp_buf    wide, out; /* scratch */
};
void vlp_emit_list_free(struct vlp_emit_list *l);
void vlp_emit_add(struct vlp_emit_list *l, const char *name, const struct vlp_stored *from,
                  enum vlp_dtype dtype, bool transpose, int part);
/* The bytes of item i, valid until the next call. */
const void *vlp_emit_bytes(struct vlp_emit_list *l, size_t i);
/* Does the list hold every value? VLP_ERR_SUPPORT names the tensor and the value where one that is
 * finite would be rounded to infinity, or one that is not would take a block with it. `path`, which
 * is to be written, is named too. */
enum vlp_status vlp_emit_check(struct vlp_emit_list *l, const char *path, struct vlp_error *err);
/* The type in which `how` stores a tensor. */
enum vlp_dtype vlp_emit_dtype(const struct vlp_stored *t, const struct vlp_convert *how);

/* How a safetensors writer gets at the bytes of tensor i. */
typedef const void *vlp_bytes_of(void *ctx, size_t i);
enum vlp_status     vlp_safetensors_stream(struct vlp_output *o, const struct vlp_stored *heads,
                                           size_t n, const json_t *metadata, bool aligned,
                                           vlp_bytes_of *bytes_of, void *ctx, struct vlp_error *err);
/* All of the list, in its order, to o. */
enum vlp_status vlp_emit_write(struct vlp_emit_list *l, struct vlp_output *o,
                               const json_t *metadata, bool aligned, struct vlp_error *err);

/*
 * A model as several files of a folder. What is written waits under temporary names;
 * vlp_folder_commit puts it in place once all of it is on the disk, the weights last. With `force`
 * what other models have left there steps aside before and is removed after: a process that ends in
 * between leaves a folder without weights, never those of one model with another's configuration.
 * Until the first file is in its place, a failure leaves the folder as it was; from then on, old
 * and new weights under temporary names, which the message tells.
 */
struct vlp_folder {
    const char        *path;
    bool               force, made;
    const char *const *names; /* NULL-terminated, the weights first */
    const char *const *stale; /* more to be removed, or NULL */
    struct vlp_output  file[8];
    int                n;
    struct vlp_temp   *aside[16];
    int                n_aside;
};
/*
 * The folder is made if need be. It must be free for a model in files of these names: they must not
 * be there, nor any other file that would be opened in place of its weights or read as its
 * vocabulary, or `force` overwrites and removes them.
 */
enum vlp_status vlp_folder_open(struct vlp_folder *f, const char *path, const char *const *names,
                                bool force, struct vlp_error *err);
enum vlp_status vlp_folder_commit(struct vlp_folder *f, struct vlp_error *err);
void            vlp_folder_abort(struct vlp_folder *f); /* fine after a commit or on a zeroed one */
/* A JSON file, a text file, or the weights, which come last. */
enum vlp_status vlp_folder_write_json(struct vlp_folder *f, const char *name, const json_t *v,
                                      struct vlp_error *err);
enum vlp_status vlp_folder_write(struct vlp_folder *f, const char *name, const void *data,
                                 size_t len, struct vlp_error *err);
enum vlp_status vlp_folder_write_tensors(struct vlp_folder *f, struct vlp_emit_list *l,
                                         struct vlp_error *err);
/* vocab.json and merges.txt of the checkpoint's vocabulary, when it carries one. */
enum vlp_status vlp_vocabulary_export(const struct vlp_checkpoint *c, struct vlp_folder *f,
                                      struct vlp_error *err);
/* Are the merges it carries others than those that CLIP was released with? */
bool vlp_vocabulary_is_own(const struct vlp_checkpoint *c);
/* Has it a tokenizer that no folder names, bert_uncased? */
bool vlp_vocabulary_is_lost(const struct vlp_checkpoint *c);
/* tokenizer_config.json, by which Hugging Face's library knows what these files are. */
enum vlp_status vlp_tokenizer_config_export(const struct vlp_checkpoint *c, struct vlp_folder *f,
                                            struct vlp_error *err);

enum vlp_status vlp_write_own(const struct vlp_checkpoint *c, const char *path,
                              const struct vlp_convert *how, struct vlp_error *err);
enum vlp_status vlp_write_open_clip(const struct vlp_checkpoint *c, const char *path,
                                    const struct vlp_convert *how, struct vlp_error *err);
enum vlp_status vlp_write_hf(const struct vlp_checkpoint *c, const char *path,
                             const struct vlp_convert *how, struct vlp_error *err);

#endif
