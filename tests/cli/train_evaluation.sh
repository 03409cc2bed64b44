# Evaluation during training says what vlp-classify and vlp-match say of the finished model.
cp "$GOLDEN"/clip/end-to-end/p*.png .
i=0
for p in p*.png; do
    label=$([ $((i % 2)) -eq 0 ] && echo circle || echo square)
    echo "{\"image\": \"$p\", \"captions\": [\"a $label, number $i\"], \"label\": \"$label\"}"
    echo "$p	$label" >>labels.tsv
    i=$((i + 1))
done >data.jsonl
printf 'circle\nsquare\nred barn\n' >classes.txt
vlp-train -q -b 6 --epochs 1 --warmup 0 --lr 1e-4 -m "$GOLDEN/clip/end-to-end/model" -o run --validation data.jsonl \
    --classes classes.txt --template 'a {}.' --template 'one {}' data.jsonl || exit 1
said=$(sed -n 's/.*"val_top1":\([0-9.]*\).*/\1/p' run/metrics.jsonl)
[ -n "$said" ] || exit 1
vlp-classify -m run/model.safetensors --labels-from classes.txt -t 'a {}.' -t 'one {}' --truth labels.tsv p*.png \
    2>report >/dev/null || exit 1
top1=$(sed -n 's/.*top-1 \([0-9.]*\),.*/\1/p' report)
awk -v a="$said" -v b="$top1" 'BEGIN { d = a - b; exit !(d < 1e-4 && d > -1e-4) }' || {
    echo "said $said, is $top1"
    exit 1
}
grep -q '"val_text_R@1"' run/metrics.jsonl
