# A model in several files of a folder is written whole or not at all: neither an end in between nor a
# full disk leaves one model's files beside another's, or files that are in the way of the next try.
. "$ROOT/tests/cli_helpers.sh"
first=$GOLDEN/clip/end-to-end/model second=$GOLDEN/clip/hf-quick
fingerprint() { vlp-model inspect "$1" 2>/dev/null | sed -n 's/^fingerprint *//p'; }
put_before dies <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static int now(const char *name, int *left)
{
    if (*left < 0) *left = getenv(name) ? atoi(getenv(name)) : 0;
    return *left > 0 && --*left == 0;
}
static void step(void)
{
    static int left = -1;
    static int asked = -1;
    if (now("DIES_AT", &left)) raise(SIGKILL);
    if (now("ASKED_AT", &asked)) kill(getpid(), SIGTERM), usleep(100000);
}
int rename(const char *from, const char *to)
{
    static int left = -1;
    step();
    if (now("FAILS_AT", &left)) {
        errno = EIO;
        return -1;
    }
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

    # A signal that can be answered waits for the end of these steps: no new weights are left under another
    # name, nor old ones.
    for at in $(seq 12); do
        rm -rf over && cp -r first-$layout over
        ASKED_AT=$at LD_PRELOAD=$PWD/dies.so vlp-model convert -q -f --to $layout -o over "$second"
        status=$?
        [ $status -eq 143 ] || [ $status -eq 0 ] || fail "$layout, asked to end at step $at: $status"
        diff -r over first-$layout >/dev/null || diff -r over second-$layout >&2 ||
            fail "$layout, asked to end at step $at: neither model"
    done

    # A file that cannot be put in its place: all is as it was, or old and new weights are there.
    for at in $(seq 20); do
        rm -rf over && cp -r first-$layout over
        FAILS_AT=$at LD_PRELOAD=$PWD/dies.so vlp-model convert -q -f --to $layout -o over "$second" 2>stderr
        status=$?
        [ $status -eq 1 ] || break
        says "Input/output error"
        grep -q "new weights" stderr || {
            diff -r over first-$layout >&2 || fail "$layout, failed at step $at: not as it was"
            continue
        }
        for which in first second; do
            for kept in over/*model.safetensors.tmp-*; do
                cmp -s "$kept" $which-$layout/*.safetensors && says "$kept" && continue 2
            done
            fail "$layout, failed at step $at: the weights of the $which are lost"
        done
    done
    [ $status -eq 0 ] && [ "$at" -gt 3 ] || fail "status $status after $at failures"
    diff -r over second-$layout >&2 || fail "$layout: another model"

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

# A folder of links, as Hugging Face's programs keep them: what they lead to is written.
mkdir blobs links
for f in first-hf/*; do
    cp "$f" blobs/ && ln -s "../blobs/${f##*/}" links/
done
cp blobs/config.json blobs/other && ln -s ../blobs/other links/pytorch_model.bin
expect 0 vlp-model convert -q -f --to hf -o links "$second"
diff -r links second-hf >&2 || fail "links: another model"
[ -L links/model.safetensors ] && [ -e blobs/other ] || fail "links: not what they lead to"
cmp blobs/model.safetensors second-hf/model.safetensors || fail "links: the weights are elsewhere"
[ -z "$(find blobs -name '*.tmp-*')" ] || fail "left: $(ls blobs)"

# What cannot be removed is told before anything is done.
for name in pytorch_model.bin tokenizer.json; do
    rm -rf over && cp -r first-hf over && mkdir over/$name && cp -r over as-before-$name
    expect 1 vlp-model convert -q -f --to hf -o over "$second"
    says "over/$name: is a folder"
    diff -r over as-before-$name >&2 || fail "changed beside a folder called $name"
done

# So it is with a list of failures.
for i in $(seq 2000); do echo "nothing-$i.png"; done >missing
(ulimit -f 8 && VLP_MODEL=$first exec vlp-embed -qq --files-from missing --format tsv --failed list.tsv) 2>stderr
[ $? -eq 1 ] || fail "a full disk ended with another status"
says "list.tsv: File too large"
[ ! -e list.tsv ] || fail "a cut-off list is left"
exit 0
