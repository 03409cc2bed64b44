# SIGUSR1 tells how it goes; SIGTERM, SIGINT, SIGHUP and SIGXCPU leave a valid stream and say how to go on.
. "$ROOT/tests/cli_helpers.sh"
export VLP_MODEL=$GOLDEN/clip/end-to-end/model
wait_for() { # TEXT: until it stands in ./said
    for _ in $(seq 200); do
        grep -q "$1" said && return
        sleep 0.05
    done
    cat said >&2
    fail "never says '$1'"
}
for signal in TERM:143 INT:130 HUP:129 XCPU:152; do
    rm -f pipe said
    mkfifo pipe
    : >said
    # A shell's background job is born with SIGINT ignored, one of nohup with SIGHUP; a user's is not.
    env --default-signal=INT,HUP vlp-embed -b1 -o "${signal%:*}.vle" --lines pipe 2>said &
    pid=$!
    exec 3>pipe
    printf 'one\ntwo\nthree\n' >&3
    for _ in $(seq 200); do # until all three have been read and encoded
        kill -USR1 $pid
        grep -q '3 records' said && break
        sleep 0.05
    done
    wait_for '3 records'
    kill -"${signal%:*}" $pid
    wait_for 'stopping after what is under way'
    wait $pid
    status=$?
    exec 3>&-
    [ $status -eq "${signal#*:}" ] || fail "status $status after $signal"
    wait_for "the same command continues ${signal%:*}.vle"
    printf 'one\ntwo\nthree\nfour\n' >pipe &
    expect 0 vlp-embed -b1 -o "${signal%:*}.vle" --lines pipe
    says "3 were there already"
    expect 0 vlp-embed --convert --format tsv "${signal%:*}.vle"
    [ "$(wc -l <stdout)" -eq 4 ] || fail "not four records"
done
# The end of a terminal and that of the CPU time are told more than once, and hurry nobody: what is
# under way (here: a pipe that takes nothing) is finished. Under nohup the terminal's end is nothing.
yes 'a text' | head -3000 >many
for signal in HUP:129 XCPU:152; do
    rm -f pipe said
    mkfifo pipe
    exec 3<>pipe
    env --default-signal=HUP vlp-embed -b1 --format tsv --lines many >pipe 2>said &
    pid=$!
    read -r -N 1 -t 60 -u 3 || fail "nothing is written"
    sleep 0.5 # until the pipe is full
    for _ in 1 2 3; do
        kill -"${signal%:*}" $pid
        sleep 0.1
    done
    cat <pipe >/dev/null 3>&- &
    reader=$!
    wait $pid
    status=$?
    exec 3>&-
    wait $reader
    [ $status -eq "${signal#*:}" ] || fail "status $status after $signal, again and again"
    wait_for 'stopped'
done
rm -f pipe said
mkfifo pipe
env --ignore-signal=HUP vlp-embed -b1 -o nohup.vle --lines pipe 2>said &
pid=$!
exec 3>pipe
printf 'one\n' >&3
kill -HUP $pid
printf 'two\n' >&3
exec 3>&-
wait $pid || fail "status $? after a SIGHUP under nohup"
# A conversion is written whole or not at all, and leaves nothing beside it.
printf 'one\ntwo\n' >lines
expect 0 vlp-embed -q -o some.vle --lines lines
mkfifo slow
for signal in TERM:143 INT:130 HUP:129; do
    for to in new.vle some.vle new.npy; do
        cp some.vle before.vle
        env --default-signal=INT,HUP vlp-embed --convert -f -o $to some.vle slow 2>said &
        pid=$!
        for _ in $(seq 200); do
            ls $to.tmp-* >/dev/null 2>&1 && break
            sleep 0.05
        done
        sleep 0.2 # until it waits for the second input
        kill -"${signal%:*}" $pid
        wait $pid
        status=$?
        [ $status -eq "${signal#*:}" ] || fail "status $status after $signal"
        wait_for 'stopped; a conversion begins anew'
        [ "$(ls new* *.tmp-* 2>/dev/null)" = "" ] || fail "left: $(ls)"
        same some.vle before.vle
    done
done
# Nor does a job that a signal ends at once, where it is.
touch failed.tsv
for signal in TERM:143 INT:130 HUP:129; do
    env --default-signal=INT,HUP vlp-match --groups 0.9 -f --failed failed.tsv slow 2>said &
    pid=$!
    for _ in $(seq 200); do
        ls failed.tsv.tmp-* >/dev/null 2>&1 && break
        sleep 0.05
    done
    ls failed.tsv.tmp-* >/dev/null || fail "nothing is being written"
    kill -"${signal%:*}" $pid
    wait $pid
    status=$?
    [ $status -eq "${signal#*:}" ] || fail "status $status after $signal"
    [ "$(ls failed*)" = failed.tsv ] || fail "left: $(ls failed*)"
done
# A file beyond the limit of the shell is named, and nothing is left of it.
expect 0 vlp-embed -q -o many.vle --lines many
(ulimit -f 100 && exec vlp-embed -q --convert many.vle -o many.tsv) 2>stderr
[ $? -eq 1 ] || fail "a file beyond the limit ended with another status"
says "many.tsv: File too large"
[ "$(ls many.tsv*)" = "" ] || fail "left: $(ls many.tsv*)"
# Where the system grants no thread to receive them, they do what they do by themselves.
put_before nothread <<'C'
#include <errno.h>
#include <pthread.h>
int pthread_create(pthread_t *id, const pthread_attr_t *how, void *(*run)(void *), void *arg)
{
    (void)id, (void)how, (void)run, (void)arg;
    return EAGAIN;
}
C
for signal in TERM:143 INT:130; do
    env --default-signal=INT LD_PRELOAD="$PWD/nothread.so" \
        vlp-match --groups 0.9 -f --failed failed.tsv slow &
    pid=$!
    for _ in $(seq 200); do
        ls failed.tsv.tmp-* >/dev/null 2>&1 && break
        sleep 0.05
    done
    kill -"${signal%:*}" $pid
    (sleep 10 && kill -KILL $pid) 2>/dev/null &
    late=$!
    wait $pid
    status=$?
    kill $late
    rm failed.tsv.tmp-*
    [ $status -eq "${signal#*:}" ] || fail "status $status after $signal without threads"
done
# Into a pipe that nobody reads: quietly ended by SIGPIPE.
(vlp-embed --format tsv --lines many 2>said; echo $? >status) | head -1 >first
[ -s first ] || fail "nothing came"
[ "$(cat status)" -eq 141 ] || [ "$(cat status)" -eq 0 ] || fail "status $(cat status)"
grep -qi 'broken pipe' said && fail "$(cat said)"
exit 0
