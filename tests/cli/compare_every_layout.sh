# Every released layout gives the reference's features, hidden states and logits.
. "$ROOT/tests/cli_helpers.sh"
n=0
for dir in "$GOLDEN"/clip/*/; do
    [ -f "$dir/inputs.safetensors" ] && [ -f "$dir/expected.safetensors" ] || continue
    name=$(basename "$dir")
    model=$dir
    for file in model.pt epoch_3.pt; do
        [ -f "$dir/$file" ] && model=$dir$file
    done
    # Weights without a configuration do not say which activation they want.
    option=
    case $name in statedict-* | legacy-*) option=--activation=quick_gelu ;; esac
    expect 0 vlp-model compare $option -m "$model" "$dir"
    grep -q FAILED stdout && fail "$name: $(grep FAILED stdout)"
    prints image_features
    prints logits_per_image.exact
    # The imported file holds everything.
    expect 0 vlp-model import $option -o "$name.safetensors" "$model"
    expect 0 vlp-model compare -m "$name.safetensors" "$dir"
    expect 0 vlp-model verify "$name.safetensors"
    n=$((n + 1))
done
[ "$n" -ge 10 ] || fail "only $n cases"
# A tolerance that nobody meets.
expect 4 vlp-model compare --tolerance 1e-12 -m "$GOLDEN/clip/hf-quick" "$GOLDEN/clip/hf-quick"
says "do not agree"
expect 0 vlp-model compare --json -m "$GOLDEN/clip/hf-quick" "$GOLDEN/clip/hf-quick"
prints '"name": "image_features", "absolute": '
# Another model's numbers.
expect 4 vlp-model compare -m "$GOLDEN/clip/hf-bin" "$GOLDEN/clip/hf-gelu-sharded"
