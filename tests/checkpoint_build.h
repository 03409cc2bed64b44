/*
 * checkpoint_build.h -- small files of weights made by hand, for the tests of the checkpoint room.
 */
#ifndef VLP_TESTS_CHECKPOINT_BUILD_H
#define VLP_TESTS_CHECKPOINT_BUILD_H

#include <vlp/base.h>

/* ---- safetensors ----------------------------------------------------------------------------- */
void build_safetensors(struct vlp_buf *out, const char *header, size_t data_size);

/* ---- zip: add entries, then end -------------------------------------------------------------- */
struct build_zip {
    struct vlp_buf out, directory;
    int            n;
};
void build_zip_add(struct build_zip *z, const char *name, const void *data, size_t size,
                   bool deflate);
void build_zip_end(struct build_zip *z, bool zip64); /* the file is in z->out */
void build_zip_free(struct build_zip *z);

/* ---- pickle: opcodes with their arguments ---------------------------------------------------- */
void build_raw(struct vlp_buf *b, const char *opcodes); /* no NUL among them */
void build_text(struct vlp_buf *b, const char *text);
void build_int(struct vlp_buf *b, int64_t v);
void build_global(struct vlp_buf *b, const char *module, const char *name);
void build_ordered_dict(struct vlp_buf *b);
/* A call of _rebuild_tensor_v2 on storage `key` of class `cls` with `numel` elements. */
void build_tensor(struct vlp_buf *b, const char *cls, const char *key, int64_t numel,
                  int64_t offset, int ndim, const int64_t *size, const int64_t *stride);

/* Write `data` to a fresh file in a fresh folder under TMPDIR; the path is in `path`. */
void build_file(char path[4096], const char *name, const void *data, size_t size);
/* Remove what build_file made, and its folder. */
void build_remove(const char *path);

#endif
