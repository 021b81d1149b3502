// The waits that are cancellation points, as POSIX has it for its own: for an event and with a condition.
// They go step by step; between two steps the thread is in C alone, holds nothing, and can be cancelled. It
// stands in the object's queue then, so the first thing that cancellation does is to take it out again
// (`abandon`), by a call of Swift like any other: no function of Swift is on the stack that is unwound.
#include "Cancellation.h"

static void abandon(void *wait) { mrn_wait_abandon(wait); }

// `before`: what the program has set.
static int wait_in_steps(struct mrn_wait *wait, struct cancellation before) {
  int step;
  while ((step = mrn_wait_step(wait)) == 0) {
    if (before.state == PTHREAD_CANCEL_DISABLE) continue;
    pthread_cleanup_push(abandon, wait);
    // Of either type: the type is deferred here.
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cleanup_pop(0);
  }
  return step < 0 ? step : mrn_wait_finish(wait);
}

int merino_event_wait(merino_event_t event) {
  struct mrn_wait wait;
  // Also where there is nothing to wait for.
  pthread_testcancel();
  struct cancellation before = cancellation_off();
  int result = mrn_event_begin(event, &wait);
  if (result == 0) result = wait_in_steps(&wait, before);
  // Set already.
  if (result > 0) result = MERINO_SUCCESS;
  cancellation_restore(before);
  return result;
}

static int wait_with(merino_cond_t condition, merino_lock_t lock, const uint64_t *limit) {
  struct mrn_wait wait;
  pthread_testcancel();
  struct cancellation before = cancellation_off();
  int result = mrn_cond_begin(condition, lock, limit, &wait);
  if (result == 0) result = wait_in_steps(&wait, before);
  cancellation_restore(before);
  return result;
}

int merino_cond_wait(merino_cond_t condition, merino_lock_t lock) { return wait_with(condition, lock, NULL); }

int merino_cond_wait_within(merino_cond_t condition, merino_lock_t lock, uint64_t timeout_ns) {
  return wait_with(condition, lock, &timeout_ns);
}
