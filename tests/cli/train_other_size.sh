# Hugging Face's processor may make pictures of another size than the tower's, whose positions are then resampled: the
# loss of one batch of all pictures is that of the vectors that vlp-embed makes of them.
. "$ROOT/tests/cli_helpers.sh"
model=$GOLDEN/clip/end-to-end/model
cp "$GOLDEN"/clip/end-to-end/p0[0-5].png .
for p in p*.png; do printf '%s\tpicture %s\n' "$p" "${p%.png}"; done >captions.tsv

# loss SCALE: of the rows of ./pictures and ./texts, softmax both ways
loss() {
    awk -v scale="$1" '
        { for (i = 2; i <= 33; i++) x[FILENAME, FNR, i] = $i; n = FNR }
        END {
            for (a = 1; a <= n; a++)
                for (b = 1; b <= n; b++) {
                    for (i = 2; i <= 33; i++) s[a, b] += scale * x["pictures", a, i] * x["texts", b, i]
                    row[a] += exp(s[a, b])
                    column[b] += exp(s[a, b])
                }
            for (a = 1; a <= n; a++) sum += (log(row[a]) + log(column[a])) / 2 - s[a, a]
            print sum / n
        }' pictures texts
}

for side in 32 96; do
    mkdir $side
    cp "$model"/* $side
    sed "s/64/$side/" "$model/preprocessor_config.json" >$side/preprocessor_config.json
    expect 0 vlp-model inspect $side
    prints "shorter side to $side"
    scale=$(sed -n 's/^logit scale *//p' stdout)
    expect 0 vlp-embed -q -m $side --only image --format tsv captions.tsv
    mv stdout pictures
    expect 0 vlp-embed -q -m $side --only text --format tsv captions.tsv
    mv stdout texts
    expect 0 vlp-train -q -m $side -o run$side -b 6 --no-crop --epochs 1 --warmup 0 --log-every 1 captions.tsv
    trained=$(sed -n 's/.*"loss": *\([0-9.]*\).*/\1/p' run$side/metrics.jsonl | head -n 1)
    awk -v a="${trained:-1000}" -v b="$(loss "$scale")" 'BEGIN { exit !((a - b) ^ 2 < 1e-8) }' ||
        fail "side $side: the loss is '$trained' instead of $(loss "$scale")"
done
