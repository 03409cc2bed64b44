# Vectors of --flavour are those of the model whose document says so: the same numbers under the same fingerprint.
. "$ROOT/tests/cli_helpers.sh"
use_pictures
expect 0 vlp-model convert -q --to open_clip -o said "$VLP_MODEL"
sed -i 's/"rgb_first": *true/"rgb_first": false/; s/"crop_floor": *true/"crop_floor": false/' said/open_clip_config.json
expect 0 vlp-model import -q -o said.safetensors said
vlp-embed -q --flavour openai -o option.vle photos/p0[0-3].png
vlp-embed -q -m said.safetensors -o document.vle photos/p0[0-3].png
vlp-embed -q -o plain.vle photos/p0[0-3].png
for how in '' '--flavour openai'; do # the document says so already
    expect 0 vlp-match $how -m said.safetensors -k 1 --image photos/p01.png option.vle
    prints $'photos/p01.png\t1\t1\tphotos/p01.png'
done
expect 0 vlp-match --flavour openai -k 1 --image photos/p01.png document.vle
expect 4 vlp-match --image photos/p01.png option.vle
expect 4 vlp-match -Q plain.vle option.vle
expect 0 vlp-match -Q document.vle option.vle
# Other digits, such as flavours had before, are another model: nothing is added to them.
vlp-embed -q --convert --format safetensors -o former.safetensors option.vle
sed -i 's/"fingerprint":"[0-9a-f]*"/"fingerprint":"1d641f341763d2d277fe0de9929af851"/' former.safetensors
vlp-embed -q --convert -o former.vle former.safetensors
cp former.vle before.vle
for more in '' --add --update; do
    expect 4 vlp-embed $more --flavour openai -o former.vle photos/p0[0-4].png
    says 'former.vle was made by model 1d641f341763d2d277fe0de9929af851, what would be added by model '
    same former.vle before.vle
done
expect 4 vlp-match -Q former.vle option.vle
expect 0 vlp-match -Q former.vle option.vle --ignore-model
