#!/bin/bash
# demo.sh -- classify, embed and match the sample pictures; every command is shown before it runs.
#
# usage: demo.sh BUILD
# The model is $VLP_MODEL, else share/vlp/default.safetensors. Results and pages go to demo/.
set -eu
build=$1
pictures=share/vlp/pictures
out=demo

if [ -z "${VLP_MODEL:-}" ]; then
    export VLP_MODEL=share/vlp/default.safetensors
fi
if [ ! -e "$VLP_MODEL" ]; then
    echo "demo.sh: no model at $VLP_MODEL; name one, for example: VLP_MODEL=ViT-B-32.pt make demo" >&2
    exit 1
fi
mkdir -p "$out"

say() { printf '\n# %s\n' "$*"; }

# run COMMAND...: show the command as it would be typed, then do it.
run() {
    local word line=
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=,:-]*) line="$line '$word'" ;;
        *) line="$line $word" ;;
        esac
    done
    printf '$%s\n' "$line"
    "$@"
}

start=$SECONDS
printf 'export VLP_MODEL=%s\n' "$VLP_MODEL"

say "What is this model?"
run "$build/vlp-model" inspect

say "Classify: which of twelve words fits each picture? Columns: picture, rank, class, probability."
run "$build/vlp-classify" --labels-from "$pictures/classes.txt" --templates-from "$pictures/templates.txt" \
    --logit-scale model --html "$out/classes.html" --confusion "$out/confusion.png" -f "$pictures/captions.tsv"

say "Embed: a vector for each picture, and for each caption."
run "$build/vlp-embed" --only image -f -o "$out/pictures.vle" "$pictures/captions.tsv"
run "$build/vlp-embed" --only text -f -o "$out/captions.vle" "$pictures/captions.tsv"

say "Match: the best pictures for a text. Columns: query, rank, score, picture, label."
run "$build/vlp-match" -k 3 --text 'a musical instrument' --text 'a flag' --text 'an orange' \
    --base-dir "$pictures" --html "$out/texts.html" -f "$out/pictures.vle"

say "The pictures most like a picture."
run "$build/vlp-match" -k 4 --image "$pictures/jet.png" --base-dir "$pictures" --html "$out/like.html" -f \
    "$out/pictures.vle"

say "How well do captions find their pictures, and pictures their captions?"
run "$build/vlp-match" -Q "$out/captions.vle" --truth "$pictures/pairs.tsv" "$out/pictures.vle"

{
    echo '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>vlp on its sample pictures</title>'
    echo '<meta name="viewport" content="width=device-width, initial-scale=1">'
    echo '<style>body{font:16px sans-serif;margin:1em auto;max-width:70em;padding:0 1em}'
    echo 'iframe{width:100%;height:36em;border:1px solid #999}img{max-width:100%}</style>'
    echo '<h1>vlp on its sample pictures</h1>'
    echo '<h2>Classes</h2><p><a href="classes.html">on a page of its own</a></p>'
    echo '<iframe src="classes.html" title="classes"></iframe>'
    echo '<h2>Which class was taken for which</h2><img src="confusion.png" alt="confusion matrix">'
    echo '<h2>Pictures found by texts</h2><p><a href="texts.html">on a page of its own</a></p>'
    echo '<iframe src="texts.html" title="texts"></iframe>'
    echo '<h2>Pictures like a picture</h2><p><a href="like.html">on a page of its own</a></p>'
    echo '<iframe src="like.html" title="like"></iframe></html>'
} >"$out/index.html"

say "Done in $((SECONDS - start)) s. Open $out/index.html in a browser."
