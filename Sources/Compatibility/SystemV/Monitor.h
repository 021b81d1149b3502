/* What POSIX semaphores and read-write locks in shared memory are made of: words under a Merino lock, with a
 * condition for those who wait. */
#ifndef MERINO_SYSV_MONITOR_H
#define MERINO_SYSV_MONITOR_H

#include "Real.h"

/* Enters the monitor of the object at an address. */
struct sysv_local *sysv_enter(const void *address, enum sysv_kind kind);
void sysv_leave(const struct sysv_local *local);
/* Waits, inside, until somebody calls sysv_wake; 0, or ETIMEDOUT after `limit` (NULL: for ever). */
int sysv_wait(const struct sysv_local *local, const uint64_t *limit);
/* Wakes everybody who waits. */
void sysv_wake(const struct sysv_local *local);

#endif
