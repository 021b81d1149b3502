/* Programs of this kind often poll: they sleep until another process has written something. And they tell each other by
 * pipes, sockets and locks on files that it has. Merino orders nothing by itself there, so these calls do: before them
 * what this process wrote is made visible, after them what others wrote is. */
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/file.h>

#include "Real.h"

void sysv_release(void) {
  int before = errno;
  if (sysv_is_node() && merino_fence_release() != MERINO_SUCCESS) sysv_end("making writes visible");
  errno = before;
}

void sysv_acquire(void) {
  int before = errno;
  if (sysv_is_node() && merino_fence_acquire() != MERINO_SUCCESS) sysv_end("seeing what others wrote");
  errno = before;
}

static int concerns(const void *caller) { return sysv_has_views() && !sysv_is_ours(caller); }

#define ORDERED(type, call) \
  do { \
    int is_ordered = concerns(CALLER); \
    if (is_ordered) sysv_release(); \
    type result = real()->call; \
    if (is_ordered) sysv_acquire(); \
    return result; \
  } while (0)

SYSV_EXPORT unsigned sleep(unsigned seconds) { ORDERED(unsigned, sleep(seconds)); }

SYSV_EXPORT int usleep(useconds_t microseconds) { ORDERED(int, usleep(microseconds)); }

SYSV_EXPORT int nanosleep(const struct timespec *wanted, struct timespec *left) { ORDERED(int, nanosleep(wanted, left)); }

SYSV_EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
  ORDERED(int, clock_nanosleep(clock, flags, wanted, left));
}

SYSV_EXPORT int sched_yield(void) { ORDERED(int, sched_yield()); }

SYSV_EXPORT int poll(struct pollfd *files, nfds_t count, int milliseconds) {
  ORDERED(int, poll(files, count, milliseconds));
}

SYSV_EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *limit) {
  ORDERED(int, select(count, in, out, other, limit));
}

/* ---- Locks on files */

SYSV_EXPORT int flock(int file, int operation) {
  int is_ordered = concerns(CALLER), is_unlock = (operation & ~LOCK_NB) == LOCK_UN;
  if (is_ordered && is_unlock) sysv_release();
  int result = real()->flock(file, operation);
  if (is_ordered && !is_unlock && result == 0) sysv_acquire();
  return result;
}

SYSV_EXPORT int lockf(int file, int command, off_t bytes) {
  int is_ordered = concerns(CALLER);
  if (is_ordered && command == F_ULOCK) sysv_release();
  int result = real()->lockf(file, command, bytes);
  if (is_ordered && command != F_ULOCK && result == 0) sysv_acquire();
  return result;
}

static int is_record_lock(int command) {
  return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

SYSV_EXPORT int fcntl(int file, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  /* Whatever it is, and also where it is not there: it fills a register. */
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (!is_record_lock(command) || !concerns(CALLER)) return real()->fcntl(file, command, argument);
  int is_unlock = ((struct flock *)argument)->l_type == F_UNLCK;
  if (is_unlock) sysv_release();
  int result = real()->fcntl(file, command, argument);
  if (!is_unlock && result == 0) sysv_acquire();
  return result;
}

/* What programs call that are compiled for files of any size. */
SYSV_EXPORT int fcntl64(int, int, ...) __attribute__((alias("fcntl")));
SYSV_EXPORT int lockf64(int, int, off64_t) __attribute__((alias("lockf")));
