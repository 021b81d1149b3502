// Calls that wait, with the thread that ends the wait. Nothing of that thread's fails; where the job is over
// it is told so, too.
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

// In these the other thread comes when this one stands in the queue: a wait has a slot. Or when the call is
// over without, as it could not wait.
static int slots_before, is_held, is_over;

static void let_wait(void) {
  while (merino_injection_slots_in_use() == slots_before && !__atomic_load_n(&is_over, __ATOMIC_ACQUIRE))
    sched_yield();
  sleep_ms(3);
}
static void *set_event(void *unused) {
  let_wait();
  (void)merino_event_set(on.event);
  return unused;
}
static void *come_to_barrier(void *unused) {
  let_wait();
  (void)merino_barrier_wait(on.barrier);
  return unused;
}
static void *hold_rwlock(void *unused) {
  (void)merino_rwlock_acquire_write(on.rwlock);
  slots_before = merino_injection_slots_in_use();
  __atomic_store_n(&is_held, 1, __ATOMIC_RELEASE);
  let_wait();
  (void)merino_rwlock_release(on.rwlock);
  return unused;
}

static pthread_t start_other(void *(*other)(void *)) {
  slots_before = merino_injection_slots_in_use();
  is_held = is_over = 0;
  return start(other, NULL);
}
static int end_other(pthread_t other, int result) {
  __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
  pthread_join(other, NULL);
  return result;
}

static int wait_for_event(void) {
  pthread_t other = start_other(set_event);
  return end_other(other, merino_event_wait(on.event));
}
static int wait_in_barrier(void) {
  pthread_t other = start_other(come_to_barrier);
  int result = merino_barrier_wait(on.barrier);
  if (result == MERINO_ELIMIT) {
    // It has not come: the other one waits for it.
    cplatform_injection_disarm();
    CHECK_CODE(merino_barrier_wait(on.barrier), 0, "a thread that could not wait in a barrier comes again");
  }
  return end_other(other, result);
}
static int wait_for_rwlock(int (*acquire)(merino_rwlock_t)) {
  pthread_t other = start_other(hold_rwlock);
  while (!__atomic_load_n(&is_held, __ATOMIC_ACQUIRE)) sched_yield();
  return end_other(other, acquire(on.rwlock));
}
static int wait_to_read(void) { return wait_for_rwlock(merino_rwlock_acquire_read); }
static int wait_to_write(void) { return wait_for_rwlock(merino_rwlock_acquire_write); }
static void barrier_of_two_after(int result) {
  (void)result;
  CHECK_CODE(wait_in_barrier(), 0, "the barrier can be passed");
  CHECK_CODE(merino_barrier_destroy(on.barrier), 0, "and removed");
}

#endif
