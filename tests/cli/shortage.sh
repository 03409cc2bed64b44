# That no more files can be opened is the fault of no record: the job ends and can be continued.
. "$ROOT/tests/cli_helpers.sh"
put_before short <<'C'
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What ends in $SHORT_AT cannot be opened, for the reason $SHORT_WHY. */
static int is_short(const char *path)
{
    const char  *at = getenv("SHORT_AT");
    const size_t n = strlen(path), len = at ? strlen(at) : 0;
    if (!at || n < len || strcmp(path + n - len, at) != 0) return 0;
    errno = atoi(getenv("SHORT_WHY"));
    return 1;
}

int open(const char *path, int how, ...)
{
    va_list ap;
    va_start(ap, how);
    const mode_t mode = how & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (is_short(path)) return -1;
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, how, mode);
}

FILE *fopen(const char *path, const char *how)
{
    if (is_short(path)) return NULL;
    return ((FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen"))(path, how);
}

DIR *opendir(const char *path)
{
    if (is_short(path)) return NULL;
    return ((DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir"))(path);
}
C
use_pictures
# short AT WHY COMMAND...: run it where AT cannot be opened.
short() {
    local at=$1 why=$2
    shift 2
    env LD_PRELOAD="$PWD/short.so" SHORT_AT="$at" SHORT_WHY="$why" "$@"
}
EMFILE=24 ENFILE=23 ENOMEM=12 EACCES=13
mkdir photos/deep
mv photos/p1*.png photos/deep
echo "a moon" >photos/p07.txt
printf 'id\timage\n1\tphotos/p00.png\n2\tphotos/p05.png\n' >table.tsv
tar cf shard.tar photos
printf 'photos/p00.png\nshard.tar!photos/p05.png\n' >list.txt
expect 0 vlp-embed -q -r --captions photos -o whole.vle
for why in $EMFILE $ENFILE $ENOMEM; do
    for at in p05.png p07.txt /deep photos; do
        rm -f out.vle
        expect 1 short $at $why vlp-embed -q -r --captions photos -o out.vle --failed failed
        grep -qF skipped stderr && fail "$at is skipped: $(cat stderr)"
        [ -e failed ] && fail "$(cat failed) is named"
        expect 0 vlp-embed -q -r --captions photos -o out.vle
        for f in out whole; do
            expect 0 vlp-embed -q --convert --format tsv $f.vle
            sort stdout >$f.tsv
        done
        same out.tsv whole.tsv
        # nothing is deleted on its account
        cp whole.vle out.vle
        touch photos/*.png
        expect 1 short $at $why vlp-embed -q -r --captions photos --update -o out.vle
        expect 0 vlp-embed -q -r --captions photos --update -o out.vle
        expect 0 vlp-embed -q --convert --format tsv out.vle
        sort stdout | cmp -s - whole.tsv || fail "$at: not all is there"
    done
done
expect 1 short p05.png $EMFILE vlp-embed -q table.tsv -o table.vle
says "p05.png: Too many open files"
expect 1 short shard.tar $EMFILE vlp-embed -q --files-from list.txt -o list.vle
expect 1 short table.tsv $EMFILE vlp-embed -q table.tsv photos/p00.png -o table.vle
expect 1 short p05.png $EMFILE vlp-classify -q -l cat,dog -r photos
expect 1 short p05.png $EMFILE vlp-match -q --image photos/p05.png --image photos/p00.png whole.vle
says "p05.png: Too many open files"
mkdir made
expect 1 short p05.png $EMFILE vlp-model preprocess photos/p05.png photos/p00.png -o made
says "p05.png: Too many open files"
# No page goes without a picture on its account.
echo photos/p02.png >>list.txt
expect 0 vlp-embed -q --files-from list.txt -o list.vle
for why in $EMFILE $ENFILE $ENOMEM; do
    for at in p02.png shard.tar; do
        expect 1 short $at $why vlp-match -q --id photos/p00.png --html page.html --failed failed list.vle
        says "$at: "
        grep -qF skipped stderr && fail "$at is skipped: $(cat stderr)"
        [ -e failed ] && fail "$(cat failed) is named"
        [ -e page.html ] && fail "a page is written without $at"
    done
done
expect 1 short p02.png $EMFILE vlp-classify -q -l cat,dog --html page.html list.vle
says "p02.png: Too many open files"
[ -e page.html ] && fail "a page is written without p02.png"
# Another reason is the record's.
expect 3 short p05.png $EACCES vlp-embed -q -f table.tsv -o table.vle
says "(skipped)"
expect 3 short p02.png $EACCES vlp-match -q --id photos/p00.png --html page.html list.vle
says "p02.png: Permission denied (skipped)"
# As is a picture that is larger than the process may map. (Sanitizers need more than can be allowed here.)
within() { (ulimit -v 4000000 && "$@"); }
mkdir huge && cp photos/p00.png photos/p02.png huge && truncate -s 1T huge/p01.png
if within vlp-embed --version >/dev/null 2>&1; then
    expect 3 within vlp-embed -q -r huge -o huge.vle
    says "p01.png: Cannot allocate memory (skipped)"
fi

# A request for memory that is refused, whose ever it is, ends the job: no file passes for damaged,
# and none is written of what there was memory for.
put_before poor <<'C'
#include <errno.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

/* The request of the number $POOR_AT is refused. */
static int is_refused(void)
{
    static long left = -1;
    static int  known;
    if (!known) {
        const char *at = getenv("POOR_AT");
        known = 1;
        left = at ? atol(at) : -1;
    }
    if (left < 0 || --left > 0) return 0;
    left = -1;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return is_refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return is_refused() ? NULL : __libc_calloc(count, size); }
void *realloc(void *p, size_t size) { return is_refused() ? NULL : __libc_realloc(p, size); }
C
# poor N COMMAND...: run it so.
poor() {
    local at=$1
    shift
    env LD_PRELOAD="$PWD/poor.so" POOR_AT="$at" "$@"
}
poor -1 vlp-embed --version >/dev/null 2>&1 || exit 0 # a sanitizer has a malloc of its own
mkdir pairs && cp photos/p0[0-3].png pairs
for p in pairs/*.png; do echo "a picture" >"${p%.png}.txt"; done
cat >tiny.json <<'J'
{"model": {"family": "clip", "config": {"embed_dim": 8, "activation": "gelu",
  "vision": {"kind": "vit", "image_size": 16, "patch_size": 8, "width": 8, "layers": 1, "heads": 1,
             "mlp": 16, "ln_eps": 1e-5, "interpolate": "none"},
  "text": {"context": 16, "vocab": 515, "width": 8, "layers": 1, "heads": 1, "mlp": 16, "ln_eps": 1e-5}},
  "preprocess": {"flavour": "openai", "resize": "shortest", "size": [16, 16], "filter": "bicubic",
    "rgb_first": false, "crop_floor": false, "fill": 0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}},
 "train": {"batch": 4, "epochs": 4, "warmup": 0}, "vocabulary": "merges"}
J
printf '#version: 0.2\np i\n' >merges
train="vlp-train -q -j1 --config tiny.json --save-every 1 -o run pairs"
expect 6 $train --max-steps 2
cp -r run before
expect 0 $train
cp run/model.safetensors straight.safetensors
for at in $(seq 10 271 9000); do
    rm -r run && cp -r before run
    poor "$at" $train 2>stderr
    status=$?
    [ -z "$(ls run/*.damaged 2>/dev/null)" ] || fail "request $at: $(cat stderr)"
    case $status in
    0) same run/model.safetensors straight.safetensors ;;
    1) says memory ;;
    *) fail "request $at: status $status: $(cat stderr)" ;;
    esac
done
# Nor does a picture. (Of WebP its library does not always tell which of the two it is.)
mkdir kinds && cp "$GOLDEN"/image/{jpeg-420.jpg,jpeg-progressive.jpg,png-palette.png,png-interlaced.png} kinds
expect 0 vlp-embed -q -j1 -m straight.safetensors --format tsv -r kinds
cp stdout kinds.tsv
for at in $(seq 1750 3 2050); do
    poor "$at" vlp-embed -q -j1 -m straight.safetensors --format tsv -r kinds >stdout 2>stderr
    case $? in
    0) same stdout kinds.tsv ;;
    1) says memory ;;
    *) fail "request $at: $(cat stderr)" ;;
    esac
done
# Nor does a page go without one.
expect 0 vlp-embed -q -m straight.safetensors -r kinds -o kinds.vle
page="vlp-match -q -f -j1 --id kinds/jpeg-420.jpg --html page.html kinds.vle"
expect 0 $page
cp page.html whole.html
for at in $(seq 100 3 400); do
    poor "$at" $page >stdout 2>stderr
    case $? in
    0) same page.html whole.html ;;
    1) says memory ;;
    *) fail "request $at: $(cat stderr)" ;;
    esac
done
