# PARMACS over Merino: the macro file, and the run-time as an archive that programs are linked with. Included by the
# Makefile.
#
#   make parmacs    out/share/merino/parmacs/*, out/include/merino_parmacs.h, out/lib/libmerino_parmacs.a

PARMACS         := Sources/Compatibility/PARMACS
PARMACS_OBJECTS := $(patsubst $(PARMACS)/%.c,$(OUT)/parmacs/%.o,$(wildcard $(PARMACS)/*.c))

.PHONY: parmacs
all: parmacs

parmacs: header $(OUT)/lib/libmerino_parmacs.a
	@mkdir -p $(OUT)/share/merino/parmacs
	@install -m 644 $(PARMACS)/c.m4.merino $(PARMACS)/carried-heap.link $(OUT)/share/merino/parmacs/
	@install -m 644 $(PARMACS)/merino_parmacs.h $(OUT)/include/

$(OUT)/parmacs/%.o: $(PARMACS)/%.c $(wildcard $(PARMACS)/*.h) Sources/Merino/CMerino/include/merino.h
	@mkdir -p $(OUT)/parmacs
	$(CC) $(CFLAGS) -std=gnu11 -fPIC -ISources/Merino/CMerino/include -I$(PARMACS) -c $< -o $@

$(OUT)/lib/libmerino_parmacs.a: $(PARMACS_OBJECTS)
	@mkdir -p $(OUT)/lib
	@rm -f $@
	ar rcsD $@ $(PARMACS_OBJECTS)
