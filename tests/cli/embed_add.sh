# --add brings new and changed records into a finished stream and deletes nothing; --update deletes
# only what its inputs were read for and do not name.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
records() {
    vlp-embed -q --convert --format tsv "$1" | wc -l
}
# What was skipped is mended and fed back; the advice that is given loses nothing.
cp photos/p03.png good.png
head -c 1000 good.png >photos/p03.png
expect 3 vlp-embed -r --failed failed.tsv -o set.vle photos
cp good.png photos/p03.png
expect 2 vlp-embed --files-from failed.tsv -o set.vle
says "--add"
expect 0 vlp-embed --add --files-from failed.tsv -o set.vle
says "1 picture, 0 texts"
[ "$(records set.vle)" -eq 12 ] || fail "$(records set.vle) records instead of 12"
expect 0 vlp-embed --format tsv photos
sort stdout >fresh
expect 0 vlp-embed --convert --format tsv set.vle
sort stdout | cmp -s - fresh || fail "added vectors differ"
expect 0 vlp-embed -r -o set.vle photos
says "is complete"
# A changed picture is replaced, one that has become unusable keeps its vector.
cp photos/p05.png photos/p02.png
touch -d '2001-01-01' photos/p02.png
expect 0 vlp-embed --add -o set.vle photos/p02.png
says "1 deleted or replaced"
: >photos/p04.png
expect 3 vlp-embed --add -o set.vle photos/p04.png
[ "$(records set.vle)" -eq 12 ] || fail "--add deletes"
cp "$GOLDEN/clip/end-to-end/p04.png" photos
expect 2 vlp-embed --add --update -o set.vle photos
says "give one of them"
expect 2 vlp-embed --add photos
says "--add works on a stream in a file"
# An id that comes again is named and left out, for then each would stand beside the other for ever.
expect 3 vlp-embed --add -o twice.vle photos photos/p00.png
says "photos/p00.png: its id occurs twice in the input"
says "12 pictures"
[ "$(records twice.vle)" -eq 12 ] || fail "$(records twice.vle) records instead of 12"
expect 3 vlp-embed --update -o twice.vle photos photos/p00.png
[ "$(records twice.vle)" -eq 12 ] || fail "$(records twice.vle) records instead of 12"
expect 5 vlp-embed --add --on-error stop -o twice.vle photos photos/p00.png
# A stream that has a record twice already gets it once: one that was begun so, or by two at once.
expect 0 vlp-embed -o double.vle photos photos/p00.png
[ "$(records double.vle)" -eq 13 ] || fail "$(records double.vle) records instead of 13"
expect 0 vlp-embed --add -o double.vle photos
says "1 deleted or replaced"
[ "$(records double.vle)" -eq 12 ] || fail "$(records double.vle) records instead of 12"
expect 0 vlp-embed --add -o double.vle photos
says "0 pictures"
# But where they differ nobody knows which of them was meant: they stay, and are named.
printf 'image\ttext\nphotos/p00.png\tone\nphotos/p00.png\ttwo\nphotos/p01.png\tthree\n' >several.tsv
expect 0 vlp-embed -o several.vle several.tsv
[ "$(records several.vle)" -eq 6 ] || fail "$(records several.vle) records instead of 6"
for how in --add --update; do
    expect 3 vlp-embed $how -o several.vle several.tsv
    says "photos/p00.png: the output has several records of its id"
    [ "$(records several.vle)" -eq 6 ] || fail "$how: $(records several.vle) records instead of 6"
done
expect 0 vlp-embed --add -o several.vle photos/p00.png photos/p01.png
says "0 pictures"
# To a stream of pictures and texts pictures may be added, but none in place of a pair.
printf 'image\ttext\nphotos/p00.png\tone\nphotos/p01.png\ttwo\n' >pairs.tsv
expect 0 vlp-embed -o pairs.vle pairs.tsv
touch -d '2001-01-01' photos/p01.png
expect 3 vlp-embed --add -o pairs.vle photos/p00.png photos/p01.png photos/p06.png
says "photos/p01.png: "
says "1 picture, 0 texts"
[ "$(records pairs.vle)" -eq 5 ] || fail "$(records pairs.vle) records instead of 5"
expect 0 vlp-embed --add -o pairs.vle pairs.tsv
says "1 picture, 1 text"
[ "$(records pairs.vle)" -eq 5 ] || fail "$(records pairs.vle) records instead of 5"
# What the file has no part of is put beside the other part.
printf 'id\timage\ttext\nx\t\thello\ny\tphotos/p06.png\tfoo\nz\tphotos/p05.png\t\n' >parts.tsv
expect 0 vlp-embed -o parts.vle parts.tsv
printf 'id\timage\nx\tphotos/p07.png\n' >picture.tsv
expect 0 vlp-embed --add -o parts.vle picture.tsv
says "1 picture, 0 texts"
printf 'id\ttext\nz\tbar\n' >text.tsv
expect 0 vlp-embed --only text --add -o parts.vle text.tsv
[ "$(records parts.vle)" -eq 6 ] || fail "$(records parts.vle) records instead of 6"
expect 0 vlp-embed -q --convert --format jsonl parts.vle
prints '"meta":"hello"'
prints '"meta":"bar"'
# A job that was interrupted stays so when something else is added.
head -c $(($(stat -c %s set.vle) / 2)) set.vle >half.vle
printf 'photos/p06.png\n' >list
expect 0 vlp-embed --add --files-from list -o half.vle
says "is not complete"
expect 0 vlp-embed -r -o half.vle photos
[ "$(records half.vle)" -eq 12 ] || fail "the rest was not added"
expect 0 vlp-embed -r -o half.vle photos
says "is complete"
# A stream that was complete stays so, however what is added to it ends.
mkdir more
for i in 0 1 2; do cp photos/p0$i.png more; done
is_complete() { # set.vle is, and what `photos` holds is in it
    expect 0 vlp-embed -r -o set.vle photos
    says "is complete"
}
expect 0 vlp-embed -f -r -o set.vle photos
expect 6 vlp-embed -r -j1 -b1 --max-time 0.00001 --add -o set.vle more
says "the same command continues"
is_complete
: >empty.png
expect 5 vlp-embed -r -j1 -b1 --on-error stop --add -o set.vle more empty.png
is_complete
expect 1 vlp-embed -r --only image --add -o set.vle more none.tsv
says "the same command tries again"
is_complete
[ "$(records set.vle)" -eq 15 ] || fail "$(records set.vle) records instead of 15"
touch -d '2001-01-01' more/p0[01].png
expect 0 vlp-embed -q -r --add -o set.vle more
head -c -64 set.vle >killed.vle # before the end record, and before it was all written
head -c -96 set.vle >torn.vle
mv killed.vle set.vle
is_complete
mv torn.vle set.vle
expect 2 vlp-embed -r -o set.vle more
says "is complete"
expect 0 vlp-embed -r -o set.vle photos
is_complete
# One that was not is finished by its own command, or by one that all its records have to pass.
for how in "--update --limit 1 photos" "--update --shard 1/2 photos" more; do
    rm set.vle
    expect 6 vlp-embed -r -j1 -b1 --max-time 0.00001 -o set.vle photos
    expect 0 vlp-embed -r -o set.vle $how
    says "is not complete"
    expect 0 vlp-embed -r -o set.vle photos
    says "were there already"
    is_complete
done
rm set.vle
expect 6 vlp-embed -r -j1 -b1 --max-time 0.00001 -o set.vle photos
expect 0 vlp-embed -r --update -o set.vle photos
is_complete
# A shard is brought up to date without the others.
expect 0 vlp-embed -f -r -o set.vle photos
mkdir away
mv photos/p0[0-5].png away
vlp-embed -q --format tsv --shard 1/2 away | cut -f 1 | sed 's/away/photos/' >gone1
expect 0 vlp-embed -r --update --shard 1/2 -o set.vle photos
vlp-embed -q --convert --format tsv --shard 2/2 set.vle | cut -f 1 >second
vlp-embed -q --convert --format tsv --shard 1/2 set.vle | cut -f 1 >first
ls photos/*.png >here
grep -vxFf here first && fail "the shard still holds what is gone"
[ "$(cat first second | wc -l)" -gt 6 ] || fail "the other shard was emptied"
expect 0 vlp-embed -r --update --shard 2/2 -o set.vle photos
[ "$(records set.vle)" -eq 6 ] || fail "$(records set.vle) records instead of 6"
# What cannot be reached is not gone: a link into a disk that is not there, a folder with a slash.
mkdir disk links
for i in 0 1 2; do
    mv away/p0$i.png disk
    ln -s ../disk/p0$i.png links
done
printf 'a caption\nanother\n' >links/p00.txt
expect 0 vlp-embed -r --captions -o links.vle links/
[ "$(records links.vle)" -eq 6 ] || fail "$(records links.vle) records instead of 6"
mv disk unmounted
expect 1 vlp-embed -r --captions --update -o links.vle links/
[ "$(records links.vle)" -eq 6 ] || fail "what could not be read was deleted"
mv links elsewhere
expect 1 vlp-embed -r --captions --update -o links.vle links/ photos/p06.png
[ "$(records links.vle)" -eq 7 ] || fail "what could not be read was deleted"
# Nor in any shard: whose id it is that tells of the folder is a matter of chance.
for i in 1 2; do
    expect 1 vlp-embed -r --captions --update --shard $i/2 -o links.vle links/ photos/p06.png
done
[ "$(records links.vle)" -eq 7 ] || fail "a shard deleted what could not be read"
exit 0
