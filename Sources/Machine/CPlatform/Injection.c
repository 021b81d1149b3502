// Failures for tests (Tests/Injection): of a kind of thing that calls use, the n-th use by one thread fails.
// In debug builds only: Package.swift defines MERINO_INJECTION there, and ci/check-library refuses a library
// that has these names.
#include "CPlatform.h"

#if MERINO_INJECTION

/// Set by the thread that tests, read by all. A fault handler reads them too: plain words, no thread-local.
static struct {
  volatile int thread;  // whose uses count; 0: nobody's
  volatile int kind;
  volatile long left;  // uses until the one that fails
  volatile long uses;
  volatile int has_struck;
  // Page faults that this thread is in: they cannot fail and go on, so nothing fails in them.
  volatile int faults;
} injection;

int cplatform_injection_strikes(int kind) {
  if (injection.thread == 0 || injection.kind != kind || injection.faults > 0) return 0;
  if (injection.thread != (int)syscall(SYS_gettid)) return 0;
  injection.uses++;
  if (--injection.left != 0) return 0;
  injection.has_struck = 1;
  return 1;
}

/// From here on the `nth` use of a thing of `kind` by the calling thread fails.
void cplatform_injection_arm(int kind, long nth) {
  injection.kind = kind;
  injection.left = nth;
  injection.uses = 0;
  injection.has_struck = 0;
  injection.thread = (int)syscall(SYS_gettid);
}

/// Nothing fails any more. Whether something did.
int cplatform_injection_disarm(void) {
  injection.thread = 0;
  return injection.has_struck;
}

/// Around the service of a page fault, by any thread: only the armed one's counts.
void cplatform_injection_fault(int change) {
  if (injection.thread != 0 && injection.thread == (int)syscall(SYS_gettid)) injection.faults += change;
}

#endif
