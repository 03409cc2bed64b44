# stdin, stdout, terminals and files: nothing is mixed, nothing lost, nothing written by surprise.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -q -r -o photos.vle photos
# One stream has one user.
expect 2 vlp-embed --templates-from - --lines -
says "--templates-from and --lines both want standard input"
expect 2 vlp-match --lines - -
says "--lines and INDEX both want standard input"
while IFS='|' read -r command what; do
    expect 2 $command
    says "$what is - twice: both want standard input"
    says "Try '${command%% *} --help'."
done <<'LIST'
vlp-match --text x - -|INDEX
vlp-match --image - --text x --image - photos.vle|--image
vlp-embed - photos -|INPUT
vlp-classify -l a,b - -|PICTURE
vlp-classify -l a,b -E - -E -|-E
vlp-train -m model -o run - -|DATA
LIST
expect 2 vlp-match --image - -
says "--image and INDEX both want standard input"
expect 2 vlp-classify --labels-from - --files-from -
says "--labels-from and --files-from both want standard input"
expect 2 vlp-classify -l a,b --html - -o - photos/p00.png
says "-o and --html both want standard output"
expect 2 vlp-classify -l a,b --html - --confusion - photos/p00.png
expect 0 vlp-classify -q -l a,b --html - photos/p00.png # results give way
[ "$(head -c 15 stdout)" = '<!DOCTYPE html>' ] || fail "results before the page"
expect 0 vlp-match -q --text x --html - photos.vle
[ "$(head -c 15 stdout)" = '<!DOCTYPE html>' ] || fail "results before the page"
expect 0 vlp-classify -q -l a,b --save-classifier - photos/p00.png
mv stdout classes.vle
expect 0 vlp-embed -q --convert -o saved.vle classes.vle
expect 2 vlp-embed --failed - photos/p00.png
says "-o and --failed both want standard output"
# A model, a picture: - is stdin there as well, through a pipe and from a file.
expect 0 vlp-embed -q --format tsv photos/p00.png
mv stdout plain
expect 0 vlp-model convert -q -o model.safetensors
cat model.safetensors | expect 0 vlp-embed -q -m - --format tsv photos/p00.png
same plain stdout
expect 0 vlp-embed -q -m - --format tsv photos/p00.png <model.safetensors
same plain stdout
cat model.safetensors | expect 0 vlp-model inspect -
cat photos/p03.png | expect 0 vlp-match --image - -k 1 photos.vle
[ "$(cut -f 1,4 stdout)" = "$(printf -- '-\tphotos/p03.png')" ] || fail "$(cat stdout)"
expect 2 vlp-embed -m - --lines -
says "-m and --lines both want standard input"
# What is no file is not overwritten: devices need no -f.
expect 0 vlp-match -q --text x -o /dev/null photos.vle
expect 0 vlp-classify -q -l a,b -o /dev/null photos.vle
expect 1 vlp-match -q --text x -o /dev/full photos.vle
says "No space left"
expect 1 vlp-match -q --text x photos.vle --html /dev/full
# A place that cannot be written is found before the work, not after it; nothing is left where it can.
for place in nowhere/file photos.vle/file "$(printf '%0300d' 0)" photos; do
    for file in '--html' '--report' '--confusion' '-o'; do
        expect 1 vlp-classify -q -l a,b --truth photos.vle $file "$place" photos.vle
        says "$place: "
        [ ! -s stdout ] || fail "$file $place: after the work"
    done
    expect 1 vlp-classify -q --sweep --fit nothing.vle --save-classifier "$place"
    says "$place: "
    expect 1 vlp-match -q --lines nothing.txt --html "$place" photos.vle
    says "$place: "
    expect 1 vlp-model convert -q -m nothing -o "$place"
    says "$place: "
    expect 1 vlp-train -q --config <(echo '{"data": ["nothing"]}') -o run --plot "$place"
    says "$place: "
    [ "$place" = photos ] && continue
    expect 1 vlp-match -q --lines nothing.txt --link-to "$place" photos.vle
    says "$place: "
    expect 1 vlp-model convert -q --to hf -m nothing -o "$place"
    says "$place: "
    expect 1 vlp-train -q --config <(echo '{"data": ["nothing"]}') -o "$place"
    says "$place: "
done
expect 2 vlp-classify -q -l a,b -f -o one --html one photos.vle
says "one: named for two outputs"
ln -s one alias
for other in ./one "$PWD/one" alias; do
    expect 2 vlp-classify -q -l a,b -f -o one --html $other photos.vle
    says "one: named for two outputs"
    expect 2 vlp-classify -q -l a,b -o one --failed $other photos.vle
    says "$other: named for two outputs"
    expect 2 vlp-embed -q -o one --failed $other photos/p00.png
    says "$other: named for two outputs"
    expect 2 vlp-model preprocess -q -o one --failed $other photos/p00.png
    says "$other: named for two outputs"
    expect 2 vlp-match -q --text a -o one --html $other photos.vle
    says "one: named for two outputs"
done
[ ! -e one ] || fail "something was made"
expect 0 vlp-classify -q -l a,b -o /dev/null --html /dev/null photos.vle
[ ! -e run ] && [ -z "$(find . -name '*tmp-*')" ] || fail "$(ls)"
echo bad >bad.png
expect 1 vlp-embed -q bad.png photos/p00.png -o x.vle --failed /dev/full
says "/dev/full: No space left"
# What is written through a link goes where the link leads, whatever the format, and the link stays.
mkdir disk
for to in link.vle link.tsv link.npy link.safetensors; do
    ln -s disk/first-$to second-$to
    ln -s second-$to $to
    case $to in
    *.safetensors) set -- vlp-model convert -q ;;
    *) set -- vlp-embed -q photos/p00.png ;;
    esac
    for force in "" -f; do # new, and overwritten
        expect 0 "$@" $force -o $to
        [ -L $to ] && [ -L second-$to ] && [ -s disk/first-$to ] || fail "$to: $(ls -l . disk)"
    done
    compgen -G "disk/*tmp*" >/dev/null && fail "$(ls disk)"
done
[ -s disk/first-link.npy.ids ] && [ ! -e link.npy.ids ] || fail "ids are not beside their array"
for array in link.npy second-link.npy disk/first-link.npy; do # read through links as well
    expect 0 vlp-embed -q --convert --format tsv $array
    [ "$(cut -f 1 stdout)" = photos/p00.png ] || fail "$array: $(cut -f 1 stdout)"
done
mv disk/first-link.npy.ids link.npy.ids
expect 0 vlp-embed -q --convert --format tsv link.npy
[ "$(cut -f 1 stdout)" = photos/p00.png ] || fail "ids beside a link: $(cut -f 1 stdout)"
expect 0 vlp-embed -q --add photos/p01.png -o link.vle
[ -L link.vle ] || fail "--add replaced the link"
ln -s disk/none none.vle
expect 1 vlp-embed -q photos/p99.png -o none.vle
[ -L none.vle ] && [ ! -e disk/none ] || fail "of nothing: $(ls -l . disk)"
echo bad >bad.png
ln -s disk/failed-2 failed-1
ln -s failed-1 failed-link
for i in 1 2; do # new, and replaced
    expect 3 vlp-embed -q bad.png photos/p00.png -f -o x.vle --failed failed-link
    [ -L failed-link ] && [ "$(cut -f 1 disk/failed-2)" = bad.png ] || fail "$i: $(ls -l . disk)"
done
rm disk/failed-2
expect 1 vlp-embed -q photos/p00.png --format tsv -o /dev/full --failed failed-link
[ -L failed-link ] && [ ! -e disk/failed-2 ] || fail "of nothing: $(ls -l . disk)"
# What is overwritten is as secret as it was, whatever the format.
for to in own.vle own.tsv own.npy; do
    expect 0 vlp-embed -q photos/p00.png -o $to
    (umask 077 && chmod 664 $to && expect 0 vlp-embed -q photos/p00.png -f -o $to) || exit 1
    [ "$(stat -c %a $to)" = 664 ] || fail "$to: $(stat -c %a $to)"
    chmod 600 $to
    expect 0 vlp-embed -q photos/p00.png -f -o $to
    [ "$(stat -c %a $to)" = 600 ] || fail "$to: $(stat -c %a $to)"
done
# To ask for the umask is to change it for a moment, under the hands of other threads.
put_before umasked <<'C'
#include <stdlib.h>
#include <sys/stat.h>
mode_t umask(mode_t mask)
{
    (void)mask;
    abort();
}
C
for to in asked.vle asked.tsv asked.npy; do
    (umask 027 && expect 0 env LD_PRELOAD="$PWD/umasked.so" vlp-embed -q photos/p00.png -o $to) || exit 1
    [ "$(stat -c %a $to)" = 640 ] || fail "$to: $(stat -c %a $to)"
done
# The name of a new file is on the disk as surely as its bytes.
put_before synced <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
int fsync(int fd)
{
    struct stat st;
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) fclose(fopen("synced", "w"));
    return next(fd);
}
C
for format in vle tsv; do
    expect 0 env LD_PRELOAD="$PWD/synced.so" vlp-embed -q photos/p00.png -o sure.$format
    rm synced || fail "the folder of sure.$format was not synced"
done
# --failed replaces a list of its own, and no other file.
expect 3 vlp-embed -q bad.png photos/p00.png -f -o x.vle --failed failed.tsv
cp failed.tsv first.tsv
expect 0 vlp-embed -q photos/p00.png -f -o x.vle --failed failed.tsv
[ -s failed.tsv ] && fail "an old list stays"
expect 3 vlp-embed -q bad.png photos/p00.png --format tsv --failed failed.tsv
same failed.tsv first.tsv
expect 2 vlp-embed -q bad.png photos/p00.png -o photos.vle --failed failed.tsv
same failed.tsv first.tsv
echo 'dear diary' >diary
expect 2 vlp-embed -q bad.png photos/p00.png --format tsv --failed diary
says "diary: exists"
# A list that is its own input stays as it was until it has been read to its end.
printf 'bad.png\nphotos/p01.png\nphotos/p02.png\n' | sed 's/$/\tio\tno disk/' >failed.tsv
cp failed.tsv first.tsv
expect 5 vlp-embed -q --format tsv --on-error stop --failed failed.tsv --files-from failed.tsv
same failed.tsv first.tsv
expect 6 vlp-embed -j1 -b1 --max-time 0.00001 -o z.vle --failed failed.tsv --files-from failed.tsv
same failed.tsv first.tsv
expect 5 vlp-classify -q -l a,b --on-error stop --failed failed.tsv --files-from failed.tsv
same failed.tsv first.tsv
for part in "--limit 1" "--shard 1/2"; do
    expect 2 vlp-embed -q --format tsv $part --failed ./failed.tsv --files-from failed.tsv
    says "its other names would be lost"
    same failed.tsv first.tsv
done
# ... nor where what was made of its names could not be written.
printf 'photos/p01.png\nphotos/p02.png\n' | sed 's/$/\tio\tno disk/' >mended.tsv
cp mended.tsv second.tsv
expect 1 vlp-embed -q --format tsv -o /dev/full --failed mended.tsv --files-from mended.tsv
same mended.tsv second.tsv
expect 1 vlp-classify -q -l a,b -o /dev/full --failed mended.tsv --files-from mended.tsv
same mended.tsv second.tsv
expect 3 vlp-embed -o z.vle --failed failed.tsv --files-from failed.tsv
[ "$(cut -f 1 failed.tsv)" = bad.png ] || fail "$(cat failed.tsv)"
# One that all inputs went into is whole, even if nothing else came of them.
expect 5 vlp-embed -q bad.png --format tsv --failed failed.tsv
expect 5 vlp-classify -q -l a,b bad.png --failed failed.tsv
[ "$(cut -f 1 failed.tsv)" = bad.png ] || fail "$(cat failed.tsv)"
# Where there was none, what was named before the stop is kept, and an empty one is not left.
expect 5 vlp-embed -q bad.png photos --format tsv --on-error stop --failed new.tsv
[ "$(cut -f 1 new.tsv)" = bad.png ] || fail "$(cat new.tsv)"
rm -f new.tsv z.vle
expect 6 vlp-embed -q -j1 -b1 --max-time 0.00001 -o z.vle --failed new.tsv photos
[ -e new.tsv ] && fail "an empty list of half a job"
# A pipe that is given for it is not ours to remove.
mkfifo pipe
cat pipe >/dev/null &
expect 2 vlp-embed -q -o photos.vle --failed pipe photos/p00.png
[ -p pipe ] || fail "the pipe is gone"
wait
expect 3 vlp-embed -q bad.png photos/p00.png -o y.vle --failed -
prints "$(printf 'bad.png\tformat\t')"
# A name with a tab is told once, masked on the terminal, whole in the list.
cp bad.png $'a\tb.png'
expect 3 vlp-embed -q $'a\tb.png' photos/p00.png --format tsv --failed tab.tsv
says "vlp-embed: a?b.png: not a picture"
[ "$(head -c 26 tab.tsv)" = 'a\tb.png	format	not a pict' ] || fail "$(cat tab.tsv)"
# Closed descriptors: the file gets its own number, and nothing else is written into it.
expect 0 vlp-embed -q -f -o plain.vle photos/p00.png
vlp-embed -v -f -o closed.vle photos/p00.png <&- >&- 2>&- || fail "closed descriptors"
same plain.vle closed.vle
# Binary to a terminal, however it is named, where a terminal can be had.
script -qec true /dev/null </dev/null >/dev/null 2>&1 || exit 0
on_terminal() { # COMMAND: its output and status
    script -qec "$1" /dev/null </dev/null >typed 2>&1
}
for command in 'vlp-embed -q photos/p00.png' 'vlp-embed -q -o /dev/tty photos/p00.png' \
    'vlp-embed -q --format npy -o /dev/stdout photos/p00.png' 'vlp-embed --convert photos.vle' \
    'vlp-model preprocess photos/p00.png' 'vlp-model import -q -o - $GOLDEN/clip/openai-vit/model.pt' \
    'vlp-model convert -q -o /dev/tty' 'vlp-classify -q -l a,b --save-classifier -'; do
    on_terminal "$command"
    [ $? -eq 2 ] || fail "not refused: $command"
    grep -q 'binary data would go to the terminal: give a file, a pipe, or -f' typed || fail "$command: $(cat -v typed)"
    grep -q "Try 'vlp-[a-z ]* --help'" typed || fail "$command: $(cat -v typed)"
done
on_terminal 'vlp-embed -q -f photos/p00.png' || fail "-f does not force"
exit 0
