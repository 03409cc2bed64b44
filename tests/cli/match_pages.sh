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
[ "$(grep -o 'data:image/jpeg;base64' page.html | wc -l)" -eq 27 ] || fail "not a thumbnail each"
grep -q 'prefers-color-scheme:dark' page.html || fail "no dark colours"
expect 2 vlp-match --text x --html page.html p.vle
says 'page.html: exists'

expect 0 vlp-match --id photos/p03.png -k 2 --link-to links p.vle
[ "$(readlink -f links/0001-p03.png)" = "$PWD/photos/p03.png" ] || fail "the first link is wrong"
[ "$(ls links | wc -l)" -eq 2 ] || fail "not two links"
expect 2 vlp-match --id photos/p03.png -k 2 --link-to links p.vle
expect 0 vlp-match -f --id photos/p03.png -k 2 --link-to links p.vle
rm photos/p03.png
expect 3 vlp-match -f --id photos/p03.png -k 1 --link-to links p.vle
says 'no such file to link to'
