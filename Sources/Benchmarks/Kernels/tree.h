/* The cells of the kernel tree, and how they are reached. */
#ifndef TREE_H
#define TREE_H

#include "kernel.h"

enum { AXES = 3, BITS = 20, EIGHT = 8 };

struct body {
  uint32_t place[AXES], mass; /* BITS bits of each axis */
  double pull[AXES];
  char rest[64 - 4 * (AXES + 1) - 8 * AXES];
};

/* A child is 0 (none), a cell's number, or a body's, below 0. A page has 32 cells, of several workers. */
struct cell {
  int32_t child[EIGHT];
  uint64_t mass, moment[AXES];
  int32_t level;
  char rest[128 - 4 * EIGHT - 8 * (AXES + 1) - 4];
};

/* Set once by all nodes alike. */
struct tree {
  struct body *bodies;
  struct cell *cells;
  long count; /* of bodies */
  int top;    /* levels that are there before any body is: nobody changes their children, or locks them */
};

/* The number of the first cell of a level of the top; 0 is no cell. */
static inline int32_t top_first(int level) {
  int32_t first = 1;
  for (int i = 0, width = 1; i < level; i++, width *= EIGHT) first += width;
  return first;
}

static inline int body_octant(const struct body *body, int level) {
  int shift = BITS - 1 - level;
  return (int)((body->place[0] >> shift & 1) << 2 | (body->place[1] >> shift & 1) << 1 |
               (body->place[2] >> shift & 1));
}

/* The cell of the lowest level of the top in which a body is. */
static inline int32_t body_top(const struct tree *tree, const struct body *body) {
  int32_t number = 0;
  for (int level = 0; level < tree->top; level++) number = number * EIGHT + body_octant(body, level);
  return top_first(tree->top) + number;
}

/* Adds up a cell's children: its mass, and mass times place. */
void cell_add_up(const struct tree *tree, int32_t number);

/* What the cells of the top's lowest level do to a body, and their images in the space beside. */
void body_pull(const struct tree *tree, const struct body *body, double pull[AXES]);

/* How many bodies are below a cell, each where it belongs; a large negative number where anything is
 * wrong. */
long tree_walk(const struct tree *tree, int32_t number, int level);

#endif
