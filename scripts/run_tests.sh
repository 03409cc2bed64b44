#!/bin/bash
# run_tests.sh -- run test programs and the command-line cases; end with "N passed, N failed".
#
# usage: run_tests.sh BUILD TEST...     (BUILD: where the programs are that the cases run)
set -u
build=$1
shift
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Check's own summary: "100%: Checks: 12, Failures: 0, Errors: 0"
count_check() {
    local program=$1 status=$2 line checks bad
    line=$(grep -E '^[0-9]+%: Checks: ' "$log" | tail -n 1)
    checks=$(sed -n 's/.*Checks: \([0-9]*\),.*/\1/p' <<<"$line")
    bad=$(sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 + \2/p' <<<"$line")
    checks=${checks:-0}
    bad=$((${bad:-0}))
    # A program that died, or that failed without saying a test's name, is a failure too.
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        checks=$((checks + 1))
    fi
    if [ "$checks" -eq 0 ]; then
        bad=1
        checks=1
        echo "$program: ran no test"
    fi
    passed=$((passed + checks - bad))
    failed=$((failed + bad))
    if [ "$bad" -ne 0 ]; then
        echo "$program: exit $status"
        cat "$log"
    else
        printf '%-28s %5d tests, %s s\n' "$(basename "$program")" "$checks" "$3"
    fi
}

for program in "$@"; do
    start=$SECONDS
    CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-300} timeout 1200 "$program" >"$log" 2>&1
    count_check "$program" $? $((SECONDS - start))
done

if [ -f tests/run_cli.sh ]; then
    start=$SECONDS
    bash tests/run_cli.sh "$build" >"$log" 2>&1
    status=$?
    summary=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    p=$(sed -n 's/^\([0-9]*\) passed.*/\1/p' <<<"$summary")
    f=$(sed -n 's/.* \([0-9]*\) failed.*/\1/p' <<<"$summary")
    if [ -z "$summary" ] || { [ "$status" -ne 0 ] && [ "${f:-0}" -eq 0 ]; }; then
        p=${p:-0}
        f=1
    fi
    passed=$((passed + p))
    failed=$((failed + f))
    if [ "$f" -ne 0 ]; then
        grep -v '^ok ' "$log"
    else
        printf '%-28s %5d tests, %s s\n' "command line" "$p" $((SECONDS - start))
    fi
fi

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
