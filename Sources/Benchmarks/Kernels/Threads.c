/* The kernels as threads of one process: POSIX mutexes, and memory of malloc's kind, as the suites'
 * own macros have it. */
#include "side.h"

#include <pthread.h>
#include <stdlib.h>

const char *const side_name = "threads";
const int side_is_shared = 0;
_Thread_local uint64_t lock_cycles;

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct lock), "a mutex does not fit into a lock");

void side_begin(void) {}
int side_node(void) { return 0; }
int side_nodes(void) { return 1; }
void side_meet(void) {}
void side_end(void) {}
_Noreturn void side_abort(void) { exit(2); }

void *side_allocate(size_t bytes) { return aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE); }

void side_count(uint64_t counted[COUNTED_NUMBERS]) {
  for (int i = 0; i < COUNTED_NUMBERS; i++) counted[i] = 0;
}

void side_sum(uint64_t *values, size_t count) {
  (void)values;
  (void)count;
}

void locks_make(struct lock *locks, size_t count) {
  for (size_t i = 0; i < count; i++) pthread_mutex_init((pthread_mutex_t *)&locks[i], NULL);
}

void lock_take(struct lock *lock) {
  lock_cycles++;
  pthread_mutex_lock((pthread_mutex_t *)lock);
}

void lock_give(struct lock *lock) { pthread_mutex_unlock((pthread_mutex_t *)lock); }
