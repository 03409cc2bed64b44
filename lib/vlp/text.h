/*
 * text.h -- text to ids, exactly as the reference tokenizers do it.
 *
 * A tokenizer is a row of a table (clip_bpe with the cleaning of OpenAI or of Hugging Face,
 * bert_uncased, bert_clipa): cleaning, splitting, pieces, assembly. Immutable once open: threads
 * may share it.
 *
 * Where the ids differ from the reference's:
 *  - ftfy's repair of text that was decoded with the wrong encoding (mojibake) is left out: it is a
 *    guess, and it fires on some mixtures of scripts that are right as they are;
 *  - Python's case and normal forms depend on its version: here they are those of Python 3.11
 *    (Unicode 14), whose younger capitals and marks stay as they are;
 *  - open_clip writes the special tokens <start_of_text> and <end_of_text>; here a text has them
 *    in OpenAI's spelling, <|startoftext|> and <|endoftext|>, whoever trained the model;
 *  - references nested more than 64 deep ("&amp;amp;amp;...") are undone at once instead of in
 *    turns with the other repairs: the same result unless terminal escapes are spelled that way.
 */
#ifndef VLP_TEXT_H
#define VLP_TEXT_H

#include <vlp/base.h>

enum vlp_cleaning {
    VLP_CLEAN_OPENAI, /* ftfy without mojibake repair, HTML unescape twice, spaces, lower case */
    VLP_CLEAN_HF,     /* NFC, spaces, lower case: the Hugging Face fast tokenizer */
    VLP_CLEAN_BERT    /* BERT uncased: controls dropped, CJK spaced, lower case, accents stripped */
};

/* What a model file says about its tokenizer. */
struct vlp_tokenizer_spec {
    const char       *kind; /* "clip_bpe", "bert_uncased" or "bert_clipa" */
    enum vlp_cleaning cleaning;
    int               context; /* ids per text at most, start and end included */
    int vocab_size;    /* rows of the embedding: a smaller one than the vocabulary is an error */
    const void *vocab; /* merges (CLIP: the first line is a header) or one piece a line (BERT) */
    size_t      vocab_len; /* gzip is recognised by its first bytes */
};

struct vlp_tokenizer;

/*
 * VLP_ERR_FORMAT   the vocabulary is damaged or does not have the rows that the model wants
 * VLP_ERR_SUPPORT  no row of the table has that kind
 * `vocab` is not needed after the call.
 */
enum vlp_status vlp_tokenizer_open(struct vlp_tokenizer           **out,
                                   const struct vlp_tokenizer_spec *spec, struct vlp_error *err);
void            vlp_tokenizer_close(struct vlp_tokenizer *t);

int     vlp_tokenizer_context(const struct vlp_tokenizer *t);
int32_t vlp_tokenizer_end(
    const struct vlp_tokenizer *t); /* <|endoftext|>, [SEP], or CLIPA's [PAD] */

struct vlp_tokens {
    int32_t *ids;  /* start, pieces, end: no padding; owned by the arena given */
    int      n;    /* at most the context */
    int      full; /* how many there would be without the cut: full > n says it was cut */
};

/*
 * Ids of one text. Longer than the context: the first `context` ids with the last one overwritten
 * by the end token (open_clip's rule; BERT the same). VLP_ERR_FORMAT when `text` is not UTF-8, with
 * the offset; VLP_ERR_LIMIT from 128 MiB on.
 */
enum vlp_status vlp_tokenize(struct vlp_tokens *out, struct vlp_arena *mem,
                             const struct vlp_tokenizer *t, const char *text, size_t len,
                             struct vlp_error *err);

/* The piece of an id as readable UTF-8 text ("photo</w>", "##ing"); NULL when out of range. */
const char *vlp_token_piece(const struct vlp_tokenizer *t, int32_t id);

/* The text after cleaning, before splitting: what the user's text became. From the arena. */
enum vlp_status vlp_text_clean(char **out, size_t *out_len, struct vlp_arena *mem,
                               enum vlp_cleaning c, const char *text, size_t len,
                               struct vlp_error *err);

/* ALBEF's cleaning of captions (`question` false) and questions, cut after max_words words. */
enum vlp_status vlp_text_clean_albef(char **out, size_t *out_len, struct vlp_arena *mem,
                                     bool question, int max_words, const char *text, size_t len,
                                     struct vlp_error *err);

/*
 * Whole words of a BERT token list: word w covers tokens start[w] .. start[w+1]-1; [CLS] and [SEP]
 * are no words. `start` has room for tokens->n entries; returns the number of words.
 */
int vlp_token_words(const struct vlp_tokenizer *t, const struct vlp_tokens *tokens, int *start);

#endif
