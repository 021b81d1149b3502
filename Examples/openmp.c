/*
 * OpenMP inside the nodes, Merino between them: a sparse matrix of random columns times a vector, again and again. All
 * threads of a node read all over the vector, so all of them take page faults at once. The result is compared bit for
 * bit with that of one thread alone.
 *
 *     OMP_NUM_THREADS=4 out/bin/merino run -n 2 -- out/examples/openmp [ROWS [STEPS]]
 */
#include <merino.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { columns_of_a_row = 8 };

static void must(int result, const char *what) {
  if (result == MERINO_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, merino_last_error());
  merino_abort(2);
}

/* The matrix: where a row's elements stand, and what they are. */
static long column(long row, int element, long rows) {
  unsigned long mixed = (unsigned long)row * 0x9E3779B97F4A7C15ul + (unsigned long)element * 0xC2B2AE3D27D4EB4Ful;
  return (long)((mixed >> 17) % (unsigned long)rows);
}

static double product_of_row(const double *vector, long row, long rows) {
  double sum = 0;
  for (int element = 0; element < columns_of_a_row; element++) {
    sum += vector[column(row, element, rows)] * (element % 2 == 0 ? 0.3 : -0.2);
  }
  return sum + 1.0 / (double)(row + 1);
}

static int equals_sequential(const double *result, long rows, long steps) {
  double *from = calloc((size_t)rows, sizeof *from), *to = calloc((size_t)rows, sizeof *to);
  if (from == NULL || to == NULL) {
    fprintf(stderr, "no memory for the sequential run\n");
    merino_abort(2);
  }
  for (long i = 0; i < steps; i++) {
    for (long row = 0; row < rows; row++) to[row] = product_of_row(from, row, rows);
    double *other = from;
    from = to;
    to = other;
  }
  int equal = memcmp(from, result, (size_t)rows * sizeof *from) == 0;
  free(from);
  free(to);
  return equal;
}

int main(int argc, char **argv) {
  long rows = argc > 1 ? atol(argv[1]) : 100000, steps = argc > 2 ? atol(argv[2]) : 5;
  if (rows < 1 || steps < 1) {
    fprintf(stderr, "usage: openmp [ROWS [STEPS]], both at least 1\n");
    return 2;
  }
  must(merino_init(), "join");
  int me = merino_node(), nodes = merino_nodes();
  long first = rows * me / nodes, last = rows * (me + 1) / nodes;
  double *from = merino_collective_malloc((size_t)rows * sizeof *from, 0);
  double *to = merino_collective_malloc((size_t)rows * sizeof *to, 0);
  if (from == NULL || to == NULL) must(MERINO_ENOMEM, "allocate the vectors");

  uint64_t threads = 0;
  for (long i = 0; i < steps; i++) {
#pragma omp parallel
    {
#pragma omp single
      threads = (uint64_t)omp_get_num_threads();
#pragma omp for schedule(static)
      for (long row = first; row < last; row++) to[row] = product_of_row(from, row, rows);
    }
    /* Outside the parallel region: one call for each node. */
    must(merino_barrier(), "barrier");
    double *other = from;
    from = to;
    to = other;
  }

  uint64_t wrong = me == 0 ? !equals_sequential(from, rows, steps) : 0;
  merino_stats_t stats = MERINO_STATS_INIT;
  must(merino_stats(&stats), "stats");
  uint64_t sums[3] = {wrong, threads, stats.pages_fetched};
  must(merino_allreduce_u64(sums, 3, MERINO_SUM), "sum the counters");
  if (me == 0) {
    printf("%s openmp: %ld rows, %ld steps, %d nodes with %lu threads, %lu pages fetched, %s the sequential run bit for bit\n",
           sums[0] ? "FAIL" : "PASS", rows, steps, nodes, (unsigned long)sums[1], (unsigned long)sums[2],
           sums[0] ? "differs from" : "equals");
  }
  must(merino_collective_free(to), "free");
  must(merino_collective_free(from), "free");
  must(merino_finalize(), "leave");
  return sums[0] ? 1 : 0;
}
