# Bad records are named, counted, written down, skipped; the status is 3.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
head -c 1000 photos/p03.png >photos/p03b.png
printf 'GIF89a' >photos/p04b.png
: >photos/p05b.png
expect 3 vlp-embed --failed failed.tsv -o out.vle photos
says "vlp-embed: photos/p03b.png: "
says "(skipped)"
says "12 pictures, 0 texts"
says "3 records skipped"
[ "$(cut -f1 failed.tsv | tr '\n' ' ')" = "photos/p03b.png photos/p04b.png photos/p05b.png " ] ||
    fail "$(cat failed.tsv)"
[ "$(cut -f2 failed.tsv | tr '\n' ' ')" = "format unsupported format " ] || fail "$(cut -f2 failed.tsv)"
expect 5 vlp-embed --on-error stop -o stop.vle photos
says "(stopping)"
expect 3 vlp-embed --format tsv photos/p00.png photos/none.png
says "photos/none.png: "
expect 5 vlp-embed --format tsv photos/p03b.png
says "no records could be used (1 skipped)"
printf 'good\n\377bad\ngood again\n' >lines
expect 3 vlp-embed --lines lines --format tsv
[ "$(wc -l <stdout)" -eq 2 ] || fail "not two texts"
# Text that is too long.
yes many words | head -200 | tr '\n' ' ' >long
expect 0 vlp-embed --lines long --format tsv
says "1 text cut to 77 ids"
expect 5 vlp-embed --truncate error --lines long --format tsv
says "tokens long, the model takes 77"
# A model that reads no text says so.
expect 4 env VLP_MODEL="$GOLDEN/clip/hf-quick" vlp-embed --lines lines --format tsv
says "texts cannot be encoded"

# What is wrong with a caption or a label is no fault of the picture: said where texts are wanted, once.
mkdir meta && cp photos/p00.png meta/a.png && cp photos/p01.png meta/b.png
echo '{"title": 1999, "category": {"id": 3}}' >meta/a.json
echo '{"title": 1999, "description": "a dog"}' >meta/b.json
tar cf meta.tar -C meta a.png a.json b.png b.json
printf '{"image": "meta/%s.png", "title": %s}\n' a '{"en": "x"}, "label": true' b '"a dog"' >meta.jsonl
vlp-embed -q --format tsv --only image meta/a.png meta/b.png | cut -f3- >want
printf 'id\tlabel\nnone\ta\n' >truth.tsv
for input in meta.tar meta.jsonl "--captions meta"; do
    expect 0 vlp-embed --format tsv --only image $input
    cut -f3- stdout | cmp - want || fail "$input: other vectors"
    expect 3 vlp-embed --format tsv --failed failed.tsv $input
    says "2 pictures, 1 text in"
    says "1 record skipped"
    [ "$(wc -l <failed.tsv)" -eq 1 ] && grep -q 'a.png.*is no caption' failed.tsv || fail "$(cat failed.tsv)"
    expect 3 vlp-embed --format tsv --only text $input
    says "0 pictures, 1 text in"
    expect 0 vlp-classify -l a,b --truth truth.tsv $input
    [ "$(wc -l <stdout)" -eq 2 ] || fail "$(cat stdout)"
done
expect 3 vlp-classify -l a,b meta.jsonl # a label is what the answer is held against
says "meta/a.png: line 1: 'label': true is no label (skipped)"
[ "$(wc -l <stdout)" -eq 2 ] || fail "$(cat stdout)"
expect 3 vlp-embed --format tsv --only image --label-column label meta.jsonl
says "'label': true is no label"
expect 5 vlp-embed --format tsv --on-error stop meta.tar

# The picture stays when its text is bad once more; a mended text is added to it.
expect 3 vlp-embed -o meta.vle meta.jsonl
expect 3 vlp-embed --update -o meta.vle meta.jsonl
says "0 pictures, 0 texts in"
sed -i 's/{"en": "x"}/"x"/' meta.jsonl
expect 0 vlp-embed --update -o meta.vle meta.jsonl
says "0 pictures, 1 text in"
expect 0 vlp-embed --update -o meta.vle meta.jsonl
says "0 pictures, 0 texts in"

# So does a caption that is not UTF-8, or longer than it may be, wherever it stands.
mkdir latin && cp photos/p00.png photos/p01.png latin
printf 'caf\351\n' >latin/p00.txt
echo ok >latin/p01.txt
tar cf latin.tar -C latin p00.png p00.txt p01.png p01.txt
printf 'image,caption\nlatin/p00.png,caf\351\nlatin/p01.png,ok\n' >latin.csv
expect 0 vlp-embed -q --format tsv photos/p00.png
cut -f3- stdout >want
for input in latin.csv latin.tar "--captions latin"; do
    expect 3 vlp-embed --format tsv --failed failed.tsv $input
    says "2 pictures, 1 text in"
    says "1 record skipped"
    head -1 stdout | cut -f3- | cmp - want || fail "$input: another vector"
    [ "$(wc -l <failed.tsv)" -eq 1 ] && grep -q 'p00.png.*UTF-8' failed.tsv || fail "$(cat failed.tsv)"
    expect 3 vlp-embed --format tsv --only text $input
    says "0 pictures, 1 text in"
done
expect 5 vlp-embed --format tsv --on-error stop latin.csv
printf 'image,caption\nlatin/p00.png,%s\n' "$(cat long)" >long.csv
expect 3 vlp-embed --truncate error --format tsv long.csv
says "1 picture, 0 texts in"
says "tokens long, the model takes 77"
# --add deletes nothing for it, --update the caption that was there before.
printf 'image,caption\nlatin/p00.png,tea\n' >tea.csv
expect 0 vlp-embed -o tea.vle tea.csv
printf 'image,caption\nlatin/p00.png,caf\351\n' >tea.csv
expect 3 vlp-embed --add -o tea.vle tea.csv
says "0 pictures, 0 texts in"
[ "$(vlp-embed -q --convert --format tsv tea.vle | wc -l)" -eq 2 ] || fail "--add deletes"
expect 3 vlp-embed --update -o tea.vle tea.csv
says "1 picture, 0 texts in"
[ "$(vlp-embed -q --convert --format tsv tea.vle | wc -l)" -eq 1 ] || fail "the caption stays"
expect 3 vlp-embed --update -o tea.vle tea.csv
says "0 pictures, 0 texts in"

# A NUL byte belongs to no id and to no text: in the stream it ends them.
printf '{"id":"%s","image":"photos/p00.png","caption":"%s"}\n' 'a\u0000b' x c 'x\u0000y' d z >nul.jsonl
expect 3 vlp-embed -o nul.vle nul.jsonl
says "nul.jsonl:1: row 1: an id with a NUL byte (skipped)"
says "c: the text holds a NUL byte (skipped)"
says "2 pictures, 1 text in"
printf 'id\tcaption\na\0b\tx\nc\tx\0y\nd\tz\n' >nul.tsv
expect 3 vlp-embed --format tsv nul.tsv
says "0 pictures, 1 text in"
printf 'id\tcaption\na\tone\nb\ttwo\n' | iconv -t UTF-16LE >wide.tsv
vlp-embed --format tsv wide.tsv >stdout 2>stderr && fail "a table in UTF-16 is read"
for bad in '"id":"a\u0000b"' '"id":"c","meta":"x\u0000y"'; do
    printf '{%s,"vector":[0.6,0.8]}\n' "$bad" >v.jsonl
    for format in vle safetensors; do
        expect 4 vlp-embed --convert -o v.$format v.jsonl
        says "NUL byte"
        [ ! -e v.$format ] || fail "v.$format was written"
    done
done

# What a shard holds beside plain files is named as what it is.
mkdir odd && cp "$GOLDEN/clip/end-to-end/p00.png" odd/a.png && ln -s a.png odd/b.png && mkfifo odd/c.png
tar cf odd.tar -C odd a.png b.png c.png
expect 3 vlp-embed -q -f -m "$GOLDEN/clip/end-to-end/model" -o odd.vle odd.tar
says "b.png: is no plain file inside the tar file, but a link, a pipe or a device"
says "c.png: is no plain file inside the tar file, but a link, a pipe or a device"

# Nor to a label, which is told where labels are asked for; the picture stays.
printf 'image\tcaption\tlabel\nphotos/p00.png\tone\ta\0b\nphotos/p01.png\ttwo\tc\n' >nul.tsv
expect 3 vlp-embed -f --only image --label-column label -o nul.vle nul.tsv
says "photos/p00.png: row 1: a label with a NUL byte (skipped)"
says "2 pictures, 0 texts in"
expect 0 vlp-embed -f --only image -o nul.vle nul.tsv

# A file of templates with a NUL byte is no text.
printf 'a {}\0b\nthe {}\n' >templates
expect 5 vlp-embed --templates templates --lines photos/p00.txt
says "templates: not a text: it holds a NUL byte"
