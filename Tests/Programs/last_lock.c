// Threads that make locks at the same time never get the same one, also when a single record is left.
#include "check.h"

enum { threads = 4, rounds = 1500 };

static pthread_barrier_t gate;
static merino_lock_t got[threads];
static int codes[threads];

static void *make_locks(void *argument) {
  intptr_t me = (intptr_t)argument;
  for (int round = 0; round < rounds; round++) {
    pthread_barrier_wait(&gate);
    codes[me] = merino_lock_create(&got[me]);
    pthread_barrier_wait(&gate);
    // Thread 0 looks at what came of it and destroys the lock.
    pthread_barrier_wait(&gate);
  }
  return NULL;
}

int main(void) {
  merino_options_t options = MERINO_OPTIONS_INIT;
  options.max_locks = 128;
  options.capacity_bytes = 64 << 20;
  NEED(merino_init_with(&options));
  check_node = merino_node();
  merino_lock_t kept[128];
  int made = 0;
  while (made < 128 && merino_lock_create(&kept[made]) == 0) made++;
  CHECK(made > 0 && made < 128, "a table of 128 locks is full");
  NEED(merino_lock_destroy(kept[made - 1]));
  pthread_barrier_init(&gate, NULL, threads + 1);
  pthread_t thread[threads];
  for (intptr_t t = 0; t < threads; t++) thread[t] = start(make_locks, (void *)t);
  int wrong = 0;
  for (int round = 0; round < rounds; round++) {
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    int successes = 0;
    merino_lock_t lock = 0;
    for (int t = 0; t < threads; t++) {
      if (codes[t] == 0) successes++, lock = got[t];
      wrong += codes[t] != 0 && codes[t] != MERINO_ELIMIT;
    }
    wrong += successes != 1;
    if (successes > 0) wrong += merino_lock_destroy(lock) != 0;
    pthread_barrier_wait(&gate);
  }
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  CHECK(wrong == 0, "the last record goes to one thread");
  return leave_job();
}
