// Allocates and frees blocks of mixed sizes from all nodes and two threads of each at once: 100,000 cycles in
// all. Every block is filled with what names it and looked at before it is freed, mostly by another thread.
#include "check.h"

enum { slots = 256, threads = 2 };

typedef struct {
  merino_lock_t lock;
  struct {
    unsigned char *block;
    uint64_t bytes, seed;
  } slot[slots];
} board_t;

static board_t *boards;
static int cycles, nodes;
static int wrong;

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/// Mostly small, sometimes some pages, rarely hundreds of kilobytes.
static size_t some_size(uint64_t *random) {
  uint64_t r = next_random(random);
  if (r % 1000 == 0) return 1 + (r >> 20) % 300000;
  if (r % 20 == 0) return 1 + (r >> 20) % 20000;
  return 1 + (r >> 20) % 600;
}

/// Begins and ends of a block, and some of its middle: what an overlap would hit.
static void fill(unsigned char *block, size_t bytes, uint64_t seed) {
  for (size_t i = 0; i < bytes; i += bytes > 4096 && i > 64 && i + 64 < bytes ? 61 : 1) {
    block[i] = (unsigned char)(seed + i * 31);
  }
}

static int holds(const unsigned char *block, size_t bytes, uint64_t seed) {
  for (size_t i = 0; i < bytes; i += bytes > 4096 && i > 64 && i + 64 < bytes ? 61 : 1) {
    if (block[i] != (unsigned char)(seed + i * 31)) return 0;
  }
  return 1;
}

static void *work(void *argument) {
  uint64_t random = 88172645463325252u + (uint64_t)(uintptr_t)argument * 977 + (uint64_t)check_node * 7919;
  for (int i = 0; i < 50; i++) next_random(&random);
  for (int i = 0; i < cycles / threads; i++) {
    size_t bytes = some_size(&random);
    uint64_t seed = next_random(&random);
    int zeroed = seed % 4 == 0;
    unsigned char *block = zeroed ? merino_calloc(1, bytes) : merino_malloc(bytes);
    if (block == NULL) {
      __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
      continue;
    }
    for (size_t b = 0; zeroed && b < bytes; b++) {
      if (block[b] != 0) {
        __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        break;
      }
    }
    fill(block, bytes, seed);
    // Every eighth goes to a board of any node, for whoever comes next; the rest is freed here.
    if (i % 8 == 0) {
      board_t *board = &boards[next_random(&random) % (uint64_t)nodes];
      size_t s = next_random(&random) % slots;
      NEED(merino_lock_acquire(board->lock));
      unsigned char *old = board->slot[s].block;
      size_t old_bytes = board->slot[s].bytes;
      uint64_t old_seed = board->slot[s].seed;
      board->slot[s].block = block;
      board->slot[s].bytes = bytes;
      board->slot[s].seed = seed;
      NEED(merino_lock_release(board->lock));
      block = old;
      bytes = old_bytes;
      seed = old_seed;
    }
    if (block == NULL) continue;
    if (!holds(block, bytes, seed)) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    errno = 0;
    merino_free(block);
    if (errno != 0) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

int main(int count, char **arguments) {
  nodes = join_job();
  cycles = (count > 1 ? atoi(arguments[1]) : 100000) / nodes;
  merino_stats_t stats = MERINO_STATS_INIT;
  NEED(merino_barrier());
  NEED(merino_stats(&stats));
  uint64_t before = stats.heap_bytes_in_use;
  NEED(merino_barrier());
  boards = merino_collective_malloc(sizeof(board_t) * (size_t)nodes, 0);
  NEED(merino_lock_create(&boards[check_node].lock));
  NEED(merino_barrier());
  uint64_t began = now_ns();
  pthread_t thread[threads];
  for (long t = 0; t < threads; t++) thread[t] = start(work, (void *)t);
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  NEED(merino_barrier());
  if (check_node == 0) say("%d cycles took %.1f s", cycles * nodes, (double)(now_ns() - began) / 1e9);
  // Node n frees what lies on the board of node n + 1.
  board_t *board = &boards[(check_node + 1) % nodes];
  for (int s = 0; s < slots; s++) {
    if (board->slot[s].block == NULL) continue;
    wrong += !holds(board->slot[s].block, board->slot[s].bytes, board->slot[s].seed);
    merino_free(board->slot[s].block);
  }
  CHECK(wrong == 0, "no block overlaps another, none is refused, calloc gives zeros");
  NEED(merino_lock_destroy(boards[check_node].lock));
  NEED(merino_collective_free(boards));
  NEED(merino_stats(&stats));
  CHECK(stats.heap_bytes_in_use == before, "nothing leaks");
  if (stats.heap_bytes_in_use != before) {
    say("in use: %llu, before %llu", (unsigned long long)stats.heap_bytes_in_use, (unsigned long long)before);
  }
  return leave_job();
}
