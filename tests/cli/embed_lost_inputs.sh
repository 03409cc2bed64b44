# An input that is damaged or not there takes no other with it: it is named, the status tells, and
# the same command, run again, adds what was missing.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
(cd photos && tar -cf ../whole.tar p00.png p01.png p02.png)
head -c 3000 whole.tar >shard.tar
expect 5 vlp-embed -o out.vle --failed failed.tsv photos/p05.png shard.tar photos/p06.png
says "shard.tar: damaged"
says "the same command tries again"
expect 0 cut -f 1,2 failed.tsv
prints "$(printf 'shard.tar\tformat')"
expect 3 vlp-embed --convert --format tsv out.vle
[ "$(cut -f 1 stdout | tr '\n' ' ')" = "photos/p05.png shard.tar!p00.png photos/p06.png " ] ||
    [ "$(cut -f 1 stdout | tr '\n' ' ')" = "photos/p05.png photos/p06.png " ] || fail "$(cut -f 1 stdout)"
cp whole.tar shard.tar
expect 0 vlp-embed -o out.vle photos/p05.png shard.tar photos/p06.png
expect 0 vlp-embed --convert --format tsv out.vle
[ "$(wc -l <stdout)" -eq 5 ] || fail "not five records"
# Cut where a member ends it is cut all the same: nobody knows what belonged to the last one.
size=0
for i in 0 1; do
    size=$((size + 512 + ($(stat -c %s photos/p0$i.png) + 511) / 512 * 512))
done
head -c $size whole.tar >shard.tar
expect 5 vlp-embed -o edge.vle shard.tar
says "without tar's end mark: cut off? 'p01.png' is left out"
says "the same command tries again"
expect 3 vlp-embed --convert --format tsv edge.vle
[ "$(wc -l <stdout)" -eq 1 ] || fail "not one record"
cp whole.tar shard.tar
expect 0 vlp-embed -o edge.vle shard.tar
expect 0 vlp-embed --convert --format tsv edge.vle
[ "$(wc -l <stdout)" -eq 3 ] || fail "not three records"
head -c $size whole.tar >shard.tar
expect 5 vlp-embed --update -o edge.vle shard.tar
says "2 records are kept"
# One that was made without the mark gives all it has, and can be given the mark.
head -c 1024 /dev/zero >>shard.tar
expect 0 vlp-embed --update -o edge.vle shard.tar
says "1 deleted"
# The list of --failed names the shard, and can be its own input.
head -c 3000 whole.tar >shard.tar
expect 5 vlp-embed --format tsv --failed failed.tsv --files-from failed.tsv
[ "$(wc -l <failed.tsv)" -eq 1 ] || fail "$(cat failed.tsv)"
# One of a list; a table that is not there; --on-error stop.
printf 'shard.tar\nnone.csv\nphotos/p03.png\n' >list
expect 5 vlp-embed -q --format tsv --files-from list
prints "photos/p03.png"
says "none.csv: No such file"
expect 1 vlp-embed -q --format tsv none.csv photos/p03.png
prints "photos/p03.png"
expect 1 vlp-embed -q --format tsv --on-error stop none.csv photos/p03.png
[ -s stdout ] && fail "did not stop"
expect 5 vlp-classify -q -l a,b shard.tar photos/p03.png
prints "photos/p03.png"
# A table whose columns cannot be told is lost alone, and found again when it is mended.
printf 'id\tlabel\n1\ta\n' >bad.tsv
expect 5 vlp-embed -o columns.vle --failed failed.tsv photos/p00.png bad.tsv photos/p01.png
says "which column holds pictures or texts?"
expect 0 cut -f 1,2 failed.tsv
prints "$(printf 'bad.tsv\tformat')"
printf 'id\ttext\n1\ta\n' >bad.tsv
expect 0 vlp-embed -o columns.vle photos/p00.png bad.tsv photos/p01.png
expect 0 vlp-embed --convert --format tsv columns.vle
[ "$(cut -f 1 stdout | tr '\n' ' ')" = "photos/p00.png photos/p01.png 1 " ] || fail "$(cut -f 1 stdout)"
printf 'id\tlabel\n1\ta\n' >bad.tsv
expect 2 vlp-embed -o alone.vle bad.tsv
[ -e alone.vle ] && fail "something was begun"
# A table that ends within a row: a copy that was not finished, of which nobody knows what is missing.
cut_off() { # NAME, whose whole text is in whole-NAME
    cp "whole-$1" "$1"
    expect 0 vlp-embed -f --only text -o cut.vle "$1"
    says "0 pictures, 4 texts"
    head -c -"$2" "whole-$1" >"$1"
    expect 5 vlp-embed --only text --update -o cut.vle "$1"
    says "$1: "
    says "$3"
    says "kept: an input that may hold"
    expect 0 vlp-embed --convert --format tsv cut.vle
    [ "$(wc -l <stdout)" -eq 4 ] || fail "$1: not four records"
    expect 5 vlp-embed -f --only text -o first.vle "$1"
    says "the same command tries again"
    expect 5 vlp-classify -q -l a,b "$1"
    expect 5 vlp-train --check -b 2 -m "$VLP_MODEL" "$1"
    says "$3"
    cp "whole-$1" "$1"
    expect 0 vlp-embed --only text -o first.vle "$1"
    expect 0 vlp-embed --convert --format tsv first.vle
    [ "$(wc -l <stdout)" -eq 4 ] || fail "$1: not four records in the end"
}
for i in 0 1 2 3; do
    printf '{"id": "r%s", "image": "photos/p0%s.png", "caption": "number %s"}\n' $i $i $i
done >whole-t.jsonl
sed 's/.*"\(r.\)".*"\(photos.*png\)".*"\(number .\)".*/\1,\2,"\3"/; 1i id,image,caption' whole-t.jsonl >whole-t.csv
tr -d '"' <whole-t.csv | tr , '\t' >whole-t.tsv
(echo '['; sed '$!s/$/,/' whole-t.jsonl; echo ']') >whole-t.json
cut_off t.jsonl 20 'line 4: the file ends inside a record'
cut_off t.jsonl 100 'line 3: the file ends inside a record'
cut_off t.json 20 'the file ends inside a record'
cut_off t.csv 5 'the row in line 5 never ends'
cut_off t.csv 13 'line 5: the file ends inside a record'
cut_off t.tsv 12 'line 5: the file ends inside a record'
# A folder that is not there yet: the file waits for it, and takes it when it comes.
mkdir a && cp photos/p00.png a
expect 1 vlp-embed -r -o waits.vle --failed failed.tsv a b
says "b: No such file or directory"
says "the same command tries again"
expect 0 cut -f 1,2 failed.tsv
prints "$(printf 'b\tio')"
expect 3 vlp-embed --convert --format tsv waits.vle
mkdir b && cp photos/p01.png b
expect 0 vlp-embed -r -o waits.vle a b
expect 0 vlp-embed --convert --format tsv waits.vle
[ "$(cut -f 1 stdout | tr '\n' ' ')" = "a/p00.png b/p01.png " ] || fail "$(cut -f 1 stdout)"
printf 'id\ttext\n1\ta\n' >t.tsv
mv b c
expect 1 vlp-embed -r -o pairs.vle t.tsv b
echo b >list
expect 1 vlp-embed -r -o listed.vle --files-from list a
mv c b
expect 0 vlp-embed -r -o pairs.vle t.tsv b
says "1 picture, 0 texts"
expect 0 vlp-embed -r -o listed.vle --files-from list a
says "1 picture, 0 texts"
# One that is gone for now does not change what kind of file it is.
mv b c
for merge in --update --add; do
    cp photos/p02.png "a/new$merge.png"
    expect 1 vlp-embed -r $merge -o waits.vle a b
    says "1 picture, 0 texts"
done
mv c b
expect 0 vlp-embed -r --update -o waits.vle a b
says "0 pictures, 0 texts"
expect 0 vlp-embed --convert --format tsv waits.vle
[ "$(wc -l <stdout)" -eq 4 ] || fail "not four records"
mv b c
expect 1 vlp-embed -r --update -o waits.vle a b
says "1 record is kept: an input that may hold it could not be read"
mv c b
# A picture that is not there is a record like any other.
expect 3 vlp-embed -o single.vle a/p00.png none.png
expect 0 vlp-embed -o single.vle a/p00.png none.png
says "is complete"
# Nor is one of a list another thing for having no ending; with -r names there may be folders.
for i in 1 2 3 4; do
    cp "photos/p0$i.png" "n$i"
    echo "n$i"
done >list
printf 'n1\nn3\n' >short
expect 0 vlp-embed -o names.vle --files-from list
mv n3 away
cp names.vle fewer.vle
expect 3 vlp-embed --update -o names.vle --files-from list
says "n3: No such file or directory"
grep -q 'is kept\|are kept' stderr && fail "$(cat stderr)"
expect 0 vlp-embed --convert --format tsv names.vle
[ "$(wc -l <stdout)" -eq 4 ] || fail "not four records"
expect 3 vlp-embed --update -o fewer.vle --files-from short
says "2 deleted"
expect 0 vlp-embed --convert --format tsv fewer.vle
[ "$(cut -f 1 stdout | tr '\n' ' ')" = "n1 n3 " ] || fail "$(cut -f 1 stdout)"
expect 3 vlp-embed -o fresh.vle --files-from list
expect 0 vlp-embed --convert --format tsv fresh.vle
[ "$(wc -l <stdout)" -eq 3 ] || fail "not three records"
for i in 1 2 3; do
    expect 3 vlp-embed --shard $i/3 --format tsv --files-from list
done
expect 3 vlp-classify -q -l a,b --files-from list
expect 1 vlp-embed -r --format tsv --files-from list
expect 1 vlp-embed --format tsv n1 n3
expect 1 vlp-classify -q -l a,b n1 n3
mv away n3
# --update never takes an unreadable input for one whose records are gone.
expect 0 vlp-embed -r --update -f -o up.vle photos whole.tar
cp up.vle before.vle
mv photos away
expect 1 vlp-embed -r --update -o up.vle photos whole.tar
says "12 records are kept"
head -c 3000 whole.tar >cut.tar
mv away photos
mv whole.tar keep.tar
mv cut.tar whole.tar
expect 5 vlp-embed -r --update -o up.vle photos whole.tar
says "records are kept"
mv keep.tar whole.tar
rm photos/p11.png
expect 0 vlp-embed -r --update -o up.vle photos whole.tar
says "1 deleted"
expect 0 vlp-embed --convert --format tsv up.vle
[ "$(wc -l <stdout)" -eq 14 ] || fail "not fourteen records"
# What is lost is lost to every shard: none declares itself complete, none deletes.
head -c $size whole.tar >cut.tar
for i in 1 2; do
    expect 5 vlp-embed --only image --shard $i/2 -o "part$i.vle" cut.tar
    says "the same command tries again"
done
cp whole.tar cut.tar
for i in 1 2; do
    expect 0 vlp-embed --only image --shard $i/2 -o "part$i.vle" cut.tar
done
cat part1.vle part2.vle >parts.vle
expect 0 vlp-embed --convert --format tsv parts.vle
[ "$(wc -l <stdout)" -eq 3 ] || fail "not three records"
head -c $size whole.tar >cut.tar
echo cut.tar >list
for i in 1 2; do
    expect 5 vlp-embed --update --only image --shard $i/2 -o parts.vle cut.tar
    expect 5 vlp-embed --update --shard $i/2 -o parts.vle --files-from list
done
expect 0 vlp-embed --convert --format tsv parts.vle
[ "$(wc -l <stdout)" -eq 3 ] || fail "a shard deleted what was lost"
# A disk that is not there today, behind a link: --update keeps what came from it.
mkdir disk album
cp photos/p03.png photos/p04.png disk
cp photos/p05.png album
ln -s ../disk album/disk
expect 0 vlp-embed -r -o album.vle album
says "3 pictures"
mv disk gone
expect 3 vlp-embed -r --update -o album.vle album
says "album/disk: No such file or directory"
says "2 records are kept"
mv gone disk
expect 0 vlp-embed -r --update -o album.vle album
says "0 pictures"
expect 0 vlp-embed --convert --format tsv album.vle
[ "$(wc -l <stdout)" -eq 3 ] || fail "not three records"
# Pipes with a name are seen by their bytes, as stdin is.
expect 0 vlp-embed -q --format tsv <(cat whole.tar) <(gzip -c whole.tar) <(cat photos/p04.png)
[ "$(wc -l <stdout)" -eq 7 ] || fail "not seven records"
expect 0 vlp-embed -q --format tsv --input-format csv --base-dir photos \
    <(printf 'image,caption\np01.png,one\n')
[ "$(wc -l <stdout)" -eq 2 ] || fail "not two records"
expect 2 vlp-embed -q --format tsv <(echo 'only text')
says "is text: a list of files"
mkfifo photos/pipe.png # in a folder it is nobody's picture
expect 0 timeout 20 vlp-embed -q -r --format tsv photos

# But a list that could not be read to its end is not written anew: the names behind would be lost.
put_before unread <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#undef read
/* The read of names.tsv with the number $FAILS_AT fails. */
ssize_t read(int fd, void *to, size_t size)
{
    static int n;
    char       link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t len = readlink(link, path, sizeof path);
    if (len > 9 && memcmp(path + len - 9, "names.tsv", 9) == 0 && ++n == atoi(getenv("FAILS_AT")))
        return errno = EIO, -1;
    return ((ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read"))(fd, to, size);
}
C
printf 'photos/p00.png\tio\tit was away\nphotos/p01.png\tio\tit was away\ngone.png\tio\tnot there\n' >names.tsv
cp names.tsv before.tsv
told=0
for at in 1 2 3 4 5; do # it is read twice, first to count
    cp before.tsv names.tsv
    FAILS_AT=$at LD_PRELOAD=$PWD/unread.so vlp-embed -q --files-from names.tsv --format tsv --failed names.tsv >stdout 2>stderr &&
        fail "no failure"
    if grep -q "names.tsv: Input/output error" stderr; then
        same before.tsv names.tsv
        told=$((told + 1))
    else
        [ "$(cut -f1 names.tsv)" = gone.png ] || fail "$(cat names.tsv)"
    fi
done
[ $told -gt 0 ] || fail "no read failed"
# One of which is not even known whether it is such a list: that is told, not that it exists.
if [ "$(id -u)" -ne 0 ]; then
    chmod 200 names.tsv
    expect 1 vlp-embed -q photos/p00.png --format tsv --failed names.tsv
    says "names.tsv: Permission denied"
fi
exit 0
