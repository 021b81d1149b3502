/* What fills a range of memory from a file. */
#include "Transfer.h"

#undef fread_unlocked /* a macro where the compiler optimises */

#define FILLED(type, start, bytes, call) \
  do { \
    struct transfer transfer = sysv_transfer_begin(file, CALLER, 0); \
    if (transfer.file >= 0) sysv_transfer_pin(&transfer, start, bytes, 1); \
    type result; \
    SYSV_TRANSFER(&transfer, 1, result, real()->call); \
    return result; \
  } while (0)

#define FILLED_PARTS(parts, count, call) \
  do { \
    struct transfer transfer = sysv_transfer_begin(file, CALLER, 0); \
    for (size_t i = 0; transfer.file >= 0 && i < (size_t)(count); i++) \
      sysv_transfer_pin(&transfer, (parts)[i].iov_base, (parts)[i].iov_len, 1); \
    ssize_t result; \
    SYSV_TRANSFER(&transfer, 1, result, real()->call); \
    return result; \
  } while (0)

SYSV_EXPORT ssize_t read(int file, void *start, size_t bytes) {
  FILLED(ssize_t, start, bytes, read(file, start, bytes));
}

SYSV_EXPORT ssize_t pread(int file, void *start, size_t bytes, off_t offset) {
  FILLED(ssize_t, start, bytes, pread(file, start, bytes, offset));
}
SYSV_EXPORT ssize_t pread64(int, void *, size_t, off64_t) __attribute__((alias("pread")));

SYSV_EXPORT ssize_t readv(int file, const struct iovec *parts, int count) {
  FILLED_PARTS(parts, count, readv(file, parts, count));
}

SYSV_EXPORT ssize_t recv(int file, void *start, size_t bytes, int flags) {
  FILLED(ssize_t, start, bytes, recv(file, start, bytes, flags));
}

SYSV_EXPORT ssize_t recvfrom(int file, void *start, size_t bytes, int flags, struct sockaddr *from,
                             socklen_t *length) {
  FILLED(ssize_t, start, bytes, recvfrom(file, start, bytes, flags, from, length));
}

SYSV_EXPORT ssize_t recvmsg(int file, struct msghdr *message, int flags) {
  FILLED_PARTS(message->msg_iov, message->msg_iovlen, recvmsg(file, message, flags));
}

/* Large blocks are read right into the program's memory. */
SYSV_EXPORT size_t fread(void *start, size_t size, size_t count, FILE *stream) {
  if (!sysv_has_views()) return real()->fread(start, size, count, stream);
  int file = fileno(stream);
  FILLED(size_t, start, size * count, fread(start, size, count, stream));
}

SYSV_EXPORT size_t fread_unlocked(void *start, size_t size, size_t count, FILE *stream) {
  if (!sysv_has_views()) return real()->fread_unlocked(start, size, count, stream);
  int file = fileno(stream);
  FILLED(size_t, start, size * count, fread_unlocked(start, size, count, stream));
}

SYSV_EXPORT ssize_t preadv(int file, const struct iovec *parts, int count, off_t offset) {
  FILLED_PARTS(parts, count, preadv(file, parts, count, offset));
}
SYSV_EXPORT ssize_t preadv64(int, const struct iovec *, int, off64_t) __attribute__((alias("preadv")));

/* ---- The same, as programs call them that are compiled with _FORTIFY_SOURCE */

SYSV_EXPORT ssize_t __read_chk(int file, void *start, size_t bytes, size_t room) {
  if (bytes > room) __chk_fail();
  FILLED(ssize_t, start, bytes, read(file, start, bytes));
}

SYSV_EXPORT ssize_t __pread_chk(int file, void *start, size_t bytes, off_t offset, size_t room) {
  if (bytes > room) __chk_fail();
  FILLED(ssize_t, start, bytes, pread(file, start, bytes, offset));
}
SYSV_EXPORT ssize_t __pread64_chk(int, void *, size_t, off64_t, size_t) __attribute__((alias("__pread_chk")));

SYSV_EXPORT ssize_t __recv_chk(int file, void *start, size_t bytes, size_t room, int flags) {
  if (bytes > room) __chk_fail();
  FILLED(ssize_t, start, bytes, recv(file, start, bytes, flags));
}

SYSV_EXPORT ssize_t __recvfrom_chk(int file, void *start, size_t bytes, size_t room, int flags,
                                   struct sockaddr *from, socklen_t *length) {
  if (bytes > room) __chk_fail();
  FILLED(ssize_t, start, bytes, recvfrom(file, start, bytes, flags, from, length));
}

SYSV_EXPORT size_t __fread_chk(void *start, size_t room, size_t size, size_t count, FILE *stream) {
  if (size != 0 && count > room / size) __chk_fail();
  int file = fileno(stream);
  FILLED(size_t, start, size * count, fread(start, size, count, stream));
}
