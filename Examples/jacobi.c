/*
 * jacobi: the heat equation on a square plate, relaxed by Jacobi's method; each node has its share of the rows.
 *
 *   merino run -n 4 -- out/examples/jacobi [SIDE [STEPS]]
 *
 * Each step reads the old plate and writes the new one, then all nodes meet in a barrier. Nothing else makes it
 * parallel: a node reads its neighbours' rows by plain loads. At the end node 0 computes the same steps alone,
 * in private memory, and compares bit for bit.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <merino.h>

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

/* The edges of the plate are kept at fixed temperatures; inside it is cold. */
static double initial(size_t row, size_t column, size_t side) {
  if (row == 0) return 100.0;
  if (row == side - 1) return -20.0;
  if (column == 0 || column == side - 1) return 37.5 * (double)row / (double)side;
  return 0.0;
}

static void fill(double *plate, size_t side, size_t first, size_t last) {
  for (size_t row = first; row < last; row++) {
    for (size_t column = 0; column < side; column++) plate[row * side + column] = initial(row, column, side);
  }
}

/* One step for the rows first...last - 1. The same code for one node and for many: the same bits. */
static void step(const double *from, double *to, size_t side, size_t first, size_t last) {
  for (size_t row = first > 0 ? first : 1; row < last && row < side - 1; row++) {
    const double *above = from + (row - 1) * side, *here = above + side, *below = here + side;
    for (size_t column = 1; column < side - 1; column++) {
      to[row * side + column] = 0.25 * (above[column] + below[column] + here[column - 1] + here[column + 1]);
    }
  }
}

static int equals_sequential(const double *result, size_t side, long steps, double *time) {
  double *from = malloc(side * side * sizeof *from), *to = malloc(side * side * sizeof *to);
  if (from == NULL || to == NULL) must(MERINO_ENOMEM, "allocate the sequential run");
  fill(from, side, 0, side);
  fill(to, side, 0, side);
  double began = seconds();
  for (long i = 0; i < steps; i++) {
    step(from, to, side, 0, side);
    double *other = from;
    from = to;
    to = other;
  }
  *time = seconds() - began;
  int equal = memcmp(from, result, side * side * sizeof *from) == 0;
  free(from);
  free(to);
  return equal;
}

int main(int argc, char **argv) {
  long side_given = argc > 1 ? atol(argv[1]) : 1000;
  long steps = argc > 2 ? atol(argv[2]) : 200;
  if (side_given < 3 || steps < 0) {
    fprintf(stderr, "usage: jacobi [SIDE [STEPS]], SIDE at least 3\n");
    return 2;
  }
  size_t side = (size_t)side_given;
  must(merino_init(), "join");
  size_t me = (size_t)merino_node(), nodes = (size_t)merino_nodes();
  size_t first = side * me / nodes, last = side * (me + 1) / nodes;

  double *from = merino_collective_malloc(side * side * sizeof *from, 0);
  double *to = merino_collective_malloc(side * side * sizeof *to, 0);
  if (from == NULL || to == NULL) must(MERINO_ENOMEM, "allocate the plates");
  fill(from, side, first, last);
  fill(to, side, first, last);
  must(merino_barrier(), "barrier");

  double began = seconds();
  for (long i = 0; i < steps; i++) {
    step(from, to, side, first, last);
    must(merino_barrier(), "barrier");
    double *other = from;
    from = to;
    to = other;
  }
  double time = seconds() - began, sequential_time = 0;

  merino_stats_t stats = MERINO_STATS_INIT;
  must(merino_stats(&stats), "stats");
  uint64_t sums[3] = { stats.pages_fetched, stats.diffs_sent, stats.diff_bytes_sent };
  must(merino_allreduce_u64(sums, 3, MERINO_SUM), "sum the counters");

  uint64_t wrong = 0;
  if (me == 0) wrong = equals_sequential(from, side, steps, &sequential_time) ? 0 : 1;
  must(merino_broadcast(&wrong, sizeof wrong, 0), "tell the result");
  if (me == 0) {
    printf("jacobi: %.3f s on %zu nodes, %.3f s alone\n", time, nodes, sequential_time);
    printf("jacobi: %" PRIu64 " pages fetched, %" PRIu64 " diffs sent, %" PRIu64 " bytes in them\n", sums[0],
           sums[1], sums[2]);
    printf("%s jacobi: %zu x %zu, %ld steps, %s the sequential run bit for bit\n", wrong ? "FAIL" : "PASS",
           side, side, steps, wrong ? "differs from" : "equals");
  }
  must(merino_collective_free(to), "free");
  must(merino_collective_free(from), "free");
  must(merino_finalize(), "leave");
  return wrong ? 1 : 0;
}
