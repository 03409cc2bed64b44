# vlp -- one non-recursive Makefile. `make help` lists the targets.
#
# Everything is found by wildcard: a new lib/<room>/x.c, cmd/vlp-x.c or tests/check_x.c needs no line
# here. Objects live in build/ (build/san for sanitizers). Header dependencies are tracked by -MMD.

CC       ?= cc
BUILD    ?= build
OPT      ?= -O2
WERROR   ?= -Werror
CSTD     := -std=c11 -D_GNU_SOURCE -Ilib
WARN     := -Wall -Wextra $(WERROR)
# No contraction: a*b+c rounds twice unless a kernel asks for FMA by name, so levels and compilers agree.
NUMERIC  := -ffp-contract=off -fno-math-errno
PKGS     := libjpeg libpng libwebp zlib libzstd jansson libutf8proc libarchive
PREFIX   ?= /usr/local
DESTDIR  ?=

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) libxxhash 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) libxxhash 2>/dev/null)
MPI_CFLAGS := $(shell pkg-config --cflags ompi-c 2>/dev/null)
MPI_LIBS   := $(shell pkg-config --libs ompi-c 2>/dev/null)

ALL_CFLAGS  = $(CSTD) $(OPT) -g $(WARN) $(NUMERIC) -pthread $(PKG_CFLAGS) $(CFLAGS) $(SAN)
ALL_LDFLAGS = -pthread $(LDFLAGS) $(SAN)
LIBS        = $(PKG_LIBS) -lm

ROOMS    := base tensor op nn model checkpoint loss text image data embedding train task
LIB_SRC  := $(foreach r,$(ROOMS),$(wildcard lib/$(r)/*.c))
CMD_SRC  := $(filter-out cmd/vlp-%,$(wildcard cmd/*.c))
PROG_SRC := $(wildcard cmd/vlp-*.c)
TEST_SRC := $(wildcard tests/check_*.c)
TEST_AUX := $(filter-out tests/check_% tests/fuzz_% tests/bench_%,$(wildcard tests/*.c))
BENCH_SRC := $(wildcard tests/bench_*.c)

LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
CMD_OBJ  := $(CMD_SRC:%.c=$(BUILD)/%.o)
TEST_AUX_OBJ := $(TEST_AUX:%.c=$(BUILD)/%.o)
PROGS    := $(PROG_SRC:cmd/%.c=$(BUILD)/%)
TESTS    := $(TEST_SRC:tests/%.c=$(BUILD)/%)
BENCHES  := $(BENCH_SRC:tests/%.c=$(BUILD)/%)
LIBVLP   := $(BUILD)/libvlp.a

.PHONY: all
all: $(LIBVLP) $(PROGS)

# Instruction sets by file name: the rest of the tree stays at the portable baseline.
$(BUILD)/%_avx2.o: LEVEL := -mavx2 -mfma -mf16c
$(BUILD)/%_avx512.o: LEVEL := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
$(BUILD)/%_vnni.o: LEVEL := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c
$(BUILD)/%_bf16.o: LEVEL := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mavx2 -mfma -mf16c
$(BUILD)/%_amx.o: LEVEL := -mamx-tile -mamx-bf16 -mamx-int8 -mavx512f -mavx512bw -mavx512dq -mavx512vl \
                           -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c
# Kernels are unrolled by the compiler where that pays.
$(BUILD)/lib/tensor/%.o: OPT := -O3

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LEVEL) -MMD -MP -c -o $@ $<

$(LIBVLP): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/vlp-%: $(BUILD)/cmd/vlp-%.o $(CMD_OBJ) $(LIBVLP)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/check_%: $(BUILD)/tests/check_%.o $(TEST_AUX_OBJ) $(LIBVLP)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) $(LIBS)

$(BUILD)/bench_%: $(BUILD)/tests/bench_%.o $(LIBVLP)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PRECIOUS: $(BUILD)/%.o
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: clean help
clean:
	rm -rf build

help:
	@sed -n 's/^## //p' Makefile
