// What waits when a node dies, a thread in each; and what asks again and again.
#ifndef SURVIVORS_WAITS_H
#define SURVIVORS_WAITS_H

#include "objects.h"

static int wait_with(int (*wait)(merino_lock_t)) {
  merino_lock_t lock;
  NEED(merino_lock_create(&lock));
  NEED(merino_lock_acquire(lock));
  return wait(lock);
}
static int wait_condition(merino_lock_t lock) { return merino_cond_wait(condition, lock); }
static int wait_condition_within(merino_lock_t lock) {
  return merino_cond_wait_within(condition, lock, 120000000000u);
}

static int open_again(void) {
  merino_segment_t found;
  return merino_segment_open("survivors", &found);
}
static int pin_and_unpin(void) {
  int code = merino_pin(view, PAGE, PROT_READ);
  return code == 0 ? merino_unpin(view, PAGE) : code;
}
static int allocate_and_free(void) {
  void *got = merino_malloc(24);
  if (got == NULL) return errno == EHOSTDOWN ? MERINO_EPEER : errno;
  merino_free(got);
  return MERINO_SUCCESS;
}
static int load(void) {
  uint64_t value;
  return merino_atomic_load_u64(ADDRESS64, &value);
}
static int load_at_home(void) {
  uint64_t value;
  return merino_atomic_load_u64_acquire((uint64_t *)(void *)(view + (8 + check_node) * PAGE), &value);
}

// a name for C, one for people, whether it polls, the call
#define WAITS(X) \
  X(lock, "merino_lock_acquire", 0, merino_lock_acquire(dead_lock)) \
  X(lock_of_the_living, "merino_lock_acquire of the living", 0, merino_lock_acquire(mine)) \
  X(lock_within, "merino_lock_acquire_within", 0, merino_lock_acquire_within(dead_lock, 120000000000u)) \
  X(read, "merino_rwlock_acquire_read", 0, merino_rwlock_acquire_read(own_rwlock)) \
  X(write, "merino_rwlock_acquire_write", 0, merino_rwlock_acquire_write(rwlock)) \
  X(event, "merino_event_wait", 0, merino_event_wait(event)) \
  X(condition, "merino_cond_wait", 0, wait_with(wait_condition)) \
  X(condition_within, "merino_cond_wait_within", 0, wait_with(wait_condition_within)) \
  X(barrier, "merino_barrier", 0, merino_barrier()) \
  X(barrier_object, "merino_barrier_wait", 0, merino_barrier_wait(barrier)) \
  X(polls_try, "polls merino_lock_try_acquire", 1, merino_lock_try_acquire(dead_lock)) \
  X(polls_within, "polls merino_lock_acquire_within", 1, merino_lock_acquire_within(dead_lock, 1000000)) \
  X(polls_load, "polls merino_atomic_load_u64", 1, load()) \
  X(polls_load_at_home, "polls merino_atomic_load_u64_acquire at home", 1, load_at_home()) \
  X(polls_add, "polls merino_atomic_fetch_add_u32", 1, merino_atomic_fetch_add_u32(ADDRESS32 + 2, 1, NULL)) \
  X(polls_acquire, "polls merino_fence_acquire", 1, merino_fence_acquire()) \
  X(polls_release, "polls merino_fence_release", 1, merino_fence_release()) \
  X(polls_prefetch, "polls merino_prefetch", 1, merino_prefetch(view, 3 * PAGE)) \
  X(polls_pin, "polls merino_pin", 1, pin_and_unpin()) \
  X(polls_open, "polls merino_segment_open", 1, open_again()) \
  X(polls_malloc, "polls merino_malloc", 1, allocate_and_free())

#define DEFINE_WAIT(identifier, name, polls, call) \
  static int wait_for_##identifier(void) { return call; }
WAITS(DEFINE_WAIT)

static const struct wait {
  const char *name;
  int polls;
  int (*call)(void);
} waits[] = {
#define LIST_WAIT(identifier, name, polls, call) {name, polls, wait_for_##identifier},
    WAITS(LIST_WAIT)
};
enum { wait_count = sizeof waits / sizeof *waits };
static struct outcome {
  const struct wait *wait;
  int code, is_told;
} outcomes[wait_count];

static void *wait_thread(void *argument) {
  struct outcome *outcome = argument;
  int code, goes_on;
  do {
    code = outcome->wait->call();
    goes_on = code == MERINO_SUCCESS || code == MERINO_EBUSY || code == MERINO_ETIMEDOUT;
  } while (outcome->wait->polls && goes_on);
  outcome->code = code;
  outcome->is_told = is_told(code);
  return NULL;
}

static void *holder(void *argument) {
  NEED(merino_rwlock_acquire_write(own_rwlock));
  return argument;
}

static int make_waits(void) {
  pthread_t threads[wait_count];
  pthread_join(start(holder, NULL), NULL);
  for (int i = 0; i < wait_count; i++) {
    outcomes[i].wait = &waits[i];
    threads[i] = start(wait_thread, &outcomes[i]);
  }
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 30;
  for (int i = 0; i < wait_count; i++) {
    int ended = pthread_timedjoin_np(threads[i], NULL, &limit);
    if (ended == 0 && !outcomes[i].is_told) say("%s gave %d", waits[i].name, outcomes[i].code);
    CHECK(ended == 0 && outcomes[i].is_told, waits[i].name);
  }
  // With one that did not end, leaving would be refused.
  CHECK(is_told(merino_finalize()), "merino_finalize");
  return check_failures != 0;
}

#endif
