/*
 * allocator: nodes allocate, attach, share and free global memory, and check every byte.
 *
 *   merino run -n 4 -- out/examples/allocator [ROUNDS [SEGMENT_BYTES [BLOCKS]]]
 *
 * Each round, every node makes a segment and fills it; its neighbour opens it by name, reads it at the default
 * address and at one of its own choosing, and changes it; the owner checks the change and destroys the
 * segment. Then every node allocates blocks on the heap, and the neighbour checks and frees them. At the end
 * nothing is in use that was not before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <merino.h>

static int me, nodes;
static uint64_t failures;

/* Ends the job where a call fails that has no reason to. */
static void must(int result, const char *what) {
  if (result == MERINO_SUCCESS) return;
  fprintf(stderr, "node %d: %s: %s\n", me, what, merino_last_error());
  merino_abort(2);
}

/* Counts a wrong result; the first few are shown. */
static void expect(int holds, const char *what, long round) {
  if (holds) return;
  if (failures++ < 5) fprintf(stderr, "node %d: round %ld: wrong: %s\n", me, round, what);
}

static unsigned char pattern(int node, long round, size_t at) {
  return (unsigned char)((size_t)(node * 31 + round * 7) + at * 131 + (at >> 12));
}

static int holds_pattern(const unsigned char *bytes, size_t count, int node, long round) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] != pattern(node, round, i)) return 0;
  }
  return 1;
}

/* An address where nothing lies at the moment. */
static void *free_address(size_t bytes) {
  void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return NULL;
  munmap(at, bytes);
  return at;
}

static void segment_name(char *name, size_t size, int node, long round) {
  snprintf(name, size, "allocator-%d-%ld", node, round);
}

/* The neighbour's segment, through two views at once. */
static void change_neighbours(int neighbour, long round, size_t bytes) {
  char name[MERINO_NAME_MAX + 1];
  segment_name(name, sizeof name, neighbour, round);
  merino_segment_t segment;
  merino_segment_info_t info = MERINO_SEGMENT_INFO_INIT;
  must(merino_segment_open(name, &segment), "open");
  must(merino_segment_info(segment, &info), "info");
  expect(info.bytes >= bytes && strcmp(info.name, name) == 0, "what info tells", round);

  void *usual, *elsewhere;
  /* A view has whole coherence units. */
  size_t length = (bytes + info.unit_bytes - 1) / info.unit_bytes * info.unit_bytes;
  /* In a job of one node the default address is taken, by the owner's own view. */
  void *where = neighbour == me ? free_address(length) : NULL;
  must(merino_segment_attach(segment, where, PROT_READ, &usual), "attach");
  expect(usual == (where ? where : info.default_view), "the address of a view", round);
  where = free_address(length);
  must(merino_segment_attach(segment, where, PROT_READ | PROT_WRITE, &elsewhere), "attach elsewhere");
  expect(holds_pattern(usual, bytes, neighbour, round), "a segment read at its default address", round);
  expect(holds_pattern(elsewhere, bytes, neighbour, round), "a segment read elsewhere", round);
  ((unsigned char *)elsewhere)[bytes / 2] ^= 0xFF;
  expect(((unsigned char *)usual)[bytes / 2] == ((unsigned char *)elsewhere)[bytes / 2],
         "one view after a store through the other", round);
  must(merino_segment_detach(elsewhere), "detach");
  must(merino_segment_detach(usual), "detach");
}

static void share_segments(long round, size_t bytes) {
  char name[MERINO_NAME_MAX + 1];
  segment_name(name, sizeof name, me, round);
  merino_segment_options_t options = MERINO_SEGMENT_OPTIONS_INIT;
  options.unit_bytes = round % 2 == 0 ? 0 : 16384;
  merino_segment_t segment;
  void *view;
  must(merino_segment_create(name, bytes, &options, &segment), "create");
  must(merino_segment_attach(segment, NULL, PROT_READ | PROT_WRITE, &view), "attach");
  unsigned char *mine = view;
  int zero = 1;
  for (size_t i = 0; i < bytes; i++) zero &= mine[i] == 0;
  expect(zero, "a new segment is zero", round);
  for (size_t i = 0; i < bytes; i++) mine[i] = pattern(me, round, i);
  must(merino_barrier(), "barrier");

  change_neighbours((me + 1) % nodes, round, bytes);
  must(merino_barrier(), "barrier");

  mine[bytes / 2] ^= 0xFF;
  expect(holds_pattern(mine, bytes, me, round), "the own segment after the neighbour's change", round);
  must(merino_segment_destroy(segment), "destroy");
  expect(merino_segment_open(name, &segment) == MERINO_ENOENT, "a destroyed segment has no name", round);
  expect(mine[0] == pattern(me, round, 0), "a destroyed segment stays while it is attached", round);
  must(merino_segment_detach(view), "detach");
}

struct block {
  unsigned char *bytes;
  size_t count;
};

/* `table` has a row of blocks for each node; a node fills its own row and empties its neighbour's. */
static void share_blocks(struct block *table, long blocks, long round) {
  struct block *row = table + me * blocks;
  for (long i = 0; i < blocks; i++) {
    size_t count = (size_t)(1 + (i * 977 + round * 131 + me * 17) % 6000);
    if (i % 3 == 0) row[i].bytes = merino_calloc(count, 1);
    if (i % 3 == 1) row[i].bytes = merino_malloc(count);
    if (i % 3 == 2) row[i].bytes = merino_aligned_alloc(256, count);
    if (row[i].bytes == NULL) must(MERINO_ENOMEM, "allocate");
    row[i].count = count;
    if (i % 3 == 0) expect(row[i].bytes[0] == 0 && row[i].bytes[count - 1] == 0, "calloc's zeros", round);
    for (size_t at = 0; at < count; at++) row[i].bytes[at] = pattern(me, round + i, at);
  }
  must(merino_barrier(), "barrier");
  int neighbour = (me + 1) % nodes;
  row = table + neighbour * blocks;
  for (long i = 0; i < blocks; i++) {
    expect(holds_pattern(row[i].bytes, row[i].count, neighbour, round + i), "a block of the neighbour", round);
    merino_free(row[i].bytes);
  }
  must(merino_barrier(), "barrier");
}

static merino_stats_t statistics(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  /* What was freed is given back within two barriers. */
  must(merino_barrier(), "barrier");
  must(merino_barrier(), "barrier");
  must(merino_stats(&stats), "stats");
  must(merino_barrier(), "barrier");
  return stats;
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 10;
  size_t bytes = argc > 2 ? (size_t)atol(argv[2]) : 300000;
  long blocks = argc > 3 ? atol(argv[3]) : 100;
  if (rounds < 1 || bytes < 1 || blocks < 1) {
    fprintf(stderr, "usage: allocator [ROUNDS [SEGMENT_BYTES [BLOCKS]]], each at least 1\n");
    return 2;
  }
  must(merino_init(), "join");
  me = merino_node();
  nodes = merino_nodes();

  struct block *table = merino_collective_malloc((size_t)(nodes * blocks) * sizeof *table, 0);
  if (table == NULL) must(MERINO_ENOMEM, "allocate the table");
  merino_stats_t before = statistics();
  for (long round = 0; round < rounds; round++) {
    share_segments(round, bytes);
    share_blocks(table, blocks, round);
  }
  merino_stats_t after = statistics();
  expect(after.segment_bytes_in_use == before.segment_bytes_in_use, "segments gave their memory back", rounds);
  expect(after.heap_bytes_in_use == before.heap_bytes_in_use, "blocks gave their memory back", rounds);
  must(merino_collective_free(table), "free the table");

  must(merino_allreduce_u64(&failures, 1, MERINO_SUM), "sum the failures");
  if (me == 0) {
    printf("%s allocator: %d nodes, %ld rounds, segments of %zu bytes, %ld blocks a node: %" PRIu64 " wrong\n",
           failures == 0 ? "PASS" : "FAIL", nodes, rounds, bytes, blocks, failures);
  }
  must(merino_finalize(), "leave");
  return failures == 0 ? 0 : 1;
}
