// Failures after which nothing goes on: of the fabric, which last, and of joining and leaving. In a child for
// each, which joins a job of its own.
#ifndef INJECTION_CHILDREN_H
#define INJECTION_CHILDREN_H

#include "calls.h"

#include <sys/wait.h>

// The exit code where nothing has failed any more.
enum { DONE = 77 };

static int complain(const char *what_is_wrong, int result) {
  say("FAIL %s: %s: %d (%s)", what, what_is_wrong, result, merino_last_error());
  return 1;
}

// Pointers and System V have no codes: the sentence says it.
static int says_fabric(const struct entry *entry, int result) {
  int has_code = strncmp(entry->name, "merino_shm", 10) != 0 && strstr(entry->name, "alloc") == NULL &&
                 strcmp(entry->name, "merino_free") != 0;
  return (has_code ? result == MERINO_EFABRIC : result < 0) && strstr(merino_last_error(), "fabric") != NULL;
}

static int meets_failure(const struct entry *entry, int kind, int nth) {
  snprintf(what, sizeof what, "%s, operation %d of the fabric fails", entry->name, nth);
  NEED(merino_init());
  entry->before();
  merino_lock_t fresh, held;
  merino_event_t set;
  NEED(merino_lock_create(&fresh));
  NEED(merino_lock_create(&held));
  NEED(merino_event_create(&set));
  NEED(merino_event_set(set));
  NEED(merino_lock_acquire(held));
  cplatform_injection_arm(kind, nth);
  int result = entry->call();
  if (!cplatform_injection_disarm()) return result == 0 ? DONE : complain("nothing failed, and yet", result);
  if (result == 0 || !says_fabric(entry, result)) return complain("the call says", result);
  // From here on this node's job is over, and all calls say the same. None hangs, and none says something
  // else.
  result = entry->call();
  if (!says_fabric(entry, result)) return complain("the second call says", result);
  result = merino_lock_acquire(fresh);
  if (result != MERINO_EFABRIC) return complain("taking a lock says", result);
  result = merino_lock_release(held);
  if (result != MERINO_EFABRIC) return complain("giving a lock back says", result);
  result = merino_lock_release(held);
  if (result != MERINO_EFABRIC) return complain("giving it back again says", result);
  result = merino_event_wait(set);
  if (result != MERINO_EFABRIC) return complain("waiting for an event says", result);
  result = merino_barrier();
  if (result != MERINO_EFABRIC) return complain("the barrier says", result);
  result = merino_finalize();
  if (result != MERINO_EFABRIC) return complain("leaving says", result);
  result = merino_node();
  if (result != MERINO_ENOTINIT) return complain("and after it", result);
  return 0;
}

// Joining and leaving: what fails leaves the process as it was, or out of the job.
static int joins(const struct entry *entry, int kind, int nth) {
  snprintf(what, sizeof what, "%s, %s %d fails", entry->name, kind == FABRIC ? "operation" : "allocation",
           nth);
  cplatform_injection_arm(kind, nth);
  int result = entry->call();
  if (!cplatform_injection_disarm()) return result == 0 ? DONE : complain("nothing failed, and yet", result);
  // Where an allocation had a second try, it has joined.
  if (result == 0) return merino_finalize() == 0 ? 0 : complain("leaving says", -1);
  if (!is_sentence(merino_last_error())) return complain("no sentence", result);
  if (merino_node() != MERINO_ENOTINIT) return complain("it has joined all the same", result);
  // Without a launcher it may try again.
  result = merino_init();
  if (result != 0) return complain("the second try says", result);
  result = merino_finalize();
  return result == 0 ? 0 : complain("leaving says", result);
}

static int leaves(const struct entry *entry, int kind, int nth) {
  snprintf(what, sizeof what, "%s, operation %d fails", entry->name, nth);
  NEED(merino_init());
  cplatform_injection_arm(kind, nth);
  int result = entry->call();
  if (!cplatform_injection_disarm()) return result == 0 ? DONE : complain("nothing failed, and yet", result);
  return merino_node() == MERINO_ENOTINIT ? 0 : complain("it has not left", result);
}

// Runs `child` for one use after the other until none fails.
static void each_use(const struct entry *entry, int (*child)(const struct entry *, int, int), int kind) {
  for (int nth = 1; nth <= most_uses; nth++) {
    pid_t pid = fork();
    if (pid == 0) {
      within(10);
      check_failures = 0;
      int code = child(entry, kind, nth);
      _exit(check_failures > 0 ? 1 : code);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
    if (WIFEXITED(status) && WEXITSTATUS(status) == DONE) {
      say("PASS %s: %d %s can fail [0]", entry->name, nth - 1, kind == FABRIC ? "operations" : "allocations");
      return;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      check_failures++;
      say("FAIL %s: with failure %d the process ends by %s %d", entry->name, nth,
          WIFSIGNALED(status) ? "signal" : "code",
          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
      return;
    }
  }
  CHECK(!"the call comes to its end", entry->name);
}

static const struct entry joining = {.name = "merino_init", .call = merino_init};
static const struct entry leaving = {.name = "merino_finalize", .call = merino_finalize};

#endif
