// Whether the calling thread can be cancelled, around calls of Swift.
#ifndef MERINO_CANCELLATION_H
#define MERINO_CANCELLATION_H

#include <pthread.h>

#include "merino_internal.h"

// As the program has set them.
struct cancellation {
  int state, type;
};

static inline struct cancellation cancellation_off(void) {
  struct cancellation before;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before.state);
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &before.type);
  return before;
}

// A cancellation that came meanwhile acts here, in C, where the type is asynchronous: as if it had come right
// behind the call. (glibc since 2.34 does not look when the state is set, hence the second call.) One of the
// deferred type waits for the thread's next cancellation point.
static inline void cancellation_restore(struct cancellation before) {
  pthread_setcancelstate(before.state, NULL);
  if (before.type == PTHREAD_CANCEL_DEFERRED) return;
  pthread_setcanceltype(before.type, NULL);
  pthread_testcancel();
}

#endif
