/* The arena of a heap that CREATE carries, at the same address on all nodes. Everything that the allocator
 * knows is in the arena, too: a created process can free and resize what it was given, and its own changes
 * are its own, as after fork. */
#include "Arena.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "Runtime.h"

/* Where neither Merino (Sources/Process/Node/AddressSpace/AddressReservation.swift) nor the system puts
 * anything. */
#define ARENA_START ((uintptr_t)0x23c000000000)
#define ARENA_BYTES ((size_t)64 << 30)
#define GRAIN PARMACS_GRAIN
#define BINS 40

/* What stands before each block's bytes. The block before it can be found where that is free. */
struct block {
  size_t before;             /* bytes of the block before, where that is free */
  size_t bytes;              /* with this head; a multiple of GRAIN; bit 0: in use, bit 1: that before is */
  struct block *next, *last; /* of a free block */
};
#define HEAD offsetof(struct block, next)
#define SMALLEST sizeof(struct block)
enum { IN_USE = 1, BEFORE_IN_USE = 2, FLAGS = 3 };

/* At the start of the arena. */
struct arena {
  uintptr_t top; /* where the part begins that has never been used */
  struct block *bins[BINS];
};

static struct RUNTIME_PAGES {
  struct arena *arena;
  pthread_mutex_t mutex;
} state RUNTIME_STATE = {NULL, PTHREAD_MUTEX_INITIALIZER};

static size_t size_of(const struct block *block) { return block->bytes & ~(size_t)FLAGS; }

static struct block *after(struct block *block) { return (struct block *)((char *)block + size_of(block)); }

int parmacs_arena_has(const void *bytes) {
  return (uintptr_t)bytes >= ARENA_START && (uintptr_t)bytes < ARENA_START + ARENA_BYTES;
}

static void map_arena(void) {
  void *got = mmap((void *)ARENA_START, ARENA_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != (void *)ARENA_START) {
    parmacs_fail(
        NULL, 0,
        "the carried heap: mmap of %zu bytes at 0x%zx: %m; allow overcommit (vm.overcommit_memory=0)",
        ARENA_BYTES, (size_t)ARENA_START);
  }
  state.arena = got;
  state.arena->top = ARENA_START + ((sizeof *state.arena + GRAIN - 1) & ~(size_t)(GRAIN - 1));
}

struct extent parmacs_heap_extent(void) {
  if (state.arena == NULL) map_arena();
  return (struct extent){ARENA_START, state.arena->top};
}

/* ---- Free blocks, in bins of sizes from a power of two to the next */

static int bin_of(size_t bytes) {
  int bin = 63 - __builtin_clzl(bytes);
  return bin < BINS ? bin : BINS - 1;
}

static void put(struct block *block) {
  struct block **first = &state.arena->bins[bin_of(size_of(block))];
  block->last = NULL;
  block->next = *first;
  if (*first != NULL) (*first)->last = block;
  *first = block;
}

static void take_out(struct block *block) {
  if (block->last != NULL) block->last->next = block->next;
  else state.arena->bins[bin_of(size_of(block))] = block->next;
  if (block->next != NULL) block->next->last = block->last;
}

/* The last block before the top is always in use: a free one becomes part of what has never been used. */
static void release(struct block *block) {
  size_t bytes = size_of(block);
  if ((block->bytes & BEFORE_IN_USE) == 0) {
    struct block *before = (struct block *)((char *)block - block->before);
    take_out(before);
    bytes += size_of(before);
    block = before;
  }
  struct block *next = (struct block *)((char *)block + bytes);
  if ((uintptr_t)next != state.arena->top && (next->bytes & IN_USE) == 0) {
    take_out(next);
    bytes += size_of(next);
    next = (struct block *)((char *)block + bytes);
  }
  block->bytes = bytes | BEFORE_IN_USE;
  if ((uintptr_t)next == state.arena->top) {
    state.arena->top = (uintptr_t)block;
    return;
  }
  next->before = bytes;
  next->bytes &= ~(size_t)BEFORE_IN_USE;
  put(block);
}

/* Gives back what a block in use has beyond `bytes`. */
static void trim(struct block *block, size_t bytes) {
  size_t rest = size_of(block) - bytes;
  if (rest < SMALLEST) return;
  block->bytes = bytes | (block->bytes & FLAGS);
  struct block *other = after(block);
  other->bytes = rest | IN_USE | BEFORE_IN_USE;
  release(other);
}

static struct block *from_bins(size_t bytes) {
  for (int bin = bin_of(bytes); bin < BINS; bin++) {
    for (struct block *block = state.arena->bins[bin]; block != NULL; block = block->next) {
      if (size_of(block) < bytes) continue;
      take_out(block);
      block->bytes |= IN_USE;
      after(block)->bytes |= BEFORE_IN_USE;
      trim(block, bytes);
      return block;
    }
  }
  return NULL;
}

static struct block *from_top(size_t bytes) {
  if (bytes > ARENA_START + ARENA_BYTES - state.arena->top - SMALLEST) return NULL;
  struct block *block = (struct block *)state.arena->top;
  state.arena->top += bytes;
  block->bytes = bytes | IN_USE | BEFORE_IN_USE;
  return block;
}

/* ---- What the heap calls */

static size_t with_head(size_t bytes) {
  size_t all = (bytes + HEAD + GRAIN - 1) & ~(size_t)(GRAIN - 1);
  return all < SMALLEST ? SMALLEST : all;
}

/* Makes the block begin at a multiple of `alignment`, giving back what is before. */
static struct block *align(struct block *block, size_t alignment) {
  uintptr_t start = (uintptr_t)block + HEAD, aligned = (start + alignment - 1) & ~(uintptr_t)(alignment - 1);
  if (aligned == start) return block;
  if (aligned - start < SMALLEST) aligned += alignment;
  struct block *inner = (struct block *)(aligned - HEAD);
  inner->bytes = (size_of(block) - (aligned - start)) | IN_USE | BEFORE_IN_USE;
  block->bytes = (aligned - start) | (block->bytes & FLAGS);
  release(block);
  return inner;
}

void *parmacs_arena_allocate(size_t alignment, size_t bytes) {
  if (bytes > ARENA_BYTES || alignment > ARENA_BYTES) {
    errno = ENOMEM;
    return NULL;
  }
  pthread_mutex_lock(&state.mutex);
  if (state.arena == NULL) map_arena();
  size_t wanted = with_head(bytes), spare = alignment > GRAIN ? alignment + SMALLEST : 0;
  struct block *block = from_bins(wanted + spare);
  if (block == NULL) block = from_top(wanted + spare);
  if (block != NULL && spare > 0) {
    block = align(block, alignment);
    trim(block, wanted);
  }
  pthread_mutex_unlock(&state.mutex);
  if (block == NULL) errno = ENOMEM;
  return block == NULL ? NULL : (char *)block + HEAD;
}

void parmacs_arena_free(void *bytes) {
  pthread_mutex_lock(&state.mutex);
  release((struct block *)((char *)bytes - HEAD));
  pthread_mutex_unlock(&state.mutex);
}

size_t parmacs_arena_size(const void *bytes) {
  return size_of((const struct block *)((const char *)bytes - HEAD)) - HEAD;
}

void parmacs_arena_shrink(void *bytes, size_t size) {
  pthread_mutex_lock(&state.mutex);
  trim((struct block *)((char *)bytes - HEAD), with_head(size));
  pthread_mutex_unlock(&state.mutex);
}
