/* Programs of this kind often poll: they sleep until another process has written something. And they tell
 * each other by pipes, sockets and locks on files that it has. Merino orders nothing by itself there, so
 * these calls do: before them what this process wrote is made visible, after them what others wrote is. */
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/file.h>

#include "Transfer.h"

static void order(int (*fence)(void), const char *what) {
  int before = errno;
  if (sysv_is_inside() || !sysv_is_node()) return;
  sysv_inside_begin();
  if (fence() != MERINO_SUCCESS) sysv_end(what);
  sysv_inside_end();
  errno = before;
}

void sysv_release(void) { order(merino_fence_release, "making writes visible"); }

void sysv_acquire(void) { order(merino_fence_acquire, "seeing what others wrote"); }

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

SYSV_EXPORT int nanosleep(const struct timespec *wanted, struct timespec *left) {
  ORDERED(int, nanosleep(wanted, left));
}

SYSV_EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted,
                                struct timespec *left) {
  ORDERED(int, clock_nanosleep(clock, flags, wanted, left));
}

SYSV_EXPORT int sched_yield(void) { ORDERED(int, sched_yield()); }

/* The kernel fills the array, which may lie in shared memory. */
static int poll_files(struct pollfd *files, nfds_t count, int milliseconds, const void *caller) {
  if (!concerns(caller)) return real()->poll(files, count, milliseconds);
  sysv_release();
  struct transfer transfer = {.file = -1};
  sysv_transfer_pin(&transfer, files, count * sizeof *files, 1);
  int result;
  SYSV_TRANSFER(&transfer, 0, result, real()->poll(files, count, milliseconds));
  sysv_acquire();
  return result;
}

SYSV_EXPORT int poll(struct pollfd *files, nfds_t count, int milliseconds) {
  return poll_files(files, count, milliseconds, CALLER);
}

/* As programs call it that are compiled with _FORTIFY_SOURCE. */
SYSV_EXPORT int __poll_chk(struct pollfd *files, nfds_t count, int milliseconds, size_t room) {
  if (count > room / sizeof *files) __chk_fail();
  return poll_files(files, count, milliseconds, CALLER);
}

SYSV_EXPORT int epoll_wait(int file, struct epoll_event *events, int count, int milliseconds) {
  ORDERED(int, epoll_wait(file, events, count, milliseconds));
}

SYSV_EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *limit) {
  ORDERED(int, select(count, in, out, other, limit));
}

/* ---- Locks on files: whatever is asked for may give something back, and get something */

#define ORDERED_IF(condition, call) \
  do { \
    int is_ordered = (condition) && concerns(CALLER); \
    if (is_ordered) sysv_release(); \
    int result = real()->call; \
    if (is_ordered && result == 0) sysv_acquire(); \
    return result; \
  } while (0)

SYSV_EXPORT int flock(int file, int operation) { ORDERED_IF(1, flock(file, operation)); }

SYSV_EXPORT int lockf(int file, int command, off_t bytes) { ORDERED_IF(1, lockf(file, command, bytes)); }

static int is_record_lock(int command) {
  return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

SYSV_EXPORT int fcntl(int file, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  /* Whatever it is, and also where it is not there: it fills a register. */
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  ORDERED_IF(is_record_lock(command), fcntl(file, command, argument));
}

/* ---- The end of a file: a message to whoever reads it, and the end of the locks on it */

SYSV_EXPORT int close(int file) {
  if (file > STDERR_FILENO && concerns(CALLER)) sysv_release();
  return real()->close(file);
}

SYSV_EXPORT int shutdown(int file, int how) {
  if (concerns(CALLER)) sysv_release();
  return real()->shutdown(file, how);
}

SYSV_EXPORT int fclose(FILE *stream) {
  if (concerns(CALLER)) sysv_release();
  return real()->fclose(stream);
}

SYSV_EXPORT int fflush(FILE *stream) {
  if (concerns(CALLER)) sysv_release();
  return real()->fflush(stream);
}

/* What programs call that are compiled for files of any size. */
SYSV_EXPORT int fcntl64(int, int, ...) __attribute__((alias("fcntl")));
SYSV_EXPORT int lockf64(int, int, off64_t) __attribute__((alias("lockf")));
