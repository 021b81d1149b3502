# Thin over `swift build -c release`: stages what users touch under out/.
#
#   make            out/bin/merino, out/bin/merino-*, out/lib/libmerino.{so,a}, out/include/merino.h, out/share/man
#   make examples   out/examples/*, the C examples linked against out/lib
#   make parmacs    out/share/merino/parmacs, out/lib/libmerino_parmacs.a: programs in PARMACS style
#   make install    puts what is staged below PREFIX (packaging/rules.mk); make uninstall removes it
#   make clean      removes out/ and the build directory of the staged products
#
# The Swift runtime is linked in statically, in a build directory of its own: the debug build and the tests
# in .build use the shared runtime, and mixing the two would rebuild everything each time.

SWIFT   ?= swift
CC      ?= cc
CFLAGS  ?= -O2 -g -Wall -Wextra
OUT     := out
SCRATCH := .build-static
# Symbols are bound at load: looking one up lazily is not safe in a signal handler.
BUILD   := $(SWIFT) build -c release --scratch-path $(SCRATCH) --disable-local-rpath -Xswiftc -static-stdlib \
  -Xswiftc -use-ld=lld -Xlinker -z -Xlinker now
BIN     := $(SCRATCH)/release

# Every executable product of Package.swift called merino or merino-something.
TOOLS := $(shell awk -F'"' '/\.executable/ && $$2 ~ /^merino/ { print $$2 }' Package.swift)

VERSION    := $(or $(shell packaging/version),$(error the version cannot be read; see above))
SONAME     := libmerino.so.$(firstword $(subst ., ,$(VERSION)))
LINK_FLAGS := -Xlinker -soname=$(SONAME) -Xlinker --version-script=$(CURDIR)/ci/libmerino.map

EXAMPLES := $(patsubst Examples/%.c,$(OUT)/examples/%,$(wildcard Examples/*.c))

.PHONY: all tools library header examples fault-probe clean
all: tools library header

tools:
	@mkdir -p $(OUT)/bin
	@set -e; for tool in $(TOOLS); do \
	  $(BUILD) --product $$tool; \
	  install -m 755 $(BIN)/$$tool $(OUT)/bin/$$tool; \
	done

# Debugging information stays in the build directory; the symbol table is kept for profilers.
library:
	@mkdir -p $(OUT)/lib
	$(BUILD) --product MerinoC $(LINK_FLAGS)
	@strip --strip-debug -o $(OUT)/lib/$(SONAME) $(BIN)/libMerinoC.so
	@ln -sf $(SONAME) $(OUT)/lib/libmerino.so

header:
	@mkdir -p $(OUT)/include
	@install -m 644 Sources/CMerino/include/merino.h $(OUT)/include/merino.h

examples: library header $(EXAMPLES)

$(OUT)/examples/%: Examples/%.c Sources/CMerino/include/merino.h
	@mkdir -p $(OUT)/examples
	$(CC) $(CFLAGS) -std=c11 -pthread -I$(OUT)/include $< -o $@ -L$(OUT)/lib -lmerino -Wl,-rpath,'$$ORIGIN/../lib'

# For ci/check-fault-path: the page-fault handler with the least of a service behind it.
fault-probe:
	$(BUILD) --product FaultProbe

clean:
	rm -rf $(OUT) $(SCRATCH)

include packaging/rules.mk
include Sources/Compatibility/parmacs/rules.mk
