#include "merino.h"
#include "merino_internal.h"

#include <errno.h>
#include <string.h>

// The sentence of this thread's last failure. In C, because Swift has no thread-local storage; in place, so
// that reporting a failure cannot fail.
static _Thread_local char last_error[1024];

const char *mrn_last_error(void) { return last_error; }

void mrn_set_last_error(const char *sentence) {
  strncpy(last_error, sentence, sizeof last_error - 1);
  last_error[sizeof last_error - 1] = '\0';
}

void mrn_set_errno(int value) { errno = value; }
