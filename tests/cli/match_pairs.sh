# Files of pairs: pictures and captions side by side, each usable without the other.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
for i in 00 01 02 03; do printf 'photos/p%s.png\ta caption of %s\n' $i $i; done >rows
(printf 'image\tcaption\n'; cat rows) >pairs.tsv
expect 0 vlp-embed -q -o pairs.vle pairs.tsv
expect 0 vlp-embed -q --only image -o pictures.vle pairs.tsv
expect 0 vlp-embed -q --only text -o captions.vle pairs.tsv

# The side that is searched, and the side that asks.
for what in image text; do
    file=pictures.vle
    [ $what = text ] && file=captions.vle
    expect 0 vlp-match -k 0 --text 'a circle' --only $what pairs.vle
    mv stdout chosen
    expect 0 vlp-match -k 0 --text 'a circle' $file
    same chosen stdout
    expect 0 vlp-match -k 0 --text 'a circle' --only $what - <pairs.vle
    same chosen stdout
done
expect 0 vlp-match -k 2 -Q captions.vle pictures.vle
mv stdout apart
expect 0 vlp-match -k 2 --query-only text --only image -Q pairs.vle pairs.vle
same apart stdout
expect 0 vlp-match --join one-to-one -Q captions.vle pictures.vle
mv stdout apart
expect 0 vlp-match --join one-to-one --query-only text --only image -Q pairs.vle pairs.vle
same apart stdout
expect 0 vlp-match --groups -1 --only text pairs.vle
[ "$(wc -l <stdout)" -eq 4 ] || fail "groups of texts: $(cat stdout)"

# Retrieval: a caption competes with pictures only where that was asked for.
sed 's/\t.*//; s/.*/&\t&/' rows >truth.tsv
expect 0 vlp-match --truth truth.tsv -Q captions.vle pictures.vle
mv stdout apart
expect 0 vlp-match --truth truth.tsv --query-only text --only image -Q pairs.vle pairs.vle
same apart stdout
[ -s stderr ] && fail "a warning without need: $(cat stderr)"
expect 0 vlp-match --truth truth.tsv -Q captions.vle pairs.vle
says 'pairs.vle: pictures and texts are scored together; --only takes one of them'

# What cannot be chosen.
expect 5 vlp-match --groups 1 --only text pictures.vle
says 'pictures.vle: no text in it'
# A search that had nothing to choose from says so: it ran well, and nothing matched.
expect 0 vlp-match --text 'a circle' --only text pictures.vle
says 'pictures.vle: no text in it'
expect 7 vlp-match -e --join topk --only text -Q pictures.vle pictures.vle
says 'pictures.vle: no text in it'
expect 7 vlp-match -e --text 'a circle' --only text pictures.vle pictures.vle
says 'no text in the index'
expect 0 vlp-match -qq --text 'a circle' --only text - <pictures.vle
[ -s stderr ] && fail "-qq: $(cat stderr)"
expect 7 vlp-match -e --min-score 2 --text 'a circle' pictures.vle
[ -s stderr ] && fail "there was something to choose from: $(cat stderr)"
expect 0 vlp-match --text 'a circle' --only text pictures.vle captions.vle
[ -s stderr ] && fail "one of two has texts: $(cat stderr)"
printf '{"id":"a","vector":[%s]}\n{"id":"a","deleted":true}\n' "$(seq -s, 32)" >gone.jsonl
expect 0 vlp-match --text 'a circle' gone.jsonl
says 'gone.jsonl: no record in it'
vlp-embed -q --convert -o bare.npy pairs.vle || fail "convert"
expect 2 vlp-match --text x --only image bare.npy
expect 2 vlp-match --groups 1 --only image bare.npy
says 'bare.npy does not tell texts from pictures'
expect 2 vlp-match --text x --query-only text pairs.vle

# Classes: captions are no pictures that were classified rightly or wrongly.
(printf 'image\tlabel\n'; sed 's/\t.*//; s/$/\tcircle/' rows) >labels.tsv
expect 0 vlp-classify -l circle,square --truth labels.tsv -E pictures.vle
mv stdout apart
says '4 records: top-1'
expect 0 vlp-classify -l circle,square --truth labels.tsv -E pairs.vle
same apart stdout
says '4 records: top-1'
says 'pairs.vle: 4 of 8 records are texts and are left out'
expect 0 vlp-classify -l circle,square --truth labels.tsv --only both -E pairs.vle
says '8 records: top-1'
expect 0 vlp-classify -l circle,square --only text -E captions.vle
[ "$(wc -l <stdout)" -eq 4 ] || fail "texts are not classified"
expect 5 vlp-classify -l circle,square -E captions.vle
says 'captions.vle: only texts in it; --only text takes them'
expect 0 vlp-classify --knn pairs.vle --truth labels.tsv photos/p00.png
says 'records are texts'

# A picture with several captions is one candidate, however often its file names it.
cat >several.jsonl <<'END'
{"image": "photos/p00.png", "captions": ["a circle", "a red circle", "round"]}
{"image": "photos/p01.png", "captions": ["a square", "a barn", "the sea"]}
{"image": "photos/p02.png", "captions": ["a checkerboard", "a board of squares", "black and white"]}
END
expect 0 vlp-embed -q --only text -o st.vle several.jsonl
expect 0 vlp-embed -q --only image -o si.vle several.jsonl
expect 0 vlp-embed -q -o both.vle several.jsonl
expect 0 vlp-embed -q -o once.vle photos/p00.png photos/p01.png photos/p02.png
for i in 0 1 2; do for c in 0 1 2; do
    printf 'photos/p0%s.png#%s\tphotos/p0%s.png\n' $i $c $i >>bare.tsv
    printf 'photos/p0%s.png#%s\tphotos/p0%s.png#%s\n' $i $c $i $c >>same.tsv
done; done
expect 0 vlp-match --truth bare.tsv -Q st.vle once.vle
mv stdout right
expect 0 vlp-match --truth same.tsv -Q st.vle si.vle
same right stdout
expect 0 vlp-match --truth bare.tsv -Q st.vle si.vle
same right stdout
expect 0 vlp-match --truth same.tsv --query-only text --only image -Q both.vle both.vle
same right stdout
expect 0 vlp-match --truth same.tsv -Q si.vle st.vle
[ "$(sort right)" = "$(sort stdout)" ] || fail "asked by pictures: $(cat stdout)"

# Pairs taken apart afterwards.
expect 0 vlp-embed --convert --only image -o apart.vle pairs.vle
expect 0 vlp-match -k 0 --text 'a circle' apart.vle
mv stdout chosen
expect 0 vlp-match -k 0 --text 'a circle' pictures.vle
same chosen stdout
expect 0 vlp-embed --convert --only text -o texts.jsonl pairs.vle
[ "$(wc -l <texts.jsonl)" -eq 4 ] || fail "not four texts"
expect 2 vlp-embed --convert --only text -o texts.npy bare.npy
expect 1 vlp-embed --convert --only text -o none.vle pictures.vle
[ ! -e texts.npy ] && [ ! -e none.vle ] || fail "a file of nothing"

# And put together again, in any order, from files and from pipes: a picture stays a picture.
expect 0 vlp-match -k 0 --text 'a circle' pictures.vle
mv stdout answers.image
expect 0 vlp-match -k 0 --text 'a circle' captions.vle
mv stdout answers.text
together() { # FILE...: joined into both.vle, each kind is found as in a file of its own
    expect 0 vlp-embed --convert -f -o both.vle "$@"
    for what in image text; do
        expect 0 vlp-match -k 0 --text 'a circle' --only $what both.vle
        same answers.$what stdout
    done
    expect 0 vlp-classify -l circle,square -E both.vle
    [ "$(wc -l <stdout)" -eq 4 ] || fail "not the four pictures: $*"
}
together captions.vle pictures.vle
together pictures.vle captions.vle
together captions.vle <(cat pictures.vle)
together <(cat pictures.vle) captions.vle
# What only its header calls texts: each record says it from there on.
vlp-embed -q --convert -o pictures.safetensors pictures.vle || fail "convert"
LC_ALL=C sed 's/"modality": *"image"/&\n/; s/"image"\n/"text" /' pictures.safetensors >called.safetensors
cmp -s pictures.safetensors called.safetensors && fail "nothing was renamed"
expect 0 vlp-match --text x --only image called.safetensors
[ -s stdout ] && fail "not called texts: $(cat stdout)"
expect 0 vlp-embed --convert -f -o both.vle called.safetensors pictures.vle
cut -f 1-4 answers.image >chosen
for what in image text; do
    expect 0 vlp-match -k 0 --text 'a circle' --only $what both.vle
    cut -f 1-4 stdout | cmp -s - chosen || fail "$what: $(cat stdout)"
done
expect 0 vlp-embed --convert --format jsonl called.safetensors
[ "$(grep -c '"text"' stdout)" -eq 4 ] || fail "not called texts: $(cat stdout)"
# Files of one kind make a file of that kind.
expect 0 vlp-embed --convert -f -o both.vle captions.vle captions.vle
expect 5 vlp-classify -l circle,square -E both.vle
expect 4 vlp-embed --add --only image -o both.vle pairs.tsv
expect 0 vlp-embed --convert -f --only image -o both.vle captions.vle pictures.vle
expect 0 vlp-embed --add --only image -o both.vle pairs.tsv

# Nor does the first file say for the others that their vectors have unit length.
expect 0 vlp-embed -q --no-normalize -o long.vle photos/p01.png
expect 0 vlp-embed -q -o unit.vle photos/p00.png
expect 0 vlp-match -k 0 --text 'a circle' long.vle
cut -f 3-4 stdout >long.tsv
scores() { # FILE...: joined, the long vector scores as in a file of its own
    expect 0 vlp-embed --convert -f -o both.vle "$@"
    expect 0 vlp-match -k 0 --text 'a circle' both.vle
    grep p01 stdout | cut -f 3-4 | cmp -s - long.tsv || fail "$*: $(cat stdout)"
}
scores long.vle unit.vle
scores unit.vle long.vle
scores <(cat long.vle) unit.vle
expect 4 vlp-embed --convert -f -o both.vle unit.vle <(cat long.vle)
says "--normalize scales them"
expect 0 vlp-embed --convert -f --normalize -o both.vle unit.vle <(cat long.vle)
expect 0 vlp-embed --convert -f -o both.vle unit.vle unit.vle
expect 0 vlp-embed --add --only image -o both.vle photos/p02.png
