# The Makefile at work on a project of one program: what is installed and uninstalled, what is built anew when.
. "$ROOT/tests/cli_helpers.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL CC CFLAGS LDFLAGS BUILD PREFIX DESTDIR OPT SAN WERROR V JOBS
mkdir -p project/{lib/base,lib/vlp,cmd,tests,man,share/vlp/more,scripts}
cd project || exit
cp "$ROOT/Makefile" .
cp "$ROOT/scripts/completion.sh" scripts
echo 'int one(void);' >lib/vlp/one.h
printf '#include <vlp/one.h>\nint one(void) { return 1; }\n' >lib/base/one.c
printf '#include "share.h"\nconst char *share(void) { return VLP_SHARE_DIR; }\n' >cmd/share.c
echo 'const char *share(void);' >cmd/share.h
cat >cmd/vlp-one.c <<'END'
#include "share.h"
#include <stdio.h>
#include <vlp/one.h>
int main(int argc, char **argv)
{
    if (argc == one()) puts(share());
    return argv == NULL;
}
END
echo '.TH one 1' >man/vlp-one.1
echo '.TH one 7' >man/vlp.7
echo words >share/vlp/words
echo words >"share/vlp/more/two words"

# What was there before stays, alone.
mkdir -p there/usr/bin there/usr/share/vlp
echo other >there/usr/bin/other
echo other >there/usr/share/vlp/other
find there ! -type d | sort >before
expect 0 make install DESTDIR="$PWD/there" PREFIX=/usr
[ "$(there/usr/bin/vlp-one)" = /usr/share/vlp ] || fail "the program looks elsewhere"
find there/usr ! -type d | sort >after
cat >awaited <<'END'
there/usr/bin/other
there/usr/bin/vlp-one
there/usr/include/vlp/one.h
there/usr/lib/libvlp.a
there/usr/share/bash-completion/completions/vlp-one
there/usr/share/fish/vendor_completions.d/vlp-one.fish
there/usr/share/man/man1/vlp-one.1
there/usr/share/man/man7/vlp.7
there/usr/share/vlp/more/two words
there/usr/share/vlp/other
there/usr/share/vlp/words
there/usr/share/zsh/site-functions/_vlp-one
END
same after awaited
expect 0 make uninstall DESTDIR="$PWD/there" PREFIX=/usr
find there ! -type d | sort >after
same after before
[ ! -e there/usr/include/vlp ] && [ ! -e there/usr/share/vlp/more ] || fail "empty folders of ours are left"

# The place that programs look at is that of the installation, however they were built before.
expect 0 make
expect 0 make install DESTDIR="$PWD/there" PREFIX=/opt
[ "$(there/opt/bin/vlp-one)" = /opt/share/vlp ] || fail "the program looks at $(there/opt/bin/vlp-one)"
[ "$(make -s PREFIX=/opt && build/vlp-one)" = /opt/share/vlp ] || fail "not built for /opt"

# The same again builds nothing; other flags, or another compiler, build everything; PREFIX one file.
built() {
    make "$@" >list 2>&1 || fail "make $*: $(cat list)"
    grep -c ' CC ' list
}
[ "$(built PREFIX=/opt)" -eq 0 ] || fail "built again: $(cat list)"
[ "$(built)" -eq 1 ] || fail "PREFIX: $(cat list)"
[ "$(built OPT=-O1)" -eq 3 ] || fail "OPT: $(cat list)"
[ "$(built OPT=-O1 CC='env cc')" -eq 3 ] || fail "CC: $(cat list)"
[ "$(built OPT=-O1 CC='env cc' CFLAGS="-DA='\"a b\"'")" -eq 3 ] || fail "CFLAGS: $(cat list)"
[ "$(built OPT=-O1 CC='env cc' CFLAGS="-DA='\"a b\"'")" -eq 0 ] || fail "CFLAGS again: $(cat list)"

# make -q and make -n tell what there is to do: nothing after a build, what depends on them for other flags.
expect 0 make
expect 0 make -q
expect 1 make -q OPT=-O1
planned() {
    make -n "$@" >list 2>&1 || fail "make -n $*: $(cat list)"
    grep -c ' CC ' list
}
[ "$(planned install DESTDIR="$PWD/there")" -eq 0 ] || fail "make -n install: $(cat list)"
[ "$(planned install DESTDIR="$PWD/there" PREFIX=/opt)" -eq 1 ] || fail "make -n install, PREFIX: $(cat list)"
[ "$(planned OPT=-O1)" -eq 3 ] || fail "make -n, OPT: $(cat list)"
expect 0 make -q

# What is installed is what was built last, unless install's own command says otherwise; PREFIX always does.
flags=(CC='env cc' CFLAGS="-DA='\"a b\"' -DB='\$\$x'" LDFLAGS=-s)
[ "$(built PREFIX=/x "${flags[@]}")" -eq 3 ] || fail "flags: $(cat list)"
[ "$(built install PREFIX=/x DESTDIR="$PWD/there")" -eq 0 ] || fail "install built: $(cat list)"
same build/vlp-one there/x/bin/vlp-one
! grep -q LINK list || fail "install linked: $(cat list)"
export CC=false CFLAGS=-bad
[ "$(built install PREFIX=/x DESTDIR="$PWD/there")" -eq 0 ] || fail "install saw the environment: $(cat list)"
unset CC CFLAGS
expect 0 make install PREFIX=/y DESTDIR="$PWD/there" V=1
[ "$(grep " -c " stdout | grep -c "^env cc .*-DA='\"a b\"' -DB='\$x' ")" -eq 1 ] || fail "PREFIX: $(cat stdout)"
[ "$(there/y/bin/vlp-one)" = /y/share/vlp ] || fail "the program looks at $(there/y/bin/vlp-one)"
[ "$(built PREFIX=/x "${flags[@]}")" -eq 1 ] || fail "PREFIX back: $(cat list)"
[ "$(built install OPT=-O1 DESTDIR="$PWD/there")" -eq 3 ] || fail "install OPT: $(cat list)"
[ "$(built)" -eq 3 ] || fail "no flags: $(cat list)"
[ "$(built install DESTDIR="$PWD/there")" -eq 0 ] || fail "install built: $(cat list)"
expect 0 make clean
[ "$(built install DESTDIR="$PWD/there")" -eq 3 ] || fail "install after clean: $(cat list)"

# clean takes the build that is meant, no other.
expect 0 make BUILD=other
expect 0 make clean BUILD=other
[ ! -e other ] && [ -e build/vlp-one ] || fail "clean removed the wrong build"

# A place with a space in its name is one place; BUILD is a word.
echo other >a
expect 0 make install DESTDIR="$PWD/a place" PREFIX='/my own'
[ "$("a place/my own/bin/vlp-one")" = '/my own/share/vlp' ] || fail "the program looks elsewhere"
expect 0 make uninstall DESTDIR="$PWD/a place" PREFIX='/my own'
[ -z "$(find 'a place' ! -type d)" ] && [ -e a ] || fail "left: $(find a*)"
for name in '' 'a place'; do
    expect 2 make clean BUILD="$name"
    says "BUILD is one word, not '$name'"
done

# Files of an instruction set of x86-64 are for a compiler that makes code for it.
echo 'const char level[] = "avx2";' >lib/base/one_avx2.c
printf '#!/bin/sh\n[ "$1" = -dumpmachine ] && echo "$MACHINE-linux-gnu"\n' >compiler
chmod +x compiler
export MACHINE=x86_64
[ "$(planned CC="$PWD/compiler")" -eq 4 ] && grep -q mavx2 list || fail "$MACHINE: $(cat list)"
export MACHINE=aarch64
[ "$(planned CC="$PWD/compiler")" -eq 3 ] && ! grep -q mavx2 list || fail "$MACHINE: $(cat list)"
