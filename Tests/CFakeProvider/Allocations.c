// Counts the allocations of each thread: malloc and its like are defined again and go on to glibc's.
#include <errno.h>
#include <stddef.h>

#include "CFakeProvider.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static __thread long allocations;

long cfake_allocations(void) { return allocations; }

#ifdef SANITIZED
int cfake_counts_allocations(void) { return 0; }
#else
int cfake_counts_allocations(void) { return 1; }

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
  allocations++;
  return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
  allocations++;
  return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) {
  allocations++;
  return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
  allocations++;
  return __libc_memalign(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
  allocations++;
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **into, size_t alignment, size_t bytes) {
  allocations++;
  *into = __libc_memalign(alignment, bytes);
  return *into ? 0 : ENOMEM;
}
#endif
