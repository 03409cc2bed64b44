# The demonstration works in any folder that has share/, twice, and leaves a page; without a model it says so.
. "$ROOT/tests/cli_helpers.sh"
ln -s "$ROOT/share" share
expect 1 env VLP_MODEL=nowhere.safetensors bash "$ROOT/scripts/demo.sh" "$BUILD"
says "no model at nowhere.safetensors"
export VLP_MODEL=$GOLDEN/clip/end-to-end/model
expect 0 bash "$ROOT/scripts/demo.sh" "$BUILD"
cp stdout first
expect 0 bash "$ROOT/scripts/demo.sh" "$BUILD"
diff <(grep -v '^# Done' first) <(grep -v '^# Done' stdout) || fail "the second session differs"
[ "$(grep -c '^\$ .*/vlp-' stdout)" -eq 7 ] || fail "commands are not shown"
for page in index classes texts like; do
    [ -s "demo/$page.html" ] || fail "demo/$page.html is missing"
done
grep -qE '(src|href)="(https?:)?//' demo/*.html && fail "a page needs the network"
true
