// The heap as a program sees it, on any number of nodes.
#include "check.h"

#include <sys/mman.h>

static merino_stats_t stats_now(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  NEED(merino_stats(&stats));
  return stats;
}

static int all_are(const volatile unsigned char *bytes, size_t count, int value) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] != value) return 0;
  }
  return 1;
}

static void refusals(void) {
  errno = 0;
  CHECK(merino_malloc((size_t)1 << 45) == NULL && errno == ENOMEM, "malloc: more than there is");
  CHECK(is_sentence(merino_last_error()), "malloc: more than there is, sentence");
  errno = 0;
  CHECK(merino_malloc(SIZE_MAX) == NULL && errno == ENOMEM, "malloc: SIZE_MAX");
  errno = 0;
  CHECK(merino_malloc(SIZE_MAX / 2) == NULL && errno == ENOMEM, "malloc: SIZE_MAX / 2");
  errno = 0;
  CHECK(merino_malloc(SIZE_MAX / 2 - 4096) == NULL && errno == ENOMEM, "malloc: close to SIZE_MAX / 2");
  errno = 0;
  CHECK(merino_calloc(SIZE_MAX / 2, 3) == NULL && errno == ENOMEM, "calloc: the product overflows");
  errno = 0;
  CHECK(merino_calloc((size_t)1 << 40, (size_t)1 << 30) == NULL && errno == ENOMEM, "calloc: 2^70");
  errno = 0;
  CHECK(merino_aligned_alloc(48, 64) == NULL && errno == EINVAL, "aligned_alloc: no power of two");
  errno = 0;
  CHECK(merino_aligned_alloc(0, 64) == NULL && errno == EINVAL, "aligned_alloc: 0");
  errno = 0;
  CHECK(merino_aligned_alloc(4 << 20, 64) == NULL && errno == EINVAL, "aligned_alloc: 4 MiB");
  errno = 0;
  CHECK(merino_aligned_alloc(SIZE_MAX, 64) == NULL && errno == EINVAL, "aligned_alloc: SIZE_MAX");
  errno = 0;
  CHECK(merino_aligned_alloc(4096, SIZE_MAX) == NULL && errno == ENOMEM, "aligned_alloc: SIZE_MAX bytes");
  int local = 0;
  errno = 0;
  merino_free(&local);
  CHECK(errno == EINVAL && is_sentence(merino_last_error()), "free: the stack");
  unsigned char *block = merino_malloc(100);
  unsigned char *large = merino_malloc(300000);
  memset(block, 7, 100);
  memset(large, 8, 300000);
  errno = 0;
  merino_free(block + 16);
  CHECK(errno == EINVAL, "free: inside a small block");
  errno = 0;
  merino_free(large + 4096);
  CHECK(errno == EINVAL, "free: inside a large block");
  errno = 0;
  CHECK(merino_realloc(block + 8, 200) == NULL && errno == EINVAL, "realloc: inside a block");
  errno = 0;
  CHECK(merino_realloc(&local, 200) == NULL && errno == EINVAL, "realloc: the stack");
  errno = 0;
  CHECK(merino_realloc(block, (size_t)1 << 45) == NULL && errno == ENOMEM, "realloc: more than there is");
  CHECK(all_are(block, 100, 7) && all_are(large, 300000, 8), "refusals change nothing");
  errno = 0;
  merino_free(block);
  merino_free(large);
  CHECK(errno == 0, "free keeps errno");
  merino_free(large);
  CHECK(errno == EINVAL, "free: a large block, twice");
  errno = 0;
  merino_free(block);
  CHECK(errno == EINVAL, "free: a small block, twice");
  errno = 0;
  merino_free(NULL);
  CHECK(errno == 0, "free: NULL");
}

static void shapes(void) {
  unsigned char *none = merino_malloc(0), *none_too = merino_malloc(0);
  CHECK(none != NULL && none_too != NULL && none != none_too, "malloc: 0 bytes");
  merino_free(none);
  merino_free(none_too);
  int wrong = 0;
  for (size_t alignment = 1; alignment <= 2u << 20; alignment <<= 1) {
    unsigned char *block = merino_aligned_alloc(alignment, 33);
    wrong += block == NULL || (uintptr_t)block % alignment != 0;
    if (block != NULL) memset(block, 1, 33);
    merino_free(block);
  }
  CHECK(wrong == 0, "aligned_alloc: 1 to 2 MiB");
  wrong = 0;
  for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 / 2 + 1) {
    unsigned char *block = merino_malloc(bytes);
    wrong += block == NULL || (uintptr_t)block % 16 != 0;
    if (block != NULL) memset(block, 0xEE, bytes);
    merino_free(block);
    unsigned char *zeros = merino_calloc(1, bytes);
    wrong += zeros == NULL || !all_are(zeros, bytes, 0);
    merino_free(zeros);
  }
  CHECK(wrong == 0, "calloc: zeros where a dirty block was freed");
  unsigned char *block = merino_realloc(NULL, 10);
  size_t size = 10;
  memset(block, 5, size);
  for (int step = 0; step < 40; step++) {
    size_t next = step % 5 == 4 ? size / 3 + 1 : size * 2 + 13;
    if (next > 2000000) next = 100;
    unsigned char *moved = merino_realloc(block, next);
    size_t kept = next < size ? next : size;
    wrong += moved == NULL || !all_are(moved, kept, 5);
    if (moved == NULL) break;
    block = moved;
    size = next;
    memset(block, 5, size);
  }
  CHECK(wrong == 0, "realloc keeps the contents");
  CHECK(merino_realloc(block, 0) == NULL, "realloc: 0 frees");
  errno = 0;
  merino_free(block);
  CHECK(errno == EINVAL, "realloc: 0 has freed");
}

/// Blocks made by one node, filled by the next, freed by the one after it, then handed out again as zeros.
static void passed_around(int nodes) {
  enum { count = 200 };
  unsigned char **table = merino_collective_malloc(sizeof(void *) * count * (size_t)nodes, 0);
  CHECK(table != NULL && table[count * check_node] == NULL, "collective_malloc: zeros");
  unsigned char **mine = table + count * check_node;
  unsigned char **next = table + count * ((check_node + 1) % nodes);
  unsigned char **after = table + count * ((check_node + 2) % nodes);
  int wrong = 0;
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < count; i++) {
      size_t bytes = 16 + (size_t)(i * 37 % 3000);
      mine[i] = round % 2 ? merino_calloc(1, bytes) : merino_malloc(bytes);
      wrong += mine[i] == NULL || (round % 2 && !all_are(mine[i], bytes, 0));
    }
    NEED(merino_barrier());
    for (int i = 0; i < count; i++) memset(next[i], check_node + 1, 16 + (size_t)(i * 37 % 3000));
    NEED(merino_barrier());
    int writer = (check_node + 1) % nodes + 1;
    for (int i = 0; i < count; i++) {
      wrong += !all_are(after[i], 16 + (size_t)(i * 37 % 3000), writer);
      errno = 0;
      merino_free(after[i]);
      wrong += errno != 0;
    }
    // No barrier: a node that is first allocates what others free meanwhile.
    for (int i = 0; i < count; i++) {
      size_t bytes = 16 + (size_t)(i * 61 % 3000);
      unsigned char *zeros = merino_calloc(bytes, 1);
      wrong += zeros == NULL || !all_are(zeros, bytes, 0);
      if (zeros != NULL) memset(zeros, 0xAA, bytes);
      merino_free(zeros);
    }
    NEED(merino_barrier());
  }
  CHECK(wrong == 0, "blocks made, filled and freed by three nodes");
  CHECK_CODE(merino_collective_free(table), MERINO_SUCCESS, "collective_free");
  CHECK_CODE(merino_collective_free(table), MERINO_EFAULT, "collective_free: twice");
  CHECK_CODE(merino_collective_free(NULL), MERINO_SUCCESS, "collective_free: NULL");
}

static void collective(int nodes) {
  errno = 0;
  CHECK(merino_collective_malloc(0, 0) == NULL && errno == EINVAL, "collective_malloc: 0 bytes");
  errno = 0;
  CHECK(merino_collective_malloc(64, 48) == NULL && errno == EINVAL, "collective_malloc: alignment 48");
  errno = 0;
  CHECK(merino_collective_malloc((size_t)1 << 45, 0) == NULL && errno == ENOMEM,
        "collective_malloc: too much");
  errno = 0;
  CHECK(merino_collective_malloc(SIZE_MAX, 0) == NULL && errno != 0, "collective_malloc: SIZE_MAX");
  uint64_t *words = merino_collective_malloc(8 * (size_t)nodes, 64);
  CHECK(words != NULL && (uintptr_t)words % 64 == 0, "collective_malloc: aligned");
  words[check_node] = (uint64_t)(uintptr_t)words;
  NEED(merino_barrier());
  int wrong = 0;
  for (int n = 0; n < nodes; n++) wrong += words[n] != (uint64_t)(uintptr_t)words;
  CHECK(wrong == 0, "collective_malloc: the same pointer everywhere");
  if (nodes > 1) {
    CHECK(merino_collective_malloc(check_node == 0 ? 64 : 128, 0) == NULL, "collective_malloc: sizes differ");
    CHECK(strstr(merino_last_error(), "other arguments") != NULL, "collective_malloc: the sentence says so");
    CHECK_CODE(merino_collective_free(check_node == 0 ? words : NULL), MERINO_EMISMATCH,
               "collective_free: pointers differ");
    CHECK(words[nodes - 1] == (uint64_t)(uintptr_t)words, "collective_free: nothing was freed");
  }
  CHECK_CODE(merino_collective_free(words), MERINO_SUCCESS, "collective_free after a mismatch");
}

int main(void) {
  int nodes = join_job();
  uint64_t before = stats_now().heap_bytes_in_use;
  NEED(merino_barrier());
  refusals();
  shapes();
  collective(nodes);
  passed_around(nodes);
  NEED(merino_barrier());
  uint64_t after = stats_now().heap_bytes_in_use;
  CHECK(after == before, "heap_bytes_in_use is back");
  if (after != before)
    say("in use: %llu, before %llu", (unsigned long long)after, (unsigned long long)before);
  return leave_job();
}
