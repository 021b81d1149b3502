/* POSIX semaphores in shared memory. */
#include <limits.h>

#include "Cancellation.h"
#include "Interrupt.h"
#include "Monitor.h"

static int failed(int error) {
  errno = error;
  return -1;
}

/* A thread in a semaphore's monitor, for its end by cancellation there. */
struct inside {
  const struct sysv_local *local;
  const struct sysv_held *held;
};

static void leave_cancelled(void *argument) {
  const struct inside *inside = argument;
  sysv_leave(inside->local);
  /* The program's clean-up handlers run with its own mask. */
  sysv_signals_let(inside->held);
}

/* Waits a while: until somebody posts, or it is time to look at the clock or at handlers. A cancellation
 * point. */
static int wait_a_while(struct inside inside, clockid_t clock, const struct timespec *due,
                        struct sysv_cancellation before) {
  const struct sysv_local *local = inside.local;
  uint64_t left = 0;
  if (due != NULL) {
    int error = sysv_until(clock, due, &left);
    if (error != 0) return error;
    if (left == 0) return ETIMEDOUT;
  }
  uint64_t slice = sysv_slice(due != NULL ? &left : NULL);
  pthread_cleanup_push(leave_cancelled, &inside);
  pthread_setcancelstate(before.state, NULL);
  (void)sysv_wait(local, slice > 0 ? &slice : NULL);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  pthread_cleanup_pop(0);
  return 0;
}

/* As the kernel: a wait without a limit goes on after a handler that was set with SA_RESTART. */
static int is_interrupted(struct sysv_interruptions before, const struct timespec *due) {
  struct sysv_interruptions now = sysv_interruptions();
  return due != NULL ? now.all != before.all : now.not_restarting != before.not_restarting;
}

/* One attempt, and a wait at most. 0; an errno; -1 where it is to be tried again. */
static int attempt(sem_t *semaphore, clockid_t clock, const struct timespec *due, int is_try,
                   const struct sysv_held *held, struct sysv_cancellation before) {
  struct sysv_local *local = sysv_enter(semaphore, SYSV_SEMAPHORE);
  int error = 0;
  if (local->object->value == 0)
    error = is_try ? EAGAIN : wait_a_while((struct inside){local, held}, clock, due, before);
  /* One that comes at the last moment is taken. */
  int is_taken = local->object->value > 0;
  if (is_taken) local->object->value--;
  sysv_leave(local);
  return is_taken ? 0 : error != 0 ? error : -1;
}

static int take(sem_t *semaphore, clockid_t clock, const struct timespec *due, int is_try) {
  struct sysv_interruptions before = sysv_interruptions();
  int error;
  if (!is_try) pthread_testcancel();
  struct sysv_cancellation cancellation = sysv_cancellation_off();
  do {
    struct sysv_held held = sysv_signals_hold();
    error = attempt(semaphore, clock, due, is_try, &held, cancellation);
    sysv_signals_let(&held);
    if (error == -1 && is_interrupted(before, due)) error = EINTR;
  } while (error == -1);
  sysv_cancellation_restore(cancellation);
  return error == 0 ? 0 : failed(error);
}

SYSV_EXPORT int sem_init(sem_t *semaphore, int shared, unsigned value) {
  if (!sysv_is_shared(semaphore)) return real()->sem_init(semaphore, shared, value);
  if (value > SEM_VALUE_MAX) return failed(EINVAL);
  sysv_object_make(semaphore, SYSV_SEMAPHORE, 0, value);
  return 0;
}

SYSV_EXPORT int sem_destroy(sem_t *semaphore) {
  if (!sysv_is_shared(semaphore)) return real()->sem_destroy(semaphore);
  int error = sysv_object_destroy(semaphore, SYSV_SEMAPHORE);
  return error == 0 ? 0 : failed(error);
}

SYSV_EXPORT int sem_wait(sem_t *semaphore) {
  if (!sysv_is_shared(semaphore)) return real()->sem_wait(semaphore);
  return take(semaphore, 0, NULL, 0);
}

SYSV_EXPORT int sem_trywait(sem_t *semaphore) {
  if (!sysv_is_shared(semaphore)) return real()->sem_trywait(semaphore);
  return take(semaphore, 0, NULL, 1);
}

SYSV_EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *due) {
  if (!sysv_is_shared(semaphore)) return real()->sem_timedwait(semaphore, due);
  return take(semaphore, CLOCK_REALTIME, due, 0);
}

SYSV_EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *due) {
  if (!sysv_is_shared(semaphore)) return real()->sem_clockwait(semaphore, clock, due);
  return take(semaphore, clock, due, 0);
}

SYSV_EXPORT int sem_post(sem_t *semaphore) {
  if (!sysv_is_shared(semaphore)) return real()->sem_post(semaphore);
  struct sysv_held held = sysv_signals_hold();
  struct sysv_local *local = sysv_enter(semaphore, SYSV_SEMAPHORE);
  int is_full = local->object->value == SEM_VALUE_MAX;
  if (!is_full) {
    local->object->value++;
    if (merino_cond_signal(local->condition) != MERINO_SUCCESS) sysv_end("a semaphore in shared memory");
  }
  sysv_leave(local);
  sysv_signals_let(&held);
  return is_full ? failed(EOVERFLOW) : 0;
}

SYSV_EXPORT int sem_getvalue(sem_t *semaphore, int *value) {
  if (!sysv_is_shared(semaphore)) return real()->sem_getvalue(semaphore, value);
  struct sysv_local *local = sysv_enter(semaphore, SYSV_SEMAPHORE);
  *value = (int)local->object->value;
  sysv_leave(local);
  return 0;
}
