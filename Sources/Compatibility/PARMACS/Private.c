/* The run-time's own memory. Its malloc is the program's where that is carried, so it asks the system. */
#include "Runtime.h"

#include <sys/mman.h>

void *parmacs_private_memory(void *old, size_t old_bytes, size_t bytes) {
  void *got = old == NULL ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                          : mremap(old, old_bytes, bytes, MREMAP_MAYMOVE);
  if (got == MAP_FAILED)
    parmacs_fail(NULL, 0, "mmap of %zu bytes for the list of the program's variables: %m", bytes);
  return got;
}
