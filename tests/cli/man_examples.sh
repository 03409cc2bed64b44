# The examples of the manual pages run: what stands between .EX and .EE under EXAMPLES.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
cp -r "$GOLDEN/clip/end-to-end/model" clip-folder
for page in "$ROOT"/man/vlp*.[17]; do
    # What is trained needs data and hours: that page's examples are sketches.
    [ "$(basename "$page")" = vlp-train.1 ] && continue
    n=0
    while IFS= read -r line; do
        line=$(sed 's/\\-/-/g; s/\\(rs/\\/g; s/\\e/\\/g; s/\\&//g' <<<"$line")
        n=$((n + 1))
        bash -c "$line" >stdout 2>stderr || {
            cat stderr >&2
            fail "$(basename "$page"): $line"
        }
    done < <(awk '/^\.SH/ { inside = /EXAMPLES/ } inside && /^\.EE/ { example = 0 } example { print }
        inside && /^\.EX/ { example = 1 }' "$page")
    [ "$n" -gt 0 ] || fail "$(basename "$page") has no examples"
done
