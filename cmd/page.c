/*
 * page.c -- the page of --html: what it cannot show is named, then it is put in its place.
 */
#include <string.h>

#include <vlp/data.h>
#include <vlp/html.h>

#include "cmd.h"

static enum vlp_status take_missing(void *ctx, const char *picture, enum vlp_status why,
                                    const char *reason, struct vlp_error *err)
{
    struct cmd_failures *f = ctx;
    cmd_failures_add(f, picture, strlen(picture), why, reason);
    return f->stop_at_first ? vlp_fail(err, why, "stopped at picture '%s'", picture) : VLP_OK;
}

/* Standard input, or a member of the tar file that comes there? */
static bool is_standard(const char *id)
{
    return id[0] == '-' && (id[1] == '\0' || id[1] == '!');
}

const char *cmd_page_picture(struct vlp_arena *mem, const char *base_dir, const char *id,
                             bool is_text)
{
    const char *picture = vlp_picture_of_id(mem, base_dir, id);
    return picture || is_text || is_standard(id) ? picture : id;
}

const char *cmd_page_item(struct vlp_page *p, struct vlp_item *it)
{
    if (!p || it->path) return it->path;
    const char *again = is_standard(it->id) ? NULL : vlp_picture_of_id(&it->mem, NULL, it->id);
    if (again) return again;
    vlp_page_keep(p, it->id, it->bytes, it->bytes_len);
    return it->id;
}

enum vlp_status cmd_write_page(struct vlp_page *p, struct vlp_pool *pool, const char *path,
                               bool force, struct cmd_failures *f, struct vlp_error *err)
{
    const struct vlp_page_missing missing = {take_missing, f};
    struct vlp_buf                b = {0};
    struct vlp_output             o = {0};
    enum vlp_status               s = vlp_page_write(p, pool, &b, &missing, err);
    if (s == VLP_OK) s = vlp_output_open(&o, path, force, err);
    if (s == VLP_OK) s = vlp_output_write(&o, b.data, b.len, err);
    if (s == VLP_OK) s = vlp_output_commit(&o, err);
    vlp_output_abort(&o);
    vlp_buf_free(&b);
    return s;
}
