# A run killed again and again ends with the bytes of the straight run, in both precisions.
vlp-train --selftest resume | cut -f 1,2
vlp-train --selftest resume --precision bf16 | cut -f 1,2
