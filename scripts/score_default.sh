#!/bin/bash
# score_default.sh -- what a model scores on the held-out part of the corpus, with chance beside it.
#
# usage: score_default.sh BUILD CORPUS MODEL
# CORPUS is what build_corpus.py wrote. Prints a Markdown table: retrieval between test pictures and their
# titles (the first caption), zero-shot accuracy over folders, and as a baseline without any model the nearest
# training picture by pixels (16 x 16 thumbnails), which lends its folder and its title.
set -eu
build=$(cd "$1" && pwd) corpus=$(cd "$2" && pwd) model=$(realpath "$3")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$build:$PATH
cd "$corpus"

jq -r '[.image, .captions[0], .label // ""] | @tsv' test.jsonl >"$work/test.tsv"
cut -f 1 "$work/test.tsv" >"$work/pictures.txt"
cut -f 2 "$work/test.tsv" >"$work/titles.txt"
awk -F '\t' '$3 != "" { print $1 "\t" $3 }' "$work/test.tsv" >"$work/labels.tsv"
cut -f 1 "$work/labels.tsv" >"$work/labelled.txt"
# Titles are numbered lines; picture i belongs with title i.
awk -F '\t' '{ print NR "\t" $1 }' "$work/test.tsv" >"$work/truth.tsv"

vlp-embed -q -m "$model" --files-from "$work/pictures.txt" -o "$work/pictures.vle"
vlp-embed -q -m "$model" --lines "$work/titles.txt" -o "$work/titles.vle"
vlp-match -q --truth "$work/truth.tsv" -Q "$work/titles.vle" "$work/pictures.vle" >"$work/retrieval.txt"
vlp-classify -m "$model" --labels-from classes.txt --template 'a {}.' --template 'clip art of {}.' --template '{}' \
    --truth "$work/labels.tsv" --files-from "$work/labelled.txt" >"$work/classes.txt" 2>"$work/accuracy.txt"
n=$(wc -l <"$work/test.tsv")
classes=$(wc -l <classes.txt)
echo "test pictures: $n, of them with a folder: $(wc -l <"$work/labelled.txt"), folders: $classes"
echo "chance: top-1 $(awk "BEGIN { printf \"%.4f\", 1 / $classes }"), top-5 $(awk "BEGIN { printf \"%.4f\", 5 / $classes }"), R@1 $(awk "BEGIN { printf \"%.4f\", 1 / $n }"), R@10 $(awk "BEGIN { printf \"%.4f\", 10 / $n }")"
cat "$work/retrieval.txt"
grep top-1 "$work/accuracy.txt"
/usr/bin/python3 "$here/pixel_baseline.py" "$corpus"
