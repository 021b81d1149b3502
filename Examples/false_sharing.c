/*
 * false_sharing: every node increments its own byte of one page, millions of times between barriers.
 *
 *   merino run -n 4 -- out/examples/false_sharing [ROUNDS [INCREMENTS]]
 *
 * On hardware that keeps caches coherent line by line this is slow; here a node works on its copy of the page
 * and only its one byte goes home at the barrier. Every node checks every byte after each round: a byte
 * of one node must never be overwritten by another's copy.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <merino.h>

enum { PAGE = 4096 };

static void must(int result, const char *what) {
  if (result == MERINO_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, merino_last_error());
  merino_abort(2);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 20, increments = argc > 2 ? atol(argv[2]) : 5000000;
  if (rounds < 1 || increments < 1) {
    fprintf(stderr, "usage: false_sharing [ROUNDS [INCREMENTS]]\n");
    return 2;
  }
  must(merino_init(), "join");
  int me = merino_node(), nodes = merino_nodes();
  if (nodes > PAGE) {
    fprintf(stderr, "false_sharing: at most %d nodes have a byte of the page\n", PAGE);
    merino_abort(2);
  }
  volatile unsigned char *page = merino_collective_malloc(PAGE, PAGE);
  if (page == NULL) must(MERINO_ENOMEM, "allocate the page");

  uint64_t wrong = 0;
  double began = seconds();
  for (long round = 1; round <= rounds; round++) {
    /* The number of increments differs between nodes, so that no byte is right by chance. */
    for (long i = 0; i < increments + me; i++) page[me]++;
    must(merino_barrier(), "barrier");
    for (int node = 0; node < nodes; node++) {
      wrong += page[node] != (unsigned char)((unsigned long)round * (unsigned long)(increments + node));
    }
    must(merino_barrier(), "barrier");
  }
  double time = seconds() - began;

  must(merino_allreduce_u64(&wrong, 1, MERINO_SUM), "sum the failures");
  if (me == 0) {
    printf("%s false_sharing: %d nodes, %ld rounds of %ld increments in %.3f s: %" PRIu64 " wrong\n",
           wrong ? "FAIL" : "PASS", nodes, rounds, increments, time, wrong);
  }
  must(merino_collective_free((void *)page), "free");
  must(merino_finalize(), "leave");
  return wrong ? 1 : 0;
}
