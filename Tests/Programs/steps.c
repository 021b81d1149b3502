// What a step costs, in counts that no other load of the machine changes: page
// faults, twins, calls of mprotect. One node protects nothing that it has
// touched; two nodes pay once for what they touch first, and nothing for what
// one of them writes all the time.
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

enum { PAGE = 4096, PAGES = 1024 };

static unsigned long protections;

// The library's calls come here, since an executable's functions stand before
// those of libc.
int mprotect(void *address, size_t bytes, int access) {
  __atomic_fetch_add(&protections, 1, __ATOMIC_RELAXED);
  return (int)syscall(SYS_mprotect, address, bytes, access);
}

typedef struct {
  unsigned long faults, twins, diffs, notices, fetched, protections;
} counts_t;

static counts_t counted(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  // Twice: the amounts in use are in shared memory themselves.
  NEED(merino_stats(&stats));
  NEED(merino_stats(&stats));
  counts_t counts = {stats.read_faults + stats.write_faults,
                     stats.twins,
                     stats.diffs_sent,
                     stats.notices_sent,
                     stats.pages_fetched,
                     protections};
  return counts;
}

static counts_t since(counts_t before) {
  counts_t now = counted();
  counts_t counts = {
      now.faults - before.faults,   now.twins - before.twins,
      now.diffs - before.diffs,     now.notices - before.notices,
      now.fetched - before.fetched, now.protections - before.protections};
  return counts;
}

// One line for each limit that a step keeps to.
#define AT_MOST(counts, member, most, name)                                    \
  do {                                                                         \
    if ((counts).member > (most))                                              \
      say("  %lu " #member, (counts).member);                                  \
    CHECK((counts).member <= (most), name ": " #member);                       \
  } while (0)

static void fill(volatile char *block, int first, int pages, char value) {
  for (int page = first; page < first + pages; page++)
    block[(size_t)page * PAGE] = value;
}

static void one_node(volatile char *block) {
  counts_t before = counted();
  int wrong = 0;
  for (int page = 0; page < PAGES; page++)
    wrong += block[(size_t)page * PAGE] != 0;
  CHECK(wrong == 0, "nothing yet");
  counts_t counts = since(before);
  AT_MOST(counts, faults, PAGES / 64, "alone, read first");
  AT_MOST(counts, protections, 2 * PAGES / 64 + 1, "alone, read first");
  before = counted();
  for (int round = 1; round < 4; round++) {
    fill(block, 0, PAGES, (char)round);
    NEED(merino_fence_release());
    NEED(merino_fence_acquire());
    NEED(merino_barrier());
  }
  counts = since(before);
  AT_MOST(counts, faults, 0, "alone, written");
  AT_MOST(counts, protections, 0, "alone, written");
  AT_MOST(counts, notices, 0, "alone, written");
}

static void first_touch(volatile char *block) {
  counts_t start = counted(), before = start;
  if (check_node == 0)
    fill(block, 0, PAGES, 1);
  counts_t counts = since(before);
  if (check_node == 0) {
    // A run in each block of 64 pages, and two faults to see that they are in
    // order.
    AT_MOST(counts, faults, PAGES / 64 + 4, "first touch");
    AT_MOST(counts, protections, 2 * (PAGES / 64 + 4) + 2, "first touch");
    AT_MOST(counts, twins, 0, "first touch");
  }
  before = counted();
  NEED(merino_fence_release());
  if (check_node == 0)
    fill(block, 0, PAGES, 2);
  NEED(merino_fence_release());
  counts = since(before);
  if (check_node == 0) {
    AT_MOST(counts, faults, 0, "touched again behind a release");
    AT_MOST(counts, protections, 0, "touched again behind a release");
    // The last run may go beyond the block, and the counters' own lock may have
    // released before.
    counts = since(start);
    CHECK(counts.notices >= PAGES && counts.notices < PAGES + 64,
          "touched again behind a release: notices");
  }
  NEED(merino_barrier());
}

static void copies(volatile char *block) {
  if (check_node == 1) {
    counts_t before = counted();
    int wrong = 0;
    for (int page = 0; page < PAGES; page++)
      wrong += block[(size_t)page * PAGE] != 2;
    CHECK(wrong == 0, "what node 0 wrote");
    counts_t counts = since(before);
    CHECK(counts.fetched >= PAGES && counts.fetched < PAGES + 64,
          "read in order: each page once");
    AT_MOST(counts, faults, PAGES / 24, "read in order");
    AT_MOST(counts, protections, PAGES / 24, "read in order");
    before = counted();
    fill(block, 0, 256, 3);
    counts = since(before);
    AT_MOST(counts, faults, 256 / 24 + 4, "written in order");
    CHECK(counts.twins >= 256 && counts.twins < 256 + 33,
          "written in order: twins");
    NEED(merino_fence_release());
  }
  NEED(merino_barrier());
}

static void hot(volatile char *block) {
  if (check_node == 1) {
    volatile char *byte = &block[(size_t)(PAGES - 7) * PAGE];
    counts_t before = counted();
    for (int round = 0; round < 100; round++) {
      (*byte)++;
      NEED(merino_fence_release());
    }
    counts_t counts = since(before);
    AT_MOST(counts, faults, 4, "written behind each release");
    AT_MOST(counts, twins, 4, "written behind each release");
    AT_MOST(counts, protections, 12, "written behind each release");
    CHECK(counts.diffs == 100 && counts.notices == 100,
          "written behind each release: a diff and a notice each");
  }
  NEED(merino_barrier());
}

static void locks(merino_lock_t lock) {
  if (check_node == 1) {
    NEED(merino_lock_acquire(lock));
    NEED(merino_lock_release(lock));
    counts_t before = counted();
    for (int round = 0; round < 1000; round++) {
      NEED(merino_lock_acquire(lock));
      NEED(merino_lock_release(lock));
    }
    counts_t counts = since(before);
    AT_MOST(counts, faults, 0, "locks that nobody else wants");
    AT_MOST(counts, protections, 0, "locks that nobody else wants");
    AT_MOST(counts, notices, 0, "locks that nobody else wants");
  }
  NEED(merino_barrier());
}

int main(void) {
  int nodes = join_job();
  volatile char *block = merino_collective_malloc((size_t)PAGES * PAGE, 0);
  merino_lock_t *lock = merino_collective_malloc(sizeof *lock, 0);
  if (check_node == 0)
    NEED(merino_lock_create(lock));
  NEED(merino_barrier());
  if (nodes == 1) {
    one_node(block);
  } else {
    first_touch(block);
    copies(block);
    hot(block);
    locks(*lock);
  }
  NEED(merino_barrier());
  return leave_job();
}
