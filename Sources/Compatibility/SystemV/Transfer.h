/* A system call does not take page faults: into a page that is not here, read(2) gives EFAULT. So the range
 * is pinned. */
#ifndef MERINO_SYSV_TRANSFER_H
#define MERINO_SYSV_TRANSFER_H

#include <pthread.h>
#include <sys/mman.h>

#include "Real.h"

enum { TRANSFER_PINS = 16 };

struct transfer {
  int file;
  int is_ordered; /* through a pipe or a socket: the message orders what is around it */
  int count;
  struct {
    void *start;
    size_t bytes;
  } pins[TRANSFER_PINS];
};

/* libc's, for calls with _FORTIFY_SOURCE. */
MERINO_NORETURN void __chk_fail(void);

/* Before a call of `caller` on a file; -1 for no file that could be a pipe or a socket. */
struct transfer sysv_transfer_begin(int file, const void *caller, int is_output);
/* Pins what of a range is shared, for reading or writing by the kernel. */
void sysv_transfer_pin(struct transfer *transfer, const void *start, size_t bytes, int is_written);
/* The call itself, a cancellation point: what is pinned is unpinned also where it ends the thread. */
#define SYSV_TRANSFER(transfer, is_input, result, call) \
  do { \
    if ((transfer)->count == 0) { \
      result = call; \
    } else { \
      pthread_cleanup_push(sysv_transfer_cancelled, transfer); \
      result = call; \
      pthread_cleanup_pop(0); \
    } \
    sysv_transfer_end(transfer, is_input); \
  } while (0)
void sysv_transfer_cancelled(void *transfer);
/* After it; keeps errno. */
void sysv_transfer_end(struct transfer *transfer, int is_input);

#endif
