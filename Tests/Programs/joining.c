// Joining at the same time by several threads; again, after it failed or after leaving. In a job that
// `merino run` started, a node has joined the job once it has been told who the others are; in one of one
// node there is nobody to tell.
#define _GNU_SOURCE
#include "check.h"
#include "process.h"

#include <sys/resource.h>

enum { threads = 6 };
static pthread_barrier_t gate;

static void *join(void *code) {
  pthread_barrier_wait(&gate);
  *(int *)code = merino_init();
  return NULL;
}

static void *leave(void *code) {
  pthread_barrier_wait(&gate);
  *(int *)code = merino_finalize();
  return NULL;
}

/// Of all threads that do it at once one succeeds, and the others get `otherwise`.
static void at_once(void *(*body)(void *), int otherwise, const char *name) {
  int codes[threads], successes = 0, others = 0;
  pthread_t thread[threads];
  pthread_barrier_init(&gate, NULL, threads);
  for (int i = 0; i < threads; i++) thread[i] = start(body, &codes[i]);
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
    successes += codes[i] == MERINO_SUCCESS;
    others += codes[i] == otherwise;
  }
  CHECK(successes == 1 && others == threads - 1, name);
}

/// A join that fails on this node alone, before any other node hears of it, or on all: the limit of addresses
/// is too low for the capacity that was asked for. (What is not asked for is what there is room for.)
static int join_without_room(void) {
  struct rlimit before, low;
  getrlimit(RLIMIT_AS, &before);
  low = before;
  low.rlim_cur = 2ul << 30;
  setrlimit(RLIMIT_AS, &low);
  setenv("MERINO_CAPACITY", "64G", 1);
  int code = merino_init();
  unsetenv("MERINO_CAPACITY");
  setrlimit(RLIMIT_AS, &before);
  return code;
}

int main(int count, char **arguments) {
  const char *which = count > 1 ? arguments[1] : "";
  setenv("MERINO_LOCKS", "many", 1);
  CHECK_CODE(merino_init(), MERINO_EINVAL, "a setting that is no number");
  CHECK(strstr(merino_last_error(), "MERINO_LOCKS=many") != NULL, "is named");
  unsetenv("MERINO_LOCKS");
  if (strcmp(which, "without-room") == 0) {
    int code = join_without_room();
    say("FIRST %d %s", code, merino_last_error());
    CHECK(code == MERINO_ENOMEM || code == MERINO_ESYSTEM || code == MERINO_EADDRINUSE,
          "no room for the capacity");
    CHECK(mappings_of("memfd:merino") == 0, "nothing of it is left");
    CHECK_CODE(merino_barrier(), MERINO_ENOTINIT, "this process has not joined");
    code = merino_init();
    say("AGAIN %d %s", code, merino_last_error());
    if (code != MERINO_SUCCESS) return check_failures == 0 ? 0 : 1;
    check_node = merino_node();
  } else {
    at_once(join, MERINO_EALREADY, "threads that join at once");
    check_node = merino_node();
    CHECK_CODE(merino_init(), MERINO_EALREADY, "once more");
    CHECK(strstr(merino_last_error(), "once in its life") != NULL, "in words");
  }
  uint64_t *words = merino_collective_malloc(sizeof(uint64_t) * (size_t)merino_nodes(), 0);
  if (words == NULL) merino_abort(3);
  words[check_node] = 7;
  NEED(merino_barrier());
  int wrong = 0;
  for (int n = 0; n < merino_nodes(); n++) wrong += words[n] != 7;
  CHECK(wrong == 0, "shared memory is shared");
  NEED(merino_barrier());
  at_once(leave, MERINO_ENOTINIT, "threads that leave at once");
  CHECK_CODE(merino_init(), MERINO_EALREADY, "after leaving");
  return check_failures == 0 ? 0 : 1;
}
