// Two copies of the library in one process: whichever joins first is the one, and the other is told so.
//
//   copies linked ORDER          the other is inside libsolver.so, which this program is linked with
//   copies FILE ORDER            the other is FILE, a libmerino.so, loaded where nobody sees its symbols
//
// ORDER: mine (this program's copy joins first), other, or race (two threads).
#define _GNU_SOURCE
#include "../check.h"

#include <dlfcn.h>
#ifdef WITH_SOLVER
#include "solver.h"
#endif

static int (*other_join)(void), (*other_leave)(void);
static const char *(*other_last_error)(void);
static const char *other_file, *own_file;

static void find_other(const char *which) {
#ifdef WITH_SOLVER
  if (strcmp(which, "linked") == 0) {
    other_join = solver_join, other_leave = solver_leave, other_last_error = solver_last_error;
    other_file = "libsolver.so";
    return;
  }
#endif
  void *file = dlopen(which, RTLD_NOW | RTLD_LOCAL);
  if (file == NULL) say("FAIL %s", dlerror()), exit(2);
  other_join = (int (*)(void))dlsym(file, "merino_init");
  other_leave = (int (*)(void))dlsym(file, "merino_finalize");
  other_last_error = (const char *(*)(void))dlsym(file, "merino_last_error");
  other_file = which;
}

/// What the copy that comes second is told.
static void check_told(int code, const char *sentence, const char *file) {
  CHECK(code == MERINO_EALREADY && is_sentence(sentence), "the second copy may not join");
  CHECK(strstr(sentence, "another copy of Merino") != NULL && strstr(sentence, file) != NULL, sentence);
}

static void use_shared_memory(void) {
  uint64_t *words = merino_collective_malloc(sizeof(uint64_t) * 512 * (size_t)merino_nodes(), 0);
  if (words == NULL) merino_abort(3);
  words[512 * check_node] = 7;
  NEED(merino_barrier());
  int wrong = 0;
  for (int n = 0; n < merino_nodes(); n++) wrong += words[512 * n] != 7;
  CHECK(wrong == 0, "the first goes on");
  NEED(merino_barrier());
}

static pthread_barrier_t gate;
static void *join_other(void *code) {
  pthread_barrier_wait(&gate);
  return *(int *)code = other_join(), NULL;
}

/// One of them, or none where each saw the other: then nothing is left, and either may.
static void race(void) {
  int theirs;
  pthread_barrier_init(&gate, NULL, 2);
  pthread_t thread = start(join_other, &theirs);
  pthread_barrier_wait(&gate);
  int mine = merino_init();
  pthread_join(thread, NULL);
  CHECK(mine == MERINO_SUCCESS || mine == MERINO_EALREADY, "this copy");
  CHECK(theirs == MERINO_SUCCESS || theirs == MERINO_EALREADY, "the other copy");
  CHECK(mine != MERINO_SUCCESS || theirs != MERINO_SUCCESS, "not both");
  if (theirs == MERINO_SUCCESS) CHECK(other_leave() == MERINO_SUCCESS, "the other leaves");
  if (theirs == MERINO_SUCCESS) return;
  if (mine != MERINO_SUCCESS) NEED(merino_init());
  CHECK_CODE(merino_finalize(), MERINO_SUCCESS, "this copy leaves");
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  find_other(arguments[1]);
  own_file = getenv("OWN_FILE");
  if (own_file == NULL) own_file = "libmerino.so";
  if (strcmp(arguments[2], "race") == 0) {
    race();
  } else if (strcmp(arguments[2], "mine") == 0) {
    setenv("MERINO_LOCKS", "many", 1);
    CHECK_CODE(merino_init(), MERINO_EINVAL, "a first join that fails");
    CHECK(other_join() == MERINO_EINVAL, "is in nobody's way");
    unsetenv("MERINO_LOCKS");
    join_job();
    check_told(other_join(), other_last_error(), own_file);
    use_shared_memory();
    check_told(other_join(), other_last_error(), own_file);
    CHECK_CODE(merino_finalize(), MERINO_SUCCESS, "the first leaves");
    check_told(other_join(), other_last_error(), own_file);
  } else {
    CHECK(other_join() == MERINO_SUCCESS, "the other copy joins");
    int code = merino_init();
    check_told(code, merino_last_error(), other_file);
    CHECK_CODE(merino_barrier(), MERINO_ENOTINIT, "this one has not joined");
    CHECK(other_leave() == MERINO_SUCCESS, "the other copy leaves");
  }
  return check_failures == 0 ? 0 : 1;
}
