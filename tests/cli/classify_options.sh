# Options of vlp-classify that would do nothing, or make two things look alike; and warnings without need.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
# Templates are for classes that bring no prompts.
echo '{"circle": ["a circle"], "square": ["a {}", "a box"]}' >all.json
echo '["circle", {"name": "square", "prompts": ["a square"]}]' >some.json
echo 'a photo of a {}.' >templates
for option in '-t a{}' '--template {}' '--templates-from templates'; do
    expect 2 vlp-classify --labels-from all.json $option photos/p00.png
    says "all.json: each of its classes brings prompts: there is nothing for templates"
    expect 0 vlp-classify --labels-from some.json $option photos/p00.png
done
expect 0 vlp-classify --labels-from all.json photos/p00.png

printf 'p00\tcircle\np01\tsquare\np02\tcheckerboard\np03\tsquare\n' >truth.tsv
# What is printed for records of no class is no class's name.
for how in '-l unknown,square --unknown 0.7' '-l square,none --unknown 0.7 --unknown-name none' \
    '-l square,none --unknown-name none --truth truth.tsv --confusion c.tsv'; do
    expect 2 vlp-classify $how photos/p00.png
    says "is a class's name and what is printed for records of no class: --unknown-name gives another"
    [ -s stdout ] && fail "results before it was refused"
done
expect 0 vlp-classify -l unknown,square photos/p00.png
expect 0 vlp-classify -l unknown,square --unknown 2 --unknown-name '?' photos/p00.png

# Right labels that were for the neighbours, or the probe, are not for what is classified.
expect 0 vlp-embed -q -o labelled.vle photos/p0[0-3].png
for how in --knn --fit; do
    expect 0 vlp-classify $how labelled.vle --truth truth.tsv photos/p05.png
    grep -v "fitted 3 classes" stderr && fail "a warning without need: $(cat stderr)"
    expect 0 vlp-classify $how labelled.vle --truth truth.tsv photos/p01.png photos/p05.png
    says ': top-1'
    says '1 record has no right label among the classes'
done
expect 0 vlp-classify -l circle,square --truth truth.tsv photos/p05.png
says "truth.tsv: none of its ids is that of a record"

# A label that is null is none, as an empty one in TSV.
echo '{"p00": "circle", "p01": null, "p02": ["square", null]}' >null.json
expect 0 vlp-classify -l circle,square --truth null.json photos/p00.png photos/p01.png photos/p02.png
says '2 records: top-1'
printf '{"id": "p00", "label": "circle"}\n{"id": "p01", "label": null}\n' >null.jsonl
expect 0 vlp-classify -l circle,square --truth null.jsonl photos/p00.png photos/p01.png
says ': top-1'
echo '{"id": "p00", "label": 1.5}' >odd.jsonl
expect 5 vlp-classify -l circle,square --truth odd.jsonl photos/p00.png
echo '{"p00": null}' >none.json
expect 5 vlp-classify -l circle,square --truth none.json photos/p00.png
says 'none.json: no right answer in it'
