# A run killed again and again ends with the bytes of the straight run.
vlp-train --selftest resume | cut -f 1,2
