# NaN, infinity and zeros in vectors are told, never silently lost.
. "$ROOT/tests/cli_helpers.sh"
printf 'a\t1\t0\nnan\tnan\t1\ninf\t1\tinf\nzero\t0\t0\nb\t0\t1\n' >odd.tsv
printf 'a\t1\t0\nb\t0\t1\n' >fine.tsv
expect 3 vlp-match -k 0 -Q fine.tsv odd.tsv
says "2 records of the index hold NaN or infinity"
[ "$(wc -l <stdout)" -eq 6 ] || fail "not three a query"
for i in 1 2 3 4 5 6 7 8; do printf 'q%d\t1\t%d\n' $i $i; done >many.tsv
expect 3 vlp-match -k 0 -Q many.tsv odd.tsv # the way for many queries
says "2 records of the index hold NaN or infinity"
[ "$(wc -l <stdout)" -eq 24 ] || fail "not three a query"
expect 3 vlp-match -k 1 --failed bad.tsv -Q odd.tsv fine.tsv
says "nan: its vector holds NaN or infinity"
[ "$(cut -f 1 bad.tsv | tr '\n' ' ')" = "nan inf " ] || fail "$(cat bad.tsv)"
[ "$(wc -l <stdout)" -eq 3 ] || fail "not three queries"
expect 5 vlp-match -k 1 --on-error stop -Q odd.tsv fine.tsv
expect 3 vlp-match --join mutual -Q odd.tsv fine.tsv
says "nan: its vector"
# What has no match at all is without one too: nothing in B gives a number, or B is empty.
printf 'nan\tnan\t1\n' >none.tsv
expect 3 vlp-match --join anti --min-score 0.5 -Q fine.tsv none.tsv
[ "$(cat stdout)" = "$(printf 'a\t0\tnan\t\t\nb\t0\tnan\t\t')" ] || fail "$(cat stdout)"
expect 3 vlp-match --join anti --min-score 0.5 --json -Q odd.tsv none.tsv
[ "$(cat stdout)" = '{"query": "a", "rank": 0, "score": null, "id": null}
{"query": "zero", "rank": 0, "score": null, "id": null}
{"query": "b", "rank": 0, "score": null, "id": null}' ] || fail "$(cat stdout)"
vlp-embed --convert -q -o fine.vle fine.tsv
expect 0 vlp-match --join anti --min-score 0.5 --only image -Q fine.vle fine.vle
expect 3 vlp-match --join anti --min-score 0.5 --only text --html anti.html -Q fine.vle fine.vle
says "fine.vle: no text in it"
[ "$(wc -l <stdout)" -eq 2 ] || fail "$(cat stdout)"
[ "$(grep -o 'nothing matches' anti.html | wc -l)" -eq 2 ] || fail "the page does not say that nothing matches"
expect 5 vlp-match --join mutual --only text -Q fine.vle fine.vle
expect 5 vlp-match --join anti --min-score 0.5 --query-only text -Q fine.vle fine.vle
expect 3 vlp-match --groups 0.5 odd.tsv
says "inf: its vector"
# Scores of retrieval: what scores no number is found last, and named.
printf 'a\ta\nb\tb\n' >right.tsv
sed 's/\t.*/\tnan\tnan/' fine.tsv >nothing.tsv
expect 0 vlp-match --truth right.tsv -Q fine.tsv fine.tsv
prints "$(printf 'query_to_index\tR@1\t1')"
expect 3 vlp-match --truth right.tsv --failed bad.tsv -Q fine.tsv nothing.tsv
prints "$(printf 'query_to_index\tR@1\t0')"
prints "$(printf 'index_to_query\tR@1\t0')"
[ "$(cut -f 1 bad.tsv | tr '\n' ' ')" = "a b " ] || fail "$(cat bad.tsv)"
expect 3 vlp-match --truth right.tsv -Q nothing.tsv fine.tsv
says "a: its vector"
expect 5 vlp-match --truth right.tsv --on-error stop -Q fine.tsv nothing.tsv
expect 3 vlp-match --json --metric dot -k 0 -Q fine.tsv odd.tsv
grep -q '"score": null' stdout || fail "JSON without null"
grep -q '"score": inf' stdout && fail "JSON with inf"
# Bytes have no NaN or infinity: their scale has. A finite value that f16 cannot hold is refused by its record.
expect 0 vlp-embed --convert --dtype i8 -o odd-i8.vle odd.tsv
expect 0 vlp-embed --convert -o odd-i8.safetensors odd-i8.vle
for file in odd-i8.vle odd-i8.safetensors; do
    expect 0 vlp-embed --convert --format tsv $file
    prints "$(printf 'nan\tnan\tnan')"
    prints "$(printf 'inf\tnan\tnan')"
    prints "$(printf 'zero\t0\t0')"
    expect 3 vlp-match -k 0 -Q fine.tsv $file
    says "2 records of the index hold NaN or infinity"
    expect 3 vlp-match -k 0 -Q many.tsv $file
    says "2 records of the index hold NaN or infinity"
done
printf 'small\t65519\t1\nbig\t1e5\t0\n' >large.tsv
for format in vle npy safetensors; do
    expect 4 vlp-embed --convert --dtype f16 --format $format -o large.out large.tsv
    says "'big': f16 cannot hold the value 100000"
    [ ! -e large.out ] || fail "it was written"
    expect 0 vlp-embed --convert --limit 1 -f --dtype f16 --format $format -o fits.out large.tsv
done
expect 0 vlp-embed --convert --dtype f16 -o odd-f16.vle odd.tsv
expect 0 vlp-embed --convert --format tsv odd-f16.vle
prints "$(printf 'inf\t1\tinf')"
printf 'p\t1\t0\nq\t0\t1\n' >classes.tsv
expect 0 vlp-embed --convert -q -o classes.vle classes.tsv
expect 3 vlp-classify -q -C classes.vle -E odd.tsv
says "nan: its vector"
[ "$(wc -l <stdout)" -eq 3 ] || fail "not three records"
printf 'a\tx\nb\ty\nnan\tx\ninf\ty\n' >truth.tsv
expect 3 vlp-classify -q --knn odd.tsv --truth truth.tsv -E fine.tsv
says "inf: its vector"
expect 3 vlp-classify -q --fit odd.tsv --truth truth.tsv
says "nan: its vector"
prints "$(printf 'records\t2')"
# Scores that run into 1 together keep the order of their logits.
printf 'r\t0.9\t1\n' >r.tsv
expect 0 vlp-classify -q -C classes.vle --score sigmoid -k 2 -E r.tsv
[ "$(cut -f 3 stdout | tr '\n' ' ')" = "q p " ] || fail "$(cat stdout)"
# A classifier of nothing is wrong usage.
expect 2 vlp-classify -l , -E r.tsv
expect 2 vlp-classify -l a,a -E r.tsv
# Vectors of any length that f32 has get their cosines, however many are asked at once.
printf 'short\t1e-45\t0\nlong\t3e38\t3e38\nlonger\t0\t2e30\nb\t0\t3\n' >lengths.tsv
expect 0 vlp-match -k 0 -Q many.tsv lengths.tsv # many.tsv has eight, of which q1 is as long
grep '^q1	' stdout | cut -f 2,4 >many
printf 'q1\t1\t1\n' >one.tsv
expect 0 vlp-match -k 0 -Q one.tsv lengths.tsv
cut -f 2,4 stdout >one
same many one
[ "$(cut -f 2 one | tr '\n' ' ')" = "long short longer b " ] || fail "$(cat stdout)"
awk -F'\t' '{ want = $2 == 1 ? 1 : sqrt(0.5); if (($3 - want) ^ 2 > 1e-12) exit 1 }' stdout || fail "$(cat stdout)"
exit 0
