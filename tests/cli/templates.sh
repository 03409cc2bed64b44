# A file of templates means the same to vlp-embed and vlp-classify: lines or a JSON list, trimmed, UTF-8.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
echo cat >words
one() { vlp-embed -q --lines words --format tsv --template 'a photo of a {}.' --template 'the {}'; }
one >want
printf '\xef\xbb\xbf  a photo of a {}.\t\r\n \n\nthe {}' >lines
echo '["a photo of a {}.", "the {}"]' >list
for file in lines list; do
    expect 0 vlp-embed -q --lines words --format tsv --templates-from $file
    same want stdout
    expect 0 vlp-embed -q --lines words --format tsv --template 'a photo of a {}.' --templates <(echo 'the {}')
    same want stdout
    expect 0 vlp-classify -q -l cat,dog --templates-from $file photos/p00.png
    cp stdout $file.classes
done
same lines.classes list.classes
# The options have the same names in both, and a short one for a template.
for option in --templates-from --templates; do
    expect 0 vlp-embed -q --lines words --format tsv $option lines
    same want stdout
    expect 0 vlp-classify -q -l cat,dog $option lines photos/p00.png
    same lines.classes stdout
    expect 2 vlp-classify -l a,b -t '{}' $option lines photos/p00.png
    says "--template and --templates-from together"
    expect 2 vlp-classify --knn k.vle $option lines photos/p00.png
    says "is for -l and --labels-from"
    expect 2 vlp-embed --convert $option lines k.vle
    says "$option does not go with --convert"
done
expect 0 vlp-embed -q --lines words --format tsv -t 'a photo of a {}.' -t 'the {}'
same want stdout
# A stream tells of them by the older name, so that those which were begun by that are continued by either.
echo dog >>words
for begun in --templates --templates-from; do
    expect 6 vlp-embed -q -j1 -b1 --max-time 0.00001 --lines words $begun lines -o "begun$begun.vle"
    grep -aq -- "--lines=words --templates=lines " "begun$begun.vle" || fail "$begun is not told of as --templates="
    for option in --templates --templates-from; do
        cp "begun$begun.vle" words.vle
        expect 0 vlp-embed --lines words $option lines -o words.vle
        says "1 text"
        says "1 were there already"
    done
done

# A line may begin as a list or an object does.
for line in '{} in the snow' '{}' '[a photo of {}]' '[1] a {}' '[INST] a {}.'; do
    echo "$line" >bracket
    expect 0 vlp-embed -q --lines words --format tsv --template "$line"
    cp stdout want
    expect 0 vlp-embed -q --lines words --format tsv --templates bracket
    same want stdout
    expect 0 vlp-classify -q -l cat,dog --templates-from bracket photos/p00.png
done

printf 'caf\xe9 {}\n' >latin
echo 'a photo' >bare
echo >empty
echo '["a {}", 3]' >three
echo '[ "a {}", "the {}"' >open
echo '{"a": ["one {}"]}' >object
for fault in 'object|a JSON object is no list of templates' 'latin|not UTF-8 at byte 3' "bare|template 1 ('a photo') has no {}" \
    'empty|no template in it' 'three|not a list of templates' \
    "open|line 2: ']' expected"; do
    file=${fault%%|*}
    expect 5 vlp-embed --lines words --templates $file
    says "$file: ${fault#*|}"
    expect 5 vlp-classify -l cat,dog --templates-from $file photos/p00.png
    says "$file: ${fault#*|}"
done
expect 2 vlp-embed --lines words --template 'a photo'
says "the template 'a photo' has no {}"
