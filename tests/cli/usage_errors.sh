# Wrong usage: one line, where to look, status 2, nothing on stdout.
. "$ROOT/tests/cli_helpers.sh"
for program in "$BUILD"/vlp-*; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    name=${program##*/}
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
expect 2 vlp-embed --batch
says "wants a value"
expect 2 vlp-embed --batch=none x.png
says "--batch wants a whole number, not 'none'"
expect 2 vlp-embed --batch=0 x.png
says "--batch wants a number from 1 to 65536, not 0"
expect 2 vlp-embed --dtype=f99 x.png
says "--dtype wants f32, f16, bf16 or i8, not 'f99'"
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
expect 2 vlp-match --groups 0.5 --min-score 0.9 x.vle
says "--min-score is not for --groups and --truth"
expect 2 vlp-match --truth t.tsv --min-score 0.9 -Q q.vle x.vle
says "--min-score is not for --groups and --truth"
for how in '--groups 0.5' '--truth t.tsv -Q q.vle' '--join mutual -Q q.vle'; do
    expect 2 vlp-match $how --rerank full.vle x.vle
    says "--rerank looks again at matches of queries only"
done
expect 2 vlp-classify --fit x.vle --sweep --C 1
says "--sweep finds the penalty itself: no --C and --lambda"
expect 2 vlp-classify --fit x.vle --sweep --lambda 1
says "--sweep finds the penalty itself"
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
