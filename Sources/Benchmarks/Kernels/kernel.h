/*
 * What the kernels are written over: a kernel is one source, and is linked twice. With Threads.c its workers
 * are threads of one process, with malloc and POSIX locks; with Nodes.c they are threads of the nodes of a
 * Merino job, with shared memory and locks of Merino's. So the two times differ by the memory alone.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096
#define SAME (-1)

/* A number that the command line may set: `--name value`; `--tiny` sets all to their tiny ones, for a
 * run that only shows that the kernel is right; SAME leaves a number as it is. A list ends with a NULL
 * name. */
struct kernel_option {
  const char *name;
  long *value;
  long least, most, tiny;
  const char *help;
};

/* A kernel. Each node calls `refuse`, `prepare` and, once for each of its threads, `work`; the first
 * node alone calls `fill`, `spoil` and `verify`. Barriers of all lie between. */
struct kernel {
  const char *name, *purpose;
  const struct kernel_option *options;
  const char *(*refuse)(void); /* NULL, or a sentence: these numbers do not go together; may be NULL itself */
  void (*prepare)(void);       /* allocates what is shared */
  void (*fill)(void);          /* what the main program of such an application initialises; may be NULL */
  void (*work)(int worker);
  void (*spoil)(void);  /* changes a number of the result, so that a run shows that `verify` sees it */
  void (*verify)(void); /* judges the result by result_expect */
};

/* The whole program: exit code 0, 1 where a check failed, 2 where it could not run. */
int kernel_main(int argc, char **argv, const struct kernel *kernel);

/* How many workers there are, of all nodes; they are numbered from 0. */
int workers_count(void);

/* The part of 0...total - 1 that is a worker's. */
struct span {
  size_t first, end;
};
struct span span_of(size_t total, int worker);

/* Shared memory, the same address for all workers, on a page's boundary, its contents undefined and its pages
 * not touched. In `prepare` only, by all nodes in the same order. */
void *memory_allocate(size_t bytes);

/* Memory of this process alone, for what is judged. */
void *memory_private(size_t bytes);

/* A lock in shared memory: a mutex, or the handle of Merino's. The larger of the two, so that what
 * lies beside it lies at the same place on both sides. */
struct lock {
  uint64_t words[5];
};

void locks_make(struct lock *locks, size_t count); /* by one thread, before others use them */
void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

/* All workers meet; what one wrote before is seen by all after. */
void barrier_pass(void);

/* What is timed lies between these two, which all workers pass once in this order. Both are barriers. */
void region_begin(void);
void region_end(void);

/* In `verify`: one check. What is said of it, as by printf, is printed where it failed. */
void result_expect(int good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A number that depends on another one alone: the same on both sides and in every run. */
static inline uint64_t number_mix(uint64_t number) {
  number += 0x9e3779b97f4a7c15u;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
  return number ^ (number >> 31);
}

/* The same as a fraction, 0 <= ... < 1. */
static inline double number_fraction(uint64_t number) { return (double)(number_mix(number) >> 11) * 0x1p-53; }

#endif
