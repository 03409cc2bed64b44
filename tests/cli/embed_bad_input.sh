# Bad records are named, counted, written down, skipped; the status is 3.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
head -c 1000 photos/p03.png >photos/p03b.png
printf 'GIF89a' >photos/p04b.png
: >photos/p05b.png
expect 3 vlp-embed --failed failed.tsv -o out.vle photos
says "vlp-embed: photos/p03b.png: "
says "(skipped)"
says "12 pictures, 0 texts"
says "3 records skipped"
[ "$(cut -f1 failed.tsv | tr '\n' ' ')" = "photos/p03b.png photos/p04b.png photos/p05b.png " ] ||
    fail "$(cat failed.tsv)"
[ "$(cut -f2 failed.tsv | tr '\n' ' ')" = "format unsupported format " ] || fail "$(cut -f2 failed.tsv)"
expect 5 vlp-embed --on-error stop -o stop.vle photos
says "(stopping)"
expect 3 vlp-embed --format tsv photos/p00.png photos/none.png
says "photos/none.png: "
expect 1 vlp-embed --format tsv photos/p03b.png
says "no record could be used (1 skipped)"
printf 'good\n\377bad\ngood again\n' >lines
expect 3 vlp-embed --lines lines --format tsv
[ "$(wc -l <stdout)" -eq 2 ] || fail "not two texts"
# Text that is too long.
yes many words | head -200 | tr '\n' ' ' >long
expect 0 vlp-embed --lines long --format tsv
says "1 text cut to 77 ids"
expect 1 vlp-embed --truncate error --lines long --format tsv
says "tokens long, the model takes 77"
# A model that reads no text says so.
expect 5 env VLP_MODEL="$GOLDEN/clip/hf-quick" vlp-embed --lines lines --format tsv
says "texts cannot be encoded"
