/* Locks, condition variables, pauses, barriers and self-scheduled loops: what LOCKDEC and its like declare
 * holds Merino's handles, which mean the same on every node. */
#include "Runtime.h"

#include <pthread.h>

/* ---- Locks */

void merino_parmacs_lock_init(merino_lock_t *locks, long count, const char *file, int line) {
  for (long i = 0; i < count; i++) parmacs_expect(merino_lock_create(&locks[i]), "LOCKINIT", file, line);
}

void merino_parmacs_lock(merino_lock_t lock, const char *file, int line) {
  parmacs_expect(merino_lock_acquire(lock), lock == 0 ? "LOCK before LOCKINIT" : "LOCK", file, line);
}

int merino_parmacs_try_lock(merino_lock_t lock, const char *file, int line) {
  int result = merino_lock_try_acquire(lock);
  if (result == MERINO_EBUSY) return 0;
  parmacs_expect(result, "TRYLOCK", file, line);
  return 1;
}

void merino_parmacs_unlock(merino_lock_t lock, const char *file, int line) {
  parmacs_expect(merino_lock_release(lock), "UNLOCK", file, line);
}

/* ---- Condition variables */

void merino_parmacs_condition_init(merino_cond_t *condition, const char *file, int line) {
  parmacs_expect(merino_cond_create(condition), "CONDVARINIT", file, line);
}

void merino_parmacs_condition_wait(merino_cond_t condition, merino_lock_t lock, const char *file, int line) {
  parmacs_expect(merino_cond_wait(condition, lock), "CONDVARWAIT", file, line);
}

void merino_parmacs_condition_signal(merino_cond_t condition, const char *file, int line) {
  parmacs_expect(merino_cond_signal(condition), "CONDVARSIGNAL", file, line);
}

void merino_parmacs_condition_broadcast(merino_cond_t condition, const char *file, int line) {
  parmacs_expect(merino_cond_broadcast(condition), "CONDVARBCAST", file, line);
}

/* ---- Pauses */

void merino_parmacs_pause_init(merino_event_t *pauses, long count, const char *file, int line) {
  for (long i = 0; i < count; i++) parmacs_expect(merino_event_create(&pauses[i]), "PAUSEINIT", file, line);
}

void merino_parmacs_pause_set(merino_event_t pause, const char *file, int line) {
  parmacs_expect(merino_event_set(pause), "SETPAUSE", file, line);
}

void merino_parmacs_pause_clear(merino_event_t pause, const char *file, int line) {
  parmacs_expect(merino_event_clear(pause), "CLEARPAUSE", file, line);
}

void merino_parmacs_pause_wait(merino_event_t pause, const char *file, int line) {
  parmacs_expect(merino_event_wait(pause), "WAITPAUSE", file, line);
}

void merino_parmacs_pause_take(merino_event_t pause, const char *file, int line) {
  merino_parmacs_pause_wait(pause, file, line);
  merino_parmacs_pause_clear(pause, file, line);
}

/* ---- Barriers */

/* In shared memory. `lock` guards the rest, which changes only where the number of processes does. */
struct merino_parmacs_barrier {
  merino_lock_t lock;
  merino_barrier_t barrier;
  uint32_t processes; /* what `barrier` was made for; 0: it was not made */
  uint32_t promised;  /* BARINIT's number, for a BARRIER that gives none */
};

static void make_barrier(struct merino_parmacs_barrier *barrier, uint32_t processes, const char *file,
                         int line) {
  parmacs_expect(merino_barrier_create(processes, &barrier->barrier), "BARINIT", file, line);
  barrier->processes = processes;
}

void merino_parmacs_barrier_init(merino_parmacs_barrier_t *barrier, long processes, const char *file,
                                 int line) {
  struct merino_parmacs_barrier *made = merino_parmacs_allocate(sizeof *made, file, line);
  if (processes < 0 || processes > UINT32_MAX)
    parmacs_fail(file, line, "BARINIT of %ld processes", processes);
  *made = (struct merino_parmacs_barrier){0, 0, 0, (uint32_t)processes};
  parmacs_expect(merino_lock_create(&made->lock), "BARINIT", file, line);
  if (processes > 0) make_barrier(made, (uint32_t)processes, file, line);
  *barrier = made;
}

/* Another number of processes than the last time: nobody is in the barrier then, or the program is wrong. One
 * that somebody is still leaving stays until the end of the job. */
static merino_barrier_t barrier_for(struct merino_parmacs_barrier *barrier, uint32_t processes,
                                    const char *file, int line) {
  parmacs_expect(merino_lock_acquire(barrier->lock), "BARRIER", file, line);
  if (barrier->processes != processes) {
    if (barrier->processes != 0) (void)merino_barrier_destroy(barrier->barrier);
    make_barrier(barrier, processes, file, line);
  }
  merino_barrier_t found = barrier->barrier;
  parmacs_expect(merino_lock_release(barrier->lock), "BARRIER", file, line);
  return found;
}

void merino_parmacs_barrier(merino_parmacs_barrier_t barrier, long processes, const char *file, int line) {
  if (barrier == NULL) parmacs_fail(file, line, "BARRIER before BARINIT");
  if (processes == 0) processes = barrier->promised;
  if (processes < 1 || processes > UINT32_MAX)
    parmacs_fail(file, line, "BARRIER of %ld processes", processes);
  /* Of all processes: there can be no other barrier at the same time, and this one can move pages to their
   * writers. */
  if (processes == merino_nodes()) {
    parmacs_expect(merino_barrier(), "BARRIER", file, line);
    return;
  }
  merino_barrier_t found = processes == (long)barrier->promised && barrier->processes == barrier->promised
                               ? barrier->barrier
                               : barrier_for(barrier, (uint32_t)processes, file, line);
  parmacs_expect(merino_barrier_wait(found), "BARRIER", file, line);
}

/* ---- Self-scheduled loops */

/* In shared memory. */
struct merino_parmacs_loop {
  merino_lock_t lock;
  merino_cond_t over; /* everybody has asked in vain */
  long next, waiting;
  uint64_t round;
};

void merino_parmacs_loop_init(merino_parmacs_loop_t *loop, const char *file, int line) {
  struct merino_parmacs_loop *made = merino_parmacs_allocate(sizeof *made, file, line);
  *made = (struct merino_parmacs_loop){0, 0, 0, 0, 0};
  parmacs_expect(merino_lock_create(&made->lock), "GSINIT", file, line);
  parmacs_expect(merino_cond_create(&made->over), "GSINIT", file, line);
  *loop = made;
}

static long loop_next(merino_parmacs_loop_t loop, long last, long processes, const char *file, int line) {
  parmacs_expect(merino_lock_acquire(loop->lock), "GETSUB", file, line);
  long result = loop->next <= last ? loop->next++ : -1;
  if (result < 0) {
    uint64_t round = loop->round;
    if (++loop->waiting == processes) {
      loop->waiting = 0;
      loop->next = 0;
      loop->round++;
      parmacs_expect(merino_cond_broadcast(loop->over), "GETSUB", file, line);
    }
    while (loop->round == round)
      parmacs_expect(merino_cond_wait(loop->over, loop->lock), "GETSUB", file, line);
  }
  parmacs_expect(merino_lock_release(loop->lock), "GETSUB", file, line);
  return result;
}

long merino_parmacs_loop_next(merino_parmacs_loop_t loop, long last, long processes, const char *file,
                              int line) {
  if (loop == NULL) parmacs_fail(file, line, "GETSUB before GSINIT");
  /* No cancellation point: a thread that ended in here would be counted as one that waits. */
  int before;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  long result = loop_next(loop, last, processes, file, line);
  pthread_setcancelstate(before, NULL);
  return result;
}
