/*
 * columns.c -- what the columns of tables and the keys of JSON records are usually called.
 */
#include "data_internal.h"

static const char *const image_names[] = {"image",     "image_path", "img",       "img_path",
                                          "picture",   "filepath",   "file_path", "filename",
                                          "file_name", "file",       "path",      NULL};
static const char *const text_names[] = {
    "caption", "captions", "text",      "texts",  "title", "description", "sentence",
    "query",   "question", "sentences", "prompt", "raw",   NULL};
static const char *const id_names[] = {"id", "key", "uid", "sample_id", NULL};
static const char *const label_names[] = {"label", "class", "class_name", "category", NULL};

const char *const *const column_names[COLUMN_COUNT] = {
    [COLUMN_IMAGE] = image_names,
    [COLUMN_TEXT] = text_names,
    [COLUMN_ID] = id_names,
    [COLUMN_LABEL] = label_names,
};

const json_t *column_value(const json_t *object, enum column c, size_t *at, const char **name)
{
    while ((*name = column_names[c][*at]) != NULL) {
        const json_t *v = json_object_get(object, *name);
        ++*at;
        if (v && !json_is_null(v)) return v;
    }
    return NULL;
}

const char *column_option(const struct vlp_source_options *o, enum column c)
{
    const char *const option[COLUMN_COUNT] = {
        [COLUMN_IMAGE] = o->image_column,
        [COLUMN_TEXT] = o->text_column,
        [COLUMN_ID] = o->id_column,
        [COLUMN_LABEL] = o->label_column,
    };
    return option[c];
}

enum vlp_fault column_label_fault(const struct vlp_source_options *o)
{
    return o->loose_labels && !o->label_column ? VLP_FAULT_UNASKED : o->label_fault;
}
