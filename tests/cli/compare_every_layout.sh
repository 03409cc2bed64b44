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

# What is not a number agrees with nothing, whatever is compared after it.
odd_tensor() { # NAME ROWS COLS: a safetensors file of zeros whose first number is NaN
    local size=$(($2 * $3 * 4)) json
    json="{\"$1\":{\"dtype\":\"F32\",\"shape\":[$2,$3],\"data_offsets\":[0,$size]}}"
    printf "\\$(printf %o ${#json})\0\0\0\0\0\0\0%s\0\0\300\177" "$json"
    head -c $((size - 4)) /dev/zero
}
mkdir odd
cp "$GOLDEN/clip/hf-quick/inputs.safetensors" odd
odd_tensor image_features 3 32 >odd/expected.safetensors
expect 4 vlp-model compare --tolerance 1e30 -m "$GOLDEN/clip/hf-quick" odd
prints "$(printf 'image_features\tnan\tnan\tFAILED')"
expect 4 vlp-model compare --json --tolerance 1e30 -m "$GOLDEN/clip/hf-quick" odd
prints '"absolute": null, "relative": null, "ok": false'
# A reference of fewer samples than there are is not passed over.
odd_tensor image_features 1 32 >odd/expected.safetensors
expect 4 vlp-model compare --tolerance 1e30 -m "$GOLDEN/clip/hf-quick" odd
prints "image_features	-	-	FAILED: has another shape than (3, 32)"
# What is wrong with the inputs is said with their file's name.
odd_tensor image 3 32 >odd/inputs.safetensors
expect 4 vlp-model compare -m "$GOLDEN/clip/hf-quick" odd
says "odd/inputs.safetensors: 'image' is not f32 of shape (n, 3, R, R)"
odd_tensor text 3 32 >odd/inputs.safetensors
expect 4 vlp-model compare -m "$GOLDEN/clip/hf-quick" odd
says "odd/inputs.safetensors: 'text' is not i64 or i32 of shape (n, T)"
cp -f "$GOLDEN/clip/train/gelu/inputs.safetensors" odd
odd_tensor text_projection 32 32 >odd/gradients.safetensors
expect 4 vlp-model compare --gradients --tolerance 1e30 -m "$GOLDEN/clip/train/gelu" odd
prints "$(printf 'text_projection\tnan\tnan\tFAILED')"
