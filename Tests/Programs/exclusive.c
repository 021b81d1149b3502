// Pages that only their home writes, far apart: what others fetch from them is noticed at the home's next
// release, wherever the pages lie.
#include "check.h"

enum { PAGES = 200, ROUNDS = 12 };

// 17 MiB and a page: blocks, groups of blocks and words of groups all change on the way through 3.3 GiB.
static const size_t apart = 17u << 20 | 4096;

int main(void) {
  int nodes = join_job();
  merino_segment_t segment;
  void *view;
  merino_barrier_t *barrier = merino_collective_malloc(sizeof *barrier, 0);
  if (merino_node() == 0) {
    NEED(merino_segment_create("far", PAGES * apart, NULL, &segment));
    NEED(merino_barrier_create((uint32_t)nodes, barrier));
  }
  NEED(merino_barrier());
  NEED(merino_segment_open("far", &segment));
  NEED(merino_segment_attach(segment, NULL, 3, &view));
  int stale = 0;
  for (int round = 1; round <= ROUNDS; round++) {
    if (merino_node() == 0) {
      for (size_t i = 0; i < PAGES; i++) *(int *)((char *)view + i * apart) = round * 1000 + (int)i;
    }
    // Not that of all nodes, at which pages move.
    NEED(merino_barrier_wait(*barrier));
    // Every third round nobody looks, and the pages become the home's alone.
    for (size_t i = 0; i < PAGES && merino_node() != 0 && round % 3 != 0; i++) {
      stale += *(int *)((char *)view + i * apart) != round * 1000 + (int)i;
    }
    NEED(merino_barrier_wait(*barrier));
  }
  CHECK(stale == 0, "what the home wrote is seen");
  if (merino_node() == 0 && nodes > 1) {
    merino_stats_t stats = MERINO_STATS_INIT;
    NEED(merino_stats(&stats));
    CHECK(stats.exclusive_pages >= PAGES, "the pages were the home's alone in between");
  }
  NEED(merino_segment_detach(view));
  NEED(merino_barrier());
  return leave_job();
}
