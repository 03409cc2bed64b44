# Text that is not UTF-8 is named, its line stays, the status is 3.
. "$ROOT/tests/cli_helpers.sh"
printf 'one\n\377\376\ntwo\n' >lines
expect 3 vlp-model tokenize --lines lines
says "text 2: "
says "(skipped)"
[ "$(wc -l <stdout)" -eq 3 ] || fail "lines are missing"
[ -z "$(sed -n 2p stdout)" ] || fail "line 2 is not empty"
expect 3 vlp-model tokenize --json --lines lines
prints '"error": '
expect 1 vlp-model tokenize --lines /nonexistent
says "/nonexistent: "
expect 0 vlp-model tokenize --context 4 'many many words in here'
says "1 of 1 texts cut to 4 ids"
