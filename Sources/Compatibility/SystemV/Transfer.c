#include "Transfer.h"

#include <sys/stat.h>

static int carries_messages(int file) {
  struct stat status;
  int before = errno;
  int is_such =
      file >= 0 && fstat(file, &status) == 0 && (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode));
  errno = before;
  return is_such;
}

struct transfer sysv_transfer_begin(int file, const void *caller, int is_output) {
  struct transfer transfer = {.file = -1};
  if (!sysv_has_views() || sysv_is_ours(caller) || sysv_is_inside() || !sysv_is_node()) return transfer;
  transfer.file = file;
  transfer.is_ordered = carries_messages(file);
  if (transfer.is_ordered && is_output) sysv_release();
  return transfer;
}

void sysv_transfer_pin(struct transfer *transfer, const void *start, size_t bytes, int is_written) {
  struct sysv_view view;
  uintptr_t at = (uintptr_t)start, end = at + bytes;
  if (!sysv_has_views() || end < at) return;
  while (at < end && transfer->count < TRANSFER_PINS && sysv_view_find((void *)at, end - at, &view)) {
    uintptr_t first = at > view.start ? at : view.start, last = end < view.end ? end : view.end;
    int before = errno;
    sysv_inside_begin();
    /* Where it cannot be pinned (a read-only view), the call says EFAULT as it would anyway. */
    int protection = is_written ? PROT_READ | PROT_WRITE : PROT_READ;
    if (merino_pin((void *)first, last - first, protection) == MERINO_SUCCESS) {
      transfer->pins[transfer->count].start = (void *)first;
      transfer->pins[transfer->count++].bytes = last - first;
    }
    sysv_inside_end();
    errno = before;
    at = last;
  }
}

void sysv_transfer_end(struct transfer *transfer, int is_input) {
  int before = errno;
  sysv_inside_begin();
  for (int i = 0; i < transfer->count; i++) merino_unpin(transfer->pins[i].start, transfer->pins[i].bytes);
  sysv_inside_end();
  if (transfer->is_ordered && is_input) sysv_acquire();
  errno = before;
}

void sysv_transfer_cancelled(void *transfer) { sysv_transfer_end(transfer, 0); }
