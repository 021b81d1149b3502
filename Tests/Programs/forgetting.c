// Freed memory of any size: zero in its next life, and what nobody touched costs nothing to forget.
//   forgetting GIB: a segment of so many GiB (MERINO_CAPACITY has to have room), written in eight places by
//   each node.
#include "check.h"

#include <sys/mman.h>

enum { PLACES = 8, PAGE = 4096 };

static long resident_mib(void) {
  long all = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &all, &resident) != 2) resident = -1;
  if (file != NULL) fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

static volatile uint64_t *place(void *view, size_t bytes, int index, int node) {
  return (volatile uint64_t *)((char *)view + bytes / PLACES * (size_t)index + (size_t)PAGE * (size_t)node);
}

/// One life: everything zero, then written, then freed.
static void live(size_t bytes, int round) {
  merino_segment_t segment;
  void *view;
  int stale = 0, nodes = merino_nodes();
  if (check_node == 0) NEED(merino_segment_create("big", bytes, 0, &segment));
  NEED(merino_barrier());
  if (check_node != 0) NEED(merino_segment_open("big", &segment));
  NEED(merino_segment_attach(segment, 0, PROT_READ | PROT_WRITE, &view));
  for (int index = 0; index < PLACES; index++) {
    for (int node = 0; node < nodes; node++) stale += *place(view, bytes, index, node) != 0;
  }
  CHECK(stale == 0, round == 0 ? "a new segment is zero" : "and so it is in its next life");
  NEED(merino_barrier());
  for (int index = 0; index < PLACES; index++)
    *place(view, bytes, index, check_node) = 0xABCD0000u + (unsigned)index;
  NEED(merino_barrier());
  int wrong = 0;
  for (int index = 0; index < PLACES; index++) {
    for (int node = 0; node < nodes; node++)
      wrong += *place(view, bytes, index, node) != 0xABCD0000u + (unsigned)index;
  }
  CHECK(wrong == 0, "everybody sees what everybody wrote");
  NEED(merino_barrier());
  NEED(merino_segment_detach(view));
  NEED(merino_barrier());
  if (check_node == 0) NEED(merino_segment_destroy(segment));
  long before = resident_mib();
  NEED(merino_barrier());
  CHECK(resident_mib() - before <= 16, "forgetting it takes no memory");
  NEED(merino_barrier());
  NEED(merino_barrier());
}

int main(int argc, char **argv) {
  join_job();
  size_t bytes = (size_t)(argc > 1 ? atol(argv[1]) : 1) << 30;
  for (int round = 0; round < 2; round++) live(bytes, round);
  return leave_job();
}
