// Calls that wait, with the thread that ends the wait. Nothing of that thread's fails; where the job is over it is told so,
// too.
#ifndef INJECTION_WAITS_H
#define INJECTION_WAITS_H

#include "failures.h"
#include "objects.h"

// The other thread has the condition's lock only while this one waits.
static void *wake(void *argument) {
  int *is_over = argument;
  while (!__atomic_load_n(is_over, __ATOMIC_ACQUIRE)) {
    if (merino_cond_broadcast(on.condition) != 0) break;
    sleep_ms(1);
  }
  return NULL;
}

static int wait_and_be_woken(void) {
  int is_over = 0;
  pthread_t waker = start(wake, &is_over);
  int result = merino_cond_wait(on.condition, on.lock);
  cplatform_injection_disarm();
  __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
  pthread_join(waker, NULL);
  return result;
}

// These last until the other thread comes, after a moment.
static void *set_event(void *unused) {
  sleep_ms(3);
  (void)merino_event_set(on.event);
  return unused;
}
static void *come_to_barrier(void *unused) {
  sleep_ms(3);
  (void)merino_barrier_wait(on.barrier);
  return unused;
}
static int is_held;
static void *hold_rwlock(void *unused) {
  (void)merino_rwlock_acquire_write(on.rwlock);
  __atomic_store_n(&is_held, 1, __ATOMIC_RELEASE);
  sleep_ms(3);
  (void)merino_rwlock_release(on.rwlock);
  return unused;
}

static int wait_for_event(void) {
  pthread_t other = start(set_event, NULL);
  int result = merino_event_wait(on.event);
  pthread_join(other, NULL);
  return result;
}
static int wait_in_barrier(void) {
  pthread_t other = start(come_to_barrier, NULL);
  int result = merino_barrier_wait(on.barrier);
  if (result == MERINO_ELIMIT) {
    // It has not come: the other one waits for it.
    cplatform_injection_disarm();
    CHECK_CODE(merino_barrier_wait(on.barrier), 0, "a thread that could not wait in a barrier comes again");
  }
  pthread_join(other, NULL);
  return result;
}
static int wait_for_rwlock(int (*acquire)(merino_rwlock_t)) {
  is_held = 0;
  pthread_t other = start(hold_rwlock, NULL);
  while (!__atomic_load_n(&is_held, __ATOMIC_ACQUIRE)) sched_yield();
  int result = acquire(on.rwlock);
  pthread_join(other, NULL);
  return result;
}
static int wait_to_read(void) { return wait_for_rwlock(merino_rwlock_acquire_read); }
static int wait_to_write(void) { return wait_for_rwlock(merino_rwlock_acquire_write); }
static void barrier_of_two_after(int result) {
  (void)result;
  CHECK_CODE(wait_in_barrier(), 0, "the barrier can be passed");
  CHECK_CODE(merino_barrier_destroy(on.barrier), 0, "and removed");
}

#endif
