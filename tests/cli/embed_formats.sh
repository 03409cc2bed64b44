# The same vectors in every format, whatever the threads and the batch.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-embed -j1 -b1 -o one.npy photos
says "12 pictures, 0 texts"
for how in "-j2 -b1" "-j2 -b5" "-j1 -b64" "-j3"; do
    expect 0 vlp-embed $how -f -o other.npy photos
    same one.npy other.npy
done
expect 0 vlp-embed -j1 -b2 -o a.vle photos
expect 0 vlp-embed -j2 -b7 -o b.vle photos
same a.vle b.vle
for format in fvecs safetensors jsonl tsv vle; do
    expect 0 vlp-embed -o "out.$format" photos
    expect 0 vlp-embed --format $format photos
    same "out.$format" stdout
done
[ "$(wc -l <out.tsv)" -eq 12 ] || fail "tsv has $(wc -l <out.tsv) lines"
[ "$(head -1 out.tsv | cut -f1)" = photos/p00.png ] || fail "the first id is $(head -1 out.tsv | cut -f1)"
expect 0 vlp-embed --header --format tsv photos
[ "$(wc -l <stdout)" -eq 13 ] || fail "no header line"
expect 2 vlp-embed -o out.npy photos/p00.png -f --format nothing
# Nothing is overwritten.
expect 2 vlp-embed -o one.npy photos
says "one.npy"
expect 1 vlp-embed -o /nonexistent/x.vle photos
expect 1 sh -c 'vlp-embed photos >/dev/full'

# A damaged block is an error; what is sound can be saved, and the rest embedded again.
seq 600 >numbers
expect 0 vlp-embed -q --lines numbers -o whole.vle
cp whole.vle hurt.vle
printf '\377\376\375' | dd of=hurt.vle bs=1 seek=$(($(stat -c %s hurt.vle) / 2)) conv=notrunc 2>/dev/null
expect 5 vlp-embed -q --convert -o saved.vle hurt.vle
says "is damaged"
expect 3 vlp-embed --convert --skip-damaged -o saved.vle hurt.vle
says "(checksum differs) (skipped)"
says "1 damaged place"
expect 3 vlp-embed --convert --format tsv saved.vle
says "no end record"
[ "$(wc -l <stdout)" -gt 250 ] || fail "too little is saved"
[ "$(wc -l <stdout)" -lt 600 ] || fail "nothing was damaged"
expect 0 vlp-embed --lines numbers --update -o saved.vle
expect 0 vlp-embed -q --convert --format tsv saved.vle
sort stdout >saved.tsv
expect 0 vlp-embed -q --convert --format tsv whole.vle
sort stdout | cmp -s - saved.tsv || fail "not all is back"
expect 2 vlp-embed --skip-damaged --lines numbers

# A sound block behind a gap is no torn tail: nobody cuts it off, and it is kept.
header=$(od -A n -t u4 -j 12 -N 4 whole.vle | tr -d ' ')
seq 1000 1003 >few
expect 0 vlp-embed -q --lines few --id-is-text -o few.vle
(head -c -64 whole.vle && tail -c +$((header + 1)) few.vle | head -c -64) >gap.vle
cp gap.vle before.vle
expect 5 vlp-embed -q --format tsv --convert gap.vle
says "records are missing or doubled"
expect 5 vlp-embed --add --lines few --id-is-text -o gap.vle
same gap.vle before.vle
expect 5 vlp-match --text 1 gap.vle
expect 3 vlp-embed --convert --skip-damaged -o kept.vle gap.vle
says "records are missing or doubled (kept)"
says "604 records converted; 1 damaged place"
expect 0 vlp-embed --convert --limit 1 --format tsv whole.vle
says "1 record converted"
# One that is cut off is one, and is made anew.
(head -c -64 whole.vle | head -c -8) >torn.vle
expect 0 vlp-embed --lines numbers -o torn.vle
says "its last block was cut off and is dropped"
same torn.vle whole.vle

# A conversion that fails leaves what was there, and what is there may be its own input.
cp whole.vle place.vle
printf 'x\t1\t2\n' >narrow.tsv
expect 4 vlp-embed --convert -f --dtype f16 -o place.vle place.vle narrow.tsv
same place.vle whole.vle
expect 5 vlp-embed --convert -f --dtype f16 -o place.vle place.vle hurt.vle
same place.vle whole.vle
expect 4 vlp-embed --convert --format tsv whole.vle narrow.tsv
[ -s stdout ] && fail "wrote before it looked at all headers"
expect 0 vlp-embed --convert -f --dtype f16 -o place.vle place.vle
expect 0 vlp-embed -q --convert --dtype f16 whole.vle
same place.vle stdout
set -- place.vle.*
[ -e "$1" ] && fail "$1 is left"

# Without --dtype numbers keep the type that all inputs have; where it differs, or comes through a
# pipe, none are rounded.
printf 'x\t0.1\t0.3\n' >fine.tsv
for type in f16 bf16 i8; do
    expect 0 vlp-embed -q --convert -f --dtype $type -o half.vle fine.tsv
    expect 0 vlp-embed -q --convert half.vle half.vle
    cp stdout twice.vle
    expect 0 vlp-embed -q --convert --dtype $type half.vle half.vle
    same twice.vle stdout
    expect 0 vlp-embed -q --convert --format tsv half.vle
    cat stdout fine.tsv >want.tsv
    expect 0 vlp-embed -q --convert -f -o joint.vle half.vle fine.tsv
    expect 0 vlp-embed -q --convert --format tsv joint.vle
    same want.tsv stdout
    expect 0 vlp-embed -q --convert -f -o joint.vle half.vle - <fine.tsv
    expect 0 vlp-embed -q --convert --format tsv joint.vle
    same want.tsv stdout
done

# --convert takes shards and a limit, and refuses by name what it would pass over.
expect 0 vlp-embed --convert --format tsv whole.vle
sort stdout >all.tsv
expect 0 vlp-embed --convert --shard 1/2 --format tsv whole.vle
cp stdout halves.tsv
[ "$(wc -l <stdout)" -lt 600 ] || fail "a shard is everything"
expect 0 vlp-embed --lines numbers --shard 1/2 --format tsv
same stdout halves.tsv
expect 0 vlp-embed --convert --shard 2/2 --format tsv whole.vle
sort stdout halves.tsv >both.tsv
same both.tsv all.tsv
expect 0 vlp-embed --convert --limit 7 --format tsv whole.vle whole.vle
[ "$(wc -l <stdout)" -eq 7 ] || fail "not seven records"
head -1 stdout >one.tsv
expect 0 vlp-embed --convert --shard 1/1 --limit 1 --format tsv one.tsv
for i in 1 2; do vlp-embed -q --convert --shard $i/2 -o of$i.vle one.tsv || fail "an empty shard"; done
expect 2 vlp-embed --convert --failed list --format tsv whole.vle
says "--failed does not go with --convert"
expect 2 vlp-embed --convert --template '{}' --format tsv whole.vle
says "--template does not go with --convert"
expect 2 vlp-embed --convert --max-time 3 -o late.vle whole.vle
says "--max-time does not go with --convert"
expect 2 vlp-embed --convert --update -o whole.vle whole.vle
says "--update does not go with --convert"

# Nothing in, nothing out: an error, and no file.
printf '{"id":"a","vector":[1,2]}\n{"id":"a","deleted":true}\n' >gone.jsonl
for to in gone.vle gone.npy gone.tsv; do
    expect 1 vlp-embed --convert -o $to gone.jsonl
    says "no records in the input"
    [ -e $to ] && fail "$to is there"
done

# There were some, but none that was asked for.
printf 'a\nb\nc\n' >abc.txt
expect 1 vlp-embed --only image --lines abc.txt -o none.vle
says "vlp-embed: --only image leaves nothing of the input's 3 records"
expect 1 vlp-embed --layer penultimate --lines abc.txt -o none.vle
says "vlp-embed: --layer penultimate leaves nothing of the input's 3 records"
expect 1 vlp-embed --only text photos/p00.png -o none.vle
says "vlp-embed: --only text leaves nothing of the input's 1 record"
expect 0 vlp-embed -q --lines abc.txt -o abc.vle
expect 1 vlp-embed --convert --only image abc.vle abc.vle -o none.vle
says "vlp-embed: --only image leaves nothing of the input's 6 records"
[ -e none.vle ] && fail "a file of nothing"

# Of several inputs all must be of one model, also where the first does not say of which it is, and the
# result names the model only when all do.
fingerprint() {
    vlp-embed -q --convert --format safetensors "$1" | head -c 2000 | grep -ao '"fingerprint":"[^"]*"'
}
expect 0 vlp-embed -q -o one.vle photos/p00.png
expect 0 vlp-embed -q -o two.vle photos/p01.png
expect 0 vlp-embed -q --flavour squash -o other.vle photos/p01.png
expect 0 vlp-embed -q --convert --format jsonl -o bare.jsonl one.vle
for inputs in "one.vle other.vle" "bare.jsonl one.vle other.vle" "one.vle bare.jsonl other.vle"; do
    # shellcheck disable=SC2086
    expect 4 vlp-embed --convert --format tsv $inputs
    says "one.vle was made by model"
    says "other.vle by model"
    [ -s stdout ] && fail "wrote before it looked at all headers"
done
# Pipes are asked when their turn comes.
expect 4 vlp-embed --convert -o mixed.vle bare.jsonl <(cat one.vle) <(cat other.vle)
says "by model"
[ -e mixed.vle ] && fail "two models in one file"
expect 0 vlp-embed -q --convert -o mixed.vle one.vle two.vle
[ "$(fingerprint mixed.vle)" = "$(fingerprint one.vle)" ] || fail "the model is lost"
[ "$(fingerprint one.vle)" = '"fingerprint":""' ] && fail "no model"
for inputs in "bare.jsonl one.vle" "one.vle bare.jsonl"; do
    # shellcheck disable=SC2086
    expect 0 vlp-embed -q --convert -f -o mixed.vle $inputs
    [ "$(fingerprint mixed.vle)" = '"fingerprint":""' ] || fail "$inputs: whose model?"
done
expect 4 vlp-embed -q --convert --normalize -f -o mixed.vle one.vle - <bare.jsonl
says "standard input does not say which model made its vectors, as one.vle does: name it first, or as a file"
# What vectors are made for.
expect 0 vlp-embed -q --convert -o one.safetensors one.vle
sed 's/"metric":"cosine"/"metric":"dot"   /' one.safetensors >dot.safetensors
expect 4 vlp-embed -q --convert --format tsv two.vle dot.safetensors
says "two.vle is made for cosines, dot.safetensors for dot products"
expect 4 vlp-embed -q --convert --format tsv dot.safetensors - <two.vle
says "dot.safetensors is made for dot products, standard input for cosines"
expect 0 vlp-embed -q --convert --format tsv dot.safetensors dot.safetensors
exit 0
