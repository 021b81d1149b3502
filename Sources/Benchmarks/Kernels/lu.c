/*
 * lu: a dense matrix is factored in blocks, without pivoting (as LU of SPLASH). Blocks are dealt out to the
 * workers as on a chessboard. The matrix is an array of rows, in which a page has pieces of 16 doubles that
 * are different workers': each step shares all pages that it writes. With --contiguous 1 a worker's blocks
 * lie together, and no page is two workers'.
 */
#include <math.h>

#include "kernel.h"

static long side = 1024, block = 16, contiguous = 0, effort = 2;
static double *matrix, *sums; /* shared; the first node's: the sum of each row as it was */
static int board_rows, board_columns;
static size_t blocks, share; /* in a row; a worker's blocks, in doubles */

static void board_lay(void) {
  int workers = workers_count();
  board_rows = (int)sqrt((double)workers);
  while (workers % board_rows != 0) board_rows--;
  board_columns = workers / board_rows;
  blocks = (size_t)(side / block);
}

static int block_owner(size_t row, size_t column) {
  return (int)(row % (size_t)board_rows) * board_columns + (int)(column % (size_t)board_columns);
}

/* The number of doubles from one row of a block to the next. */
static size_t block_pitch(void) { return (size_t)(contiguous ? block : side); }

static double *block_at(size_t row, size_t column) {
  size_t edge = (size_t)block, across = (blocks + (size_t)board_columns - 1) / (size_t)board_columns;
  if (!contiguous) return matrix + row * edge * (size_t)side + column * edge;
  size_t number = row / (size_t)board_rows * across + column / (size_t)board_columns;
  return matrix + (size_t)block_owner(row, column) * share + number * edge * edge;
}

static double *element_at(size_t row, size_t column) {
  size_t edge = (size_t)block;
  return block_at(row / edge, column / edge) + row % edge * block_pitch() + column % edge;
}

static const char *refuse(void) {
  return side % block == 0 ? NULL : "the size must be a multiple of the block";
}

static void prepare(void) {
  board_lay();
  size_t down = (blocks + (size_t)board_rows - 1) / (size_t)board_rows;
  size_t across = (blocks + (size_t)board_columns - 1) / (size_t)board_columns;
  size_t page = PAGE / sizeof(double);
  share = (down * across * (size_t)(block * block) + page - 1) / page * page;
  size_t workers = (size_t)workers_count();
  matrix = memory_allocate((contiguous ? share * workers : (size_t)(side * side)) * sizeof *matrix);
}

/* The diagonal outweighs the rest, so that nothing has to be exchanged. */
static void fill(void) {
  size_t n = (size_t)side;
  sums = memory_private(n * sizeof *sums);
  for (size_t row = 0; row < n; row++) {
    sums[row] = 0;
    for (size_t column = 0; column < n; column++) {
      double value = number_fraction(row * n + column) + (row == column ? (double)n : 0);
      *element_at(row, column) = value;
      sums[row] += value;
    }
  }
}

/* to -= factor * from: by itself and told nothing of its arguments, as in the suite. */
static __attribute__((noinline)) void row_subtract(double *to, const double *from, double factor,
                                                   size_t count) {
  for (size_t i = 0; i < count; i++) to[i] -= factor * from[i];
}

static void block_factor(double *a, size_t pitch) {
  size_t edge = (size_t)block;
  for (size_t k = 0; k < edge; k++) {
    for (size_t i = k + 1; i < edge; i++) {
      double factor = a[i * pitch + k] /= a[k * pitch + k];
      row_subtract(a + i * pitch + k + 1, a + k * pitch + k + 1, factor, edge - k - 1);
    }
  }
}

/* A block below the diagonal block: a := a * inverse of its upper half. */
static void block_divide(double *a, const double *diagonal, size_t pitch) {
  size_t edge = (size_t)block;
  for (size_t i = 0; i < edge; i++) {
    for (size_t k = 0; k < edge; k++) {
      double factor = a[i * pitch + k] /= diagonal[k * pitch + k];
      row_subtract(a + i * pitch + k + 1, diagonal + k * pitch + k + 1, factor, edge - k - 1);
    }
  }
}

/* A block to the right of it: a := inverse of its lower half * a. */
static void block_reduce(double *a, const double *diagonal, size_t pitch) {
  size_t edge = (size_t)block;
  for (size_t k = 0; k < edge; k++) {
    for (size_t i = k + 1; i < edge; i++)
      row_subtract(a + i * pitch, a + k * pitch, diagonal[i * pitch + k], edge);
  }
}

/* One of the others: a -= left * above, in `effort` parts: the arithmetic takes as long as in the suite. */
static void block_modify(double *a, const double *left, const double *above, size_t pitch) {
  size_t edge = (size_t)block;
  double part = 1 / (double)effort;
  for (size_t k = 0; k < edge * (size_t)effort; k++) {
    const double *row = above + k % edge * pitch, *factors = left + k % edge;
    for (size_t i = 0; i < edge; i++) row_subtract(a + i * pitch, row, part * factors[i * pitch], edge);
  }
}

static void step_edges(size_t k, int worker, size_t pitch) {
  const double *diagonal = block_at(k, k);
  for (size_t i = k + 1; i < blocks; i++) {
    if (block_owner(i, k) == worker) block_divide(block_at(i, k), diagonal, pitch);
    if (block_owner(k, i) == worker) block_reduce(block_at(k, i), diagonal, pitch);
  }
}

static void step_inside(size_t k, int worker, size_t pitch) {
  for (size_t i = k + 1; i < blocks; i++) {
    const double *left = block_at(i, k);
    for (size_t j = k + 1; j < blocks; j++) {
      if (block_owner(i, j) == worker) block_modify(block_at(i, j), left, block_at(k, j), pitch);
    }
  }
}

static void work(int worker) {
  size_t pitch = block_pitch();
  region_begin();
  for (size_t k = 0; k < blocks; k++) {
    if (block_owner(k, k) == worker) block_factor(block_at(k, k), pitch);
    barrier_pass();
    step_edges(k, worker, pitch);
    barrier_pass();
    step_inside(k, worker, pitch);
    barrier_pass();
  }
  region_end();
}

static void spoil(void) { *element_at((size_t)side / 2, (size_t)side / 3) += 1; }

/* The matrix times a vector of ones gave the sums: the factors must give the ones back. */
static void verify(void) {
  size_t n = (size_t)side;
  double worst = 0;
  for (size_t row = 0; row < n; row++) {
    for (size_t column = 0; column < row; column++) sums[row] -= *element_at(row, column) * sums[column];
  }
  for (size_t row = n; row-- > 0;) {
    for (size_t column = row + 1; column < n; column++) sums[row] -= *element_at(row, column) * sums[column];
    sums[row] /= *element_at(row, row);
    worst = fmax(worst, isfinite(sums[row]) ? fabs(sums[row] - 1) : INFINITY);
  }
  result_expect(worst < 1e-10, "the solution of ones is wrong by %g", worst);
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"size", &side, 16, 16384, 128, "rows of the matrix"},
      {"block", &block, 4, 256, SAME, "rows of a block"},
      {"effort", &effort, 1, 1000, SAME, "parts in which a block is modified"},
      {"contiguous", &contiguous, 0, 1, SAME, "1: a worker's blocks lie together"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel lu = {
      .name = "lu", .purpose = "factors a matrix in blocks", .options = options, .refuse = refuse,
      .prepare = prepare, .fill = fill, .work = work, .spoil = spoil, .verify = verify};
  return kernel_main(argc, argv, &lu);
}
