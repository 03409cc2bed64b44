# Whoever waits for a pipe, to be opened or to be read, can be told to stop.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
mkfifo pipe other
expect 0 vlp-embed -q -r -o photos.vle photos
stopped_by_term() { # COMMAND...
    "$@" >stdout 2>stderr &
    local pid=$!
    sleep 0.4
    kill -TERM $pid || fail "ended by itself: $(cat stderr): $*"
    for _ in $(seq 100); do
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL $pid 2>/dev/null && fail "does not end: $*"
    wait $pid
    [ $? -eq 143 ] || fail "not ended by SIGTERM: $*"
}
stopped_by_term vlp-embed -o a.vle pipe
stopped_by_term vlp-embed -o b.vle --input-format tsv pipe
stopped_by_term vlp-embed -o c.vle --files-from pipe
stopped_by_term vlp-embed -o d.vle --lines pipe
stopped_by_term vlp-embed -o e.vle --templates pipe --lines other
stopped_by_term vlp-embed -o pipe photos/p00.png
stopped_by_term vlp-embed --convert -o e.npy pipe
stopped_by_term vlp-match --text x pipe
stopped_by_term vlp-match -Q pipe photos.vle
stopped_by_term vlp-match --text x -o pipe photos.vle
stopped_by_term vlp-classify -l a,b pipe
stopped_by_term vlp-classify -l a,b -E pipe
stopped_by_term vlp-classify -l a,b -o pipe photos/p00.png
stopped_by_term vlp-classify --labels-from pipe photos/p00.png
stopped_by_term vlp-classify -C pipe photos/p00.png
stopped_by_term vlp-classify --fit pipe
stopped_by_term vlp-classify -l a,b --truth pipe photos/p00.png
stopped_by_term vlp-model inspect pipe
exec 3<>pipe # somebody holds it, nobody writes
stopped_by_term vlp-classify -l a,b -E pipe
stopped_by_term vlp-classify -C pipe photos/p00.png
stopped_by_term vlp-match --text x pipe
stopped_by_term vlp-embed -o f.vle pipe
exec 3<&-

# One that nobody named as an input is not waited for: beside a picture, in a table, as the id of a record.
mkdir beside
cp photos/p00.png beside/a.png
mkfifo beside/a.txt
expect 3 timeout 20 vlp-embed -q --captions --format tsv beside
says 'beside/a.txt: is a pipe (skipped)'
prints beside/a.png
printf 'image\tcaption\tlabel\npipe\ta pipe\ta\nphotos/p01.png\ta picture\ta\nphotos/p02.png\tanother\ta\n' >pipes.tsv
expect 3 timeout 20 vlp-embed -q --only image --format tsv pipes.tsv
says 'pipe: is a pipe (skipped)'
prints photos/p01.png
expect 3 timeout 20 vlp-classify -q -l a,b pipes.tsv
says 'pipe: is a pipe (skipped)'
expect 3 timeout 20 vlp-train --check -b 2 -m "$VLP_MODEL" pipes.tsv
says 'pipe: is a pipe'
printf '%s' '{"id": "pipe", "vector": [1, 0]}' >pipe.jsonl
expect 3 timeout 20 vlp-match -q -Q pipe.jsonl --html page.html pipe.jsonl
says "pipe: is not a regular file (skipped)"

# A pipe or a socket that its maker has set not to block (as some programs' are that start others) is waited for
# all the same, in both directions, and stays as it is for those it is shared with.
cat >unblocked.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* unblocked pipe|socket IN|OUT COMMAND...: its stdin (or stdout) is one, filled (or emptied) from ours, late. */
int main(int n, char **arg)
{
    const int in = strcmp(arg[2], "IN") == 0, pipes = strcmp(arg[1], "pipe") == 0;
    int       end[2], status;
    char      piece[4096];
    ssize_t   got;
    if (n < 4 || (pipes ? pipe2(end, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end)) != 0) return 99;
    const int mine = end[in], its = end[!in];
    if (fcntl(its, F_SETFL, fcntl(its, F_GETFL) | O_NONBLOCK) != 0) return 99;
    const pid_t child = fork();
    if (child == 0) {
        dup2(its, in ? 0 : 1);
        execvp(arg[3], arg + 3);
        return 99;
    }
    usleep(500000);
    if (pipes && !(fcntl(its, F_GETFL) & O_NONBLOCK)) return 98;
    close(its);
    while ((got = read(in ? 0 : mine, piece, sizeof piece)) > 0)
        if (write(in ? mine : 1, piece, (size_t)got) != got) return 99;
    close(mine);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}
C
cc -o unblocked unblocked.c || fail "no compiler"
yes 'a text' | head -2000 >many
expect 0 vlp-embed -q --lines many -o many.vle
vlp-embed -q --convert --format tsv many.vle >many.tsv
[ "$(stat -c %s many.tsv)" -gt 200000 ] && [ "$(stat -c %s many.vle)" -gt 66000 ] || fail "too little to fill a pipe"
for how in pipe socket; do
    ./unblocked $how OUT vlp-embed -q --convert --format tsv many.vle >got || fail "status $? from a $how: text"
    same got many.tsv
    ./unblocked $how OUT vlp-embed -q --lines many >got || fail "status $? to a $how: a stream"
    vlp-embed -q --convert --format tsv got | cmp - many.tsv || fail "another stream to a $how"
    ./unblocked $how IN vlp-embed -q --convert --format tsv -o got.tsv -f - <many.vle || fail "status $? from a $how: a stream"
    same got.tsv many.tsv
    ./unblocked $how IN vlp-embed -q --lines - -o got.vle -f <many || fail "status $? from a $how: lines"
    vlp-embed -q --convert --format tsv got.vle | cmp - many.tsv || fail "other lines from a $how"
done
exit 0
