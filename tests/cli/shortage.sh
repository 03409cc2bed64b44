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
# Another reason is the record's.
expect 3 short p05.png $EACCES vlp-embed -q -f table.tsv -o table.vle
says "(skipped)"
# As is a picture that is larger than the process may map. (Sanitizers need more than can be allowed here.)
within() { (ulimit -v 4000000 && "$@"); }
mkdir huge && cp photos/p00.png photos/p02.png huge && truncate -s 1T huge/p01.png
if within vlp-embed --version >/dev/null 2>&1; then
    expect 3 within vlp-embed -q -r huge -o huge.vle
    says "p01.png: Cannot allocate memory (skipped)"
fi
