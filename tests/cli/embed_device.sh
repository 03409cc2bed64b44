# A device that never ends is a record that cannot be used, not the end of the memory.
. "$ROOT/tests/cli_helpers.sh"
export VLP_MODEL=$GOLDEN/clip/end-to-end/model
expect 1 vlp-embed -q /dev/zero -o z.vle
says "/dev/zero: longer than"
expect 1 vlp-embed -q /dev/null -o z.vle
says "/dev/null: the file is empty"
