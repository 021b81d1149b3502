/*
 * What a side has to offer: Threads.c or Nodes.c. Kernel.c calls it, the kernels do not.
 */
#ifndef SIDE_H
#define SIDE_H

#include "kernel.h"

/* What is counted in the region, of all nodes: the names that are printed. */
enum {
  COUNTED_READ_FAULTS,
  COUNTED_WRITE_FAULTS,
  COUNTED_FETCHED,
  COUNTED_TWINS,
  COUNTED_DIFFS,
  COUNTED_DIFF_BYTES,
  COUNTED_NOTICES,
  COUNTED_INVALIDATIONS,
  COUNTED_FIRST_TOUCHES,
  COUNTED_EXCLUSIVE,
  COUNTED_MIGRATIONS,
  COUNTED_OVERFLOWS,
  COUNTED_NUMBERS
};

extern const char *const side_name;
/* Whether there are other processes to meet, and counters. */
extern const int side_is_shared;

void side_begin(void);
int side_node(void);
int side_nodes(void);
/* One thread of each node calls it. */
void side_meet(void);
void *side_allocate(size_t bytes);
void side_count(uint64_t counted[COUNTED_NUMBERS]);
/* Each node's numbers added up, for each. */
void side_sum(uint64_t *values, size_t count);
void side_end(void);
/* Ends all nodes: something could not be done. */
_Noreturn void side_abort(void);

/* Locks that this thread has taken since it set it to 0. */
extern _Thread_local uint64_t lock_cycles;

#endif
