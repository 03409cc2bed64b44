# Without the vocabularies that came with the programs, who needs one says so.
. "$ROOT/tests/cli_helpers.sh"
export VLP_SHARE=$PWD/nowhere
for name in clip clip-hf bert; do
    expect 1 vlp-model tokenize --tokenizer $name 'a photo'
    says "no vocabulary in $VLP_SHARE (set VLP_SHARE to where it is)"
done
# This checkpoint says how texts are cleaned, not with which vocabulary.
cp -R "$GOLDEN/clip/hf-quick" model
sed '1s/{/{"vlp": {"cleaning": "hf"},/' "$GOLDEN/clip/hf-quick/preprocessor_config.json" \
    >model/preprocessor_config.json
expect 4 vlp-embed -q -m model --only text --format tsv "$ROOT/share/vlp/pictures/captions.tsv"
says "model: the model carries no vocabulary, and none that was found fits it"
