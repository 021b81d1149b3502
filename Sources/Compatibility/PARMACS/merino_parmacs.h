/**
 * @file merino_parmacs.h
 * What the macros of c.m4.merino expand to: PARMACS over Merino. One node of the job is one PARMACS process.
 * Programs do not call these functions by name; docs/parmacs.md describes the macros.
 *
 * PARMACS has no way to tell a program that something failed. So a function that fails writes one sentence to
 * standard error, with the place in the program, and ends the job with exit code 1.
 */
#ifndef MERINO_PARMACS_H
#define MERINO_PARMACS_H

#include <merino.h>

/* Programs count on MAIN_ENV and EXTERN_ENV for these, and for the size of a page. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef PAGE_SIZE
#define PAGE_SIZE 4096
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Where in the program a macro stands. */
#define MERINO_PARMACS_HERE __FILE__, __LINE__

/* Barriers and loops are pointers to what all processes share, so that they may be global variables, too. */
typedef struct merino_parmacs_barrier *merino_parmacs_barrier_t;
typedef struct merino_parmacs_loop *merino_parmacs_loop_t;

void merino_parmacs_begin(const char *file, int line);
MERINO_NORETURN void merino_parmacs_end(const char *file, int line);
void merino_parmacs_create(void (*function)(void), long processes, const char *file, int line);
void merino_parmacs_wait_for_end(const char *file, int line);
int merino_parmacs_process(void);
unsigned long merino_parmacs_clock(void);

void *merino_parmacs_allocate(size_t bytes, const char *file, int line);
void merino_parmacs_free(void *block, const char *file, int line);

void merino_parmacs_lock_init(merino_lock_t *locks, long count, const char *file, int line);
void merino_parmacs_lock(merino_lock_t lock, const char *file, int line);
int merino_parmacs_try_lock(merino_lock_t lock, const char *file, int line);
void merino_parmacs_unlock(merino_lock_t lock, const char *file, int line);

void merino_parmacs_barrier_init(merino_parmacs_barrier_t *barrier, long processes, const char *file,
                                 int line);
void merino_parmacs_barrier(merino_parmacs_barrier_t barrier, long processes, const char *file, int line);

void merino_parmacs_condition_init(merino_cond_t *condition, const char *file, int line);
void merino_parmacs_condition_wait(merino_cond_t condition, merino_lock_t lock, const char *file, int line);
void merino_parmacs_condition_signal(merino_cond_t condition, const char *file, int line);
void merino_parmacs_condition_broadcast(merino_cond_t condition, const char *file, int line);

void merino_parmacs_pause_init(merino_event_t *pauses, long count, const char *file, int line);
void merino_parmacs_pause_set(merino_event_t pause, const char *file, int line);
void merino_parmacs_pause_clear(merino_event_t pause, const char *file, int line);
void merino_parmacs_pause_wait(merino_event_t pause, const char *file, int line);
void merino_parmacs_pause_take(merino_event_t pause, const char *file, int line);

void merino_parmacs_loop_init(merino_parmacs_loop_t *loop, const char *file, int line);
long merino_parmacs_loop_next(merino_parmacs_loop_t loop, long last, long processes, const char *file,
                              int line);

uint64_t merino_parmacs_fetch_add(volatile void *word, size_t bytes, uint64_t addend, const char *file,
                                  int line);
uint64_t merino_parmacs_atomic_load(const volatile void *word, size_t bytes, const char *file, int line);
uint64_t merino_parmacs_exchange(volatile void *word, size_t bytes, uint64_t value, const char *file,
                                 int line);
int merino_parmacs_compare_exchange(volatile void *word, size_t bytes, uint64_t expected, uint64_t desired,
                                    const char *file, int line);
void merino_parmacs_fence_release(const char *file, int line);
void merino_parmacs_fence_acquire(const char *file, int line);
double merino_parmacs_fetch_add_double(volatile double *word, double addend, const char *file, int line);

/* Integers of 4 and 8 bytes; each is a release and an acquire, as programs for one machine expect. */
#define MERINO_PARMACS_VALUE(word, value) \
  (__extension__({ \
    __typeof__(*(word)) merino_parmacs_value = (__typeof__(*(word)))(value); \
    merino_parmacs_value; \
  }))
#define MERINO_PARMACS_FETCH_ADD(word, addend) \
  MERINO_PARMACS_VALUE( \
      word, merino_parmacs_fetch_add((word), sizeof *(word), (uint64_t)(addend), MERINO_PARMACS_HERE))
#define MERINO_PARMACS_ATOMIC_LOAD(word) \
  MERINO_PARMACS_VALUE(word, merino_parmacs_atomic_load((word), sizeof *(word), MERINO_PARMACS_HERE))
#define MERINO_PARMACS_ATOMIC_STORE(word, value) \
  ((void)merino_parmacs_exchange((word), sizeof *(word), (uint64_t)(value), MERINO_PARMACS_HERE))
#define MERINO_PARMACS_ATOMIC_EXCHANGE(word, value) \
  MERINO_PARMACS_VALUE( \
      word, merino_parmacs_exchange((word), sizeof *(word), (uint64_t)(value), MERINO_PARMACS_HERE))
#define MERINO_PARMACS_ATOMIC_CAS(word, expected, desired) \
  merino_parmacs_compare_exchange((word), sizeof *(word), (uint64_t)(expected), (uint64_t)(desired), \
                                  MERINO_PARMACS_HERE)

#ifdef __cplusplus
}
#endif

#endif /* MERINO_PARMACS_H */
