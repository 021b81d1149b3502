/* A handler that runs while a thread waits for a semaphore ends the wait (EINTR). Merino's waits know nothing
 * of handlers, so those of the program are called by one that counts, and such waits are looked at now and
 * then. */
#ifndef MERINO_SYSV_INTERRUPT_H
#define MERINO_SYSV_INTERRUPT_H

#include "Real.h"

/* As sigaction, for a signal whose handler is to be counted. */
int sysv_handler_set(int number, const struct sigaction *wanted, struct sigaction *old);

/* The program's action behind the one that counts; NULL where it has set none. */
const struct sigaction *sysv_handler_of(int number);

/* How many handlers have run on this thread. */
struct sysv_interruptions {
  unsigned all, not_restarting; /* of these, without SA_RESTART */
};
struct sysv_interruptions sysv_interruptions(void);

/* While a thread is in Merino for a semaphore, handlers wait; they run where it holds nothing and stands in
 * no queue, so that they may leave by siglongjmp or exit. Does nothing where the program has no handler. */
struct sysv_held {
  int is_held;
  sigset_t before;
};
struct sysv_held sysv_signals_hold(void);
/* Handlers run now. Keeps errno. */
void sysv_signals_let(const struct sysv_held *held);

/* How long to wait at once, of `limit` nanoseconds (NULL: for ever). 0: for ever. */
uint64_t sysv_slice(const uint64_t *limit);

#endif
