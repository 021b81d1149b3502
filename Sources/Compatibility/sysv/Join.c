/* How a process becomes a node and ends to be one: at its first call that concerns the job, and at its exit. */
#include <stdlib.h>
#include <string.h>

#include "Real.h"

static struct {
  pthread_mutex_t lock;
  int is_joined; /* 0: not yet; 1: a node; -1: it failed, or it is over */
  int error;
  pid_t process; /* that joined */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int is_set(const char *name) {
  const char *value = getenv(name);
  return value != NULL && *value != 0;
}

static int look_for_launcher(void) {
  const char *launcher = getenv("MERINO_LAUNCHER");
  if (launcher != NULL && strcmp(launcher, "auto") != 0) return 1;
  return is_set("MERINO_RENDEZVOUS") || is_set("PMIX_RANK") || is_set("PMI_FD") || is_set("PMI_SIZE") ||
         is_set("SLURM_STEP_NUM_TASKS") || is_set("OMPI_COMM_WORLD_SIZE");
}

int sysv_is_in_job(void) {
  /* 0: not looked yet. Once: a program may change its environment. */
  static int found;
  int now = __atomic_load_n(&found, __ATOMIC_RELAXED);
  if (now == 0) __atomic_store_n(&found, now = look_for_launcher() ? 1 : 2, __ATOMIC_RELAXED);
  return now == 1;
}

int sysv_is_node(void) {
  return __atomic_load_n(&state.is_joined, __ATOMIC_ACQUIRE) == 1 && state.process == getpid();
}

static int join(void) {
  if (state.is_joined == 1) return 0;
  if (state.is_joined == -1) {
    errno = state.error;
    return -1;
  }
  if (merino_init() != MERINO_SUCCESS) {
    state.error = ENOSYS;
    state.is_joined = -1;
    return sysv_failed("cannot join the job, so System V's shared memory and semaphores are not there", state.error);
  }
  state.process = getpid();
  sysv_callers_find();
  /* A page fault that finds it blocked ends the process. */
  sigset_t faults;
  sigemptyset(&faults);
  sigaddset(&faults, SIGSEGV);
  real()->pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
  __atomic_store_n(&state.is_joined, 1, __ATOMIC_RELEASE);
  return 0;
}

int sysv_join(void) {
  if (sysv_is_node()) return 0;
  if (state.is_joined == 1) {
    /* A child: Merino has the sentence. Not the lock, which another thread may have held at the fork. */
    (void)merino_fence_release();
    return sysv_failed("System V's shared memory and semaphores", EPERM);
  }
  real()->pthread_mutex_lock(&state.lock);
  int result = join();
  real()->pthread_mutex_unlock(&state.lock);
  return result;
}

/* Behind the program's own handlers of exit, which may still use what is attached: handlers run in the reverse order, and
 * this one is there before main. */
static void at_exit(int code, void *unused) {
  (void)code, (void)unused;
  if (!sysv_is_node()) return;
  sysv_semaphores_undo();
  __atomic_store_n(&state.is_joined, -1, __ATOMIC_RELEASE);
  state.error = ENOSYS;
  if (merino_finalize() != MERINO_SUCCESS) sysv_say("leaving the job: %s", merino_last_error());
}

__attribute__((constructor)) static void at_load(void) { on_exit(at_exit, NULL); }
