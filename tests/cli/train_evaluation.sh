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
grep -q '"val_text_R@1"' run/metrics.jsonl || exit 1

# The same figures when the held-out pictures are in a shard, and labels alone are enough for classes.
mkdir shard
i=0
for p in p*.png; do
    cp "$p" shard
    echo "a $(sed -n "$((i + 1))s/.*	//p" labels.tsv), number $i" >"shard/${p%.png}.txt"
    sed -n "$((i + 1))s/.*	//p" labels.tsv >"shard/${p%.png}.cls"
    i=$((i + 1))
done
tar cf held.tar --sort=name -C shard .
rm shard/*.txt
tar cf labels.tar --sort=name -C shard .
for held in held labels; do
    vlp-train -q -b 6 --epochs 1 --warmup 0 --lr 1e-4 -m "$GOLDEN/clip/end-to-end/model" -o $held \
        --validation $held.tar --classes classes.txt --template 'a {}.' --template 'one {}' data.jsonl || exit 1
done
grep val_top1 run/metrics.jsonl >want
grep val_top1 held/metrics.jsonl | cmp - want || exit 1
sed 's/"val_\(image\|text\)_[^,]*,//g' want | cmp - <(grep val_top1 labels/metrics.jsonl) || exit 1

# A picture that cannot be read any more finds nothing, is found last and has no class; it still counts.
for i in 0 1 2; do
    echo junk >"junk$i.png"
    echo "{\"image\": \"junk$i.png\", \"captions\": [\"a square, number $i\"], \"label\": \"circle\"}"
done >junk.jsonl
vlp-train -q -b 6 --epochs 1 --warmup 0 --lr 1e-4 -m "$GOLDEN/clip/end-to-end/model" -o unread --validation junk.jsonl \
    --classes classes.txt data.jsonl || exit 1
for figure in top1 top5 image_R@1 text_R@1; do
    grep -q "\"val_$figure\":0.0" unread/metrics.jsonl || {
        echo "not 0: $figure"
        cat unread/metrics.jsonl
        exit 1
    }
done
grep -q '"val_text_median_rank":3.0' unread/metrics.jsonl || exit 1

# One that was not there from the beginning is named as skipped, as one to train with is, and the status says so.
{
    cat data.jsonl
    echo '{"image": "gone.png", "captions": ["a square"], "label": "circle"}'
} >gone.jsonl
vlp-train -q -b 6 --epochs 1 --warmup 0 --lr 1e-4 -m "$GOLDEN/clip/end-to-end/model" -o gone --validation gone.jsonl \
    --classes classes.txt data.jsonl 2>report
status=$?
[ $status -eq 3 ] && grep -q 'gone.png: No such file or directory (skipped)' report || {
    echo "status $status"
    cat report
    exit 1
}

# A picture tower that makes NaN is told as one of the texts is: no figures, no best checkpoint.
cp -r "$GOLDEN/clip/end-to-end/model" nan # the last number of the file, of the pictures' projection
truncate -s -2 nan/model.safetensors
printf '\0\176' >>nan/model.safetensors
vlp-train -q -b 6 --epochs 1 --warmup 0 --lr 1e-4 -m nan -o broken --validation data.jsonl data.jsonl 2>report
status=$?
[ $status -eq 5 ] && grep -q 'p00.png: the model makes a vector of it that is not finite' report || {
    echo "status $status"
    cat report
    exit 1
}
[ ! -e broken/best.train ] && ! grep -q val_ broken/metrics.jsonl || exit 1

# Held-out pairs without labels have no classes to be judged by, which --check says as well.
sed 's/, "label".*/}/' data.jsonl >unlabelled.jsonl
for how in "--check" "-q --epochs 1 --warmup 0 -o nothing"; do
    vlp-train $how -b 6 -m "$GOLDEN/clip/end-to-end/model" --validation unlabelled.jsonl --classes classes.txt \
        data.jsonl >/dev/null 2>said || exit 1
    grep -q -- '--classes does nothing: no picture of unlabelled.jsonl has a label$' said || {
        cat said
        exit 1
    }
done
grep -q val_text_R@1 nothing/metrics.jsonl && ! grep -q val_top1 nothing/metrics.jsonl || exit 1
vlp-train --check -b 6 -m "$GOLDEN/clip/end-to-end/model" --validation data.jsonl --classes classes.txt data.jsonl \
    >/dev/null 2>said || exit 1
grep -q 'does nothing' said && exit 1
sed 's/"label": "/&no /' data.jsonl >strange.jsonl
vlp-train --check -b 6 -m "$GOLDEN/clip/end-to-end/model" --validation strange.jsonl --classes classes.txt data.jsonl \
    >/dev/null 2>said || exit 1
grep -q 'no picture of strange.jsonl has a label that is one of them' said || exit 1

# With --ema the averaged copy is judged, which is the finished model: an evaluation of that says the same.
held="--validation data.jsonl --classes classes.txt data.jsonl"
vlp-train -q -b 6 --epochs 4 --warmup 0 --lr 2e-3 --ema 0.9 -m "$GOLDEN/clip/end-to-end/model" -o averaged $held || exit 1
vlp-train -q -b 6 --epochs 1 --warmup 0 --lr 0 -m averaged/model.safetensors -o again $held || exit 1
figures() { grep val_top1 "$1" | tail -n 1 | sed 's/"step":[0-9]*,//'; }
[ "$(figures averaged/metrics.jsonl)" = "$(figures again/metrics.jsonl)" ] || {
    figures averaged/metrics.jsonl
    figures again/metrics.jsonl
    exit 1
}

# The bias that the sigmoid loss has learned (it starts at -10) goes with the model, and --logit-scale
# model adds it.
vlp-train -q -b 6 --epochs 1 --warmup 0 --lr 1e-4 --loss sigmoid -m "$GOLDEN/clip/end-to-end/model" -o sigmoid \
    data.jsonl || exit 1
one="vlp-classify -q -m sigmoid/model.safetensors -l circle --logit-scale model p00.png"
logit=$($one --score logit | cut -f 4)
cosine=$($one --score cosine | cut -f 4)
scale=$(vlp-model inspect sigmoid/model.safetensors 2>/dev/null | sed -n 's/^logit scale *//p')
awk -v l="$logit" -v c="$cosine" -v s="$scale" 'BEGIN { b = l - s * c; exit !(b < -9.99 && b > -10.01) }' || {
    echo "logit $logit, cosine $cosine, scale $scale"
    exit 1
}
