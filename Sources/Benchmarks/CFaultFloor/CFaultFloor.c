#define _GNU_SOURCE
#include "CFaultFloor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// What the handler needs. Written before the handler is installed, on the thread that takes the faults.
static struct {
  unsigned char *home;         // where pages come from: another memfd, as another node's frames
  unsigned char *frames;       // this node's frames, always writable
  unsigned char *application;  // the same frames, protected
  size_t bytes;
  size_t page_bytes;
  cfaultfloor_kind_t kind;
  cfaultfloor_times_t stamps;  // of the last fault: clock readings, not differences
  struct sigaction before;
} floor_state;

static uint64_t now_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t stamp(void) { return floor_state.kind.stamps ? now_nanoseconds() : 0; }

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  int saved = errno;
  floor_state.stamps.trap = stamp();
  size_t offset = (size_t)((unsigned char *)info->si_addr - floor_state.application);
  if (offset >= floor_state.bytes) {
    // Not ours: with the former action back in place the access faults again, and goes there.
    sigaction(signal, &floor_state.before, NULL);
    return;
  }
  offset -= offset % floor_state.page_bytes;
  if (floor_state.kind.copies) {
    memcpy(floor_state.frames + offset, floor_state.home + offset, floor_state.page_bytes);
  }
  if (floor_state.kind.fetch != NULL) floor_state.kind.fetch(floor_state.kind.context);
  floor_state.stamps.copy = stamp();
  int protection = floor_state.kind.access == CFAULTFLOOR_ACCESS_READ ? PROT_READ : PROT_READ | PROT_WRITE;
  mprotect(floor_state.application + offset, floor_state.page_bytes, protection);
  floor_state.stamps.protect = stamp();
  errno = saved;
}

static int is_permutation(const uint32_t *order, size_t pages) {
  unsigned char *seen = calloc(pages, 1);
  if (seen == NULL) return 0;
  size_t distinct = 0;
  for (size_t i = 0; i < pages; i++) {
    if (order[i] < pages && !seen[order[i]]) {
      seen[order[i]] = 1;
      distinct++;
    }
  }
  free(seen);
  return distinct == pages;
}

// The bytes of a page: its number, all over, never zero.
static unsigned char contents(size_t page) { return (unsigned char)(page % 251 + 1); }

static unsigned char *map_shared(int descriptor, size_t bytes, int protection) {
  void *at = mmap(NULL, bytes, protection, MAP_SHARED, descriptor, 0);
  return at == MAP_FAILED ? NULL : at;
}

// The frames have memory, and both views of them have their page-table entries, as after an earlier fetch:
// else each read would take a second, minor fault behind the mprotect, and the floor would not be one.
static int make_resident(size_t bytes, const char **failed_call) {
  memset(floor_state.frames, 0, bytes);
  if (floor_state.kind.frames == CFAULTFLOOR_FRAMES_UNMAPPED) return 0;
  int writes = floor_state.kind.access != CFAULTFLOOR_ACCESS_READ;
  *failed_call = "mprotect";
  if (mprotect(floor_state.application, bytes, writes ? PROT_READ | PROT_WRITE : PROT_READ) != 0)
    return errno;
  for (size_t at = 0; at < bytes; at += floor_state.page_bytes) {
    volatile unsigned char *byte = floor_state.application + at;
    if (writes) *byte = 0;
    (void)*byte;
  }
  int protection = floor_state.kind.access == CFAULTFLOOR_ACCESS_UPGRADE ? PROT_READ : PROT_NONE;
  return mprotect(floor_state.application, bytes, protection) != 0 ? errno : 0;
}

static int set_up(int home, int frames, size_t bytes, const char **failed_call) {
  *failed_call = "ftruncate";
  if (ftruncate(home, (off_t)bytes) != 0 || ftruncate(frames, (off_t)bytes) != 0) return errno;
  *failed_call = "mmap";
  floor_state.home = map_shared(home, bytes, PROT_READ | PROT_WRITE);
  floor_state.frames = map_shared(frames, bytes, PROT_READ | PROT_WRITE);
  floor_state.application = map_shared(frames, bytes, PROT_NONE);
  if (!floor_state.home || !floor_state.frames || !floor_state.application) return errno;
  for (size_t at = 0; at < bytes; at += floor_state.page_bytes) {
    memset(floor_state.home + at, contents(at / floor_state.page_bytes), floor_state.page_bytes);
  }
  return floor_state.kind.frames == CFAULTFLOOR_FRAMES_EMPTY ? 0 : make_resident(bytes, failed_call);
}

static void tear_down(size_t bytes) {
  if (floor_state.home) munmap(floor_state.home, bytes);
  if (floor_state.frames) munmap(floor_state.frames, bytes);
  if (floor_state.application) munmap(floor_state.application, bytes);
  floor_state.home = floor_state.frames = floor_state.application = NULL;
}

// The access whose time is taken; false where the page's contents are wrong.
static int access_page(size_t page, cfaultfloor_times_t *times) {
  volatile unsigned char *byte = floor_state.application + page * floor_state.page_bytes;
  int reads = floor_state.kind.access == CFAULTFLOOR_ACCESS_READ;
  unsigned char value = contents(page);
  uint64_t began = now_nanoseconds();
  if (reads) {
    value = *byte;
  } else {
    *byte = value;
  }
  uint64_t ended = now_nanoseconds();
  times->total = ended - began;
  if (floor_state.kind.stamps) {
    times->trap = floor_state.stamps.trap - began;
    times->copy = floor_state.stamps.copy - floor_state.stamps.trap;
    times->protect = floor_state.stamps.protect - floor_state.stamps.copy;
    times->resume = ended - floor_state.stamps.protect;
  }
  if (!reads) return floor_state.frames[page * floor_state.page_bytes] == value;
  return value == (floor_state.kind.copies ? contents(page) : 0);
}

static int take_faults(const uint32_t *order, size_t pages, cfaultfloor_times_t *times,
                       const char **failed_call) {
  struct sigaction action = {0};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  *failed_call = "sigaction";
  if (sigaction(SIGSEGV, &action, &floor_state.before) != 0) return errno;
  int wrong = 0;
  for (size_t i = 0; i < pages; i++) wrong |= !access_page(order[i], &times[i]);
  *failed_call = "check of the pages' contents";
  int status = wrong ? EIO : 0;
  if (sigaction(SIGSEGV, &floor_state.before, NULL) != 0) {
    *failed_call = "sigaction";
    return errno;
  }
  return status;
}

int cfaultfloor_measure(const uint32_t *order, size_t pages, size_t page_bytes,
                        const cfaultfloor_kind_t *kind, cfaultfloor_times_t *times,
                        const char **failed_call) {
  long system_page = sysconf(_SC_PAGESIZE);
  *failed_call = "check of the arguments";
  if (pages == 0 || page_bytes == 0 || page_bytes % (size_t)system_page != 0) return EINVAL;
  // A page without memory has nothing that was readable before.
  if (kind->frames != CFAULTFLOOR_FRAMES_RESIDENT && kind->access == CFAULTFLOOR_ACCESS_UPGRADE)
    return EINVAL;
  if (!is_permutation(order, pages)) return EINVAL;
  floor_state.kind = *kind;
  floor_state.bytes = pages * page_bytes;
  floor_state.page_bytes = page_bytes;

  *failed_call = "memfd_create";
  int home = memfd_create("fault-floor-home", MFD_CLOEXEC);
  if (home < 0) return errno;
  int own = memfd_create("fault-floor-frames", MFD_CLOEXEC);
  if (own < 0) {
    int status = errno;
    close(home);
    return status;
  }
  int status = set_up(home, own, floor_state.bytes, failed_call);
  if (status == 0) status = take_faults(order, pages, times, failed_call);
  tear_down(floor_state.bytes);
  close(home);
  close(own);
  return status;
}
