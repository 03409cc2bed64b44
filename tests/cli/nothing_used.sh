# One fault, one status, whatever program meets it: where no record could be used it is that of the first one.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -q -o p.vle photos
echo junk | tee bad.png >bad2.png
printf 'caf\xe9\n' >latin.txt
mkdir seen

each() { # STATUS PICTURE...
    local status=$1 picture asked=()
    shift
    for picture in "$@"; do asked+=(--image "$picture"); done
    expect "$status" vlp-embed -q --format tsv "$@"
    expect "$status" vlp-classify -q -l a,b "$@"
    expect "$status" vlp-match "${asked[@]}" p.vle
    expect "$status" vlp-model preprocess -f -o seen "$@"
}
each 1 none.png
each 1 none.png none2.png
each 5 bad.png
each 5 bad.png bad2.png
printf 'GIF89a' >some.gif
each 4 some.gif
each 4 some.gif none.png
each 3 some.gif photos/p00.png
for program in embed classify match model; do
    sed -n '/^.SH EXIT STATUS/,/^.SH ENV/p' "$ROOT/man/vlp-$program.1" | grep -q 'of a kind that is not read' ||
        fail "vlp-$program(1) does not tell of a kind that is not read"
done
expect 4 vlp-embed -q --on-error stop --format tsv photos/p00.png some.gif
each 1 none.png bad.png
each 5 bad.png none.png
each 3 none.png photos/p00.png
each 3 bad.png photos/p00.png
for program in 'vlp-embed --format tsv' 'vlp-classify -l a,b'; do
    expect 1 $program -q --files-from none
    expect 1 $program -q --files-from none photos/p00.png
done
mkdir empty
for program in 'vlp-embed --format tsv' 'vlp-classify -l a,b'; do
    expect 1 $program empty
    says "no records in the input"
done
expect 5 vlp-embed --lines latin.txt --format tsv
expect 5 vlp-match --lines latin.txt p.vle
expect 5 vlp-model tokenize --lines latin.txt
expect 5 vlp-model tokenize "$(cat latin.txt)"
says "text 1: "
expect 3 vlp-model tokenize "$(cat latin.txt)" fine
expect 0 vlp-model tokenize --lines /dev/null
# A query that names no record is wrong usage, with and without others like it.
expect 2 vlp-match --id nobody p.vle
says "Try 'vlp-match --help'."
expect 2 vlp-match --id nobody --id noone p.vle
expect 3 vlp-match -k 1 --id nobody --id photos/p00.png p.vle
