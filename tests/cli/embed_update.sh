# --update: what is new is added, what changed replaced, what is gone deleted; the rest is not touched.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -o set.vle photos
cp set.vle first.vle
# Nothing to do.
expect 0 vlp-embed --update -o set.vle photos
says "0 pictures, 0 texts"
cp photos/p00.png photos/p12.png
cp photos/p05.png photos/p02.png
touch -d '2001-01-01' photos/p02.png
rm photos/p11.png
expect 0 vlp-embed --update -o set.vle photos
says "2 pictures, 0 texts"
says "2 deleted or replaced"
expect 0 vlp-embed --format tsv photos
sort stdout >fresh
expect 0 vlp-embed --convert --format tsv set.vle
sort stdout >updated
same fresh updated
# A picture that has become unusable is not left as it was.
: >photos/p03.png
expect 3 vlp-embed --update -o set.vle photos
expect 0 vlp-embed --convert --format tsv set.vle
grep -q photos/p03.png stdout && fail "an unusable picture keeps its vector"
# Texts: by their wording.
printf 'id\ttext\na\tone\nb\ttwo\n' >table.tsv
expect 0 vlp-embed -o texts.vle table.tsv
printf 'id\ttext\nb\ttwo and more\nc\tthree\n' >table.tsv
expect 0 vlp-embed --update -o texts.vle table.tsv
says "0 pictures, 2 texts"
says "2 deleted or replaced"
printf 'id\ttext\nb\tx\nb\ty\n' >table.tsv
expect 3 vlp-embed --update -o texts.vle table.tsv
says "b: its id occurs twice in the input"
expect 0 vlp-embed -q --convert --format jsonl texts.vle
[ "$(wc -l <stdout)" -eq 1 ] || fail "$(cat stdout)"
prints '"meta":"x"'
# Files of another model are not mixed.
expect 4 env VLP_MODEL="$GOLDEN/clip/hf-quick" vlp-embed --update -o set.vle photos
# A label does not hide that its picture's file has changed, in a table as in a tar file.
printf 'image\tlabel\nphotos/p00.png\tone\nphotos/p01.png\tone\n' >labels.tsv
mkdir shard
cp photos/p0[01].png shard
echo one >shard/p00.cls
echo one >shard/p01.cls
(cd shard && tar -cf ../labels.tar p00.png p00.cls p01.png p01.cls)
expect 0 vlp-embed -o labels.vle labels.tsv labels.tar
cp labels.vle first.vle
expect 0 vlp-embed --update -o labels.vle labels.tsv labels.tar
says "0 pictures, 0 texts"
cp photos/p05.png photos/p01.png
touch -d '2001-01-01' photos/p01.png shard/p01.png
(cd shard && tar -cf ../labels.tar p00.png p00.cls p01.png p01.cls)
expect 0 vlp-embed --update -o labels.vle labels.tsv labels.tar
says "2 pictures, 0 texts"
sed 's/p00.png\tone/p00.png\ttwo/' labels.tsv >new.tsv
mv new.tsv labels.tsv
expect 0 vlp-embed --update -o labels.vle labels.tsv labels.tar
says "1 picture, 0 texts"
# The formats that keep labels keep that too.
expect 0 vlp-embed -q --convert -o live.vle labels.vle
for format in jsonl safetensors; do
    expect 0 vlp-embed -q --convert -o "there.$format" live.vle
    expect 0 vlp-embed -q --convert -o "back-$format.vle" "there.$format"
    expect 0 vlp-embed -q --convert --format jsonl "back-$format.vle"
    same there.jsonl stdout
done
grep -q '"stamp":' there.jsonl || fail "nothing was kept"
expect 0 vlp-embed --update -o back-safetensors.vle labels.tsv labels.tar
says "0 pictures, 0 texts"
# A caption or a picture that is gone takes its vector along, though the other part is as it was.
held() { # FILE: what it holds, a word for each record
    vlp-embed -q --convert --format jsonl "$1" |
        sed -E 's/"vector".*//; s/.*"id":"([^"]*)".*\["text"\].*/\1:text/; s/.*"id":"([^"]*)".*/\1:image/' |
        sort | tr '\n' ' '
}
mkdir pairs
cp photos/p00.png photos/p01.png pairs
echo one >pairs/p00.txt
echo two >pairs/p01.txt
expect 0 vlp-embed --captions -o pairs.vle pairs
rm pairs/p0[01].txt
mkdir pairs/p01.txt # there, and not to be read: not gone
expect 3 vlp-embed --captions --update -o pairs.vle pairs
says "1 picture, 0 texts"
says "1 deleted or replaced"
[ "$(held pairs.vle)" = "pairs/p00.png:image pairs/p01.png:image pairs/p01.png:text " ] ||
    fail "$(held pairs.vle)"
rmdir pairs/p01.txt
ln -s ../away/p01.txt pairs/p01.txt # on storage that is not mounted
expect 3 vlp-embed --captions --update -o pairs.vle pairs
says "pairs/p01.txt: No such file or directory (skipped)"
[ "$(held pairs.vle)" = "pairs/p00.png:image pairs/p01.png:image pairs/p01.png:text " ] ||
    fail "$(held pairs.vle)"
rm pairs/p01.txt
echo '{"caption": 5}' >pairs/p01.json # there, and of no use
expect 3 vlp-embed --captions --update -o pairs.vle pairs
[ "$(held pairs.vle)" = "pairs/p00.png:image pairs/p01.png:image " ] || fail "$(held pairs.vle)"
printf 'id\timage\ttext\n' | tee rows.tsv >less.tsv
printf '%s\tphotos/p0%s.png\t%s\n' a 0 one b 1 two c 2 three >>rows.tsv
printf '%s\t%s\t%s\n' a photos/p00.png '' b '' two c photos/p02.png three >>less.tsv
expect 0 vlp-embed -o rows.vle rows.tsv
expect 0 vlp-embed --add -o rows.vle less.tsv # deletes nothing
says "0 pictures, 0 texts"
expect 0 vlp-embed --update -o rows.vle less.tsv
says "1 picture, 1 text"
[ "$(held rows.vle)" = "a:image b:text c:image c:text " ] || fail "$(held rows.vle)"
expect 0 vlp-embed --update -o rows.vle less.tsv
says "0 pictures, 0 texts"
# Of what --only asks for.
for only in image text; do
    expect 0 vlp-embed --only $only -f -o one.vle rows.tsv
    expect 0 vlp-embed --only $only --update -o one.vle less.tsv
    says "1 deleted or replaced"
done
[ "$(held one.vle)" = "b:text c:text " ] || fail "$(held one.vle)"
# A file of pictures and texts mirrors a folder of pictures alone, or texts alone, as any inputs.
printf 'image\ttext\nphotos/p00.png\tone\nphotos/p01.png\ttwo\nphotos/p02.png\tthree\n' >kinds.tsv
mkdir few && cp photos/p00.png photos/p01.png few
sed -i 's,photos,few,' kinds.tsv
expect 3 vlp-embed -o kinds.vle kinds.tsv
expect 0 vlp-embed --update -o kinds.vle few
says "2 deleted or replaced"
[ "$(held kinds.vle)" = "few/p00.png:image few/p01.png:image " ] || fail "$(held kinds.vle)"
expect 3 vlp-embed --update -o kinds.vle kinds.tsv
says "0 pictures, 2 texts"
printf 'a\nb\n' >lines
cp kinds.vle lines.vle
expect 0 vlp-embed --update --lines lines -o lines.vle
[ "$(held lines.vle)" = "1:text 2:text " ] || fail "$(held lines.vle)"
# But not where the half that is asked for would take the other along, and no more than one of each
# kind goes into a file of one kind.
expect 4 vlp-embed --only image --update -o kinds.vle few
expect 0 vlp-embed -o pictures.vle few
for how in --add --update; do
    expect 4 vlp-embed $how -o pictures.vle kinds.tsv
    says "holds pictures alone"
    expect 4 vlp-embed $how --lines lines -o pictures.vle
done
# A job that began with a table goes on where the table is away.
cp kinds.tsv table
expect 6 vlp-embed -j1 -b1 --max-time 0.00001 -o away.vle few table
mv table away
expect 1 vlp-embed -o away.vle few table
mv away table
expect 3 vlp-embed -o away.vle few table
[ "$(held away.vle | wc -w)" -eq 6 ] || fail "$(held away.vle)"
# An input without a single record deletes nothing by itself, be it a folder that is not mounted or a
# list that nobody has written.
mkdir empty
expect 0 vlp-embed -q -o held.vle photos/p00.png photos/p01.png
cp held.vle before.vle
for none in "-r empty" "--files-from /dev/null" "--shard 1/1 empty"; do
    expect 2 vlp-embed -q --update -o held.vle $none
    says "no records in the input: --update would delete everything from held.vle (-f does so)"
    same before.vle held.vle
done
expect 0 vlp-embed -q --update -f -o held.vle empty
# Nor does such a folder among others, before anything is done; a new one is no loss.
mkdir disk
cp photos/p00.png photos/p01.png disk
expect 0 vlp-embed -q -o disks.vle few disk/ empty
mkdir away_disk && mv disk/* away_disk && cp photos/p04.png few
cp disks.vle before.vle
for disk in disk disk/; do
    expect 2 vlp-embed -q --update -o disks.vle few $disk empty
    says "no records in $disk: --update would delete all that disks.vle has of it (-f does so)"
    same before.vle disks.vle
done
expect 2 vlp-embed -q --update --shard 1/1 -o disks.vle few disk
expect 0 vlp-embed -q --add -o disks.vle few disk
expect 0 vlp-embed -q --update -o disks.vle few away_disk # a folder that is not named any more
expect 0 vlp-embed -q --update -o disks.vle few away_disk disk
rm away_disk/*
expect 0 vlp-embed -q --update -f -o disks.vle few away_disk
[ "$(held disks.vle)" = "few/p00.png:image few/p01.png:image few/p04.png:image " ] || fail "$(held disks.vle)"
# A folder that a list names is one of several, too.
mkdir A B && cp photos/p00.png A && cp photos/p01.png B
printf 'A\nB\n' >folders
printf 'A\0B/\0' >folders0
expect 0 vlp-embed -q -o listed.vle --files-from folders
mv B/p01.png .
cp listed.vle before.vle
for list in '--files-from folders' '-0 --files-from folders0'; do
    slash=
    [[ $list = *0 ]] && slash=/
    expect 2 vlp-embed -q --update -o listed.vle $list
    says "no records in B$slash: --update would delete all that listed.vle has of it (-f does so)"
    same before.vle listed.vle
done
expect 0 vlp-embed -q --update -f -o listed.vle --files-from folders
[ "$(held listed.vle)" = "A/p00.png:image " ] || fail "$(held listed.vle)"
expect 0 vlp-embed -q --update -o listed.vle --files-from folders # nothing is lost
# Where nothing of the input is of use, or is wanted, --update deletes nothing either, and the status is
# that of such an input with a new file.
mkdir use && cp photos/p00.png photos/p01.png photos/p02.png use
expect 0 vlp-embed -q -o use.vle use
expect 0 vlp-embed -q --lines <(seq 8) -o words.vle
cp use.vle before.vle
cp words.vle words.before
echo junk >junk.png
printf 'GIF89a' >some.gif
for fault in 1:nix.png 5:junk.png 4:some.gif '5:junk.png nix.png' '1:nix.png junk.png'; do
    expect "${fault%%:*}" vlp-embed --update -o use.vle ${fault#*:}
    says "no records could be used"
    says "use.vle keeps 3 records that --update would delete (-f does so)"
    same before.vle use.vle
    expect "${fault%%:*}" vlp-embed -q --update --shard 1/1 -o use.vle ${fault#*:}
    same before.vle use.vle
done
for shard in '' '--shard 1/2' '--shard 2/2'; do
    expect 1 vlp-embed --only text --update $shard -o words.vle photos
    says "--only text leaves nothing of the input's"
    says "that --update would delete (-f does so)"
    same words.before words.vle
done
# Not even those of pictures which have become damaged, when all have, until one of them is good.
for i in 0 1 2; do echo junk >use/p0$i.png; done
expect 5 vlp-embed --update -o use.vle use
says "use.vle keeps 3 records"
same before.vle use.vle
expect 5 vlp-embed --update --limit 2 -o use.vle use
says "use.vle keeps 2 records"
same before.vle use.vle
cp photos/p00.png use
for limit in 2 3; do
    expect 3 vlp-embed --update --limit $limit -o use.vle use
done
[ "$(held use.vle)" = "use/p00.png:image " ] || fail "$(held use.vle)"
cp before.vle use.vle
cp -p use/p00.png kept.png
expect 3 vlp-embed --update -o use.vle use
[ "$(held use.vle)" = "use/p00.png:image " ] || fail "$(held use.vle)"
expect 3 vlp-embed --update -o use.vle use nix.png # one that is as it was is of use
says "0 pictures"
rm use/p00.png
expect 3 vlp-embed -f --update -o use.vle use
[ "$(held use.vle)" = "" ] || fail "$(held use.vle)"
# One that has records of other shards only is an input: all of its own shard go.
seq 40 >numbers.txt
head -1 numbers.txt >number.txt
expect 0 vlp-embed -q --lines numbers.txt -o all.vle
for shard in 1 2; do
    cp all.vle shard$shard.vle
    expect 0 vlp-embed -q --update --shard $shard/2 --lines number.txt -o shard$shard.vle
done
[ "$( (held shard1.vle; held shard2.vle) | wc -w)" -eq 41 ] || fail "$(held shard1.vle): $(held shard2.vle)"
expect 1 vlp-embed -q --convert --format tsv held.vle
exit 0
