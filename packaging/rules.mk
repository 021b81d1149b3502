# What is installed beside the tools, the library and the header; included by the Makefile, whose names it uses.
#
#   make install    copies what `make` staged to $(DESTDIR)$(PREFIX); builds nothing, so it can be run as root
#   make uninstall  removes from there what `make install` put there, and nothing else

PREFIX  ?= /usr/local
# Relative to PREFIX: lib64, or lib/x86_64-linux-gnu.
LIBDIR  ?= lib
DESTDIR ?=

# Not for users: the simulator, which runs the protocol of many nodes in one process.
INSTALLED_TOOLS := $(filter-out merino-simulate,$(TOOLS))

.PHONY: static-library install uninstall
all: static-library

static-library: library
	@SWIFT=$(SWIFT) packaging/static-library $(BIN)/MerinoC.product/Objects.LinkFileList $(OUT)/lib/libmerino.a

install:
	@packaging/install --out "$(OUT)" --destdir "$(DESTDIR)" --prefix "$(PREFIX)" --libdir "$(LIBDIR)" $(INSTALLED_TOOLS)

uninstall:
	@packaging/uninstall --destdir "$(DESTDIR)" --prefix "$(PREFIX)"
