# Gradients of the tiny training cases agree with the reference; a changed tolerance fails them with 4.
for case in gelu quickgelu; do
    dir=$GOLDEN/clip/train/$case
    for loss in softmax sigmoid; do
        vlp-model compare -q --gradients --loss $loss -m "$dir" "$dir" >lines || exit 1
        [ "$(grep -c '	ok$' lines)" -ge 62 ] || exit 1
    done
done
vlp-model compare -q --gradients --tolerance 1e-12 -m "$dir" "$dir" >/dev/null 2>&1
[ $? -eq 4 ] || exit 1

# Ids are i64 or i32, and a text ends at the model's end token, of whatever larger id stands behind it.
. "$ROOT/tests/cli_helpers.sh"
dir=$GOLDEN/clip/train/gelu
put_texts() { # TYPE BYTES ID...: ./case/inputs.safetensors with two pictures and two texts of four ids
    local type=$1 bytes=$2 header id
    shift 2
    header="{\"image\":{\"dtype\":\"F32\",\"shape\":[2,3,32,32],\"data_offsets\":[0,24576]},"
    header+="\"text\":{\"dtype\":\"$type\",\"shape\":[2,4],\"data_offsets\":[24576,$((24576 + 8 * bytes))]}}"
    {
        printf "\\x$(printf %x ${#header})\0\0\0\0\0\0\0%s" "$header"
        tail -c 24576 "$dir/inputs.safetensors"
        for id in "$@"; do printf "\\x$(printf %x "$id")" && head -c $((bytes - 1)) /dev/zero; done
    } >case/inputs.safetensors
}
loss_of() { # LOSS MODEL: of the case, whose gradients are not the expected ones
    expect 4 vlp-model compare --gradients --loss "$1" -m "$2" case
    sed -n 's/^loss\t//p' stdout
}
mkdir case model
cp "$dir"/gradients*.safetensors case
cp "$dir/open_clip_model.safetensors" model
sed 's/"vocab_size"/"pool_type": "eos", "eos_id": 50, &/' "$dir/open_clip_config.json" >model/open_clip_config.json
put_texts I64 8 118 7 50 0 118 50 0 0
ended=$(loss_of softmax model)
put_texts I32 4 118 7 50 0 118 50 0 0
[ "$(loss_of softmax model)" = "$ended" ] || fail "ids as i32 give another loss"
put_texts I64 8 118 7 50 119 118 50 119 9
[ "$(loss_of softmax model)" = "$ended" ] || fail "what stands behind the end token counts"
[ "$(loss_of softmax "$dir")" != "$ended" ] || fail "the end token is not the model's"
