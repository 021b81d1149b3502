/**
 * @file Tmk.h
 * The programming interface of TreadMarks over Merino, written from the published descriptions of it (C. Amza
 * et al., "TreadMarks: Shared Memory Computing on Networks of Workstations", IEEE Computer 29(2), 1996). The
 * processes are started by Merino's launcher; docs/treadmarks.md says how, and what differs.
 *
 * **Header only**, over merino.h: any number of translation units of a program may include it. Functions are
 * static; what they share, Tmk_nprocs and Tmk_proc_id among it, are weak definitions, which the linker
 * merges: no object file has to come first, it works in C and C++, and in programs made of several shared
 * libraries.
 *
 * **Errors.** These functions have no results that tell of errors. A call that cannot do what it should
 * prints a sentence on standard error (which call, in which process, what happened) and ends the whole job
 * with exit code 1.
 */
#ifndef MERINO_TREADMARKS_TMK_H
#define MERINO_TREADMARKS_TMK_H

/** The largest number of processes. */
#define TMK_NPROCS 1024
/** The number of locks, 0...TMK_NLOCKS - 1. A lock costs nothing until it is used for the first time. */
#define TMK_NLOCKS 4096
/** The number of condition variables that each lock has, 0...TMK_NCONDS - 1; they cost nothing until they are
 * used. */
#define TMK_NCONDS 16
/** The number of barriers, 0...TMK_NBARRIERS - 1. */
#define TMK_NBARRIERS 4096

#include "TmkJoin.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Joins the job; every process calls it, once, and goes on when all have. Private variables that it assigned
 * before have in every process what that process gave them.
 * @param argc, argv of main; not looked at: the launcher decides how many processes there are.
 */
static inline void Tmk_startup(int argc, char **argv) {
  (void)argc;
  (void)argv;
  tmk_join();
}

/**
 * Ends the calling process. With status 0 the others go on: this process waits until all of them have ended
 * too, because its part of the shared memory lives in it. With another status it ends the whole job at once.
 * A return from main and exit(3) do the same.
 */
static inline TMK_NORETURN void Tmk_exit(int status) {
  tmk_running("Tmk_exit");
  exit(status);
}

/**
 * Allocates shared memory. Called by one process; the pointer means the same in all, which get it through
 * shared memory or by Tmk_distribute. The contents are undefined. There is never a null pointer: no memory is
 * an error.
 */
static inline TMK_POINTER Tmk_malloc(size_t size) {
  tmk_running("Tmk_malloc");
  void *block = merino_malloc(size);
  if (block == NULL) tmk_fail("Tmk_malloc(%zu): %s", size, merino_last_error());
  return (TMK_POINTER)block;
}

/** Frees shared memory that any process allocated by Tmk_malloc; NULL does nothing. */
static inline void Tmk_free(void *block) {
  tmk_running("Tmk_free");
  errno = 0;
  merino_free(block);
  if (errno != 0) tmk_fail("Tmk_free(%p): %s", block, merino_last_error());
}

/**
 * Copies a private variable of the calling process to the same variable of all others. One process calls it.
 * Another has the value after its next Tmk_barrier, Tmk_lock_acquire or Tmk_cond_wait that is ordered after
 * the call, and perhaps after an earlier one. Several calls come into effect in one order, the same in all
 * processes.
 * @param variable a static or global variable of the executable, or a part of one, which is the same in all
 *   processes.
 */
static inline void Tmk_distribute(void *variable, size_t size) {
  tmk_running("Tmk_distribute");
  tmk_distribute(variable, size);
}

/** Waits until all processes are in a barrier. All numbers name the one barrier of all processes. */
static inline void Tmk_barrier(unsigned id) {
  tmk_running("Tmk_barrier");
  tmk_in_range("Tmk_barrier", "barrier", id, TMK_NBARRIERS);
  tmk_wait_for_all(id);
}

/** Waits until the calling process has the lock. */
static inline void Tmk_lock_acquire(unsigned id) {
  tmk_running("Tmk_lock_acquire");
  tmk_in_range("Tmk_lock_acquire", "lock", id, TMK_NLOCKS);
  tmk_must(merino_lock_acquire(tmk_lock(id)), "Tmk_lock_acquire(%u)", id);
  tmk_catch_up();
}

/** Gives the lock back. */
static inline void Tmk_lock_release(unsigned id) {
  tmk_running("Tmk_lock_release");
  tmk_in_range("Tmk_lock_release", "lock", id, TMK_NLOCKS);
  tmk_must(merino_lock_release(tmk_lock(id)), "Tmk_lock_release(%u)", id);
}

/**
 * Gives the lock back, waits for a signal or broadcast that comes after, and takes the lock again. May return
 * without one: call it in a loop that looks at what it waits for.
 * @param lock a lock that the calling process holds.
 * @param condition a condition variable of this lock.
 */
static inline void Tmk_cond_wait(unsigned lock, unsigned condition) {
  merino_cond_t handle = tmk_condition("Tmk_cond_wait", lock, condition);
  tmk_must(merino_cond_wait(handle, tmk_lock(lock)), "Tmk_cond_wait(lock %u, condition %u)", lock, condition);
  tmk_catch_up();
}

/** Wakes at least one of those who wait for the condition variable, if any. The calling process holds the
 * lock. */
static inline void Tmk_cond_signal(unsigned lock, unsigned condition) {
  merino_cond_t handle = tmk_condition("Tmk_cond_signal", lock, condition);
  tmk_must(merino_cond_signal(handle), "Tmk_cond_signal(lock %u, condition %u)", lock, condition);
}

/** Wakes all who wait for the condition variable. The calling process holds the lock. */
static inline void Tmk_cond_broadcast(unsigned lock, unsigned condition) {
  merino_cond_t handle = tmk_condition("Tmk_cond_broadcast", lock, condition);
  tmk_must(merino_cond_broadcast(handle), "Tmk_cond_broadcast(lock %u, condition %u)", lock, condition);
}

#ifdef __cplusplus
}
#endif

#endif
