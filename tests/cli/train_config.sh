# --config however it is written, from a file or standard input; --plot replaces plots and nothing else.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p0[0-5].png .
for p in p*.png; do echo "picture ${p%.png}" >"${p%.png}.txt"; done
export VLP_MODEL= # the configuration's model is none here
model=$GOLDEN/clip/end-to-end/model
cat >c.json <<'JSON'
{"data": ["."], "train": {"batch": 3, "epochs": 2, "warmup": 0, "lr": 0.0001, "log-every": 1}}
JSON
run="vlp-train -j 1 -m $model"
$run -q --config c.json -o whole || fail "the plain spelling"
for way in '--config=c.json' '--conf c.json' '--con=c.json' '--config none.json --config c.json' '-q --config c.json --'; do
    rm -rf run
    expect 0 $run -o run $way
    same whole/model.safetensors run/model.safetensors
done
expect 2 $run -o none --co c.json && says "'--co' could be several options"
# What another option takes is no --config of ours.
rm -rf run
expect 0 $run -o run --config c.json --cache-dir --config=none.json
same whole/model.safetensors run/model.safetensors
# Standard input; one thing alone can be read from it.
rm -rf run
expect 0 $run -o run --config - <c.json
same whole/model.safetensors run/model.safetensors
expect 2 $run -o none --config - - <c.json && says "--config and DATA both want standard input"
# What cannot be read is said as it is.
expect 1 $run -o none --config none.json && says "vlp-train: none.json: No such file or directory"
expect 1 $run -o none --config . && says "Is a directory"
expect 1 $run -o none --config - <. && says "vlp-train: standard input: Is a directory"
# What the file or its name says does not play with the terminal.
printf '{"\\u001b[31mdata": []}' >red.json
expect 2 $run -o none --config red.json && says "red.json: '?[31mdata' is not known"
expect 1 $run -o none --config $'\e[31m.json' && says "vlp-train: ?[31m.json: No such file"
expect 2 $run -o none --config - </dev/null && says "vlp-train: standard input: line 1: "
printf '{"train":\n{"batch": }}' >bad.json
expect 2 $run -o none --config bad.json && says "vlp-train: bad.json: line 2: "
for key in config conf; do
    echo "{\"train\": {\"$key\": \"c.json\"}}" >nested.json
    expect 2 $run -o none --config nested.json && says "nested.json: a configuration names no other"
done
for member in '"epo": 2' '"epochs2": 2' '"": 1' '"log-ev": 1'; do
    echo "{\"data\": [\".\"], \"train\": {$member}}" >short.json
    expect 2 $run -o none --config short.json && says "short.json: train."
done
[ ! -e none ] || fail "a folder was made"

# A plot of an earlier time is replaced; another file, before any step is made, by force alone.
expect 0 $run -o plotted --config c.json --plot curves.svg
cp curves.svg first.svg
expect 0 $run -o inside --config c.json --plot ./inside/curves.svg # a folder that the run makes
[ -s inside/curves.svg ] || fail "no plot in the folder of the run"
expect 0 $run -o plotted --config c.json --plot curves.svg
same first.svg curves.svg
expect 0 vlp-train --plot curves.svg -o plotted
echo 'a letter' >letter
expect 2 $run -o unmade --config c.json --plot letter && says "letter: exists"
[ ! -e unmade ] || fail "begun all the same"
expect 2 vlp-train --plot letter -o plotted && says "letter: exists"
[ "$(cat letter)" = 'a letter' ] || fail "the letter is gone"
expect 0 vlp-train -f --plot letter -o plotted
same first.svg letter
