/*
 * The Jacobi method for the heat equation on a square plate, as in jacobi.c, by merino.hpp. The result is compared bit for
 * bit with that of one node alone.
 *
 *     out/bin/merino run -n 4 -- out/examples/jacobi-cpp [SIDE [STEPS]]
 */
#include <merino.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

/* The edges of the plate are kept at fixed temperatures; inside it is cold. */
static double initial(std::size_t row, std::size_t column, std::size_t side) {
  if (row == 0) return 100.0;
  if (row == side - 1) return -20.0;
  if (column == 0 || column == side - 1) return 37.5 * static_cast<double>(row) / static_cast<double>(side);
  return 0.0;
}

static void fill(double *plate, std::size_t side, std::size_t first, std::size_t last) {
  for (std::size_t row = first; row < last; row++) {
    for (std::size_t column = 0; column < side; column++) plate[row * side + column] = initial(row, column, side);
  }
}

/* One step for the rows first...last - 1. */
static void step(const double *from, double *to, std::size_t side, std::size_t first, std::size_t last) {
  for (std::size_t row = std::max<std::size_t>(first, 1); row < std::min(last, side - 1); row++) {
    const double *above = from + (row - 1) * side, *here = above + side, *below = here + side;
    for (std::size_t column = 1; column < side - 1; column++) {
      to[row * side + column] = 0.25 * (above[column] + below[column] + here[column - 1] + here[column + 1]);
    }
  }
}

static bool equals_sequential(const double *result, std::size_t side, long steps) {
  std::vector<double> from(side * side), to(side * side);
  fill(from.data(), side, 0, side);
  fill(to.data(), side, 0, side);
  for (long i = 0; i < steps; i++) {
    step(from.data(), to.data(), side, 0, side);
    std::swap(from, to);
  }
  return std::equal(from.begin(), from.end(), result);
}

static bool solve(const merino::cluster &cluster, std::size_t side, long steps) {
  const auto me = static_cast<std::size_t>(cluster.node()), nodes = static_cast<std::size_t>(cluster.nodes());
  const std::size_t first = side * me / nodes, last = side * (me + 1) / nodes;
  merino::array<double> one(side * side), other(side * side);
  double *from = one.data(), *to = other.data();
  fill(from, side, first, last);
  fill(to, side, first, last);
  cluster.barrier();
  for (long i = 0; i < steps; i++) {
    step(from, to, side, first, last);
    cluster.barrier();
    std::swap(from, to);
  }
  const bool right = merino::broadcast(me != 0 || equals_sequential(from, side, steps), 0);
  if (me == 0) {
    std::printf("%s jacobi-cpp: %zu x %zu, %ld steps, %s the sequential run bit for bit\n", right ? "PASS" : "FAIL", side,
                side, steps, right ? "equals" : "differs from");
  }
  return right;
}

int main(int argc, char **argv) {
  const long side = argc > 1 ? std::atol(argv[1]) : 1000;
  const long steps = argc > 2 ? std::atol(argv[2]) : 200;
  if (side < 3 || steps < 0) {
    std::fprintf(stderr, "usage: jacobi-cpp [SIDE [STEPS]], SIDE at least 3\n");
    return 2;
  }
  try {
    merino::cluster cluster;
    const bool right = solve(cluster, static_cast<std::size_t>(side), steps);
    cluster.finalize();
    return right ? 0 : 1;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "jacobi-cpp: %s\n", error.what());
    return 2;
  }
}
