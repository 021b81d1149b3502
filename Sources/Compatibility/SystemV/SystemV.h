/* What the files of libmerino-sysv share. It stands before libc in a program that does not know Merino
 * (LD_PRELOAD) and takes the calls that concern System V's shared memory and semaphores, and the
 * synchronisation objects that lie in such memory; everything else goes on to libc. docs/system-v.md tells
 * users of it. */
#ifndef MERINO_SYSV_H
#define MERINO_SYSV_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "merino.h"

/* What programs see instead of libc's. */
#define SYSV_EXPORT __attribute__((visibility("default")))
/* Whoever called an exported function. */
#define CALLER __builtin_return_address(0)

/* ---- Say.c */

/* Writes "merino: <sentence>" to standard error, in one piece: the program knows nothing of Merino, so nobody
 * else can. */
void sysv_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says so and ends the job: for functions whose result programs do not look at, such as
 * pthread_mutex_lock. */
MERINO_NORETURN void sysv_end(const char *what);
/* Says merino_last_error for the calls that give errno, once for each sentence. Returns -1. */
int sysv_failed(const char *what, int error);

/* ---- Join.c */

/* Whether this process was started as a node of a job. If not, everything goes to libc. */
int sysv_is_in_job(void);
/* Joins at the first call. 0; -1 with errno, with the sentence said. */
int sysv_join(void);
/* Whether this process is a node now: false before joining, in the child of a fork, after leaving. */
int sysv_is_node(void);

/* ---- Files.c */

/* Around joining: which files are there before it, and which it has opened. */
void sysv_files_look(void);
void sysv_files_are_merinos(void);
/* Closes the program's. */
void sysv_files_close(void);

/* ---- Signals.c */

/* Joining has put Merino's action in the place of the program's, which is kept aside. */
void sysv_fault_action_take(void);

/* ---- Callers.c */

/* Finds the libraries whose calls are never taken: Merino itself and what it uses. After joining. */
void sysv_callers_find(void);
/* Whether a return address is in one of them. */
int sysv_is_ours(const void *caller);

/* ---- Inside.c */

/* Around calls of Merino: a handler that runs in between must not call it again. */
void sysv_inside_begin(void);
void sysv_inside_end(void);
/* Whether this thread is in one, which is so in such a handler only. */
int sysv_is_inside(void);

/* ---- Views.c: what is attached to this process */

struct sysv_view {
  uintptr_t start, end; /* end excluded */
  int identifier;
};
/* 0; -1 where the table is full. */
int sysv_view_add(struct sysv_view view);
void sysv_view_remove(uintptr_t start);
/* The first view that [start, start + bytes) overlaps; 0 where there is none. */
int sysv_view_find(const void *start, size_t bytes, struct sysv_view *view);
/* Whether there is any: a load. */
int sysv_has_views(void);

/* ---- Order.c */

/* What this thread wrote before is seen by whoever acquires after. Keeps errno. */
void sysv_release(void);
/* What others released before is seen. Keeps errno. */
void sysv_acquire(void);

/* ---- Objects.c: what lies at an address of shared memory, the same on all nodes */

enum sysv_kind {
  SYSV_NONE = 0,
  SYSV_MUTEX = 1,     /* also a spin lock */
  SYSV_CONDITION = 2,
  SYSV_BARRIER = 3,
  SYSV_SEMAPHORE = 4,
  SYSV_READ_WRITE = 5,
};

/* In shared memory: 64 bytes. Its lock and condition are made once and stay, whatever object comes to lie
 * here: another node may know them from before. */
struct sysv_object {
  uint64_t identifier; /* of the segment, plus 1; 0: free, ~0: was in use */
  uint64_t offset;     /* in the segment */
  uint32_t kind, type; /* type: PTHREAD_MUTEX_RECURSIVE and the like, a clock, or of how many a barrier is */
  uint64_t lock, condition, barrier;
  int64_t value; /* of a semaphore; readers */
  union {
    uint64_t writer;   /* who holds a read-write lock for writing */
    uint64_t arrivals; /* of a barrier; changed by atomics only */
  };
};

/* This process's knowledge of an object. Never freed. */
struct sysv_local {
  uintptr_t address;
  struct sysv_object *object;
  uint32_t kind, type;
  uint64_t lock, condition, barrier;
  int64_t depth; /* of a recursive mutex: its owner's */
  struct sysv_local *next;
};

/* Whether `address` is in shared memory. Ends a process that is no node any more: the child of a fork. */
int sysv_is_shared(const void *address);
/* The object at an address of shared memory: made if nobody has, with `type`, as static initialisers do. Ends
 * the job where that is impossible. */
struct sysv_local *sysv_object(const void *address, enum sysv_kind kind, uint32_t type);
/* The same where this process has met it; else NULL. */
struct sysv_local *sysv_object_known(const void *address, enum sysv_kind kind);
/* Makes it anew, whatever was there. */
struct sysv_local *sysv_object_make(const void *address, enum sysv_kind kind, uint32_t type, int64_t value);
/* Removes it. 0; EBUSY. */
int sysv_object_destroy(const void *address, enum sysv_kind kind);
/* Another node has made it anew: look it up again. */
void sysv_object_forget(const struct sysv_local *local);
/* This process detaches [start, end). */
void sysv_objects_detach(uintptr_t start, uintptr_t end);
/* What names this thread among all of the job's. */
uint64_t sysv_thread(void);

/* ---- SemaphoreUndo.c */

/* Takes back what SEM_UNDO promised, at the end of the process. */
void sysv_semaphores_undo(void);

/* ---- Time.c */

/* Nanoseconds until `due` on `clock`, 0 where it has passed. 0; EINVAL for a due that is no time. */
int sysv_until(clockid_t clock, const struct timespec *due, uint64_t *nanoseconds);

#endif
