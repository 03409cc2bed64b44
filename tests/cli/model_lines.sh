# verify, compare and selftest print lines with column names where asked, or one JSON object each.
. "$ROOT/tests/cli_helpers.sh"
model=$GOLDEN/clip/hf-quick
tab() { printf '%s\t%s\t%s\t%s' "$@"; }
python=$(command -v python3) || python=
json_lines() { # every line of stdout is an object
    [ -z "$python" ] || "$python" -c 'import json, sys
for line in sys.stdin: assert isinstance(json.loads(line), dict), line' <stdout || fail "no JSON: $(cat stdout)"
}
cp -r "$model" "$(printf 'q"uote')"
expect 0 vlp-model verify --json "$model" 'q"uote'
json_lines
[ "$(wc -l <stdout)" -eq 2 ] || fail "$(cat stdout)"
grep -qE '^\{"file": "q\\"uote", "ok": true, "tensors": [0-9]+, "checksums": 0\}$' stdout || fail "$(cat stdout)"
gzip -dc "$VLP_SHARE"/bpe_simple_vocab_16e6.txt.gz | head -88 >'q"uote/merges.txt'
expect 5 vlp-model verify --json "$model" 'q"uote'
json_lines
prints '{"file": "q\"uote", "ok": false, "kind": "tokenizer", "tensor": "tokenizer.vocab", "detail": "the vocabulary has 601 pieces but'
expect 5 vlp-model verify --header "$model" 'q"uote'
[ "$(head -n 1 stdout)" = "$(tab file kind tensor detail)" ] || fail "$(cat stdout)"
[ "$(wc -l <stdout)" -eq 3 ] || fail "$(cat stdout)"

expect 0 vlp-model compare --header -m "$model" "$model"
[ "$(head -n 1 stdout)" = "$(tab name absolute relative verdict)" ] || fail "$(cat stdout)"
sed 1d stdout >lines
expect 0 vlp-model compare -m "$model" "$model"
same stdout lines

graded=$GOLDEN/clip/train/gelu
expect 0 vlp-model compare --gradients --header -m "$graded" "$graded"
[ "$(head -n 1 stdout)" = "$(tab name absolute relative verdict)" ] || fail "$(cat stdout)"
n=$(wc -l <stdout)
expect 0 vlp-model compare --gradients --json -m "$graded" "$graded"
json_lines
[ "$(wc -l <stdout)" -eq $((n - 1)) ] || fail "not an object a line"
grep -q '^{"name": "loss", "value": [0-9.]*}$' stdout || fail "$(head -n 1 stdout)"

VLP_CPU=portable expect 0 vlp-model selftest --header
[ "$(head -n 1 stdout)" = "$(printf 'verdict\tlevel\tdetail')" ] || fail "$(cat stdout)"
for verb in "verify $model" "compare -m $model $model" selftest; do
    expect 2 vlp-model $verb --json --header
    says "--header is for TSV, not for --json"
done
