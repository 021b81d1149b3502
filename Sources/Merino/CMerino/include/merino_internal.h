// Between the C part and the Swift part of libmerino; not installed.
#ifndef MERINO_INTERNAL_H
#define MERINO_INTERNAL_H

#include "merino.h"
#include "merino_entries.h"

/// The sentence of this thread's last failure; "" if none.
const char *mrn_last_error(void);
/// Keeps the sentence, cut to what fits.
void mrn_set_last_error(const char *sentence);
/// Sets this thread's errno.
void mrn_set_errno(int value);

// In Swift, behind the functions of merino.h: called where this thread cannot be cancelled.
#define MERINO_DECLARE(type, name, parameters, arguments) type mrn_##name parameters;
MERINO_ENTRIES(MERINO_DECLARE)
#undef MERINO_DECLARE
MERINO_NORETURN void mrn_abort(int code);
void mrn_free(void *block);

/// A wait that a thread is in, as Swift keeps it (`PendingWait`). Whoever has begun one ends it: by a step
/// that fails, by finishing it when a step says that it is over, or by abandoning it.
struct mrn_wait {
  uint64_t words[16];
};
/// Begins to wait for an event. 0; 1 where it is set, and there is no wait; a code.
int mrn_event_begin(merino_event_t event, struct mrn_wait *wait);
/// Begins to wait with a condition, for at most `limit` nanoseconds; NULL: for ever. 0, or a code.
int mrn_cond_begin(merino_cond_t condition, merino_lock_t lock, const uint64_t *limit, struct mrn_wait *wait);
/// A few moments of the wait. 0: goes on; 1: is over; a code.
int mrn_wait_step(struct mrn_wait *wait);
/// The end of a wait that is over: MERINO_SUCCESS, MERINO_ETIMEDOUT or another code.
int mrn_wait_finish(struct mrn_wait *wait);
/// The end of a wait whose thread is being cancelled. A condition's lock is held again.
void mrn_wait_abandon(struct mrn_wait *wait);

#endif
