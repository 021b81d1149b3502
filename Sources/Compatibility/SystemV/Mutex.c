/* Mutexes and spin locks in shared memory are Merino locks. */
#include "Real.h"

/* What a mutex says of itself that no call has initialised: PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP and the
 * like. */
static uint32_t type_in_memory(const pthread_mutex_t *mutex) { return (uint32_t)mutex->__data.__kind & 3; }

/* Its bytes are looked at once, when this process meets it: they come and go with their page. */
static struct sysv_local *local_of(const void *address, int is_mutex) {
  struct sysv_local *known = sysv_object_known(address, SYSV_MUTEX);
  if (known != NULL) return known;
  return sysv_object(address, SYSV_MUTEX, is_mutex ? type_in_memory(address) : PTHREAD_MUTEX_NORMAL);
}

/* One that this thread has. What it is was said before this thread took it, perhaps anew since it met it
 * first. */
static int again(struct sysv_local *local, int otherwise) {
  if (local->object->type != PTHREAD_MUTEX_RECURSIVE) return otherwise;
  local->depth++;
  return 0;
}

/* limit: NULL for ever; 0 nanoseconds: a try. */
static int take(const void *address, int is_mutex, const uint64_t *limit) {
  struct sysv_local *local = local_of(address, is_mutex);
  sysv_inside_begin();
  int result = limit == NULL   ? merino_lock_acquire(local->lock)
               : *limit == 0 ? merino_lock_try_acquire(local->lock)
                             : merino_lock_acquire_within(local->lock, *limit);
  sysv_inside_end();
  switch (result) {
    case MERINO_SUCCESS: return 0;
    case MERINO_EBUSY: return EBUSY;
    case MERINO_ETIMEDOUT: return ETIMEDOUT;
    case MERINO_EDEADLK: return again(local, limit != NULL && *limit == 0 ? EBUSY : EDEADLK);
    default: sysv_end(is_mutex ? "locking a mutex in shared memory" : "a spin lock in shared memory");
  }
}

static int give(const void *address, int is_mutex) {
  struct sysv_local *local = local_of(address, is_mutex);
  if (local->depth > 0) {
    local->depth--;
    return 0;
  }
  sysv_inside_begin();
  int result = merino_lock_release(local->lock);
  sysv_inside_end();
  if (result == MERINO_EPERM) {
    /* Programs do not look, and go on as if it were free. */
    sysv_failed("unlocking a mutex in shared memory that another thread or nobody has locked", EPERM);
    return EPERM;
  }
  if (result != MERINO_SUCCESS)
    sysv_end(is_mutex ? "unlocking a mutex in shared memory" : "a spin lock in shared memory");
  return 0;
}

static int take_until(const void *address, clockid_t clock, const struct timespec *due) {
  uint64_t limit, none = 0;
  /* Only one that cannot be had at once looks at the time. */
  int result = take(address, 1, &none);
  if (result != EBUSY) return result;
  result = sysv_until(clock, due, &limit);
  if (result != 0) return result;
  if (limit == 0) return ETIMEDOUT;
  return take(address, 1, &limit);
}

SYSV_EXPORT int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes) {
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_init(mutex, attributes);
  int type = PTHREAD_MUTEX_NORMAL;
  if (attributes != NULL) pthread_mutexattr_gettype(attributes, &type);
  /* So that the bytes say the same to whoever reads them. */
  int result = real()->pthread_mutex_init(mutex, attributes);
  if (result == 0) sysv_object_make(mutex, SYSV_MUTEX, (uint32_t)type, 0);
  return result;
}

SYSV_EXPORT int pthread_mutex_destroy(pthread_mutex_t *mutex) {
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_destroy(mutex);
  return sysv_object_destroy(mutex, SYSV_MUTEX);
}

SYSV_EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex) {
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_lock(mutex);
  return take(mutex, 1, NULL);
}

SYSV_EXPORT int pthread_mutex_trylock(pthread_mutex_t *mutex) {
  static const uint64_t none = 0;
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_trylock(mutex);
  return take(mutex, 1, &none);
}

SYSV_EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *due) {
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_timedlock(mutex, due);
  return take_until(mutex, CLOCK_REALTIME, due);
}

SYSV_EXPORT int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *due) {
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_clocklock(mutex, clock, due);
  return take_until(mutex, clock, due);
}

SYSV_EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex) {
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_unlock(mutex);
  return give(mutex, 1);
}

/* A node that dies ends the job: nobody finds a mutex whose owner is dead. */
SYSV_EXPORT int pthread_mutex_consistent(pthread_mutex_t *mutex) {
  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_consistent(mutex);
  return EINVAL;
}

/* ---- Spin locks: the bytes are left alone, since there is no more in them than whether it is held */

#define IS_SHARED(lock) sysv_is_shared((const void *)(uintptr_t)(lock))

SYSV_EXPORT int pthread_spin_init(pthread_spinlock_t *lock, int shared) {
  if (!IS_SHARED(lock)) return real()->pthread_spin_init(lock, shared);
  sysv_object_make((const void *)(uintptr_t)lock, SYSV_MUTEX, PTHREAD_MUTEX_NORMAL, 0);
  return 0;
}

SYSV_EXPORT int pthread_spin_destroy(pthread_spinlock_t *lock) {
  if (!IS_SHARED(lock)) return real()->pthread_spin_destroy(lock);
  return sysv_object_destroy((const void *)(uintptr_t)lock, SYSV_MUTEX);
}

SYSV_EXPORT int pthread_spin_lock(pthread_spinlock_t *lock) {
  if (!IS_SHARED(lock)) return real()->pthread_spin_lock(lock);
  return take((const void *)(uintptr_t)lock, 0, NULL);
}

SYSV_EXPORT int pthread_spin_trylock(pthread_spinlock_t *lock) {
  static const uint64_t none = 0;
  if (!IS_SHARED(lock)) return real()->pthread_spin_trylock(lock);
  return take((const void *)(uintptr_t)lock, 0, &none);
}

SYSV_EXPORT int pthread_spin_unlock(pthread_spinlock_t *lock) {
  if (!IS_SHARED(lock)) return real()->pthread_spin_unlock(lock);
  return give((const void *)(uintptr_t)lock, 0);
}
