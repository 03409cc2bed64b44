#!/bin/sh
# dependencies.sh -- install the Debian packages that are missing, and nothing when none is.
#
# usage: dependencies.sh [build|test|lint|fuzz|corpus] ...
set -eu

build="gcc libc6-dev make pkg-config libjpeg62-turbo-dev libpng-dev libwebp-dev zlib1g-dev libzstd-dev
       libjansson-dev libutf8proc-dev libarchive-dev libxxhash-dev"
test="check zstd xz-utils bzip2 lz4"
lint="clang-format mandoc shellcheck"
fuzz="clang libclang-rt-dev llvm"
corpus="python3 python3-pil jq librsvg2-bin"
# An npm that came from elsewhere serves as well, and Debian's would not go in beside it.
command -v npm >/dev/null 2>&1 || corpus="$corpus npm"
# Several machines: the build finds MPI where it is and does without where it is not.
mpi="libopenmpi-dev openmpi-bin"

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test $mpi" ;;
    lint) wanted="$wanted $lint" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    corpus) wanted="$wanted $corpus" ;;
    *) echo "dependencies.sh: no group '$group'" >&2; exit 2 ;;
    esac
done

command -v dpkg-query >/dev/null 2>&1 || {
    echo "dependencies.sh: not a Debian system; needed: $wanted" >&2
    exit 0
}

missing=
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing" >&2
run=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "dependencies.sh: not root and no sudo; install:$missing" >&2
        exit 1
    }
    run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the lists are words
$run apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 ||
    { $run apt-get update >/dev/null && $run apt-get install -y --no-install-recommends $missing >/dev/null; }
