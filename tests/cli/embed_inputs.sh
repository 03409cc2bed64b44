# Lists, lines, tables, tar files, shards: the same records by every way in.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed --format tsv photos
cp stdout all.tsv
ls photos/*.png >list
expect 0 vlp-embed --format tsv --files-from list
same all.tsv stdout
expect 0 sh -c 'vlp-embed --format tsv --files-from - <list'
same all.tsv stdout
expect 0 sh -c 'find photos -type f -print0 | sort -z | vlp-embed --format tsv -0 --files-from -'
same all.tsv stdout
expect 0 vlp-embed --format tsv photos/*.png
same all.tsv stdout
# Every record is in exactly one shard.
for i in 1 2 3; do
    expect 0 vlp-embed --format tsv --shard $i/3 photos
    cp stdout shard$i.tsv
done
sort shard?.tsv >shards
sort all.tsv | cmp - shards || fail "shards are not the whole"
expect 0 vlp-embed --limit 5 --format tsv photos
head -5 all.tsv | cmp - stdout || fail "--limit"
# Texts, with and without a prompt.
printf 'a cat\na dog\n' >lines
expect 0 vlp-embed --lines lines --format tsv
says "0 pictures, 2 texts"
cp stdout plain.tsv
expect 0 sh -c 'vlp-embed --lines - --format tsv <lines'
same plain.tsv stdout
expect 0 vlp-embed --lines lines --template '{}' --format tsv
same plain.tsv stdout
expect 0 vlp-embed --lines lines --template 'a photo of {}.' --format tsv
cmp -s plain.tsv stdout && fail "the template changes nothing"
printf 'a photo of a cat.\n' >prompted
printf 'cat\n' >bare
expect 0 vlp-embed --lines prompted --format tsv
cp stdout prompted.tsv
expect 0 vlp-embed --lines bare --template 'a photo of a {}.' --format npy -o x.npy
expect 0 vlp-embed --lines prompted --format npy -o y.npy
same x.npy y.npy
# A table of pairs: both vectors.
{
    printf 'image\tcaption\n'
    printf 'photos/p00.png\ta cat\nphotos/p01.png\ta dog\n'
} >pairs.tsv
expect 0 vlp-embed --format tsv pairs.tsv
says "2 pictures, 2 texts"
[ "$(wc -l <stdout)" -eq 4 ] || fail "pairs give $(wc -l <stdout) lines"
expect 0 vlp-embed --only text --format tsv pairs.tsv
says "0 pictures, 2 texts"
# A column that no record has: of a table wrong usage, of JSON told in the end.
echo '{"image": "photos/p00.png", "caption": "a cat", "kind": "b"}' >one.jsonl
expect 0 vlp-embed --text-column captoin --format jsonl one.jsonl
says "one.jsonl: no record has a key 'captoin'"
[ "$(grep -c 'no record has a key' stderr)" -eq 1 ] || fail "told more than once"
expect 0 vlp-classify -q -l a,b --label-column knid one.jsonl
says "one.jsonl: no record has a key 'knid'"
expect 0 vlp-classify -l a,b --label-column kind --text-column caption one.jsonl
grep -q 'has a key' stderr && fail "a key that is there is missed"
# A pattern chooses pictures, not the captions beside them.
mkdir both
cp photos/p00.png both/cat.png
echo 'a cat' >both/cat.txt
expect 0 vlp-embed --captions --format tsv --include 'cat*' both
says "1 picture, 1 text"
expect 0 vlp-classify -q -l a,b --include 'cat*' both
expect 3 vlp-embed --format tsv --include '*.txt' --include '*.png' both
says "both/cat.txt: not a picture"
# A tar file, also from stdin.
tar cf photos.tar photos
expect 0 vlp-embed --format npy -o tar.npy photos.tar
expect 0 sh -c 'vlp-embed --format npy -o stdin.npy - <photos.tar'
same tar.npy stdin.npy
[ "$(stat -c %s tar.npy)" -gt 1500 ] || fail "the tar file gives too little"
# Nothing in.
mkdir nothing
expect 1 vlp-embed -o none.vle nothing
[ -e none.vle ] && fail "a file without records"
# A list that is stdin is not counted beforehand, whatever file is called so.
: >./-
printf 'photos/p00.png\nphotos/p01.png\n' >two.txt
for list in --files-from --lines; do
    expect 0 vlp-embed -q --format tsv $list - <two.txt
    [ "$(wc -l <stdout)" -eq 2 ] || fail "$list -: $(wc -l <stdout) records"
done
rm ./-
exit 0
