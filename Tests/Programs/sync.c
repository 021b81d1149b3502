// Reader-writer locks, events, conditions, barriers and fences between threads of all nodes.
#include "check.h"

enum { threads = 2 };

typedef struct {
  merino_rwlock_t rwlock;
  merino_event_t event, go;
  merino_cond_t condition, empty_condition;
  merino_lock_t lock;
  merino_barrier_t together;
  uint64_t value[2], readers_most, writers, reads;
  uint64_t token, turn, tickets, taken, waiting, woken;
  uint64_t slots[64];
  uint32_t inside;
  char pad[4096];
  uint64_t published;
} shared_t;

static shared_t *shared;
static int nodes, errors;

static void wrong_if(int condition) {
  if (condition) __atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
}

static void *read_and_write(void *argument) {
  int t = (int)(intptr_t)argument;
  for (int i = 0; i < 60; i++) {
    if ((i + t + check_node) % 4 == 0) {
      wrong_if(merino_rwlock_acquire_write(shared->rwlock) != 0);
      wrong_if(shared->value[0] != shared->value[1]);
      shared->value[0]++;
      shared->value[1]++;
    } else {
      wrong_if(merino_rwlock_acquire_read(shared->rwlock) != 0);
      uint64_t seen = shared->value[0];
      wrong_if(seen != shared->value[1]);
      if (i % 7 == 0) sched_yield();
      wrong_if(seen != shared->value[0]);
    }
    wrong_if(merino_rwlock_release(shared->rwlock) != 0);
  }
  return NULL;
}

static void rwlocks(void) {
  pthread_t thread[threads];
  for (intptr_t t = 0; t < threads; t++) thread[t] = start(read_and_write, (void *)t);
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  NEED(merino_barrier());
  CHECK(errors == 0, "rwlock: writers are alone, readers see whole writes");
  CHECK(shared->value[0] == (uint64_t)nodes * threads * 15, "rwlock: every write counts");
  // All nodes read at once: they meet inside.
  NEED(merino_rwlock_acquire_read(shared->rwlock));
  CHECK_CODE(merino_barrier(), MERINO_SUCCESS, "rwlock: readers of all nodes inside together");
  CHECK_CODE(merino_rwlock_acquire_read(shared->rwlock), MERINO_EDEADLK, "rwlock: read twice");
  CHECK_CODE(merino_rwlock_acquire_write(shared->rwlock), MERINO_EDEADLK, "rwlock: read, then write");
  CHECK_CODE(merino_rwlock_destroy(shared->rwlock), MERINO_EBUSY, "rwlock: destroy while read");
  NEED(merino_barrier());
  CHECK_CODE(merino_rwlock_release(shared->rwlock), MERINO_SUCCESS, "rwlock: release");
  CHECK_CODE(merino_rwlock_release(shared->rwlock), MERINO_EPERM, "rwlock: release twice");
  NEED(merino_barrier());
  CHECK_CODE(merino_rwlock_acquire_read(0), MERINO_EHANDLE, "rwlock: 0");
  CHECK_CODE(merino_rwlock_create(NULL), MERINO_EINVAL, "rwlock: nowhere to put it");
}

static void events(void) {
  // Node 0 sets, all others see what it wrote before; later ones pass at once.
  if (check_node == 0) {
    sleep_ms(20);
    shared->published = 42;
    CHECK_CODE(merino_event_set(shared->event), MERINO_SUCCESS, "event: set");
  }
  CHECK_CODE(merino_event_wait(shared->event), MERINO_SUCCESS, "event: wait");
  CHECK(shared->published == 42, "event: orders what was written before");
  CHECK_CODE(merino_event_wait(shared->event), MERINO_SUCCESS, "event: stays set");
  NEED(merino_barrier());
  if (check_node == nodes - 1) {
    CHECK_CODE(merino_event_clear(shared->event), MERINO_SUCCESS, "event: clear");
    sleep_ms(20);
    shared->published = 43;
    NEED(merino_event_set(shared->event));
  } else if (check_node == 0) {
    CHECK_CODE(merino_event_set(shared->event), MERINO_SUCCESS, "event: set twice");
  }
  NEED(merino_barrier());
  CHECK(shared->published == 43, "event: after the barrier");
  CHECK_CODE(merino_event_wait(0), MERINO_EHANDLE, "event: 0");
  merino_event_t own;
  NEED(merino_event_create(&own));
  CHECK_CODE(merino_event_destroy(own), MERINO_SUCCESS, "event: destroy");
  CHECK_CODE(merino_event_set(own), MERINO_EHANDLE, "event: destroyed");
}

/// A token goes around all threads of all nodes.
static void *pass_token(void *argument) {
  uint64_t me = (uint64_t)(check_node * threads) + (uint64_t)(uintptr_t)argument;
  uint64_t all = (uint64_t)nodes * threads;
  for (int round = 0; round < 10; round++) {
    wrong_if(merino_lock_acquire(shared->lock) != 0);
    while (shared->token % all != me) {
      int code = round % 2 ? merino_cond_wait_within(shared->condition, shared->lock, 2000000)
                           : merino_cond_wait(shared->condition, shared->lock);
      wrong_if(code != 0 && code != MERINO_ETIMEDOUT);
      // Held again, either way.
      wrong_if(merino_lock_try_acquire(shared->lock) != MERINO_EDEADLK);
    }
    shared->token++;
    wrong_if(merino_cond_broadcast(shared->condition) != 0);
    wrong_if(merino_lock_release(shared->lock) != 0);
  }
  return NULL;
}

/// Takes a ticket; every ticket is signalled once, and a waiter that gives up takes none with it.
static void *take_ticket(void *unused) {
  (void)unused;
  wrong_if(merino_lock_acquire(shared->lock) != 0);
  shared->waiting++;
  while (shared->tickets == 0) wrong_if(merino_cond_wait(shared->empty_condition, shared->lock) != 0);
  shared->tickets--;
  shared->taken++;
  wrong_if(merino_lock_release(shared->lock) != 0);
  return NULL;
}

static void conditions(void) {
  pthread_t thread[threads];
  for (intptr_t t = 0; t < threads; t++) thread[t] = start(pass_token, (void *)t);
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  NEED(merino_barrier());
  CHECK(errors == 0, "condition: no call failed");
  CHECK(shared->token == (uint64_t)nodes * threads * 10, "condition: the token went around");
  CHECK_CODE(merino_cond_wait(shared->condition, shared->lock), MERINO_EPERM, "condition: lock not held");
  CHECK_CODE(merino_cond_wait(0, shared->lock), MERINO_EHANDLE, "condition: 0");
  NEED(merino_lock_acquire(shared->lock));
  CHECK_CODE(merino_cond_wait(shared->condition, 0), MERINO_EHANDLE, "condition: no lock");
  uint64_t began = now_ns();
  CHECK_CODE(merino_cond_wait_within(shared->empty_condition, shared->lock, 30000000), MERINO_ETIMEDOUT,
             "condition: time limit");
  CHECK(now_ns() - began >= 30000000, "condition: takes that long");
  CHECK_CODE(merino_lock_release(shared->lock), MERINO_SUCCESS, "condition: the lock is held after it");
  NEED(merino_barrier());
  CHECK_CODE(merino_cond_signal(shared->empty_condition), MERINO_SUCCESS, "condition: signal nobody");
  NEED(merino_barrier());
  for (int t = 0; t < threads; t++) thread[t] = start(take_ticket, NULL);
  // Others give up in the same queue meanwhile.
  for (int i = 0; i < 5; i++) {
    NEED(merino_lock_acquire(shared->lock));
    int code = merino_cond_wait_within(shared->empty_condition, shared->lock, 500000);
    // A signal that came to this thread is passed on.
    if (code == 0) NEED(merino_cond_signal(shared->empty_condition));
    wrong_if(code != 0 && code != MERINO_ETIMEDOUT);
    NEED(merino_lock_release(shared->lock));
  }
  NEED(merino_barrier());
  for (int i = 0; i < threads; i++) {
    NEED(merino_lock_acquire(shared->lock));
    shared->tickets++;
    NEED(merino_cond_signal(shared->empty_condition));
    NEED(merino_lock_release(shared->lock));
  }
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  NEED(merino_barrier());
  CHECK(shared->taken == (uint64_t)nodes * threads && shared->tickets == 0,
        "condition: one signal, one ticket");
  CHECK(errors == 0, "condition: waiters that gave up broke nothing");
}

static void *meet(void *argument) {
  int me = check_node * threads + (int)(intptr_t)argument;
  for (int round = 1; round <= 30; round++) {
    shared->slots[me] = (uint64_t)round;
    wrong_if(merino_barrier_wait(shared->together) != 0);
    for (int i = 0; i < nodes * threads; i++) wrong_if(shared->slots[i] != (uint64_t)round);
    wrong_if(merino_barrier_wait(shared->together) != 0);
  }
  return NULL;
}

typedef struct {
  merino_barrier_t barrier;
  int code;
} waiter_t;

static void *in_barrier(void *argument) {
  waiter_t *waiter = argument;
  waiter->code = merino_barrier_wait(waiter->barrier);
  return NULL;
}

/// A barrier in which a thread waits cannot be destroyed. Whether the thread is in it already, only the
/// refusal shows: where destroying came first, the thread's wait fails and it is all done again.
static void destroy_while_waiting(void) {
  int result = 0;
  for (int attempt = 0; attempt < 100 && result != MERINO_EBUSY; attempt++) {
    waiter_t waiter = {0, 1};
    NEED(merino_barrier_create(2, &waiter.barrier));
    pthread_t thread = start(in_barrier, &waiter);
    sleep_ms(attempt);
    result = merino_barrier_destroy(waiter.barrier);
    if (result == MERINO_EBUSY) NEED(merino_barrier_wait(waiter.barrier));
    pthread_join(thread, NULL);
    wrong_if(waiter.code != (result == 0 ? MERINO_EHANDLE : 0));
  }
  CHECK(result == MERINO_EBUSY && errors == 0, "barrier: destroy while a thread waits is refused");
}

static void barriers(void) {
  pthread_t thread[threads];
  for (intptr_t t = 0; t < threads; t++) thread[t] = start(meet, (void *)t);
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  NEED(merino_barrier());
  CHECK(errors == 0, "barrier: threads of all nodes meet, round after round");
  merino_barrier_t own;
  CHECK_CODE(merino_barrier_create(0, &own), MERINO_EINVAL, "barrier: of nobody");
  CHECK_CODE(merino_barrier_wait(0), MERINO_EHANDLE, "barrier: 0");
  NEED(merino_barrier_create(1, &own));
  CHECK_CODE(merino_barrier_wait(own), MERINO_SUCCESS, "barrier: of one");
  CHECK_CODE(merino_barrier_destroy(own), MERINO_SUCCESS, "barrier: destroy");
  CHECK_CODE(merino_barrier_wait(own), MERINO_EHANDLE, "barrier: destroyed");
  destroy_while_waiting();
}

static void fences(void) {
  // A relaxed flag between a release fence and an acquire fence orders like a lock does.
  uint32_t *flag = &shared->inside;
  if (check_node == 0) {
    for (int i = 0; i < 64; i++) shared->slots[i] = 1000 + (uint64_t)i;
    NEED(merino_fence_release());
    NEED(merino_atomic_store_u32(flag, 7));
  }
  uint32_t seen = 0;
  while (seen != 7) NEED(merino_atomic_load_u32(flag, &seen));
  NEED(merino_fence_acquire());
  int wrong = 0;
  for (int i = 0; i < 64; i++) wrong += shared->slots[i] != 1000 + (uint64_t)i;
  CHECK(wrong == 0, "fences: what came before the release is seen after the acquire");
}

enum { crowd = 12 };

static void *wait_in_barrier(void *barrier) {
  NEED(merino_barrier_wait(*(merino_barrier_t *)barrier));
  return NULL;
}

static void *wait_and_destroy(void *barrier) {
  NEED(merino_barrier_wait(*(merino_barrier_t *)barrier));
  return (void *)(intptr_t)merino_barrier_destroy(*(merino_barrier_t *)barrier);
}

// Whoever has passed a barrier may destroy it at once. It came first, so it is let go first: the last to come
// still has the rest of the crowd to let go, and holds what guards the barrier meanwhile.
static void barriers_of_one_round(void) {
  int refused = 0;
  for (int round = 0; round < 60; round++) {
    pthread_t first = 0, others[crowd];
    void *code = NULL;
    if (check_node == 0) {
      NEED(merino_barrier_create((uint32_t)nodes * crowd + 1, &shared->together));
      first = start(wait_and_destroy, &shared->together);
      sleep_ms(1); // To be first; in some rounds is enough.
    }
    NEED(merino_barrier());
    merino_barrier_t barrier = shared->together;
    for (int i = 0; i < crowd; i++) others[i] = start(wait_in_barrier, &barrier);
    if (check_node == 0) pthread_join(first, &code);
    refused += code != NULL;
    for (int i = 0; i < crowd; i++) pthread_join(others[i], NULL);
    NEED(merino_barrier());
  }
  CHECK(refused == 0, "barrier: destroyed by whoever has passed it");
}

int main(void) {
  nodes = join_job();
  shared = merino_collective_malloc(sizeof *shared, 0);
  if (check_node == nodes - 1) {
    NEED(merino_rwlock_create(&shared->rwlock));
    NEED(merino_event_create(&shared->event));
    NEED(merino_cond_create(&shared->condition));
    NEED(merino_cond_create(&shared->empty_condition));
    NEED(merino_lock_create(&shared->lock));
    NEED(merino_barrier_create((uint32_t)(nodes * threads), &shared->together));
  }
  NEED(merino_barrier());
  rwlocks();
  events();
  conditions();
  barriers();
  NEED(merino_barrier());
  fences();
  NEED(merino_barrier());
  if (check_node == 0) {
    CHECK_CODE(merino_rwlock_destroy(shared->rwlock), MERINO_SUCCESS, "rwlock: destroy");
    CHECK_CODE(merino_cond_destroy(shared->condition), MERINO_SUCCESS, "condition: destroy");
    CHECK_CODE(merino_barrier_destroy(shared->together), MERINO_SUCCESS, "barrier: destroy after use");
    CHECK_CODE(merino_event_destroy(shared->event), MERINO_SUCCESS, "event: destroy after use");
  }
  NEED(merino_barrier());
  barriers_of_one_round();
  return leave_job();
}
