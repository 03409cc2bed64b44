# What goes wrong in long runs: damaged checkpoints, changed options, full disks, divergence, two at once.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p*.png .
for p in p*.png; do echo "picture ${p%.png}" >"${p%.png}.txt"; done
model=$GOLDEN/clip/end-to-end/model
run="vlp-train -b 4 --epochs 4 --warmup 0 --lr 1e-4 --save-every 1 -m $model -o run"

# A byte that the disk turned is noticed, named, and the checkpoint before taken; the end is the straight one.
expect 0 $run -o straight .
expect 6 $run --max-steps 4 .
half=$(($(stat -c %s run/step-000000004.train) / 2))
byte=$(od -An -tu1 -j $half -N 1 run/step-000000004.train)
printf "\\$(printf %o $((byte ^ 64)))" | dd of=run/step-000000004.train bs=1 seek=$half conv=notrunc 2>/dev/null
expect 0 $run .
says "run/step-000000004.train: damaged: its checksum is not that of its tensors"
says "going on after step 3"
same straight/model.safetensors run/model.safetensors
figures() { sed 's/,"samples_per_second".*//' "$1/metrics.jsonl"; }
diff <(figures straight) <(figures run) || fail "the metrics differ"

# Without any that is whole: refused by name, and nothing is overwritten.
mkdir torn
head -c 5000 run/step-000000012.train >torn/step-000000012.train
expect 5 $run -o torn .
says "torn/step-000000012.train"
[ "$(ls torn)" = step-000000012.train ] || fail "the damaged folder was written to"

# What changes the numbers is refused by name; so are other data and another model.
expect 4 $run -b 6 . && says "another 'batch' (4, now 6)"
expect 4 $run --flip 0.5 . && says "another 'flip'"
expect 4 $run .:2 && says "another 'number of samples an epoch'"
echo "another caption" >p00.txt
expect 4 $run . && says "another 'set of captions'"
echo "picture p00" >p00.txt
expect 4 $run --image-size 16 . && says "belongs to another model: its 'config.vision'"

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
(trap '' XFSZ && ulimit -f 1000 && exec $run -o full --save-every 1 .) >stdout 2>stderr
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
