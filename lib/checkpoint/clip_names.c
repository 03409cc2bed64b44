/*
 * clip_names.c -- the names of CLIP's tensors in the layouts it was released in.
 *
 * The canonical names are OpenAI's, which open_clip shares.
 */
#include "checkpoint_internal.h"

static const char *const openai_has[] = {"visual.conv1.weight", "logit_scale", NULL};

static const struct vlp_name_rule openai_rules[] = {
    {"input_resolution", "", VLP_MAP_DROP},
    {"context_length", "", VLP_MAP_DROP},
    {"vocab_size", "", VLP_MAP_DROP},
    {"attn_mask", "", VLP_MAP_DROP},
    {"*.attn_mask", "", VLP_MAP_DROP},
    {"*.num_batches_tracked", "", VLP_MAP_DROP},
    {"*.position_ids", "", VLP_MAP_DROP},
    {"visual.trunk.*", "", VLP_MAP_REFUSE},
    {"visual.attn_pool.*", "", VLP_MAP_REFUSE},
    {"visual.attn_pool_contrastive.*", "", VLP_MAP_REFUSE},
    {"text_decoder.*", "", VLP_MAP_REFUSE},
    {"text.cls_emb", "", VLP_MAP_REFUSE},
    {"text.transformer.embeddings.*", "", VLP_MAP_REFUSE},
    {"text.transformer.embed_tokens.*", "", VLP_MAP_REFUSE},
    {"*.attn.ln_q.*", "", VLP_MAP_REFUSE},
    {"*.attn.ln_inner.*", "", VLP_MAP_REFUSE},
    {"*.attn.head_scale", "", VLP_MAP_REFUSE},
    {"*.attn.logit_scale", "", VLP_MAP_REFUSE},
    {"*.mlp.ln.*", "", VLP_MAP_REFUSE},
    {"*.attn.q_norm.*", "", VLP_MAP_REFUSE},
    {"*.ln_attn.*", "", VLP_MAP_REFUSE},
    {"text.text_projection.weight", "text_projection", VLP_MAP_TRANSPOSE},
    {"text_projection.weight", "text_projection", VLP_MAP_TRANSPOSE},
    {"text.*", "*", VLP_MAP_KEEP},
    {"*", "*", VLP_MAP_KEEP},
    {NULL, NULL, VLP_MAP_KEEP},
};

const struct vlp_foreign_layout vlp_layout_clip_openai = {"open_clip", "clip", openai_has,
                                                          openai_rules, vlp_clip_describe_openai};

static const char *const hf_has[] = {"vision_model.embeddings.class_embedding",
                                     "vision_model.embeddings.patch_embedding.weight",
                                     "text_model.embeddings.token_embedding.weight", NULL};

#define TEXT      "transformer.resblocks."
#define VISION    "visual.transformer.resblocks."
#define HF_TEXT   "text_model.encoder.layers."
#define HF_VISION "vision_model.encoder.layers."

/* The misspelt pre_layrnorm is what the files say. */
static const struct vlp_name_rule hf_rules[] = {
    {"*.position_ids", "", VLP_MAP_DROP},
    {"logit_scale", "logit_scale", VLP_MAP_KEEP},
    {"vision_model.pre_layernorm.*", "", VLP_MAP_REFUSE}, /* OWL-ViT spells it otherwise */
    {"mit.*", "", VLP_MAP_REFUSE},                        /* X-CLIP */

    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight", VLP_MAP_KEEP},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding", VLP_MAP_KEEP},
    {HF_TEXT "#.layer_norm1.*", TEXT "#.ln_1.*", VLP_MAP_KEEP},
    {HF_TEXT "#.layer_norm2.*", TEXT "#.ln_2.*", VLP_MAP_KEEP},
    {HF_TEXT "#.self_attn.q_proj.*", TEXT "#.attn.in_proj_*", VLP_MAP_Q},
    {HF_TEXT "#.self_attn.k_proj.*", TEXT "#.attn.in_proj_*", VLP_MAP_K},
    {HF_TEXT "#.self_attn.v_proj.*", TEXT "#.attn.in_proj_*", VLP_MAP_V},
    {HF_TEXT "#.self_attn.out_proj.*", TEXT "#.attn.out_proj.*", VLP_MAP_KEEP},
    {HF_TEXT "#.mlp.fc1.*", TEXT "#.mlp.c_fc.*", VLP_MAP_KEEP},
    {HF_TEXT "#.mlp.fc2.*", TEXT "#.mlp.c_proj.*", VLP_MAP_KEEP},
    {"text_model.final_layer_norm.*", "ln_final.*", VLP_MAP_KEEP},
    {"text_projection.weight", "text_projection", VLP_MAP_TRANSPOSE},

    {"vision_model.embeddings.class_embedding", "visual.class_embedding", VLP_MAP_KEEP},
    {"vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight", VLP_MAP_KEEP},
    {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding",
     VLP_MAP_KEEP},
    {"vision_model.pre_layrnorm.*", "visual.ln_pre.*", VLP_MAP_KEEP},
    {HF_VISION "#.layer_norm1.*", VISION "#.ln_1.*", VLP_MAP_KEEP},
    {HF_VISION "#.layer_norm2.*", VISION "#.ln_2.*", VLP_MAP_KEEP},
    {HF_VISION "#.self_attn.q_proj.*", VISION "#.attn.in_proj_*", VLP_MAP_Q},
    {HF_VISION "#.self_attn.k_proj.*", VISION "#.attn.in_proj_*", VLP_MAP_K},
    {HF_VISION "#.self_attn.v_proj.*", VISION "#.attn.in_proj_*", VLP_MAP_V},
    {HF_VISION "#.self_attn.out_proj.*", VISION "#.attn.out_proj.*", VLP_MAP_KEEP},
    {HF_VISION "#.mlp.fc1.*", VISION "#.mlp.c_fc.*", VLP_MAP_KEEP},
    {HF_VISION "#.mlp.fc2.*", VISION "#.mlp.c_proj.*", VLP_MAP_KEEP},
    {"vision_model.post_layernorm.*", "visual.ln_post.*", VLP_MAP_KEEP},
    {"visual_projection.weight", "visual.proj", VLP_MAP_TRANSPOSE},
    {NULL, NULL, VLP_MAP_KEEP},
};

const struct vlp_foreign_layout vlp_layout_clip_hf = {"hf", "clip", hf_has, hf_rules,
                                                      vlp_clip_describe_hf};

const struct vlp_foreign_layout *const vlp_foreign_layouts[] = {&vlp_layout_clip_openai,
                                                                &vlp_layout_clip_hf, NULL};
