/*
 * pickle.h -- the part of Python's pickle language that weights are written in, as plain data.
 *
 * The machine builds values and calls nothing: a global is a row of a table (pickle_global.c) that
 * says which of a handful of built-in constructions it stands for; one that is not in the table
 * ends the reading with its name. Stack, memo and memory are bounded by the length of the input.
 */
#ifndef VLP_PICKLE_H
#define VLP_PICKLE_H

#include "checkpoint_internal.h"

enum vlp_value_kind {
    VLP_VALUE_NONE,
    VLP_VALUE_BOOL,
    VLP_VALUE_INT,
    VLP_VALUE_FLOAT,
    VLP_VALUE_TEXT,   /* str, bytes, or an integer of more than 64 bits */
    VLP_VALUE_TUPLE,  /* seq */
    VLP_VALUE_LIST,   /* seq */
    VLP_VALUE_DICT,   /* seq: key, value, key, value, ... */
    VLP_VALUE_OBJECT, /* a TorchScript module: seq as a dict */
    VLP_VALUE_GLOBAL,
    VLP_VALUE_STORAGE,
    VLP_VALUE_TENSOR,
    VLP_VALUE_ODD,   /* a tensor or storage that weights cannot be; `odd` is what it is */
    VLP_VALUE_OPAQUE /* bookkeeping of no interest: optimizers, hyperparameters */
};

/* What a global stands for. */
enum vlp_global_role {
    VLP_GLOBAL_DICT,      /* call: an empty dict */
    VLP_GLOBAL_MODULE,    /* new: an object */
    VLP_GLOBAL_STORAGE,   /* a storage class, never called */
    VLP_GLOBAL_DTYPE,     /* a torch dtype, never called */
    VLP_GLOBAL_TENSOR,    /* call: (storage, offset, size, stride, ...) */
    VLP_GLOBAL_TENSOR_V3, /* the same, and the dtype in place 6 */
    VLP_GLOBAL_FIRST,     /* call: its first argument */
    VLP_GLOBAL_CALL,      /* call: (function, class, arguments, ...), that function of those */
    VLP_GLOBAL_ODD,       /* makes tensors, or is a type of numbers, that weights cannot be */
    VLP_GLOBAL_INERT      /* call or new: opaque */
};
struct vlp_global {
    const char          *name; /* "module name"; a trailing * matches any ending */
    enum vlp_global_role role;
    enum vlp_dtype       dtype; /* of storage classes and dtypes */
    const char          *odd;   /* what an odd tensor is, in a word */
};
/* NULL when it is not allowed. */
const struct vlp_global *vlp_global_find(const char *name);

struct vlp_value;
struct vlp_storage {
    const char    *key;
    bool           untyped; /* `numel` counts bytes, the tensor brings the dtype */
    enum vlp_dtype dtype;
    int64_t        numel, view_offset; /* elements */

    const struct vlp_storage *before; /* the one that the same pickle named before */
};
struct vlp_view {
    const struct vlp_storage *storage;
    enum vlp_dtype            dtype;
    int                       ndim;
    int64_t                   offset, size[VLP_MAX_DIM], stride[VLP_MAX_DIM]; /* elements */
};

struct vlp_value {
    enum vlp_value_kind kind;
    union {
        int64_t i; /* INT, BOOL */
        struct {
            const char *s;
            size_t      len;
        } text;
        struct {
            struct vlp_value **item;
            size_t             n, cap;
        } seq;
        const struct vlp_global *global;
        struct vlp_storage      *storage;
        struct vlp_view         *tensor;
        const char              *odd;
    };
};

struct vlp_pickled {
    struct vlp_value         *root;
    size_t                    size;     /* bytes that were read */
    const struct vlp_storage *storages; /* all that it names, the last one first */
};
/*
 * Run one pickle at the start of `in`. Values live in `mem`.
 * VLP_ERR_FORMAT  damaged, or asks for a global that is not allowed, or calls what cannot be called
 * VLP_ERR_LIMIT   longer, or wanting more memory, than weights need
 */
enum vlp_status vlp_pickle_run(struct vlp_pickled *out, struct vlp_arena *mem,
                               const struct vlp_bytes *in, struct vlp_error *err);
/* In a dict or object; NULL when it is not there. */
struct vlp_value *vlp_value_get(const struct vlp_value *dict, const char *key);

/* The construction behind a call of `g` with the tuple `args`; see enum vlp_global_role. */
enum vlp_status vlp_pickle_call(struct vlp_value **out, struct vlp_arena *mem,
                                const struct vlp_global *g, const struct vlp_value *args,
                                const char *file, struct vlp_error *err);
/* ('storage', class, key, device, count[, view]) -> storage; odd or opaque where its class is. */
enum vlp_status vlp_pickle_storage(struct vlp_value **out, struct vlp_arena *mem,
                                   const struct vlp_value *id, const char *file,
                                   struct vlp_error *err);

/* Where the bytes of a storage are; false when there is none of that key. */
typedef enum vlp_status vlp_find_storage(void *ctx, const char *key, const uint8_t **data,
                                         size_t *size, struct vlp_error *err);
/* The tensors under `root` by name, their data in place where that can be; the odd ones too. */
enum vlp_status vlp_torch_collect(struct vlp_stored_list *list, enum vlp_torch_kind *kind,
                                  struct vlp_arena *mem, const struct vlp_value *root,
                                  size_t pickle_size, const struct vlp_bytes *file,
                                  vlp_find_storage *find, void *ctx, struct vlp_error *err);

#endif
