# Rows of one id with different pictures, bad ones and bad captions among them: wherever a job was
# cut off, however far it reads ahead, the continued file has the records of the uninterrupted one,
# and the same rows are named.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
row() { printf 'k\t%s\t%b\n' "$1" "$2"; }
records() { vlp-embed -q -q --convert --format jsonl "$1" | sort; }
# every_cut NAME ARGUMENT...: NAME.tsv lists `rows`; each of its beginnings, then the whole.
every_cut() {
    local name=$1 status=0 n ahead
    shift
    { printf 'id\timage\tcaption\n' && cat rows; } >"$name.tsv"
    cp "$name.tsv" all.tsv
    rm -f whole.vle whole.failed
    vlp-embed -q -o whole.vle --failed whole.failed "$@" "$name.tsv" 2>/dev/null || status=$?
    records whole.vle >want
    sort whole.failed >want.failed
    for n in $(seq $(($(wc -l <rows) - 1))); do
        for ahead in "-j1 -b1" "-j1 -b4" ""; do
            rm -f part.vle part.failed
            head -n $((n + 1)) all.tsv >"$name.tsv"
            vlp-embed -q -o part.vle "$@" "$name.tsv" 2>/dev/null
            cp all.tsv "$name.tsv"
            [ -s part.vle ] || continue
            truncate -s -64 part.vle
            # shellcheck disable=SC2086 # options
            expect "$status" vlp-embed -q -o part.vle --failed part.failed $ahead "$@" "$name.tsv"
            records part.vle >got
            sort part.failed >got.failed
            same want got
            same want.failed got.failed
        done
    done
}
# Pictures whose captions are bad stand with the caption of the next row in the file.
{
    row photos/p00.png 'bad\xff'
    row '' a
    row photos/p01.png 'bad\xff'
    row '' b
    row photos/p00.png c
    row photos/p01.png 'bad\xff'
    row photos/p00.png a
} >rows
every_cut joined
# A damaged picture of the size and the time of a good one of its id.
twin() { head -c "$(stat -c %s "photos/$1.png")" /dev/zero >"$2.png" && touch -r "photos/$1.png" "$2.png"; }
twin p00 twin
twin p01 other
{
    row twin.png a
    row photos/p00.png a
    row twin.png b
    row photos/p00.png b
    row other.png a
    row '' a
    row other.png ''
    row photos/p01.png a
    row photos/p00.png ''
    row twin.png ''
    row photos/p01.png ''
} >rows
every_cut stamps
{
    row twin.png a
    for _ in 1 2 3; do row '' a; done
    row photos/p00.png 'bad\xff'
    row '' b
} >rows
every_cut texts
every_cut pictures --only image
# Or in two folders, whose tables call their pictures alike.
mkdir one two
cp -p photos/p00.png two/p.png
twin p00 one/p
for f in one two; do printf 'image\tcaption\np.png\ta\n' >$f/t.tsv; done
expect 3 vlp-embed -q -o whole.vle -f --failed whole.failed one/t.tsv two/t.tsv
truncate -s -64 whole.vle
cp whole.vle part.vle
expect 3 vlp-embed -q -o part.vle --failed part.failed one/t.tsv two/t.tsv
same whole.failed part.failed
[ "$(records part.vle | wc -l)" -eq "$(records whole.vle | wc -l)" ] || fail "one of two was written again"
