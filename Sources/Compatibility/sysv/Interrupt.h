/* A handler that runs while a thread waits for a semaphore ends the wait (EINTR). Merino's waits know nothing of
 * handlers, so those of the program are called by one that counts, and such waits are looked at now and then. */
#ifndef MERINO_SYSV_INTERRUPT_H
#define MERINO_SYSV_INTERRUPT_H

#include "Real.h"

/* As sigaction, for a signal whose handler is to be counted. */
int sysv_handler_set(int number, const struct sigaction *wanted, struct sigaction *old);

/* How many handlers have run on this thread. */
struct sysv_interruptions {
  unsigned all, not_restarting; /* of these, without SA_RESTART */
};
struct sysv_interruptions sysv_interruptions(void);

/* How long to wait at once, of `limit` nanoseconds (NULL: for ever). 0: for ever. */
uint64_t sysv_slice(const uint64_t *limit);

#endif
