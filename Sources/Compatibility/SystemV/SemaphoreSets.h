/* The job's semaphore sets, for the files of the semget(2) family. */
#ifndef MERINO_SYSV_SEMAPHORE_SETS_H
#define MERINO_SYSV_SEMAPHORE_SETS_H

#include "Real.h"

enum {
  SETS = 4096,          /* at most, in a job */
  SET_SEMAPHORES = 32000, /* at most, in a set, as Linux has it */
  SET_OPERATIONS = 500, /* at most, in a semop */
  SET_VALUE = 32767,    /* the largest */
};

/* In shared memory. */
struct set_semaphore {
  int32_t value;
  int32_t process;  /* that changed it last */
  uint32_t raising; /* who wait for it to grow */
  uint32_t falling; /* who wait for it to become zero */
  uint32_t epoch;   /* counts what voids SEM_UNDO's promises: SETVAL, SETALL */
};

/* What operations change, in pages of the heap of its own: one page comes with the lock of a small set. */
struct set_state {
  int64_t operated; /* a time */
  uint64_t waiting; /* threads, for any of the semaphores */
  struct set_semaphore semaphores[];
};

/* In shared memory, 128 bytes, which operations do not change. The lock and the condition are made for the
 * place and stay; the lock guards the rest, and the table's lock does so, too, where a set comes and goes. */
struct set {
  merino_lock_t lock;
  merino_cond_t changed;
  struct set_state *state; /* NULL: there is no set */
  uint64_t sequence;       /* a part of the identifier */
  int64_t made;            /* a time */
  int32_t key;
  uint32_t count;
  uint32_t mode;
  uint32_t user, group, creating_user, creating_group;
  uint32_t unused[15];
};

/* The table of sets, which it opens at the first call. */
struct set *sysv_sets(void);
void sysv_sets_lock(void);
void sysv_sets_unlock(void);
int sysv_set_identifier(const struct set *set);

/* Enters the set of an identifier, if the caller may do with it what `wanted` says (0400, 0200; 0: whatever
 * it is). NULL with errno: EINVAL, EACCES. */
struct set *sysv_set_enter(int identifier, unsigned wanted);
/* Whether the identifier names the set still, after a wait. */
int sysv_set_is_there(const struct set *set, int identifier);
/* Leaves it. `wakes`: those who wait look again. */
void sysv_set_leave(struct set *set, int wakes);
/* Whether the caller may do to the set what `wanted` asks for, as for its owner. */
int sysv_set_allows(const struct set *set, unsigned wanted);
/* Whether the caller may change and remove it. */
int sysv_set_is_callers(const struct set *set);

/* SEM_UNDO: remembers that `change` of a semaphore is to be taken back at the end. */
void sysv_undo_add(int identifier, uint32_t number, uint32_t epoch, int change);

#endif
