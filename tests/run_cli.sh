#!/bin/bash
# run_cli.sh -- run the command-line cases: tests/cli/*.sh, each a script with what it must print.
#
# usage: run_cli.sh BUILD [PATTERN]
#
# A case is tests/cli/NAME.sh, run by bash in an empty folder with $ROOT (the project), $BUILD (the
# programs, also on PATH) and $GOLDEN (tests/golden). What it must do stands beside it:
#   NAME.out   stdout, exactly        (absent: must be empty)
#   NAME.err   stderr, exactly        (absent: not compared)
#   NAME.exit  the exit status        (absent: 0)
# or the script itself checks things and exits 0 only when they hold.
set -u
build=$(cd "$1" && pwd)
pattern=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0 number=0

export ROOT=$root BUILD=$build GOLDEN=$root/tests/golden PATH=$build:$PATH
export LC_ALL=C.UTF-8 VLP_SHARE=$root/share/vlp
unset VLP_MODEL VLP_CPU NO_COLOR

for script in "$root"/tests/cli/*.sh; do
    [ -f "$script" ] || continue
    name=$(basename "$script" .sh)
    [[ $name == *$pattern* ]] || continue
    number=$((number + 1))
    folder=$scratch/$name
    mkdir "$folder"
    (cd "$folder" && timeout 300 bash -u "$script" >"$scratch/out" 2>"$scratch/err" </dev/null)
    status=$?
    base=${script%.sh}
    expected=0
    [ -f "$base.exit" ] && expected=$(cat "$base.exit")
    problem=
    [ "$status" -eq "$expected" ] || problem="exit $status instead of $expected"
    if [ -f "$base.out" ]; then
        cmp -s "$base.out" "$scratch/out" || problem="$problem${problem:+; }stdout differs"
    elif [ -s "$scratch/out" ]; then
        problem="$problem${problem:+; }unexpected stdout"
    fi
    if [ -f "$base.err" ]; then
        cmp -s "$base.err" "$scratch/err" || problem="$problem${problem:+; }stderr differs"
    fi
    if [ -z "$problem" ]; then
        passed=$((passed + 1))
        echo "ok $number - $name"
    else
        failed=$((failed + 1))
        echo "not ok $number - $name: $problem"
        if [ -f "$base.out" ]; then diff "$base.out" "$scratch/out" | head -20 | sed 's/^/#   /'
        else head -20 "$scratch/out" | sed 's/^/#   out: /'; fi
        if [ -f "$base.err" ]; then diff "$base.err" "$scratch/err" | head -20 | sed 's/^/#   /'
        else head -20 "$scratch/err" | sed 's/^/#   err: /'; fi
    fi
    rm -rf "$folder"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
