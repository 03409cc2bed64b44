#!/bin/bash
# fuzz.sh -- run fuzzers for a while each; keep what they find.
#
# usage: fuzz.sh BUILD SECONDS FUZZER...
# A fuzzer ends at its first finding, the input of which stays as BUILD/<name>-*; the others run all the same,
# and the status is 1.
# Seeds are the project's own pictures, checkpoints, streams and damaged files; what a run learns stays in
# BUILD/corpus/<name>. Folders that fuzzers make lie under TMPDIR and are taken away.
set -u
build=$1 seconds=$2
shift 2
found=0
TMPDIR=$(mktemp -d) || exit
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
for fuzzer in "$@"; do
    name=${fuzzer##*/fuzz_}
    corpus=$build/corpus/$name
    mkdir -p "$corpus"
    seeds=()
    # Two readers share the damaged checkpoints; sound pictures are seeds beside damaged ones.
    case $name in
    safetensors | pickle) more=tests/data/checkpoint ;;
    image) more=tests/data/corners ;;
    *) more= ;;
    esac
    for dir in "tests/data/$name" tests/fuzz_seeds/"$name" $more; do
        [ -d "$dir" ] && seeds+=("$dir")
    done
    echo "== $name, $seconds s"
    if ! "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=200000 -print_final_stats=0 \
        -verbosity=0 -artifact_prefix="$build/$name-" "$corpus" "${seeds[@]}"; then
        echo "$name: found something, see $build/$name-*"
        found=1
    fi
done
exit $found
