/*
 * state_sum.c -- is the header of a training state (train/state.c) what was written?
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In an order of its own: readers of JSON need not keep that of the file. */
void vlp_state_sum(const struct vlp_stored *tensors, size_t n, const char *state, char text[33])
{
    struct vlp_hasher *h = vlp_hasher_open();
    struct vlp_arena   mem;
    vlp_arena_init(&mem);
    char **line = VLP_NEW_N(&mem, char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct vlp_stored *t = &tensors[i];
        struct vlp_buf           b = {0};
        vlp_buf_printf(&b, "%s %s", t->name, vlp_dtype_name(t->dtype));
        for (int k = 0; k < t->ndim; k++) vlp_buf_printf(&b, " %lld", (long long)t->dim[k]);
        line[i] = vlp_arena_strdup(&mem, b.data);
        vlp_buf_free(&b);
    }
    qsort(line, n, sizeof *line, by_text);
    vlp_hasher_add(h, state, strlen(state) + 1);
    for (size_t i = 0; i < n; i++) vlp_hasher_add(h, line[i], strlen(line[i]) + 1);
    vlp_hasher_close(h, text);
    vlp_arena_free(&mem);
}

bool vlp_state_is_as_written(const json_t *metadata, const json_t *state,
                             const struct vlp_stored *tensors, size_t n)
{
    const json_t *version = json_object_get(state, "version");
    const char   *text = json_string_value(json_object_get(metadata, "vlp.train"));
    const char   *said = json_string_value(json_object_get(metadata, "vlp.train.sum"));
    char          sum[33];
    if (!text) return false;
    if (!said) return json_is_integer(version) && json_integer_value(version) != VLP_STATE_VERSION;
    vlp_state_sum(tensors, n, text, sum);
    return strcmp(said, sum) == 0;
}
