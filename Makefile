# Thin over `swift build -c release`: stages what users touch under out/.
#
#   make            out/bin/merino with links that call its benchmarks, out/bin/merino-simulate, out/lib/libmerino.{so,a}, out/include/merino.h, out/share/man
#   make examples   out/examples/*, the examples linked against out/lib
#   make parmacs    out/share/merino/parmacs, out/lib/libmerino_parmacs.a: programs in PARMACS style
#   make kernels    out/kernels/*, application kernels for threads and for nodes (ci/compare-threads)
#   make install    puts what is staged below PREFIX (packaging/rules.mk); make uninstall removes it
#   make clean      removes out/ and the build directory of the staged products
#
# The Swift runtime is linked in statically, in a build directory of its own: the debug build and the tests
# in .build use the shared runtime, and mixing the two would rebuild everything each time.

SWIFT   ?= swift
CC      ?= cc
CXX     ?= c++
CFLAGS  ?= -O2 -g -Wall -Wextra
CXXFLAGS ?= $(CFLAGS)
FFLAGS  ?= $(CFLAGS)
OUT     := out
SCRATCH := .build-static
# Symbols are bound at load: looking one up lazily is not safe in a signal handler.
BUILD   := $(SWIFT) build -c release --scratch-path $(SCRATCH) --disable-local-rpath -Xswiftc -static-stdlib \
  -Xswiftc -use-ld=lld -Xlinker -z -Xlinker now
BIN     := $(SCRATCH)/release

# Every executable product of Package.swift called merino or merino-something. The benchmarks are in merino itself, each
# called by a link as well: a program of its own would be the same Swift runtime once more.
TOOLS := $(shell awk -F'"' '/\.executable/ && $$2 ~ /^merino/ { print $$2 }' Package.swift)

VERSION    := $(or $(shell packaging/version),$(error the version cannot be read; see above))
SONAME     := libmerino.so.$(firstword $(subst ., ,$(VERSION)))
# No library looks for symbols in a tool; for a static runtime Swift would export those of all its modules.
TOOL_FLAGS := -Xlinker --no-export-dynamic
LINK_FLAGS := -Xlinker -soname=$(SONAME) -Xlinker --version-script=$(CURDIR)/ci/libmerino.map

# All but the one that needs an MPI library and its compiler.
EXAMPLES := $(patsubst Examples/%.c,$(OUT)/examples/%,$(filter-out Examples/mpi.c,$(wildcard Examples/*.c))) \
  $(patsubst Examples/%.cpp,$(OUT)/examples/%-cpp,$(wildcard Examples/*.cpp))
# Where there is a Fortran compiler.
FC := $(firstword $(foreach compiler,$(filter-out f77,$(FC)) gfortran,$(shell command -v $(compiler))))
ifneq ($(FC),)
EXAMPLES += $(patsubst Examples/%.f90,$(OUT)/examples/%-f90,$(wildcard Examples/*.f90))
endif
NO_FORTRAN := There is no Fortran compiler here: libmerino_fortran.a, merino.mod and the Fortran examples are left out; \
install gfortran (or name a compiler: make FC=...) and run make again if programs in Fortran are to be built.
HEADERS := $(addprefix Sources/Merino/CMerino/include/,merino.h merino.hpp)
CXX_PARTS := $(wildcard Sources/Merino/CMerino/include/merino/*.hpp)

.PHONY: all tools library header fortran examples fault-probe clean
all: tools library header fortran
	@$(if $(FC),:,echo "$(NO_FORTRAN)")

tools:
	@mkdir -p $(OUT)/bin
	@set -e; for tool in $(TOOLS); do \
	  $(BUILD) --product $$tool $(TOOL_FLAGS); \
	  install -m 755 $(BIN)/$$tool $(OUT)/bin/$$tool; \
	done
	@set -e; find $(OUT)/bin -type l -delete; benchmarks=$$($(OUT)/bin/merino bench); \
	for name in $$(echo "$$benchmarks" | cut -d' ' -f1); do ln -sf merino $(OUT)/bin/merino-$$name; done

# Debugging information stays in the build directory; the symbol table is kept for profilers.
library:
	@mkdir -p $(OUT)/lib
	$(BUILD) --product MerinoC $(LINK_FLAGS)
	@strip --strip-debug -o $(OUT)/lib/$(SONAME) $(BIN)/libMerinoC.so
	@ln -sf $(SONAME) $(OUT)/lib/libmerino.so

header:
	@mkdir -p $(OUT)/include/merino/treadmarks
	@install -m 644 $(HEADERS) $(OUT)/include
	@install -m 644 $(CXX_PARTS) $(OUT)/include/merino
	@install -m 644 Sources/Compatibility/TreadMarks/*.h $(OUT)/include/merino/treadmarks/

# The module as one source, for programs to be compiled with: .mod files are the compiler's own. Beside it that of the
# compiler that is here, and its object.
FORTRAN := $(OUT)/include/merino/fortran
FORTRAN_PARTS := codes.f90 errors.f90 job.f90 synchronisation memory.f90 arrays values atomics merino.f90
fortran: $(FORTRAN)/merino.f90 $(if $(FC),$(OUT)/lib/libmerino_fortran.a)

$(FORTRAN)/merino.f90: $(wildcard Sources/Compatibility/Fortran/*.*)
	@mkdir -p $(FORTRAN)
	@set -e; for part in $(FORTRAN_PARTS); do \
	  case $$part in \
	    *.f90) cat Sources/Compatibility/Fortran/$$part ;; \
	    *) python3 Sources/Compatibility/Fortran/generate.py $$part ;; \
	  esac; \
	done >$@.new
	@mv $@.new $@

# Into a folder of its own first: only the module that programs use is staged.
$(OUT)/lib/libmerino_fortran.a: $(FORTRAN)/merino.f90
	@mkdir -p $(OUT)/lib $(OUT)/fortran
	$(FC) -O2 -g -ffile-prefix-map=$(CURDIR)=. -fPIC -J$(OUT)/fortran -c $< -o $(OUT)/fortran/merino.o
	@rm -f $@
	@ar rcsD $@ $(OUT)/fortran/merino.o
	@install -m 644 $(OUT)/fortran/merino.mod $(FORTRAN)/merino.mod

examples: library header fortran $(EXAMPLES)

LINK_STAGED := -L$(OUT)/lib -lmerino -Wl,-rpath,'$$ORIGIN/../lib'
$(OUT)/examples/openmp: CFLAGS += -fopenmp

$(OUT)/examples/%: Examples/%.c $(HEADERS)
	@mkdir -p $(OUT)/examples
	$(CC) $(CFLAGS) -std=c11 -pthread -I$(OUT)/include $< -o $@ $(LINK_STAGED)

$(OUT)/examples/%-cpp: Examples/%.cpp $(HEADERS) $(CXX_PARTS)
	@mkdir -p $(OUT)/examples
	$(CXX) $(CXXFLAGS) -std=c++14 -pthread -I$(OUT)/include $< -o $@ $(LINK_STAGED)

$(OUT)/examples/%-f90: Examples/%.f90 $(OUT)/lib/libmerino_fortran.a
	@mkdir -p $(OUT)/examples
	$(FC) $(FFLAGS) -std=f2008 -I$(FORTRAN) $< -o $@ $(OUT)/lib/libmerino_fortran.a $(LINK_STAGED)

$(OUT)/examples/treadmarks: CFLAGS += -I$(OUT)/include/merino/treadmarks
$(OUT)/examples/treadmarks: $(wildcard Sources/Compatibility/TreadMarks/*.h)

# For ci/check-fault-path: the page-fault handler with the least of a service behind it.
fault-probe:
	$(BUILD) --product FaultProbe

clean:
	rm -rf $(OUT) $(SCRATCH)

include packaging/rules.mk
include Sources/Compatibility/PARMACS/rules.mk
include Sources/Compatibility/SystemV/rules.mk
include Sources/Benchmarks/Kernels/rules.mk
