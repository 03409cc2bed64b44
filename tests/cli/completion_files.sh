# What is completed is what the programs have: verbs, options, choices.
. "$ROOT/tests/cli_helpers.sh"
programs=()
for source in "$ROOT"/cmd/vlp-*.c; do
    programs+=("$BUILD/$(basename "$source" .c)")
done
bash "$ROOT/scripts/completion.sh" out "${programs[@]}" || fail "completion.sh"
complete_last() {
    local program=$1
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    "_${program//-/_}"
    echo "${COMPREPLY[*]}"
}
for file in out/bash-completion/completions/*; do
    bash -n "$file" || fail "$file"
    # shellcheck disable=SC1090 # written by the line above
    . "$file"
done
complete_last vlp-model conv
complete_last vlp-model import --dtype b
complete_last vlp-match --join m
complete_last vlp-match --join = one
complete_last vlp-embed --no-norm
complete_last vlp-train --grad
complete_last vlp-train --selftest r
complete_last vlp-match --no-such
mkdir "My Photos" "My Models"
touch "My notes"
complete_count() {
    complete_last "$@" >/dev/null
    echo "${#COMPREPLY[@]} ${COMPREPLY[0]}"
}
complete_count vlp-embed -r "My P"
complete_count vlp-match --link-to "My"
complete_count vlp-match --html "My n"
[ "$(find out -type f -name "*vlp-*" | wc -l)" -eq $((3 * ${#programs[@]})) ] ||
    fail "not three files a program"
