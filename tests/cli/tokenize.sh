# Texts to ids, with the tokenizers by name and with a model's.
vlp-model tokenize 'a photo of a cat.' "it's 2021, isn't it?" ''
printf 'one\ntwo, three\n' | vlp-model tokenize --json
printf 'Jos\303\251 unaffable\n' >lines
vlp-model tokenize --tokenizer bert --json --lines lines
vlp-model tokenize --context 5 --pad 'a photo of a cat.' 'a' 2>/dev/null
vlp-model tokenize -m "$GOLDEN/clip/end-to-end/model" 'caf&eacute; &amp;amp; more'
vlp-model tokenize -m "$GOLDEN/clip/openclip-clipa" --pad 'caf&eacute; &amp;amp; [SEP]' 2>/dev/null
vlp-model tokenize --cleaning hf -m "$GOLDEN/clip/end-to-end/model" 'caf&eacute; &amp;amp; more'
vlp-model tokenize --tokenizer clip-hf 'caf&eacute; &amp;amp; more'
vlp-model tokenize --tokenizer clip 'caf&eacute; &amp;amp; more'
vlp-model tokenize --tokenizer model --cleaning hf -m "$GOLDEN/clip/end-to-end/model" 'caf&eacute; &amp;amp; more'
VLP_MODEL='' vlp-model tokenize --cleaning hf 'caf&eacute; &amp;amp; more' # an empty name is none
for other in "-m $GOLDEN/clip/end-to-end/model" "--cleaning hf"; do
    vlp-model tokenize --tokenizer clip $other x 2>/dev/null
    [ $? -eq 2 ] || echo "not refused: $other"
done
