/* G_MALLOC, fences, and atomics on words of shared memory. */
#include "Runtime.h"

#include <string.h>

void *merino_parmacs_allocate(size_t bytes, const char *file, int line) {
  void *block = merino_malloc(bytes);
  if (block == NULL) parmacs_fail(file, line, "G_MALLOC of %zu bytes: %s", bytes, merino_last_error());
  return block;
}

void merino_parmacs_free(void *block, const char *file, int line) {
  (void)file;
  (void)line;
  merino_free(block);
}

void merino_parmacs_fence_release(const char *file, int line) {
  parmacs_expect(merino_fence_release(), "RELEASE_FENCE", file, line);
}

void merino_parmacs_fence_acquire(const char *file, int line) {
  parmacs_expect(merino_fence_acquire(), "ACQUIRE_FENCE", file, line);
}

static void check_size(size_t bytes, const char *what, const char *file, int line) {
  if (bytes != 4 && bytes != 8) {
    parmacs_fail(file, line, "%s of a word of %zu bytes: atomics are there for 4 and 8 bytes", what, bytes);
  }
}

uint64_t merino_parmacs_fetch_add(volatile void *word, size_t bytes, uint64_t addend, const char *file,
                                  int line) {
  check_size(bytes, "FETCH_ADD", file, line);
  uint64_t old8 = 0;
  uint32_t old4 = 0;
  int result = bytes == 8 ? merino_atomic_fetch_add_u64_acq_rel((uint64_t *)word, addend, &old8)
                          : merino_atomic_fetch_add_u32_acq_rel((uint32_t *)word, (uint32_t)addend, &old4);
  parmacs_expect(result, "FETCH_ADD", file, line);
  return bytes == 8 ? old8 : old4;
}

uint64_t merino_parmacs_atomic_load(const volatile void *word, size_t bytes, const char *file, int line) {
  check_size(bytes, "ATOMIC_LOAD", file, line);
  uint64_t value8 = 0;
  uint32_t value4 = 0;
  int result = bytes == 8 ? merino_atomic_load_u64_acquire((const uint64_t *)word, &value8)
                          : merino_atomic_load_u32_acquire((const uint32_t *)word, &value4);
  parmacs_expect(result, "ATOMIC_LOAD", file, line);
  return bytes == 8 ? value8 : value4;
}

uint64_t merino_parmacs_exchange(volatile void *word, size_t bytes, uint64_t value, const char *file,
                                 int line) {
  check_size(bytes, "ATOMIC_EXCHANGE", file, line);
  uint64_t old8 = 0;
  uint32_t old4 = 0;
  int result = bytes == 8 ? merino_atomic_exchange_u64_acq_rel((uint64_t *)word, value, &old8)
                          : merino_atomic_exchange_u32_acq_rel((uint32_t *)word, (uint32_t)value, &old4);
  parmacs_expect(result, "ATOMIC_EXCHANGE", file, line);
  return bytes == 8 ? old8 : old4;
}

int merino_parmacs_compare_exchange(volatile void *word, size_t bytes, uint64_t expected, uint64_t desired,
                                    const char *file, int line) {
  check_size(bytes, "ATOMIC_CAS", file, line);
  uint64_t old8 = 0;
  uint32_t old4 = 0;
  int result = bytes == 8
                   ? merino_atomic_compare_exchange_u64_acq_rel((uint64_t *)word, expected, desired, &old8)
                   : merino_atomic_compare_exchange_u32_acq_rel((uint32_t *)word, (uint32_t)expected,
                                                                (uint32_t)desired, &old4);
  parmacs_expect(result, "ATOMIC_CAS", file, line);
  return bytes == 8 ? old8 == expected : old4 == (uint32_t)expected;
}

double merino_parmacs_fetch_add_double(volatile double *word, double addend, const char *file, int line) {
  uint64_t seen, old, next;
  double value;
  parmacs_expect(merino_atomic_load_u64((const uint64_t *)word, &seen), "FETCH_ADD_DOUBLE", file, line);
  for (;;) {
    memcpy(&value, &seen, sizeof value);
    double sum = value + addend;
    memcpy(&next, &sum, sizeof next);
    parmacs_expect(merino_atomic_compare_exchange_u64_acq_rel((uint64_t *)word, seen, next, &old),
                   "FETCH_ADD_DOUBLE", file, line);
    if (old == seen) return value;
    seen = old;
  }
}
