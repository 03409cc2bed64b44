# --update: what is new is added, what changed replaced, what is gone deleted; the rest is not touched.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -o set.vle photos
cp set.vle first.vle
# Nothing to do.
expect 0 vlp-embed --update -o set.vle photos
says "0 pictures, 0 texts"
cp photos/p00.png photos/p12.png
cp photos/p05.png photos/p02.png
touch -d '2001-01-01' photos/p02.png
rm photos/p11.png
expect 0 vlp-embed --update -o set.vle photos
says "2 pictures, 0 texts"
says "2 deleted or replaced"
expect 0 vlp-embed --format tsv photos
sort stdout >fresh
expect 0 vlp-embed --convert --format tsv set.vle
sort stdout >updated
same fresh updated
# A picture that has become unusable is not left as it was.
: >photos/p03.png
expect 3 vlp-embed --update -o set.vle photos
expect 0 vlp-embed --convert --format tsv set.vle
grep -q photos/p03.png stdout && fail "an unusable picture keeps its vector"
# Texts: by their wording.
printf 'id\ttext\na\tone\nb\ttwo\n' >table.tsv
expect 0 vlp-embed -o texts.vle table.tsv
printf 'id\ttext\nb\ttwo and more\nc\tthree\n' >table.tsv
expect 0 vlp-embed --update -o texts.vle table.tsv
says "0 pictures, 2 texts"
says "2 deleted or replaced"
printf 'id\ttext\nb\tx\nb\ty\n' >table.tsv
expect 2 vlp-embed --update -o texts.vle table.tsv
says "occurs twice"
# Files of another model are not mixed.
expect 4 env VLP_MODEL="$GOLDEN/clip/hf-quick" vlp-embed --update -o set.vle photos
