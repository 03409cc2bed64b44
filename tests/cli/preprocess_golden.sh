# Pixels of every picture and flavour have the reference's SHA-256.
. "$ROOT/tests/cli_helpers.sh"
n=0
while IFS=$'\t' read -r file flavour size _ _ sha _; do
    [ "$file" = file ] && continue
    orient=--no-orient
    [ "$flavour" = openai+orient ] && orient=
    got=$(vlp-model preprocess $orient --flavour "${flavour%+orient}" --size "$size" --format raw \
        "$GOLDEN/image/$file" 2>stderr | sha256sum | cut -d' ' -f1)
    [ "$got" = "$sha" ] || fail "$file $flavour $size"
    n=$((n + 1))
done <"$GOLDEN/image/expected.tsv"
[ "$n" -ge 100 ] || fail "only $n rows"
# The tensor as the reference's npy; the pixels as PNG that reads back to the same.
for want in "$GOLDEN"/image/expected/*.openai-32.npy; do
    base=$(basename "$want" .openai-32.npy)
    case $base in *orientation*) orient=--no-orient ;; *) orient= ;; esac
    expect 0 vlp-model preprocess $orient --flavour openai --size 32 -o out.npy -f "$GOLDEN/image/$base"
    cmp -s out.npy "$want" || {
        expect 0 vlp-model preprocess --flavour openai --size 32 -o out.npy -f "$GOLDEN/image/$base"
        same out.npy "$want"
    }
    expect 0 vlp-model preprocess $orient --flavour openai --size 32 -o out.png -f "$GOLDEN/image/$base"
    expect 0 vlp-model preprocess --flavour square --size 32 --format raw out.png
    mv stdout once
    expect 0 vlp-model preprocess --flavour square --size 32 --format raw "${want%.npy}.png"
    cmp -s once stdout || [ -n "$orient" ] || fail "$base: PNG"
done
# Several pictures into a folder; one that cannot be read is named, the rest is written.
mkdir seen
printf 'not a picture' >bad.png
expect 3 vlp-model preprocess --size 16 -o seen bad.png "$GOLDEN/image/png-rgb.png" "$GOLDEN/image/jpeg-420.jpg" --failed failed.tsv
says "vlp-model: bad.png: "
[ "$(ls seen | tr '\n' ' ')" = "jpeg-420.png png-rgb.png " ] || fail "folder holds $(ls seen)"
[ "$(cut -f1,2 failed.tsv)" = "bad.png	format" ] || fail "$(cat failed.tsv)"
expect 2 vlp-model preprocess --size 16 -o seen/png-rgb.png "$GOLDEN/image/png-rgb.png"
expect 5 vlp-model preprocess --size 16 -o none.png bad.png
# A shard of bad pictures alone is one of which none could be used; an empty one is done.
mkdir shard
for i in 1 2; do cp bad.png bad$i.png; done
expect 5 vlp-model preprocess --size 16 -o shard bad.png bad1.png bad2.png
failed=0
for i in 1 2 3; do
    vlp-model preprocess -qq --size 16 --shard $i/3 --failed shard$i.tsv -o shard bad.png bad1.png bad2.png 2>stderr
    status=$?
    number=$(cat shard$i.tsv 2>stderr | wc -l)
    [ $status -eq $((number > 0 ? 5 : 0)) ] || fail "exit $status for $number bad pictures: $(cat stderr)"
    failed=$((failed + number))
done
[ $failed -eq 3 ] || fail "$failed of 3 pictures"
[ -e none.png ] && fail "a file for a picture that could not be read"
# Two pictures that would be one file: told before any is written.
mkdir a b both
cp "$GOLDEN"/clip/end-to-end/p00.png a/x.png
cp "$GOLDEN"/clip/end-to-end/p01.png b/x.png
cp "$GOLDEN"/clip/end-to-end/p02.png y.png
for force in '' -f; do
    expect 2 vlp-model preprocess $force -o both y.png a/x.png b/x.png
    says "a/x.png and b/x.png would both be both/x.png.png"
    [ -z "$(ls both)" ] || fail "written: $(ls both)"
done
cp y.png z.gif && cp y.png z.png && cp y.png z.gif.jpg # z.gif beside z.png is z.gif.png, as is z.gif.jpg alone
expect 2 vlp-model preprocess -o both z.gif z.png z.gif.jpg
says "z.gif and z.gif.jpg would both be both/z.gif.png"
expect 0 vlp-model preprocess -o both z.gif z.png
[ "$(cd both && echo *)" = 'z.gif.png z.png.png' ] || fail "$(ls both)"
# A file that is there already: so, too.
expect 2 vlp-model preprocess -o both y.png z.gif z.png
says "both/z.gif.png: exists"
[ ! -e both/y.png ] || fail "begun all the same"
expect 0 vlp-model preprocess -f -o both y.png z.gif z.png
# A folder that is not there is made; what is no folder is named.
expect 0 vlp-model preprocess --size 16 -o made y.png z.png
[ -f made/y.png ] && [ -f made/z.png ] || fail "made holds $(ls made)"
for name in new.png new.npy new.jpg; do
    expect 2 vlp-model preprocess --size 16 -o $name y.png z.png
    says "$name: several pictures go to a folder, and that is the name of one"
done
echo text >file
expect 1 vlp-model preprocess --size 16 -o file y.png z.png
says "file: not a folder"
expect 1 vlp-model preprocess -o none none1.png none2.png
expect 1 vlp-model preprocess -o none --failed nowhere/failed y.png z.png
[ ! -e none ] || fail "an empty folder is left"
expect 2 vlp-model preprocess y.png z.png
says "several pictures go to a folder: -o DIR"
# The ending of the one file says its format.
for ending in png npy rgb raw RAW; do
    expect 0 vlp-model preprocess --size 16 -o "seen.$ending" "$GOLDEN/image/png-rgb.png"
done
for ending in rgb raw RAW; do
    [ "$(stat -c %s seen.$ending)" -eq $((3 * 16 * 16)) ] || fail "seen.$ending has $(stat -c %s seen.$ending) bytes"
done
expect 0 vlp-model preprocess --size 16 --format raw "$GOLDEN/image/png-rgb.png"
same stdout seen.raw
# A flavour whose pictures are of many sizes is refused for a model that takes one, as vlp-embed refuses it.
for program in vlp-embed "vlp-model preprocess --format raw"; do
    expect 2 $program -m "$GOLDEN/clip/openai-vit" --flavour vilt y.png
    says "flavour vilt makes pictures of many sizes, and this model takes one"
done
expect 0 vlp-model preprocess -m "$GOLDEN/clip/hf-quick" --flavour vilt --format raw y.png
expect 0 vlp-model preprocess --flavour vilt --format raw y.png
