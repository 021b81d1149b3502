/* Masses of the kernel tree: what is counted from its leaves up, and what bodies feel of it. */
#include <math.h>
#include <string.h>

#include "tree.h"

static void child_add(const struct tree *tree, int32_t child, struct cell *sum) {
  if (child > 0) {
    const struct cell *cell = &tree->cells[child];
    sum->mass += cell->mass;
    for (int axis = 0; axis < AXES; axis++) sum->moment[axis] += cell->moment[axis];
  } else if (child < 0) {
    const struct body *body = &tree->bodies[-child - 1];
    sum->mass += body->mass;
    for (int axis = 0; axis < AXES; axis++) sum->moment[axis] += (uint64_t)body->mass * body->place[axis];
  }
}

static void children_add(const struct tree *tree, const struct cell *cell, struct cell *sum) {
  memset(sum, 0, sizeof *sum);
  for (int octant = 0; octant < EIGHT; octant++) child_add(tree, cell->child[octant], sum);
}

void cell_add_up(const struct tree *tree, int32_t number) {
  struct cell *cell = &tree->cells[number], sum;
  children_add(tree, cell, &sum);
  cell->mass = sum.mass;
  memcpy(cell->moment, sum.moment, sizeof sum.moment);
}

static void cell_pull(const struct cell *cell, const struct body *body, double shift, double pull[AXES]) {
  double mass = (double)cell->mass, difference[AXES], square = 1;
  for (int axis = 0; axis < AXES; axis++) {
    difference[axis] = (double)cell->moment[axis] / mass - body->place[axis] + (axis == 0 ? shift : 0);
    square += difference[axis] * difference[axis];
  }
  double strength = mass / (square * sqrt(square));
  for (int axis = 0; axis < AXES; axis++) pull[axis] += strength * difference[axis];
}

void body_pull(const struct tree *tree, const struct body *body, double pull[AXES]) {
  const struct cell *cells = &tree->cells[top_first(tree->top)];
  for (int axis = 0; axis < AXES; axis++) pull[axis] = 0;
  for (int image = 0; image < 2; image++) {
    for (int i = 0; i < 1 << (3 * tree->top); i++) {
      if (cells[i].mass != 0) cell_pull(&cells[i], body, image * (double)(1 << BITS), pull);
    }
  }
}

static const long wrong = -1000000000;

/* Whether a body is in the cell that the first `level` bits of its place name, on the way that led there. */
static long body_walk(const struct tree *tree, int32_t child, int octant, int level) {
  return body_octant(&tree->bodies[-child - 1], level) == octant ? 1 : wrong;
}

long tree_walk(const struct tree *tree, int32_t number, int level) {
  const struct cell *cell = &tree->cells[number];
  struct cell sum;
  long bodies = 0;
  if (level >= BITS || cell->level != level) return wrong;
  children_add(tree, cell, &sum);
  if (sum.mass != cell->mass || memcmp(sum.moment, cell->moment, sizeof sum.moment) != 0) return wrong;
  for (int octant = 0; octant < EIGHT; octant++) {
    int32_t child = cell->child[octant];
    if (child > 0) bodies += tree_walk(tree, child, level + 1);
    if (child < 0) bodies += body_walk(tree, child, octant, level);
  }
  return bodies;
}
