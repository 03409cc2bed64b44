# Gradients of the tiny training cases agree with the reference; a changed tolerance fails them with 4.
for case in gelu quickgelu; do
    dir=$GOLDEN/clip/train/$case
    for loss in softmax sigmoid; do
        vlp-model compare -q --gradients --loss $loss -m "$dir" "$dir" >lines || exit 1
        [ "$(grep -c '	ok$' lines)" -ge 62 ] || exit 1
    done
done
# A ResNet in training, with the statistics of the batch. The bias of its pool's keys has a gradient of zero.
vlp-model compare -q --gradients -m "$GOLDEN/clip/train/resnet" "$GOLDEN/clip/train/resnet" >lines || exit 1
grep -q '^visual.attnpool.k_proj.bias	' lines || exit 1
vlp-model compare -q --gradients --tolerance 1e-12 -m "$dir" "$dir" >/dev/null 2>&1
[ $? -eq 4 ] || exit 1

# Gradients come in the names of any layout, as weights do.
. "$ROOT/tests/cli_helpers.sh"
dir=$GOLDEN/clip/train/gelu
with_header() { # FILE HEADER DATA: a safetensors file
    printf "\\x$(printf %x $((${#2} % 256)))\\x$(printf %x $((${#2} / 256)))\0\0\0\0\0\0%s" "$2" | cat - "$3" >"$1"
}
header_of() {
    tail -c +9 "$1" | head -c "$(od -An -t u4 -N 4 "$1" | tr -d ' ')" | sed 's/ *$//'
}
data_of() {
    tail -c +$((9 + $(od -An -t u4 -N 4 "$1" | tr -d ' '))) "$1"
}
mkdir names
cp "$dir/inputs.safetensors" names
data_of "$dir/gradients.safetensors" >data
with_header names/gradients.safetensors \
    "$(header_of "$dir/gradients.safetensors" | sed 's/"\(transformer\|token\|positional\|ln_final\|text_proj\)/"text.\1/g')" data
grep -qa '"text.ln_final.bias"' names/gradients.safetensors || fail "no other names"
expect 0 vlp-model compare --gradients -m "$dir" names
prints 'ln_final.bias'

# Ids are i64 or i32, and a text ends at the model's end token, of whatever larger id stands behind it.
put_texts() { # TYPE BYTES ID...: ./case/inputs.safetensors with pictures, and texts of four ids
    local type=$1 bytes=$2 header id
    shift 2
    local n=$(($# / 4)) pixels=$(($# / 4 * 3 * 32 * 32 * 4))
    header="{\"image\":{\"dtype\":\"F32\",\"shape\":[$n,3,32,32],\"data_offsets\":[0,$pixels]},"
    header+="\"text\":{\"dtype\":\"$type\",\"shape\":[$n,4],\"data_offsets\":[$pixels,$((pixels + $# * bytes))]}}"
    {
        tail -c $pixels "$dir/inputs.safetensors"
        for id in "$@"; do printf "\\x$(printf %x "$id")" && head -c $((bytes - 1)) /dev/zero; done
    } >data
    with_header case/inputs.safetensors "$header" data
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

# A loss that is no number is null in JSON, which has no word for it.
mkdir odd
cp "$dir/gradients.safetensors" odd
data_of "$dir/inputs.safetensors" >data
pixel=$(header_of "$dir/inputs.safetensors" | sed 's/.*"image[.0]*":{[^}]*"data_offsets":\[\([0-9]*\),.*/\1/')
printf '\0\0\300\177' | dd of=data bs=1 seek="$pixel" conv=notrunc status=none # NaN
with_header odd/inputs.safetensors "$(header_of "$dir/inputs.safetensors")" data
expect 4 vlp-model compare --gradients --json -m "$dir" odd
prints '{"name": "loss", "value": null}'
grep -q 'nan' stdout && fail "NaN in JSON: $(grep -m 1 nan stdout)"
expect 4 vlp-model compare --gradients -m "$dir" odd
grep -qE '^loss	-?nan$' stdout || fail "another loss: $(head -1 stdout)"

# Under the sigmoid loss a model without a bias stands at the loss's start, scale 10 and bias -10; one with a bias at
# its own. One pair: loss = ln(1 + e^-z), z = scale cos + bias; the first model's gives the cosine.
mkdir biased
cp "$dir/open_clip_config.json" biased
data_of "$dir/open_clip_model.safetensors" >data
size=$(stat -c %s data)
printf '\0\0\100\300' >>data # -3
header=$(header_of "$dir/open_clip_model.safetensors")
with_header biased/open_clip_model.safetensors \
    "{\"logit_bias\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[$size,$((size + 4))]},${header#\{}" data
put_texts I64 8 118 7 50 119
plain=$(loss_of sigmoid "$dir")
own=$(loss_of sigmoid biased)
scale=$(vlp-model inspect biased 2>/dev/null | sed -n 's/^logit scale *//p')
awk -v plain="$plain" -v own="$own" -v scale="$scale" 'BEGIN {
    cosine = (10 - log(exp(plain) - 1)) / 10
    expected = log(1 + exp(3 - scale * cosine))
    printf "cosine %g, loss %g, expected %g\n", cosine, own, expected
    exit !(own > expected - 1e-5 && own < expected + 1e-5 && (scale - 10) ^ 2 > 1 && cosine ^ 2 > 1e-4)
}' >formula || fail "not the loss at the model's own scale and bias: $(cat formula)"
