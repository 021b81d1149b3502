// What the programs of this folder share. They are written as for one machine: nothing in them knows of
// Merino, and each check holds on the kernel's own shared memory, too, where ci/test runs them first.
//
// Arguments: the number of this process, how many there are, and a key to begin with.
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

static int check_failures, me, all;
static key_t first_key;

__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length] = '\n';
  ssize_t written = write(1, line, (size_t)length + 1);
  (void)written;
}

/// One test: prints PASS or FAIL with the place.
#define CHECK(condition, name)                                                                             \
  do {                                                                                                     \
    if (condition) {                                                                                       \
      say("PASS %s [%d]", name, me);                                                                       \
    } else {                                                                                               \
      say("FAIL %s [%d]: %s:%d: %s; errno %s", name, me, __FILE__, __LINE__, #condition, strerror(errno)); \
      __atomic_fetch_add(&check_failures, 1, __ATOMIC_RELAXED);                                            \
    }                                                                                                      \
  } while (0)

/// One test: the call fails with this errno.
#define CHECK_FAILS(call, error, name)                                                                     \
  do {                                                                                                     \
    errno = 0;                                                                                             \
    int fails_result = (int)(intptr_t)(call);                                                              \
    CHECK(fails_result == -1 && errno == (error), name);                                                   \
  } while (0)

/// What must succeed for the program to go on.
#define NEED(call)                                                                                         \
  do {                                                                                                     \
    if ((intptr_t)(call) == -1) {                                                                          \
      say("FAIL %s [%d]: %s:%d: %s", #call, me, __FILE__, __LINE__, strerror(errno));                      \
      _exit(3);                                                                                            \
    }                                                                                                      \
  } while (0)

union semun {
  int val;
  struct semid_ds *buf;
  unsigned short *array;
  struct seminfo *__buf;
};

static inline void begin(char **arguments) {
  me = atoi(arguments[1]);
  all = atoi(arguments[2]);
  first_key = (key_t)strtol(arguments[3], NULL, 0);
}

/// How often something is done: `times`, or fewer where SYSTEMV_PERCENT says so, on a slow machine.
static inline int scaled(int times) {
  const char *percent = getenv("SYSTEMV_PERCENT");
  int fewer = percent != NULL ? times * atoi(percent) / 100 : times;
  return fewer < 3 ? 3 : fewer;
}

static inline int end(void) { return check_failures == 0 ? 0 : 1; }

static inline int change(int set, int number, int by, int flags) {
  struct sembuf operation = {(unsigned short)number, (short)by, (short)flags};
  return semop(set, &operation, 1);
}

/// A meeting of all processes that needs nothing but semaphores. Three take turns: in a round all come to one
/// of them, and the one of the round before, which all have passed, is emptied for the round after the next.
/// The fourth is for the end.
static inline int meeting(void) {
  int set;
  NEED(set = semget(first_key, 4, IPC_CREAT | 0600));
  return set;
}

static inline void meet(int set) {
  static int round;
  unsigned short number = (unsigned short)(round % 3);
  union semun zero = {.val = 0};
  round++;
  NEED(change(set, number, 1, 0));
  // Looks whether all have come, without changing anything.
  struct sembuf all_there[2] = {{number, (short)-all, 0}, {number, (short)all, 0}};
  NEED(semop(set, all_there, 2));
  if (me == 0) NEED(semctl(set, (number + 2) % 3, SETVAL, zero));
}

/// The last meeting: process 0 waits for all and removes the set.
static inline void part(int set) {
  NEED(change(set, 3, 1, 0));
  if (me != 0) return;
  NEED(change(set, 3, -all, 0));
  NEED(semctl(set, 0, IPC_RMID));
}

static inline double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
