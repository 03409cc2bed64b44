# No program writes over what it reads: refused before anything is done, under whatever name.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-model import -q -o model.safetensors "$VLP_MODEL"
printf 'a cat\na dog\n' >lines.txt
printf 'a photo of a {}\n' >templates.txt
printf 'photos/p00.png\nphotos/p01.png\n' >list.txt
printf 'cat\ndog\n' >labels.txt
printf 'photos/p00.png\tcat\nphotos/p01.png\tdog\n' >truth.tsv
tar cf shard.tar photos
expect 0 vlp-embed -q -r -o index.vle photos
expect 0 vlp-embed -q -r -o index.npy photos
expect 0 vlp-embed -q -o texts.vle --lines lines.txt
expect 0 vlp-classify -q -l cat,dog --save-classifier classes.vle
printf 'image\tlabel\nphotos/p00.png\tcat\nphotos/p01.png\tdog\n' >labelled.tsv
expect 0 vlp-embed -q -o labelled.vle labelled.tsv
cp photos/p00.png picture.png
ln -s picture.png link.png
ln picture.png name.png
files="model.safetensors lines.txt templates.txt list.txt labels.txt truth.tsv shard.tar index.vle \
    index.npy index.npy.ids texts.vle classes.vle labelled.tsv labelled.vle picture.png"
sha256sum $files photos/* >before
# refused FILE OPTION COMMAND...
refused() {
    local file=$1 option=$2
    shift 2
    expect 2 "$@"
    says "$file: named for an output and for $option"
    sha256sum -c --quiet before >stdout 2>&1 || fail "$* has changed $(cat stdout)"
}
embed="vlp-embed -q -f"
stream="$embed --format vle"
refused picture.png INPUT $stream -o picture.png picture.png
refused link.png INPUT $stream -o link.png picture.png
refused picture.png INPUT $stream -o picture.png ./link.png
refused name.png INPUT $stream -o name.png photos/p01.png picture.png
refused picture.png INPUT $embed --failed picture.png -o x.vle picture.png
refused shard.tar INPUT $stream -o shard.tar shard.tar
refused shard.tar INPUT $stream -o shard.tar shard.tar!photos/p00.png
refused lines.txt --lines $stream -o lines.txt --lines lines.txt
refused templates.txt --templates-from $stream -o templates.txt --templates-from templates.txt --lines lines.txt
refused list.txt --files-from $stream -o list.txt --files-from list.txt
refused model.safetensors -m $embed -m model.safetensors -o model.safetensors picture.png
VLP_MODEL=model.safetensors refused model.safetensors -m $embed -o model.safetensors picture.png
refused index.npy --lines $embed --lines index.npy.ids -o index.npy
match="vlp-match -q -f"
refused index.vle INDEX $match --id photos/p00.png index.vle -o index.vle
refused index.vle INDEX $match --id photos/p00.png index.vle --html index.vle
refused index.npy.ids INDEX $match --id photos/p00.png index.npy -o index.npy.ids
refused texts.vle -Q $match -Q texts.vle index.vle -o texts.vle
refused lines.txt --lines $match --lines lines.txt index.vle -o lines.txt
refused list.txt --files-from $match --files-from list.txt index.vle -o list.txt
refused list.txt --ids-from $match --ids-from list.txt index.vle -o list.txt
refused lines.txt --queries-from $match --queries-from lines.txt index.vle -o lines.txt
refused labelled.vle --rerank $match --id photos/p00.png --rerank labelled.vle index.vle -o labelled.vle
refused truth.tsv --truth $match --truth truth.tsv -Q texts.vle index.vle -o truth.tsv
refused picture.png --image $match --image picture.png index.vle -o picture.png
refused model.safetensors -m $match -m model.safetensors --text cat index.vle -o model.safetensors
classify="vlp-classify -q -f"
refused index.vle -E $classify -l cat,dog -E index.vle -o index.vle
refused index.vle -E $classify -l cat,dog index.vle -o index.vle
refused picture.png PICTURE $classify -l cat,dog picture.png -o picture.png
refused picture.png PICTURE $classify -l cat,dog --folder-labels picture.png --confusion picture.png
refused labels.txt --labels-from $classify --labels-from labels.txt picture.png -o labels.txt
refused templates.txt --templates-from $classify --templates-from templates.txt -l cat,dog picture.png \
    -o templates.txt
refused classes.vle -C $classify -C classes.vle picture.png --html classes.vle
refused labelled.vle --knn $classify --knn labelled.vle picture.png -o labelled.vle
refused labelled.vle --fit $classify --fit labelled.vle --save-classifier labelled.vle
refused labelled.vle --validation $classify --fit index.vle --sweep --validation labelled.vle \
    --save-classifier labelled.vle
refused truth.tsv --truth $classify -l cat,dog --truth truth.tsv picture.png --report truth.tsv
refused list.txt --files-from $classify -l cat,dog --files-from list.txt -o list.txt
refused picture.png PICTURE vlp-model preprocess -f picture.png -o picture.png
refused photos/p01.png PICTURE vlp-model preprocess -f photos/p01.png picture.png -o photos
refused model.safetensors -m vlp-model preprocess -f --format png -m model.safetensors picture.png \
    -o model.safetensors
refused labelled.tsv DATA vlp-train -f -m model.safetensors labelled.tsv -o run --plot labelled.tsv
refused model.safetensors -m vlp-train -f -m model.safetensors labelled.tsv -o run \
    --plot model.safetensors
[ -e run ] && fail "a run was begun"
mkdir run
echo '{"step":1,"loss":2}' >run/metrics.jsonl
expect 2 vlp-train -f -o run --plot run/metrics.jsonl
says "run/metrics.jsonl: named for an output and for the metrics of -o"
# Nor does a program that writes to stdout read what it has written, for ever.
# appended FILE OPTION COMMAND...: with stdout at the end of FILE
appended() {
    local file=$1 option=$2
    shift 2
    ( ulimit -f 1000; exec timeout 60 "$@" >>"$file" 2>stderr )
    [ $? -eq 2 ] || fail "not refused: $* >>$file"
    says "$file: named for $option, and standard output goes there"
    sha256sum -c --quiet before >stdout 2>&1 || fail "$* has changed $(cat stdout)"
}
appended lines.txt --lines vlp-embed -q --format tsv --lines lines.txt
appended list.txt --files-from vlp-embed -q --format tsv --files-from list.txt
appended list.txt --files-from vlp-embed -q -o x.vle --files-from list.txt --failed -
appended labelled.tsv INPUT vlp-embed -q --format jsonl photos/p01.png labelled.tsv
appended index.vle INPUT vlp-embed -q --convert --format tsv index.vle
appended lines.txt --lines vlp-match -q --lines lines.txt index.vle
appended list.txt --files-from vlp-match -q --files-from list.txt index.vle
appended list.txt --files-from vlp-match -q --files-from list.txt index.vle -o x.tsv --failed -
appended list.txt --ids-from vlp-match -q --ids-from list.txt index.vle
appended lines.txt --queries-from vlp-match -q --queries-from lines.txt index.vle
appended index.vle INDEX vlp-match -q --id photos/p00.png index.vle
appended texts.vle -Q vlp-match -q -Q texts.vle index.vle --html -
appended list.txt --files-from vlp-classify -q -l cat,dog --files-from list.txt
appended list.txt --files-from vlp-classify -q -l cat,dog --files-from list.txt -o x.tsv --failed -
appended labelled.tsv PICTURE vlp-classify -q -l cat,dog labelled.tsv
appended index.vle -E vlp-classify -q -l cat,dog -E index.vle
appended lines.txt --lines vlp-model tokenize --lines lines.txt
appended picture.png PICTURE vlp-model preprocess picture.png
[ ! -e x.vle ] && [ ! -e x.tsv ] || fail "something was begun"
for command in "vlp-embed -q --format tsv --lines -" "vlp-match -q --lines - index.vle" "vlp-model tokenize"; do
    ( ulimit -f 1000; exec timeout 60 $command <lines.txt >>lines.txt 2>stderr )
    [ $? -eq 2 ] || fail "not refused: $command"
    says "standard input: named for --lines, and standard output goes there"
done
sha256sum -c --quiet before || fail "a file was written to"
# What reads before it replaces, or reads its own output on purpose, goes on as before.
expect 0 vlp-embed -q --convert -f --dtype f16 -o index.vle index.vle
expect 0 vlp-embed -q --convert -f -o index.npy index.npy
expect 0 vlp-model convert -f --dtype f16 -m model.safetensors -o model.safetensors
expect 0 vlp-model import -f -o model.safetensors model.safetensors
expect 0 vlp-classify -q -f -C classes.vle --logit-scale 50 --save-classifier classes.vle
cp classes.vle fifty.vle
expect 0 vlp-classify -q -f -C classes.vle --save-classifier classes.vle
same fifty.vle classes.vle
expect 0 vlp-embed -q --update -o texts.vle --lines lines.txt
expect 0 vlp-embed -q --add -o texts.vle --lines lines.txt
expect 0 vlp-embed -q -f -o texts.vle --lines lines.txt
printf 'photos/p00.png\nphotos/none.png\n' >names
expect 3 vlp-embed -q --files-from names -o a.vle --failed failed
expect 1 vlp-embed -q --files-from failed -o b.vle --failed failed
expect 3 vlp-embed -q --files-from failed photos/p00.png -o b.vle --failed failed
expect 3 vlp-classify -q -l cat,dog --files-from failed photos/p00.png -o c.tsv --failed failed
expect 0 vlp-embed -q -o /dev/null --lines /dev/null photos/p00.png
# What is written into a folder of inputs is none of them, new or old, nor is its temporary file.
expect 0 vlp-embed -q -r photos -o plain.tsv
for again in "" -f; do
    expect 0 vlp-embed -q $again -r photos -o photos/made.png --format vle --failed photos/bad.png
    expect 0 vlp-embed -q --convert -f -o made.tsv photos/made.png
    same plain.tsv made.tsv
    rm photos/bad.png
done
mv photos/made.png photos/other.png
ln -s other.png photos/made.png
expect 0 vlp-embed -q -f -r photos -o photos/made.png --format vle
rm photos/made.png photos/other.png
expect 0 vlp-embed -q -r --include '*' photos -o photos/made.tsv
same plain.tsv photos/made.tsv
expect 0 vlp-classify -q -l cat,dog -r photos --truth truth.tsv --confusion photos/confusion.png
wc -l <stdout >lines
expect 0 vlp-classify -q -f -l cat,dog -r photos --truth truth.tsv --confusion photos/confusion.png
[ "$(wc -l <stdout)" -eq "$(cat lines)" ] || fail "the confusion matrix was classified"
