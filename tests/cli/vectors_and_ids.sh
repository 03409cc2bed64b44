# Vectors and the file of their ids are replaced together: whoever is killed in between leaves no
# vectors with another run's ids.
. "$ROOT/tests/cli_helpers.sh"
export VLP_MODEL=$GOLDEN/clip/end-to-end/model
put_before dies <<'C'
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
int rename(const char *from, const char *to)
{
    static int left = -1;
    const char *polite = getenv("ASKED_TWICE");
    if (left < 0) left = atoi(getenv("DIES_AT_RENAME"));
    if (left == 0 || --left > 0) polite = NULL;
    else if (!polite) raise(SIGKILL);
    for (int i = 0; polite && i < 2; i++) kill(getpid(), SIGTERM), usleep(100000);
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
C
for i in $(seq 30); do echo "thing $i" >>a.txt && echo "creature $i" >>b.txt; done
for run in a b; do
    for to in npy fvecs; do expect 0 vlp-embed -q --lines $run.txt --id-is-text -o $run.$to; done
done
for to in npy fvecs; do
    for at in 1 2 3 4; do
        cp a.$to w.$to && cp a.$to.ids w.$to.ids
        DIES_AT_RENAME=$at LD_PRELOAD=$PWD/dies.so vlp-embed -q --lines b.txt --id-is-text -f -o w.$to
        status=$?
        rm -f w.*.tmp-*
        vlp-embed -q --convert --format tsv w.$to >w.tsv 2>stderr
        case $? in
        0) for run in a b; do cmp -s $run.$to w.$to && cmp -s $run.$to.ids w.$to.ids && break; done ||
            fail "$to killed at rename $at: vectors of one run, ids of another" ;;
        5) says "w.$to.ids: has 0 ids, fewer than w.$to has vectors" ;;
        *) fail "$to killed at rename $at: $(cat stderr)" ;;
        esac
        [ $status -eq 137 ] || break
        # The same command again makes it whole.
        expect 0 vlp-embed -q --lines b.txt --id-is-text -f -o w.$to
        same b.$to w.$to
        same b.$to.ids w.$to.ids
    done
    [ $status -eq 0 ] || fail "more renames than expected"
    # A second signal, which ends a job at once, waits until both are in place.
    for at in 1 2 3; do
        cp a.$to w.$to && cp a.$to.ids w.$to.ids
        ASKED_TWICE=1 DIES_AT_RENAME=$at LD_PRELOAD=$PWD/dies.so vlp-embed -q --convert -f -o w.$to b.$to
        for run in a b; do cmp -s $run.$to w.$to && cmp -s $run.$to.ids w.$to.ids && break; done ||
            fail "$to ended at rename $at: vectors of one run, ids of another"
        [ -z "$(find . -name 'w.*.tmp-*')" ] || fail "$to ended at rename $at: $(ls)"
    done
done

# Where the vectors cannot be replaced, the old ones keep their ids.
put_before refused <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
int rename(const char *from, const char *to)
{
    const size_t n = strlen(to);
    if (n > 5 && strcmp(to + n - 5, "w.npy") == 0) return errno = EBUSY, -1;
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
C
cp a.npy w.npy && cp a.npy.ids w.npy.ids
LD_PRELOAD=$PWD/refused.so expect 1 vlp-embed -q --lines b.txt --id-is-text -f -o "$PWD/w.npy"
same a.npy w.npy
same a.npy.ids w.npy.ids
[ -z "$(find . -name 'w.npy*.tmp-*')" ] || fail "temporary files are left"
# Where there were none, there are no ids either, and the same command can be given again.
rm w.npy w.npy.ids
LD_PRELOAD=$PWD/refused.so expect 1 vlp-embed -q --lines b.txt --id-is-text -o "$PWD/w.npy"
[ -z "$(find . -name 'w.npy*')" ] || fail "left: $(ls w.npy*)"

# Nor does one that another job has overtaken put its ids beside the other's vectors.
put_before overtaken <<'C'
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
int rename(const char *from, const char *to)
{
    const int done = ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
    if (strcmp(to, "w.npy") == 0) unsetenv("LD_PRELOAD"), system("cp b.npy t && cp b.npy.ids t.ids && mv t w.npy && mv t.ids w.npy.ids");
    return done;
}
C
rm -f w.npy w.npy.ids
LD_PRELOAD=$PWD/overtaken.so expect 1 vlp-embed -q --lines a.txt --id-is-text -f -o w.npy
says "w.npy: has been replaced by another program"
same b.npy w.npy
same b.npy.ids w.npy.ids

# Where the ids cannot be written, the vectors stay those that their ids are of.
cp a.npy w.npy && cp a.npy.ids w.npy.ids
put_before full <<'C'
#include <dlfcn.h>
#include <errno.h>
int fsync(int fd)
{
    static int n;
    if (++n == 2) return errno = ENOSPC, -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
C
LD_PRELOAD=$PWD/full.so expect 1 vlp-embed -q --lines b.txt --id-is-text -f -o w.npy
says "No space left on device"
same a.npy w.npy
same a.npy.ids w.npy.ids
left() { [ "$(ls w.*)" = "$(printf 'w.fvecs\nw.fvecs.ids\nw.npy\nw.npy.ids\nw.tsv')" ] || fail "left: $(ls w.*)"; }
left
# Nor do they keep a second name where the file without ids cannot be put.
put_before busy <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
int rename(const char *from, const char *to)
{
    static int n;
    if (++n == 1) return errno = EBUSY, -1;
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
C
LD_PRELOAD=$PWD/busy.so expect 1 vlp-embed -q --lines b.txt --id-is-text -f -o w.npy
says "w.npy.ids: Device or resource busy"
same a.npy w.npy
same a.npy.ids w.npy.ids
left

# A file system that maps no files, or no room to map one: the ids are those beside it all the same.
put_before unmapped <<'C'
#define mmap mmap_of_the_system
#include <sys/mman.h>
#undef mmap
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
void *mmap(void *at, size_t size, int may, int how, int fd, off_t from)
{
    if (fd >= 0) return errno = ENODEV, MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, may, how, fd, from);
}
C
for to in npy fvecs; do
    expect 0 vlp-embed -q --convert --format tsv a.$to
    cp stdout mapped.tsv
    LD_PRELOAD=$PWD/unmapped.so expect 0 vlp-embed -q --convert --format tsv a.$to
    same mapped.tsv stdout
done
exit 0
