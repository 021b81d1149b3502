/*
 * bodies: each pair of bodies pulls at each other (as the molecules of WATER-NSQUARED). A worker adds up
 * the forces of its pairs in private memory, and then adds those to the shared ones, body by body under
 * its lock. A body is as large as a molecule of WATER, so that a page has six, and the halves of a step
 * are barriers apart.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static long count = 1536, steps = 8;

enum { AXES = 3, SITES = 3, BODY_BYTES = 680 };
struct body {
  struct lock lock;
  double place[AXES], velocity[AXES], force[AXES];
  char rest[BODY_BYTES - sizeof(struct lock) - 3 * AXES * sizeof(double)];
};
struct total {
  struct lock lock;
  double energy;
};

static struct body *bodies; /* shared */
static struct total *total; /* shared */
static double *last_places; /* the first node's: where the bodies were in the last step */
static const double second = 1e-6;
/* Where the parts of a body are: each pulls at each of the other. */
static const double sites[SITES][AXES] = {{0, 0, 0}, {0.01, 0.02, 0}, {-0.02, 0, 0.01}};

static void prepare(void) {
  bodies = memory_allocate((size_t)count * sizeof *bodies);
  total = memory_allocate(sizeof *total);
}

static void fill(void) {
  memset(bodies, 0, (size_t)count * sizeof *bodies);
  for (size_t i = 0; i < (size_t)count; i++) {
    locks_make(&bodies[i].lock, 1);
    for (size_t axis = 0; axis < AXES; axis++) bodies[i].place[axis] = number_fraction(i * AXES + axis);
  }
  total->energy = 0;
  locks_make(&total->lock, 1);
  last_places = memory_private((size_t)count * AXES * sizeof *last_places);
}

/* Adds what two bodies do to each other to `sums`; gives the pair's energy. */
static double pair_pull(const double *a, const double *b, double *sum_a, double *sum_b) {
  double difference[AXES], energy = 0;
  for (int axis = 0; axis < AXES; axis++) difference[axis] = b[axis] - a[axis];
  for (int i = 0; i < SITES * SITES; i++) {
    double apart[AXES], square = 1e-3;
    for (int axis = 0; axis < AXES; axis++) {
      apart[axis] = difference[axis] + sites[i % SITES][axis] - sites[i / SITES][axis];
      square += apart[axis] * apart[axis];
    }
    double inverse = 1 / sqrt(square), strength = inverse * inverse * inverse;
    energy -= inverse;
    for (int axis = 0; axis < AXES; axis++) {
      sum_a[axis] += strength * apart[axis];
      sum_b[axis] -= strength * apart[axis];
    }
  }
  return energy;
}

/* The pairs of the bodies of `mine` with the half of all that comes behind each one, round about. */
static double pairs_pull(const double *places, double *sums, struct span mine) {
  size_t n = (size_t)count, half = n / 2;
  double energy = 0;
  for (size_t i = mine.first; i < mine.end; i++) {
    /* Of an even number the one opposite is met from one side alone. */
    size_t end = n % 2 == 0 && i >= half ? half - 1 : half;
    for (size_t distance = 1; distance <= end; distance++) {
      size_t j = i + distance < n ? i + distance : i + distance - n;
      energy += pair_pull(places + i * AXES, places + j * AXES, sums + i * AXES, sums + j * AXES);
    }
  }
  return energy;
}

static void places_copy(double *places) {
  for (size_t i = 0; i < (size_t)count; i++)
    memcpy(places + i * AXES, bodies[i].place, sizeof bodies[i].place);
}

/* A worker begins with its own bodies, so that not all want the same lock. */
static void sums_add(const double *sums, double energy, struct span mine) {
  size_t n = (size_t)count;
  for (size_t step = 0; step < n; step++) {
    size_t i = (mine.first + step) % n;
    const double *sum = sums + i * AXES;
    if (sum[0] == 0 && sum[1] == 0 && sum[2] == 0) continue;
    lock_take(&bodies[i].lock);
    for (int axis = 0; axis < AXES; axis++) bodies[i].force[axis] += sum[axis];
    lock_give(&bodies[i].lock);
  }
  lock_take(&total->lock);
  total->energy += energy;
  lock_give(&total->lock);
}

static void bodies_move(struct span mine, int is_last) {
  for (size_t i = mine.first; i < mine.end; i++) {
    for (int axis = 0; axis < AXES; axis++) {
      bodies[i].velocity[axis] += second * bodies[i].force[axis];
      bodies[i].place[axis] += second * bodies[i].velocity[axis];
      if (!is_last) bodies[i].force[axis] = 0;
    }
  }
}

static void work(int worker) {
  struct span mine = span_of((size_t)count, worker);
  size_t bytes = (size_t)count * AXES * sizeof(double);
  double *places = memory_private(bytes), *sums = memory_private(bytes);
  region_begin();
  for (long step = 1; step <= steps; step++) {
    memset(sums, 0, bytes);
    places_copy(places);
    double energy = pairs_pull(places, sums, mine);
    sums_add(sums, energy, mine);
    barrier_pass();
    bodies_move(mine, step == steps);
    barrier_pass();
  }
  region_end();
  if (worker == 0) memcpy(last_places, places, bytes);
  free(places);
  free(sums);
}

static void spoil(void) { bodies[count / 2].force[1] += 1; }

/* The last step's forces are those that one worker finds, and in all steps as much was pulled to one
 * side as to the other. */
static void verify(void) {
  size_t n = (size_t)count;
  double *sums = memory_private(n * AXES * sizeof *sums), worst = 0, drift[AXES] = {0}, most = 0;
  memset(sums, 0, n * AXES * sizeof *sums);
  double energy = pairs_pull(last_places, sums, (struct span){0, n});
  for (size_t i = 0; i < n; i++) {
    for (int axis = 0; axis < AXES; axis++) {
      double error = fabs(bodies[i].force[axis] - sums[i * AXES + (size_t)axis]);
      worst = fmax(worst, isfinite(error) ? error : INFINITY);
      drift[axis] += bodies[i].velocity[axis];
      most += fabs(bodies[i].velocity[axis]);
    }
  }
  result_expect(worst < 1e-7 * (double)n, "a force differs from one worker's by %g", worst);
  for (int axis = 0; axis < AXES; axis++) {
    result_expect(fabs(drift[axis]) <= 1e-11 * most, "all together move by %g of %g", drift[axis], most);
  }
  double mean = total->energy / (double)steps;
  result_expect(fabs(mean / energy - 1) < 1e-2, "the energy is %g, not %g", mean, energy);
  free(sums);
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"bodies", &count, 4, 1 << 16, 65, "bodies"},
      {"steps", &steps, 1, 1000, 2, "steps"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel kernel = {
      .name = "bodies", .purpose = "sums of pairs, added under each body's lock", .options = options,
      .prepare = prepare, .fill = fill, .work = work, .spoil = spoil, .verify = verify};
  return kernel_main(argc, argv, &kernel);
}
