# A bias or a norm of one number is a vector, not a number: what a very narrow tower becomes can be read again.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p0[0-5].png .
for p in p*.png; do echo "picture ${p%.png}" >"${p%.png}.txt"; done
cat >narrow.json <<'JSON'
{"model": {"family": "clip", "config": {"embed_dim": 16, "activation": "gelu",
  "vision": {"kind": "resnet", "image_size": 32, "width": 2, "layers": [1, 1, 1, 1], "heads": 2},
  "text": {"context": 16, "vocab": 49408, "width": 16, "layers": 1, "heads": 2, "mlp": 32, "ln_eps": 1e-5}},
 "preprocess": {"flavour": "openai", "resize": "shortest", "size": [32, 32], "filter": "bicubic",
  "rgb_first": false, "crop_floor": false, "fill": 0, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}},
 "data": ["."], "train": {"batch": 3, "epochs": 1, "warmup": 0, "loss": "sigmoid", "ema": 0.9}}
JSON
VLP_MODEL='' expect 0 vlp-train -q --config narrow.json -o run
for model in run/model.safetensors run/step-000000002.train; do
    expect 0 vlp-model verify $model
    expect 0 vlp-embed -q -m $model --format tsv p00.png
    mv stdout vectors
    expect 0 vlp-embed -q -m run/model.safetensors --format tsv p00.png
    same stdout vectors
done
