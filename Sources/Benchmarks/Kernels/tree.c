/*
 * tree: bodies are put into a tree of eights, each cell of which has a lock that is taken on the way down
 * (as the tree of BARNES, in the suite's version without races). Most cycles of a lock only read, one in
 * some writes, into a cell that lies among those of other workers. Then masses are added up from the
 * leaves to the root, level by level, and each body feels the cells of the top. All is counted in
 * integers, so that the order in which bodies come does not matter.
 */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

static long steps = 4, looks = 3, top = 2, mixed = 10, chunk = 4;
static struct tree tree = {.count = 16384};
static uint64_t *found; /* shared: what each worker's looks found, a page for each */

/* BARNES has 2,048 for all its cells. */
enum { LOCKS = 2048 };
static struct lock *locks; /* shared */

/* A worker's cells of this step: pieces of `chunk` cells, every piece between those of the others. */
struct pool {
  int worker, used;
  int32_t *mine; /* their numbers in the order in which they were made */
};

/* Each worker's at most; a tree of bodies that are not very close has less than one for each body. */
static size_t pool_room(void) { return (size_t)tree.count * 2; }

static void prepare(void) {
  tree.top = (int)top;
  size_t room = (size_t)top_first(tree.top + 1) + (size_t)workers_count() * (pool_room() + (size_t)chunk);
  tree.cells = memory_allocate(room * sizeof *tree.cells);
  tree.bodies = memory_allocate((size_t)tree.count * sizeof *tree.bodies);
  locks = memory_allocate(LOCKS * sizeof *locks);
  found = memory_allocate((size_t)workers_count() * PAGE);
}

static void fill(void) { locks_make(locks, LOCKS); }

static void cell_start(int32_t number, int level) {
  struct cell *cell = &tree.cells[number];
  memset(cell, 0, sizeof *cell);
  cell->level = level;
}

static struct lock *cell_lock(int32_t number) { return &locks[number % LOCKS]; }

static int32_t pool_make(struct pool *pool, int level) {
  if ((size_t)pool->used == pool_room() || level >= BITS) abort(); /* two bodies at one place */
  int32_t piece = pool->used / (int)chunk * workers_count() + pool->worker;
  int32_t number = top_first(tree.top + 1) + piece * (int)chunk + pool->used % (int)chunk;
  pool->mine[pool->used++] = number;
  cell_start(number, level);
  return number;
}

/* Worker's bodies are in a slice of space that is the worker's, but for some of them that are
 * anywhere; each axis is denser in the middle. */
static void body_place(size_t number, long step, int worker) {
  struct body *body = &tree.bodies[number];
  uint64_t seed = (uint64_t)step << 40 | (uint64_t)number << 4, workers = (uint64_t)workers_count();
  int is_anywhere = number_mix(seed + 9) % 100 < (uint64_t)mixed;
  for (uint64_t axis = 0; axis < AXES; axis++) {
    double part = 0.5 * (number_fraction(seed + 2 * axis) + number_fraction(seed + 2 * axis + 1));
    if (axis == 0 && !is_anywhere) part = (part + worker) / (double)workers;
    body->place[axis] = (uint32_t)(part * (1 << BITS));
  }
  body->mass = 1 + (uint32_t)(number % 7);
}

static void top_start(int worker) {
  for (int level = 0; level <= tree.top; level++) {
    struct span mine = span_of((size_t)1 << (3 * level), worker);
    for (size_t i = mine.first; i < mine.end; i++) {
      int32_t number = top_first(level) + (int32_t)i;
      cell_start(number, level);
      for (int octant = 0; level < tree.top && octant < EIGHT; octant++) {
        tree.cells[number].child[octant] = top_first(level + 1) + (int32_t)i * EIGHT + octant;
      }
    }
  }
}

/* Where another body is, a cell comes between the two, and the way down goes on in it. */
static void body_insert(size_t index, struct pool *pool) {
  const struct body *body = &tree.bodies[index];
  int32_t number = body_top(&tree, body), me = -(int32_t)index - 1;
  for (int level = tree.top; number > 0; level++) {
    lock_take(cell_lock(number));
    int32_t *child = &tree.cells[number].child[body_octant(body, level)], next = *child;
    if (next == 0) *child = me;
    if (next < 0) {
      int32_t made = pool_make(pool, level + 1);
      tree.cells[made].child[body_octant(&tree.bodies[-next - 1], level + 1)] = next;
      *child = next = made;
    }
    lock_give(cell_lock(number));
    number = next;
  }
}

/* Whether the way down leads to the body: taking each lock, and writing nothing. */
static int body_look(size_t index) {
  const struct body *body = &tree.bodies[index];
  int32_t number = body_top(&tree, body);
  for (int level = tree.top; number > 0; level++) {
    lock_take(cell_lock(number));
    int32_t next = tree.cells[number].child[body_octant(body, level)];
    lock_give(cell_lock(number));
    number = next;
  }
  return number == -(int32_t)index - 1;
}

/* From the lowest cells to the root; a level's cells are finished when the next level begins. */
static void levels_add_up(const struct pool *pool, int worker) {
  for (int level = BITS; level > tree.top; level--) {
    for (int i = 0; i < pool->used; i++) {
      if (tree.cells[pool->mine[i]].level == level) cell_add_up(&tree, pool->mine[i]);
    }
    barrier_pass();
  }
  for (int level = tree.top; level >= 0; level--) {
    struct span mine = span_of((size_t)1 << (3 * level), worker);
    for (size_t i = mine.first; i < mine.end; i++) cell_add_up(&tree, top_first(level) + (int32_t)i);
    barrier_pass();
  }
}

static void bodies_pull(struct span mine) {
  for (size_t i = mine.first; i < mine.end; i++) body_pull(&tree, &tree.bodies[i], tree.bodies[i].pull);
}

static void work(int worker) {
  struct span mine = span_of((size_t)tree.count, worker);
  struct pool pool = {.worker = worker, .mine = memory_private(pool_room() * sizeof(int32_t))};
  uint64_t seen = 0;
  region_begin();
  for (long step = 0; step < steps; step++) {
    pool.used = 0;
    top_start(worker);
    for (size_t i = mine.first; i < mine.end; i++) body_place(i, step, worker);
    barrier_pass();
    for (size_t i = mine.first; i < mine.end; i++) {
      body_insert(i, &pool);
      for (long look = 0; look < looks; look++)
        seen += (uint64_t)body_look(i - (size_t)look % (i - mine.first + 1));
    }
    barrier_pass();
    levels_add_up(&pool, worker);
    bodies_pull(mine);
    barrier_pass();
  }
  found[(size_t)worker * PAGE / sizeof *found] = seen;
  region_end();
  free(pool.mine);
}

static void spoil(void) { tree.cells[tree.cells[top_first(tree.top) - 1].child[0]].mass ^= 1; }

static void verify(void) {
  long bodies = tree_walk(&tree, top_first(0), 0), wrong = 0;
  uint64_t seen = 0;
  double pull[AXES];
  for (int worker = 0; worker < workers_count(); worker++)
    seen += found[(size_t)worker * PAGE / sizeof *found];
  for (long i = 0; i < tree.count; i++) {
    const struct body *body = &tree.bodies[i];
    body_pull(&tree, body, pull);
    wrong += memcmp(pull, body->pull, sizeof pull) != 0;
  }
  result_expect(bodies == tree.count, "the tree has %ld bodies (below 0: a cell is wrong)", bodies);
  result_expect(seen == (uint64_t)(tree.count * looks * steps), "%lu looks found their body",
                (unsigned long)seen);
  result_expect(wrong == 0, "%ld bodies are pulled elsewhere", wrong);
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"bodies", &tree.count, 8, 1 << 22, 500, "bodies"},
      {"steps", &steps, 1, 1000, 2, "trees that are built, one after the other"},
      {"looks", &looks, 0, 1000, SAME, "looks for a body after each that is put in"},
      {"top", &top, 1, 5, SAME, "levels of the tree that are there before, and have no locks"},
      {"mixed", &mixed, 0, 100, SAME,
       "of 100 bodies those that are anywhere, not in their worker's part of space"},
      {"chunk", &chunk, 1, 4096, SAME, "cells of a worker that lie together"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel kernel = {
      .name = "tree", .purpose = "builds trees of bodies, a lock for each cell", .options = options,
      .prepare = prepare, .fill = fill, .work = work, .spoil = spoil, .verify = verify};
  return kernel_main(argc, argv, &kernel);
}
