# A job that was interrupted, anyhow, is continued by the same command and ends the same.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
for i in 1 2 3 4 5 6 7 8; do cp -r photos "more$i"; done
expect 0 vlp-embed -o straight.vle photos more*
expect 0 vlp-embed --format tsv -o straight.tsv photos more*
# Stopped by time: status 6 until it is done.
until_done() { # STATUS MOST COMMAND...: ends with it after at most MOST stops, their number in n
    local last=$1 most=$2 status
    shift 2
    n=0
    while :; do
        "$@" 2>stderr
        status=$?
        [ $status -eq "$last" ] && return
        [ $status -eq 6 ] || fail "status $status: $(cat stderr)"
        n=$((n + 1))
        [ $n -le "$most" ] || fail "not done after $most stops"
    done
}
until_done 0 499 vlp-embed -q --max-time 0.005 -j1 -b2 -o timed.vle photos more*
[ $n -gt 0 ] || fail "was not stopped"
# Only what can be continued is stopped by time; elsewhere the same command would never end.
for to in "-o timed.npy" "-o timed.tsv" "--format jsonl" "-o - --format vle" "-o /dev/null"; do
    expect 2 vlp-embed --max-time 100 $to photos
    says "--max-time works on a stream in a file: -o FILE.vle"
done
[ -e timed.npy ] && fail "something was begun"
expect 2 vlp-embed -f --max-time 100 -o forced.vle photos
says "-f would start over each time"
# A time may say its unit.
for time in 0.00001s 0.0000001m 0.000000001h; do
    rm -f late.vle
    expect 6 vlp-embed -q -j1 -b1 --max-time $time -o late.vle photos
done
expect 0 vlp-embed -q -j1 -b1 --max-time 1h -o late.vle photos
for time in 1d s 1.5.m; do
    expect 2 vlp-embed --max-time $time -o late.vle photos
    says "--max-time wants a time, not '$time'"
done
# Records that cannot be used are tried by every run, and do not count as what each of them adds.
for i in 1 2 3 4 5 6; do echo "no picture" >"bad$i.png"; done
for add in "" --add; do
    rm -f behind.vle
    [ -z "$add" ] || expect 0 vlp-embed -q -o behind.vle more1/p00.png
    # shellcheck disable=SC2086 # an option or none
    until_done 3 12 vlp-embed -q --max-time 0.00001 -j1 -b1 $add -o behind.vle bad*.png photos
    [ $n -ge 11 ] || fail "was stopped $n times"
    [ "$(grep -c 'not a picture' stderr)" -eq 6 ] || fail "$(cat stderr)"
done
# Killed at any moment.
for delay in 0.01 0.03 0.05 0.08 0.1 0.15; do
    vlp-embed -q -j1 -b1 -o killed.vle photos more* 2>/dev/null &
    pid=$!
    sleep $delay
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
done
expect 0 vlp-embed -q -o killed.vle photos more*
# A torn tail.
head -c $(($(stat -c %s straight.vle) * 2 / 3)) straight.vle >torn.vle
expect 0 vlp-embed -o torn.vle photos more*
# Not even the header was written whole.
for size in 1 50 150; do
    head -c $size straight.vle >begun.vle
    expect 0 vlp-embed -q -o begun.vle photos more*
    same begun.vle straight.vle
done
# Complete: nothing to do, and other commands are refused.
cp torn.vle before
expect 0 vlp-embed -o torn.vle photos more*
says "is complete"
same torn.vle before
expect 2 vlp-embed -o torn.vle photos
says "-f overwrites it"
expect 4 vlp-embed --flavour openai -o torn.vle photos more*
# Not when the disk has not taken it, however much of it can be read: the same command tries again.
put_before unsettled <<'C'
#include <errno.h>
int fdatasync(int fd)
{
    (void)fd;
    return errno = EIO, -1;
}
C
for from in 0 $(($(stat -c %s straight.vle) - 64)); do
    rm -f settled.vle
    [ "$from" -eq 0 ] || head -c "$from" straight.vle >settled.vle
    LD_PRELOAD=$PWD/unsettled.so expect 1 vlp-embed -q -o settled.vle photos more*
    says "settled.vle: Input/output error"
    expect 0 vlp-embed -o settled.vle photos more*
    grep -q "is complete" stderr && fail "passes for complete"
    same straight.vle settled.vle
done
# SIGTERM: valid as far as it goes, 128 + 15.
(vlp-embed -j1 -b1 -o term.vle photos more* photos more* photos more* photos more* 2>stderr & 
 pid=$!; sleep 0.06; kill -TERM $pid; wait $pid; echo $? >status)
[ "$(cat status)" -eq 143 ] || [ "$(cat status)" -eq 0 ] || fail "status $(cat status)"
expect 0 vlp-embed -o term.vle photos more* photos more* photos more* photos more*
# All hold the same records in the same order.
for file in straight timed killed torn; do
    expect 0 vlp-embed --convert -f -o "$file.check.tsv" "$file.vle"
    same straight.tsv "$file.check.tsv"
done
expect 0 vlp-embed --format tsv photos more* photos more* photos more* photos more*
cp stdout long.tsv
expect 0 vlp-embed --convert --format tsv term.vle
same long.tsv stdout
