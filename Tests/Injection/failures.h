// How a use of something is made to fail (`Injection.c` of CPlatform, in debug builds), and the limits of an
// attempt.
#ifndef INJECTION_FAILURES_H
#define INJECTION_FAILURES_H

#include "../Programs/check.h"

#include <signal.h>

enum { SLOT = 1, ALLOCATION = 2, FABRIC = 3 };

void cplatform_injection_arm(int kind, long nth);
int cplatform_injection_disarm(void);
int merino_injection_slots_in_use(void);

// More than any call needs.
enum { most_uses = 200 };

static char what[128];

// Ends a process that hangs, with the place.
static void hangs(int signal) {
  (void)signal;
  say("FAIL %s: it hangs", what);
  _exit(1);
}
static void within(unsigned seconds) {
  signal(SIGALRM, hangs);
  alarm(seconds);
}

#endif
