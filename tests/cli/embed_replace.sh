# With -f a stream is replaced by the first block of the new one: a job that comes to nothing, or is
# stopped or killed before that, leaves what was there.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -q -r photos -o first.vle
mkdir empty
echo "no picture" >broken.png
cp first.vle old.vle
chmod 640 old.vle
for job in "-r empty" "-r nowhere" "broken.png" "--on-error stop broken.png photos/p00.png" \
    "--files-from /dev/null" "--lines nothing"; do
    vlp-embed -q -f -o old.vle $job 2>stderr && fail "no failure: $job"
    same first.vle old.vle
done
ls old.vle.* 2>/dev/null && fail "something was left"
# Waiting for the first record: stopped, killed, and a second writer.
mkfifo pipe
for signal in TERM KILL; do
    vlp-embed -f -o old.vle --lines pipe 2>stderr &
    pid=$!
    exec 3>pipe
    sleep 0.2
    expect 1 vlp-embed -q -f -o old.vle photos/p01.png
    says "another program is writing to it"
    kill -$signal $pid
    wait $pid 2>/dev/null
    exec 3>&-
    same first.vle old.vle
    [ $signal = KILL ] || grep -q "stopped; old.vle is as it was" stderr || fail "$(cat stderr)"
done
# A record has come: then it is the new one's, with the old one's rights, and continued.
expect 0 vlp-embed -q -f -o old.vle photos/p01.png photos/p02.png
[ "$(stat -c %a old.vle)" = 640 ] || fail "the rights are $(stat -c %a old.vle)"
expect 0 vlp-embed -q -o second.vle photos/p01.png photos/p02.png
expect 0 vlp-embed -q --convert --format tsv old.vle
cp stdout old.tsv
expect 0 vlp-embed -q --convert --format tsv second.vle
same stdout old.tsv
ln -s old.vle link.vle
expect 0 vlp-embed -q -f -o link.vle -r photos
[ -L link.vle ] || fail "the link is gone"
same first.vle old.vle
# What was not there before leaves nothing.
for job in "1 -r empty" "5 broken.png"; do
    expect ${job%% *} vlp-embed -q -f -o new.vle ${job#* }
    [ -e new.vle ] && fail "a file without records"
done
# A folder that lets nobody in is found before the first record.
if [ "$(id -u)" -ne 0 ]; then
    mkdir shut
    cp first.vle shut
    chmod 500 shut
    expect 1 vlp-embed -q -f -o shut/first.vle --lines pipe
    chmod 700 shut
fi
exit 0
