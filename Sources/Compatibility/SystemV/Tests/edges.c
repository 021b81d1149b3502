// edges CASE: what cannot be done, and what is said then. For ci/test, which looks at the words and the exit
// code.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

static char *attached(void) {
  int id;
  NEED(id = shmget(0x4d001, 8192, IPC_CREAT | 0600));
  char *bytes = shmat(id, NULL, 0);
  NEED(bytes);
  return bytes;
}

// The child of a process that has attached memory: what `body` does there, and the child's status.
static int in_child(void (*body)(char *), char *bytes) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    body(bytes);
    _exit(0);
  }
  NEED(waitpid(child, &status, 0));
  return status;
}

static void child_calls(char *bytes) {
  CHECK_FAILS(shmget(0x4d001, 0, 0), EPERM, "shmget in the child of a fork");
  CHECK_FAILS(semget(0x4d001, 1, IPC_CREAT | 0600), EPERM, "semget in the child of a fork");
  CHECK_FAILS(change(0, 0, 1, 0), EPERM, "semop in the child of a fork");
  CHECK(shmdt(bytes) == 0, "shmdt in the child of a fork");
}

static void child_touches(char *bytes) { bytes[0] = 1; }

static void child_locks(char *bytes) { pthread_mutex_lock((pthread_mutex_t *)bytes); }

static void child_prints(char *bytes) {
  (void)bytes;
  say("the child ends");
  exit(0);
}

static int forks(void) {
  char *bytes = attached();
  bytes[0] = 5;
  CHECK(in_child(child_calls, bytes) == 0, "the calls of a child are refused");
  CHECK(WIFSIGNALED(in_child(child_touches, bytes)), "a child that touches shared memory ends");
  CHECK(in_child(child_locks, bytes) == 1 << 8, "a child that locks a mutex there ends");
  CHECK(in_child(child_prints, bytes) == 0, "a child that does neither goes its way");
  pthread_mutex_t *mutex = (pthread_mutex_t *)(bytes + 4096);
  CHECK(bytes[0] == 5 && pthread_mutex_lock(mutex) == 0 && pthread_mutex_unlock(mutex) == 0,
        "the parent goes on");
  return end();
}

// A second program of the same node.
static int second(char **arguments) {
  if (arguments[2] != NULL) {
    CHECK_FAILS(shmget(0x4d001, 8192, IPC_CREAT | 0600), ENOSYS, "a second process of a node");
    return end();
  }
  attached();
  char *again[] = {arguments[0], arguments[1], "again", NULL};
  int status;
  pid_t child = fork();
  if (child == 0) {
    execv(arguments[0], again);
    _exit(9);
  }
  NEED(waitpid(child, &status, 0));
  CHECK(status == 0, "the second process");
  return end();
}

static int mixed(void) {
  pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t *condition = (pthread_cond_t *)attached();
  pthread_mutex_lock(&mine);
  CHECK(pthread_cond_wait(condition, &mine) == EINVAL, "a condition in shared memory, its mutex outside");
  return end();
}

int main(int count, char **arguments) {
  const char *which = count > 1 ? arguments[1] : "";
  if (strcmp(which, "fork") == 0) return forks();
  if (strcmp(which, "second") == 0) return second(arguments);
  if (strcmp(which, "mixed") == 0) return mixed();
  if (strcmp(which, "held") == 0) return pthread_mutex_lock((pthread_mutex_t *)attached());
  if (strcmp(which, "large") == 0) {
    CHECK_FAILS(shmget(IPC_PRIVATE, (size_t)1 << 50, 0600), ENOSPC, "more than there is");
    return end();
  }
  if (strcmp(which, "alone") == 0) {
    CHECK_FAILS(shmget(IPC_PRIVATE, 4096, 0600), ENOSYS, "the others do not come");
    CHECK_FAILS(semget(IPC_PRIVATE, 1, 0600), ENOSYS, "nor later");
    return end();
  }
  if (strcmp(which, "exit") == 0) {
    attached();
    if (getenv("EDGES_EXIT") != NULL) _exit(0);
    pause();
  }
  return 2;
}
