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
# What one process cannot read, none goes on with: here each sees files of its own, in ./0 and ./1.
two() { ASAN_OPTIONS=detect_leaks=0 timeout 100 mpirun --oversubscribe -np 2 sh -c 'cd "$OMPI_COMM_WORLD_RANK" && exec "$@"' two "$@" 2>err; }
each="vlp-train -j 1 --config ../config.json -o run"
for rank in 0 1; do mkdir $rank && cp p*.png p*.txt $rank; done
two $each --save-every 1 --max-steps 3 .
status=$?
[ $status -eq 6 ] || { cat err; echo "the first three steps ended with $status"; exit 1; }
cp -r 0/run 1
half=$(($(stat -c %s 1/run/step-000000003.train) / 2))
head -c $half 0/run/step-000000003.train >1/run/step-000000003.train
two $each .
status=$?
[ $status -eq 0 ] || { cat err; echo "what one process cannot read ended the run with $status"; exit 1; }
grep -q 'going on after step 2' err || { cat err; exit 1; }
cmp two/model.safetensors 0/run/model.safetensors || exit 1
# A run whose only checkpoint one process cannot read ends in all of them, with the reason.
rm -r 0/run 1/run
two $each --max-steps 1 .
two $each .
status=$?
[ $status -eq 1 ] && grep -q 'step-000000001.train: No such file' err && [ ! -e 0/run/step-000000001.train.damaged ] ||
    { cat err; echo "a checkpoint that one process has not ended with $status"; exit 1; }
# Pictures that go in the second process alone end both, after the steps made were saved.
rm -r 0/run
(for _ in $(seq 400); do [ -s 0/run/metrics.jsonl ] && rm 1/*.png && break; sleep 0.05; done) &
two $each --log-every 1 --epochs 100000 .
status=$?
wait
[ $status -eq 5 ] && grep -q 'is the training data still there' err || { cat err; echo "missing data ended with $status"; exit 1; }
ls 0/run/step-*.train >/dev/null || exit 1
for run in one two; do
    vlp-embed -q -m $run/model.safetensors -o $run.tsv p*.png || exit 1
done
paste one.tsv two.tsv | awk '
    { half = NF / 2
      for (i = 2; i <= half; i++) { d = $i - $(i + half); if (d < 0) d = -d; if (d > worst) worst = d } }
    END { if (NR != 12 || worst > 1e-4) { print NR " rows, off by " worst; exit 1 } }'
