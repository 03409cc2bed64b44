#!/bin/bash
# lint.sh -- what a compiler does not check: formatting, who includes whom, names, man pages, words.
#
# usage: lint.sh BUILD
set -u
build=$1
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

# ---- file names are unique: a name in a backtrace is an address ----
while read -r name; do
    complain "two files are called $name"
done < <(find lib cmd tests -name '*.[ch]' -printf '%f\n' | sort | uniq -d)

# ---- formatting ----
if command -v clang-format >/dev/null; then
    while read -r file; do
        clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || complain "$file: not clang-formatted"
    done < <(find lib cmd tests -name '*.[ch]' | sort)
else
    echo "lint: clang-format is not installed; formatting not checked"
fi

# ---- shell ----
if command -v shellcheck >/dev/null; then
    shellcheck -S warning scripts/*.sh tests/*.sh .ci/run || complain "shellcheck has something to say"
fi

# ---- man pages: well formed, and in agreement with --help and completion ----
if command -v mandoc >/dev/null; then
    for page in man/*.[157]; do
        [ -f "$page" ] || continue
        mandoc -T lint -W error "$page" || complain "$page: see above"
    done
fi
for program in "$build"/vlp-*; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    name=${program##*/}
    page=man/$name.1
    [ -f "$page" ] || { complain "$name has no man page"; continue; }
    # A hyphen of an option is \-, or "Fl -name" where the page is mdoc.
    words=$(sed 's/\\-/-/g; s/\<Fl -\([a-z]\)/--\1/g' "$page")
    while read -r option; do
        grep -qF -- "$option" <<<"$words" ||
            complain "$page: does not mention $option, which $name --help does"
    done < <("$program" --help | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u)
done

# ---- words that mean nothing outside one machine ----
if git rev-parse >/dev/null 2>&1; then
    git grep -nIE '/(work|tmp/wt|root|home)/[a-z]' -- . ':!scripts/lint.sh' && complain "paths of one machine, see above"
fi

[ $bad -eq 0 ] && echo "lint: clean"
exit $bad
