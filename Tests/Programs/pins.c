// Pinning: system calls on shared memory, while other nodes change other bytes of the same pages. Prefetch
// and the counters.
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { pages = 16, bytes = pages * 4096 };

static merino_stats_t counters(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  NEED(merino_stats(&stats));
  return stats;
}

// What is counted of a segment that node 0 alone has written: it is the home of every page. (Of pages that
// several nodes have written before, it depends on their timing which have moved where.)
static void count_from_node_0(void) {
  merino_segment_t s;
  if (check_node == 0) NEED(merino_segment_create("counted", bytes, NULL, &s));
  NEED(merino_barrier());
  NEED(merino_segment_open("counted", &s));
  unsigned char *view;
  NEED(merino_segment_attach(s, NULL, PROT_READ | PROT_WRITE, (void **)&view));
  if (check_node == 0) memset(view, 9, bytes);
  NEED(merino_barrier());
  if (check_node == 1) {
    merino_stats_t before = counters();
    CHECK_CODE(merino_prefetch(view, bytes), MERINO_SUCCESS, "prefetch");
    int sum = 0;
    for (int i = 0; i < bytes; i += 512) sum += view[i] != 9;
    merino_stats_t after = counters();
    CHECK(sum == 0, "prefetch: the contents");
    // One more at most: the bytes in use, which are among the counters, are in a page of the library's.
    uint64_t fetched = after.pages_fetched - before.pages_fetched;
    CHECK(fetched == pages || fetched == pages + 1, "stats: pages fetched");
    CHECK(after.pages_fetched_ahead - before.pages_fetched_ahead == pages - 1, "stats: fetched ahead");
    CHECK(after.bytes_fetched - before.bytes_fetched == fetched * 4096, "stats: bytes fetched");
  }
  NEED(merino_barrier());
  // Three bytes of one page, from a node that is not its home.
  merino_stats_t before = counters();
  if (check_node == 1) view[5] = view[6] = view[700] = 77;
  NEED(merino_fence_release());
  merino_stats_t after = counters();
  if (check_node == 1) {
    CHECK(after.diffs_sent - before.diffs_sent == 1 && after.diff_bytes_sent - before.diff_bytes_sent == 3,
          "stats: one diff of three bytes");
    CHECK(after.write_faults - before.write_faults == 1 && after.twins - before.twins == 1,
          "stats: one write fault, one twin");
    CHECK(after.notices_sent - before.notices_sent == 1, "stats: one notice");
  }
  NEED(merino_barrier());
  merino_stats_t last = counters();
  CHECK(last.barriers - after.barriers == 1, "stats: one barrier");
  NEED(merino_segment_detach(view));
}

int main(void) {
  int nodes = join_job();
  merino_segment_t s;
  if (check_node == 0) NEED(merino_segment_create("pinned", bytes, NULL, &s));
  NEED(merino_barrier());
  NEED(merino_segment_open("pinned", &s));
  unsigned char *view;
  NEED(merino_segment_attach(s, NULL, PROT_READ | PROT_WRITE, (void **)&view));
  int zero = open("/dev/zero", O_RDONLY);
  int local = 0;

  CHECK_CODE(merino_pin(&local, 4, PROT_READ), MERINO_EFAULT, "pin: the stack");
  CHECK_CODE(merino_pin(view, bytes + 1, PROT_READ), MERINO_EFAULT, "pin: beyond the view");
  CHECK_CODE(merino_pin(view, SIZE_MAX, PROT_READ), MERINO_EFAULT, "pin: SIZE_MAX");
  CHECK_CODE(merino_pin(view + 8, SIZE_MAX / 2, PROT_READ), MERINO_EFAULT, "pin: SIZE_MAX / 2");
  CHECK_CODE(merino_pin(view, 4, PROT_WRITE), MERINO_EINVAL, "pin: write only");
  CHECK_CODE(merino_pin(view, 4, PROT_EXEC), MERINO_EINVAL, "pin: to execute");
  CHECK_CODE(merino_pin(NULL, 0, PROT_READ), MERINO_SUCCESS, "pin: nothing");
  CHECK_CODE(merino_unpin(view, 4), MERINO_EFAULT, "unpin: not pinned");
  CHECK_CODE(merino_prefetch(&local, 4), MERINO_EFAULT, "prefetch: the stack");
  CHECK_CODE(merino_prefetch(view, bytes + 4096), MERINO_EFAULT, "prefetch: beyond the view");
  CHECK_CODE(merino_prefetch(view, 0), MERINO_SUCCESS, "prefetch: nothing");
  NEED(merino_barrier());

  // Each node owns every nodes-th byte block of 64 and changes it through system calls or stores.
  int wrong = 0, pipes[2];
  wrong += pipe(pipes) != 0;
  for (int round = 1; round <= 8; round++) {
    int caller = round % nodes;
    if (check_node == caller) {
      CHECK_CODE(merino_pin(view, bytes, PROT_READ | PROT_WRITE), MERINO_SUCCESS, "pin");
      // read(2) fills this node's blocks while the others store into theirs.
      for (int block = check_node; block < bytes / 64; block += nodes) {
        unsigned char text[64];
        memset(text, 100 + round, sizeof text);
        wrong += write(pipes[1], text, 64) != 64;
        wrong += read(pipes[0], view + block * 64, 64) != 64;
      }
    } else {
      for (int block = check_node; block < bytes / 64; block += nodes) {
        memset(view + block * 64, 100 + round, 64);
        if (block % 8 == 0) NEED(merino_fence_release());
      }
    }
    NEED(merino_barrier());
    if (check_node == caller) {
      // Still pinned: write(2) reads what the others stored, merged by the barrier.
      for (int page = 0; page < pages; page++) {
        unsigned char text[4096];
        wrong += write(pipes[1], view + page * 4096, 4096) != 4096;
        wrong += read(pipes[0], text, 4096) != 4096;
        for (int i = 0; i < 4096; i++) wrong += text[i] != 100 + round;
      }
      CHECK_CODE(merino_segment_detach(view), MERINO_EBUSY, "detach: pinned");
      CHECK_CODE(merino_pin(view, 4096, PROT_READ), MERINO_SUCCESS, "pin: a second time");
      CHECK_CODE(merino_unpin(view, 4096), MERINO_SUCCESS, "unpin: the second");
      CHECK_CODE(merino_unpin(view, 4096), MERINO_EFAULT, "unpin: no such pin left");
      CHECK_CODE(merino_unpin(view, bytes), MERINO_SUCCESS, "unpin");
    }
    for (int i = 0; i < bytes; i++) wrong += view[i] != 100 + round;
    NEED(merino_barrier());
  }
  CHECK(wrong == 0, "system calls into and from pinned pages");
  // A page that is not here and not pinned cannot be read into.
  if (nodes > 1) {
    if (check_node == 0) memset(view, 1, bytes);
    NEED(merino_barrier());
    if (check_node == 1) {
      errno = 0;
      CHECK(read(zero, view, 64) == -1 && errno == EFAULT, "read(2) without a pin gives EFAULT");
      CHECK_CODE(merino_pin(view, 4096, PROT_READ | PROT_WRITE), 0, "pin a page that is not here");
      CHECK(read(zero, view, 64) == 64 && view[0] == 0 && view[64] == 1, "read(2) with a pin");
      NEED(merino_unpin(view, 4096));
    }
    NEED(merino_barrier());
    CHECK(view[0] == 0 && view[63] == 0 && view[64] == 1, "what read(2) stored goes to all");
    NEED(merino_barrier());
    count_from_node_0();
  }
  CHECK_CODE(merino_stats(NULL), MERINO_EINVAL, "stats: nowhere to put them");
  merino_stats_t none = {0};
  CHECK_CODE(merino_stats(&none), MERINO_EINVAL, "stats: not initialised");
  // A program of an older header: only the first counter fits.
  merino_stats_t old;
  memset(&old, 0xAB, sizeof old);
  old.size = 16;
  CHECK_CODE(merino_stats(&old), MERINO_SUCCESS, "stats: of an older header");
  CHECK(old.size == 16 && old.read_faults != 0xABABABABABABABABu && old.write_faults == 0xABABABABABABABABu,
        "stats: filled as far as its size goes");
  NEED(merino_barrier());
  return leave_job();
}
