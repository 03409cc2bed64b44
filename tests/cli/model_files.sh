# Import, inspect, convert, verify: what they say and what they refuse.
. "$ROOT/tests/cli_helpers.sh"
source=$GOLDEN/clip/end-to-end/model
expect 0 vlp-model import -o own.safetensors "$source"
says "wrote own.safetensors"
expect 2 vlp-model import -o own.safetensors "$source"
says "own.safetensors"
expect 0 vlp-model import -f -o own.safetensors "$source"
cp -r "$source" copy
expect 0 vlp-model import copy
[ -f copy.safetensors ] || fail "no copy.safetensors"
same own.safetensors copy.safetensors 2>/dev/null || true
expect 0 vlp-model inspect own.safetensors
for word in "family          clip" "fingerprint" "tokenizer       clip_bpe" "preprocessing   hf"; do prints "$word"; done
expect 0 vlp-model inspect -v own.safetensors
prints "visual.conv1.weight"
expect 0 vlp-model inspect --json own.safetensors
prints '"family":"clip"'
# The statistics of batch norms are no parameters: here 1312 channels, each with a mean and a variance.
expect 0 vlp-model inspect "$GOLDEN/clip/openai-resnet/model.pt"
prints "parameters      480509 (339196 for pictures, 141313 for the rest)"
expect 0 vlp-model inspect --json "$GOLDEN/clip/openai-resnet/model.pt"
prints '"parameters":480509'
fingerprint() { vlp-model inspect "$1" 2>/dev/null | sed -n 's/^fingerprint *//p'; }
[ "$(fingerprint own.safetensors)" = "$(fingerprint "$source")" ] || fail "import changes the fingerprint"
for layout in hf open_clip; do
    expect 0 vlp-model convert --to $layout -o "back-$layout" own.safetensors
    expect 0 vlp-model inspect "back-$layout"
done
[ "$(fingerprint back-hf)" = "$(fingerprint own.safetensors)" ] || fail "hf and back changes the fingerprint"
for dtype in f32 f16 bf16 q8_0; do
    expect 0 vlp-model convert --dtype $dtype -o "$dtype.safetensors" own.safetensors
    expect 0 vlp-model verify "$dtype.safetensors"
    prints "ok"
done
expect 2 vlp-model convert --dtype q8_0 --to hf -o x own.safetensors
# Damage is found, whatever it hits.
size=$(stat -c %s own.safetensors)
cp own.safetensors damaged.safetensors
printf 'X' | dd of=damaged.safetensors bs=1 seek=$((size - 5000)) conv=notrunc 2>/dev/null
expect 5 vlp-model verify damaged.safetensors
prints checksum
head -c $((size / 2)) own.safetensors >short.safetensors
expect 5 vlp-model inspect short.safetensors
says "short.safetensors"
head -c 3000 /dev/urandom >random.safetensors
expect 5 vlp-model inspect random.safetensors
: >empty.safetensors
expect 5 vlp-model verify empty.safetensors
expect 1 vlp-model inspect missing.safetensors
says "missing.safetensors"
# What another layout cannot say is no damage: status 4, and nothing is written. open_clip's rule for positions says
# nothing where the stored grid is the model's.
expect 4 vlp-model convert --to hf -o resnet-hf "$GOLDEN/clip/openai-resnet"
says "cannot express a ResNet"
expect 4 vlp-model convert --to hf -o resampled-hf "$GOLDEN/clip/interp-openclip"
says "cannot express open_clip's resampling of positions"
[ ! -e resnet-hf ] && [ ! -e resampled-hf ] || fail "a folder was made"
unset VLP_MODEL
expect 0 vlp-model convert --to hf -o installed-hf
expect 0 vlp-model verify installed-hf
# A vocabulary that is not CLIP's is one that open_clip has to be told of; CLIP's it brings along.
expect 0 vlp-model convert --to open_clip -o installed-oc
grep -q '"hf_tokenizer_name": "./"' installed-oc/open_clip_config.json || fail "open_clip is not told of the vocabulary"
grep -q '"tokenizer_class": "CLIPTokenizer"' installed-oc/tokenizer_config.json || fail "nor what it is"
same installed-oc/merges.txt installed-hf/merges.txt
same installed-oc/tokenizer_config.json installed-hf/tokenizer_config.json
expect 0 vlp-model verify installed-oc
grep -q hf_tokenizer_name back-open_clip/open_clip_config.json && fail "CLIP's vocabulary needs no name"
[ ! -e back-open_clip/tokenizer_config.json ] || fail "nor a file"
expect 2 vlp-model convert --to open_clip -o installed-oc own.safetensors
expect 0 vlp-model convert -f --to open_clip -o installed-oc own.safetensors
[ ! -e installed-oc/tokenizer_config.json ] || fail "the other vocabulary's file is left"
# A small file that asks for more than a machine has is told so, not tried.
cp -r "$GOLDEN/clip/openclip-quick" vast
chmod -R u+w vast
sed -i 's/"image_size": 32/"image_size": 8184/' vast/open_clip_config.json
expect 5 vlp-model inspect vast
says "pictures of 8184 x 8184 pixels have 1046529 patches of 8 x 8, more than 65536"
expect 5 vlp-train -m "$GOLDEN/clip/end-to-end/model" -o vast-run --batch 8 --image-size 8192 --plan "$VLP_SHARE/pictures/captions.tsv"
says "more than 65536"

# A vocabulary that is there and cannot be read: no model is made without it.
mkdir -p share/bpe_simple_vocab_16e6.txt.gz
for job in "import -o unread.safetensors $GOLDEN/clip/openai-vit/model.pt" "tokenize cat"; do
    VLP_SHARE=$PWD/share expect 1 vlp-model $job
    says "share/bpe_simple_vocab_16e6.txt.gz: Is a directory"
done
[ ! -e unread.safetensors ] || fail "a model without its vocabulary"
rmdir share/*
VLP_SHARE=$PWD/share expect 1 vlp-model tokenize cat
says "no vocabulary in $PWD/share (set VLP_SHARE to where it is)"
# Nor without a configuration of which the disk does not tell whether it is there.
put_before silent <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#undef stat
int stat(const char *path, struct stat *st)
{
    const size_t n = strlen(path);
    if (n > 11 && strcmp(path + n - 11, "config.json") == 0) return errno = EIO, -1;
    return ((int (*)(const char *, struct stat *))dlsym(RTLD_NEXT, "stat"))(path, st);
}
int open(const char *path, int how, int mode)
{
    const size_t n = strlen(path);
    if (n > 11 && strcmp(path + n - 11, "config.json") == 0) return errno = EIO, -1;
    return ((int (*)(const char *, int, int))dlsym(RTLD_NEXT, "open"))(path, how, mode);
}
C
LD_PRELOAD=$PWD/silent.so expect 1 vlp-model import -o unread.safetensors "$GOLDEN/clip/hf-gelu-sharded"
says "config.json: Input/output error"
[ ! -e unread.safetensors ] || fail "a model of another configuration"

# Pictures that are no squares: both sides are told.
cp -r "$GOLDEN/clip/interp-hf" oblong
printf '{"size": {"height": 48, "width": 64}, "do_center_crop": false}' >oblong/preprocessor_config.json
expect 0 vlp-model inspect oblong
prints 'hf: sides to 64x48, bicubic'
