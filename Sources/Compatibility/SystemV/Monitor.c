#include "Monitor.h"

static MERINO_NORETURN void ended(const struct sysv_local *local) {
  sysv_end(local->kind == SYSV_SEMAPHORE ? "a semaphore in shared memory"
                                         : "a read-write lock in shared memory");
}

struct sysv_local *sysv_enter(const void *address, enum sysv_kind kind) {
  struct sysv_local *local = sysv_object(address, kind, 0);
  sysv_inside_begin();
  if (merino_lock_acquire(local->lock) != MERINO_SUCCESS) ended(local);
  return local;
}

void sysv_leave(const struct sysv_local *local) {
  if (merino_lock_release(local->lock) != MERINO_SUCCESS) ended(local);
  sysv_inside_end();
}

int sysv_wait(const struct sysv_local *local, const uint64_t *limit) {
  int result = limit == NULL ? merino_cond_wait(local->condition, local->lock)
                             : merino_cond_wait_within(local->condition, local->lock, *limit);
  if (result == MERINO_ETIMEDOUT) return ETIMEDOUT;
  if (result != MERINO_SUCCESS) ended(local);
  return 0;
}

void sysv_wake(const struct sysv_local *local) {
  if (merino_cond_broadcast(local->condition) != MERINO_SUCCESS) ended(local);
}
