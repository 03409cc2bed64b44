# What goes wrong in long runs: damaged checkpoints, changed options, full disks, divergence, two at once.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p*.png .
for p in p*.png; do echo "picture ${p%.png}" >"${p%.png}.txt"; done
model=$GOLDEN/clip/end-to-end/model
run="vlp-train -b 4 --epochs 4 --warmup 0 --lr 1e-4 --save-every 1 -m $model -o run"

# A byte that the disk turned is noticed, named, and the checkpoint before taken; the end is the straight one.
expect 0 $run -o straight .
expect 6 $run --max-steps 4 .
damage() {
    local half byte
    half=$(($(stat -c %s "$1") / 2))
    byte=$(od -An -tu1 -j $half -N 1 "$1")
    printf "\\$(printf %o $((byte ^ 64)))" | dd of="$1" bs=1 seek=$half conv=notrunc 2>/dev/null
}
damage run/step-000000004.train
expect 0 $run .
says "run/step-000000004.train: damaged: its checksum is not that of its tensors"
says "going on after step 3"
same straight/model.safetensors run/model.safetensors
figures() { sed 's/,"samples_per_second".*//' "$1/metrics.jsonl"; }
diff <(figures straight) <(figures run) || fail "the metrics differ"

# So is one bit in what the checkpoint says of itself: keys of its state, a dtype, a tensor's name.
for bit in 'steps\\":/rteps\\":' 'batch\\":/catch\\":' '"F32"/"F72"' '"weight.logit/"weighv.logit' '"vlp.train"/"vlp.tra)n"'; do
    rm -r run
    expect 6 $run --max-steps 4 .
    LC_ALL=C sed -i "s/$bit/" run/step-000000004.train
    expect 6 $run --max-steps 4 .
    says "run/step-000000004.train: "
    says "going on after step 3"
    [ -e run/step-000000004.train.damaged ] || fail "$bit: $(ls run)"
done
expect 0 $run .
same straight/model.safetensors run/model.safetensors

# It no longer counts among those that are kept, and what was just saved never goes.
few="$run -o few --keep 1"
expect 6 $few --save-every 2 --keep 2 --max-steps 4 .
damage few/step-000000004.train
expect 6 $few --max-steps 3 .
says "few/step-000000004.train: renamed to step-000000004.train.damaged"
[ "$(ls few)" = "$(printf 'metrics.jsonl\nstep-000000003.train\nstep-000000004.train.damaged')" ] || fail "$(ls few)"
mkdir few/step-000000009.train # not readable as a file, which time may cure: left alone, not counted
expect 6 $few --max-steps 5 .
says "few/step-000000009.train"
says "going on after step 3"
[ -d few/step-000000009.train ] && [ -e few/step-000000005.train ] && [ ! -e few/step-000000003.train ] || fail "$(ls few)"
rmdir few/step-000000009.train
expect 0 $few .
same straight/model.safetensors few/model.safetensors

# Without any that is whole: refused by name, and nothing is overwritten.
mkdir torn
head -c 5000 run/step-000000012.train >torn/step-000000012.train
expect 5 $run -o torn .
says "torn/step-000000012.train"
[ "$(ls torn)" = step-000000012.train ] || fail "the damaged folder was written to"

# What changes the numbers is refused by name; so are other data and another model.
expect 4 $run -b 6 . && says "another 'batch' (4, now 6)"
expect 4 $run --flip 0.5 . && says "another 'flip' (0, now 0.5)"
expect 4 $run --epochs 5 . && says "another 'epochs, in steps' (12, now 15)"
expect 4 $run --ema 0.5 . && says "another 'ema' (0, now 0.5)"
expect 4 $run --lr-end 1e-6 . && says "another 'lr-end' (0, now 1e-6)"
expect 4 $run .:2 && says "another 'number of samples an epoch'"
mkdir a b && cp p0[0-5].* a && cp p06.* p07.* p08.* p09.* p1?.* b
expect 6 $run -o weighted --max-steps 1 a:2 b
expect 4 $run -o weighted a b:2 && says "another 'weights of the data' ([[6, 2.0], [6, 1.0]], now [[6, 1.0], [6, 2.0]])"
expect 0 $run -o weighted a:2 b
rm -r a b
echo "another caption" >p00.txt
expect 4 $run . && says "another 'set of captions'"
echo "picture p00" >p00.txt
expect 4 $run --image-size 16 . && says "belongs to another model: its 'config.vision'"

# So is another vocabulary: the same merges in another order would make other token ids.
small='{"model": {"family": "clip", "config": {"embed_dim": 8, "activation": "gelu",
  "vision": {"kind": "vit", "image_size": 16, "patch_size": 8, "width": 8, "layers": 1, "heads": 1,
             "mlp": 16, "ln_eps": 1e-5, "interpolate": "none"},
  "text": {"context": 16, "vocab": 516, "width": 8, "layers": 1, "heads": 1, "mlp": 16, "ln_eps": 1e-5}},
  "preprocess": {"flavour": "openai", "resize": "shortest", "size": [16, 16], "filter": "bicubic",
    "rgb_first": false, "crop_floor": false, "fill": 0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}},
 "train": {"batch": 4, "epochs": 2, "warmup": 0}, "vocabulary": "'
printf '#version: 0.2\np i\nc t\n' >m1
printf '#version: 0.2\nc t\np i\n' >m2
echo "${small}m1\"}" >v1.json
echo "${small}m2\"}" >v2.json
expect 6 vlp-train --config v1.json -o words --max-steps 1 .
expect 4 vlp-train --config v2.json -o words . && says "another vocabulary"
expect 0 vlp-train --config v1.json -o words .

# Where the last place of a text is pooled, the vocabulary that is given is one of BERT.
last=$(echo "$small" | sed 's/"context": 16,/"context": 16, "causal": false, "pool": "last",/')
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' picture p >pieces
echo "${last}pieces\"}" >v3.json
echo "${last}m1\"}" >v4.json
expect 0 vlp-train --config v3.json -o pooled .
! grep -q "carries no vocabulary" stderr || fail "$(cat stderr)"
expect 0 vlp-model inspect pooled/model.safetensors && prints "bert_clipa, cleaning bert"
expect 5 vlp-train --config v4.json -o merged --max-steps 1 . && says "the vocabulary has no [UNK]"

# What a killed process was writing goes; others' files stay.
touch run/step-000000099.train.tmp-AbCdEf run/notes.tmp-AbCdEf
expect 0 $run .
[ ! -e run/step-000000099.train.tmp-AbCdEf ] && [ -e run/notes.tmp-AbCdEf ] || fail "$(ls run)"

# Two at once.
(exec 9<run && flock 9 && exec sleep 30) &
holder=$!
for _ in $(seq 100); do flock -n run true || break; sleep 0.05; done
expect 1 $run . && says "another vlp-train is at work in it"
kill $holder

# A disk without room for a checkpoint: named, nothing half written, and the run goes on when there is room.
(ulimit -f 1000 && exec $run -o full --save-every 1 .) >stdout 2>stderr
[ $? -eq 1 ] || fail "a full disk ended with another status"
says "full/step-000000001.train: File too large"
[ "$(ls full)" = metrics.jsonl ] || fail "left: $(ls full)"
expect 0 $run -o full .
same straight/model.safetensors full/model.safetensors

# A checkpoint is a model: that of its step.
expect 0 vlp-model inspect run/model.safetensors
grep fingerprint stdout >want
expect 0 vlp-model inspect run/step-000000012.train
grep fingerprint stdout | cmp - want || fail "the checkpoint holds another model"
expect 0 vlp-embed -q -m run/step-000000012.train --format tsv p00.png

# A loss that stays without value ends the run; no file is to blame.
expect 1 vlp-train -b 4 --epochs 40 --warmup 0 --lr 100 --schedule constant -m "$model" -o diverged .
says "not finite in 11 steps in a row"
# The losses of the steps since the last line are written with the last step, also when that one has none.
n=$(sed -n 's/.*: step \([0-9]*\): loss or gradient not finite.*/\1/p' stderr | head -1)
expect 6 vlp-train -b 4 --epochs 40 --warmup 0 --lr 100 --schedule constant -m "$model" -o last --max-steps "$n" .
[ "$(wc -l <last/metrics.jsonl)" -eq 1 ] || fail "lost losses: $(cat last/metrics.jsonl)"
grep -q "^{\"step\":$n,.*\"loss\":[0-9]" last/metrics.jsonl || fail "$(cat last/metrics.jsonl)"

# SIGUSR1 saves, SIGTERM saves and ends; the run goes on.
vlp-train -b 4 --epochs 400 --warmup 0 --lr 1e-4 -m "$model" -o signalled . 2>stderr &
child=$!
for _ in $(seq 200); do [ -e signalled/metrics.jsonl ] && break; sleep 0.05; done
sleep 0.3
kill -USR1 $child
for _ in $(seq 200); do ls signalled/step-*.train >/dev/null 2>&1 && break; sleep 0.05; done
ls signalled/step-*.train >/dev/null || fail "SIGUSR1 saved nothing"
kill -TERM $child
wait $child
[ $? -eq 143 ] || fail "SIGTERM ended with another status"
says "the same command goes on"

# So do a terminal that is closed and the limit of CPU time.
for signal in HUP:129 XCPU:152; do
    rm -r signalled
    env --default-signal=HUP vlp-train -b 4 --epochs 400 --warmup 0 --lr 1e-4 -m "$model" -o signalled . 2>stderr &
    child=$!
    for _ in $(seq 200); do [ -e signalled/metrics.jsonl ] && break; sleep 0.05; done
    kill -"${signal%:*}" $child
    wait $child
    [ $? -eq "${signal#*:}" ] || fail "SIG${signal%:*} ended with another status"
    ls signalled/step-*.train >/dev/null || fail "SIG${signal%:*} saved nothing"
done

# A warm-up longer than the run is the usual reason why nothing is learned.
expect 0 vlp-train --check -b 4 --epochs 2 -m "$model" . && says "--warmup 2000: the run has 6 steps"
expect 0 vlp-train --check -b 4 --epochs 2 --warmup 2 -m "$model" .
grep -q warmup stderr && fail "a fitting warm-up was warned of"

# A configuration with a misspelt member trains nothing.
echo '{"trian": {"lr": 1}}' >config.json
expect 2 vlp-train --config config.json -o none . && says "'trian' is not known"
echo '{"data": [{"path": "x"}]}' >config.json
expect 2 vlp-train --config config.json -o none && says "data[0] is not a text"
[ ! -e none ] || fail "a folder was made"

# Data that are not there: named once, without a word about weights, and no file is corrupt.
expect 1 $run nothere
[ "$(cat stderr)" = "vlp-train: nothere: No such file or directory (skipped)
vlp-train: no picture with a caption in the data" ] || fail "$(cat stderr)"
mkdir wordless && cp p00.png wordless
expect 5 $run wordless && says "no picture with a caption in the data"

# Storage that goes away while the data are read is not trained without: most pictures, or the last twenty. With
# several captions a picture counts once; --check goes on and names all. Dead rows in one place are left out.
lines() { # FROM TO NAME-FORMAT
    for i in $(seq "$1" "$2"); do printf "$3\tpicture\n" "$i"; done
}
first() { printf 'image\tcaption\n'; }
whole() { for _ in $(seq "$1"); do for p in p0[0-9].png p1[01].png; do printf '%s\tpicture\n' $p; done; done; }
(first; whole 4; lines 1 20 gone%d.png) >mostly.tsv
expect 1 $run -o no mostly.tsv && says "the last 20 pictures cannot be read: is the training data still there?"
[ ! -e no ] || fail "a run was begun"
expect 3 vlp-train --check -b 4 --epochs 1 -m "$model" mostly.tsv && says "20 of 68 records are left out"
[ "$(grep -c 'gone.*skipped' stderr)" -eq 20 ] || fail "--check does not name all"
(first; whole 3; lines 1 30 gone%d.png; whole 1) >block.tsv
expect 3 vlp-train -q -b 4 --epochs 1 --warmup 0 -m "$model" -o block block.tsv && says "30 of 78 records are left out"
(first; whole 4; lines 1 19 gone%d.png; lines 19 19 gone%d.png; lines 19 19 gone%d.png) >some.tsv
expect 3 vlp-train -q -b 4 --epochs 1 --warmup 0 -m "$model" -o some some.tsv && says "21 of 69 records are left out"
(first; for i in $(seq 13); do lines $i $i gone%d.png; whole 1 | sed -n ${i}p; lines $i $i lost%d.png; done) >half.tsv
expect 1 $run -o no half.tsv && says "26 of 38 pictures cannot be read"
# Of many that cannot be used the first hundred are named.
(first; for i in $(seq 20); do lines 1 10 gone$i-%d.png; whole 1; done) >many.tsv
expect 6 vlp-train -q -b 4 --epochs 1 --warmup 0 -m "$model" -o many --max-steps 2 many.tsv
says "200 of 440 records are left out; --check names them all"
[ "$(grep -c skipped stderr)" -eq 100 ] || fail "$(grep -c skipped stderr) are named"
exit 0
