# Links and the page: named by rank, escaped, nothing loaded from elsewhere, nothing overwritten.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
cp photos/p00.png "photos/<b>&\"'.png"
vlp-embed -q -o p.vle photos/*.png
expect 0 vlp-match --id 'photos/p00.png' --text '<script>alert(1)</script>' -k 13 --html page.html p.vle
grep -q '&lt;script&gt;alert(1)&lt;/script&gt;' page.html || fail "the query is not shown escaped"
grep -qi '<script' page.html && fail "a script got in"
grep -q 'photos/&lt;b&gt;&amp;&quot;&#39;.png' page.html || fail "an id is not escaped"
grep -qE '(src|href)="[^d]' page.html && fail "something would be loaded"
# Each thumbnail stands in the page once, however often it is shown: here 27 times, of 13 pictures.
shown() { grep -oE '<img loading|<div class="picture p' "$1" | wc -l; }
thumbnails() { grep -o 'data:image/jpeg;base64' "$1" | wc -l; }
[ "$(shown page.html)" -eq 27 ] || fail "$(shown page.html) pictures are shown"
[ "$(thumbnails page.html)" -eq 13 ] || fail "not each thumbnail once"
grep -oE '<div class="picture p[0-9]+' page.html | sort -u | while read -r _ _ name; do
    grep -q "^\.$name{background-image:url(data:image/jpeg;base64,[A-Za-z0-9+/=]*)}" page.html || echo "$name"
done >no-rule
[ -s no-rule ] && fail "no rule for $(cat no-rule)"
grep -q 'prefers-color-scheme:dark' page.html || fail "no dark colours"
expect 2 vlp-match --text x --html page.html p.vle
says 'page.html: exists'

expect 0 vlp-match --id photos/p03.png -k 2 --link-to links p.vle
[ "$(readlink -f links/0001-p03.png)" = "$PWD/photos/p03.png" ] || fail "the first link is wrong"
[ "$(ls links | wc -l)" -eq 2 ] || fail "not two links"
expect 2 vlp-match --id photos/p03.png -k 2 --link-to links p.vle
expect 0 vlp-match -f --id photos/p03.png -k 2 --link-to links p.vle
# The number of a query is that among those given, whichever of them this process answers.
printf 'a circle\na square\na barn\na red house\nthe sea\n' >texts
expect 0 vlp-match -q -k 1 --lines texts --link-to whole p.vle
for i in 1 2; do expect 0 vlp-match -q -k 1 --lines - --shard $i/2 --link-to parts p.vle <texts; done
[ "$(ls whole)" = "$(ls parts)" ] && [ "$(ls whole | wc -l)" -eq 5 ] || fail "links of shards: $(ls parts)"
expect 0 vlp-embed -q --lines texts -o t.vle
for i in 1 2; do expect 0 vlp-match -q -k 1 -Q t.vle --shard $i/2 --link-to stored p.vle; done
[ "$(ls whole)" = "$(ls stored)" ] || fail "links of stored queries: $(ls stored)"
expect 3 vlp-match -k 1 --id nosuch --text 'a circle' --text 'a square' --link-to some p.vle
[ "$(ls some | cut -c 1-9 | xargs)" = '0002-0001 0003-0001' ] || fail "beside an unusable query: $(ls some)"
expect 3 vlp-match -k 1 --queries-from - --link-to listed p.vle <<<$'circle\ntext:a circle'
[ "$(ls listed | cut -c 1-9)" = 0002-0001 ] || fail "beside an unusable line: $(ls listed)"

# Groups and joins as pages: members with their weakest pair, pairs with both pictures.
cp photos/p00.png photos/copy.png
vlp-embed -q -o twice.vle photos/p00.png photos/copy.png photos/p01.png
expect 0 vlp-match -q --groups 1 --html groups.html twice.vle
[ "$(shown groups.html)" -eq 2 ] || fail "not two members"
grep -q 'weakest pair 1.0000: photos/p00.png, photos/copy.png' groups.html || fail "no weakest pair"
expect 0 vlp-match -q --groups 1 --html - twice.vle
[ "$(head -c 15 stdout)" = '<!DOCTYPE html>' ] || fail "results before the page of groups"
expect 0 vlp-match -q --join one-to-one --html pairs.html -Q twice.vle p.vle
[ "$(wc -l <stdout)" -eq 3 ] || fail "not three pairs"
[ "$(grep -o '<section>' pairs.html | wc -l)" -eq 3 ] || fail "not three pairs on the page"
expect 0 vlp-match -q --join anti --min-score 1 --html anti.html -Q t.vle p.vle
[ "$(grep -o '<section>' anti.html | wc -l)" -eq 5 ] || fail "not five without a match"
expect 0 vlp-match -q --join topk -k 1 --html top.html --link-to top -Q twice.vle p.vle
[ "$(ls top | wc -l)" -eq 3 ] || fail "no links of a search as a join"
expect 2 vlp-match --groups 1 --link-to top twice.vle
expect 2 vlp-match --truth x --html x.html -Q t.vle p.vle

# With -f no link of earlier results stays among the new ones, and DIR is looked at before printing.
expect 0 vlp-match -q --id photos/p00.png -k 5 --link-to mixed p.vle
touch mixed/0009-file mixed/note
expect 2 vlp-match -q --id photos/p01.png -k 2 --link-to mixed p.vle
[ -s stdout ] && fail "results before it was refused"
says 'mixed: links of earlier results exist'
expect 1 vlp-match -qf --id photos/p01.png -k 2 --link-to mixed -o no/such/folder p.vle
[ "$(find mixed -type l | wc -l)" -eq 5 ] || fail "links are gone before there is somewhere to write"
expect 0 vlp-match -qf --id photos/p01.png -k 2 --link-to mixed p.vle
[ "$(find mixed -type l | wc -l)" -eq 2 ] || fail "old links among the new: $(ls mixed)"
[ -f mixed/0009-file ] && [ -f mixed/note ] || fail "a file was removed"
expect 0 vlp-match -qf -k 1 --lines texts --shard 1/2 --link-to parts p.vle
[ "$(ls whole)" = "$(ls parts)" ] || fail "links of the other shard are gone"
expect 1 vlp-match -q --id photos/p01.png --link-to page.html p.vle
[ -s stdout ] && fail "results before the folder was looked at"
# A name too long for its number is cut before the suffix, between characters; what stands in the way
# of one link stops no other.
mkdir long
half=$(printf 'é%.0s' {1..122})
cp photos/p00.png "long/${half}ééé.png"
cp photos/p01.png "long/x${half}ééé.png"
vlp-embed -q -o long.vle long/*.png
expect 0 vlp-match -q -k 0 --text x --text y --text z --link-to cut long.vle
[ "$(wc -l <stdout)" -eq 6 ] && [ "$(find cut -type l | wc -l)" -eq 6 ] || fail "not six links: $(ls cut)"
expect 0 vlp-match -q -k 0 --id "long/${half}ééé.png" --link-to one long.vle
[ "$(readlink -f "one/0001-${half}é.png")" = "$PWD/long/${half}ééé.png" ] || fail "cut: $(ls one)"
[ "$(readlink -f "one/0002-x${half}.png")" = "$PWD/long/x${half}ééé.png" ] || fail "cut: $(ls one)"
mkdir way
touch way/0001-0001-p04.png
expect 3 vlp-match -q --id photos/p04.png --text x -k 1 --link-to way p.vle
says 'photos/p04.png: no link way/0001-0001-p04.png: File exists (skipped)'
[ "$(wc -l <stdout)" -eq 2 ] && [ "$(find way -type l | wc -l)" -eq 1 ] || fail "one link stopped the rest"
expect 2 vlp-match -q --on-error stop --id photos/p04.png --text x -k 1 --link-to way -f p.vle

rm photos/p03.png
expect 3 vlp-match -f --id photos/p03.png -k 1 --link-to links p.vle
says 'no such file to link to'

# A query that is a picture shows it, gone or not, with a label too; one that is a text has none.
headed() { grep -o '<section><header>.\{0,30\}' "$1"; }
expect 3 vlp-match -q --id photos/p03.png -k 1 --no-self --html headed.html p.vle
says 'vlp-match: photos/p03.png: No such file or directory (skipped)'
headed headed.html | grep -q '<div class="none">' || fail "a heading says nothing of a picture that is gone"
[ "$(grep -o 'not readable' headed.html | wc -l)" -eq 1 ] || fail "not the heading alone says so"
expect 3 vlp-match -q -Q p.vle -k 1 --no-self -f --html headed.html p.vle
[ "$(headed headed.html | grep -c none)" -eq 1 ] && [ "$(wc -l <stderr)" -eq 1 ] || fail "stored queries"
expect 3 vlp-match -q -Q p.vle --join one-to-one --no-self -f --html headed.html p.vle
[ "$(headed headed.html | grep -c none)" -eq 1 ] || fail "not one heading of a join says so"
printf 'image,label\nphotos/p04.png,red\n' >red.csv
vlp-embed -q -o red.vle red.csv
for how in '--join mutual --min-score -1' '-k 1'; do
    # shellcheck disable=SC2086 # words
    expect 0 vlp-match -q -Q red.vle $how -f --html headed.html t.vle
    headed headed.html | grep -q '<img' || fail "no picture beside a label: $how"
    grep -q '<h2>photos/p04.png</h2><p>red</p>' headed.html || fail "no label beside a picture: $how"
done
expect 0 vlp-match -q --id 1 -k 1 -f --html headed.html t.vle
expect 0 vlp-match -q -Q t.vle -k 1 -f --html headed.html t.vle
expect 0 vlp-match -q -Q t.vle --join mutual -f --html headed.html t.vle
grep -q 'not readable' headed.html && fail "a text has no picture"

# Pictures in shards and pictures with several captions are shown; captions' pictures are linked.
mkdir shards captioned
(cd photos && tar -cf ../shards/a.tar p00.png p01.png && tar -czf ../shards/b.tar.gz p02.png)
cp photos/p04.png captioned
printf 'one\ntwo\n' >captioned/p04.txt
vlp-embed -q --only image --captions -o mixed.vle shards/a.tar shards/b.tar.gz captioned || fail "embed"
expect 0 vlp-match -q -k 0 --text x --html mixed.html mixed.vle
[ "$(shown mixed.html)" -eq 5 ] || fail "not five thumbnails"
grep -q 'not readable' mixed.html && fail "a picture was not found"
expect 0 vlp-match -q -k 1 --id 'shards/a.tar!p01.png' --html one.html mixed.vle
[ "$(shown one.html)" -eq 2 ] && [ "$(thumbnails one.html)" -eq 1 ] || fail "not one thumbnail twice"
expect 0 vlp-match -q -k 0 --text x --base-dir "$PWD" --html based.html mixed.vle
[ "$(shown based.html)" -eq 5 ] || fail "not five under --base-dir"
expect 0 vlp-classify -q -l a,b --html classes.html shards/a.tar
[ "$(shown classes.html)" -eq 2 ] || fail "classes: not two thumbnails"
expect 0 vlp-classify -q -l a,b -f --html classes.html mixed.vle
[ "$(shown classes.html)" -eq 5 ] || fail "classes: not five thumbnails"
expect 3 vlp-match -q -k 0 --text x --link-to linked mixed.vle
says 'shards/a.tar!p00.png: no such file to link to'
[ "$(find linked -type l | wc -l)" -eq 2 ] || fail "not two links"

# A picture that the page cannot show is named with the reason, as any record that cannot be used.
cp photos/p05.png gone.png
(cd photos && tar -cf ../less.tar p00.png p01.png)
vlp-embed -q -o less.vle gone.png photos/p06.png less.tar || fail "embed"
echo junk >gone.png
tar --delete -f less.tar p01.png
expect 3 vlp-match -q -k 0 --text x --text y --html less.html --failed less.tsv less.vle
says 'vlp-match: gone.png: not a picture'
says 'vlp-match: less.tar!p01.png: no such member (skipped)'
[ "$(wc -l <stderr)" -eq 2 ] || fail "not each once: $(cat stderr)"
[ "$(cut -f 1,2 less.tsv | sort)" = "$(printf 'gone.png\tformat\nless.tar!p01.png\tio')" ] || fail "$(cat less.tsv)"
[ "$(shown less.html)" -eq 4 ] && [ "$(grep -o 'not readable' less.html | wc -l)" -eq 4 ] || fail "less.html"
mv less.tar more.tar
expect 3 vlp-match -q -k 0 --text x -f --html less.html less.vle
says 'less.tar!p00.png: No such file or directory (skipped)'
expect 5 vlp-match -q -k 1 --only image --id gone.png --on-error stop --html stopped.html less.vle
[ -e stopped.html ] && fail "a page of a job that was stopped"
mv more.tar less.tar
expect 3 vlp-classify -q -l a,b --html classified.html -E less.vle
says 'vlp-classify: gone.png: not a picture'
says 'less.tar!p01.png: no such member (skipped)'
rm gone.png
mv less.tar more.tar
expect 3 vlp-classify -q -l a,b -f --html classified.html --failed less.tsv -E less.vle
says 'vlp-classify: gone.png: No such file or directory (skipped)'
says 'vlp-classify: less.tar!p00.png: No such file or directory (skipped)'
[ "$(cut -f 1,2 less.tsv | sort)" = "$(printf '%s\tio\n' gone.png less.tar\!p00.png less.tar\!p01.png)" ] ||
    fail "$(cat less.tsv)"
[ "$(grep -o 'not readable' classified.html | wc -l)" -eq 3 ] || fail "not three cards say so"
mv more.tar less.tar
# What comes through a pipe is looked at once: the page keeps its thumbnails.
(cd photos && tar -cf ../two.tar p00.png p06.png)
expect 0 vlp-classify -q -l a,b -f --html classified.html - < <(cat two.tar)
[ "$(shown classified.html)" -eq 2 ] && [ "$(thumbnails classified.html)" -eq 2 ] || fail "not kept"
expect 0 vlp-classify -q -l a,b -f --html classes.html two.tar
[ "$(grep -o 'base64,[^"]*' classes.html)" = "$(grep -o 'base64,[^"]*' classified.html)" ] ||
    fail "other thumbnails than of a file"
cat two.tar photos/p06.png >-
expect 0 vlp-classify -q -l a,b -f --html classified.html - <photos/p06.png
[ "$(thumbnails classified.html)" -eq 1 ] || fail "a picture on stdin is not kept"
rm ./-
expect 0 vlp-match -q --image - -k 1 -f --html less.html p.vle < <(cat photos/p06.png)
headed less.html | grep -qE '<img|picture' || fail "a query on stdin is not kept"
# Standard input is no picture to come back to: what it holds now is another.
vlp-embed -q -o piped.vle - <photos/p06.png
vlp-embed -q - <two.tar >>piped.vle
expect 0 vlp-match -q --text x -k 0 -f --html less.html piped.vle <photos/p07.png
[ "$(thumbnails less.html)" -eq 0 ] || fail "another picture is shown"
# A text need have no picture; a picture has one, with a label too.
vlp-embed -q --lines texts -o words.vle
expect 0 vlp-classify -q -l a,b -f --only text --html classified.html -E words.vle
expect 0 vlp-match -q -k 0 --text x -f --html less.html words.vle
printf 'image,label\nlabelled.png,red\nphotos/p06.png,red\n' >labelled.csv
cp photos/p06.png labelled.png
vlp-embed -q -o labelled.vle labelled.csv
rm labelled.png
expect 3 vlp-match -q -k 0 --text x -f --html less.html labelled.vle
says 'vlp-match: labelled.png: No such file or directory (skipped)'
expect 3 vlp-match -q --groups 0.99 -f --html less.html labelled.vle
says 'vlp-match: labelled.png: No such file or directory (skipped)'
