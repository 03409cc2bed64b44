# --check names what cannot be used, counts it, and ends with 3; nothing is written.
cp "$GOLDEN"/clip/end-to-end/p0[0-5].png .
for p in p*.png; do echo "a picture" >"${p%.png}.txt"; done
head -c 3000 p00.png >torn.png
echo "a torn one" >torn.txt
vlp-train -q --check -b 2 -m "$GOLDEN/clip/end-to-end/model" .
