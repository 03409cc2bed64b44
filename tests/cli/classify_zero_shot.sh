# Zero-shot by the reference's recipe; classifiers that are saved; scores, unknown, JSON.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
E2E=$GOLDEN/clip/end-to-end
how="--flavour openai --no-orient"
recipe="--labels-from $E2E/classes.txt --templates-from $E2E/templates.txt"

expect 0 vlp-classify $how $recipe --score logit -k 0 photos/p00.png
# the reference: -13.838944 -13.577357 -8.384964 -20.178774 -17.799479
awk -F'\t' 'BEGIN { want["circle"] = -13.838944; want["square"] = -13.577357
    want["checkerboard"] = -8.384964; want["red barn"] = -20.178774
    want["golden retriever"] = -17.799479 }
    { d = $4 - want[$3]; if (d > 1e-4 || d < -1e-4 || NR != $2) bad = 1 }
    END { exit bad || NR != 5 }' stdout || fail "logits: $(cat stdout)"

vlp-classify $how $recipe -k 5 -r photos >direct
vlp-classify $how $recipe --save-classifier c.vle
vlp-classify $how -C c.vle -k 5 -j 1 -b 1 -r photos >saved
same direct saved
vlp-embed -q $how -r -o p.vle photos
vlp-classify -C c.vle -k 5 p.vle >vectors
same direct vectors
# A disk without room leaves no part of one, and the same command makes it when there is room.
(ulimit -f 1 && exec vlp-classify $how $recipe --save-classifier half.vle) 2>stderr && fail "no failure"
says "half.vle: File too large"
[ -z "$(find . -name 'half.vle*')" ] || fail "left: $(ls half.vle*)"
expect 0 vlp-classify $how $recipe --save-classifier half.vle
same half.vle c.vle
vlp-embed -q $how -r photos | vlp-classify -C c.vle -k 5 -E - >piped
same direct piped
awk -F'\t' '{ sum[$1] += $4 } END { for (i in sum) if (sum[i] < 0.99999 || sum[i] > 1.00001) exit 1 }' \
    direct || fail "softmax does not add up to 1"

# Classes as JSON with prompts of their own; one class alone; margins.
echo '{"round": ["a photo of a circle.", "a circle"], "box": {"names": ["square", "box"]}}' >classes.json
expect 0 vlp-classify --labels-from classes.json --json -k 0 photos/p01.png
prints '"label": "round"'
prints '"label": "box"'
expect 0 vlp-classify -l circle --score sigmoid photos/p01.png
expect 0 vlp-classify -l circle,square --score margin -k 2 photos/p01.png
awk -F'\t' '{ sum += $4 } END { exit sum > 1e-6 || sum < -1e-6 }' stdout || fail "margins of two"

# Nothing is good enough: unknown. The learned scale is not 100.
expect 0 vlp-classify -l circle,square --unknown 2 --unknown-name nothing photos/p01.png
prints '	1	nothing	'
expect 0 vlp-classify -l circle,square --logit-scale model photos/p01.png
cp stdout learned
expect 0 vlp-classify -l circle,square photos/p01.png
cmp -s stdout learned && fail "--logit-scale changes nothing"

# Bad input is named; what does not belong together is refused.
echo nonsense >bad.png
expect 3 vlp-classify -C c.vle $how photos/p00.png bad.png
says 'bad.png'
vlp-embed -q -o other.vle photos/p00.png
expect 4 vlp-classify -C c.vle other.vle
expect 0 vlp-classify -C c.vle --ignore-model other.vle
expect 2 vlp-classify photos/p00.png
expect 2 vlp-classify -l a,b -t 'no place' photos/p00.png
expect 2 vlp-classify -l a,b,a photos/p00.png
# Names of classes are fields of TSV as ids are.
printf 'p00\tc\n' >t.tsv
expect 0 vlp-classify -q -l $'a\tb,c' --truth t.tsv --confusion tab.tsv photos/p00.png
[ "$(head -1 tab.tsv)" = "$(printf 'truth\ta\\tb\tc\tunknown')" ] || fail "$(cat tab.tsv)"

# Several files of vectors are classified one after the other; beside pictures they are none.
vlp-classify $how $recipe -f --save-classifier c.vle
vlp-embed -q $how -o first.vle photos/p00.png photos/p01.png
vlp-embed -q $how -o second.vle photos/p02.png photos/p03.png
vlp-embed -q $how -o both.vle photos/p00.png photos/p01.png photos/p02.png photos/p03.png
expect 0 vlp-classify -C c.vle -E both.vle
mv stdout both
expect 0 vlp-classify -C c.vle first.vle second.vle
same both stdout
expect 0 vlp-classify -C c.vle -E first.vle -E - <second.vle
same both stdout
for n in 1 2 3 4; do
    expect 0 vlp-classify -C c.vle --limit $n first.vle second.vle
    [ "$(wc -l <stdout)" -eq $n ] || fail "--limit $n over two files"
done
expect 2 vlp-classify -C c.vle photos/p00.png first.vle
says 'first.vle is no picture but vectors: those go with -E'

# Every {} of a template, and of a prompt, is the name.
three=$(echo photos/p0[0-2].png)
expect 0 vlp-classify -k 2 -l cat,dog -t 'the {} and {}' $three
mv stdout filled
echo '[{"name":"cat","prompts":["the cat and cat"]},{"name":"dog","prompts":["the {} and {}"]}]' >twice.json
expect 0 vlp-classify -k 2 --labels-from twice.json $three
same filled stdout

# A prompt is said of all names of its class, one without {} once.
echo '[{"name":"cat","names":["cat","kitten"],"prompts":["a {}","an animal"]},{"name":"dog","prompts":["a dog"]}]' >names.json
echo '[{"name":"cat","prompts":["a cat","a kitten","an animal"]},{"name":"dog","prompts":["a dog"]}]' >spelled.json
expect 0 vlp-classify -k 2 --labels-from spelled.json $three
mv stdout spelled
expect 0 vlp-classify -k 2 --labels-from names.json $three
same spelled stdout
