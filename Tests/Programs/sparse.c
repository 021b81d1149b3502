// Large blocks of zeros: they cost nothing until they are used, and are zero also where others had the
// memory.
#include "check.h"

enum { page = 4096 };

/// MiB of shared memory that are resident in this process.
static long resident_mib(void) {
  FILE *status = fopen("/proc/self/status", "r");
  char line[200];
  long kb = -1;
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    if (sscanf(line, "RssShmem: %ld", &kb) == 1) break;
  }
  if (status != NULL) fclose(status);
  return kb / 1024;
}

/// Whether the block is zero, by looks at a word of each page.
static int is_zero(const unsigned char *block, size_t bytes) {
  for (size_t at = 0; at < bytes; at += page) {
    if (block[at] != 0 || block[at + page - 1] != 0) return 0;
  }
  return 1;
}

int main(void) {
  int nodes = join_job();
  const size_t much = (size_t)16 << 30, some = (size_t)8 << 20;
  long before = resident_mib();
  unsigned char *table = merino_collective_malloc(much, 0);
  CHECK(table != NULL, "16 GiB for all");
  if (table == NULL) merino_abort(3);
  CHECK(resident_mib() - before < 16, "nothing of it is resident");
  unsigned char *own = merino_calloc(much / 16, 1);
  CHECK(own != NULL, "1 GiB of this node's");
  CHECK(resident_mib() - before < 16, "nothing of that, too");
  // Each node uses a byte here and there.
  for (int i = 0; i < 64; i++) {
    size_t at = ((size_t)i * (size_t)nodes + (size_t)check_node) * ((much >> 20) / 64 / (size_t)nodes) << 20;
    CHECK(table[at] == 0, "zero before the first store");
    table[at] = (unsigned char)(check_node + 1);
  }
  NEED(merino_barrier());
  int wrong = 0;
  for (int i = 0; i < 64 * nodes; i++) {
    wrong += table[(size_t)i * ((much >> 20) / 64 / (size_t)nodes) << 20] != (unsigned char)(i % nodes + 1);
  }
  CHECK(wrong == 0, "what each node stored");
  NEED(merino_barrier());
  merino_free(own);
  // Memory that somebody has had is zero again.
  for (int round = 0; round < 3; round++) {
    unsigned char *block = merino_collective_malloc(some, 0);
    CHECK(block != NULL && is_zero(block, some), "zeros for all where others wrote");
    NEED(merino_barrier());
    if (check_node == round % nodes) memset(block, 0xA5, some);
    NEED(merino_collective_free(block));
    unsigned char *mine = merino_calloc(some, 1);
    CHECK(mine != NULL && is_zero(mine, some), "zeros for one where others wrote");
    memset(mine, 0x5A, some);
    merino_free(mine);
  }
  return leave_job();
}
