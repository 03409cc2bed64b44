#!/bin/bash
# lint.sh -- what a compiler does not check: formatting, who includes whom, names, man pages, words.
#
# usage: COMPILE="cc FLAG..." lint.sh PROGRAM...
set -u
bad=0
complain() {
    echo "lint: $*"
    bad=1
}

# ---- who may include whom: the picture in lib/README.md, arrows followed any number of steps ----
declare -A may=(
    [base]="base"
    [tensor]="tensor base"
    [op]="op tensor base"
    [nn]="nn op tensor base"
    [checkpoint]="checkpoint base"
    [model]="model checkpoint nn op tensor base"
    [loss]="loss model checkpoint nn op tensor base"
    [text]="text base"
    [image]="image base"
    [data]="data text image base"
    [embedding]="embedding base"
    [task]="task search classify html loss model checkpoint nn op tensor data text image embedding base"
    [train]="train loss model checkpoint nn op tensor data text image embedding base"
)
for file in lib/*/*.[ch]; do
    room=$(cut -d/ -f2 <<<"$file")
    [ "$room" = vlp ] && room=$(basename "$file" .h)
    # A header of a room that has several.
    case $room in search | classify | html) room=task ;; esac
    allowed=" ${may[$room]:-} "
    [ -n "${may[$room]:-}" ] || complain "$file: room '$room' is not on the map"
    while read -r other; do
        [[ $allowed == *" $other "* ]] || complain "$file: may not include <vlp/$other.h>"
    done < <(sed -n 's|^ *# *include *<vlp/\([a-z_]*\)\.h>.*|\1|p' "$file")
    while read -r own; do
        [ -f "lib/$room/$own" ] || complain "$file: \"$own\" is not in its own room"
    done < <(sed -n 's|^ *# *include *"\([^"]*\)".*|\1|p' "$file")
done
for file in cmd/*.[ch]; do
    while read -r own; do
        [ -f "cmd/$own" ] || complain "$file: \"$own\" is not in cmd/"
    done < <(sed -n 's|^ *# *include *"\([^"]*\)".*|\1|p' "$file")
done

# ---- a header needs no other before it; those with code for several levels are no headers ----
for file in lib/*/*.h cmd/*.h tests/*.h; do
    case $file in *_impl.h | */simd_*.h | */resample_256.h) continue ;; esac
    # shellcheck disable=SC2086 # words
    ${COMPILE:-cc -std=c11 -D_GNU_SOURCE -Ilib} -fsyntax-only -x c "$file" ||
        complain "$file: does not compile by itself"
done

# ---- file names are unique: a name in a backtrace is an address ----
while read -r name; do
    complain "two files are called $name"
done < <(find lib cmd tests -name '*.[ch]' -printf '%f\n' | sort | uniq -d)

# ---- formatting: as Debian 12's clang-format does it; others place a few things otherwise ----
formatter=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "$formatter" = 14 ]; then
    while read -r file; do
        clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || complain "$file: not clang-formatted"
    done < <(find lib cmd tests -name '*.[ch]' | sort)
else
    echo "lint: formatting not checked, clang-format ${formatter:-is not installed}${formatter:+ is not 14}"
fi
# .clang-format leaves comments as they are.
while read -r place; do
    complain "$place: a comment is wider than 100 columns"
done < <(awk 'length > 100 && /^ *(\/\*|\*)/ { print FILENAME ":" FNR }' \
    lib/*/*.[ch] cmd/*.[ch] tests/*.[ch])

# ---- shell ----
if command -v shellcheck >/dev/null; then
    shellcheck -S warning scripts/*.sh tests/*.sh .ci/run || complain "shellcheck has something to say"
    # run_cli.sh runs the cases: they need no first line of their own.
    shellcheck -S warning -s bash tests/cli/*.sh || complain "shellcheck has something to say"
else
    echo "lint: shellcheck is not installed; shell not checked"
fi

# ---- man pages: well formed, and in agreement with --help and completion ----
if command -v mandoc >/dev/null; then
    for page in man/*.[157]; do
        [ -f "$page" ] || continue
        mandoc -T lint -W error "$page" || complain "$page: see above"
    done
else
    echo "lint: mandoc is not installed; form of the manual not checked"
fi
# What --help says, of the program and of each of its verbs; what completion offers.
help_of() {
    "$1" --help
    "$1" --completion-data | awk -F '\t' '$1 == "verb" { print $2 }' | while read -r verb; do
        "$1" "$verb" --help
    done
}
long_options() { grep -oE -- '(^|[^A-Za-z0-9-])--[A-Za-z][a-z0-9-]*' | grep -oE -- '--[A-Za-z0-9-]+' | sort -u; }

every=$(mktemp)
trap 'rm -f "$every"' EXIT
for program in "$@"; do
    help_of "$program"
done | long_options >"$every"
for program in "$@"; do
    name=${program##*/}
    page=man/$name.1
    [ -f "$page" ] || { complain "$name has no man page"; continue; }
    help=$(help_of "$program" | long_options)
    while read -r option; do
        complain "$name: --help and completion disagree about $option"
    done < <(comm -3 <(echo "$help") \
        <("$program" --completion-data | awk -F '\t' '$1 == "option" && $4 != "-" { print "--" $4 }' | sort -u) |
        tr -d '\t')
    written=$(sed 's/\\-/-/g; s/Fl -/ --/g; s/\\f[A-Z]//g; s/\\&//g' "$page" | long_options)
    while read -r option; do
        complain "$page: does not mention $option, which $name --help does"
    done < <(comm -23 <(echo "$help") <(echo "$written"))
    # Pages speak of each other's options, of those of mpirun and srun in examples, and of second names.
    while read -r option; do
        grep -qE "(mpirun|srun|sbatch|#SBATCH).*$option|$option.* is a synonym" <(sed 's/\\-/-/g' "$page") ||
            complain "$page: mentions $option, which no program has"
    done < <(comm -23 <(echo "$written") "$every")
done

# ---- words that mean nothing outside one machine ----
if git rev-parse >/dev/null 2>&1; then
    git grep -nIE '/(work|tmp/wt|root|home)/[a-z]' -- . ':!scripts/lint.sh' && complain "paths of one machine, see above"
fi

[ $bad -eq 0 ] && echo "lint: clean"
exit $bad
