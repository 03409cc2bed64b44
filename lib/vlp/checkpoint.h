/*
 * checkpoint.h -- weights on disk, whoever wrote them, in one canonical form.
 *
 * vlp_checkpoint_open reads the OpenAI TorchScript .pt, PyTorch zip and legacy files through an
 * allow-list pickle machine that can run nothing, safetensors (single or sharded), Hugging Face
 * folders and vlp's own model file, and answers with canonically named tensors plus one JSON
 * document ("about") that says everything else: family, configuration, preprocessing, tokenizer,
 * source. Foreign layouts are rows of name-map tables. The room knows files and names, no
 * arithmetic and no model.
 *
 * The document (vlp-model-file(5) has every key and its bounds):
 *
 *   { "family": "clip",
 *     "config": {
 *       "embed_dim": 512, "activation": "quick_gelu" | "gelu",
 *       "vision": { "kind": "vit", "image_size": 224, "patch_size": 32, "width": 768, "layers": 12,
 *                   "heads": 12, "mlp": 3072, "ln_eps": 1e-5,
 *                   "interpolate": "none" | "open_clip" | "hf",
 *                   "ln_pre": false, "pool": "tok" | "avg" | "avg_ln" }
 *              or { "kind": "resnet", "image_size": 224, "width": 64, "layers": [3, 4, 6, 3],
 *                   "heads": 32 },
 *       "text": { "context": 77, "vocab": 49408, "width": 512, "layers": 12, "heads": 8,
 *                 "mlp": 2048, "ln_eps": 1e-5, "projection_bias": true, "eos": 49407,
 *                 "causal": false, "pool": "end" | "last" } },
 *     "preprocess": { "flavour": "openai" | "hf" | "squash" | "longest" | "square" | "vilt",
 *       "resize": "shortest" | "squash" | "longest" | "vilt", "size": [224, 224],
 *       "resize_to": [256, 256], "filter": "bicubic" | "bilinear", "rgb_first": false,
 *       "crop_floor": false, "fill": 0, "mean": [3 numbers], "std": [3 numbers] },
 *     "tokenizer": { "kind": "clip_bpe" | "bert_clipa", "cleaning": "openai" | "hf" | "bert",
 *                    "tensor": "tokenizer.vocab" },
 *     "source": { "layout": "openai", "file": "ViT-B-32.pt", "activation_from": "config" },
 *     "fingerprint": "32 hex digits" }
 *
 * "resize_to", "ln_pre", "pool", "projection_bias", "eos", "causal" and, in both towers,
 * "layer_scale" and "activation" are there only where a model is not as OpenAI's are. "fingerprint"
 * is absent after opening a foreign layout: vlp_checkpoint_fingerprint computes it. "tokenizer" is
 * absent when the source brings no vocabulary: the caller then supplies share/vlp's.
 * "vision.interpolate" is the rule for positions of another grid: "open_clip" where the stored grid
 * is not the configured one (resampled on load), "hf" where pictures may be of another size than
 * "vision.image_size" (resampled at run time; preprocess.size says which), "none" otherwise.
 * "source.activation_from" is "config", "layout", "tag", "option" or "default".
 *
 * Canonical CLIP tensor names are OpenAI's (visual.conv1.weight,
 * transformer.resblocks.0.attn.in_proj_weight, text_projection as a bare [d, E] matrix ...).
 */
#ifndef VLP_CHECKPOINT_H
#define VLP_CHECKPOINT_H

#include <jansson.h>
#include <vlp/base.h>

/* One tensor: contiguous little-endian rows in `data`, owned by the checkpoint (often the mapped
 * file), aligned to the size of an element at least. */
struct vlp_stored {
    const char    *name;
    enum vlp_dtype dtype;
    int            ndim; /* 0: a scalar */
    int64_t        dim[VLP_MAX_DIM];
    const void    *data;
    size_t         size; /* bytes */
    bool mapped;     /* data lies in a mapped file, whose pages may be given back and refetched */
    bool extra;      /* the model that the document describes does not use it */
    const char *odd; /* "sparse", "complex": what it is instead of numbers that are read; no data.
                        Seen with vlp_checkpoint_options.raw only */
};

#define VLP_VOCABULARY_TENSOR "tokenizer.vocab"
/* The name that a document gives the tensor of its vocabulary; NULL: it carries none. */
const char *vlp_vocabulary_tensor(const json_t *about);

struct vlp_checkpoint {
    json_t            *about;
    struct vlp_stored *tensors; /* sorted by name */
    size_t             n_tensors;
    struct vlp_arena   mem;
    void              *internal; /* maps to close */
};

struct vlp_checkpoint_options {
    /* "gelu", "quick_gelu" or NULL: by config, then by the file name's tag */
    const char *activation;
    const char *family; /* NULL: by the tensors' names */
    bool        raw;    /* foreign names and no `about`: what inspect -v of an unknown file shows */
    /* Called with a sentence whenever something was chosen rather than read. May be NULL. */
    void (*say)(void *ctx, const char *sentence);
    void *ctx;
};

/*
 * `path` is a file or a folder. `opt` may be NULL.
 *
 * VLP_ERR_IO        cannot be opened or read
 * VLP_ERR_FORMAT    damaged or truncated; a pickle that asks for something not on the allow list
 * VLP_ERR_LIMIT     a count or size in the file is larger than the file can hold
 * VLP_ERR_SUPPORT   a well-formed file of a layout or family that we do not know; a tensor of the
 *                   model is sparse, complex, quantised or the like
 * VLP_ERR_MISMATCH  tensors missing, or of shapes that contradict the configuration (the first six
 *                   are named), or a vlp file of another version
 * VLP_ERR_USAGE     `path` is a folder with several files that could be meant (named), or
 *                   opt->activation is none
 * On failure `out` is untouched.
 */
enum vlp_status vlp_checkpoint_open(struct vlp_checkpoint *out, const char *path,
                                    const struct vlp_checkpoint_options *opt,
                                    struct vlp_error                    *err);
void            vlp_checkpoint_close(struct vlp_checkpoint *c); /* fine on a zeroed one */

const struct vlp_stored *vlp_checkpoint_find(const struct vlp_checkpoint *c, const char *name);
/* Add a tensor, or replace the one of that name. `t` is copied, what it points to is not. */
void vlp_checkpoint_add(struct vlp_checkpoint *c, const struct vlp_stored *t);
/* Fresh f32 memory with the values of t. */
float *vlp_stored_f32(struct vlp_arena *mem, const struct vlp_stored *t);

/*
 * XXH3-128 over names, shapes and f32 values of the tensors that are not extra, the configuration,
 * what of "preprocess" decides over pixels, and the tokenizer: 32 hex digits. The same for every
 * layout that holds the same numbers. Answered from the document where that has one (a vlp file);
 * else every value is read.
 */
void vlp_checkpoint_fingerprint(const struct vlp_checkpoint *c, char text[33]);

/*
 * Look at every value: calls `found` for each checksum that does not agree ("checksum"), each
 * tensor with NaN ("nan") or infinity ("inf"), each tensor that the model does not use ("extra"),
 * a fingerprint that is not that of the content ("fingerprint"). `tensor` is "" where none is
 * meant. Returns the number of findings. *checked (may be NULL) is how many checksums were
 * compared: those of vlp's own file, of a training state and its header, of the members of a
 * PyTorch zip (then `tensor` is the member); safetensors of others and legacy files have none.
 */
typedef void vlp_found(void *ctx, const char *what, const char *tensor, const char *sentence);
size_t vlp_checkpoint_verify(const struct vlp_checkpoint *c, size_t *checked, vlp_found *found,
                             void *ctx);

/*
 * The checksums alone, before something is made of the weights: opening does not read what it maps.
 * Files of more than `limit` bytes (0: no limit) are not compared. VLP_ERR_FORMAT names the first
 * checksum that does not agree.
 */
enum vlp_status vlp_checkpoint_check(const struct vlp_checkpoint *c, size_t limit,
                                     struct vlp_error *err);
/* The limit where a single picture may be all that is asked for: 3 ms for our own files, 16 ms for
 * a zip. A ViT-B/32 of 600 MB would take 60 ms, and half of it is not even used. */
#define VLP_CHECK_AT_ONCE ((size_t)32 << 20)

/* What a picture takes grows with these, however small the file. The largest published models have
 * 5184 patches (1008 pixels, patch 14), and ResNets 448 pixels. */
#define VLP_MAX_PATCHES     65536 /* of a ViT, in a picture */
#define VLP_MAX_RESNET_SIZE 2048

/* The other bounds of a document, for who reads it and for the models that are built from it. */
#define VLP_MAX_WIDTH         (1 << 16) /* of a tower and of an embedding; heads of a tower */
#define VLP_MAX_LAYERS        1024
#define VLP_MAX_MLP           (8 * VLP_MAX_WIDTH)
#define VLP_MAX_CONTEXT       (1 << 16)
#define VLP_MAX_VOCAB         (1 << 24)
#define VLP_MAX_IMAGE_SIZE    8192
#define VLP_MAX_RESNET_WIDTH  2048
#define VLP_MAX_RESNET_LAYERS 256 /* in each of its four stages */

/* Is `about` a document as vlp-model-file(5) describes it? VLP_ERR_FORMAT names the key that is
 * missing or out of bounds, VLP_ERR_SUPPORT the family that is not known; VLP_ERR_LIMIT when its
 * pictures are larger or have more patches than we take. */
enum vlp_status vlp_about_validate(const json_t *about, const char *file, struct vlp_error *err);

/* ---- safetensors, the container (ours and everybody's) ----------------------------- */

struct vlp_safetensors {
    json_t            *metadata; /* object of strings; never NULL */
    struct vlp_stored *tensors;  /* file order */
    size_t             n_tensors;
    struct vlp_arena   mem;
    struct vlp_map     map;
};
/* Every offset is checked against the file and against overlap before a tensor is believed. */
enum vlp_status          vlp_safetensors_open(struct vlp_safetensors *out, const char *path,
                                              struct vlp_error *err);
void                     vlp_safetensors_close(struct vlp_safetensors *s);
const struct vlp_stored *vlp_safetensors_find(const struct vlp_safetensors *s, const char *name);
/*
 * Give tensors that are named and shaped as the weights of a layout (their gradients) canonical
 * names and shapes, in order of names. What no layout knows stays as it is. VLP_ERR_MISMATCH where
 * a part of a stacked tensor is missing, VLP_ERR_SUPPORT for parts of other architectures,
 * VLP_ERR_FORMAT where two stand for one; then nothing is changed.
 */
enum vlp_status vlp_safetensors_rename(struct vlp_safetensors *s, const char *file,
                                       struct vlp_error *err);

/*
 * Write tensors, each aligned to 64 bytes within the file; metadata (strings) may be NULL. What
 * aligns is a tensor named "__padding__.N", so that the file stays dense as the format wants it;
 * readers here do not list those. Q8_0 is written as U8 rows and named in the metadata, whence it
 * comes back as Q8_0. VLP_ERR_USAGE when a name is not UTF-8.
 */
enum vlp_status vlp_safetensors_write(struct vlp_output *o, const struct vlp_stored *tensors,
                                      size_t n, const json_t *metadata, struct vlp_error *err);

/* ---- training states: safetensors with metadata "vlp.train" (train/state.c) -------- */

enum { VLP_STATE_VERSION = 3, VLP_STATE_VERSION_WITHOUT_SUM = 2 };

/* The sum beside a state: of its text, and of every tensor's name, type and shape, in any order.
 * Of all that the header says but the places, which have to cover the data. */
void vlp_state_sum(const struct vlp_stored *tensors, size_t n, const char *state, char text[33]);
/* Does the sum in `metadata` agree? `state`: its text, parsed (NULL: it is not JSON). Where there
 * is no sum: was there none yet when this version was written? */
bool vlp_state_is_as_written(const json_t *metadata, const json_t *state,
                             const struct vlp_stored *tensors, size_t n);

/* ---- writing checkpoints ----------------------------------------------------------- */

enum vlp_layout { VLP_LAYOUT_VLP, VLP_LAYOUT_OPEN_CLIP, VLP_LAYOUT_HF };

struct vlp_convert {
    enum vlp_layout layout;
    enum vlp_dtype  dtype; /* of matrices: F32, F16, BF16, Q8_0 (vlp only); vectors stay f32 but for
                              F16/BF16 foreign, numbers alone (logit_scale) everywhere */
    bool            keep_dtype; /* leave every tensor as it is */
    bool            force;      /* overwrite files */
};
/*
 * vlp: one self-contained safetensors file at `path`, its tensors with checksums in the metadata.
 * open_clip: a folder with open_clip_model.safetensors, open_clip_config.json, vocab.json,
 * merges.txt and, where these are not CLIP's own, tokenizer_config.json, which the configuration
 * then refers to. hf: a folder with model.safetensors, config.json, preprocessor_config.json,
 * vocab.json, merges.txt, tokenizer_config.json. VLP_ERR_SUPPORT when the layout cannot express the
 * model (a ResNet or a logit_bias in hf) or the type a value (a finite one would become infinite).
 * VLP_ERR_EXISTS without `force` when one of these files is there, or another that would be read in
 * its place; then, as with VLP_ERR_SUPPORT, nothing is written. VLP_ERR_USAGE for a checkpoint
 * without a document or a type that weights are not written in; a document that vlp_about_validate
 * refuses is refused here. Extra tensors are left out.
 */
enum vlp_status vlp_checkpoint_write(const struct vlp_checkpoint *c, const char *path,
                                     const struct vlp_convert *how, struct vlp_error *err);

#endif
