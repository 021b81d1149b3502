// merino_finalize where something is left to do: locks that somebody of this node holds, threads that wait.
// It says what it is and changes nothing; nobody hangs, the other nodes neither.
#define _GNU_SOURCE
#include "check.h"

#include <sys/syscall.h>

static merino_lock_t guard, held;
static merino_rwlock_t shared;
static merino_event_t event;
static merino_cond_t condition;
static merino_barrier_t meeting;

/// It is refused in words that match, and the node is still in the job.
static void refused(const char *words, const char *name) {
  CHECK_CODE(merino_finalize(), MERINO_EBUSY, name);
  CHECK(strstr(merino_last_error(), words) != NULL, words);
  CHECK(merino_node() == check_node, "still in the job");
}

/// Until a thread has arrived where the sentence says. The caller holds a lock, so that it cannot succeed
/// before.
static int refused_in_the_end(const char *words) {
  uint64_t end = now_ns() + 20000000000u;
  do {
    if (merino_finalize() != MERINO_EBUSY) return 0;
    if (strstr(merino_last_error(), words) != NULL) return 1;
  } while (now_ns() < end);
  return 0;
}

static void locks_of_the_caller(void) {
  NEED(merino_lock_acquire(held));
  char words[64];
  snprintf(words, sizeof words, "the calling thread holds the lock 0x%lx", (unsigned long)held);
  refused(words, "the caller holds a lock");
  NEED(merino_lock_release(held));
  NEED(merino_rwlock_acquire_read(shared));
  refused("the calling thread holds the reader-writer lock", "the caller holds a lock for reading");
  NEED(merino_rwlock_release(shared));
  NEED(merino_rwlock_acquire_write(shared));
  refused("the calling thread holds the reader-writer lock", "the caller holds a lock for writing");
  NEED(merino_rwlock_release(shared));
}

static pthread_barrier_t gate;
static void *hold(void *thread) {
  *(long *)thread = syscall(SYS_gettid);
  NEED(merino_lock_acquire(held));
  pthread_barrier_wait(&gate);
  pthread_barrier_wait(&gate);
  NEED(merino_lock_release(held));
  return NULL;
}

static void lock_of_a_thread(void) {
  long id;
  char words[64];
  pthread_barrier_init(&gate, NULL, 2);
  pthread_t thread = start(hold, &id);
  pthread_barrier_wait(&gate);
  snprintf(words, sizeof words, "thread %ld of this node holds the lock 0x%lx", id, (unsigned long)held);
  refused(words, "another thread holds a lock");
  pthread_barrier_wait(&gate);
  pthread_join(thread, NULL);
}

static void *wait_for_lock(void *code) {
  *(int *)code = merino_lock_acquire(guard);
  if (*(int *)code == 0) *(int *)code = merino_lock_release(guard);
  return NULL;
}
static void *wait_a_while(void *code) {
  *(int *)code = merino_lock_acquire_within(guard, 60000000000u);
  if (*(int *)code == 0) *(int *)code = merino_lock_release(guard);
  return NULL;
}
static void *wait_for_event(void *code) { return *(int *)code = merino_event_wait(event), NULL; }
static void *wait_for_reader(void *code) {
  *(int *)code = merino_rwlock_acquire_write(shared);
  if (*(int *)code == 0) *(int *)code = merino_rwlock_release(shared);
  return NULL;
}
static void *wait_for_meeting(void *code) { return *(int *)code = merino_barrier_wait(meeting), NULL; }
static void *wait_for_signal(void *code) {
  NEED(merino_lock_acquire(held));
  *(int *)code = merino_cond_wait(condition, held);
  NEED(merino_lock_release(held));
  return NULL;
}

static void nothing(void) {}
static void set(void) { NEED(merino_event_set(event)); }
static void meet(void) { NEED(merino_barrier_wait(meeting)); }
static void wake(void) {
  NEED(merino_lock_acquire(held));
  NEED(merino_cond_signal(condition));
  NEED(merino_lock_release(held));
}
static void stop_reading(void) { NEED(merino_rwlock_release(shared)); }
static void start_reading(void) { NEED(merino_rwlock_acquire_read(shared)); }

static void waiting_threads(void) {
  const struct {
    const char *name;
    void (*before)(void);
    void *(*body)(void *);
    void (*after)(void);
  } waits[] = {
      {"a thread waits for a lock", nothing, wait_for_lock, nothing},
      {"a thread waits for a lock with a time limit", nothing, wait_a_while, nothing},
      {"a thread waits for an event", nothing, wait_for_event, set},
      {"a thread waits for a reader", start_reading, wait_for_reader, stop_reading},
      {"a thread waits in a barrier", nothing, wait_for_meeting, meet},
      {"a thread waits for a condition", nothing, wait_for_signal, wake},
  };
  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
    int code = 1;
    NEED(merino_lock_acquire(guard));
    waits[i].before();
    pthread_t thread = start(waits[i].body, &code);
    CHECK(refused_in_the_end("waits for a lock, an event"), waits[i].name);
    waits[i].after();
    NEED(merino_lock_release(guard));
    pthread_join(thread, NULL);
    CHECK(code == MERINO_SUCCESS, "and gets what it waited for");
  }
}

static void *pass_barrier(void *code) { return *(int *)code = merino_barrier(), NULL; }

/// Nodes other than 0 wait for a lock that node 0 holds, and for it in the barrier of all nodes.
static void between_nodes(void) {
  int code = 1, nodes = merino_nodes();
  merino_lock_t common;
  NEED(merino_lock_create_named("common", &common));
  uint64_t *passed = merino_collective_malloc(sizeof *passed, 0), count = 0;
  if (passed == NULL) merino_abort(3);
  NEED(merino_lock_acquire(guard));
  if (check_node == 0) NEED(merino_lock_acquire(common));
  NEED(merino_barrier());
  if (check_node != 0) {
    NEED(merino_lock_release(guard));
    CHECK_CODE(merino_lock_acquire(common), MERINO_SUCCESS, "the lock that node 0 wanted to leave with");
    NEED(merino_lock_release(common));
    NEED(merino_atomic_fetch_add_u64(passed, 1, &count));
    NEED(merino_barrier());
    return;
  }
  refused("the calling thread holds the lock", "a lock that other nodes wait for");
  NEED(merino_lock_release(common));
  while (count + 1 < (uint64_t)nodes) NEED(merino_atomic_load_u64(passed, &count));
  if (nodes > 1) {
    // The others come into this barrier when they are ready; until then, or until this thread is there, the
    // guard holds.
    pthread_t thread = start(pass_barrier, &code);
    pthread_join(thread, NULL);
    CHECK(code == MERINO_SUCCESS, "a barrier by another thread");
  }
  NEED(merino_lock_release(guard));
}

/// Node 0's second thread is in the barrier that the others come into later.
static void in_the_barrier(void) {
  int code = 1;
  uint64_t *go = merino_collective_malloc(sizeof *go, 0), seen = 0;
  if (go == NULL) merino_abort(3);
  if (check_node == 0) {
    NEED(merino_lock_acquire(guard));
    pthread_t thread = start(pass_barrier, &code);
    CHECK(refused_in_the_end("in the barrier of all nodes"), "a thread is in the barrier of all nodes");
    NEED(merino_atomic_store_u64(go, 1));
    pthread_join(thread, NULL);
    CHECK(code == MERINO_SUCCESS, "and passes it");
    NEED(merino_lock_release(guard));
  } else {
    while (seen == 0) NEED(merino_atomic_load_u64(go, &seen));
    NEED(merino_barrier());
  }
}

int main(void) {
  int nodes = join_job();
  NEED(merino_lock_create(&guard));
  NEED(merino_lock_create(&held));
  NEED(merino_rwlock_create(&shared));
  NEED(merino_event_create(&event));
  NEED(merino_cond_create(&condition));
  NEED(merino_barrier_create(2, &meeting));
  // Nodes that are done wait in the barrier for those that are not.
  locks_of_the_caller();
  lock_of_a_thread();
  waiting_threads();
  NEED(merino_barrier());
  between_nodes();
  if (nodes > 1) in_the_barrier();
  // The others are in merino_finalize while node 0 is refused.
  if (check_node == 0) locks_of_the_caller();
  return leave_job();
}
