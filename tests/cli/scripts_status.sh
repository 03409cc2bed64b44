# The scripts behind the jobs of the Makefile end with what happened, and run what they are told to run only.
. "$ROOT/tests/cli_helpers.sh"
make_program() {
    cat >"$1"
    chmod +x "$1"
}
make_program bench_good <<'END'
#!/bin/bash
echo "a remark"
printf 'quick\t1.00\t0.50\t0.80\tok\nno bound\t3\t0\t0\t-\n'
END
make_program bench_slow <<'END'
#!/bin/bash
printf 'slow row\t0.20\t0.50\t0.80\tBELOW\nquick\t1.00\t0.50\t0.80\tok\n'
END
make_program bench_dead <<'END'
#!/bin/bash
printf 'half of it\t1.00\t0.50\t0.80\tok\n'
exit 7
END

# A bench below its bound, or one that fails, is said again at the end, and is the status.
expect 0 "$ROOT/scripts/bench.sh" ./bench_good
prints "# a remark"
expect 1 "$ROOT/scripts/bench.sh" ./bench_slow ./bench_good
[ "$(grep -c '^slow row' stdout)" -eq 2 ] || fail "a row below its bound is not said at the end"
expect 1 "$ROOT/scripts/bench.sh" ./bench_dead ./bench_good
[ "$(tail -n 1 stdout)" = "./bench_dead: exit 7" ] || fail "a failed bench is not said at the end"

# Of test programs and fuzzers those run that are named; what an older build left beside them does not count.
make_program check_new <<'END'
#!/bin/bash
echo "100%: Checks: 3, Failures: 0, Errors: 0"
END
make_program check_left <<'END'
#!/bin/bash
echo "50%: Checks: 2, Failures: 1, Errors: 0"
exit 1
END
expect 0 "$ROOT/scripts/run_tests.sh" . ./check_new
[ "$(tail -n 1 stdout)" = "3 passed, 0 failed" ] || fail "$(tail -n 1 stdout)"
expect 1 "$ROOT/scripts/run_tests.sh" . ./check_new ./check_left
[ "$(tail -n 1 stdout)" = "4 passed, 1 failed" ] || fail "$(tail -n 1 stdout)"
make_program fuzz_left <<'END'
#!/bin/bash
exit 77
END
cp bench_good fuzz_new
expect 0 "$ROOT/scripts/fuzz.sh" . 1 ./fuzz_new
# One that finds something does not keep the others from running.
expect 1 "$ROOT/scripts/fuzz.sh" . 1 ./fuzz_left ./fuzz_new
prints "left: found something"
prints "== new, 1 s"

# Continuous integration: lint and check; what lint says is a failure, unless its tools are not there.
mkdir -p project/.ci bare
cp "$ROOT/.ci/run" project/.ci
cat >project/Makefile <<'END'
lint: ; @$(LINT)
check: ; @echo "5 passed, 0 failed"
END
for tool in bash make dirname awk echo false; do
    ln -s "$(command -v $tool)" bare
done
unset MAKEFLAGS MFLAGS MAKELEVEL
for tool in clang-format mandoc shellcheck; do
    [ -z "$(command -v $tool)" ] && PATH=$PWD/tools:$PATH && mkdir -p tools && ln -s /bin/true tools/$tool
done
LINT="echo clean" expect 0 project/.ci/run
prints clean
[ "$(tail -n 1 stdout)" = "5 passed, 0 failed" ] || fail "$(tail -n 1 stdout)"
LINT=false expect 1 project/.ci/run
[ "$(tail -n 1 stdout)" = "5 passed, 1 failed" ] || fail "$(tail -n 1 stdout)"
LINT=false PATH=$PWD/bare expect 0 project/.ci/run
prints "lint skipped: not installed: clang-format mandoc shellcheck"
[ "$(tail -n 1 stdout)" = "5 passed, 0 failed" ] || fail "$(tail -n 1 stdout)"
