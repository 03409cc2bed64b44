# A picture that the decoder repairs is used as the reference uses it, but never without a word: it is named by
# every program that reads pictures, and counted at the end. One that the reference refuses is a failed record.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
mkdir p
cp "$ROOT/tests/data/image/half-then-eoi.jpg" p/half.jpg
cp "$ROOT/tests/data/image/unknown-marker.jpg" p/stray.jpg
cp photos/p00.png p/whole.png
word="p/half.jpg: damaged JPEG: Corrupt JPEG data: premature end of data segment (used all the same)"
stray="p/stray.jpg: damaged JPEG: Unsupported marker type 0xf6 (skipped)"

expect 0 vlp-embed --format tsv p/half.jpg p/whole.png
says "vlp-embed: $word"
says "1 damaged picture was used all the same"
[ "$(wc -l <stdout)" -eq 2 ] || fail "$(cat stdout)"
expect 0 vlp-embed --format tsv p/half.jpg p/half.jpg p/whole.png
[ "$(grep -c "$word" stderr)" -eq 2 ] || fail "$(cat stderr)"
says "2 damaged pictures were used all the same"
expect 0 vlp-embed -q --format tsv p/half.jpg # -q leaves warnings
says "$word"
expect 0 vlp-embed -qq --format tsv p/half.jpg
[ ! -s stderr ] || fail "$(cat stderr)"
expect 0 vlp-embed --format tsv p/whole.png
grep damaged stderr && fail "a sound picture is called damaged"
expect 0 vlp-embed --on-error stop --failed failed.tsv --format tsv p/half.jpg # no failure
[ ! -s failed.tsv ] || fail "$(cat failed.tsv)"
expect 3 vlp-embed --failed failed.tsv --format tsv p
says "$word"
says "$stray"
says "1 record skipped"
[ "$(cut -f1,2 failed.tsv)" = "p/stray.jpg$(printf '\t')format" ] || fail "$(cat failed.tsv)"

# Out of a tar file the name is the id; a pair is named once, each of two pairs of one picture too.
tar cf p.tar p/half.jpg
expect 0 vlp-embed --format tsv p.tar
says "vlp-embed: p.tar!${word}"
printf 'image\tcaption\np/half.jpg\tone\np/half.jpg\ttwo\n' >p.tsv
expect 0 vlp-embed --format tsv p.tsv
[ "$(grep -c "$word" stderr)" -eq 2 ] || fail "$(cat stderr)"
[ "$(wc -l <stdout)" -eq 4 ] || fail "$(cat stdout)"

expect 3 vlp-classify -l a,b p
says "vlp-classify: $word"
says "vlp-classify: $stray"
says "1 damaged picture was used all the same"
vlp-embed -q -o photos.vle photos
expect 3 vlp-match --image p/half.jpg --image p/stray.jpg photos.vle
says "vlp-match: $word"
says "vlp-match: $stray"
says "1 damaged picture was used all the same"
mkdir out
expect 3 vlp-model preprocess -o out p/*
says "vlp-model: $word"
says "vlp-model: $stray"
says "1 damaged picture was used all the same"

# vlp-train: --check counts it apart from what is bad; a run names it once, however often it is shown.
for i in 0 1 2 3 4; do cp photos/p0$i.png p; done
rm p/stray.jpg
for f in p/*.*; do echo "a picture" >"${f%.*}.txt"; done
expect 0 vlp-train --check -b 2 -m "$VLP_MODEL" p
says "vlp-train: $word"
grep -q '^bad	0$' stdout && grep -q '^damaged	1$' stdout || fail "$(cat stdout)"
expect 0 vlp-train -j 1 -b 7 --epochs 3 --warmup 1 -m "$VLP_MODEL" -o run p
[ "$(grep -c "$word" stderr)" -eq 1 ] || fail "$(cat stderr)"
says "1 damaged picture was used all the same"
