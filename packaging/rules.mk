# What is installed beside the tools, the library and the header; included by the Makefile, whose names it uses.
#
#   make man        out/share/man, from the tools' help, merino.h and docs/guide.md
#   make install    copies what `make` staged to $(DESTDIR)$(PREFIX); builds nothing, so it can be run as root
#   make uninstall  removes from there what `make install` put there, and nothing else
#   make deb        $(DEB)/*.deb: Debian packages of what `make` staged; builds nothing either

PREFIX  ?= /usr/local
# Relative to PREFIX: lib64, or lib/x86_64-linux-gnu.
LIBDIR  ?= lib
DESTDIR ?=
DEB     ?= $(OUT)/deb

# Not for users: the simulator, which runs the protocol of many nodes in one process. The links are those that are staged
# when a recipe runs.
INSTALLED_TOOLS = $(filter-out merino-simulate,$(TOOLS)) \
  $(notdir $(sort $(shell find $(OUT)/bin -type l 2>/dev/null)))

.PHONY: static-library man install uninstall deb
all: static-library man

static-library: library
	@SWIFT=$(SWIFT) packaging/static-library $(BIN)/MerinoC.product/Objects.LinkFileList $(OUT)/lib/libmerino.a

man: tools header
	@packaging/man/make-man $(VERSION) $(OUT)/bin $(OUT)/include/merino.h docs/guide.md $(OUT)/share/man $(INSTALLED_TOOLS)

install:
	@packaging/install --out "$(OUT)" --destdir "$(DESTDIR)" --prefix "$(PREFIX)" --libdir "$(LIBDIR)" $(INSTALLED_TOOLS)

uninstall:
	@packaging/uninstall --destdir "$(DESTDIR)" --prefix "$(PREFIX)"

deb:
	@packaging/debian/make-deb "$(OUT)" "$(DEB)" $(INSTALLED_TOOLS)
