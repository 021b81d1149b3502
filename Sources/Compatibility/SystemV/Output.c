/* What writes a range of memory to a file. */
#include "Transfer.h"

#undef fwrite_unlocked /* a macro where the compiler optimises */

#define EMPTIED(type, start, bytes, call) \
  do { \
    struct transfer transfer = sysv_transfer_begin(file, CALLER, 1); \
    if (transfer.file >= 0) sysv_transfer_pin(&transfer, start, bytes, 0); \
    type result; \
    SYSV_TRANSFER(&transfer, 0, result, real()->call); \
    return result; \
  } while (0)

#define EMPTIED_PARTS(parts, count, call) \
  do { \
    struct transfer transfer = sysv_transfer_begin(file, CALLER, 1); \
    for (size_t i = 0; transfer.file >= 0 && i < (size_t)(count); i++) \
      sysv_transfer_pin(&transfer, (parts)[i].iov_base, (parts)[i].iov_len, 0); \
    ssize_t result; \
    SYSV_TRANSFER(&transfer, 0, result, real()->call); \
    return result; \
  } while (0)

SYSV_EXPORT ssize_t write(int file, const void *start, size_t bytes) {
  EMPTIED(ssize_t, start, bytes, write(file, start, bytes));
}

SYSV_EXPORT ssize_t pwrite(int file, const void *start, size_t bytes, off_t offset) {
  EMPTIED(ssize_t, start, bytes, pwrite(file, start, bytes, offset));
}
SYSV_EXPORT ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));

SYSV_EXPORT ssize_t writev(int file, const struct iovec *parts, int count) {
  EMPTIED_PARTS(parts, count, writev(file, parts, count));
}

SYSV_EXPORT ssize_t send(int file, const void *start, size_t bytes, int flags) {
  EMPTIED(ssize_t, start, bytes, send(file, start, bytes, flags));
}

SYSV_EXPORT ssize_t sendto(int file, const void *start, size_t bytes, int flags, const struct sockaddr *to,
                           socklen_t length) {
  EMPTIED(ssize_t, start, bytes, sendto(file, start, bytes, flags, to, length));
}

SYSV_EXPORT ssize_t sendmsg(int file, const struct msghdr *message, int flags) {
  EMPTIED_PARTS(message->msg_iov, message->msg_iovlen, sendmsg(file, message, flags));
}

/* Large blocks are written right from the program's memory. */
SYSV_EXPORT size_t fwrite(const void *start, size_t size, size_t count, FILE *stream) {
  if (!sysv_has_views()) return real()->fwrite(start, size, count, stream);
  int file = fileno(stream);
  EMPTIED(size_t, start, size * count, fwrite(start, size, count, stream));
}

SYSV_EXPORT size_t fwrite_unlocked(const void *start, size_t size, size_t count, FILE *stream) {
  if (!sysv_has_views()) return real()->fwrite_unlocked(start, size, count, stream);
  int file = fileno(stream);
  EMPTIED(size_t, start, size * count, fwrite_unlocked(start, size, count, stream));
}

SYSV_EXPORT ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
  EMPTIED_PARTS(parts, count, pwritev(file, parts, count, offset));
}
SYSV_EXPORT ssize_t pwritev64(int, const struct iovec *, int, off64_t) __attribute__((alias("pwritev")));
