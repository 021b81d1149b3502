/* The kernels as nodes of a Merino job, by the calls that a program in PARMACS style makes: its blocks
 * are of the heap and get their homes by first touch, its barrier is the one of all nodes, at which
 * pages move to their writers. */
#include "side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <merino.h>

const char *const side_name = "nodes";
const int side_is_shared = 1;
_Thread_local uint64_t lock_cycles;

static int joined;

static void must(int result, const char *what) {
  if (result == MERINO_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, merino_last_error());
  side_abort();
}

void side_begin(void) {
  must(merino_init(), "join");
  joined = 1;
}

int side_node(void) { return merino_node(); }
int side_nodes(void) { return merino_nodes(); }
void side_meet(void) { must(merino_barrier(), "barrier"); }
void side_end(void) { must(merino_finalize(), "leave"); }

_Noreturn void side_abort(void) {
  if (joined) merino_abort(2);
  exit(2);
}

void *side_allocate(size_t bytes) {
  void *block = NULL;
  /* NULL goes to all as well, so that they end together. */
  if (side_node() == 0) {
    block = merino_aligned_alloc(PAGE, bytes);
    if (block == NULL) fprintf(stderr, "allocate: %s\n", merino_last_error());
  }
  must(merino_broadcast(&block, sizeof block, 0), "tell the address");
  return block;
}

void side_count(uint64_t counted[COUNTED_NUMBERS]) {
  merino_stats_t stats = MERINO_STATS_INIT;
  must(merino_stats(&stats), "count");
  counted[COUNTED_READ_FAULTS] = stats.read_faults;
  counted[COUNTED_WRITE_FAULTS] = stats.write_faults;
  counted[COUNTED_FETCHED] = stats.pages_fetched;
  counted[COUNTED_TWINS] = stats.twins;
  counted[COUNTED_DIFFS] = stats.diffs_sent;
  counted[COUNTED_DIFF_BYTES] = stats.diff_bytes_sent;
  counted[COUNTED_NOTICES] = stats.notices_sent;
  counted[COUNTED_INVALIDATIONS] = stats.invalidations;
  counted[COUNTED_FIRST_TOUCHES] = stats.first_touches;
  counted[COUNTED_EXCLUSIVE] = stats.exclusive_pages;
  counted[COUNTED_MIGRATIONS] = stats.migrations_in;
  counted[COUNTED_OVERFLOWS] = stats.log_overflows;
}

void side_sum(uint64_t *values, size_t count) {
  must(merino_allreduce_u64(values, count, MERINO_SUM), "add up");
}

void locks_make(struct lock *locks, size_t count) {
  for (size_t i = 0; i < count; i++) {
    merino_lock_t made;
    must(merino_lock_create(&made), "make a lock");
    locks[i].words[0] = made;
  }
}

void lock_take(struct lock *lock) {
  lock_cycles++;
  must(merino_lock_acquire(lock->words[0]), "take a lock");
}

void lock_give(struct lock *lock) { must(merino_lock_release(lock->words[0]), "give a lock back"); }
