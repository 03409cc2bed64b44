# A shard that is cut off takes nothing from the stream and adds no half of a record to it: with the
# same command, once the shard is whole, the stream is what an uninterrupted run makes.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
mkdir in
for i in 0 1; do
    cp photos/p0$i.png in/k$i.png
    printf 'first %d\nsecond %d\n' $i $i >in/k$i.txt
    echo "one $i" >in/k$i.caption
    echo "class $i" >in/k$i.cls
done
records() { # FILE: what a stream holds, but for where in it
    vlp-embed -q --convert --format jsonl "$1" >records.jsonl
    sed 's/,"vector".*//' records.jsonl | LC_ALL=C sort
}
pack() { # ENDING MEMBER...: s.ENDING
    local ending=$1
    shift
    tar -C in -cf s.tar "$@"
    case $ending in
    tar.gz) gzip -nf1 s.tar ;;
    tar.zst) zstd -q1 --rm -f s.tar ;;
    esac
}
cut_at() { # FILE BYTES: in place
    head -c "$2" "$1" >part && cp part "$1"
}
place_of() { # MEMBER: where its header is in s.tar
    tar -tRf s.tar | sed -n "s/^block \([0-9]*\): $1\$/\1/p"
}

trial() { # SHARD BYTES
    local shard=$1 bytes=$2
    cp "$shard" whole
    rm -f full.vle cut.vle
    expect 0 vlp-embed -q -o full.vle "$shard"
    records full.vle >want
    cut_at "$shard" "$bytes"
    # What was there stays...
    expect 5 vlp-embed --update -o full.vle "$shard"
    grep -q 'deleted or replaced\|[1-9][0-9]* deleted' stderr && fail "$shard, $bytes: $(cat stderr)"
    records full.vle | cmp -s - want || fail "$shard at $bytes: $(records full.vle | diff - want)"
    # ...and what was begun with the cut shard is the same once it is whole, by files or a pipe.
    expect 5 vlp-embed -o cut.vle "$shard"
    cp whole "$shard"
    expect 0 vlp-embed -q -o cut.vle "$shard"
    records cut.vle | cmp -s - want || fail "$shard at $bytes: $(records cut.vle | diff - want)"
}

for order in 'png txt' 'txt png' 'png cls' 'cls png txt' 'png caption'; do
    members=()
    for i in 0 1; do
        for e in $order; do members+=("k$i.$e"); done
    done
    pack tar "${members[@]}"
    last=k1.${order##* }
    for bytes in 0 100; do # the last member is not there at all, or not whole
        trial s.tar $(($(place_of "$last") * 512 + bytes))
    done
done
for ending in tar.gz tar.zst; do
    pack $ending k0.png k0.txt k0.cls k1.png k1.txt k1.cls
    trial s.$ending $(($(stat -c %s s.$ending) * 3 / 4))
    trial s.$ending $(($(stat -c %s s.$ending) - 30))
done

# The same through a pipe; and the sentence says what was left out.
pack tar k0.png k0.txt k1.png k1.txt
cp s.tar whole
cut_at s.tar $(($(place_of k1.txt) * 512 + 100))
vlp-embed -o pipe.vle - <s.tar 2>stderr
says "'k1.png' is left out, for more of it may have followed"
expect 0 vlp-embed -q -o pipe.vle - <whole
expect 0 vlp-embed -q -o want.vle - <whole
[ "$(records pipe.vle)" = "$(records want.vle)" ] || fail "$(records pipe.vle)"

# Links are named under the id of the picture, and what the stream has of them stays: one caption, or
# several with the picture beside each.
for words in caption txt; do
    members=(k0.png k0.txt k0.cls k1.png "k1.$words" k1.cls)
    rm in/k1.cls && echo "class 1" >in/k1.cls
    pack tar "${members[@]}"
    expect 0 vlp-embed -q -f -o links.vle s.tar
    records links.vle >want
    ln -f in/k0.cls in/k1.cls && ln -f in/k0.txt "in/k1.$words"
    pack tar "${members[@]}"
    expect 3 vlp-embed --update -f -o links.vle --failed failed.tsv s.tar
    says "s.tar!k1.png: k1.$words: is no plain file inside the tar file, but a link"
    cut -f 1,2 failed.tsv | grep -q "^s.tar!k1.png	io$" || fail "$(cat failed.tsv)"
    records links.vle | cmp -s - want || fail "k1.$words: $(records links.vle | diff - want)"
done
pack tar k0.cls k0.png k1.png k1.cls
expect 3 vlp-embed -q --format tsv s.tar
says "its label is no plain file inside the tar file"
expect 0 vlp-embed -q --only text --format tsv whole
