# Two processes at half the batch each make the model of one process, to rounding.
command -v mpirun >/dev/null && vlp-train -V | grep -q '^MPI: yes' || exit 0
cp "$GOLDEN"/clip/end-to-end/p*.png .
for p in p*.png; do echo "picture number ${p%.png}, drawn" >"${p%.png}.txt"; done
cat >config.json <<'JSON'
{"model": {"family": "clip", "config": {"embed_dim": 16, "activation": "gelu",
  "vision": {"kind": "vit", "image_size": 32, "patch_size": 8, "width": 32, "layers": 1, "heads": 2,
             "mlp": 64, "ln_eps": 1e-5, "interpolate": "none"},
  "text": {"context": 16, "vocab": 49408, "width": 32, "layers": 1, "heads": 2, "mlp": 64, "ln_eps": 1e-5}},
  "preprocess": {"flavour": "openai", "resize": "shortest", "size": [32, 32], "filter": "bicubic",
    "rgb_first": false, "crop_floor": false, "fill": 0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}},
 "train": {"batch": 8, "epochs": 4, "warmup": 0, "lr": 0.001, "eps": 0.001, "crop-min": 0.5}}
JSON
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
vlp-train -q -j 1 --config config.json -o one . || exit 1
# MPI keeps memory of its own to the end: no leaks are looked for.
ASAN_OPTIONS=detect_leaks=0 mpirun --oversubscribe -np 2 vlp-train -q -j 1 --config config.json -o two . || exit 1
# One that cannot go on does not leave the other waiting.
mkdir taken
(exec 9<taken && flock 9 && exec sleep 120) &
holder=$!
for _ in $(seq 100); do flock -n taken true || break; sleep 0.05; done
timeout 60 mpirun --oversubscribe -np 2 vlp-train -q -j 1 --config config.json -o taken . 2>err
status=$?
kill $holder
[ $status -eq 1 ] || { echo "a run that could not begin ended with $status"; exit 1; }
grep -q 'taken: another vlp-train is at work' err || exit 1
for run in one two; do
    vlp-embed -q -m $run/model.safetensors -o $run.tsv p*.png || exit 1
done
paste one.tsv two.tsv | awk '
    { half = NF / 2
      for (i = 2; i <= half; i++) { d = $i - $(i + half); if (d < 0) d = -d; if (d > worst) worst = d } }
    END { if (NR != 12 || worst > 1e-4) { print NR " rows, off by " worst; exit 1 } }'
