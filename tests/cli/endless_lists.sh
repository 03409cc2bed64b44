# Lists without end, or of lines that are none, end in time and in little memory.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -q -o e.vle photos/p00.png photos/p01.png
# The address sanitizer takes more than that for itself.
(ulimit -v 4000000 && vlp-embed --version) >version 2>&1 && ulimit -v 4000000
for option in files-from lines; do
    expect 5 vlp-embed -q --format tsv --$option /dev/zero && says "/dev/zero: a line of more than 1073741824 bytes"
done
expect 5 vlp-embed -q --format tsv --input-format tsv /dev/zero && says "/dev/zero: a line of more than"
for option in lines ids-from files-from queries-from; do
    expect 5 vlp-match --$option /dev/zero e.vle && says "/dev/zero: a line of more than 1073741824 bytes"
done
expect 5 vlp-model tokenize --lines /dev/zero && says "/dev/zero: a line of more than 1073741824 bytes"
expect 5 vlp-train --config /dev/zero && says "/dev/zero: longer than 16777216 bytes"

# So do pictures that come through a pipe.
yes | expect 5 vlp-model preprocess -o never.png - && says "longer than 268435456 bytes"
expect 5 vlp-model preprocess -o never.png <(yes) && says "longer than 268435456 bytes"
yes | expect 5 vlp-match --image - e.vle && says "longer than 268435456 bytes"
[ -e never.png ] && fail "a picture of what never ends"
expect 0 vlp-model preprocess -o file.png photos/p00.png
vlp-model preprocess -o piped.png - <photos/p00.png || fail "stdin is a file"
same file.png piped.png
cat photos/p00.png | vlp-model preprocess -f -o piped.png - || fail "stdin is a pipe"
same file.png piped.png

# A line that is too long, or has a NUL in it, is named; the others count.
{ echo one; head -c 2000000 /dev/zero; echo; printf 'a\0b\ntwo\n'; head -c 2000000 /dev/zero | tr '\0' x; echo; } >texts
expect 3 vlp-embed --format tsv --lines texts
says "line 2 is longer than 1048576 bytes"
says "line 3 contains a NUL byte"
says "line 5 is longer than 1048576 bytes"
[ "$(cut -f 1 stdout | tr '\n' ' ')" = "1 4 " ] || fail "$(cut -f 1 stdout)"
expect 3 vlp-match -k 1 --lines texts e.vle
says "texts:2: line 2 is longer than 1048576 bytes"
says "texts:3: line 3 contains a NUL byte"
[ "$(cut -f 1 stdout | tr '\n' ' ')" = "one two " ] || fail "$(cut -f 1 stdout)"
expect 3 vlp-model tokenize --lines texts
says "text 2: is longer than 1048576 bytes"
says "text 3: contains a NUL byte"
[ "$(cut -c 1-5 stdout | tr '\n' ' ')" = "49406   49406  " ] || fail "$(cut -c 1-5 stdout)"

# The first signal is enough, in the middle of a line too.
mkfifo pipe
tr -d '\n' <<<"$(seq 9999)" >some
(while cat some; do :; done) >pipe 2>/dev/null &
writer=$!
vlp-embed -q -o stopped.vle --files-from pipe 2>stderr &
child=$!
sleep 0.5
kill -TERM $child 2>/dev/null
wait $child
[ $? -eq 143 ] || fail "SIGTERM ended with another status"
kill $writer 2>/dev/null
exit 0
