// What a node is told when another one has died, and no launcher ends it: every function of merino.h, as
// docs/after-a-loss.md lists it. ci/check-survivors starts the nodes by hand.
//
//   survivors calls NODE WAY WORDS   NODE dies by kill, exit or _exit; the others call everything, and WORDS
//                                    is in each sentence
//   survivors waits NODE WAY WORDS   the others wait in everything that waits, and poll with everything that
//                                    polls
//   survivors abort NODE WAY WORDS   the others call merino_abort(7)
//   survivors list                   the functions that `calls` calls
#define _GNU_SOURCE
#include "Survivors/calls.h"
#include "Survivors/waits.h"

static void die(const char *way) {
  sleep_ms(300);
  if (strcmp(way, "kill") == 0) kill(getpid(), SIGKILL);
  if (strcmp(way, "exit") == 0) exit(3);
  _exit(0);
}

// Before the death: a time limit holds while somebody else has the lock.
static void keep_limits(void) {
  if (check_node == dying) return;
  for (uint64_t limit = 0; limit <= 200000000; limit = limit == 0 ? 1000000 : limit * 14) {
    uint64_t began = now_ns();
    int code = merino_lock_acquire_within(dead_lock, limit);
    uint64_t took = now_ns() - began;
    // Not how fast: it waits as long as it was told, and does not wait on.
    CHECK(code == MERINO_ETIMEDOUT && took >= limit && took < limit + 3000000000u, "a time limit is kept");
  }
}

// Polls: a program that only asks is told, too.
static void await_news(void) {
  uint64_t began = now_ns();
  int code = MERINO_SUCCESS;
  while (code == MERINO_SUCCESS && now_ns() - began < 20000000000u) {
    code = merino_fence_release();
    sleep_ms(1);
  }
  CHECK(is_told(code), "who polls is told");
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "list") == 0) {
    list_calls();
    return 0;
  }
  if (count != 5) return 2;
  dying = atoi(arguments[2]);
  words = arguments[4];
  snprintf(node_words, sizeof node_words, "node %d left the job", dying);
  if (join_job() != 3) return 2;
  prepare();
  keep_limits();
  if (check_node == dying) die(arguments[3]);
  if (strcmp(arguments[1], "waits") == 0) return make_waits();
  await_news();
  if (strcmp(arguments[1], "abort") == 0) merino_abort(check_failures == 0 ? 7 : 8);
  return make_calls();
}
