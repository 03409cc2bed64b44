# vlp -- one non-recursive Makefile. `make help` lists the targets.
#
# Everything is found by wildcard: a new lib/<room>/x.c, cmd/vlp-x.c or tests/check_x.c needs no line
# here. Objects live in build/ (build/san for sanitizers). Header dependencies are tracked by -MMD, the
# compiler, its flags and PREFIX by stamps.

CC       ?= cc
BUILD    ?= build
ifneq ($(words $(BUILD)),1)
$(error BUILD is one word, not '$(BUILD)')
endif
OPT      ?= -O2
WERROR   ?= -Werror
CSTD     := -std=c11 -D_GNU_SOURCE -Ilib
WARN     := -Wall -Wextra $(WERROR)
# No contraction: a*b+c rounds twice unless a kernel asks for FMA by name, so levels and compilers agree.
NUMERIC  := -ffp-contract=off -fno-math-errno
PKGS     := libjpeg libpng libwebp libwebpdemux zlib libzstd jansson libutf8proc libarchive
PREFIX   ?= /usr/local
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
Q        := $(if $(V),,@)
DESTDIR  ?=

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) libxxhash 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) libxxhash 2>/dev/null)
MPI_CFLAGS := $(shell pkg-config --cflags ompi-c 2>/dev/null)
MPI_LIBS   := $(shell pkg-config --libs ompi-c 2>/dev/null)

ALL_CFLAGS  = $(CSTD) $(OPT) -g $(WARN) $(NUMERIC) -pthread $(PKG_CFLAGS) $(CFLAGS) $(SAN)
ALL_LDFLAGS = -pthread $(LDFLAGS) $(SAN)
# --as-needed: a program is bound to those libraries only that it calls (MPI: vlp-train).
LIBS        = -Wl,--as-needed $(PKG_LIBS) $(MPI_LIBS) -lm

# What a build is made with. A stamp is a file that holds the value of one of these; when it is another now, the
# stamp and what depends on it are made anew. That is decided here, so that nothing is out of date only because
# nobody has looked.
COMPILE := CC OPT WERROR CFLAGS SAN PKG_CFLAGS
LINK    := CC LDFLAGS SAN PKG_LIBS MPI_LIBS
MPI     := MPI_CFLAGS MPI_LIBS
STAMPED := $(sort $(COMPILE) $(LINK) $(MPI) PREFIX)
stamps   = $(1:%=$(BUILD)/%.stamp)
held     = $(file <$(call stamps,$(1)))
# `make install` takes over from the last make what is not in its own command, except PREFIX: installed is what
# was built and tested, whatever root has in the environment.
ifeq ($(MAKECMDGOALS),install)
$(foreach v,$(filter-out PREFIX,$(STAMPED)),$(if $(wildcard $(call stamps,$(v))),$(eval $(v) := $$(call held,$(v)))))
endif
# Copies, because some objects, and with them what they depend on, have an OPT or SAN of their own.
$(foreach v,$(STAMPED),$(eval STAMP_$(v) := $$($(v))))
CHANGED := $(foreach v,$(STAMPED),$(if $(subst [$(call held,$(v))],,[$(STAMP_$(v))]),$(v)))

ROOMS    := base tensor op nn model checkpoint loss text image data embedding train task
LIB_SRC  := $(foreach r,$(ROOMS),$(wildcard lib/$(r)/*.c))
CMD_SRC  := $(filter-out cmd/vlp-%,$(wildcard cmd/*.c))
PROG_SRC := $(wildcard cmd/vlp-*.c)
TEST_SRC := $(wildcard tests/check_*.c)
BENCH_AUX := tests/peer.c tests/towers.c
TEST_AUX := $(filter-out tests/check_% tests/fuzz_% tests/bench_% $(BENCH_AUX),$(wildcard tests/*.c))
BENCH_SRC := $(wildcard tests/bench_*.c)
FUZZ_SRC := $(wildcard tests/fuzz_*.c)
# A compiler for another machine than x86-64 makes the portable level alone.
ifneq ($(filter-out x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
LEVELS   := %_avx2.c %_avx512.c %_vnni.c %_bf16.c %_amx.c
LIB_SRC  := $(filter-out $(LEVELS),$(LIB_SRC))
TEST_SRC := $(filter-out $(LEVELS),$(TEST_SRC))
endif

LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
CMD_OBJ  := $(CMD_SRC:%.c=$(BUILD)/%.o)
BENCH_AUX_OBJ := $(BENCH_AUX:%.c=$(BUILD)/%.o)
TEST_AUX_OBJ := $(TEST_AUX:%.c=$(BUILD)/%.o)
PROGS    := $(PROG_SRC:cmd/%.c=$(BUILD)/%)
TESTS    := $(TEST_SRC:tests/%.c=$(BUILD)/%)
BENCHES  := $(BENCH_SRC:tests/%.c=$(BUILD)/%)
LIBVLP   := $(BUILD)/libvlp.a
LIBCMD   := $(BUILD)/libcmd.a

.PHONY: all
all: $(LIBVLP) $(PROGS)

# Instruction sets by file name: the rest of the tree stays at the portable baseline.
$(BUILD)/%_avx2.o: LEVEL := -mavx2 -mfma -mf16c
$(BUILD)/%_avx512.o: LEVEL := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
$(BUILD)/%_vnni.o: LEVEL := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c
$(BUILD)/%_bf16.o: LEVEL := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mavx2 -mfma -mf16c
$(BUILD)/%_amx.o: LEVEL := -mamx-tile -mamx-bf16 -mamx-int8 -mavx512f -mavx512bw -mavx512dq -mavx512vl \
                           -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c
# The objects of those sources that use a name.
users_of = $(patsubst %.c,$(BUILD)/%.o,$(shell grep -l '$(1)' $(LIB_SRC) $(CMD_SRC) $(PROG_SRC)))
# Several processes, where MPI is installed. The stamp changes when it comes or goes.
MPI_USERS := $(call users_of,VLP_HAVE_MPI)
ifneq ($(MPI_LIBS),)
$(MPI_USERS): LEVEL := -DVLP_HAVE_MPI $(MPI_CFLAGS)
endif
$(MPI_USERS): $(call stamps,$(MPI))
$(call stamps,$(STAMPED)): $(BUILD)/%.stamp:
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(STAMP_$*))' >$@
$(call stamps,$(CHANGED)): force
.PHONY: force
# Kernels are unrolled by the compiler where that pays, conversions made vectors.
$(BUILD)/lib/tensor/%.o $(BUILD)/lib/train/adamw%.o $(BUILD)/lib/base/half.o: OPT := -O3
$(BUILD)/lib/image/resample_%.o: OPT := -O3

# Where an installed program finds its vocabularies and the default model.
SHARE_USERS := $(call users_of,VLP_SHARE_DIR)
$(SHARE_USERS): CSTD += -DVLP_SHARE_DIR='"$(PREFIX)/share/vlp"'
$(SHARE_USERS): $(call stamps,PREFIX)

$(BUILD)/%.o: %.c Makefile $(call stamps,$(COMPILE))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(CC) $(ALL_CFLAGS) $(LEVEL) -MMD -MP -c -o $@ $<

$(LIBVLP): $(LIB_OBJ)
	@rm -f $@
	$(if $(V),,@echo "  AR    $@")
	$(Q)$(AR) rcs $@ $^

# An archive, so that a program gets the parts it calls and no other program's.
$(LIBCMD): $(CMD_OBJ)
	@rm -f $@
	$(if $(V),,@echo "  AR    $@")
	$(Q)$(AR) rcs $@ $^

$(BUILD)/vlp-%: $(BUILD)/cmd/vlp-%.o $(LIBCMD) $(LIBVLP) $(call stamps,$(LINK))
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter-out %.stamp,$^) $(LIBS)

$(BUILD)/check_%: $(BUILD)/tests/check_%.o $(TEST_AUX_OBJ) $(LIBVLP) $(call stamps,$(LINK))
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter-out %.stamp,$^) $(shell pkg-config --libs check) $(LIBS)

$(BUILD)/bench_%: $(BUILD)/tests/bench_%.o $(BENCH_AUX_OBJ) $(LIBVLP) $(call stamps,$(LINK))
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter-out %.stamp,$^) $(LIBS)

.PRECIOUS: $(BUILD)/%.o
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- jobs ------------------------------------------------------------------------------------
# On a fresh machine the packages may be missing when this file is read, so jobs that install start a
# second make, which then finds them.

.PHONY: deps demo check check-run tests lint sanitize fuzz bench benches install uninstall clean help

deps:
	@scripts/dependencies.sh build

## make            build the library and the programs into build/
## make demo       install what is missing, build, run the main job on the model and pictures in share/
demo: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/demo.sh $(BUILD)

## make check      install what is missing, build and run the whole test suite
check: deps
	@scripts/dependencies.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) check-run

# Fuzzers and benches are compiled too, so that nobody breaks them unseen.
tests: $(PROGS) $(TESTS) $(FUZZ_SRC:%.c=$(BUILD)/%.o) $(BENCH_SRC:%.c=$(BUILD)/%.o)

check-run: tests
	@scripts/run_tests.sh $(BUILD) $(TESTS)

## make sanitize   the suite under the address and undefined-behaviour sanitizers
sanitize: deps
	@scripts/dependencies.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) check-run BUILD=build/san OPT=-O1 \
	    SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

## make lint       formatting, include rule, man pages against --help and completion, unwanted words
lint: deps
	@scripts/dependencies.sh lint
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@COMPILE='$(CC) $(ALL_CFLAGS)' scripts/lint.sh $(PROGS)

## make bench      every row of the speed table as a ratio to this machine's measured peaks
##                 (VLP_PYTHON=python with torch, torchvision, onnxruntime: yardsticks beside ours)
bench: deps
	@$(MAKE) --no-print-directory -j$(JOBS) benches all
	@scripts/bench.sh $(BENCHES)

benches: $(BENCHES)

## make fuzz       libFuzzer over every reader, FUZZ_SECONDS each (600)
FUZZ_SECONDS ?= 600
FUZZERS    := $(FUZZ_SRC:tests/%.c=build/fuzz/%)
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

# No fuzzer reaches the kernels, and clang needs minutes to instrument them.
build/fuzz/lib/tensor/%.o: override SAN :=

fuzz: deps
	@scripts/dependencies.sh fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang BUILD=build/fuzz OPT=-O1 SAN="$(FUZZ_FLAGS)" fuzzers
	@scripts/fuzz.sh build/fuzz $(FUZZ_SECONDS) $(FUZZERS)

.PHONY: fuzzers
fuzzers: $(FUZZERS)

build/fuzz/fuzz_%: build/fuzz/tests/fuzz_%.o $(LIBVLP)
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(CC) -pthread -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

## make install    what was built last, with PREFIX=/usr/local DESTDIR=
INTO := $(DESTDIR)$(PREFIX)
install: all
	install -d "$(INTO)/bin" "$(INTO)/lib" "$(INTO)/include/vlp" "$(INTO)/share/vlp"
	install -m 755 $(PROGS) "$(INTO)/bin"
	install -m 644 $(LIBVLP) "$(INTO)/lib"
	install -m 644 lib/vlp/*.h "$(INTO)/include/vlp"
	cp -R share/vlp/. "$(INTO)/share/vlp"
	for s in 1 5 7; do \
	    install -d "$(INTO)/share/man/man$$s"; \
	    for f in man/*.$$s; do \
	        [ ! -f $$f ] || install -m 644 $$f "$(INTO)/share/man/man$$s"; \
	    done; \
	done
	scripts/completion.sh "$(INTO)/share" $(PROGS)

## make uninstall  what this version installed, with the same PREFIX and DESTDIR; what others put beside it stays
INSTALLED := $(PROGS:$(BUILD)/%=bin/%) lib/$(notdir $(LIBVLP)) $(patsubst lib/%,include/%,$(wildcard lib/vlp/*.h)) \
             $(foreach s,1 5 7,$(patsubst man/%,share/man/man$(s)/%,$(wildcard man/*.$(s))))
uninstall:
	for f in $(INSTALLED); do rm -f "$(INTO)/$$f"; done
	find share/vlp ! -type d | while IFS= read -r f; do rm -f "$(INTO)/$$f"; done
	find share/vlp -depth -type d | while IFS= read -r d; do \
	    rmdir "$(INTO)/$$d" 2>/dev/null || true; \
	done
	rmdir "$(INTO)/include/vlp" 2>/dev/null || true
	scripts/completion.sh --remove "$(INTO)/share" $(PROGS)

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^## //p' Makefile
