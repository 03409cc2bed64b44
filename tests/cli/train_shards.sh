# A run from tar shards, plain or compressed, makes the model that the same pictures in a table make; a
# compressed shard needs room, and says so.
. "$ROOT/tests/cli_helpers.sh"
cp "$GOLDEN"/clip/end-to-end/p*.png .
for p in p*.png; do
    printf 'picture %s\nno %s\n' "${p%.png}" "${p%.png}" >"${p%.png}.txt"
    echo "{\"image\": \"$p\", \"captions\": [\"picture ${p%.png}\", \"no ${p%.png}\"]}" >>data.jsonl
done
printf "%s\n" p*.png p*.txt | sort | tar cf data.tar -T -
gzip -k data.tar
zstd -q data.tar
run="vlp-train -b 4 --epochs 2 --warmup 0 --lr 1e-3 -m $GOLDEN/clip/end-to-end/model"
for data in data.jsonl data.tar data.tar.gz data.tar.zst; do
    expect 0 $run -o "run-$data" "$data:1.5" p00.png:2
    same run-data.jsonl/model.safetensors "run-$data/model.safetensors"
done
says "pictures of compressed shards take"
# Stopped and continued, with the shard unpacked anew.
expect 6 $run -q -o again --max-steps 3 data.tar.gz:1.5 p00.png:2
expect 0 $run -q -o again --cache-dir . data.tar.gz:1.5 p00.png:2
same run-data.jsonl/model.safetensors again/model.safetensors
expect 1 $run -o none --cache-dir none data.tar.gz
says "none: no file for unpacked pictures"
