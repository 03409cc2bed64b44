# A byte order mark, which some editors put at the beginning of a text, is no part of it: whatever
# the text is for. Names in lists are bytes; there the message shows the mark.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
marked() { # FILE: its contents on stdin, with the mark
    printf '\xef\xbb\xbf' >"$1" && cat >>"$1"
}
mkdir both
cp photos/p00.png both/a.png
cp photos/p01.png both/b.png
echo '{"caption": "a cat"}' | marked both/a.json
echo 'a dog' | marked both/b.txt
expect 0 vlp-embed --captions --format jsonl both
says "2 pictures, 2 texts"
[ "$(grep -c '"meta":"a cat"\|"meta":"a dog"' stdout)" -eq 2 ] || fail "$(cat stdout)"
printf 'image\tcaption\nphotos/p00.png\ta cat\n' | marked t.tsv
printf 'image,caption\nphotos/p00.png,a cat\n' | marked t.csv
echo '{"image": "photos/p00.png", "caption": "a cat"}' | tee >(marked t.jsonl) | marked t.json
echo 'a cat' | marked lines
for input in t.tsv t.csv t.jsonl t.json "--lines lines"; do
    expect 0 vlp-embed -q --only text --format jsonl $input
    prints '"meta":"a cat"'
done
printf 'cat\ndog\n' | marked classes
printf 'a {}\n' | marked templates
printf 'photos/p00.png\tcat\n' | marked truth
expect 0 vlp-classify --labels-from classes --templates-from templates --truth truth photos/p00.png
says "1 record"
printf 'photos/p00.png\t1\t0\nb\t0\t1\n' | marked vectors.tsv
expect 0 vlp-embed -q --convert --format tsv vectors.tsv
[ "$(head -1 stdout)" = "$(printf 'photos/p00.png\t1\t0')" ] || fail "$(cat stdout)"
echo '{"train": {"steps": 3, "batch": 2}, "model": {}}' | marked config.json
expect 2 vlp-train --config config.json
grep -q "'\[' or '{' expected" stderr && fail "$(cat stderr)"
mkdir model
cp -r "$VLP_MODEL"/. model/
marked model/config.json <"$VLP_MODEL/config.json"
expect 0 vlp-model inspect model
mkdir shard
cp photos/p00.png shard/a.png
echo cat | marked shard/a.cls
tar -cf a.tar -C shard a.png a.cls
expect 0 vlp-classify -q --labels-from classes --report one.json a.tar
grep -q '"records": 1,' one.json || fail "$(cat one.json)"
# Names are bytes.
echo 'photos/p00.png' | marked list
expect 3 vlp-embed --format tsv --files-from list photos/p01.png
says '<byte order mark>photos/p00.png: No such file or directory (skipped)'
expect 0 vlp-embed -q -o p.vle photos
expect 2 vlp-match --ids-from list p.vle
says '<byte order mark>photos/p00.png'
