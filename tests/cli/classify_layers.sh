# What a probe was fitted to, its layer and whether of unit length, is what pictures are turned into for it.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
printf 'p00\tcircle\np01\tsquare\np02\tsquare\np03\tcircle\n' >truth.tsv
four=$(echo photos/p0[0-3].png)
vlp-embed -q -o features.vle $four
vlp-embed -q --layer penultimate -o penultimate.vle $four
vlp-embed -q --layer penultimate --no-normalize -o long.vle $four
close_to() { # same classes, scores within 1e-5
    paste "$1" "$2" | awk -F'\t' '{ d = $4 - $8; if ($1 != $5 || $3 != $7 || d > 1e-5 || d < -1e-5) bad = 1 }
        END { exit bad || NR < 8 }' || fail "$1 and $2 differ"
}

# Stored vectors and the pictures they are of have the same classes.
for layer in penultimate long; do
    expect 0 vlp-classify -q --fit $layer.vle --truth truth.tsv --penultimate --save-classifier $layer-probe.vle
    expect 0 vlp-classify -k 2 -C $layer-probe.vle -E $layer.vle
    mv stdout stored
    expect 0 vlp-classify -k 2 -C $layer-probe.vle $four
    close_to stored stdout
    expect 0 vlp-classify -q -k 2 --fit $layer.vle --truth truth.tsv --penultimate $four
    close_to stored stdout
    # the file says itself what it holds
    expect 0 vlp-classify -q -f --fit $layer.vle --truth truth.tsv --save-classifier said.vle
    same $layer-probe.vle said.vle
    expect 4 vlp-classify -C $layer-probe.vle -E features.vle
done
expect 0 vlp-classify -q -k 2 --knn penultimate.vle --truth truth.tsv -E penultimate.vle
mv stdout stored
expect 0 vlp-classify -q -k 2 --knn penultimate.vle --truth truth.tsv $four
close_to stored stdout
expect 4 vlp-classify -C penultimate-probe.vle --flavour openai $four # another way of seeing

# Features are not what the last projection sees.
expect 4 vlp-classify --fit features.vle --truth truth.tsv --penultimate --save-classifier wrong.vle
says 'features.vle holds features, not what the last projection sees: it does not go with --penultimate'
[ ! -e wrong.vle ] || fail "a probe of the wrong layer was saved"
vlp-embed -q --convert --format npy -o bare.npy penultimate.vle # which cannot say it
expect 0 vlp-classify -q --fit bare.npy --truth truth.tsv --penultimate --save-classifier bare.vle
expect 0 vlp-classify -q -k 2 -C bare.vle $four

# Vectors as the model gives them are what pictures become for a probe that was fitted to them.
vlp-embed -q --no-normalize -o raw.vle $four
expect 0 vlp-classify -q --fit raw.vle --truth truth.tsv --save-classifier raw-probe.vle
expect 0 vlp-classify -k 2 -C raw-probe.vle -E raw.vle
mv stdout stored
expect 0 vlp-classify -k 2 -C raw-probe.vle $four
close_to stored stdout
vlp-embed -q --convert --format npy -o unit.npy features.vle
expect 0 vlp-classify -q --fit unit.npy --truth truth.tsv --save-classifier unit-probe.vle
expect 0 vlp-classify -k 2 -C unit-probe.vle -E unit.npy
mv stdout stored
expect 0 vlp-classify -k 2 -C unit-probe.vle $four
close_to stored stdout
expect 4 vlp-classify -C raw-probe.vle -E features.vle
says 'features.vle has vectors of unit length, the probe was fitted to vectors as the model gives them'
expect 0 vlp-classify -C raw-probe.vle -E features.vle --ignore-model
