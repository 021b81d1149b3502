// Locks between threads of all nodes: exclusion, try, time limits, misuse, names, handles in shared memory.
#include "check.h"

enum { threads = 2, rounds = 400 };

typedef struct {
  merino_lock_t counter_lock, held_lock, order_lock;
  uint64_t counter, inside, order[16], order_count;
  char text[3000];
} shared_t;

static shared_t *shared;
static int exclusion_errors;

static void *count_up(void *unused) {
  (void)unused;
  for (int i = 0; i < rounds; i++) {
    int code = i % 3 == 0 ? merino_lock_acquire_within(shared->counter_lock, 60000000000u)
                          : merino_lock_acquire(shared->counter_lock);
    if (code != 0) __atomic_fetch_add(&exclusion_errors, 1, __ATOMIC_RELAXED);
    if (shared->inside++ != 0) __atomic_fetch_add(&exclusion_errors, 1, __ATOMIC_RELAXED);
    shared->counter++;
    shared->text[shared->counter % sizeof shared->text]++;
    if (--shared->inside != 0) __atomic_fetch_add(&exclusion_errors, 1, __ATOMIC_RELAXED);
    if (merino_lock_release(shared->counter_lock) != 0)
      __atomic_fetch_add(&exclusion_errors, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

static void exclusion(int nodes) {
  pthread_t thread[threads];
  for (int t = 0; t < threads; t++) thread[t] = start(count_up, NULL);
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  NEED(merino_barrier());
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof shared->text; i++) sum += (unsigned char)shared->text[i];
  CHECK(exclusion_errors == 0, "exclusion: nobody else is inside");
  CHECK(shared->counter == (uint64_t)nodes * threads * rounds, "exclusion: every increment counts");
  CHECK(sum == shared->counter, "exclusion: what was written under the lock is seen");
}

static void *try_it(void *result) {
  *(int *)result = merino_lock_try_acquire(shared->held_lock);
  return NULL;
}

static void *release_it(void *result) {
  *(int *)result = merino_lock_release(shared->held_lock);
  return NULL;
}

static void misuse(void) {
  merino_lock_t lock = 5;
  CHECK_CODE(merino_lock_create(NULL), MERINO_EINVAL, "create: nowhere to put it");
  CHECK_CODE(merino_lock_acquire(0), MERINO_EHANDLE, "acquire: 0");
  CHECK_CODE(merino_lock_release(0), MERINO_EHANDLE, "release: 0");
  CHECK_CODE(merino_lock_acquire(lock), MERINO_EHANDLE, "acquire: 5");
  CHECK_CODE(merino_lock_try_acquire(UINT64_MAX), MERINO_EHANDLE, "try: all bits");
  CHECK_CODE(merino_lock_acquire(0x01ffffff00000100u), MERINO_EHANDLE, "acquire: never made");
  CHECK_CODE(merino_lock_acquire(0x0100000100000000u), MERINO_EHANDLE, "acquire: the library's own");
  CHECK_CODE(merino_lock_destroy(0x0100000100000001u), MERINO_EHANDLE, "destroy: the library's own");
  NEED(merino_lock_create(&lock));
  CHECK_CODE(merino_lock_release(lock), MERINO_EPERM, "release: free");
  CHECK_CODE(merino_rwlock_acquire_read(lock), MERINO_EHANDLE, "a lock is no reader-writer lock");
  CHECK_CODE(merino_event_set(lock), MERINO_EHANDLE, "a lock is no event");
  NEED(merino_lock_acquire(lock));
  CHECK_CODE(merino_lock_acquire(lock), MERINO_EDEADLK, "acquire: held by this thread");
  CHECK_CODE(merino_lock_try_acquire(lock), MERINO_EDEADLK, "try: held by this thread");
  CHECK_CODE(merino_lock_acquire_within(lock, 1000), MERINO_EDEADLK, "within: held by this thread");
  CHECK_CODE(merino_lock_destroy(lock), MERINO_EBUSY, "destroy: held by this thread");
  CHECK_CODE(merino_lock_release(lock), MERINO_SUCCESS, "release after refusals");
  CHECK_CODE(merino_lock_release(lock), MERINO_EPERM, "release: twice");
  CHECK_CODE(merino_lock_acquire_within(lock, 0), MERINO_SUCCESS, "within 0 ns: free");
  CHECK_CODE(merino_lock_release(lock), MERINO_SUCCESS, "release");
  CHECK_CODE(merino_lock_acquire_within(lock, UINT64_MAX), MERINO_SUCCESS, "within UINT64_MAX ns: free");
  CHECK_CODE(merino_lock_release(lock), MERINO_SUCCESS, "release again");
  CHECK_CODE(merino_lock_destroy(lock), MERINO_SUCCESS, "destroy");
  CHECK_CODE(merino_lock_acquire(lock), MERINO_EHANDLE, "acquire: destroyed");
  CHECK_CODE(merino_lock_destroy(lock), MERINO_EHANDLE, "destroy: twice");
  merino_lock_t again;
  NEED(merino_lock_create(&again));
  CHECK(again != lock, "a new lock has another handle");
  NEED(merino_lock_destroy(again));
}

static void held_elsewhere(void) {
  if (check_node == 0) NEED(merino_lock_acquire(shared->held_lock));
  NEED(merino_barrier());
  int code = 0;
  pthread_join(start(try_it, &code), NULL);
  CHECK(code == MERINO_EBUSY, "try: held by another thread");
  pthread_join(start(release_it, &code), NULL);
  CHECK(code == MERINO_EPERM, "release: held by another thread");
  if (check_node != 0) {
    CHECK_CODE(merino_lock_try_acquire(shared->held_lock), MERINO_EBUSY, "try: held by another node");
    CHECK_CODE(merino_lock_release(shared->held_lock), MERINO_EPERM, "release: held by another node");
    CHECK_CODE(merino_lock_destroy(shared->held_lock), MERINO_EBUSY, "destroy: held by another node");
    CHECK_CODE(merino_lock_acquire_within(shared->held_lock, 0), MERINO_ETIMEDOUT, "within 0 ns: held");
    uint64_t began = now_ns();
    CHECK_CODE(merino_lock_acquire_within(shared->held_lock, 50000000), MERINO_ETIMEDOUT,
               "within 50 ms: held");
    uint64_t took = now_ns() - began;
    CHECK(took >= 50000000 && took < 5000000000u, "within 50 ms: takes that long");
  }
  NEED(merino_barrier());
  if (check_node == 0) NEED(merino_lock_release(shared->held_lock));
  // Those who gave up have left nothing behind: everybody gets it.
  CHECK_CODE(merino_lock_acquire(shared->held_lock), MERINO_SUCCESS, "acquire after others gave up");
  CHECK_CODE(merino_lock_release(shared->held_lock), MERINO_SUCCESS, "and release");
  NEED(merino_barrier());
}

/// Nodes queue up one after the other while node 0 holds the lock, and get it in that order.
static void first_come_first_served(int nodes) {
  if (check_node == 0) NEED(merino_lock_acquire(shared->order_lock));
  NEED(merino_barrier());
  for (int turn = 1; turn < nodes; turn++) {
    // A second for everyone to be in the queue: an order that no call can show to the outside.
    if (turn == check_node) {
      sleep_ms(300 * turn);
      NEED(merino_lock_acquire(shared->order_lock));
      shared->order[shared->order_count++] = (uint64_t)check_node;
      NEED(merino_lock_release(shared->order_lock));
    }
  }
  if (check_node == 0) {
    sleep_ms(300 * nodes + 300);
    NEED(merino_lock_release(shared->order_lock));
  }
  NEED(merino_barrier());
  int wrong = shared->order_count != (uint64_t)nodes - 1;
  for (int i = 1; i < nodes; i++) wrong += shared->order[i - 1] != (uint64_t)i;
  CHECK(wrong == 0, "first come, first served between nodes");
}

static void names(int nodes, int many) {
  merino_lock_t lock, same, other;
  CHECK_CODE(merino_lock_create_named("", &lock), MERINO_EINVAL, "named: empty");
  CHECK_CODE(merino_lock_create_named(NULL, &lock), MERINO_EINVAL, "named: no name");
  CHECK_CODE(merino_lock_create_named("a", NULL), MERINO_EINVAL, "named: nowhere to put it");
  NEED(merino_lock_create_named("alpha", &lock));
  NEED(merino_lock_create_named("alpha", &same));
  NEED(merino_lock_create_named("beta", &other));
  CHECK(lock == same && lock != other, "named: one lock for each name");
  uint64_t handles[2] = {lock, other}, all[2] = {lock, other};
  NEED(merino_broadcast(all, sizeof all, nodes - 1));
  CHECK(memcmp(handles, all, sizeof all) == 0, "named: the same on all nodes");
  NEED(merino_barrier());
  if (check_node == 0) CHECK_CODE(merino_lock_destroy(lock), MERINO_SUCCESS, "named: destroy");
  NEED(merino_barrier());
  NEED(merino_lock_create_named("alpha", &same));
  CHECK(same != lock, "named: a new one after the end of the old");
  NEED(merino_barrier());
  if (check_node == nodes - 1) {
    NEED(merino_lock_destroy(same));
    NEED(merino_lock_destroy(other));
  }
  // Locks, named ones included, in turn many more than the table holds.
  int failed = 0;
  for (int i = 0; i < many; i++) {
    failed += merino_lock_create(&lock) != 0;
    failed += merino_lock_destroy(lock) != 0;
  }
  for (int i = 0; i < many / 10; i++) {
    char name[32];
    snprintf(name, sizeof name, "node-%d-%d", check_node, i);
    failed += merino_lock_create_named(name, &lock) != 0;
    failed += merino_lock_destroy(lock) != 0;
  }
  CHECK(failed == 0, "locks made and destroyed many times");
}

static void table_full(int least) {
  enum { most = 70000 };
  merino_lock_t *all = malloc(most * sizeof *all);
  int made = 0;
  while (made < most && merino_lock_create(&all[made]) == 0) made++;
  CHECK(made > least && made < most, "a table of locks has an end");
  CHECK_CODE(merino_lock_create(&all[0]), MERINO_ELIMIT, "full: says so");
  CHECK(strstr(merino_last_error(), "MERINO_LOCKS") != NULL, "full: names the setting");
  int failed = 0;
  for (int i = 1; i < made; i++) failed += merino_lock_destroy(all[i]) != 0;
  CHECK(failed == 0, "full: all destroyed");
  CHECK_CODE(merino_lock_create(&all[1]), MERINO_SUCCESS, "full: room again");
  free(all);
}

// The argument: how many locks a node makes in turn (3,000).
int main(int count, char **arguments) {
  int many = count > 1 ? atoi(arguments[1]) : 3000;
  int nodes = join_job();
  shared = merino_collective_malloc(sizeof *shared, 0);
  // Handles lie in shared memory, made by different nodes.
  if (check_node == 0) NEED(merino_lock_create(&shared->counter_lock));
  if (check_node == nodes - 1) NEED(merino_lock_create(&shared->held_lock));
  if (check_node == nodes / 2) NEED(merino_lock_create(&shared->order_lock));
  NEED(merino_barrier());
  misuse();
  exclusion(nodes);
  held_elsewhere();
  first_come_first_served(nodes);
  names(nodes, many);
  NEED(merino_barrier());
  table_full(many / 3);
  NEED(merino_barrier());
  return leave_job();
}
