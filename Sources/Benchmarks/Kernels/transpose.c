/*
 * transpose: a Fourier transform of 2^m points in six steps (as FFT of SPLASH): rows are transformed by their
 * workers, and between these steps the matrix is transposed, so that each worker reads from all others and
 * writes whole pages. The main program initialises all of it, and is home of it when the region begins.
 */
#include <math.h>
#include <stdlib.h>

#include "kernel.h"

struct point {
  double real, imaginary;
};

static long logarithm = 22, effort = 2;
static size_t rows, pitch;              /* rows and columns; points from one row to the next */
static struct point *x, *other, *turns; /* shared: the points, a second matrix, the turns between the steps */

/* What the first node knows of the points before: their energy, and three of their frequencies. */
enum { PROBES = 3 };
static const size_t probes[PROBES] = {1, 12345, 777777};
static struct point expected[PROBES];
static double energy;

static const double circle = 6.283185307179586476925;

static const char *refuse(void) { return logarithm % 2 == 0 ? NULL : "the logarithm must be even"; }

static struct point point_times(struct point a, struct point b) {
  return (struct point){a.real * b.real - a.imaginary * b.imaginary,
                        a.real * b.imaginary + a.imaginary * b.real};
}

static struct point point_turn(double part) {
  return (struct point){cos(circle * part), -sin(circle * part)};
}

static void prepare(void) {
  rows = (size_t)1 << (logarithm / 2);
  pitch = rows + PAGE / sizeof(struct point);
  x = memory_allocate(rows * pitch * sizeof *x);
  other = memory_allocate(rows * pitch * sizeof *x);
  turns = memory_allocate(rows * pitch * sizeof *x);
}

static void fill(void) {
  double total = (double)(rows * rows);
  for (size_t row = 0; row < rows; row++) {
    struct point step = point_turn((double)row / total), turn = {1, 0};
    for (size_t column = 0; column < rows; column++) {
      size_t number = row * rows + column;
      x[row * pitch + column] =
          (struct point){number_fraction(2 * number) - 0.5, number_fraction(2 * number + 1) - 0.5};
      /* Each from a sine of its own now and then, lest errors grow. */
      if (column % 64 == 0) turn = point_turn((double)(row * column) / total);
      turns[row * pitch + column] = turn;
      turn = point_times(turn, step);
    }
  }
  for (size_t number = 0; number < rows * rows; number++) {
    struct point point = x[number / rows * pitch + number % rows];
    energy += point.real * point.real + point.imaginary * point.imaginary;
  }
  for (int probe = 0; probe < PROBES; probe++) {
    size_t frequency = probes[probe] % (rows * rows);
    struct point turn = {1, 0}, step = point_turn((double)frequency / total);
    for (size_t number = 0; number < rows * rows; number++) {
      if (number % 64 == 0) turn = point_turn((double)(frequency * number % (rows * rows)) / total);
      struct point part = point_times(x[number / rows * pitch + number % rows], turn);
      expected[probe].real += part.real;
      expected[probe].imaginary += part.imaginary;
      turn = point_times(turn, step);
    }
  }
}

/* In place: the order of bits is turned round, then halves are put together; `roots` has rows / 2 of them. */
static void row_transform(struct point *row, const struct point *roots) {
  for (size_t i = 1, j = 0; i < rows; i++) {
    size_t bit = rows >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      struct point kept = row[i];
      row[i] = row[j];
      row[j] = kept;
    }
  }
  for (size_t half = 1; half < rows; half *= 2) {
    size_t stride = rows / (2 * half);
    for (size_t start = 0; start < rows; start += 2 * half) {
      for (size_t k = 0; k < half; k++) {
        struct point *low = &row[start + k], *high = low + half,
                     moved = point_times(*high, roots[k * stride]);
        *high = (struct point){low->real - moved.real, low->imaginary - moved.imaginary};
        *low = (struct point){low->real + moved.real, low->imaginary + moved.imaginary};
      }
    }
  }
}

/* A row is transformed, and then there and back again `effort` times: the arithmetic of a point takes
 * as long as in the suite. Back is there with the imaginary parts turned round, divided by their
 * number. */
static void row_work(struct point *row, const struct point *roots) {
  double scale = 1 / (double)rows;
  row_transform(row, roots);
  for (long i = 0; i < 2 * effort; i++) {
    for (size_t j = 0; j < rows; j++) row[j].imaginary = -row[j].imaginary;
    row_transform(row, roots);
    if (i % 2 == 1) continue;
    for (size_t j = 0; j < rows; j++) row[j] = (struct point){scale * row[j].real, scale * row[j].imaginary};
  }
}

/* The worker's rows of `to` are columns of `from`: patch by patch of each worker's rows, its own first, so
 * that not all read from the same one; within a patch by tiles that a cache holds. */
static void rows_transpose(const struct point *from, struct point *to, int worker) {
  enum { TILE = 8 };
  struct span mine = span_of(rows, worker);
  for (int turn = 0; turn < workers_count(); turn++) {
    struct span theirs = span_of(rows, (worker + turn) % workers_count());
    for (size_t row = mine.first; row < mine.end; row += TILE) {
      size_t row_end = row + TILE < mine.end ? row + TILE : mine.end;
      for (size_t column = theirs.first; column < theirs.end; column += TILE) {
        size_t column_end = column + TILE < theirs.end ? column + TILE : theirs.end;
        for (size_t i = row; i < row_end; i++) {
          for (size_t j = column; j < column_end; j++) to[i * pitch + j] = from[j * pitch + i];
        }
      }
    }
  }
}

static void rows_turn(struct point *matrix, const struct point *roots, struct span mine) {
  for (size_t row = mine.first; row < mine.end; row++) {
    row_work(matrix + row * pitch, roots);
    for (size_t column = 0; column < rows; column++) {
      size_t at = row * pitch + column;
      matrix[at] = point_times(matrix[at], turns[at]);
    }
  }
}

static void work(int worker) {
  struct span mine = span_of(rows, worker);
  struct point *roots = memory_private(rows / 2 * sizeof *roots);
  for (size_t i = 0; i < rows / 2; i++) roots[i] = point_turn((double)i / (double)rows);
  region_begin();
  rows_transpose(x, other, worker);
  rows_turn(other, roots, mine);
  barrier_pass();
  rows_transpose(other, x, worker);
  for (size_t row = mine.first; row < mine.end; row++) row_work(x + row * pitch, roots);
  barrier_pass();
  rows_transpose(x, other, worker);
  barrier_pass();
  for (size_t row = mine.first; row < mine.end; row++) {
    for (size_t column = 0; column < rows; column++) x[row * pitch + column] = other[row * pitch + column];
  }
  region_end();
  free(roots);
}

static void spoil(void) { x[(rows - 1) * pitch + rows / 2].real += (double)rows * (double)rows; }

/* The energy is that of the points before, times their number: one wrong page is more than that misses. */
static void verify(void) {
  double total = (double)(rows * rows), found = 0;
  for (size_t number = 0; number < rows * rows; number++) {
    struct point point = x[number / rows * pitch + number % rows];
    found += point.real * point.real + point.imaginary * point.imaginary;
  }
  result_expect(fabs(found / (energy * total) - 1) < 1e-11, "the energy is %.17g times what it was",
                found / energy / total);
  for (int probe = 0; probe < PROBES; probe++) {
    size_t frequency = probes[probe] % (rows * rows);
    struct point point = x[frequency / rows * pitch + frequency % rows];
    double error = hypot(point.real - expected[probe].real, point.imaginary - expected[probe].imaginary);
    result_expect(error < 1e-9 * total, "frequency %zu is wrong by %g", frequency, error);
  }
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"log", &logarithm, 4, 28, 12, "logarithm of the number of points, even"},
      {"effort", &effort, 0, 1000, SAME, "times that a row is transformed back and there again"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel transpose = {
      .name = "transpose", .purpose = "a Fourier transform with transposes of all to all", .options = options,
      .refuse = refuse, .prepare = prepare, .fill = fill, .work = work, .spoil = spoil, .verify = verify};
  return kernel_main(argc, argv, &transpose);
}
