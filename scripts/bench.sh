#!/bin/bash
# bench.sh -- run bench programs; one table of measured ratios beside must and stretch.
#
# usage: bench.sh BENCH...
# A bench prints lines of five tab-separated fields: name, measured, must, stretch, verdict ("ok",
# "BELOW", or "-" for a figure without a bound). Everything else it prints is a remark. The rows that are
# below, and the benches that failed, are named again at the end; with any of them the status is 1.
set -uo pipefail
printf '%-58s %10s %8s %8s  %s\n' workload measured must stretch verdict
below=$(mktemp)
trap 'rm -f "$below"' EXIT
for bench in "$@"; do
    where=()
    [ "${bench##*/}" = bench_process ] && where=("${bench%/*}")
    "$bench" "${where[@]}" | awk -F '\t' -v below="$below" '
        NF >= 5 {
            row = sprintf("%-58s %10s %8s %8s  %s", $1, $2, $3, $4, $5)
            print row; fflush()
            if ($5 == "BELOW") print row >>below
            next
        }
        { print "# " $0; fflush() }' || echo "$bench: exit $?" >>"$below"
done
[ -s "$below" ] || exit 0
printf '\nbelow, or failed:\n'
cat "$below"
exit 1
