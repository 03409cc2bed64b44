# Recall, ranks and mAP are those of the lists that a search prints, whatever the vectors' lengths and types.
. "$ROOT/tests/cli_helpers.sh"

# Fifty pictures and three captions each, of small whole numbers: many scores are equal but for rounding.
# A picture stands in pairs.jsonl once for each of its captions, as vlp-embed writes it, in once.jsonl once.
awk '
function number(n) { seed = seed * 16807 % 2147483647; return int(seed / 1024) % n }
function record(id, x, flag) { return "{\"id\":\"" id "\",\"flags\":[" flag "],\"vector\":[" x "]}" }
BEGIN {
    seed = 7
    for (p = 0; p < 50; p++) {
        for (i = 0; i < 8; i++) v[i] = number(5) - 2
        v[p % 8] = 1 + number(2)
        long = 1 + number(3) # as some vectors are
        x = ""
        for (i = 0; i < 8; i++) x = x (i ? "," : "") v[i] * long
        print record("p" p, x, "") >"once.jsonl"
        for (c = 0; c < 3; c++) {
            y = ""
            for (i = 0; i < 8; i++) y = y (i ? "," : "") v[i] + number(5) - 2
            print record("p" p "#" c, y, "\"text\"") >"texts.jsonl"
            print record("p" p "#" c, y, "\"text\"") >"pairs.jsonl"
            print record("p" p "#" c, x, "") >"pairs.jsonl"
            print "p" p "#" c "\tp" p >"truth.tsv"
            if (number(4) == 0) print "p" p "#" c "\tp" number(50) >"truth.tsv"
        }
    }
}' </dev/null

# counted COLUMN: the measures with queries in that column of the truth, counted in the lists of -k 0 on stdin.
counted() {
    awk -F'\t' -v from="$1" '
    FNR == NR { q = $from; d = $(3 - from); n[q] += !((q, d) in right); right[q, d] = 1; next }
    ($1, $4) in right {
        if (!($1 in best)) best[$1] = $2
        if ($2 <= 10) ap[$1] += ++hits[$1] / $2
    }
    END {
        for (q in n) {
            queries++
            for (k = 1; k <= 3; k++) within[k] += best[q] <= k
            ranks += best[q]
            map += ap[q] / (n[q] < 10 ? n[q] : 10)
        }
        for (k = 1; k <= 3; k++) printf "R@%d\t%.9f\n", k, within[k] / queries
        printf "mean_rank\t%.9f\nmAP@10\t%.9f\nqueries\t%.9f\n", ranks / queries, map / queries, queries
    }' truth.tsv -
}

# told DIRECTION: the same measures as --truth printed them.
told() {
    awk -F'\t' -v d="$1" '$1 == d && $2 != "median_rank" { printf "%s\t%.9f\n", $2, $3 }' stdout
}

for type in f32 f16 bf16 i8; do
    for file in once texts pairs; do
        expect 0 vlp-embed --convert -q -f --dtype $type -o $file.vle $file.jsonl
    done
    for metric in cosine dot; do
        how="--metric $metric"
        vlp-match $how -k 0 -Q texts.vle --only image once.vle | counted 1 >by-text
        vlp-match $how -k 0 -Q once.vle texts.vle | counted 2 >by-image
        expect 0 vlp-match $how --recall-at 1,2,3 --truth truth.tsv --query-only text --only image -Q texts.vle once.vle
        told text_to_image | diff by-text - || fail "$type $metric: texts ask"
        told image_to_text | diff by-image - || fail "$type $metric: pictures ask"
        mv stdout right
        expect 0 vlp-match $how --recall-at 1,2,3 --truth truth.tsv --query-only text --only image -Q pairs.vle pairs.vle
        same right stdout
        expect 0 vlp-match $how --recall-at 1,2,3 --truth truth.tsv --query-only text --only image -Q texts.vle - <once.vle
        same right stdout
    done
    # Nor are those of --rerank others, where every record is scored again.
    [ $type = i8 ] && continue
    expect 0 vlp-embed --convert -q -f --dtype i8 -o small.vle once.jsonl
    expect 0 vlp-match -k 20 -Q texts.vle once.vle
    mv stdout right
    expect 0 vlp-match -k 20 --rerank once.vle --rerank-depth 50 -Q texts.vle small.vle
    same right stdout
done

# One is told of as one.
printf 'p0\tp0\np1\tnone\n' >some.tsv
expect 3 vlp-match --truth some.tsv -Q once.vle once.vle
says "some.tsv: 1 of 2 pairs names a record that is not there: none"
printf 'p0\tp0\np1\tnone\nmore\tp2\n' >some.tsv
expect 3 vlp-match --truth some.tsv -Q once.vle once.vle
says "some.tsv: 2 of 3 pairs name records that are not there: none, more"
expect 0 vlp-match --groups -1 - <<<'{"id": "only", "vector": [1, 2]}'
says "0 of 1 record in 0 groups"
