// What the programs of this folder share: checks that print a line each, and end non-zero when one fails.
//
// A line goes out in one write(2), so that those of several nodes do not mix and none is lost when the
// program ends by a signal.
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <merino.h>

static int check_failures;

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

/// One test: prints PASS or FAIL with the place. May be called by several threads.
#define CHECK(condition, name)                                                                             \
  do {                                                                                                     \
    if (condition) {                                                                                       \
      say("PASS %s [%d]", name, check_node);                                                               \
    } else {                                                                                               \
      say("FAIL %s [%d]: %s:%d: %s; last error: %s", name, check_node, __FILE__, __LINE__, #condition,     \
          merino_last_error());                                                                            \
      __atomic_fetch_add(&check_failures, 1, __ATOMIC_RELAXED);                                            \
    }                                                                                                      \
  } while (0)

/// This node's number, for the lines.
static int check_node = -1;

/// A sentence for people: begins, ends with a full stop, and says more than the words of the code.
static inline int is_sentence(const char *text) {
  size_t length = strlen(text);
  return length > 25 && text[length - 1] == '.' && strchr(text, ' ') != NULL;
}

/// One test: the call gives this code, and a failure leaves its sentence.
#define CHECK_CODE(call, code, name)                                                                       \
  do {                                                                                                     \
    int code_got = (call);                                                                                 \
    if (code_got == (code) && (code_got == 0 || is_sentence(merino_last_error()))) {                       \
      say("PASS %s [%d]", name, check_node);                                                               \
    } else {                                                                                               \
      say("FAIL %s [%d]: %s:%d: %s gave %d (%s), not %d; last error: %s", name, check_node, __FILE__,      \
          __LINE__, #call, code_got, merino_strerror(code_got), (code), merino_last_error());              \
      __atomic_fetch_add(&check_failures, 1, __ATOMIC_RELAXED);                                            \
    }                                                                                                      \
  } while (0)

/// What must succeed for the program to go on.
#define NEED(call)                                                                                         \
  do {                                                                                                     \
    int need_got = (call);                                                                                 \
    if (need_got < 0) {                                                                                    \
      say("FAIL %s [%d]: %s:%d: %s", #call, check_node, __FILE__, __LINE__, merino_last_error());          \
      merino_abort(3);                                                                                     \
    }                                                                                                      \
  } while (0)

/// Joins; the number of nodes.
static inline int join_job(void) {
  NEED(merino_init());
  check_node = merino_node();
  return merino_nodes();
}

/// Leaves; the exit code.
static inline int leave_job(void) {
  CHECK_CODE(merino_finalize(), MERINO_SUCCESS, "finalize");
  return check_failures == 0 ? 0 : 1;
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void sleep_ms(long milliseconds) {
  struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&t, NULL);
}

/// Starts a thread that runs `body(argument)`.
static inline pthread_t start(void *(*body)(void *), void *argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, body, argument) != 0) abort();
  return thread;
}

#endif
