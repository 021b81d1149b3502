# System V shared memory and semaphores for programs that do not know Merino: a library that is loaded before libc.
# Included by the Makefile.
#
#   make sysv       out/lib/libmerino-sysv.so

SYSV         := Sources/Compatibility/SystemV
SYSV_OBJECTS := $(patsubst $(SYSV)/%.c,$(OUT)/sysv/%.o,$(wildcard $(SYSV)/*.c))

.PHONY: sysv
all: sysv

sysv: library $(OUT)/lib/libmerino-sysv.so

$(OUT)/sysv/%.o: $(SYSV)/%.c $(wildcard $(SYSV)/*.h) Sources/Merino/CMerino/include/merino.h
	@mkdir -p $(OUT)/sysv
	$(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -ISources/Merino/CMerino/include -I$(SYSV) -c $< -o $@

# Calls are bound at load: looking one up lazily is not safe in the handler of a page fault.
$(OUT)/lib/libmerino-sysv.so: $(SYSV_OBJECTS)
	@mkdir -p $(OUT)/lib
	$(CC) -shared -o $@ $(SYSV_OBJECTS) -L$(OUT)/lib -lmerino -ldl -lpthread -Wl,-soname,libmerino-sysv.so -Wl,-z,now \
	  -Wl,-z,defs -Wl,-rpath,'$$ORIGIN'
	@strip --strip-debug $@
