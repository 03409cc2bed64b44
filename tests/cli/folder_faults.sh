# A folder that a disk cannot list to its end is never taken for one that holds less.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
put_before fault <<'C'
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reading the folder whose path ends in $FAULT_IN fails after $FAULT_AFTER entries. */
struct dirent *readdir(DIR *dir)
{
    static int seen;
    char       link[64], path[4096];
    struct dirent *(*next)(DIR *) = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir");
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd(dir));
    const ssize_t n = readlink(link, path, sizeof path - 1);
    const char   *in = getenv("FAULT_IN");
    path[n > 0 ? n : 0] = '\0';
    if (!in || n < (ssize_t)strlen(in) || strcmp(path + n - strlen(in), in) != 0) return next(dir);
    if (seen++ < atoi(getenv("FAULT_AFTER"))) return next(dir);
    errno = EIO;
    return NULL;
}
C
# faulty FOLDER N COMMAND...: run it where FOLDER fails after N entries.
faulty() {
    local in=$1 after=$2
    shift 2
    env LD_PRELOAD="$PWD/fault.so" FAULT_IN="/$in" FAULT_AFTER="$after" "$@"
}

# A run does not begin anew in a folder whose checkpoints it cannot see, nor cut its history.
for p in photos/*.png; do echo "a picture" >"${p%.png}.txt"; done
train="vlp-train -m $VLP_MODEL -b 4 --epochs 2 --warmup 0 --lr 1e-4 -o run photos"
expect 6 $train --max-steps 4
cp -r run before
for after in 0 2; do
    expect 1 faulty run "$after" $train
    says "run: Input/output error"
    diff -r run before || fail "the run was touched"
done
# One that fails after the last step has saved all the same: what it cannot see stays.
expect 0 faulty run $((2 * ($(ls -a run | wc -l) + 1))) $train --keep 1
says "run: Input/output error"
[ -e run/model.safetensors ] && [ "$(ls run/step-* | wc -l)" -eq 2 ] || fail "$(ls run)"
# Only what has a name of the run's own is its checkpoint.
echo "somebody's" >run/step-99.train
expect 0 $train
grep -q 'step-0*99.train' stderr && fail "$(cat stderr)"
[ -e run/step-99.train ] || fail "another's file is gone"

# --update deletes nothing of a folder of which it saw a part, and what it did see is embedded. (It
# looks twice: to count, then to work; with --update before that whether it is empty.)
mkdir -p album/deep
cp photos/p0?.png album
cp photos/p1?.png photos/p05.png album/deep
expect 0 vlp-embed -r -o album.vle album
for in in album album/deep; do
    entries=$(ls -a $in | wc -l)
    half=$((entries * 3 / 2 + 1))
    expect 3 faulty $in $((half + entries + 1)) vlp-embed -r --update -o album.vle album
    says "$in: Input/output error"
    says "records are kept: an input that may hold them could not be read"
    expect 0 vlp-embed --convert --format tsv album.vle
    [ "$(wc -l <stdout)" -eq 13 ] || fail "$in: not thirteen records"
    expect 3 faulty $in $half vlp-embed -q -r --format tsv album
    grep -q album/p stdout || fail "nothing of what was seen of $in"
done
# Nor of the root, whose name ends in the slash that others have behind them.
printf 'id,image\n/a.png,photos/p00.png\nb.png,photos/p01.png\n' >root.csv
expect 0 vlp-embed --only image -o root.vle root.csv
expect 3 faulty "" 0 vlp-embed --only image --update -o root.vle / photos/p02.png
says "1 deleted"
says "1 record is kept"
expect 0 vlp-embed -r --update -o album.vle album
says "0 pictures"

# Nor is the only file of weights chosen by what was seen of a folder.
mkdir weights
cp "$VLP_MODEL"/model.safetensors weights/a.safetensors
cp "$VLP_MODEL"/model.safetensors weights/b.safetensors
expect 1 faulty weights 4 vlp-model inspect weights
says "weights: Input/output error"

# Nor are links of earlier results left among new ones.
expect 0 vlp-match -q --link-to links -k 3 --text "a picture" album.vle
expect 1 faulty links 2 vlp-match -q -f --link-to links -k 1 --text "a picture" album.vle
says "links: Input/output error"

# Where a file system numbers no files, a folder in a folder is not taken for that folder.
put_before numberless <<'C'
#include <dlfcn.h>
#include <sys/stat.h>
int fstat(int fd, struct stat *st)
{
    int (*next)(int, struct stat *) = (int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat");
    const int status = next(fd, st);
    st->st_ino = 0;
    return status;
}
C
mkdir -p tree/a tree/b
cp photos/p01.png tree/a
cp photos/p02.png tree/b
expect 0 env LD_PRELOAD="$PWD/numberless.so" vlp-embed -q -r --format tsv tree
[ "$(cut -f 1 stdout | tr '\n' ' ')" = 'tree/a/p01.png tree/b/p02.png ' ] || fail "$(cut -f 1 stdout)"
