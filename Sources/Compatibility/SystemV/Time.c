#include "SystemV.h"

int sysv_until(clockid_t clock, const struct timespec *due, uint64_t *nanoseconds) {
  struct timespec now;
  if (due->tv_nsec < 0 || due->tv_nsec >= 1000000000 || clock_gettime(clock, &now) != 0) return EINVAL;
  int64_t seconds = due->tv_sec - now.tv_sec, rest = due->tv_nsec - now.tv_nsec;
  /* A hundred years are for ever. */
  if (seconds > 3153600000) seconds = 3153600000;
  if (seconds < -1) seconds = -1;
  int64_t left = seconds * 1000000000 + rest;
  *nanoseconds = left > 0 ? (uint64_t)left : 0;
  return 0;
}
