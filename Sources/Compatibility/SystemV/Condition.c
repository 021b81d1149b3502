/* Condition variables in shared memory, with mutexes there. */
#include "Cancellation.h"
#include "Real.h"

/* A thread that ends by cancellation is out of Merino, and has the mutex, when the program's clean-up
 * handlers run. */
static void leave_cancelled(void *unused) {
  (void)unused;
  sysv_inside_end();
}

static int wait_with(pthread_cond_t *condition, pthread_mutex_t *mutex, const uint64_t *limit) {
  struct sysv_local *local = sysv_object(condition, SYSV_CONDITION, CLOCK_REALTIME);
  struct sysv_local *held = sysv_object(mutex, SYSV_MUTEX, PTHREAD_MUTEX_NORMAL);
  int result;
  pthread_testcancel();
  struct sysv_cancellation before = sysv_cancellation_off();
  sysv_inside_begin();
  pthread_cleanup_push(leave_cancelled, NULL);
  pthread_setcancelstate(before.state, NULL);
  result = limit == NULL ? merino_cond_wait(local->condition, held->lock)
                         : merino_cond_wait_within(local->condition, held->lock, *limit);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  pthread_cleanup_pop(1);
  sysv_cancellation_restore(before);
  switch (result) {
    case MERINO_SUCCESS: return 0;
    case MERINO_ETIMEDOUT: return ETIMEDOUT;
    case MERINO_EPERM: return EPERM;
    default: sysv_end("waiting for a condition in shared memory");
  }
}

/* Both, or neither. */
static int is_shared(const pthread_cond_t *condition, const pthread_mutex_t *mutex) {
  int one = sysv_is_shared(condition), other = sysv_is_shared(mutex);
  if (one == other) return one;
  sysv_say(
      "a condition variable and its mutex lie both in shared memory or both outside; here the %s alone does",
      one ? "condition variable" : "mutex");
  return -1;
}

static int wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                      const struct timespec *due) {
  uint64_t limit;
  int result = sysv_until(clock, due, &limit);
  return result != 0 ? result : wait_with(condition, mutex, &limit);
}

SYSV_EXPORT int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes) {
  if (!sysv_is_shared(condition)) return real()->pthread_cond_init(condition, attributes);
  clockid_t clock = CLOCK_REALTIME;
  if (attributes != NULL) pthread_condattr_getclock(attributes, &clock);
  sysv_object_make(condition, SYSV_CONDITION, (uint32_t)clock, 0);
  return 0;
}

SYSV_EXPORT int pthread_cond_destroy(pthread_cond_t *condition) {
  if (!sysv_is_shared(condition)) return real()->pthread_cond_destroy(condition);
  return sysv_object_destroy(condition, SYSV_CONDITION);
}

SYSV_EXPORT int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
  int shared = sysv_has_views() ? is_shared(condition, mutex) : 0;
  if (shared < 0) return EINVAL;
  return shared ? wait_with(condition, mutex, NULL) : real()->pthread_cond_wait(condition, mutex);
}

SYSV_EXPORT int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                       const struct timespec *due) {
  int shared = sysv_has_views() ? is_shared(condition, mutex) : 0;
  if (shared < 0) return EINVAL;
  if (!shared) return real()->pthread_cond_timedwait(condition, mutex, due);
  struct sysv_local *local = sysv_object(condition, SYSV_CONDITION, CLOCK_REALTIME);
  /* Not as this process has met it: another may have made it anew. The caller has the mutex, which orders
   * that. */
  return wait_until(condition, mutex, (clockid_t)local->object->type, due);
}

SYSV_EXPORT int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                                       const struct timespec *due) {
  int shared = sysv_has_views() ? is_shared(condition, mutex) : 0;
  if (shared < 0) return EINVAL;
  return shared ? wait_until(condition, mutex, clock, due)
                : real()->pthread_cond_clockwait(condition, mutex, clock, due);
}

static int wake(pthread_cond_t *condition, int (*how)(merino_cond_t)) {
  struct sysv_local *local = sysv_object(condition, SYSV_CONDITION, CLOCK_REALTIME);
  sysv_inside_begin();
  int result = how(local->condition);
  sysv_inside_end();
  if (result != MERINO_SUCCESS) sysv_end("signalling a condition in shared memory");
  return 0;
}

SYSV_EXPORT int pthread_cond_signal(pthread_cond_t *condition) {
  if (!sysv_is_shared(condition)) return real()->pthread_cond_signal(condition);
  return wake(condition, merino_cond_signal);
}

SYSV_EXPORT int pthread_cond_broadcast(pthread_cond_t *condition) {
  if (!sysv_is_shared(condition)) return real()->pthread_cond_broadcast(condition);
  return wake(condition, merino_cond_broadcast);
}
