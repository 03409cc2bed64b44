# What a file says of its own bytes is compared before anything new is made of them.
. "$ROOT/tests/cli_helpers.sh"
turn() { # FILE OFFSET: one bit
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# PyTorch's zip: each member has a CRC-32.
cp "$GOLDEN/clip/openai-vit/model.pt" good.pt
cp good.pt bad.pt
turn bad.pt 60000
expect 0 vlp-model verify good.pt
prints "$(printf 'good.pt\tok\t62 tensors\t')"
grep -q '[1-9][0-9]* checksums$' stdout || fail "$(cat stdout)"
expect 5 vlp-model verify bad.pt
prints "$(printf 'bad.pt\tchecksum\tmodel/data/12\t')"
expect 5 vlp-model import -o made.safetensors bad.pt
says "bad.pt: damaged: checksum of 'model/data/12'"
expect 5 vlp-model convert --to open_clip -o made bad.pt
[ ! -e made.safetensors ] && [ ! -e made ] || fail "written in spite of the damage"

# Ours, converted, would hide its damage just so.
expect 0 vlp-model import -o own.safetensors good.pt
cp own.safetensors turned.safetensors
turn turned.safetensors $(($(stat -c %s own.safetensors) - 5000))
expect 5 vlp-model convert -o made.safetensors turned.safetensors
says "turned.safetensors: damaged: checksum of '"
[ ! -e made.safetensors ] || fail "written in spite of the damage"

# A model of this size is compared whenever it is used.
cp "$GOLDEN/clip/end-to-end/p00.png" .
for program in vlp-embed "vlp-classify --labels cat,dog"; do
    expect 5 $program -q -m turned.safetensors p00.png
    says "turned.safetensors: damaged: checksum of '"
    expect 5 $program -q -m bad.pt p00.png
done
expect 5 vlp-train --check -m turned.safetensors . && says "turned.safetensors: damaged: checksum of '"

# A file without checksums is not called more than it is.
expect 0 vlp-model verify "$GOLDEN/clip/hf-quick"
prints "no checksums to compare"
expect 0 vlp-model verify "$GOLDEN/clip/legacy-nonzip"
prints "no checksums to compare"

# A training checkpoint has one checksum for its tensors, one for its words, one for its header.
cp "$GOLDEN"/clip/end-to-end/p0[0-3].png .
for p in p*.png; do echo "picture" >"${p%.png}.txt"; done
printf '#version: 0.2\np i\nc t\n' >merges
echo '{"model": {"family": "clip", "config": {"embed_dim": 8, "activation": "gelu",
  "vision": {"kind": "vit", "image_size": 16, "patch_size": 8, "width": 8, "layers": 1, "heads": 1,
             "mlp": 16, "ln_eps": 1e-5, "interpolate": "none"},
  "text": {"context": 16, "vocab": 516, "width": 8, "layers": 1, "heads": 1, "mlp": 16, "ln_eps": 1e-5}},
  "preprocess": {"flavour": "openai", "resize": "shortest", "size": [16, 16], "filter": "bicubic",
    "rgb_first": false, "crop_floor": false, "fill": 0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}},
 "train": {"batch": 4, "epochs": 2, "warmup": 0, "ema": 0.9}, "vocabulary": "merges"}' >config.json
expect 6 vlp-train --config config.json -o run --max-steps 1 .
state=run/step-000000001.train
expect 0 vlp-model verify $state
prints "3 checksums"
cp $state tensors.train
turn tensors.train $(($(stat -c %s $state) / 2))
expect 5 vlp-model verify tensors.train
prints "$(printf 'tensors.train\tchecksum\t-\t')"
expect 5 vlp-model import -o made.safetensors tensors.train
cp $state words.train
turn words.train "$(grep -obaF 'c t' $state | cut -d : -f 1)"
expect 5 vlp-model verify words.train
prints "$(printf 'words.train\tchecksum\ttokenizer.vocab\t')"
cp $state header.train
at=$(grep -obaP 'mean\\": ?\[0.\K5' $state | head -1 | cut -d : -f 1)
turn header.train "$at"
expect 5 vlp-model verify header.train
prints "$(printf 'header.train\tchecksum\t-\tthe header')"
expect 5 vlp-model import -o made.safetensors header.train
says "header.train: damaged: checksum: the header"
expect 5 vlp-model convert --to open_clip -o made header.train
expect 5 vlp-embed -q -m header.train p00.png
says "header.train: damaged: checksum: the header"
[ ! -e made.safetensors ] && [ ! -e made ] || fail "written in spite of the damage"

# A vocabulary with more pieces than the embedding has rows is no damage that a checksum shows.
cp -r "$GOLDEN/clip/hf-quick" small
gzip -dc "$VLP_SHARE"/bpe_simple_vocab_16e6.txt.gz | head -87 >small/merges.txt
expect 0 vlp-model verify small
gzip -dc "$VLP_SHARE"/bpe_simple_vocab_16e6.txt.gz | head -88 >small/merges.txt
expect 5 vlp-model verify small
prints "$(printf 'small\ttokenizer\ttokenizer.vocab\tthe vocabulary has 601 pieces but')"
expect 0 vlp-model import -o small.safetensors small
expect 5 vlp-model verify small.safetensors
expect 0 vlp-embed -q -m small.safetensors -o small.vle p00.png
