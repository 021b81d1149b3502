/* Read-write locks in shared memory. Readers go first, as libc's default is. */
#include "Cancellation.h"
#include "Monitor.h"

struct limit {
  clockid_t clock;
  const struct timespec *due; /* NULL: for ever */
  int is_try;
};

static int take(pthread_rwlock_t *lock, int is_write, struct limit limit) {
  int error = 0;
  struct sysv_cancellation before = sysv_cancellation_off();
  struct sysv_local *local = sysv_enter(lock, SYSV_READ_WRITE);
  struct sysv_object *object = local->object;
  if (object->writer == sysv_thread()) error = EDEADLK;
  while (error == 0 && (object->writer != 0 || (is_write && object->value > 0))) {
    uint64_t left = 0;
    if (limit.is_try) error = EBUSY;
    else if (limit.due != NULL) error = sysv_until(limit.clock, limit.due, &left);
    if (error == 0) error = sysv_wait(local, limit.due != NULL ? &left : NULL);
  }
  if (error == 0 && is_write) object->writer = sysv_thread();
  else if (error == 0) object->value++;
  sysv_leave(local);
  sysv_cancellation_restore(before);
  return error == EDEADLK && limit.is_try ? EBUSY : error;
}

static int give(pthread_rwlock_t *lock) {
  int error = 0;
  struct sysv_local *local = sysv_enter(lock, SYSV_READ_WRITE);
  struct sysv_object *object = local->object;
  if (object->writer == sysv_thread()) object->writer = 0;
  else if (object->value > 0) object->value--;
  else error = EPERM;
  if (error == 0 && object->value == 0) sysv_wake(local);
  sysv_leave(local);
  return error;
}

#define FOR_EVER ((struct limit){0, NULL, 0})
#define NOW ((struct limit){0, NULL, 1})
#define UNTIL(clock, due) ((struct limit){clock, due, 0})

SYSV_EXPORT int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_init(lock, attributes);
  sysv_object_make(lock, SYSV_READ_WRITE, 0, 0);
  return 0;
}

SYSV_EXPORT int pthread_rwlock_destroy(pthread_rwlock_t *lock) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_destroy(lock);
  return sysv_object_destroy(lock, SYSV_READ_WRITE);
}

SYSV_EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_rdlock(lock);
  return take(lock, 0, FOR_EVER);
}

SYSV_EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_tryrdlock(lock);
  return take(lock, 0, NOW);
}

SYSV_EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *due) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_timedrdlock(lock, due);
  return take(lock, 0, UNTIL(CLOCK_REALTIME, due));
}

SYSV_EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
                                           const struct timespec *due) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_clockrdlock(lock, clock, due);
  return take(lock, 0, UNTIL(clock, due));
}

SYSV_EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_wrlock(lock);
  return take(lock, 1, FOR_EVER);
}

SYSV_EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *lock) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_trywrlock(lock);
  return take(lock, 1, NOW);
}

SYSV_EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *due) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_timedwrlock(lock, due);
  return take(lock, 1, UNTIL(CLOCK_REALTIME, due));
}

SYSV_EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
                                           const struct timespec *due) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_clockwrlock(lock, clock, due);
  return take(lock, 1, UNTIL(clock, due));
}

SYSV_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *lock) {
  if (!sysv_is_shared(lock)) return real()->pthread_rwlock_unlock(lock);
  return give(lock);
}
