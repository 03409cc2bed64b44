#!/bin/bash
# bench.sh -- every bench program in one run; one table of measured ratios beside must and stretch.
#
# usage: bench.sh BUILD
# A bench prints lines of five tab-separated fields: name, measured, must, stretch, verdict ("ok",
# "BELOW", or "-" for a figure without a bound). Everything else it prints is a remark.
set -u
build=$1
printf '%-58s %10s %8s %8s  %s\n' workload measured must stretch verdict
status=0
for bench in "$build"/bench_*; do
    [ -f "$bench" ] && [ -x "$bench" ] || continue
    where=()
    [ "${bench##*/}" = bench_process ] && where=("$build")
    "$bench" "${where[@]}" | awk -F '\t' '
        NF >= 5 { printf "%-58s %10s %8s %8s  %s\n", $1, $2, $3, $4, $5; fflush(); next }
        { print "# " $0; fflush() }' || status=1
done
exit $status
