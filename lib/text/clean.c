/*
 * clean.c -- the cleaning flavours, one row each.
 */
#include <string.h>

#include "text_internal.h"

void vlp_repair_openai(struct vlp_runes *r)
{
    vlp_fix_text(r);
    vlp_html_unescape(r);
    vlp_html_unescape(r);
    vlp_runes_collapse(r, true);
}

void vlp_clean_openai(struct vlp_runes *r)
{
    vlp_repair_openai(r);
    vlp_lower_python(r);
}

void vlp_clean_hf(struct vlp_runes *r)
{
    vlp_nfc(r, VLP_UNICODE_9);
    vlp_runes_collapse(r, false);
    vlp_lower_each(r);
}

static void (*const cleanings[])(struct vlp_runes *r) = {
    [VLP_CLEAN_OPENAI] = vlp_clean_openai,
    [VLP_CLEAN_HF] = vlp_clean_hf,
    [VLP_CLEAN_BERT] = vlp_clean_bert,
};

enum vlp_status vlp_text_clean(char **out, size_t *out_len, struct vlp_arena *mem,
                               enum vlp_cleaning c, const char *text, size_t len,
                               struct vlp_error *err)
{
    if ((size_t)c >= VLP_COUNT(cleanings))
        return vlp_fail(err, VLP_ERR_SUPPORT, "there is no cleaning number %d", (int)c);
    struct vlp_runes r = {0};
    enum vlp_status  status = vlp_runes_decode(&r, text, len, err);
    if (status == VLP_OK) {
        struct vlp_buf b = {0};
        cleanings[c](&r);
        vlp_runes_encode(&b, r.at, r.n);
        *out = vlp_arena_strndup(mem, b.data ? b.data : "", b.len);
        *out_len = b.len;
        vlp_buf_free(&b);
    }
    vlp_runes_free(&r);
    return status;
}
