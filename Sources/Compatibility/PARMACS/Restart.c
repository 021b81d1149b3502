/* Pointers to functions and variables of the program travel between nodes, so the executable and its
 * libraries have to be at the same addresses on all of them. Linux loads a program at random addresses unless
 * its personality says otherwise, and that counts when a program is executed: so the process executes itself
 * once more. */
#include "Runtime.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <unistd.h>

/* Set for the second time: where the system does not honour the personality there is no third. */
static const char restarted[] = "MERINO_PARMACS_RESTARTED";

static struct RUNTIME_PAGES {
  int failure;
  char executable[PATH_MAX];
} state RUNTIME_STATE = {0, "?"};

int parmacs_restart_failure(void) { return state.failure; }

const char *parmacs_executable(void) { return state.executable; }

/* Before the program's constructors, which should run once only. */
__attribute__((constructor(101))) static void restart(int argc, char **argv, char **environment) {
  (void)argc;
  ssize_t length = readlink("/proc/self/exe", state.executable, sizeof state.executable - 1);
  if (length > 0) state.executable[length] = '\0';
  int now = personality(0xffffffff);
  if (now == -1 || (now & ADDR_NO_RANDOMIZE) != 0 || getauxval(AT_SECURE) != 0) {
    if (now == -1) state.failure = errno;
    unsetenv(restarted);
    return;
  }
  if (getenv(restarted) != NULL) {
    state.failure = ENOSYS;
    unsetenv(restarted);
    return;
  }
  if (length <= 0 || personality((unsigned long)now | ADDR_NO_RANDOMIZE) == -1) {
    state.failure = errno;
    return;
  }
  (void)environment;
  setenv(restarted, "1", 1);
  extern char **environ;
  execve(state.executable, argv, environ);
  state.failure = errno;
  unsetenv(restarted);
  personality((unsigned long)now);
}
