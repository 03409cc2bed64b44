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
exit 0
