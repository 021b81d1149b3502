// Slots and allocations, which fail once: in this process, and its job goes on.
#ifndef INJECTION_LOCALS_H
#define INJECTION_LOCALS_H

#include "calls.h"

static int is_exhaustion(int kind, int code) {
  if (kind == SLOT) return code == MERINO_ELIMIT;
  return code == MERINO_ELIMIT || code == MERINO_ENOSPC || code == MERINO_ENOMEM;
}

static void locals(const struct entry *entry, int kind) {
  int failures = check_failures;
  for (int nth = 1; nth <= most_uses; nth++) {
    snprintf(what, sizeof what, "%s, %s %d fails", entry->name, kind == SLOT ? "slot" : "allocation", nth);
    int slots = merino_injection_slots_in_use();
    within(10);
    counter++;
    entry->before();
    cplatform_injection_arm(kind, nth);
    int result = entry->call();
    int has_struck = cplatform_injection_disarm();
    if (result < 0) {
      if (!has_struck || !is_exhaustion(kind, result) || !is_sentence(merino_last_error()))
        CHECK(!"the code and the sentence are those of something that is exhausted", what);
    }
    entry->after(result);
    if (slots != merino_injection_slots_in_use()) CHECK(!"no slot is left taken", what);
    if (check_failures > failures) {
      say("  in: %s", what);
      return;
    }
    // Freed segments give their addresses back.
    NEED(merino_barrier());
    NEED(merino_barrier());
    if (!has_struck) {
      say("PASS %s: %d %s can fail [%d]", entry->name, nth - 1, kind == SLOT ? "slots" : "allocations",
          check_node);
      return;
    }
  }
  CHECK(!"the call comes to its end", what);
}

#endif
