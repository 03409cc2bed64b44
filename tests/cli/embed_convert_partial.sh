# A conversion does not claim to be more than its input: what was not complete is not, whoever reads
# it is told, and the command that began the input continues the result.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
for i in $(seq 600); do echo "text number $i"; done >lines.txt
expect 0 vlp-embed -q --lines lines.txt -o whole.vle
size=$(stat -c %s whole.vle)
head -c $((size / 2)) whole.vle >torn.vle
head -c $((size - 64)) whole.vle >unfinished.vle
cp whole.vle damaged.vle
printf X | dd of=damaged.vle bs=1 seek=$((size / 3)) conv=notrunc 2>dd.err
expect 0 vlp-embed -q --convert --format tsv whole.vle
sort stdout >whole.tsv
for kind in torn unfinished damaged; do
    expect 3 vlp-embed --convert --skip-damaged -o "$kind.made.vle" "$kind.vle"
    says "the result is not complete"
    expect 3 vlp-match --text "text number 5" "$kind.made.vle"
    says "no end record"
    vlp-embed -q --convert --skip-damaged "$kind.vle" 2>/dev/null | cat >piped.vle
    same piped.vle "$kind.made.vle"
    for way in "" --update; do
        cp "$kind.made.vle" again.vle
        expect 0 vlp-embed -q $way --lines lines.txt -o again.vle
        expect 0 vlp-embed -q --convert --format tsv again.vle
        sort stdout >again.tsv
        same whole.tsv again.tsv
        expect 0 vlp-embed --lines lines.txt -o again.vle
        says "is complete"
    done
    expect 3 vlp-embed -q --convert --skip-damaged -f -o "$kind.vle" "$kind.vle" # in place
    same "$kind.vle" "$kind.made.vle"
    expect 3 vlp-embed -q --convert -o "$kind.npy" "$kind.vle"
done
# A damaged one that is to be continued, or updated, names the way, which works.
head -c $((size * 9 / 10)) whole.vle >hurt.vle
printf X | dd of=hurt.vle bs=1 seek=$((size / 3)) conv=notrunc 2>dd.err
for way in "" --update --add; do
    cp hurt.vle again.vle
    expect 5 vlp-embed -q $way --lines lines.txt -o again.vle
    says "is damaged (checksum differs); vlp-embed --convert --skip-damaged -f -o again.vle again.vle keeps"
    expect 3 vlp-embed --convert --skip-damaged -f -o again.vle again.vle
    expect 0 vlp-embed -q $way --lines lines.txt -o again.vle
    expect 0 vlp-embed -q --convert --format tsv again.vle
    sort stdout >again.tsv
    same whole.tsv again.tsv
done
# A whole one is converted as before.
expect 0 vlp-embed -q --convert -o made.vle whole.vle
expect 0 vlp-embed --lines lines.txt -o made.vle
says "is complete"
expect 0 vlp-match --text "text number 5" made.vle
# What was chosen from it, or put to it, is complete, but not what its command makes.
expect 0 vlp-embed -q -r photos -o photos.vle
for how in "--limit 5" "--shard 1/2" "--only text"; do
    expect 0 vlp-embed -q --convert -f -o part.vle $how whole.vle
    expect 0 vlp-match --text "text number 5" part.vle
    expect 2 vlp-embed --lines lines.txt -o part.vle
    says "exists and is complete: --add adds"
done
expect 0 vlp-embed -q --convert -f -o both.vle whole.vle photos.vle
expect 4 vlp-embed --lines lines.txt -o both.vle
head -c $(($(stat -c %s photos.vle) - 64)) photos.vle >cut.vle
expect 3 vlp-embed -q --convert -f -o both.vle whole.vle cut.vle
expect 0 vlp-embed -q --add -o both.vle --lines lines.txt photos
expect 3 vlp-match --text "text number 5" both.vle
expect 0 vlp-embed --add -o both.vle --lines lines.txt photos
says "both.vle is not complete: --update with all inputs that it was made from makes it so"
expect 0 vlp-embed --update -o both.vle --lines lines.txt photos
expect 0 vlp-match --text "text number 5" both.vle
