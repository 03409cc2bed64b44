# Sets: retrieval against the reference's numbers, joins, groups, models that do not fit.
. "$ROOT/tests/cli_helpers.sh"
G=$GOLDEN/retrieval

# Both directions, whichever set asks.
value() {
    awk -F'\t' -v d="$1" -v m="$2" '$1 == d && $2 == m { print $3 }' stdout
}
for way in "texts images" "images texts"; do
    set -- $way
    expect 0 vlp-match --truth "$G/truth.tsv" -Q "$G/$1.npy" "$G/$2.npy"
    [ "$(value text_to_image R@1)" = 0.732 ] || fail "text_to_image R@1 $(value text_to_image R@1)"
    [ "$(value image_to_text R@10)" = 0.98 ] || fail "image_to_text R@10"
    [ "$(value text_to_image mean_rank)" = 2.228 ] || fail "mean rank"
    [ "$(value image_to_text median_rank)" = 1 ] || fail "median rank"
    [ "$(value image_to_text mAP@10 | cut -c1-12)" = 0.7356658730 ] || fail "mAP@10"
done
expect 0 vlp-match --recall-at 2,1,2 --json --truth "$G/truth.tsv" -Q "$G/texts.npy" "$G/images.npy"
[ "$(head -n 1 stdout | grep -o 'R@[0-9]*' | xargs)" = 'R@2 R@1' ] || fail "a cutoff twice: $(cat stdout)"
expect 0 vlp-match --recall-at 9,9,1,2,3,4,5,6,7,7 --truth "$G/truth.tsv" -Q "$G/texts.npy" "$G/images.npy"
expect 0 vlp-match --json --recall-at 2 --truth "$G/truth.tsv" -Q "$G/texts.npy" "$G/images.npy"
prints '"R@2": '
printf 'x\ty\n' >nothing.tsv
expect 4 vlp-match --truth nothing.tsv -Q "$G/texts.npy" "$G/images.npy"
says 'no pair of ids'

# Truth that names nobody, that is no text, that has commas.
head -n 20 "$G/truth.tsv" >some.tsv
expect 0 vlp-match --truth some.tsv -Q "$G/texts.npy" "$G/images.npy"
cp stdout some.out
(cat some.tsv; for i in 1 2 3 4; do printf 'no-%s\t%s\n' $i "$(head -n 2 some.tsv | tail -n 1 | cut -f2)"; done) >more.tsv
expect 3 vlp-match --truth more.tsv -Q "$G/texts.npy" "$G/images.npy"
says 'name records that are not there: no-1, no-2, no-3 ...'
same some.out stdout
tr '\t' ',' <some.tsv | sed 's/^[^,]*/"&"/; s/$/\r/' >some.csv
expect 0 vlp-match --truth some.csv -Q "$G/texts.npy" "$G/images.npy"
same some.out stdout
cp some.csv comma.tsv
expect 5 vlp-match --truth comma.tsv -Q "$G/texts.npy" "$G/images.npy"
says 'has no tab (commas are for names that end in .csv)'
printf 'a\tb\0c\n' >binary.tsv
expect 5 vlp-match --truth binary.tsv -Q "$G/texts.npy" "$G/images.npy"
says 'binary.tsv: not a text'
printf '"a,b\n' >open.csv
expect 5 vlp-match --truth open.csv -Q "$G/texts.npy" "$G/images.npy"

# One query with very many right answers, the last of the file first.
seq 0 199999 | sed 's/.*/&\t1\t&/' >many.tsv
seq 199999 -1 0 | sed 's/^/q\t/' >all.tsv
printf 'q\t0\t1\n' >q.tsv
expect 0 timeout 60 vlp-match --truth all.tsv -Q q.tsv many.tsv
[ "$(grep -c 'query_to_index	R@1	1$' stdout)" -eq 1 ] || fail "$(cat stdout)"

# Joins. Mutual pairs are a subset of one-to-one pairs' rows; anti and matched share the texts out.
vlp-match --join mutual -Q "$G/images.npy" "$G/texts.npy" >mutual
vlp-match --join one-to-one -Q "$G/images.npy" "$G/texts.npy" >one
[ "$(wc -l <one)" -eq 50 ] || fail "one-to-one has $(wc -l <one) pairs"
[ "$(cut -f4 one | sort -u | wc -l)" -eq 50 ] || fail "a text was taken twice"
[ "$(sort mutual one | uniq -d | wc -l)" -eq "$(wc -l <mutual)" ] || fail "mutual pairs are not kept"
vlp-match --join topk -k 1 --min-score 0.5 -Q "$G/texts.npy" "$G/images.npy" | cut -f1 >with
vlp-match --join anti --min-score 0.5 -Q "$G/texts.npy" "$G/images.npy" | cut -f1 >without
[ -s without ] && [ -s with ] || fail "the threshold divides nothing"
[ "$(sort -u with without | wc -l)" -eq 250 ] && [ "$(cat with without | wc -l)" -eq 250 ] ||
    fail "anti and matched overlap"
expect 2 vlp-match --join anti -Q "$G/texts.npy" "$G/images.npy"

# Groups: copies hang together.
expect 0 vlp-match --groups 0.9999 --json "$G/texts.npy"
prints '"weakest_link"'
cat "$G/texts.npy" >copy.npy
expect 0 vlp-match --groups 0.9999 --header copy.npy
prints 'link_score	link_a	link_b'

# Vectors of different models are refused.
use_pictures
vlp-embed -q -o a.vle photos/p00.png
vlp-embed -q --flavour openai --no-orient -o b.vle photos/p00.png
expect 4 vlp-match -Q a.vle b.vle
expect 0 vlp-match --ignore-model -Q a.vle b.vle
# A first file that does not name its model vouches for none of the others, nor for the queries.
vlp-embed -q --convert -o bare.npy a.vle
expect 4 vlp-match --id photos/p00.png bare.npy a.vle b.vle
says "a.vle was made by model"
says "b.vle by model"
expect 4 vlp-match -Q a.vle bare.npy b.vle
says "b.vle was made by model"
says "a.vle by model"
expect 4 vlp-match --image photos/p00.png bare.npy b.vle
says "b.vle was made by model"
expect 4 vlp-match --rerank b.vle --id photos/p00.png bare.npy a.vle
expect 0 vlp-match --image photos/p00.png bare.npy a.vle
expect 0 vlp-match --ignore-model -Q a.vle bare.npy b.vle
expect 5 vlp-match -Q a.vle photos/p00.png
