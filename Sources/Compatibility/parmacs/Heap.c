/* malloc for programs that read, in created processes, what the main program has allocated before. The blocks lie in
 * an arena at the same address on all nodes, which CREATE carries with the variables. Everything that the allocator
 * knows is in the arena, too: a created process can free and resize what it was given, and its own changes are its
 * own, as after fork.
 *
 * This file is linked in only where the linker redirects malloc and its like to it, by carried-heap.link. */
#include "Runtime.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

/* Where neither Merino (Sources/AddressSpace/AddressReservation.swift) nor the system puts anything. */
#define ARENA_START ((uintptr_t)0x23c000000000)
#define ARENA_BYTES ((size_t)64 << 30)
#define GRAIN 16
#define BINS 40

/* What stands before each block's bytes. The block before it can be found where that is free. */
struct block {
  size_t before;             /* bytes of the block before, where that is free */
  size_t bytes;              /* with this head: a multiple of GRAIN; bit 0: in use, bit 1: the one before is in use */
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

void *__real_realloc(void *block, size_t bytes);
void __real_free(void *block);
size_t __real_malloc_usable_size(void *block);

static size_t size_of(const struct block *block) { return block->bytes & ~(size_t)FLAGS; }

static struct block *after(struct block *block) { return (struct block *)((char *)block + size_of(block)); }

static int ours(const void *bytes) {
  return (uintptr_t)bytes >= ARENA_START && (uintptr_t)bytes < ARENA_START + ARENA_BYTES;
}

static void map_arena(void) {
  void *got = mmap((void *)ARENA_START, ARENA_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != (void *)ARENA_START) {
    parmacs_fail(NULL, 0, "the carried heap: mmap of %zu bytes at 0x%zx: %m; allow overcommit (vm.overcommit_memory=0)",
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

/* ---- What the program calls */

static size_t with_head(size_t bytes) {
  size_t all = (bytes + HEAD + GRAIN - 1) & ~(size_t)(GRAIN - 1);
  return all < SMALLEST ? SMALLEST : all;
}

/* `alignment`: a power of two, at least GRAIN. NULL with errno. */
static void *allocate(size_t alignment, size_t bytes) {
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
    uintptr_t start = (uintptr_t)block + HEAD, aligned = (start + alignment - 1) & ~(uintptr_t)(alignment - 1);
    if (aligned != start) {
      if (aligned - start < SMALLEST) aligned += alignment;
      struct block *inner = (struct block *)(aligned - HEAD);
      inner->bytes = (size_of(block) - (aligned - start)) | IN_USE | BEFORE_IN_USE;
      block->bytes = (aligned - start) | (block->bytes & FLAGS);
      release(block);
      block = inner;
    }
    trim(block, wanted);
  }
  pthread_mutex_unlock(&state.mutex);
  if (block == NULL) errno = ENOMEM;
  return block == NULL ? NULL : (char *)block + HEAD;
}

void *__wrap_malloc(size_t bytes) { return allocate(GRAIN, bytes); }

void __wrap_free(void *bytes) {
  if (bytes == NULL) return;
  if (!ours(bytes)) { /* of strdup's kind, or from a library */
    __real_free(bytes);
    return;
  }
  pthread_mutex_lock(&state.mutex);
  release((struct block *)((char *)bytes - HEAD));
  pthread_mutex_unlock(&state.mutex);
}

void *__wrap_calloc(size_t count, size_t bytes) {
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return NULL;
  }
  void *block = allocate(GRAIN, total);
  return block == NULL ? NULL : memset(block, 0, total);
}

void *__wrap_realloc(void *old, size_t bytes) {
  if (old == NULL) return allocate(GRAIN, bytes);
  if (!ours(old)) return __real_realloc(old, bytes);
  if (bytes == 0) {
    __wrap_free(old);
    return NULL;
  }
  struct block *block = (struct block *)((char *)old - HEAD);
  size_t had = size_of(block) - HEAD;
  if (bytes <= had) {
    pthread_mutex_lock(&state.mutex);
    trim(block, with_head(bytes));
    pthread_mutex_unlock(&state.mutex);
    return old;
  }
  void *new = allocate(GRAIN, bytes);
  if (new == NULL) return NULL;
  memcpy(new, old, had);
  __wrap_free(old);
  return new;
}

void *__wrap_reallocarray(void *old, size_t count, size_t bytes) {
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return NULL;
  }
  return __wrap_realloc(old, total);
}

int __wrap_posix_memalign(void **result, size_t alignment, size_t bytes) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
  int before = errno;
  void *block = allocate(alignment < GRAIN ? GRAIN : alignment, bytes);
  errno = before;
  if (block == NULL) return ENOMEM;
  *result = block;
  return 0;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    errno = EINVAL;
    return NULL;
  }
  return allocate(alignment < GRAIN ? GRAIN : alignment, bytes);
}

void *__wrap_memalign(size_t alignment, size_t bytes) { return __wrap_aligned_alloc(alignment, bytes); }

void *__wrap_valloc(size_t bytes) { return allocate(4096, bytes); }

char *__wrap_strndup(const char *text, size_t limit) {
  size_t length = strnlen(text, limit);
  char *copy = allocate(GRAIN, length + 1);
  if (copy == NULL) return NULL;
  copy[length] = '\0';
  return memcpy(copy, text, length);
}

char *__wrap_strdup(const char *text) { return __wrap_strndup(text, SIZE_MAX - 1); }

size_t __wrap_malloc_usable_size(void *bytes) {
  if (bytes == NULL || !ours(bytes)) return __real_malloc_usable_size(bytes);
  return size_of((struct block *)((char *)bytes - HEAD)) - HEAD;
}
