# Options that cannot be are refused by name before anything is written.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p0[0-5].png .
for p in p*.png; do echo "picture ${p%.png}" >"${p%.png}.txt"; done
run="vlp-train -b 3 --epochs 1 -m $GOLDEN/clip/end-to-end/model -o run"

# AdamW would divide by zero.
expect 2 $run --beta1 1 . && says "--beta1"
expect 2 $run --beta2 1 . && says "--beta2"
expect 2 $run --eps 0 . && says "--eps"
expect 2 $run --ema 1 . && says "--ema wants a number from 0 to 0.9999999, not 1"

# A weight shows nothing, less than nothing, or far too much.
for weight in 0 -1 0.0 1e6 inf nan; do
    expect 2 $run .:$weight && says ".:$weight: a weight is a number above 0 and below 1e6, not $weight"
done
expect 2 $run --plan . p00.png:0 && says "a weight is a number above 0"
expect 1 $run nothing:0 && says "nothing:0: No such file"
mkdir d:0 && cp p0[0-2].* d:0 # what is there is no weight
expect 0 $run --plan d:0
rm -r d:0

# A ResNet has no patches.
cat >resnet.json <<'JSON'
{"model": {"family": "clip", "config": {"embed_dim": 16, "activation": "gelu",
  "vision": {"kind": "resnet", "image_size": 32, "width": 2, "layers": [1, 1, 1, 1], "heads": 2},
  "text": {"context": 16, "vocab": 49408, "width": 16, "layers": 1, "heads": 2, "mlp": 32, "ln_eps": 1e-5}},
 "preprocess": {"flavour": "openai", "resize": "shortest", "size": [32, 32], "filter": "bicubic",
  "rgb_first": false, "crop_floor": false, "fill": 0, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}},
 "data": ["."], "train": {"batch": 3, "epochs": 1}}
JSON
run="vlp-train --config resnet.json -o run"
VLP_MODEL='' expect 2 $run --patch-dropout 0.5 && says "--patch-dropout"

[ ! -e run ] || fail "a refused run left something"
VLP_MODEL='' expect 0 $run --gradient-checkpointing
grep -q "6 pictures, 6 captions; 2 steps of 3 in 1 epoch\$" stderr || fail "one epoch is not counted as one: $(cat stderr)"
