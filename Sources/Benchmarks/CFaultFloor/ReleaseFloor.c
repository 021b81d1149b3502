#define _GNU_SOURCE
#include "CFaultFloor.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// The memory of a measurement: frames in two views, as a node's, and twins.
struct release_memory {
  unsigned char *frames;
  unsigned char *application;
  unsigned char *twins;
  size_t bytes;
};

static uint64_t now_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static unsigned char *map(int descriptor, size_t bytes) {
  int flags = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, descriptor, 0);
  return at == MAP_FAILED ? NULL : at;
}

static int set_up(struct release_memory *memory, int descriptor, const char **failed_call) {
  *failed_call = "ftruncate";
  if (ftruncate(descriptor, (off_t)memory->bytes) != 0) return errno;
  *failed_call = "mmap";
  memory->frames = map(descriptor, memory->bytes);
  memory->application = map(descriptor, memory->bytes);
  memory->twins = map(-1, memory->bytes);
  if (!memory->frames || !memory->application || !memory->twins) return errno;
  memset(memory->frames, 1, memory->bytes);
  memset(memory->twins, 1, memory->bytes);
  return 0;
}

static void tear_down(struct release_memory *memory) {
  if (memory->frames) munmap(memory->frames, memory->bytes);
  if (memory->application) munmap(memory->application, memory->bytes);
  if (memory->twins) munmap(memory->twins, memory->bytes);
}

// One call where the pages are contiguous, else one for each.
static int protect_pages(const struct release_memory *memory, size_t pages, size_t page_bytes, size_t stride,
                         int protection) {
  if (stride == 1) return mprotect(memory->application, pages * page_bytes, protection);
  for (size_t i = 0; i < pages; i++) {
    if (mprotect(memory->application + i * stride * page_bytes, page_bytes, protection) != 0) return -1;
  }
  return 0;
}

static int round_of(const struct release_memory *memory, size_t pages, size_t page_bytes, size_t stride,
                    uint64_t *protect, uint64_t *compare, const char **failed_call) {
  *failed_call = "mprotect";
  if (protect_pages(memory, pages, page_bytes, stride, PROT_READ | PROT_WRITE) != 0) return errno;
  for (size_t i = 0; i < pages; i++)
    *(volatile unsigned char *)(memory->application + i * stride * page_bytes) = 1;
  uint64_t began = now_nanoseconds();
  if (protect_pages(memory, pages, page_bytes, stride, PROT_READ) != 0) return errno;
  uint64_t protected = now_nanoseconds();
  int different = 0;
  for (size_t i = 0; i < pages; i++) {
    size_t at = i * stride * page_bytes;
    different |= memcmp(memory->frames + at, memory->twins + at, page_bytes) != 0;
  }
  *protect = protected - began;
  *compare = now_nanoseconds() - protected;
  *failed_call = "check of the pages' contents";
  return different ? EIO : 0;
}

int cfaultfloor_release(size_t pages, size_t page_bytes, size_t stride, size_t rounds, uint64_t *protect,
                        uint64_t *compare, const char **failed_call) {
  *failed_call = "check of the arguments";
  if (pages == 0 || stride == 0 || page_bytes == 0 || page_bytes % (size_t)sysconf(_SC_PAGESIZE) != 0)
    return EINVAL;
  struct release_memory memory = {0};
  memory.bytes = pages * stride * page_bytes;
  *failed_call = "memfd_create";
  int descriptor = memfd_create("release-floor", MFD_CLOEXEC);
  if (descriptor < 0) return errno;
  int status = set_up(&memory, descriptor, failed_call);
  // The first round is not reported: it takes the minor faults of the application's view.
  uint64_t ignored = 0;
  if (status == 0) status = round_of(&memory, pages, page_bytes, stride, &ignored, &ignored, failed_call);
  for (size_t i = 0; i < rounds && status == 0; i++) {
    status = round_of(&memory, pages, page_bytes, stride, &protect[i], &compare[i], failed_call);
  }
  tear_down(&memory);
  close(descriptor);
  return status;
}
