# A job with many records of one id is continued by rows in another order, in time: nothing is
# written again, and each row is looked up rather than searched for.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
# end_only NAME: all that NAME.vle lacks, once its rows were put into another order, is its end.
end_only() {
    truncate -s -64 "$1.vle"
    cp "$1.vle" whole.vle
    expect 0 timeout 20 vlp-embed -q -o "$1.vle" "$1.tsv"
    cmp -s -n "$(stat -c %s whole.vle)" whole.vle "$1.vle" || fail "$1: what was there changed"
    [ "$(stat -c %s "$1.vle")" -eq $(($(stat -c %s whole.vle) + 64)) ] || fail "$1: is not the same"
}
turned() { awk 'NR == 1 { print; next } { row[NR] = $0 } END { while (NR > 1) print row[NR--] }'; }
# Pictures of one id, and those with captions, some of which occur more than once.
mkdir copies
for i in $(seq 60); do
    { cat "photos/p0$((i % 10)).png" && head -c "$i" /dev/zero; } >"copies/$i.png"
done
awk 'BEGIN { print "id\timage\tcaption"; for (i = 1; i <= 60; i++)
    printf "x\tcopies/%d.png\tcaption %d\n", i, i % 7 }' >pairs.tsv
cut -f 1,2 pairs.tsv >pictures.tsv
for name in pairs pictures; do
    expect 0 vlp-embed -q -o $name.vle $name.tsv
    turned <$name.tsv >turned.tsv
    mv turned.tsv $name.tsv
    end_only $name
    # A row that is new, and one that comes a second time, are told from these.
    truncate -s -64 $name.vle
    sed -n 2p $name.tsv >more.tsv
    sed -n '$s/copies.1\.png/photos\/p11.png/p' $name.tsv >>more.tsv
    sed -i '2r more.tsv' $name.tsv
    expect 0 vlp-embed -q -o $name.vle $name.tsv
    [ "$(vlp-embed -q --convert --format jsonl $name.vle | grep -c '"id":"x"')" -eq \
        $((62 * $(awk 'NR == 1 { print NF - 1 }' $name.tsv))) ] || fail "$name: not two more"
done
# A hundred and twenty thousand texts, put together from four hundred files of three hundred.
awk 'BEGIN { print "id\tcaption"; for (i = 1; i <= 300; i++) printf "x\tcaption %d\n", i }' >texts.tsv
expect 0 vlp-embed -q -o some.vle texts.tsv
for _ in $(seq 400); do cat some.vle; done >texts.vle
turned <texts.tsv |
    awk 'NR == 1 { print; next } { for (i = 1; i <= 400; i++) print }' >turned.tsv
mv turned.tsv texts.tsv
end_only texts
