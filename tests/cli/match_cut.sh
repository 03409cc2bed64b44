# Embedding files that are not whole: one line and status 3, wherever they are read.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -q -o whole.vle photos/p00.png photos/p01.png photos/p02.png
expect 0 vlp-embed -q -o more.vle photos/p03.png photos/p04.png
size=$(stat -c %s whole.vle)
cat whole.vle more.vle >joined.vle
head -c -100 joined.vle >torn.vle
head -c $((size - 64)) whole.vle >open.vle
cat open.vle more.vle >part.vle
for file in torn open part; do
    sentence='no end record'
    [ $file = torn ] && sentence='the end is torn off'
    [ $file = part ] && sentence='a part that was joined into it has no end record'
    for run in "vlp-match -q --id photos/p00.png $file.vle" "vlp-match -q -Q whole.vle $file.vle" \
        "vlp-match -q -Q $file.vle whole.vle" "vlp-match -q --groups 1 $file.vle" \
        "vlp-match -q --rerank $file.vle -Q whole.vle whole.vle" \
        "vlp-match -q --join mutual -Q whole.vle $file.vle" \
        "vlp-classify -q -l circle,square -E $file.vle" "vlp-embed -q --convert -o $RANDOM.npy $file.vle"; do
        expect 3 $run
        says "$file.vle: $sentence"
        [ "$(wc -l <stderr)" -eq 1 ] || fail "not one line: $(cat stderr)"
    done
    expect 3 vlp-match -qq -k 0 --id photos/p00.png - <$file.vle
    [ -s stderr ] && fail "-qq: $(cat stderr)"
    records=3
    [ $file = part ] && records=5
    [ "$(wc -l <stdout)" -eq $records ] || fail "not what stands before the end: $(cat stdout)"
done
expect 3 vlp-match -q --id photos/p00.png torn.vle open.vle
[ "$(wc -l <stderr)" -eq 2 ] || fail "two files are not whole: $(cat stderr)"
expect 0 vlp-match --id photos/p00.png joined.vle
expect 0 vlp-embed --convert -o whole.jsonl joined.vle
# What is made of a part that lacks its end is whole, and was said to come from one that is not.
expect 3 vlp-embed --convert -o made.vle part.vle
expect 0 vlp-match --id photos/p00.png made.vle

# A classifier that has lost classes would be wrong about everything.
expect 0 vlp-classify -l circle,square --save-classifier c.vle
head -c $(($(stat -c %s c.vle) - 100)) c.vle >half.vle
expect 5 vlp-classify -C half.vle photos/p00.png
head -c $(($(stat -c %s c.vle) - 64)) c.vle >half.vle
expect 5 vlp-classify -C half.vle photos/p00.png
says 'half.vle'
# An id that stood in what is missing.
expect 5 vlp-match --id photos/p04.png torn.vle
says 'torn.vle: the end is torn off'
