// What programs call. Cancellation (pthread_cancel) unwinds a thread's stack by force; it must find nothing
// of Swift there, and no lock or place in a queue that belongs to the thread. So it is off while a thread is
// in Swift, whatever system calls are made there. It costs a few stores to words of the thread's own, and no
// system call.
#include "Cancellation.h"

#define MERINO_DEFINE(type, name, parameters, arguments) \
  type merino_##name parameters {                        \
    struct cancellation before = cancellation_off();     \
    type result = mrn_##name arguments;                  \
    cancellation_restore(before);                        \
    return result;                                       \
  }
MERINO_ENTRIES(MERINO_DEFINE)

void merino_free(void *block) {
  struct cancellation before = cancellation_off();
  mrn_free(block);
  cancellation_restore(before);
}

void merino_abort(int code) {
  (void)cancellation_off();
  mrn_abort(code);
}
