// Joins, and says what came of it: "JOIN code sentence". A process that could not join is as it was before.
#include "check.h"
#include "process.h"

int main(void) {
  struct sigaction before, after;
  sigaction(SIGSEGV, NULL, &before);
  int threads = thread_count();
  int code = merino_init();
  say("JOIN %d %s", code, merino_last_error());
  if (code == MERINO_SUCCESS) {
    check_node = merino_node();
    merino_finalize();
    return 0;
  }
  sigaction(SIGSEGV, NULL, &after);
  CHECK(before.sa_handler == after.sa_handler, "not joined: the signal's action");
  CHECK(thread_count() == threads, "not joined: no thread of the library");
  CHECK(mappings_of("memfd:merino") == 0, "not joined: nothing is mapped");
  CHECK(is_sentence(merino_last_error()), "not joined: a sentence");
  CHECK_CODE(merino_barrier(), MERINO_ENOTINIT, "not joined: calls say so");
  return check_failures == 0 ? 0 : 1;
}
