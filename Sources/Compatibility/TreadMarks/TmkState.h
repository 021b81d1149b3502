/**
 * @file TmkState.h
 * What Tmk.h is made of, not for programs: what its functions keep, errors, and the numbers of locks and
 * condition variables.
 */
#ifndef MERINO_TREADMARKS_TMKSTATE_H
#define MERINO_TREADMARKS_TMKSTATE_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <merino.h>

#define TMK_NORETURN __attribute__((noreturn))
/* One definition in the program, however many translation units have it. */
#define TMK_SHARED_DEFINITION __attribute__((weak))

/* What Tmk_malloc returns: as published in C++; in C what converts to a pointer of any type, that one
 * included. */
#ifdef __cplusplus
#define TMK_POINTER char *
extern "C" {
#else
#define TMK_POINTER void *
/* Declared by the C library itself only where the program asks for more than ISO C. */
extern int on_exit(void (*handler)(int status, void *argument), void *argument);
#endif

/** The number of processes. */
TMK_SHARED_DEFINITION unsigned Tmk_nprocs = 1;
/** The number of the calling process, 0...Tmk_nprocs - 1. */
TMK_SHARED_DEFINITION unsigned Tmk_proc_id;

struct tmk_block;

/* In shared memory, one for the job. Everything but `guard` is read and written holding `guard`. */
struct tmk_job {
  merino_lock_t guard;
  struct tmk_block *last;          /* of the log of distributions: where the next record goes */
  merino_lock_t locks[TMK_NLOCKS]; /* 0: not used yet */
  merino_cond_t conditions[TMK_NLOCKS][TMK_NCONDS];
};

/* This process's own. The handles are copies: those of the job cannot be read without `guard`. */
struct tmk_process {
  struct tmk_job *job;
  pid_t joined; /* 0: not yet, or no more */
  int left;
  struct tmk_block *block;    /* the record of the log that comes next for this process */
  unsigned record;
  const unsigned char *ready; /* that record's */
  uint64_t executable;        /* its fingerprint */
  uint64_t barriers;          /* passed or waited in so far */
  uint32_t leaver;            /* 0, or 1 + the process that has left after the fewest barriers */
  uint64_t leaver_barriers;   /* which were so many */
  merino_lock_t locks[TMK_NLOCKS];
  merino_cond_t conditions[TMK_NLOCKS][TMK_NCONDS];
};

TMK_SHARED_DEFINITION struct tmk_process tmk_process;

/* Prints the sentence and ends the job. */
static inline TMK_NORETURN __attribute__((format(printf, 1, 2))) void tmk_fail(const char *format, ...) {
  char sentence[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  /* What the program itself has printed comes before. */
  fflush(NULL);
  if (tmk_process.joined != 0 || tmk_process.left) {
    fprintf(stderr, "merino: process %u: %s\n", Tmk_proc_id, sentence);
  } else {
    fprintf(stderr, "merino: %s\n", sentence);
  }
  merino_abort(1);
}

/* Ends the job if a Merino call has failed; the rest says in which call of the program's. */
#define tmk_must(result, ...) \
  do { \
    if ((result) != MERINO_SUCCESS) tmk_must_not_go_on(__VA_ARGS__); \
  } while (0)

static inline TMK_NORETURN __attribute__((format(printf, 1, 2)))
void tmk_must_not_go_on(const char *format, ...) {
  char call[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(call, sizeof call, format, arguments);
  va_end(arguments);
  tmk_fail("%s: %s", call, merino_last_error());
}

static inline void tmk_running(const char *call) {
  if (tmk_process.joined != 0) return;
  if (tmk_process.left) tmk_fail("%s: this process has left the job already.", call);
  tmk_fail("%s: this process has not joined the job; call Tmk_startup first.", call);
}

static inline void tmk_in_range(const char *call, const char *what, unsigned id, unsigned count) {
  if (id < count) return;
  tmk_fail("%s: there is no %s %u; the numbers are 0...%u.", call, what, id, count - 1);
}

/* The job's handle of a number, made by whoever uses it first, and kept in this process. A handle is written
 * while others of this process may read it: they find either 0, and then wait for the guard, or all of it. */
static inline uint64_t tmk_handle(uint64_t *job, uint64_t *mine, int (*create)(uint64_t *)) {
  uint64_t handle = __atomic_load_n(mine, __ATOMIC_RELAXED);
  if (handle != 0) return handle;
  tmk_must(merino_lock_acquire(tmk_process.job->guard), "making a lock or a condition variable");
  if (*job == 0) tmk_must(create(job), "making a lock or a condition variable");
  handle = *job;
  tmk_must(merino_lock_release(tmk_process.job->guard), "making a lock or a condition variable");
  __atomic_store_n(mine, handle, __ATOMIC_RELAXED);
  return handle;
}

static inline merino_lock_t tmk_lock(unsigned id) {
  return tmk_handle(&tmk_process.job->locks[id], &tmk_process.locks[id], merino_lock_create);
}

static inline merino_cond_t tmk_condition(const char *call, unsigned lock, unsigned condition) {
  tmk_running(call);
  tmk_in_range(call, "lock", lock, TMK_NLOCKS);
  tmk_in_range(call, "condition variable", condition, TMK_NCONDS);
  /* Of the holder alone it says so: trying to take it again would never end. */
  if (merino_lock_try_acquire(tmk_lock(lock)) != MERINO_EDEADLK) {
    tmk_fail("%s(lock %u, condition %u): the caller does not hold the lock; the first argument is the number "
             "of the lock, the second that of the condition variable.", call, lock, condition);
  }
  return tmk_handle(&tmk_process.job->conditions[lock][condition], &tmk_process.conditions[lock][condition],
                    merino_cond_create);
}

#ifdef __cplusplus
}
#endif

#endif
