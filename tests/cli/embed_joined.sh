# Files that cat(1) joined, of which a part was not finished.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
for i in 1 2; do
    expect 0 vlp-embed -q --shard $i/2 -o "part$i.vle" photos
    # An end record has 64 bytes.
    head -c -64 "part$i.vle" >"begun$i.vle"
done

# The part in front: no end record that comes later speaks for it, and everybody says so.
cat begun1.vle part2.vle >front.vle
expect 3 vlp-match -k 1 --id photos/p00.png front.vle
says "front.vle: a part that was joined into it has no end record: its job had not finished"
for how in "" --update --add "--shard 1/2" "--shard 2/2"; do
    cp front.vle again.vle
    # shellcheck disable=SC2086
    expect 0 vlp-embed $how -o again.vle photos
    says "0 pictures"
    says "again.vle cannot become complete: a part that was joined into it had not finished;"
    says "vlp-embed --convert makes a complete file of what is there"
    grep -q "the command that began it" stderr && fail "nothing continues it"
    expect 3 vlp-match -k 1 --id photos/p00.png again.vle
done
expect 3 vlp-embed --convert -o whole.vle again.vle
says "a part that was joined into it has no end record"
expect 0 vlp-match -k 1 --id photos/p00.png whole.vle

# The last part goes on with its own command, and no other can end it.
for what in part2 begun2; do
    [ $what = part2 ] && skip=1500 || skip=0
    head -c -$skip $what.vle >tail.vle
    cat part1.vle tail.vle >last.vle
    expect 0 vlp-embed --shard 1/2 -o last.vle photos
    says "last.vle is not complete: the command that began it continues it"
    expect 3 vlp-match -k 1 --id photos/p00.png last.vle
    expect 0 vlp-embed --shard 2/2 -o last.vle photos
    grep -q "not complete" stderr && fail "it is complete"
    expect 0 vlp-match -k 1 --id photos/p00.png last.vle
    expect 0 vlp-embed --convert --format tsv last.vle
    sort stdout >have
    cat part1.vle part2.vle >both.vle
    expect 0 vlp-embed --convert --format tsv both.vle
    sort stdout | cmp -s - have || fail "other records"
done
