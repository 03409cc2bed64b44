# A list of members of a shard gives, line by line, what each line gives alone, and the shard is
# walked through once for it, in whatever order the members are asked for.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
mkdir in && cd in || exit 1
i=10
for p in ../photos/*.png ../photos/*.png; do
    cp "$p" $i.png && truncate -s +100000 $i.png # what follows the picture is not looked at
    i=$((i + 1))
done
printf 'one\ntwo\n' >12.txt
echo '{"caption": "three"}' >13.json
echo 'a word' >14b.txt
echo 4 >15.cls
cp 16.png 16.jpg                    # a second picture of one stem
ln -s 10.png 20.png -f
tar cf ../s.tar -- *
cd .. || exit 1
cp photos/p03.png later.png
tar rf s.tar --transform 's,.*,in-17.png,' later.png
tar rf s.tar --transform 's,.*,10.png,' later.png # the first of a name is meant
gzip -k s.tar
truncate -s 1500000 cut.tar && dd if=s.tar of=cut.tar bs=1500000 count=1 conv=notrunc status=none

members() { printf '%s\n' 10.png 11.png nothing.png 12.png 12.png#2 13.png 14.png 14b.txt 14b.png 15.png 16.png \
    16.jpg 17.png 18.png 20.png in-17.png 33.png 10.png 31.png 21.png absent.png 12.png; }
members >order
members | tac >back
members | LC_ALL=C sort -R --random-source=<(yes) >shuffled
for shard in s.tar s.tar.gz cut.tar; do
    : >alone.tsv && : >alone.failed
    for m in $(cat order); do
        echo "$shard!$m" >one
        vlp-embed -q --captions --format jsonl --files-from one -f --failed one.failed 2>/dev/null >one.out
        printf '%s\n' "$m" >>alone.tsv && cat one.out >>alone.tsv
        cat one.failed >>alone.failed
    done
    for list in order back shuffled; do
        : >want && : >want.failed
        for m in $(cat $list); do
            awk -v m="$m" '!/^\{/ { on = $0 == m && !done; if (on) done = 1; next } on' alone.tsv >>want
        done
        sed "s,^,$shard!," $list >lines
        vlp-embed -q --captions --format jsonl --files-from lines -f --failed got.failed 2>stderr >got
        cmp -s got want || fail "$shard, $list: $(diff got want | cut -c1-200 | head -5)"
        sort alone.failed >a && sort got.failed | cmp -s - a || fail "$shard, $list: failures: $(sort got.failed | diff - a)"
    done
done

# How much of the shard is read.
put_before count <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static _Atomic long n;
ssize_t read(int fd, void *to, size_t most)
{
    const ssize_t got = ((ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read"))(fd, to, most);
    if (got > 0) n += got;
    return got;
}
__attribute__((destructor)) static void tell(void)
{
    FILE *f = fopen("count", "w");
    if (f) fprintf(f, "%ld\n", n), fclose(f);
}
C
seq -f 's.tar!%g.png' 30 -1 21 >lines
LD_PRELOAD=$PWD/count.so vlp-embed -q --files-from lines -o none.tsv -f || fail "status $?"
size=$(stat -c %s s.tar)
[ "$(cat count)" -lt $((size * 3 / 2)) ] || fail "$(cat count) bytes are read of a shard of $size"
echo 's.tar!31.png' >lines
LD_PRELOAD=$PWD/count.so vlp-embed -q --files-from lines -o none.tsv -f || fail "status $?"
[ "$(cat count)" -lt $((size / 2)) ] || fail "$(cat count) bytes are read for one member of a shard of $size"
exit 0
