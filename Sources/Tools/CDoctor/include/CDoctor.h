// What `merino doctor` asks the kernel and Swift cannot: variadic calls.
#ifndef CDOCTOR_H
#define CDOCTOR_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Asks for the features of userfaultfd. 0 and the bits in `features`, or an errno. `user_only` is set where
/// faults of the kernel (in system calls) would not be reported to this user.
static inline int cdoctor_userfault_features(uint64_t *features, int *user_only) {
  const int flags = O_CLOEXEC | O_NONBLOCK;
  *user_only = 0;
  long descriptor = syscall(SYS_userfaultfd, flags);
  if (descriptor < 0 && errno == EPERM) {
    *user_only = 1;
    descriptor = syscall(SYS_userfaultfd, flags | 1 /* UFFD_USER_MODE_ONLY, Linux 5.11 */);
  }
  if (descriptor < 0) return errno;
  struct uffdio_api question = {.api = UFFD_API, .features = 0};
  int code = ioctl((int)descriptor, UFFDIO_API, &question) < 0 ? errno : 0;
  *features = question.features;
  close((int)descriptor);
  return code;
}

/// Whether address-space randomisation is off for this process (`setarch -R`).
static inline int cdoctor_addresses_fixed(void) {
  int persona = personality(0xffffffff);
  return persona != -1 && (persona & 0x0040000 /* ADDR_NO_RANDOMIZE */) != 0;
}

/// Processors that this process may use; -1 with errno. The raw call: glibc's macros for the set do not
/// import.
static inline int cdoctor_usable_processors(void) {
  uint64_t mask[1024] = {0};
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  if (bytes < 0) return -1;
  int count = 0;
  for (long word = 0; word < bytes / 8; word++) count += __builtin_popcountll(mask[word]);
  return count;
}

#endif
