# A device that never ends is a record that cannot be used, not the end of the memory.
. "$ROOT/tests/cli_helpers.sh"
export VLP_MODEL=$GOLDEN/clip/end-to-end/model
expect 5 vlp-embed -q /dev/zero -o z.vle
says "/dev/zero: longer than"
expect 5 vlp-embed -q /dev/null -o z.vle
says "/dev/null: the file is empty"
# What goes to a device or a pipe has no ids beside it.
printf 'one\ntwo\n' >lines
mkfifo pipe.npy pipe.fvecs
ln -s /dev/null null.npy
for to in pipe.npy pipe.fvecs; do
    cat $to >came &
    expect 0 vlp-embed -q -f --lines lines -o $to
    wait
    [ -s came ] || fail "nothing came out of $to"
done
expect 0 vlp-embed -q -f --lines lines -o null.npy
expect 0 vlp-embed -q -f --lines lines -o /dev/null --format npy
for beside in pipe.npy pipe.fvecs null.npy /dev/null; do
    [ ! -e $beside.ids ] || fail "$beside.ids was written"
done
