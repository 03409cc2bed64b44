# With labels: accuracy and confusion, neighbours, and the linear probe against the reference.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
printf 'id\tlabel\np00\tcircle\nphotos/p01.png\tsquare\np02.png\tsquare\np03\tcircle\n' >truth.tsv
vlp-embed -q -o p.vle photos/p0[0-3].png

expect 0 vlp-classify -l circle,square --truth truth.tsv --report - p.vle
prints '"records": 4'
prints '"confusion"'
says 'top-1'
expect 0 vlp-classify -l circle,square --truth truth.tsv --confusion c.png --html c.html p.vle
head -c 8 c.png | grep -q PNG || fail "the confusion matrix is no picture"
grep -q 'data:image/png' c.html || fail "the page lacks the matrix"
expect 0 vlp-classify -l circle,square --truth truth.tsv --confusion c.tsv p.vle
[ "$(awk -F'\t' 'NR > 1 { n += $2 + $3 + $4 } END { print n }' c.tsv)" = 4 ] || fail "counts: $(cat c.tsv)"
expect 2 vlp-classify -l circle,square --confusion d.png p.vle
says 'no record has a right label'

# A label that is none of the classes counts as wrong truth does, whether --truth or the record says it.
printf '{"image":"photos/%s.png","label":"%s"}\n' p00 circle p01 square p02 barn >brought.jsonl
sed 's/.*\(p0.\).*label":"\(.*\)"}/\1\t\2/' brought.jsonl >brought.tsv
expect 0 vlp-embed -q -o brought.vle brought.jsonl
vlp-embed -q -o bare.vle photos/p0[0-2].png
for input in '-E brought.vle' brought.jsonl '--truth brought.tsv -E bare.vle' '--truth brought.tsv photos/p00.png photos/p01.png photos/p02.png'; do
    expect 0 vlp-classify -l circle,square --report - $input
    says '2 records: top-1'
    says '1 record has no right label among the classes'
    prints '"records": 2'
    prints '"without_truth": 1'
done
expect 0 vlp-embed -q --limit 1 -o known.vle brought.jsonl
expect 0 vlp-classify --knn known.vle -E brought.vle
says '2 records have no right label among the classes'
expect 0 vlp-classify -l circle,square bare.vle # nobody spoke of labels
grep -q 'right label' stderr && fail "$(cat stderr)"

# Nothing to count: said before the start where it is known; else what is whole is kept.
printf 'p00\tbarn\n' >barn.tsv
for judged in '--report r.json' '--confusion r.tsv'; do
    for input in 'photos' 'photos/p00.png' '--truth barn.tsv photos' '--truth barn.tsv bare.vle' bare.vle; do
        expect 2 vlp-classify -r -l circle,square $judged --html r.html -o r.out $input
        [ ! -s stdout ] && [ ! -e r.out ] && [ ! -e r.html ] || fail "$judged $input: begun"
    done
    for input in '--truth lost.tsv photos' '-E bare.vle -E bare.vle'; do
        printf 'p99\tcircle\n' >lost.tsv
        expect 5 vlp-classify -r -l circle,square $judged --html r.html -o r.out $input
        says "no record has a right label among the classes: there is nothing to count for ${judged%% *}"
        [ -s r.out ] && [ -s r.html ] && [ ! -e r.json ] && [ ! -e r.tsv ] || fail "$judged $input: lost"
        rm r.out r.html
    done
done
# One file that cannot be written does not take the others with it.
expect 1 vlp-classify -l circle,square --truth truth.tsv --report /dev/full --confusion r.tsv --html r.html -o r.out p.vle
says '/dev/full: No space left'
[ -s r.out ] && [ -s r.html ] && [ -s r.tsv ] || fail "lost with the report"

# An empty label is none: in tables, in JSON, in stored vectors, among right answers.
printf 'image,label\nphotos/p00.png,cat\nphotos/p01.png,dog\nphotos/p02.png,\n' >gaps.csv
printf '{"image":"photos/%s.png","label":"%s"}\n' p00 cat p01 dog p02 '' >gaps.jsonl
for table in gaps.csv gaps.jsonl; do
    expect 0 vlp-embed -q -f -o gaps.vle $table
    expect 0 vlp-classify --fit gaps.vle
    prints $'classes\t2'
    prints $'records\t2'
    says '1 of 3 records have no label'
done
vlp-embed -q --convert --format jsonl p.vle |
    sed 's/"meta":"[^"]*"/"flags":["label"],"meta":""/; 1s/"meta":""/"meta":"cat"/; 2s/"meta":""/"meta":"dog"/' >old.jsonl
expect 0 vlp-embed -q --convert -o old.vle old.jsonl
expect 0 vlp-classify --knn old.vle p.vle
says '2 of 4 records have no label'
expect 0 vlp-classify --fit old.vle
prints $'classes\t2'
printf 'id\tlabel\np00\tcircle\np01\t\np02\tsquare\n' >gaps.tsv
expect 0 vlp-classify --fit p.vle --truth gaps.tsv
prints $'classes\t2'
prints $'records\t2'

# The nearest labelled record of each is itself.
expect 0 vlp-classify --knn p.vle --truth truth.tsv --neighbours 1 p.vle
cut -f1,3 stdout | sed 's|photos/\(p0.\).png|\1|' >nearest
printf 'p00\tcircle\np01\tsquare\np02\tsquare\np03\tcircle\n' | cmp -s - nearest || fail "$(cat nearest)"

# Folders as labels.
mkdir -p tree/circle tree/square
cp photos/p00.png photos/p03.png tree/circle
cp photos/p01.png photos/p02.png tree/square
expect 0 vlp-classify -r --folder-labels -l circle,square tree
says '4 records: top-1'

# A shard's name is no folder: what lies in it has the folders of its members.
(cd tree && tar cf ../shapes.tar circle square && mkdir 'wow!' && cp circle/p00.png 'wow!')
expect 0 vlp-classify --folder-labels -l circle,square --json shapes.tar
says '4 records: top-1'
[ "$(grep -c '"truth": "circle"' stdout)" -eq 2 ] || fail "$(cat stdout)"
expect 0 vlp-embed -q -o s.vle shapes.tar
mkdir elsewhere && cd elsewhere || exit # ids alone, without the shard
expect 0 vlp-classify --folder-labels -l circle,square ../s.vle
says '4 records: top-1'
cd ..
expect 0 vlp-classify -r --folder-labels -l circle,'wow!' --json 'tree/wow!'
prints '"truth": "wow!"'

# A mark in a folder's name is no shard's, and what lies in no folder of its shard has no label.
mkdir -p 'tree/a!b' 'tree/x.tar!y' && cp photos/p00.png 'tree/a!b' && cp photos/p00.png 'tree/x.tar!y'
expect 0 vlp-classify -r --folder-labels -l 'a!b,b' --json 'tree/a!b'
prints '"truth": "a!b"'
expect 0 vlp-classify -r --folder-labels -l 'x.tar!y,y' --json 'tree/x.tar!y'
prints '"truth": "x.tar!y"'
mkdir data
tar cf data/flat.tar -C photos p00.png ./p01.png
tar cf 'data/a!b.tar' -C tree 'a!b' circle/p00.png
flat() {
    expect 0 vlp-classify --folder-labels -l data,c --json "$1" <data/flat.tar
    [ "$(grep -c '"label"' stdout)" -eq 2 ] && ! grep -q truth stdout || fail "$(cat stdout)"
}
flat data/flat.tar
flat -
flat <(cat data/flat.tar)
cp 'data/a!b.tar' plain # a shard by its bytes alone
deep() {
    expect 0 vlp-classify --folder-labels -l 'a!b,circle' --json "$1" <plain
    [ "$(grep -o '"truth": "[^"]*' stdout | cut -d'"' -f4 | tr '\n' ' ')" = 'a!b circle ' ] || fail "$(cat stdout)"
}
deep 'data/a!b.tar'
deep plain
deep -
deep <(cat plain)

# One class twice: which of its records is meant by a label cannot be told.
printf 'a\t1\t0\na\t.9\t.1\nb\t0\t1\n' >c.tsv
printf 'x\t0\t1\n' >e.tsv
printf 'x\tb\n' >b.tsv
expect 5 vlp-classify -C c.tsv -E e.tsv --truth b.tsv
says "c.tsv: class 'a' is there twice"
sed 2d c.tsv >once.tsv
expect 0 vlp-classify -C once.tsv -E e.tsv --truth b.tsv
says '1 record: top-1 1.0000'

# A label may be the place of its class, but not where a class has a number for a name.
printf 'x\t1\n' >place.tsv
expect 0 vlp-classify -C once.tsv -E e.tsv --truth place.tsv
says '1 record: top-1 1.0000'
printf '3\t1\t0\n7\t0\t1\n' >numbers.tsv
printf 'x\t7\n' >seven.tsv
expect 0 vlp-classify -C numbers.tsv -E e.tsv --truth seven.tsv
says '1 record: top-1 1.0000'
expect 0 vlp-classify -C numbers.tsv -E e.tsv --truth place.tsv
says '1 record has no right label among the classes'

# What is right is told by the name of its class.
expect 0 vlp-classify -C once.tsv -E e.tsv --truth place.tsv --json
prints '"truth": "b"'
# Right answers of which none is a record's are no wrong answers: a vector of numbers has rows for ids.
cp "$GOLDEN/probe/labels.npy" rows.npy
expect 0 vlp-classify -C once.tsv -E e.tsv --truth rows.npy
says 'rows.npy: none of its ids is that of a record (those of a .npy are the numbers of its rows, from 0)'
expect 0 vlp-classify -C once.tsv -E e.tsv --truth lost.tsv
says 'lost.tsv: none of its ids is that of a record'
grep -q 'npy' stderr && fail "$(cat stderr)"
for how in --fit --knn; do
    expect 5 vlp-classify $how p.vle --truth rows.npy -E p.vle
    says 'p.vle: no record has a label in rows.npy (those of a .npy are the numbers of its rows, from 0)'
done

# The probe: rows 0 to 199 have labels, the rest is predicted.
F=$GOLDEN/probe/features.npy
vlp-classify --knn "$F" --truth "$GOLDEN/probe/labels.npy" --neighbours 1 -E "$F" | cut -f1,3 >labels.tsv
head -200 labels.tsv >train.tsv
expect 0 vlp-classify --fit "$F" --truth train.tsv --C 0.316 --save-classifier probe.vle
awk -F'\t' '$1 == "objective" { d = $2 / 4.214938439366312 - 1; ok = d < 1e-6 && d > -1e-6 }
    END { exit !ok }' stdout || fail "objective: $(cat stdout)"
for threads in 1 2 3; do
    vlp-classify -q -j $threads -f --fit "$F" --truth train.tsv --save-classifier "probe$threads.vle" >fit$threads
    same fit1 fit$threads
done
vlp-classify -C probe.vle -E "$F" | cut -f1,3 | tail -100 >predicted
tail -100 labels.tsv | cmp -s - predicted || fail "the probe's predictions are not the labels"
expect 0 vlp-classify -q --fit "$F" --truth train.tsv --header
sed 1d stdout | cmp -s - fit1 && [ "$(head -1 stdout)" = $'measure\tvalue' ] || fail "$(cat stdout)"
expect 0 vlp-classify --fit "$F" --truth train.tsv --sweep --json
prints '"lambda": '
says 'lambda 1e-06'
# What comes through a pipe is read once.
mv stdout swept
expect 0 vlp-classify --fit <(cat "$F") --truth train.tsv --sweep --json
same swept stdout
expect 0 vlp-classify --fit - --truth train.tsv --sweep --json < <(cat "$F")
same swept stdout
# What the penalty is chosen by must come from the model that made what is fitted.
vlp-embed -q --flavour openai --no-orient -o other.vle photos/p0[0-3].png
expect 0 vlp-classify --fit p.vle --truth truth.tsv --sweep --validation p.vle
expect 4 vlp-classify --fit p.vle --truth truth.tsv --sweep --validation other.vle
says 'other.vle'
expect 0 vlp-classify --fit p.vle --truth truth.tsv --sweep --validation other.vle --ignore-model
printf 'p00\t1\t0\np01\t0\t1\n' >two.tsv
expect 4 vlp-classify --fit p.vle --truth truth.tsv --sweep --validation two.tsv --ignore-model

# The nearest neighbour is the best match of a search, of vectors of any length and type: of small whole numbers
# many are equally near but for rounding.
awk '
function number(n) { seed = seed * 16807 % 2147483647; return int(seed / 1024) % n }
function vector(times, x, i) { for (i = 0; i < 6; i++) x = x (i ? "," : "") (number(5) - 2) * times; return x ",1]}" }
BEGIN {
    seed = 3
    for (i = 0; i < 300; i++) {
        known = "{\"id\":\"" i "\",\"meta\":\"" i "\",\"flags\":[\"label\"],\"vector\":["
        print known vector(1 + number(3)) >"known.jsonl"
        print "{\"id\":\"" i "\",\"vector\":[" vector(1) >"asked.jsonl"
    }
}' </dev/null
expect 0 vlp-embed --convert -q --normalize -o unit.vle asked.jsonl
for type in f32 f16 bf16 i8; do
    expect 0 vlp-embed --convert -q -f --dtype $type -o known.vle known.jsonl
    for asked in asked.jsonl unit.vle; do
        expect 0 vlp-match -k 1 -Q $asked known.vle
        cut -f 1,4 stdout >best
        expect 0 vlp-classify -q --knn known.vle --neighbours 1 -k 1 -E $asked
        cut -f 1,3 stdout | cmp - best || fail "$type, $asked: not the best matches"
    done
done

# A picture in a shard may have its label beside it.
mkdir shard && cp photos/p00.png shard/p00.png && printf circle >shard/p00.cls
tar -C shard -cf s.tar p00.png p00.cls
expect 0 vlp-classify -q -l circle,square --report one.json 's.tar!p00.png'
grep -q '"records": 1' one.json || fail "$(cat one.json)"
