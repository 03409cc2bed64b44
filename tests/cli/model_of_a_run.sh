# The model in a checkpoint of training obeys --activation as any other model does.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p0[0-3].png .
for p in p*.png; do echo "picture" >"${p%.png}.txt"; done
expect 6 vlp-train -q -b 4 --epochs 2 --warmup 0 -m "$GOLDEN/clip/end-to-end/model" -o run --max-steps 1 .
state=run/step-000000001.train
for name in gelu quick_gelu; do
    expect 0 vlp-embed -q -m $state --activation $name --format tsv -f -o $name.tsv p00.png
    expect 0 vlp-model import -q --activation $name -f -o $name.safetensors $state
    expect 0 vlp-model inspect $name.safetensors
    grep -q "^activation *$name (" stdout || fail "$(cat stdout)"
    expect 0 vlp-embed -q -m $name.safetensors --format tsv -f -o imported.tsv p00.png
    same $name.tsv imported.tsv
done
cmp -s gelu.tsv quick_gelu.tsv && fail "one vector for two activations"
expect 0 vlp-embed -m $state --activation gelu -f -o one.vle p00.png
says "$state: activation gelu as asked for, though the file says quick_gelu"
