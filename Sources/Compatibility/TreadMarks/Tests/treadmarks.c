// TreadMarks' interface on any number of processes: memory, locks, conditions, distribution.
//
//   treadmarks [SHARE]    with only this share of the rounds, 1/SHARE: for devices that are slow
#include <Tmk.h>

#include "check.h"
#include "other.h"

#define LAST (Tmk_nprocs - 1)

static long *counters;
static volatile long number;
static int share = 1;

static void two_units(void) {
  CHECK(Tmk_nprocs == (unsigned)merino_nodes() && Tmk_proc_id == (unsigned)merino_node(),
        "the process's number");
  CHECK(other_proc_id() == &Tmk_proc_id && other_nprocs() == &Tmk_nprocs, "one variable in both units");
}

static void memory(void) {
  if (Tmk_proc_id == LAST) {
    counters = (long *)Tmk_malloc(100 * sizeof *counters);
    memset(counters, 0, 100 * sizeof *counters);
    Tmk_distribute(&counters, sizeof counters);
  }
  Tmk_barrier(0);
  counters[Tmk_proc_id] = 1000 + Tmk_proc_id;
  other_barrier();
  long right = 0;
  for (unsigned i = 0; i < Tmk_nprocs; i++) right += counters[i] == 1000 + (long)i;
  CHECK(right == Tmk_nprocs, "memory that one process allocated is everybody's");
  Tmk_barrier(0);
  if (Tmk_proc_id == 0) Tmk_free(counters);
  Tmk_free(NULL);
}

// Counters under three locks, from both units.
static void locks(void) {
  static const unsigned numbers[] = {0, 17, TMK_NLOCKS - 1};
  if (Tmk_proc_id == 0) {
    counters = (long *)Tmk_malloc(3 * sizeof *counters);
    memset(counters, 0, 3 * sizeof *counters);
    Tmk_distribute(&counters, sizeof counters);
  }
  Tmk_barrier(0);
  int each = 100 / share;
  for (int i = 0; i < 3 * each; i++) {
    if (i % 2 == 0) {
      other_count(numbers[i % 3], &counters[i % 3]);
    } else {
      Tmk_lock_acquire(numbers[i % 3]);
      counters[i % 3]++;
      Tmk_lock_release(numbers[i % 3]);
    }
  }
  Tmk_barrier(0);
  for (int i = 0; i < 3; i++) CHECK(counters[i] == each * (long)Tmk_nprocs, "a counter under a lock");
  // Never ends if two numbers were one lock.
  if (Tmk_proc_id == 0) Tmk_lock_acquire(1);
  Tmk_barrier(0);
  if (Tmk_proc_id == LAST && LAST != 0) {
    Tmk_lock_acquire(2);
    Tmk_lock_release(2);
  }
  Tmk_barrier(0);
  if (Tmk_proc_id == 0) Tmk_lock_release(1);
}

// The processes take turns; what the one before distributed has come with the lock alone.
static void turns(void) {
  enum { LOCK = 5 };
  if (Tmk_proc_id == 0) {
    counters = (long *)Tmk_malloc(sizeof *counters);
    *counters = 0;
    number = 0;
    Tmk_distribute((void *)&number, sizeof number);
    Tmk_distribute(&counters, sizeof counters);
  }
  Tmk_barrier(0);
  long wrong = 0;
  for (int round = 0; round < 120 / share; round++) {
    long turn = (long)round * Tmk_nprocs + Tmk_proc_id;
    Tmk_lock_acquire(LOCK);
    while (*counters != turn) Tmk_cond_wait(LOCK, Tmk_proc_id % TMK_NCONDS);
    wrong += number != turn;
    number = turn + 1;
    Tmk_distribute((void *)&number, sizeof number);
    *counters = turn + 1;
    // With more processes than conditions several wait for the same one, and a signal may wake the wrong one.
    unsigned next = (Tmk_proc_id + 1) % Tmk_nprocs % TMK_NCONDS;
    if (round % 2 == 0 || Tmk_nprocs > TMK_NCONDS) {
      Tmk_cond_broadcast(LOCK, next);
    } else {
      Tmk_cond_signal(LOCK, next);
    }
    Tmk_lock_release(LOCK);
  }
  CHECK(wrong == 0, "in turns by condition variables, with distributed values");
  // Process 0 may be further already, and what it distributes there may come with this barrier.
  long *used = counters;
  Tmk_barrier(0);
  if (Tmk_proc_id == LAST) Tmk_free(used);
}

// A lock alone, without a wait, brings what was distributed before it was released.
static void lock_alone(void) {
  if (Tmk_proc_id == 0) {
    counters = (long *)Tmk_malloc(sizeof *counters);
    *counters = 0;
    Tmk_distribute(&counters, sizeof counters);
  }
  number = 0;
  Tmk_barrier(0);
  long told = 0;
  while (!told) {
    Tmk_lock_acquire(6);
    if (Tmk_proc_id == LAST) {
      number = 77;
      Tmk_distribute((void *)&number, sizeof number);
      *counters = 1;
    }
    told = *counters;
    Tmk_lock_release(6);
  }
  CHECK(number == 77, "a value that came with a lock");
  Tmk_barrier(0);
  if (Tmk_proc_id == 0) Tmk_free(counters);
}

// What the process that distributed assigns afterwards is its own.
static void own_afterwards(void) {
  if (Tmk_proc_id == 0) {
    number = 8;
    Tmk_distribute((void *)&number, sizeof number);
    number = 9;
  }
  Tmk_barrier(0);
  CHECK(number == (Tmk_proc_id == 0 ? 9 : 8), "assigning after distributing");
  Tmk_barrier(0);
}

enum { MARGIN = 64, LARGEST = 1 << 20 };
static unsigned char window[MARGIN + LARGEST + MARGIN];

static unsigned char pattern(unsigned process, size_t i) {
  return (unsigned char)(process * 37 + i * 11 + i / 251);
}

static size_t window_wrong(unsigned from, size_t begin, size_t size) {
  size_t wrong = 0;
  for (size_t i = 0; i < sizeof window; i++) {
    unsigned process = i >= begin && i < begin + size ? from : Tmk_proc_id;
    wrong += window[i] != pattern(process, i);
  }
  return wrong;
}

// Every process distributes ranges of all sizes; not one byte beside them changes.
static void sizes(void) {
  static const size_t sizes[] = {0, 1, 3, 8, 4095, 4096, 4097, LARGEST};
  for (unsigned from = share == 1 ? 0 : LAST; from < Tmk_nprocs; from++) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      for (size_t i = 0; i < sizeof window; i++) window[i] = pattern(Tmk_proc_id, i);
      Tmk_barrier(0);
      if (Tmk_proc_id == from) Tmk_distribute(window + MARGIN - 1 + s % 3, sizes[s]);
      Tmk_barrier(0);
      CHECK(window_wrong(from, MARGIN - 1 + s % 3, sizes[s]) == 0, "a range distributed");
    }
  }
}

// All processes distribute at once, more often than a block of the log has room for.
static void together(void) {
  static long slots[64], contended;
  long times = 150 / share;
  if (Tmk_nprocs > 64) return;
  if (Tmk_proc_id == 0) {
    counters = (long *)Tmk_malloc(Tmk_nprocs * sizeof *counters);
    Tmk_distribute(&counters, sizeof counters);
  }
  for (long i = 1; i <= times; i++) {
    slots[Tmk_proc_id] = i * 100 + Tmk_proc_id;
    Tmk_distribute(&slots[Tmk_proc_id], sizeof slots[0]);
    contended = i * 100 + Tmk_proc_id;
    Tmk_distribute(&contended, sizeof contended);
  }
  Tmk_barrier(0);
  unsigned right = 0;
  for (unsigned i = 0; i < Tmk_nprocs; i++) right += slots[i] == times * 100 + (long)i;
  CHECK(right == Tmk_nprocs, "all processes distribute at once");
  counters[Tmk_proc_id] = contended;
  Tmk_barrier(0);
  right = 0;
  for (unsigned i = 0; i < Tmk_nprocs; i++) right += counters[i] == contended;
  CHECK(right == Tmk_nprocs, "all processes end with the same value");
  Tmk_barrier(0);
  if (Tmk_proc_id == 0) Tmk_free(counters);
}

// A value that waits to be copied here is not copied over one that is distributed after it.
static void after_another(void) {
  // Merino's own barriers: nothing is copied in them.
  NEED(merino_barrier());
  if (Tmk_proc_id == 0) {
    number = 3;
    Tmk_distribute((void *)&number, sizeof number);
  }
  NEED(merino_barrier());
  if (Tmk_proc_id == LAST && LAST != 0) CHECK(number != 3, "nothing is copied between synchronisations");
  if (Tmk_proc_id == LAST) {
    number = 5;
    Tmk_distribute((void *)&number, sizeof number);
    CHECK(number == 5, "the value distributed later, where it was distributed");
  }
  Tmk_barrier(0);
  CHECK(number == 5, "the value distributed later");
}

// What all have copied is freed: the memory in use does not grow.
static void freed(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  uint64_t first = 0;
  for (int round = 0; round < (share == 1 ? 6 : 2); round++) {
    for (int i = 0; i < 2 * TMK_RECORDS && Tmk_proc_id == 0; i++) Tmk_distribute(window, 10000);
    Tmk_barrier(0);
    Tmk_barrier(0);
    NEED(merino_stats(&stats));
    if (round == 0) first = stats.heap_bytes_in_use;
    Tmk_barrier(0);
  }
  CHECK(stats.heap_bytes_in_use == first, "what was distributed is freed");
}

static void units(void) {
#ifdef OTHER_IS_LIBRARY
  if (Tmk_proc_id == 0) say("PASS the other unit is a library [0]");
#else
  if (Tmk_proc_id == LAST) other_distribute(4711);
  Tmk_barrier(0);
  CHECK(other_value() == 4711, "a variable of the other unit");
#endif
}

int main(int argc, char **argv) {
  Tmk_startup(argc, argv);
  if (argc > 1) share = atoi(argv[1]);
  check_node = (int)Tmk_proc_id;
  two_units();
  memory();
  locks();
  turns();
  lock_alone();
  own_afterwards();
  sizes();
  together();
  after_another();
  freed();
  units();
  Tmk_barrier(0);
  if (check_failures != 0) Tmk_exit(1);
  if (Tmk_proc_id % 2 == 0) Tmk_exit(0);
  return 0;
}
