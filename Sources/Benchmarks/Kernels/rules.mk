# The kernels, each linked twice: its workers are threads, or threads of a job's nodes. Included by the Makefile. Nothing
# of it is installed.
#
#   make kernels    out/kernels/NAME-threads, out/kernels/NAME-nodes

KERNELS        := Sources/Benchmarks/Kernels
KERNEL_NAMES   := lu transpose radix solver tree queue bodies touch
KERNEL_COMMON  := Kernel Options
KERNEL_OBJECTS := $(OUT)/kernels/objects
# As the suites are compiled: -O2 leaves loops of unknown length as they are.
KERNEL_FLAGS   := -std=gnu11 -O3 -g -Wall -Wextra -Werror -pthread
# A kernel's sources beside the one that it is named after.
KERNEL_PARTS_tree := TreeSums

.PHONY: kernels kernel-threads
kernels: library kernel-threads $(KERNEL_NAMES:%=$(OUT)/kernels/%-nodes)
kernel-threads: $(KERNEL_NAMES:%=$(OUT)/kernels/%-threads)

$(KERNEL_OBJECTS)/%.o: $(KERNELS)/%.c $(wildcard $(KERNELS)/*.h) Sources/Merino/CMerino/include/merino.h
	@mkdir -p $(KERNEL_OBJECTS)
	$(CC) $(KERNEL_FLAGS) $(KERNEL_EXTRA) -ISources/Merino/CMerino/include -c $< -o $@

define KERNEL_RULES
$(OUT)/kernels/$(1)-threads: $(patsubst %,$(KERNEL_OBJECTS)/%.o,$(1) $(KERNEL_PARTS_$(1)) $(KERNEL_COMMON) Threads)
	$(CC) $(KERNEL_FLAGS) $(KERNEL_EXTRA) $$^ -o $$@ -lm

$(OUT)/kernels/$(1)-nodes: $(patsubst %,$(KERNEL_OBJECTS)/%.o,$(1) $(KERNEL_PARTS_$(1)) $(KERNEL_COMMON) Nodes) | library
	$(CC) $(KERNEL_FLAGS) $(KERNEL_EXTRA) $$^ -o $$@ -L$(OUT)/lib -lmerino -lm -Wl,-rpath,'$$$$ORIGIN/../lib'
endef
$(foreach kernel,$(KERNEL_NAMES),$(eval $(call KERNEL_RULES,$(kernel))))
