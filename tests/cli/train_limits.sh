# --max-steps ends with 6 and the same command goes on; another option is refused with 4 by name.
cp "$GOLDEN"/clip/end-to-end/p0[0-5].png .
for p in p*.png; do echo "picture ${p%.png}" >"${p%.png}.txt"; done
run="vlp-train -qq -j 2 -b 3 --epochs 2 --warmup 0 --lr 1e-4 -m $GOLDEN/clip/end-to-end/model -o run"
$run --max-steps 2 .
echo "first $?"
$run --lr 2e-4 . 2>err
echo "other $?"
grep -o "another 'lr'" err
$run .
echo "second $?"
ls run
vlp-model verify run/model.safetensors | cut -f 2
vlp-train -q --plot curves.svg -o run && head -c 4 curves.svg && echo
vlp-train -q -o run . 2>/dev/null
echo "usage $?"
