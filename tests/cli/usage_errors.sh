# Wrong usage: one line, where to look, status 2, nothing on stdout.
. "$ROOT/tests/cli_helpers.sh"
for source in "$ROOT"/cmd/vlp-*.c; do
    name=$(basename "$source" .c)
    expect 2 "$name" --no-such-option
    [ -s stdout ] && fail "$name prints on stdout"
    says "$name: unknown option '--no-such-option'"
    says "Try '$name --help'."
    [ "$(wc -l <stderr)" -eq 2 ] || fail "$name: more than two lines"
    expect 2 "$name" -%
    says "unknown option '-%'"
done
expect 2 vlp-embed
says "no input"
while IFS='|' read -r command what; do
    eval "expect 2 $command"
    says "'' is no name: $what wants one"
    says "Try '${command%% *} --help'."
done <<'LIST'
vlp-embed ''|INPUT
vlp-embed x.png '' y.png|INPUT
vlp-embed --files-from ''|--files-from
vlp-embed -o '' x.png|-o
vlp-match --text a ''|INDEX
vlp-match -Q '' x.vle|-Q
vlp-classify -l a,b ''|PICTURE
vlp-classify -l a,b -E ''|-E
vlp-classify --labels-from '' x.png|--labels-from
vlp-train -m model -o run ''|DATA
LIST
# A file would be called what it is not.
for to in x.json x.csv x.txt x.jpg x.tar x.npz x.html x.NPY d/x.Json; do
    expect 2 vlp-embed -o $to x.png
    says "$to: not an ending of what is written: .vle, .npy, .fvecs, .tsv, .jsonl, .safetensors; --format names"
    expect 2 vlp-embed --convert -o $to x.vle
    expect 2 vlp-classify -l a,b --save-classifier $to
    says "$to: not an ending of what is written: .vle, an embedding stream"
done
expect 2 vlp-classify -l a,b --save-classifier x.npy
for to in y.jpg y.webp y.json y.tsv; do
    expect 2 vlp-model preprocess x.png -o $to
    says "$to: not an ending of what is written: .png, .npy, .rgb, .raw; --format names"
done
cp "$GOLDEN/clip/end-to-end/p00.png" p.png
for to in 'y.jpg --format png' y.PNG y.bin y; do
    expect 0 vlp-model preprocess p.png -o $to
done
expect 2 vlp-embed --batch
says "wants a value"
expect 2 vlp-embed --batch=none x.png
says "--batch wants a whole number, not 'none'"
expect 2 vlp-embed --batch=0 x.png
says "--batch wants a number from 1 to 65536, not 0"
expect 2 vlp-embed --dtype=f99 x.png
says "--dtype wants f32, f16, bf16 or i8, not 'f99'"
# The list of operations of RandAugment that training uses knows magnitudes up to 10.
expect 2 vlp-train --rand-augment-ops 2 --rand-augment-magnitude 11 -o run x
says "--rand-augment-magnitude wants a number from 0 to 10, not 11"
expect 2 vlp-embed --shard=3/2 x.png
says "--shard: wants I/N with I from 1 to N, not '3/2'"
expect 2 vlp-embed --flavour=sweet x.png
says "'sweet' is none of"
expect 2 vlp-embed --te=x y.png
says "'--te' could be several options"
expect 2 vlp-embed --template='no hole' --lines /dev/null -m "$GOLDEN/clip/hf-quick"
says "has no {}"
expect 2 vlp-embed --update x.png
says "--update works on a stream in a file"
# What would be ignored is refused.
while IFS='|' read -r option options why; do
    expect 2 vlp-match $options $option x.vle
    says "vlp-match: ${option%% *} $why"
    says "Try 'vlp-match --help'."
    [ "$(wc -l <stderr)" -eq 2 ] || fail "more than two lines: $(cat stderr)"
done <<'LIST'
--query-only text|--text a|chooses records of -Q
--null|--text a -Q q.vle|is for entries of --lines
--shard 1/2|--truth t.tsv -Q q.vle|is not for --truth
--top 3|--groups 0.5|is for matches of queries
--top 3|--truth t.tsv -Q q.vle|is for matches of queries
--top 3|--join mutual -Q q.vle|is for matches of queries
--top 3|--join one-to-one -Q q.vle|is for matches of queries
--top 3|--join anti --min-score 0.5 -Q q.vle|is for matches of queries
--min-score 0.9|--groups 0.5|is not for --groups and --truth
--min-score 0.9|--truth t.tsv -Q q.vle|is not for --groups and --truth
--exit-status|--truth t.tsv -Q q.vle|is not for --truth
--no-self|--groups 0.5|is not for --groups and --truth
--no-self|--truth t.tsv -Q q.vle|is not for --groups and --truth
--rerank full.vle|--groups 0.5|is for matches of queries
--rerank full.vle|--truth t.tsv -Q q.vle|is for matches of queries
--rerank full.vle|--join mutual -Q q.vle|is for matches of queries
--rerank-depth 20|--text a|is for --rerank
--ignore-model|--groups 0.5|is not for --groups
--recall-at 1|--text a|is for --truth
--header|--text a --json|is for TSV, not for --json
--link-to d|--groups 0.5|is for matches of queries
--html h|--truth t.tsv -Q q.vle|is not for --truth
--base-dir d|--text a|is for --link-to and --html
LIST
# Fewer candidates than matches are wanted of would be as many all the same.
expect 2 vlp-match --text a -k 5 --rerank full.vle --rerank-depth 2 x.vle
says "--rerank-depth 2 is less than the 5 matches of -k"
expect 2 vlp-match --text a --rerank full.vle --rerank-depth 9 x.vle
says "--rerank-depth 9 is less than the 10 matches of -k"
expect 2 vlp-match --text a --rerank full.vle --rerank-depth 0 x.vle
says "--rerank-depth wants a number from 1"
expect 2 vlp-classify --fit x.vle --sweep --C 1
says "--sweep finds the penalty itself: no --C and --lambda"
expect 2 vlp-classify --fit x.vle --sweep --lambda 1
says "--sweep finds the penalty itself"
while IFS='|' read -r option options why; do
    expect 2 vlp-classify $options $option x.png
    says "${option%% *} $why"
done <<'LIST'
--template {}|-C c.vle|is for -l and --labels-from
--templates-from t|--knn k.vle|is for -l and --labels-from
--logit-scale 3|--knn k.vle|is for -l, --labels-from and -C
--logit-scale model|--fit f.vle|is for -l, --labels-from and -C
--score cosine|--knn k.vle|is not for --knn
--neighbours 3|-l a,b|is for --knn
--temperature 1|-C c.vle|is for --knn
--C 1|-l a,b|is for --fit
--lambda 1|-l a,b|is for --fit
--sweep|-l a,b|is for --fit
--tolerance 1|-C c.vle|is for --fit
--max-iterations 1|--knn k.vle|is for --fit
--penultimate|-l a,b|is for --fit
--validation v.vle|--fit f.vle|is for --sweep
--holdout 0.5|--fit f.vle|is for --sweep without --validation
--holdout 0.5|--fit f.vle --sweep --validation v.vle|is for --sweep without --validation
--only text|-l a,b|chooses records of -E
--folder-labels|-l a,b --truth t.tsv|is not for --truth
--unknown-name none|-l a,b|is for --unknown and --confusion
--header|-l a,b --json|is for TSV
LIST
for option in '--report f' '--confusion f' '--html f' '--top 3' '--score logit' '--unknown 0.5' '--unknown-name none'; do
    expect 2 vlp-classify --fit x.vle $option
    says "${option% *} is about what is classified"
done
expect 2 vlp-classify -l a,b --save-classifier c.vle --header
says "--header is about what is classified"
expect 2 vlp-classify -l a,b --save-classifier c.vle -o f
says "--output is about what is classified"
# A run that was begun so goes on: told, not refused.
while IFS='|' read -r option why; do
    expect 1 vlp-train -m nothing -o run $option data
    option=${option##*--}
    says "--${option%% *} $why"
done <<'LIST'
--unlock-image 2|is for a frozen tower: give --image-rate 0 with it
--text-rate 0.1 --unlock-text 2|is for a frozen tower: give --text-rate 0 with it
--power 2|is for --schedule polynomial
--schedule constant --lr-end 0.1|is not for --schedule constant
--no-crop --crop-min 0.5|is not for --no-crop
--no-crop --crop-max 0.95|is not for --no-crop
--rand-augment-magnitude 3|is for --rand-augment-ops
--classes c.txt|is for --validation
--validation v --template {}|is for --classes
--eval-every 3|is for --validation
--gather local|is for several processes
--weight-decay 0 --decay-all|is for a --weight-decay above 0
--force|is for --plot
LIST
# Where nothing is trained, only a few are of use.
mkdir run && echo '{"step": 1, "loss": 2}' >run/metrics.jsonl
expect 0 vlp-train --plot p.svg -o run --epochs 3 -q
says "--epochs is not for --plot alone; here it does nothing"
[ "$(wc -l <stderr)" -eq 1 ] || fail "--plot alone warns of what it needs"
rm -r run
TMPDIR=none expect 1 vlp-train --selftest resume --precision bf16 --lr 1 -v
says "--lr is not for --selftest; here it does nothing"
[ "$(wc -l <stderr)" -eq 2 ] || fail "--selftest warns of what it needs"
expect 2 vlp-train -m model -o run --plan --check data
says "--check and --plan exclude one another"
expect 2 vlp-train -m model -o run --validation v --classes c.txt --template x data
says "the template 'x' has no {}"
expect 2 vlp-train --config <(echo '{"data": ["d"], "train": {"activation": "gelu"}}') -o run
says "--activation is for a model of -m"
for idle in '--unlock-image 0' '--eval-every 0'; do # their presets
    expect 1 vlp-train -m nothing -o run $idle data
done
expect 2 vlp-model
says "name a verb"
expect 2 vlp-model dance
says "unknown verb 'dance'"
expect 2 vlp-model inspect --no-such-option
says "Try 'vlp-model inspect --help'."
expect 2 vlp-model import
says "name one checkpoint"
expect 2 env VLP_SHARE=/nonexistent vlp-embed x.png
says "no model: give one with -m, or set VLP_MODEL"
expect 2 env VLP_CPU=quantum vlp-embed -m "$GOLDEN/clip/hf-quick" "$GOLDEN/clip/end-to-end/p00.png" -o x.vle
expect 2 env VLP_CPU=quantum vlp-model selftest # not: nothing was wrong with no check
says "no instruction set is called 'quantum'"
expect 0 env VLP_CPU=portable vlp-model selftest
[ "$(grep -c '^ok	portable ' stdout)" -eq 6 ] && [ "$(wc -l <stdout)" -eq 6 ] || fail "$(cat stdout)"
expect 0 env VLP_CPU=portable vlp-match --version
prints "portable (by VLP_CPU)"
expect 0 env VLP_CPU= vlp-match --version # empty, it decides nothing
! grep -q "by VLP_CPU" stdout || fail "$(cat stdout)"

# However late it is seen, wrong usage is one line and where to look.
printf 'a\t1\t0\n' >v.tsv
printf 'a\ta\n' >right.tsv
expect 0 vlp-embed -q --convert -o v.npy v.tsv
mkdir empty
wrong() { # COMMAND...
    expect 2 "$@"
    [ "$(tail -n 1 stderr)" = "Try '$looked --help'." ] || fail "$*: $(cat stderr)"
    [ "$(wc -l <stderr)" -eq 2 ] || fail "$*: not two lines: $(cat stderr)"
}
export VLP_MODEL=$GOLDEN/clip/end-to-end/model
picture=$GOLDEN/clip/end-to-end/p00.png
looked=vlp-match
wrong vlp-match --query foo v.tsv
wrong vlp-match --truth right.tsv --recall-at 0 -Q v.tsv v.tsv
wrong vlp-match -Q v.npy --query-only text v.npy
looked=vlp-embed
wrong vlp-embed --text-column 0 v.tsv
wrong vlp-embed --template 'no braces' --lines v.tsv
wrong env VLP_CPU=foo vlp-embed --lines v.tsv
wrong vlp-embed --lines v.tsv -o one --failed one
wrong vlp-embed --lines v.tsv -o v.npy
looked=vlp-classify
wrong vlp-classify -q -l a,b -f -o one --html one "$picture"
wrong vlp-classify -l a,a "$picture"
wrong env VLP_CPU=foo vlp-classify -l a,b "$picture"
looked=vlp-train
wrong vlp-train -m "$VLP_MODEL" --image-size 50 -o run --plan "$VLP_SHARE/pictures/captions.tsv"
for verb in inspect verify import convert preprocess compare; do
    looked="vlp-model $verb"
    out=
    [ $verb = convert ] && out='-o out.safetensors'
    wrong vlp-model $verb $out ''
    says "'' is no name"
done
for verb in inspect verify; do
    looked="vlp-model $verb"
    wrong vlp-model $verb - -
    says 'MODEL is - twice: both want standard input'
    wrong vlp-model $verb -m ''
    says "'' is no name: -m wants one"
done
looked='vlp-model preprocess'
wrong vlp-model preprocess -o pictures - -
says 'PICTURE is - twice'
wrong vlp-model preprocess -o '' "$picture"
says "'' is no name: -o wants one"
wrong vlp-model preprocess -o p.npy --failed '' "$picture"
looked='vlp-model convert'
wrong vlp-model convert -o ''
looked='vlp-model tokenize'
wrong vlp-model tokenize --lines ''
looked='vlp-model selftest'
wrong env VLP_CPU=quantum vlp-model selftest
