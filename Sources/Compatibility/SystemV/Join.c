/* How a process becomes a node and ends to be one: at its first call that concerns the job, and at its
 * exit. */
#include <stdlib.h>
#include <string.h>

#include "Real.h"

enum stage { NOT_JOINED, NODE, FAILED, LEAVING };

static struct {
  pthread_mutex_t lock;
  int stage;
  int is_ours;   /* this library has joined, and not the program */
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

static enum stage stage(void) { return (enum stage)__atomic_load_n(&state.stage, __ATOMIC_ACQUIRE); }

int sysv_is_node(void) { return stage() == NODE && state.process == getpid(); }

/* Nothing is attached yet that a page fault could be about. */
static void unblock_faults(void) {
  sigset_t faults;
  sigemptyset(&faults);
  sigaddset(&faults, SIGSEGV);
  real()->pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
}

static int join(void) {
  if (stage() == NODE) return 0;
  if (stage() == FAILED) {
    errno = ENOSYS;
    return -1;
  }
  sysv_files_look();
  int result = merino_init();
  state.is_ours = result == MERINO_SUCCESS;
  /* A program that knows Merino has joined itself. */
  if (result != MERINO_SUCCESS && !(result == MERINO_EALREADY && merino_node() >= 0)) {
    __atomic_store_n(&state.stage, FAILED, __ATOMIC_RELEASE);
    return sysv_failed("cannot join the job, so System V's shared memory and semaphores are not there",
                       ENOSYS);
  }
  state.process = getpid();
  sysv_files_are_merinos();
  sysv_callers_find();
  sysv_fault_action_take();
  unblock_faults();
  __atomic_store_n(&state.stage, NODE, __ATOMIC_RELEASE);
  return 0;
}

/* A thread that goes on while another one ends the process: on one machine it would be ended any moment. */
static void wait_for_the_end(void) {
  while (stage() == LEAVING && state.process == getpid()) pause();
}

int sysv_join(void) {
  if (sysv_is_node()) return 0;
  wait_for_the_end();
  if (stage() == NODE || stage() == LEAVING) {
    /* A child: Merino has the sentence. Not the lock, which another thread may have held at the fork. */
    (void)merino_fence_release();
    return sysv_failed("System V's shared memory and semaphores", EPERM);
  }
  real()->pthread_mutex_lock(&state.lock);
  int result = join();
  real()->pthread_mutex_unlock(&state.lock);
  return result;
}

/* Behind the program's own handlers of exit, which may still use what is attached: handlers run in the
 * reverse order, and this one is there before main. Leaving waits for the others, who may wait for what the
 * end of this process brings on one machine: what it wrote is in its files, these are closed and their locks
 * gone, and SEM_UNDO is done. (merino_finalize itself detaches.) */
static void at_exit(int code, void *unused) {
  (void)code, (void)unused;
  if (!sysv_is_node() || !state.is_ours) return;
  sysv_semaphores_undo();
  sysv_release();
  fflush(NULL);
  sysv_files_close();
  __atomic_store_n(&state.stage, LEAVING, __ATOMIC_RELEASE);
  if (merino_finalize() != MERINO_SUCCESS) sysv_say("leaving the job: %s", merino_last_error());
}

__attribute__((constructor)) static void at_load(void) { on_exit(at_exit, NULL); }
