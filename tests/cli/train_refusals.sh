# Options that cannot be are refused by name before anything is read or written.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p0[0-5].png .
for p in p*.png; do echo "picture ${p%.png}" >"${p%.png}.txt"; done
run="vlp-train -b 3 --epochs 1 -m $GOLDEN/clip/end-to-end/model -o run"

# AdamW would divide by zero.
expect 2 $run --beta1 1 . && says "--beta1"
expect 2 $run --beta2 1 . && says "--beta2"
expect 2 $run --eps 0 . && says "--eps"
[ ! -e run ] || fail "a refused run left something"
