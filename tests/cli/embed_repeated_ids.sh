# A job whose ids repeat is continued as if it had not been interrupted: the same bytes, the same
# list of failures, the same status, wherever it was cut off and whichever record could not be used.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
# cut NAME STATUS ARGUMENT...: at a third and at the ends of the first two blocks, more or less.
cut_anywhere() {
    local name=$1 status=$2 size
    shift 2
    expect "$status" vlp-embed -q -o "$name.vle" --failed "$name.failed" "$@"
    size=$(stat -c %s "$name.vle")
    for part in $((size / 5)) $((size / 3)) $((size / 2)) $((size * 4 / 5)) $((size - 64)); do
        head -c "$part" "$name.vle" >again.vle
        rm -f again.failed
        expect "$status" vlp-embed -q -o again.vle --failed again.failed "$@"
        same "$name.vle" again.vle
        same "$name.failed" again.failed
    done
}
rest() { for i in $(seq 150); do printf "$1\n" "$i"; done; }
# A caption that cannot be used before a good one of the same picture.
{
    printf 'image\tcaption\nphotos/p00.png\t\xff bad\nphotos/p00.png\ta moon\n'
    rest 'photos/p01.png\tcaption %d'
    printf 'photos/p00.png\ta moon\nphotos/p00.png\ta moon\nphotos/p00.png\t\xff bad\n'
} >captions.tsv
cut_anywhere captions 3 captions.tsv
cut_anywhere only_texts 3 --only text captions.tsv
cut_anywhere only_images 0 --only image captions.tsv
# One too long for the model, which is known only when it has been tried.
long=$(printf 'word %.0s' $(seq 100))
{
    printf 'image\tcaption\nphotos/p00.png\t%s\nphotos/p00.png\ta moon\n' "$long"
    rest 'photos/p01.png\tcaption %d'
} >long.tsv
cut_anywhere long 3 --truncate error long.tsv
# A picture that cannot be used before a good one of the same id and caption.
echo "no picture" >broken.png
{
    printf 'id\timage\tcaption\n1\tbroken.png\ta moon\n1\tphotos/p00.png\ta moon\n'
    rest '%d\tphotos/p01.png\tcaption'
} >pictures.tsv
cut_anywhere pictures 3 pictures.tsv
# Or before one that has the caption alone.
sed '3s/photos.p00.png//' pictures.tsv >alone.tsv
cut_anywhere alone 3 alone.tsv
sed 's/\tcaption$//; s/\ta moon$//' pictures.tsv >bare.tsv
cut_anywhere bare 3 bare.tsv
{
    printf 'id\timage\tlabel\n'
    sed '1d; s/$/\ta label/' bare.tsv
} >labels.tsv
cut_anywhere labels 3 labels.tsv
# Nor does one of the same size pass for it.
head -c "$(stat -c %s photos/p00.png)" /dev/zero >as_large.png
sed 's/broken.png/as_large.png/' pictures.tsv >as_large.tsv
cut_anywhere as_large 3 as_large.tsv
# Nor where a picture alone and the next row's caption have become one record of the file.
{
    printf 'id\timage\tcaption\nk\tphotos/p00.png\tbad\xff\nk\t\ta\nk\tbroken.png\tb\nk\tphotos/p00.png\tb\n'
    for i in $(seq 150); do printf 'z%d\t\tword\n' "$i"; done
} >joined.tsv
cut_anywhere joined 3 -j1 -b1 joined.tsv
# Without ids of its own a table's picture is what it is called, and a list's too.
{
    echo broken.png
    for i in $(seq 30); do printf '%s\n' photos/*.png broken.png; done
} >list.txt
cut_anywhere list 3 --files-from list.txt
# Pictures that were touched since are not embedded again, whatever the ids.
for table in captions pictures; do
    size=$(stat -c %s $table.vle)
    head -c $((size / 2)) $table.vle >again.vle
    touch -d '2001-01-01' photos/*.png
    expect 3 vlp-embed -q -o again.vle $table.tsv
    for f in $table again; do
        expect 0 vlp-embed -q --convert --format jsonl $f.vle
        sed 's/"meta":"[0-9]*:[0-9]*",*//' stdout >$f.jsonl
    done
    same $table.jsonl again.jsonl
done
# Nor do they keep a job from going on, however little time it is given, and the same goes for
# pictures that were saved anew, and beside a label, where no size is known: few of them are tried.
mkdir copies
for i in $(seq 90); do cp "photos/p0$((i % 10)).png" "copies/$i.png"; done
# goes_on COLUMN RECORDS COMMAND...: the command changes a picture.
goes_on() {
    local before file records=$2
    awk -v column="$1" 'BEGIN { print "id\timage\t" column; for (i = 1; i <= 90; i++)
        printf "k%d\tcopies/%d.png\tsay %d\n", i, i, i }' >all.tsv
    head -n 71 all.tsv >table.tsv
    rm -f slots.vle
    expect 0 vlp-embed -q -o slots.vle table.tsv
    truncate -s -64 slots.vle
    cp all.tsv table.tsv
    shift 2
    for file in copies/*.png; do "$@" "$file"; done
    for _ in 1 2 3; do
        before=$(stat -c %s slots.vle)
        expect 6 vlp-embed -q -j1 --batch 2 --max-time 0.000001 -o slots.vle table.tsv
        [ "$(stat -c %s slots.vle)" -gt "$before" ] || fail "does not go on after $*"
    done
    # Of the ones that are there a late one is not even looked at.
    cp copies/70.png kept.png
    head -c "$(stat -c %s kept.png)" /dev/zero >copies/70.png
    expect 0 vlp-embed -q -j1 --batch 2 -o slots.vle table.tsv
    mv kept.png copies/70.png
    [ "$(vlp-embed -q --convert --format jsonl slots.vle | grep -c '"k')" -eq "$records" ] ||
        fail "not $records records after $*"
}
grown() { echo >>"$1"; }
goes_on caption 180 touch -d '2001-01-01'
goes_on caption 180 grown
goes_on label 90 touch -d '2002-02-02'
