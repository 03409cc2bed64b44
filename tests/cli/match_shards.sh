# Shards of every program merge to what one run gives; lists take what the programs write.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -q -r -o p.vle photos
printf 'a circle\na square\na barn\na red house\nthe sea\n' >texts
expect 0 vlp-embed -q --lines texts --id-is-text -o t.vle
merges() { # COMMAND...: whole against three shards
    "$@" >whole || fail "$*"
    [ -s whole ] || fail "nothing: $*"
    : >parts
    for i in 1 2 3; do "$@" --shard $i/3 >>parts || fail "shard $i: $*"; done
    sort whole >whole.sorted
    sort parts >parts.sorted
    same whole.sorted parts.sorted
}
merges vlp-embed -q -r --format tsv photos
merges vlp-match -k 3 -Q t.vle p.vle
merges vlp-match -k 3 --lines texts p.vle
merges vlp-match -k 1 --id photos/p00.png --query 'text:a +text:b' --image photos/p01.png p.vle
for how in topk mutual one-to-one; do merges vlp-match --join $how -Q t.vle p.vle; done
merges vlp-match --join anti --min-score 2 -Q t.vle p.vle
merges vlp-match -q --groups 0.5 p.vle
merges vlp-classify -q -l a,b,c -k 0 -E p.vle
merges vlp-classify -q -l a,b,c -r photos
expect 2 vlp-match --truth texts --shard 1/2 -Q t.vle p.vle
says '--shard is not for --truth'
mkdir seen part
expect 0 vlp-model preprocess -o seen photos/p0?.png
for i in 1 2; do expect 0 vlp-model preprocess --shard $i/2 -o part photos/p0?.png; done
diff -r seen part || fail "preprocess"
expect 0 vlp-classify -q -l a,b --limit 3 p.vle
[ "$(wc -l <stdout)" -eq 3 ] || fail "--limit with -E"
# A malformed line of a list is one bad query; on the command line it is wrong usage.
printf 'text:a circle\ncircle\nid:photos/p00.png\n' >asked
expect 3 vlp-match -k 1 --queries-from asked --failed bad.tsv p.vle
says "a term begins with"
[ "$(cut -f 1,2 bad.tsv)" = "$(printf 'circle\tusage')" ] || fail "$(cat bad.tsv)"
[ "$(wc -l <stdout)" -eq 2 ] || fail "not two answers"
expect 2 vlp-match -k 1 --query circle p.vle
# What --failed wrote is a list again, names with tabs too.
cp photos/p00.png $'tab\there.png'
printf '%s\tio\tgone for a moment\n' 'tab\there.png' photos/p01.png >again.tsv
expect 0 vlp-match -k 1 --files-from again.tsv p.vle
prints "$(printf 'tab\\there.png\t1\t')"
[ "$(wc -l <stdout)" -eq 2 ] || fail "not two answers"
expect 0 vlp-match -k 1 -o found.tsv --text 'a circle' --text 'a barn' p.vle
cut -f 4- found.tsv >ids.tsv
expect 0 vlp-match -k 1 --ids-from ids.tsv p.vle
[ "$(wc -l <stdout)" -eq 2 ] || fail "ids of results"
