# Every program helps itself, and every option has its place in the manual.
. "$ROOT/tests/cli_helpers.sh"
for source in "$ROOT"/cmd/vlp-*.c; do
    name=$(basename "$source" .c)
    page=$ROOT/man/$name.1
    [ -f "$page" ] || fail "no manual for $name"
    expect 0 "$name" --help
    [ -s stderr ] && fail "$name --help writes to stderr"
    prints "Usage: $name"
    [ "$(awk 'length > 80' stdout | wc -l)" -eq 0 ] || fail "$name --help has long lines"
    expect 0 "$name" -V
    prints "$name $(sed -n 's/.*VLP_VERSION "\(.*\)"/\1/p' "$ROOT/lib/vlp/base.h")"
    prints "CPU level: "
    prints "Libraries: "
    prints "MPI: "
    expect 0 "$name" --completion-data
    n=0
    # The manual writes a hyphen of an option as \-, or "Fl -name" where it is mdoc.
    sed 's/\\-/-/g; s/\<Fl -\([a-z]\)/--\1/g; s/\<Fl \([A-Za-z0-9]\)\>/-\1/g' "$page" >page
    while IFS=$'\t' read -r kind verb letter long argument type choices preset help; do
        [ "$kind" = option ] || continue
        n=$((n + 1))
        [ "$long" = - ] || grep -qF -- "--$long" page || fail "$page lacks --$long ($verb)"
        [ "$letter" = - ] || grep -qE -- "(^|[^-a-z])-$letter([^-a-z]|\$)" page ||
            fail "$page lacks -$letter ($verb)"
        [ -n "$argument$type$choices$preset$help" ] || fail "$name: $long says nothing"
    done <stdout
    [ "$n" -gt 5 ] || fail "$name has only $n options"
    for section in NAME SYNOPSIS DESCRIPTION OPTIONS INPUT OUTPUT 'EXIT STATUS' ENVIRONMENT FILES \
        SIGNALS EXAMPLES NOTES 'SEE ALSO'; do
        grep -qi "^\.SH \"\?$section\"\?\$" "$page" && echo "$section"
    done >order
    grep -i '^\.SH' "$page" | sed 's/^\.S[Hh] "\?\([^"]*\)"\?$/\1/' >found
    same order found
done
"$ROOT/scripts/completion.sh" share "$BUILD"/vlp-{embed,model,match,classify} >/dev/null || fail "completion"
for name in vlp-embed vlp-model vlp-match vlp-classify; do
    bash -n "share/bash-completion/completions/$name" || fail "bash completion of $name"
    [ -s "share/zsh/site-functions/_$name" ] && [ -s "share/fish/vendor_completions.d/$name.fish" ] ||
        fail "completion of $name is empty"
done
# Completion at work: options by prefix, choices of an option, verbs.
complete_words() {
    # shellcheck disable=SC1090 # written above
    . "share/bash-completion/completions/$1"
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    "_${1//-/_}"
    echo "${COMPREPLY[*]}"
}
[ "$(complete_words vlp-embed --templ)" = "--template --templates-from" ] || fail "bash: options"
[ "$(complete_words vlp-embed --dtype = b)" = "bf16" ] || fail "bash: choices"
[ "$(complete_words vlp-model ins)" = "inspect" ] || fail "bash: verbs"
[ "$(complete_words vlp-model convert --to h)" = "hf" ] || fail "bash: choices of a verb"
[ "$(complete_words vlp-model compare --loss s)" = "softmax sigmoid" ] || fail "bash: names that are looked up"
[ "$(complete_words vlp-classify --logit-scale = m)" = "model" ] || fail "bash: a word beside numbers"
[ -z "$(complete_words vlp-classify -l share)" ] || fail "bash: a file for names"
[ "$(complete_words vlp-model ins -- --jso)" = "" ] || fail "bash: options behind --"
