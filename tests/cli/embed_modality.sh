# The stream says that it holds pictures whatever ending of theirs the names have.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
cp photos/p00.png a.jfif
cp photos/p01.png b.jpe
kind() { # kind FILE NAME
    expect 0 vlp-embed -q --convert -f -o kind.safetensors "$1"
    head -c 200 kind.safetensors | grep -aqF "\"modality\":\"$2\"" || fail "$1 does not hold '$2'"
}
expect 0 vlp-embed -o new.vle a.jfif b.jpe
kind new.vle image
# A file that was begun when it took other names for those of pictures is continued, and added to.
expect 0 vlp-embed -q --convert -o new.safetensors new.vle
LC_ALL=C sed 's/"modality":"image"/"modality":"any"  /' new.safetensors >old.safetensors
expect 0 vlp-embed -q --convert -o old.vle old.safetensors
kind old.vle any
head -c -8 old.vle >begun.vle
expect 0 vlp-embed -o begun.vle a.jfif b.jpe
says "2 were there already"
same begun.vle old.vle
expect 0 vlp-embed --update -o begun.vle a.jfif photos/p02.png
says "1 picture, 0 texts"
kind begun.vle any
# What --only chooses is another kind.
head -c -8 old.vle >begun.vle
expect 4 vlp-embed --only image -o begun.vle a.jfif b.jpe
says "begun.vle holds pictures and texts, and these inputs would add pictures alone"
