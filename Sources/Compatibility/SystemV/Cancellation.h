/* Cancellation of threads (pthread_cancel), as for libc's objects: sem_wait and pthread_cond_wait, and their
 * kind with a time limit, are cancellation points; locks, barriers and semop are none. */
#ifndef MERINO_SYSV_CANCELLATION_H
#define MERINO_SYSV_CANCELLATION_H

#include <pthread.h>

/* As the program has set them. */
struct sysv_cancellation {
  int state, type;
};

/* The calling thread is not cancelled until sysv_cancellation_restore. */
static inline struct sysv_cancellation sysv_cancellation_off(void) {
  struct sysv_cancellation before;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before.state);
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &before.type);
  return before;
}

/* One of the asynchronous type acts here. */
static inline void sysv_cancellation_restore(struct sysv_cancellation before) {
  pthread_setcancelstate(before.state, NULL);
  if (before.type == PTHREAD_CANCEL_DEFERRED) return;
  pthread_setcanceltype(before.type, NULL);
  pthread_testcancel();
}

#endif
