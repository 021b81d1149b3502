// What Swift cannot reach: the pause hint, the byte-difference mask, the signal mask as one word,
// fields of ucontext_t, and calls that glibc hides behind _GNU_SOURCE or varargs.
// Vector builtins instead of <emmintrin.h>: that module of clang clashes with glibc's in Swift.
#ifndef CPLATFORM_H
#define CPLATFORM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "NoLocks.h"

// Waiting, waking and writing are system calls here and not functions of libc: those are cancellation points,
// and what is below runs with a page's lock bit held, or in the handler of a page fault, where no thread may
// end (pthread_cancel). A cancellation of the asynchronous type is a signal, and all signals are blocked
// there.

/// Tells the core that this is a spin-wait loop.
MERINO_NO_LOCKS static inline void cplatform_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

#if defined(__x86_64__)
typedef char cplatform_bytes16 __attribute__((vector_size(16), aligned(1)));
typedef char cplatform_vector16 __attribute__((vector_size(16)));

MERINO_NO_LOCKS static inline cplatform_vector16 cplatform_load16(const void *at) {
  return (cplatform_vector16)*(const cplatform_bytes16 *)at;
}
#endif

/// Bit i of the result is set where a[i] != b[i], for 16 bytes. Unaligned loads are fine.
MERINO_NO_LOCKS static inline uint32_t cplatform_difference_mask16(const void *a, const void *b) {
#if defined(__x86_64__)
  cplatform_vector16 equal = cplatform_load16(a) == cplatform_load16(b);
  return (uint32_t)__builtin_ia32_pmovmskb128(equal) ^ 0xFFFFu;
#else
  uint32_t mask = 0;
  const uint8_t *p = (const uint8_t *)a, *q = (const uint8_t *)b;
  for (int i = 0; i < 16; i++) mask |= (uint32_t)(p[i] != q[i]) << i;
  return mask;
#endif
}

/// Nonzero where the 64 bytes at a and b differ anywhere: the fast skip of the diff loop.
MERINO_NO_LOCKS static inline int cplatform_differs64(const void *a, const void *b) {
#if defined(__x86_64__)
  const char *p = (const char *)a, *q = (const char *)b;
  cplatform_vector16 any = (cplatform_load16(p) ^ cplatform_load16(q)) |
                           (cplatform_load16(p + 16) ^ cplatform_load16(q + 16)) |
                           (cplatform_load16(p + 32) ^ cplatform_load16(q + 32)) |
                           (cplatform_load16(p + 48) ^ cplatform_load16(q + 48));
  cplatform_vector16 zero = {0};
  return __builtin_ia32_pmovmskb128(any == zero) != 0xFFFF;
#else
  return memcmp(a, b, 64) != 0;
#endif
}

MERINO_NO_LOCKS static inline void cplatform_copy(void *to, const void *from, size_t bytes) {
  memcpy(to, from, bytes);
}

MERINO_NO_LOCKS static inline void cplatform_zero(void *at, size_t bytes) { memset(at, 0, bytes); }

/// Blocks every signal of this thread and returns the mask before, as the kernel's one word.
MERINO_NO_LOCKS static inline uint64_t cplatform_block_signals(void) {
  uint64_t all = ~(uint64_t)0, before = 0;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof all);
  return before;
}

MERINO_NO_LOCKS static inline void cplatform_restore_signals(uint64_t mask) {
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, (void *)0, sizeof mask);
}

MERINO_NO_LOCKS static inline void cplatform_yield(void) { sched_yield(); }

MERINO_NO_LOCKS static inline void cplatform_sleep_nanoseconds(uint64_t nanoseconds) {
  struct timespec wait = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
  syscall(SYS_nanosleep, &wait, (struct timespec *)0);
}

MERINO_NO_LOCKS static inline uint64_t cplatform_now_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/// The kernel's id of this thread: never zero.
static inline uint32_t cplatform_thread_id(void) {
  // Asked once a thread: a system call at every lock would be most of an uncontended one. Not for signal
  // handlers: the first use of a thread-local in a thread may allocate. (A child of fork() keeps its
  // parent's; it is no part of the job.)
  static _Thread_local uint32_t known;
  if (known == 0) known = (uint32_t)syscall(SYS_gettid);
  return known;
}

/// Gives the memory of whole private pages back; they read as zeros afterwards.
static inline void cplatform_discard_private(void *at, size_t bytes) { madvise(at, bytes, MADV_DONTNEED); }

MERINO_NO_LOCKS static inline int cplatform_mprotect(void *at, size_t bytes, int protection) {
  return mprotect(at, bytes, protection);
}

// <linux/falloc.h> and <linux/memfd.h> clash with glibc's headers under _GNU_SOURCE: the values are the
// kernel's.
static const int cplatform_map_fixed_noreplace = 0x100000;

/// An anonymous file in memory, closed on exec; -1 and errno where the system refuses.
static inline int cplatform_memfd_create(const char *name) {
  return (int)syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */);
}

/// Gives the memory of a range of a file back; the range reads as zeros and the size stays.
static inline int cplatform_punch_hole(int descriptor, int64_t offset, int64_t bytes) {
#if __SIZEOF_LONG__ == 8
  return (int)syscall(SYS_fallocate, descriptor, 3 /* PUNCH_HOLE | KEEP_SIZE */, offset, bytes);
#else
#error "Merino needs a 64-bit system"
#endif
}

/// The soft limit of locked memory in bytes; all ones where there is none.
static inline uint64_t cplatform_lockable_byte_count(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

/// The soft limit of a process's addresses in bytes; all ones where there is none.
static inline uint64_t cplatform_address_byte_count_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_AS, &limit) == 0 ? (uint64_t)limit.rlim_cur : ~(uint64_t)0;
}

/// The soft limit of a file's size in bytes; all ones where there is none.
static inline uint64_t cplatform_file_byte_count_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 ? (uint64_t)limit.rlim_cur : ~(uint64_t)0;
}

/// Processors that this process may run on, at least 1.
static inline int cplatform_processor_count(void) {
  unsigned long mask[128];
  // The kernel answers with the bytes that it has filled.
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int count = 0;
  for (long word = 0; word < bytes / (long)sizeof mask[0]; word++) count += __builtin_popcountl(mask[word]);
  return count > 0 ? count : 1;
}

/// A descriptor to wake a thread in poll(2): readable once something was written. -1 with errno.
static inline int cplatform_event_descriptor(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/// Makes an event descriptor readable; async-signal-safe, errno stays.
MERINO_NO_LOCKS static inline void cplatform_wake(int descriptor) {
  uint64_t one = 1;
  int saved = errno;
  // It fails only where the counter is full, and then the descriptor is readable already.
  long written = syscall(SYS_write, descriptor, &one, sizeof one);
  (void)written;
  errno = saved;
}

/// Makes an event descriptor unreadable until it is woken again.
static inline void cplatform_take_wakes(int descriptor) {
  uint64_t count;
  long taken = syscall(SYS_read, descriptor, &count, sizeof count);
  (void)taken;
}

/// No cancellation of this thread acts until `cplatform_restore_cancellation`, for calls of other libraries
/// that may make system calls of libc's. Async-signal-safe. What comes meanwhile acts at the thread's next
/// cancellation point.
MERINO_NO_LOCKS static inline int cplatform_disable_cancellation(void) {
  int before;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  return before;
}

MERINO_NO_LOCKS static inline void cplatform_restore_cancellation(int before) {
  pthread_setcancelstate(before, (int *)0);
}

/// Writes to standard error; async-signal-safe, errno stays.
MERINO_NO_LOCKS static inline void cplatform_write_error(const void *text, size_t bytes) {
  int saved = errno;
  long written = syscall(SYS_write, 2, text, bytes);
  (void)written;
  errno = saved;
}

/// This process's number.
MERINO_NO_LOCKS static inline int cplatform_process_id(void) { return (int)getpid(); }

/// 1,024 bytes of this process to put its last words together in.
MERINO_NO_LOCKS void *cplatform_last_words(void);

/// The last words of a process: to standard error, and its end without exit handlers.
__attribute__((noreturn)) MERINO_NO_LOCKS static inline void cplatform_write_and_exit(
    const void *text, size_t bytes, int code) {
  long written = syscall(SYS_write, 2, text, bytes);
  (void)written;
  _exit(code);
}

/// Whether this use of a thing of `kind` (`Injection.swift` of Platform) shall fail; counts it. There in
/// debug builds only.
MERINO_NO_LOCKS int cplatform_injection_strikes(int kind);
/// 1 and -1 around the service of a page fault, in which nothing fails.
MERINO_NO_LOCKS void cplatform_injection_fault(int change);
/// From here on the `nth` use of a thing of `kind` by the calling thread fails.
void cplatform_injection_arm(int kind, long nth);
/// Nothing fails any more. Whether something did.
int cplatform_injection_disarm(void);

MERINO_NO_LOCKS static inline int cplatform_errno(void) { return errno; }
MERINO_NO_LOCKS static inline void cplatform_set_errno(int value) { errno = value; }

#endif
