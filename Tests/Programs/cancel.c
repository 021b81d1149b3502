// Threads that are cancelled by pthread_cancel in every kind of wait, in page faults and in the midst of
// other calls, with both types of cancellation. Waiting for an event and with a condition are cancellation
// points, everything else is none; and whatever a thread was in, all objects can be used afterwards.
#define _GNU_SOURCE
#include "check.h"

enum { pages = 64, page_bytes = 4096, rounds = 60 };

// Those of a node are used by the one before it, so that they are homed elsewhere.
typedef struct {
  merino_lock_t lock;
  merino_rwlock_t rwlock;
  merino_event_t event;
  merino_cond_t condition;
  merino_barrier_t pair;
  uint64_t token, taken;
} objects_t;

static objects_t *mine;
static int nodes, type;
static char *memory; // `pages` pages, written by all nodes in turn

static const char *with_type(const char *what) {
  static char names[16][128];
  static unsigned next;
  char *name = names[__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % 16];
  snprintf(name, sizeof names[0], "%s, %s", what,
           type == PTHREAD_CANCEL_DEFERRED ? "deferred" : "asynchronous");
  return name;
}

// ---- One thread in one call

typedef struct {
  int (*call)(void);
  void (*undo)(void); // gives back what the call takes; also in the clean-up handler
  int is_entered, result, has_returned, is_pending;
  int cleanup_result; // of releasing the lock, where the call is to come back with it
} victim_t;

static void clean_up(void *argument) {
  victim_t *victim = argument;
  victim->cleanup_result = merino_lock_release(mine->lock);
  if (victim->undo != NULL) victim->undo();
}

static void *run_victim(void *argument) {
  victim_t *victim = argument;
  int before;
  if (victim->is_pending) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  pthread_setcanceltype(type, NULL);
  pthread_cleanup_push(clean_up, victim);
  __atomic_store_n(&victim->is_entered, 1, __ATOMIC_RELEASE);
  if (victim->is_pending) {
    while (__atomic_load_n(&victim->is_pending, __ATOMIC_ACQUIRE) != 2) sched_yield();
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  }
  victim->result = victim->call();
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  __atomic_store_n(&victim->has_returned, 1, __ATOMIC_RELEASE);
  if (victim->undo != NULL) victim->undo();
  pthread_cleanup_pop(0);
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  pthread_testcancel();
  return NULL;
}

static pthread_t start_victim(victim_t *victim) {
  pthread_t thread = start(run_victim, victim);
  while (!__atomic_load_n(&victim->is_entered, __ATOMIC_ACQUIRE)) sched_yield();
  return thread;
}

// Whether the thread ends within ten seconds.
static int joins(pthread_t thread, void **result) {
  struct timespec due;
  clock_gettime(CLOCK_REALTIME, &due);
  due.tv_sec += 10;
  return pthread_timedjoin_np(thread, result, &due) == 0;
}

static int ends(pthread_t thread) { return joins(thread, NULL); }

static int is_cancelled(pthread_t thread) {
  void *result = NULL;
  return joins(thread, &result) && result == PTHREAD_CANCELED;
}

static int acquire(void) { return merino_lock_acquire(mine->lock); }
static int acquire_within(void) { return merino_lock_acquire_within(mine->lock, 20000000000u); }
static int acquire_read(void) { return merino_rwlock_acquire_read(mine->rwlock); }
static int acquire_write(void) { return merino_rwlock_acquire_write(mine->rwlock); }
static int meet(void) { return merino_barrier_wait(mine->pair); }
static int meet_all(void) { return merino_barrier(); }
static int wait_event(void) { return merino_event_wait(mine->event); }
static int wait_condition(void) {
  (void)merino_lock_acquire(mine->lock);
  return merino_cond_wait(mine->condition, mine->lock);
}
static int wait_condition_within(void) {
  (void)merino_lock_acquire(mine->lock);
  return merino_cond_wait_within(mine->condition, mine->lock, 20000000000u);
}
static void give_lock(void) { (void)merino_lock_release(mine->lock); }
static void give_rwlock(void) { (void)merino_rwlock_release(mine->rwlock); }

// ---- No cancellation points: the thread goes on waiting, gets what it waits for, and ends behind the call

static void take_all(void) {
  NEED(merino_lock_acquire_within(mine->lock, 20000000000u));
  NEED(merino_rwlock_acquire_write(mine->rwlock));
}

static void give_all(void) {
  NEED(merino_lock_release(mine->lock));
  NEED(merino_rwlock_release(mine->rwlock));
}

static void no_point(const char *what, int (*call)(void), void (*undo)(void)) {
  victim_t victim = {.call = call, .undo = undo};
  take_all();
  pthread_t thread = start_victim(&victim);
  sleep_ms(20);
  pthread_cancel(thread);
  sleep_ms(20);
  int still_waits = pthread_tryjoin_np(thread, NULL) == EBUSY;
  give_all();
  if (call == meet) NEED(meet());
  CHECK(is_cancelled(thread), with_type(what));
  CHECK(still_waits, with_type("is no cancellation point"));
  if (type == PTHREAD_CANCEL_DEFERRED)
    CHECK(victim.has_returned && victim.result == 0, with_type("came back with what it waited for"));
  take_all();
  CHECK(1, with_type("and can be had again"));
  give_all();
}

static void barrier_of_all(void) {
  victim_t victim = {.call = meet_all};
  // The others wait for this node.
  if (check_node == 0) sleep_ms(100);
  pthread_t thread = start_victim(&victim);
  sleep_ms(20);
  pthread_cancel(thread);
  // Node 0's has passed at once, and may have ended before it could be cancelled.
  CHECK(check_node == 0 ? ends(thread) : is_cancelled(thread), with_type("merino_barrier"));
  if (type == PTHREAD_CANCEL_DEFERRED)
    CHECK(victim.has_returned && victim.result == 0, with_type("merino_barrier was passed"));
  CHECK_CODE(merino_barrier(), MERINO_SUCCESS, with_type("and can be passed again"));
}

// ---- Cancellation points

static void *wait_for_token(void *argument) {
  (void)argument;
  NEED(merino_lock_acquire(mine->lock));
  while (mine->token == 0) NEED(merino_cond_wait(mine->condition, mine->lock));
  mine->token--;
  mine->taken++;
  NEED(merino_lock_release(mine->lock));
  return NULL;
}

static void signal_token(void) {
  NEED(merino_lock_acquire(mine->lock));
  mine->token++;
  NEED(merino_cond_signal(mine->condition));
  NEED(merino_lock_release(mine->lock));
}

// The condition and the event do what they should, and nobody stands in their queues.
static void still_works(int isCondition) {
  if (isCondition) {
    pthread_t thread = start(wait_for_token, NULL);
    sleep_ms(10);
    signal_token();
    CHECK(ends(thread), with_type("the next one who waits is woken"));
    CHECK_CODE(merino_cond_destroy(mine->condition), MERINO_SUCCESS,
               with_type("nobody is in the condition's queue"));
    NEED(merino_cond_create(&mine->condition));
  } else {
    NEED(merino_event_set(mine->event));
    CHECK_CODE(merino_event_wait(mine->event), MERINO_SUCCESS, with_type("the event can be waited for"));
    CHECK_CODE(merino_event_destroy(mine->event), MERINO_SUCCESS,
               with_type("nobody is in the event's queue"));
    NEED(merino_event_create(&mine->event));
  }
}

static void point(const char *what, int (*call)(void), int is_pending) {
  int isCondition = call != wait_event;
  victim_t victim = {.call = call, .is_pending = is_pending, .cleanup_result = 1};
  pthread_t thread = start_victim(&victim);
  if (!is_pending) sleep_ms(30);
  pthread_cancel(thread);
  if (is_pending) __atomic_store_n(&victim.is_pending, 2, __ATOMIC_RELEASE);
  CHECK(is_cancelled(thread) && !victim.has_returned, with_type(what));
  if (isCondition) CHECK(victim.cleanup_result == 0, with_type("the clean-up handler finds the lock held"));
  else CHECK(victim.cleanup_result == MERINO_EPERM, with_type("the clean-up handler holds nothing"));
  still_works(isCondition);
}

// A signal that meets a cancellation is not lost: it wakes somebody else.
static void *wait_and_be_cancelled(void *argument) {
  victim_t victim = {0};
  pthread_setcanceltype(type, NULL);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  NEED(merino_lock_acquire(mine->lock));
  pthread_cleanup_push(clean_up, &victim);
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  while (mine->token == 0) NEED(merino_cond_wait(mine->condition, mine->lock));
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  mine->token--;
  *(int *)argument = 1;
  pthread_cleanup_pop(1);
  return NULL;
}

static void signals_against_cancellations(void) {
  int lost = 0, cancelled = 0;
  for (int i = 0; i < rounds; i++) {
    int has_taken = 0;
    pthread_t first = start(wait_and_be_cancelled, &has_taken);
    sleep_ms(i % 3);
    pthread_t second = start(wait_for_token, NULL);
    sleep_ms(i % 4);
    if (i % 2) {
      pthread_cancel(first);
      usleep((unsigned)(i * 37 % 2000));
    }
    signal_token();
    if (i % 2 == 0) pthread_cancel(first);
    lost += !ends(first);
    cancelled += !has_taken;
    // What the first one has not taken is the second one's.
    if (has_taken) signal_token();
    // One of the asynchronous type may end right behind its wait, with the signal.
    else if (type == PTHREAD_CANCEL_ASYNCHRONOUS) NEED(merino_cond_broadcast(mine->condition));
    if (!ends(second)) {
      lost++;
      break;
    }
  }
  say("%d of %d were cancelled before they got the signal [%d]", cancelled, rounds, check_node);
  CHECK(lost == 0, with_type("no signal is lost by a cancellation"));
  CHECK_CODE(merino_cond_destroy(mine->condition), MERINO_SUCCESS,
             with_type("nobody is left in the condition's queue"));
  NEED(merino_cond_create(&mine->condition));
}

// More than there are slots, if each kept its own.
static void many(void) {
  int wrong = 0;
  for (int i = 0; i < rounds; i++) {
    victim_t victim = {.call = i % 2 ? wait_event : wait_condition};
    pthread_t thread = start_victim(&victim);
    if (i % 3 == 0) sleep_ms(1);
    pthread_cancel(thread);
    wrong += !is_cancelled(thread) || (victim.has_returned && victim.result != 0);
  }
  CHECK(wrong == 0, with_type("many cancelled waits"));
  still_works(0);
  still_works(1);
}

// ---- Page faults, and calls of all kinds, with a cancellation at any moment

static int stop;

// In the way of each other: faults wait for one another.
static void *fault(void *argument) {
  pthread_setcanceltype(type, NULL);
  for (unsigned i = (unsigned)(uintptr_t)argument; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
    volatile char *byte = memory + i % pages * page_bytes + check_node;
    (*byte)++;
    if (type == PTHREAD_CANCEL_DEFERRED) pthread_testcancel();
  }
  return NULL;
}

static void page_faults(void) {
  enum { threads = 4 };
  int wrong = 0;
  for (int i = 0; i < rounds / 2; i++) {
    pthread_t thread[threads];
    for (uintptr_t t = 0; t < threads; t++) thread[t] = start(fault, (void *)t);
    // Takes the pages away again and again.
    for (int j = 0; j < 3; j++) {
      NEED(merino_fence_release());
      NEED(merino_fence_acquire());
    }
    for (int t = 0; t < threads; t++) pthread_cancel(thread[t]);
    for (int t = 0; t < threads; t++) wrong += !is_cancelled(thread[t]);
  }
  CHECK(wrong == 0, with_type("threads in page faults are cancelled"));
  NEED(merino_barrier());
  for (int i = 0; i < pages; i++) memory[i * page_bytes + check_node] = 7;
  NEED(merino_barrier());
  int sum = 0;
  for (int i = 0; i < pages; i++) sum += memory[i * page_bytes + (check_node + 1) % nodes];
  CHECK(sum == 7 * pages, with_type("all pages can be read and written"));
}

static void *do_everything(void *argument) {
  victim_t victim = {0};
  uint64_t *word = argument;
  merino_stats_t stats = MERINO_STATS_INIT;
  pthread_setcanceltype(type, NULL);
  pthread_cleanup_push(clean_up, &victim);
  for (;;) {
    void *block = merino_malloc(100), *large = merino_malloc(100000);
    (void)merino_lock_acquire(mine->lock);
    (void)merino_cond_broadcast(mine->condition);
    (void)merino_lock_release(mine->lock);
    (void)merino_atomic_fetch_add_u64_acq_rel(word, 1, NULL);
    (void)merino_event_set(mine->event);
    (void)merino_prefetch(memory, pages * page_bytes);
    (void)merino_stats(&stats);
    (void)merino_node();
    merino_free(block);
    merino_free(large);
    pthread_testcancel();
  }
  pthread_cleanup_pop(0);
  return NULL;
}

static void any_call(void) {
  int wrong = 0;
  uint64_t *word = merino_calloc(1, sizeof *word), value = 0;
  for (int i = 0; i < rounds / 2; i++) {
    pthread_t thread[2] = {start(do_everything, word), start(do_everything, word)};
    sleep_ms(i % 3);
    for (int t = 0; t < 2; t++) pthread_cancel(thread[t]);
    for (int t = 0; t < 2; t++) wrong += !is_cancelled(thread[t]);
  }
  CHECK(wrong == 0, with_type("threads in any call are cancelled"));
  void *block = merino_malloc(100), *large = merino_malloc(100000);
  CHECK(block != NULL && large != NULL, with_type("the heap gives blocks"));
  merino_free(block);
  merino_free(large);
  CHECK_CODE(merino_atomic_load_u64_acquire(word, &value), MERINO_SUCCESS, with_type("atomics work"));
  merino_free(word);
  take_all();
  give_all();
  NEED(merino_event_clear(mine->event));
  still_works(0);
  still_works(1);
}

static void with_one_type(void) {
  no_point("merino_lock_acquire", acquire, give_lock);
  no_point("merino_lock_acquire_within", acquire_within, give_lock);
  no_point("merino_rwlock_acquire_read", acquire_read, give_rwlock);
  no_point("merino_rwlock_acquire_write", acquire_write, give_rwlock);
  no_point("merino_barrier_wait", meet, NULL);
  barrier_of_all();
  for (int is_pending = 0; is_pending < 2; is_pending++) {
    point("merino_event_wait", wait_event, is_pending);
    point("merino_cond_wait", wait_condition, is_pending);
    point("merino_cond_wait_within", wait_condition_within, is_pending);
  }
  signals_against_cancellations();
  many();
  page_faults();
  any_call();
  NEED(merino_barrier());
}

int main(void) {
  alarm(100);
  nodes = join_job();
  objects_t *all = merino_collective_malloc((size_t)nodes * sizeof *all, 0);
  memory = merino_collective_malloc(pages * page_bytes, 0);
  if (all == NULL || memory == NULL) merino_abort(3);
  objects_t *made = &all[check_node];
  NEED(merino_lock_create(&made->lock));
  NEED(merino_rwlock_create(&made->rwlock));
  NEED(merino_event_create(&made->event));
  NEED(merino_cond_create(&made->condition));
  NEED(merino_barrier_create(2, &made->pair));
  NEED(merino_barrier());
  mine = &all[(check_node + 1) % nodes];
  type = PTHREAD_CANCEL_DEFERRED;
  with_one_type();
  type = PTHREAD_CANCEL_ASYNCHRONOUS;
  with_one_type();
  return leave_job();
}
