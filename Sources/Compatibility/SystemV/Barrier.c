/* Barriers in shared memory. */
#include "Real.h"

SYSV_EXPORT int pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attributes,
                                     unsigned count) {
  if (!sysv_is_shared(barrier)) return real()->pthread_barrier_init(barrier, attributes, count);
  if (count == 0) return EINVAL;
  sysv_object_make(barrier, SYSV_BARRIER, count, 0);
  return 0;
}

SYSV_EXPORT int pthread_barrier_destroy(pthread_barrier_t *barrier) {
  if (!sysv_is_shared(barrier)) return real()->pthread_barrier_destroy(barrier);
  return sysv_object_destroy(barrier, SYSV_BARRIER);
}

SYSV_EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier) {
  if (!sysv_is_shared(barrier)) return real()->pthread_barrier_wait(barrier);
  for (;;) {
    struct sysv_local *local = sysv_object(barrier, SYSV_BARRIER, 0);
    if (local->type == 0) return EINVAL;
    /* All of one round have counted themselves before anybody of the next one can: one of them is the
     * last. */
    uint64_t before;
    int result = merino_atomic_fetch_add_u64(&local->object->arrivals, 1, &before);
    sysv_inside_begin();
    if (result == MERINO_SUCCESS) result = merino_barrier_wait(local->barrier);
    sysv_inside_end();
    if (result == MERINO_SUCCESS) return before % local->type == 0 ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
    if (result != MERINO_EHANDLE) sysv_end("waiting in a barrier in shared memory");
    /* Made anew: this thread has come to none of its rounds yet. */
    if (merino_atomic_fetch_add_u64(&local->object->arrivals, UINT64_MAX, NULL) != MERINO_SUCCESS)
      sysv_end("a barrier");
    sysv_object_forget(local);
  }
}
