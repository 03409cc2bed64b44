# Texts, pictures, ids, sums of them, lists and stored vectors find the same records the same way.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
vlp-embed -q -o p.vle photos/*.png
printf 'a circle\na red barn\n' >texts
vlp-embed -q --lines texts --id-is-text -o t.vle

# A query gets the same answer alone, in a list, from a stored vector, and for any number of threads.
for text in 'a circle' 'a red barn'; do vlp-match --text "$text" -k 4 p.vle; done >alone
vlp-match --lines texts -k 4 p.vle >list
vlp-match --lines - -k 4 -j 3 p.vle <texts >stdin
vlp-match -Q t.vle -k 4 -j 1 p.vle >stored
same alone list
same alone stdin
same alone stored
tr '\n' '\0' <texts | vlp-match -0 --lines - -k 4 p.vle >nul
same alone nul
cat p.vle | vlp-match --lines texts -k 4 - >piped
same alone piped
# An empty line is an empty text, as where texts are embedded first.
printf 'a circle\n\na red barn\n\n' >gaps
expect 0 vlp-embed -q --lines gaps -o gaps.vle
vlp-match -Q gaps.vle -k 2 p.vle | cut -f 2- >stored
expect 0 vlp-match --lines gaps -k 2 p.vle
cut -f 2- stdout >list
same list stored
cut -f 1 stdout | uniq >names
same names gaps
tr '\n' '\0' <gaps | vlp-match -0 --lines - -k 2 p.vle | cut -f 2- >nul
same nul stored
printf 'photos/p01.png\n\nphotos/p02.png\n' | expect 0 vlp-match --ids-from - -k 1 p.vle
[ "$(wc -l <stdout)" -eq 2 ] || fail "ids: $(cat stdout)"

[ "$(wc -l <alone)" -eq 8 ] || fail "not four matches each"

# A picture finds itself with score 1 (to rounding), by file, by id and as an expression.
for how in --image --id; do
    expect 0 vlp-match $how photos/p03.png -k 1 p.vle
    awk -F'\t' '$2 != 1 || $3 < 0.99999 || $4 != "photos/p03.png" { exit 1 }' stdout ||
        fail "$how does not find itself"
done
expect 0 vlp-match --query 'id:photos/p03.png +text:a circle -text:a circle' -k 1 p.vle
prints 'photos/p03.png'
expect 0 vlp-match --id photos/p03.png --no-self -k 0 p.vle
[ "$(wc -l <stdout)" -eq 11 ] || fail "--no-self leaves $(wc -l <stdout)"
grep -q '	photos/p03.png	$' stdout && fail "it found itself"
# Within one set, named for both, a record is no partner of itself; its copy is.
cp photos/p03.png photos/copy.png
vlp-embed -q -o copied.vle photos/*.png
for how in mutual one-to-one topk 'anti --min-score 2'; do
    expect 0 vlp-match --join $how -Q copied.vle copied.vle
    awk -F'\t' '$1 == $4' stdout | grep -q . || fail "$how: nobody finds itself"
    expect 0 vlp-match --join $how --no-self -Q copied.vle copied.vle
    awk -F'\t' '$1 == $4' stdout | grep -q . && fail "$how: it found itself"
    awk -F'\t' '$1 == "photos/p03.png" && $3 == 1 && $4 == "photos/copy.png"' stdout | grep -q . ||
        fail "$how: not the copy: $(cat stdout)"
done
rm photos/copy.png

# Thresholds, exit status 7, header, JSON.
expect 7 vlp-match -e --min-score 0.99 --text x p.vle
expect 0 vlp-match --min-score 0.99 --text x p.vle
expect 0 vlp-match --header --id photos/p00.png -k 1 p.vle
prints 'query	rank	score	id	text'
expect 0 vlp-match --json -Q p.vle -k 1 t.vle p.vle
prints '"rank": 1'
prints '"file": "p.vle"'
expect 0 vlp-match --json --id 'a red barn' -k 1 t.vle
prints '"text": "a red barn"'

# What cannot be used is named, and the rest is done.
expect 3 vlp-match --failed failed --id nobody --image none.png --id photos/p01.png -k 1 p.vle
says 'nobody: no record of the index has this id'
prints 'photos/p01.png'
cut -f1 failed >names
printf 'nobody\nnone.png\n' | cmp -s - names || fail "--failed holds $(cat names)"
expect 2 vlp-match --query 'circle' p.vle
says 'begins with text:, image: or id:'

# Half precision beside the full vectors: the same answer after the second look.
vlp-embed -q --convert --dtype i8 -o small.vle p.vle
vlp-match --text 'a circle' -k 3 p.vle | cut -f1,2,4 >full
vlp-match --text 'a circle' -k 3 --rerank p.vle small.vle 2>said | cut -f1,2,4 >again
[ -s said ] && fail "a warning without need: $(cat said)"
vlp-embed -q -o part.vle photos/p00.png photos/p01.png
expect 0 vlp-match --text 'a circle' -k 3 --rerank-depth 12 --rerank part.vle small.vle
[ "$(wc -l <stdout)" -eq 2 ] || fail "not the two that are there"
says "vlp-match: 10 of 12 candidates have no vector in part.vle"
expect 0 vlp-match --text x --text y -k 2 --rerank-depth 12 --rerank part.vle small.vle
says "20 of 24 candidates have no vector in part.vle"
same full again
# A picture and its caption may share an id, and ids may repeat: each has its own better vector.
printf 'id\timage\tcaption\nx\tphotos/p00.png\ta jet\nx\tphotos/p01.png\ta ship\ny\tphotos/p02.png\ta jet plane\n' >pairs.tsv
vlp-embed -q -o pairs.vle pairs.tsv
vlp-embed -q --convert --dtype i8 -o small-pairs.vle pairs.vle
vlp-embed -q --convert -o pairs.npy pairs.vle
vlp-embed -q --only image -o pictures.vle pairs.tsv
vlp-match --text 'a jet' -k 6 pairs.vle >full
[ "$(wc -l <full)" -eq 6 ] || fail "not six records"
vlp-match --text 'a jet' -k 6 --rerank pairs.vle small-pairs.vle >again
same full again
vlp-match --text 'a jet' -k 6 --rerank pairs.npy small-pairs.vle >again
same full again
vlp-match --text 'a jet' -k 6 --rerank pairs.vle pairs.npy | cut -f 1-3 >again
cut -f 1-3 full >full-scores
same full-scores again
vlp-match --text 'a jet' -k 6 --rerank pictures.vle small-pairs.vle >again
[ "$(wc -l <again)" -eq 3 ] || fail "texts are scored with pictures"
