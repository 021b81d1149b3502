/*
 * solver: fields on a square grid are relaxed in red and black, one after the other, each driven by the
 * one before (as OCEAN of SPLASH, whose fields are many and used little). A worker has rows of each
 * field, which it touches first, in the region; after each sweep all add up what has changed, and go on
 * if anything has.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static long side = 1026, fields = 12, sweeps = 12;
static double **grids; /* each node's own: shared fields */
static double *sums;   /* shared: of each sweep of each field */
static struct lock *lock;

static const double over = 1.2; /* relaxation */

static size_t grid_bytes(void) { return (size_t)(side * side) * sizeof(double); }

static void prepare(void) {
  grids = memory_private((size_t)(fields + 1) * sizeof *grids);
  for (long i = 0; i <= fields; i++) grids[i] = memory_allocate(grid_bytes());
  sums = memory_allocate((size_t)(fields * sweeps) * sizeof *sums);
  lock = memory_allocate(sizeof *lock);
}

static void fill(void) {
  locks_make(lock, 1);
  memset(sums, 0, (size_t)(fields * sweeps) * sizeof *sums);
}

/* The rows of the inside that are a worker's, and with them the edges beside. */
static struct span rows_of(int worker) {
  struct span rows = span_of((size_t)(side - 2), worker);
  return (struct span){rows.first + 1, rows.end + 1};
}

static void rows_start(double *grid, struct span rows) {
  size_t n = (size_t)side, first = rows.first == 1 ? 0 : rows.first, end = rows.end == n - 1 ? n : rows.end;
  for (size_t i = first * n; i < end * n; i++) grid[i] = 0;
}

static void rows_drive(double *grid, struct span rows) {
  size_t n = (size_t)side;
  rows_start(grid, rows);
  for (size_t row = rows.first; row < rows.end; row++) {
    for (size_t column = 1; column < n - 1; column++)
      grid[row * n + column] = number_fraction(row * n + column) - 0.5;
  }
}

/* One colour of one sweep; by how much its points moved. */
static double rows_relax(double *grid, const double *drive, struct span rows, size_t colour) {
  size_t n = (size_t)side;
  double moved = 0;
  for (size_t row = rows.first; row < rows.end; row++) {
    double *here = grid + row * n;
    const double *above = here - n, *below = here + n, *driven = drive + row * n;
    for (size_t column = 1 + (row + colour) % 2; column < n - 1; column += 2) {
      double change =
          0.25 * (above[column] + below[column] + here[column - 1] + here[column + 1] - driven[column]);
      change = over * (change - here[column]);
      here[column] += change;
      moved += fabs(change);
    }
  }
  return moved;
}

static void sum_add(double *sum, double value) {
  lock_take(lock);
  *sum += value;
  lock_give(lock);
}

static void work(int worker) {
  struct span rows = rows_of(worker);
  region_begin();
  rows_drive(grids[0], rows);
  for (long field = 1; field <= fields; field++) {
    rows_start(grids[field], rows);
    barrier_pass();
    for (long sweep = 0; sweep < sweeps; sweep++) {
      double moved = rows_relax(grids[field], grids[field - 1], rows, 0);
      barrier_pass();
      moved += rows_relax(grids[field], grids[field - 1], rows, 1);
      double *sum = &sums[(field - 1) * sweeps + sweep];
      sum_add(sum, moved);
      barrier_pass();
      if (*sum == 0) break;
    }
  }
  region_end();
}

static void spoil(void) { grids[fields][side * (side / 2) + side / 3] += 1; }

/* The same in private memory, by one: red and black points do not depend on the order within a colour, so the
 * fields are the same bit for bit, and the sums but for the order of their parts. */
static void verify(void) {
  struct span all = {1, (size_t)side - 1};
  double *drive = memory_private(grid_bytes()), *grid = memory_private(grid_bytes());
  long wrong_sums = 0, wrong_fields = 0;
  rows_drive(drive, all);
  for (long field = 1; field <= fields; field++) {
    rows_start(grid, all);
    for (long sweep = 0; sweep < sweeps; sweep++) {
      double moved = rows_relax(grid, drive, all, 0);
      moved += rows_relax(grid, drive, all, 1);
      double sum = sums[(field - 1) * sweeps + sweep];
      wrong_sums += !(fabs(sum - moved) <= 1e-9 * moved);
      if (moved == 0) break;
    }
    wrong_fields += memcmp(grid, grids[field], grid_bytes()) != 0;
    double *used = drive;
    drive = grid;
    grid = used;
  }
  result_expect(wrong_fields == 0, "%ld fields differ from one worker's", wrong_fields);
  result_expect(wrong_sums == 0, "%ld sums differ from one worker's", wrong_sums);
  free(drive);
  free(grid);
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"size", &side, 4, 16384, 66, "rows of a field"},
      {"fields", &fields, 1, 64, 3, "fields, each driven by the one before"},
      {"sweeps", &sweeps, 1, 1000, 3, "sweeps over each field"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel solver = {
      .name = "solver", .purpose = "relaxes fields in red and black", .options = options, .prepare = prepare,
      .fill = fill, .work = work, .spoil = spoil, .verify = verify};
  return kernel_main(argc, argv, &solver);
}
