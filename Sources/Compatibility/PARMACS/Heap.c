/* malloc and its like for programs that read, in created processes, what the main program has allocated
 * before. Linked in only where the linker redirects the program's calls to here, by carried-heap.link;
 * libraries keep their own. */
#include <errno.h>
#include <string.h>

#include "Arena.h"

void *__real_realloc(void *block, size_t bytes);
void __real_free(void *block);
size_t __real_malloc_usable_size(void *block);

void *__wrap_malloc(size_t bytes) { return parmacs_arena_allocate(PARMACS_GRAIN, bytes); }

void __wrap_free(void *bytes) {
  if (bytes == NULL) return;
  if (!parmacs_arena_has(bytes)) { /* of strdup's kind, or from a library */
    __real_free(bytes);
    return;
  }
  parmacs_arena_free(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return NULL;
  }
  void *block = parmacs_arena_allocate(PARMACS_GRAIN, total);
  return block == NULL ? NULL : memset(block, 0, total);
}

void *__wrap_realloc(void *old, size_t bytes) {
  if (old == NULL) return parmacs_arena_allocate(PARMACS_GRAIN, bytes);
  if (!parmacs_arena_has(old)) return __real_realloc(old, bytes);
  if (bytes == 0) {
    __wrap_free(old);
    return NULL;
  }
  size_t had = parmacs_arena_size(old);
  if (bytes <= had) {
    parmacs_arena_shrink(old, bytes);
    return old;
  }
  void *new = parmacs_arena_allocate(PARMACS_GRAIN, bytes);
  if (new == NULL) return NULL;
  memcpy(new, old, had);
  __wrap_free(old);
  return new;
}

void *__wrap_reallocarray(void *old, size_t count, size_t bytes) {
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return NULL;
  }
  return __wrap_realloc(old, total);
}

int __wrap_posix_memalign(void **result, size_t alignment, size_t bytes) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
  int before = errno;
  void *block = parmacs_arena_allocate(alignment < PARMACS_GRAIN ? PARMACS_GRAIN : alignment, bytes);
  errno = before;
  if (block == NULL) return ENOMEM;
  *result = block;
  return 0;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    errno = EINVAL;
    return NULL;
  }
  return parmacs_arena_allocate(alignment < PARMACS_GRAIN ? PARMACS_GRAIN : alignment, bytes);
}

void *__wrap_memalign(size_t alignment, size_t bytes) { return __wrap_aligned_alloc(alignment, bytes); }

void *__wrap_valloc(size_t bytes) { return parmacs_arena_allocate(4096, bytes); }

char *__wrap_strndup(const char *text, size_t limit) {
  size_t length = strnlen(text, limit);
  char *copy = parmacs_arena_allocate(PARMACS_GRAIN, length + 1);
  if (copy == NULL) return NULL;
  copy[length] = '\0';
  return memcpy(copy, text, length);
}

char *__wrap_strdup(const char *text) { return __wrap_strndup(text, SIZE_MAX - 1); }

size_t __wrap_malloc_usable_size(void *bytes) {
  if (bytes == NULL || !parmacs_arena_has(bytes)) return __real_malloc_usable_size(bytes);
  return parmacs_arena_size(bytes);
}
