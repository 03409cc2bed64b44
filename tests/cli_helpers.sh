# shellcheck shell=bash
# cli_helpers.sh -- for the cases of run_cli.sh: what they check with, what they work on.

# End the case as failed.
fail() {
    echo "failed: $*" >&2
    exit 1
}

# expect STATUS COMMAND...: run it, stdout to ./stdout, stderr to ./stderr; the status must be so.
expect() {
    local want=$1 got
    shift
    "$@" >stdout 2>stderr
    got=$?
    [ "$got" -eq "$want" ] || {
        cat stderr >&2
        fail "exit $got instead of $want: $*"
    }
}

# says TEXT: the last `expect` said it on stderr.
says() {
    grep -qF -- "$1" stderr || {
        cat stderr >&2
        fail "stderr does not say '$1'"
    }
}

# prints TEXT: the last `expect` printed it on stdout.
prints() {
    grep -qF -- "$1" stdout || {
        cat stdout >&2
        fail "stdout does not hold '$1'"
    }
}

# same A B: two files with the same bytes.
same() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# put_before NAME: compile the C on stdin to ./NAME.so, which LD_PRELOAD puts before the system's
# functions: for faults that no system here has when asked to.
put_before() {
    cc -D_GNU_SOURCE -shared -fPIC -x c -o "$1.so" - -ldl || fail "no compiler for $1.so"
    export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
}

# A model with CLIP's vocabulary and twelve pictures: ./photos, and VLP_MODEL.
use_pictures() {
    mkdir photos
    cp "$GOLDEN"/clip/end-to-end/p*.png photos
    export VLP_MODEL=$GOLDEN/clip/end-to-end/model
}

