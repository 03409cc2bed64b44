# A model in several files of a folder is written whole or not at all: neither an end in between nor a
# full disk leaves one model's files beside another's, or files that are in the way of the next try.
. "$ROOT/tests/cli_helpers.sh"
first=$GOLDEN/clip/end-to-end/model second=$GOLDEN/clip/hf-quick
fingerprint() { vlp-model inspect "$1" 2>/dev/null | sed -n 's/^fingerprint *//p'; }
put_before dies <<'C'
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
static void step(void)
{
    static int left = -1;
    if (left < 0) left = atoi(getenv("DIES_AT"));
    if (--left == 0) raise(SIGKILL);
}
int rename(const char *from, const char *to)
{
    step();
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
int unlink(const char *path)
{
    step();
    return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}
C
for layout in hf open_clip; do
    for which in first second; do
        expect 0 vlp-model convert -q --to $layout -o $which-$layout "${!which}"
    done
    a=$(fingerprint first-$layout) b=$(fingerprint second-$layout)
    [ -n "$a" ] && [ -n "$b" ] && [ "$a" != "$b" ] || fail "$layout: no two models"
    for at in $(seq 20); do
        rm -rf over && cp -r first-$layout over
        DIES_AT=$at LD_PRELOAD=$PWD/dies.so vlp-model convert -q -f --to $layout -o over "$second"
        status=$?
        rm -f over/*.tmp-*
        case $(fingerprint over) in
        "$a") diff -r over first-$layout >&2 || fail "$layout, ended at step $at: a mixture" ;;
        "$b") diff -r over second-$layout >&2 || fail "$layout, ended at step $at: a mixture" ;;
        '') ;;
        *) fail "$layout, ended at step $at: another model" ;;
        esac
        [ $status -eq 137 ] || break
    done
    [ $status -eq 0 ] && [ "$at" -gt 3 ] || fail "status $status after $at steps"
    diff -r over second-$layout >&2 || fail "$layout: -f leaves other files"

    # The disk is full: what was there is as it was, and what was not there is in nobody's way.
    rm -rf over new && cp -r first-$layout over
    for to in over new; do
        (ulimit -f 40 && exec vlp-model convert -q -f --to $layout -o $to "$second") 2>stderr
        [ $? -eq 1 ] || fail "$layout: a full disk ended with another status"
        says "File too large"
    done
    diff -r over first-$layout >&2 || fail "$layout: changed by a failed conversion"
    [ ! -e new ] || fail "$layout: left: $(ls new)"
    expect 0 vlp-model convert -q --to $layout -o new "$second"
done

# So it is with a list of failures.
for i in $(seq 2000); do echo "nothing-$i.png"; done >missing
(ulimit -f 8 && VLP_MODEL=$first exec vlp-embed -qq --files-from missing --format tsv --failed list.tsv) 2>stderr
[ $? -eq 1 ] || fail "a full disk ended with another status"
says "list.tsv: File too large"
[ ! -e list.tsv ] || fail "a cut-off list is left"
exit 0
